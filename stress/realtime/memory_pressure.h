// How realtime_stress makes memory short, and what shows that it was.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace canvas::stress {

// A memory group, too small for what is read in it, that this process and its children are put
// into. Nothing, with a word why, where that is not permitted.
class MemoryGroup {
 public:
  static std::unique_ptr<MemoryGroup> Make(std::uint64_t bytes);
  // Out of it again: children from now on are outside too.
  void Leave();
  ~MemoryGroup();

 private:
  explicit MemoryGroup(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Memory of a file that is mapped, read once and not locked: what the balloon takes away.
class Unlocked {
 public:
  explicit Unlocked(const std::string& path);
  // 4 KiB pages of it that are no longer in memory.
  std::size_t Evicted() const;
  std::size_t pages() const { return kBytes / 4096; }

 private:
  static constexpr ssize_t kBytes = 32 << 20;
  void* memory_;
};

void EvictFromCache(const std::string& path);

// Reads a file of zeros larger than the group may hold, so that the page cache must give way.
void Balloon(const std::string& path);

}  // namespace canvas::stress
