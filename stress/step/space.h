// Stretches of a file, and which of it has space on the disk.
#pragma once

#include <linux/fiemap.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace canvas::stress {

struct Span {
  std::uint64_t offset;
  std::uint64_t bytes;
};

// The space that a file has on the disk, written to or not.
class Reserved {
 public:
  static constexpr std::size_t kMost = 1024;

  // In a signal handler: one syscall, no allocation. False where the file system does not tell.
  bool Ask(int fd);
  std::span<const Span> spans() const { return {spans_, count_}; }
  bool Holds(std::uint64_t at) const {
    return std::ranges::any_of(spans(), [&](const Span& span) {
      return at >= span.offset && at < span.offset + span.bytes;
    });
  }

 private:
  Span spans_[kMost];
  std::size_t count_ = 0;
  alignas(fiemap) char buffer_[sizeof(fiemap) + kMost * sizeof(fiemap_extent)];
};

}  // namespace canvas::stress
