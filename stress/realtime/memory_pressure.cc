#include "stress/realtime/memory_pressure.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <thread>
#include <vector>

#include "stress/rig.h"

namespace canvas::stress {

std::unique_ptr<MemoryGroup> MemoryGroup::Make(std::uint64_t bytes) {
  const auto write = [](const std::filesystem::path& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::flush;
    return static_cast<bool>(out);
  };
  const std::string name = fmt::format("canvas-realtime-{}", getpid());
  struct Kind {
    const char* root;
    const char* limit;
  };
  for (const Kind kind : {Kind{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                          Kind{"/sys/fs/cgroup", "memory.max"}}) {
    const std::filesystem::path path = std::filesystem::path(kind.root) / name;
    std::error_code error;
    if (!std::filesystem::create_directory(path, error) || error) continue;
    std::unique_ptr<MemoryGroup> group(new MemoryGroup(path));
    if (write(path / kind.limit, std::to_string(bytes)) &&
        write(path / "cgroup.procs", std::to_string(getpid())))
      return group;
  }
  std::puts("SKIPPED: the balloon: no memory cgroup may be made here");
  return nullptr;
}

void MemoryGroup::Leave() {
  std::ofstream(path_.parent_path() / "cgroup.procs") << getpid() << std::flush;
}

MemoryGroup::~MemoryGroup() {
  Leave();
  for (int i = 0; i < 100 && rmdir(path_.c_str()) != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

Unlocked::Unlocked(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::vector<char> bytes(kBytes, 'x');
  if (write(fd, bytes.data(), bytes.size()) != kBytes || fdatasync(fd) != 0) std::abort();
  memory_ = mmap(nullptr, kBytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  close(fd);
}

std::size_t Unlocked::Evicted() const {
  std::vector<unsigned char> in(kBytes / 4096);
  if (mincore(memory_, kBytes, in.data()) != 0) std::abort();
  return static_cast<std::size_t>(
      std::ranges::count_if(in, [](unsigned char page) { return (page & 1) == 0; }));
}

void EvictFromCache(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  fdatasync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

void Balloon(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> piece(1 << 20);
  bool begun = false;
  for (off_t at = 0;; at += static_cast<off_t>(piece.size())) {
    const ssize_t got = pread(fd, piece.data(), piece.size(), at);
    if (got > 0) continue;
    at = -static_cast<off_t>(piece.size());
    // From here on memory is short: all that the group may hold was taken once.
    if (!std::exchange(begun, true)) Say('b');
  }
}

}  // namespace canvas::stress
