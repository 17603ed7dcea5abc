// The kernel's byte-range locks of one open file description (fcntl(2), F_OFD_SETLK), as the
// protocols use them: tried, never waited for, and released by the kernel however their holder
// dies.
//
// Locks of one description do not conflict with each other, so exclusive locks and pins live on
// separate descriptions, and the threads that share one are kept apart by other means.
//
// Thread safety: as fcntl. Realtime: a syscall each.
#pragma once

#include <cstdint>

#include "canvas/format/lock_format.h"

namespace canvas::sync {

enum class LockTry : std::uint8_t {
  kTaken,
  kHeld,    // another description is in the way
  kFailed,  // errno says why: ENOLCK, EBADF
};

class KernelLocks {
 public:
  KernelLocks() = default;
  // The descriptor stays the caller's, and open for as long as this is used.
  explicit KernelLocks(int fd) : fd_(fd) {}

  LockTry TryShared(format::LockRange range) const noexcept;
  LockTry TryExclusive(format::LockRange range) const noexcept;
  void Unlock(format::LockRange range) const noexcept;

 private:
  LockTry Try(format::LockRange range, short type) const noexcept;
  int fd_ = -1;
};

}  // namespace canvas::sync
