// The kernel's side of a file, one system call a function: open, reserve, give back, write, and
// what kind of file system it lies on. Errors carry errno in words; the caller adds the path.
//
// Thread safety: UniqueFd is a plain value; the functions are as thread-safe as their system calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "canvas/base/access.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas::os {

// A file descriptor with one holder.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset() noexcept;

 private:
  int fd_ = -1;
};

using canvas::Access;

// Opens a regular file, without waiting (a FIFO would) and without touching anything else.
Result<UniqueFd> OpenRegular(const std::string& path, Access access);

// A second open file description of the same file, with locks of its own.
Result<UniqueFd> Reopen(const UniqueFd& fd, Access access);

Result<std::uint64_t> FileSize(const UniqueFd& fd);
// The same without memory for an error: 0 where it cannot be told.
std::uint64_t FileSizeOrZero(const UniqueFd& fd) noexcept;

// Reads all of `bytes` at `offset`; kCorrupt where the file ends before.
Result<void> ReadAt(const UniqueFd& fd, std::uint64_t offset, std::span<std::byte> bytes);
Result<void> WriteAt(const UniqueFd& fd, std::uint64_t offset, std::span<const std::byte> bytes);

// Reserves disk space, so that a later store into the range cannot fail for want of it. Bytes that
// are there stay. `fresh`: nothing in the range is in use, so what a failed attempt took is given
// back. Never changes the file's size.
Result<void> Reserve(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes, bool fresh);

// The same, and the file reaches the end of the range afterwards: fallocate(2) without
// FALLOC_FL_KEEP_SIZE raises the size and never lowers it, whoever else raises it at the same time.
Result<void> ReserveAndGrow(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes);

// Gives disk space back; the range reads as zeros.
Result<void> PunchHole(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes);

// Whether less than `bytes` is left for this file on its file system, and a store into reserved
// bytes may still want more: not on tmpfs, where it never does.
bool IsSpaceBelow(const UniqueFd& fd, std::uint64_t bytes) noexcept;

// Has the page cache let go of a range, written back first, where nobody maps it or has it locked
// (sync_file_range(2), POSIX_FADV_DONTNEED). A folio goes only if all of it lies in the range.
void Evict(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes) noexcept;

// Whether the byte at `offset` is in the page cache already (preadv2(2), RWF_NOWAIT); true where
// that cannot be told.
bool IsCached(const UniqueFd& fd, std::uint64_t offset) noexcept;

// Sets the size; refuses beforehand where RLIMIT_FSIZE would kill the process with SIGXFSZ.
Result<void> SetSize(const UniqueFd& fd, std::uint64_t bytes);

// The first stretch of data at or behind `offset`, cut at `end`; empty, at `end`, where there is
// none. What lies between is zeros, and need not be looked at (lseek(2), SEEK_DATA). Everything is
// data where the file system cannot tell.
struct ByteSpan {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};
ByteSpan NextData(const UniqueFd& fd, std::uint64_t offset, std::uint64_t end) noexcept;

// Nanoseconds since 1970-01-01T00:00:00Z, by the system's clock.
std::int64_t NowUnixNs();

// Whether a canvas can keep its promises on the file system of `fd`.
// Errors: kUnsupported, naming it: network and FUSE file systems (unless `allow_remote`), those
// that copy on write and cannot be told not to.
Result<void> CheckFileSystem(const UniqueFd& fd, bool allow_remote);

}  // namespace canvas::os
