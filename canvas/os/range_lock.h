// The locks of one canvas handle: which open file description they are taken on, who of the
// process's threads holds them, and how they end (canvas/sync/kernel_locks.h,
// canvas/format/lock_format.h).
//
// They die with the description, however the process that holds it dies: no lock is ever stale. No
// mapping may be made of the description, for a mapping would keep it, and its locks, alive.
//
// Thread safety: LockFile as fcntl: locks of one description do not conflict with each other, so
// a caller that shares one among threads keeps them apart by other means. SharedLocks is
// thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/format/lock_format.h"
#include "canvas/os/os_file.h"
#include "canvas/sync/kernel_locks.h"

namespace canvas::os {

class LockFile {
 public:
  LockFile() = default;
  explicit LockFile(UniqueFd fd) : fd_(std::move(fd)) {}

  // False where another description is in the way.
  Result<bool> TryExclusive(format::LockRange range) const;
  void Unlock(format::LockRange range) const noexcept { kernel().Unlock(range); }
  // Whether another description holds any of it.
  Result<bool> HeldElsewhere(format::LockRange range) const;

  // As the protocols take them.
  sync::KernelLocks kernel() const noexcept { return sync::KernelLocks(fd_.get()); }

  // In a forked child: gives up the inherited descriptor without unlocking anything.
  void Abandon() noexcept { fd_.Reset(); }

 private:
  UniqueFd fd_;
};

// An exclusive lock for a scope.
class ScopedLock {
 public:
  // Nothing where another description is in the way.
  static Result<std::optional<ScopedLock>> Try(const LockFile& file, format::LockRange range);
  // One that was taken already.
  static ScopedLock Adopt(const LockFile& file, format::LockRange range) {
    return ScopedLock(file, range);
  }

  ScopedLock(ScopedLock&& other) noexcept
      : file_(std::exchange(other.file_, nullptr)), range_(other.range_) {}
  ScopedLock& operator=(ScopedLock&&) = delete;
  ~ScopedLock() { Unlock(); }

  // The lock outlives the scope: another holder has it from here on.
  void Keep() noexcept { file_ = nullptr; }
  // Before the scope ends.
  void Unlock() noexcept {
    if (file_ != nullptr) file_->Unlock(range_);
    file_ = nullptr;
  }

 private:
  ScopedLock(const LockFile& file, format::LockRange range) : file_(&file), range_(range) {}
  const LockFile* file_;
  format::LockRange range_;
};

// Shared locks (pins, windows) that any number of holders of one handle may have on the same bytes:
// the kernel knows only one of the description, so it is let go with the last of them.
class SharedLocks {
 public:
  explicit SharedLocks(const LockFile& file) : file_(file) {}

  // kFailed with ENOMEM also where there is no memory to count it.
  sync::LockTry TryShared(format::LockRange range) noexcept;
  // Ends one TryShared of the same range.
  void Unlock(format::LockRange range) noexcept;

 private:
  const LockFile& file_;
  std::mutex mutex_;
  std::vector<format::LockRange> held_;  // one a holder
};

}  // namespace canvas::os
