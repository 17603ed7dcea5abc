// The kernel's byte-range locks on one open file description (fcntl(2), F_OFD_SETLK). They die with
// the description, however the process that holds it dies: no lock is ever stale.
//
// Locks of one description do not conflict with each other: whoever shares a LockFile among threads
// keeps them apart by other means. No mapping may be made of the description, for a mapping would
// keep it, and its locks, alive.
//
// Thread safety: as fcntl.
#pragma once

#include <optional>
#include <utility>

#include "canvas/base/error.h"
#include "canvas/format/lock_format.h"
#include "canvas/storage/os_file.h"

namespace canvas::storage {

class LockFile {
 public:
  LockFile() = default;
  explicit LockFile(UniqueFd fd) : fd_(std::move(fd)) {}

  // False where another description is in the way.
  Result<bool> TryExclusive(format::LockRange range) const;
  // Blocks until the range is free.
  Result<void> WaitExclusive(format::LockRange range) const;
  void Unlock(format::LockRange range) const noexcept;
  // Whether another description holds any of it.
  Result<bool> HeldElsewhere(format::LockRange range) const;

  // In a forked child: gives up the inherited descriptor without unlocking anything.
  void Abandon() noexcept { fd_.Reset(); }

 private:
  UniqueFd fd_;
};

// An exclusive lock for a scope.
class ScopedLock {
 public:
  static Result<ScopedLock> Wait(const LockFile& file, format::LockRange range);
  // Nothing where another description is in the way.
  static Result<std::optional<ScopedLock>> Try(const LockFile& file, format::LockRange range);

  ScopedLock(ScopedLock&& other) noexcept
      : file_(std::exchange(other.file_, nullptr)), range_(other.range_) {}
  ScopedLock& operator=(ScopedLock&&) = delete;
  ~ScopedLock() {
    if (file_ != nullptr) file_->Unlock(range_);
  }

 private:
  ScopedLock(const LockFile& file, format::LockRange range) : file_(&file), range_(range) {}
  const LockFile* file_;
  format::LockRange range_;
};

}  // namespace canvas::storage
