#include "canvas/os/range_lock.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace canvas::os {
namespace {

struct flock Request(format::LockRange range) {
  struct flock request {};
  request.l_type = F_WRLCK;
  request.l_whence = SEEK_SET;
  request.l_start = static_cast<off_t>(range.start);
  request.l_len = static_cast<off_t>(range.length);
  return request;
}

}  // namespace

Result<bool> LockFile::TryExclusive(format::LockRange range) const {
  const sync::LockTry taken = kernel().TryExclusive(range);
  if (taken == sync::LockTry::kFailed) return FailErrno(errno, "lock");
  return taken == sync::LockTry::kTaken;
}

Result<bool> LockFile::HeldElsewhere(format::LockRange range) const {
  auto request = Request(range);
  if (fcntl(fd_.get(), F_OFD_GETLK, &request) != 0) return FailErrno(errno, "lock query");
  return request.l_type != F_UNLCK;
}

Result<std::optional<ScopedLock>> ScopedLock::Try(const LockFile& file, format::LockRange range) {
  CANVAS_ASSIGN(const bool taken, file.TryExclusive(range));
  if (!taken) return std::optional<ScopedLock>();
  return std::optional<ScopedLock>(ScopedLock(file, range));
}

sync::LockTry SharedLocks::TryShared(format::LockRange range) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    if (held_.size() == held_.capacity())
      held_.reserve(2 * held_.size() + 8);  // before it is taken
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return sync::LockTry::kFailed;
  }
  const sync::LockTry taken = file_.kernel().TryShared(range);
  if (taken == sync::LockTry::kTaken) held_.push_back(range);
  return taken;
}

void SharedLocks::Unlock(format::LockRange range) noexcept {
  const std::lock_guard lock(mutex_);
  const auto mine = std::ranges::find(held_, range);
  if (mine == held_.end()) return;
  held_.erase(mine);
  std::ranges::sort(held_, {}, &format::LockRange::start);
  // Whatever of the range no other holder has.
  std::uint64_t at = range.start;
  const std::uint64_t end = range.start + range.length;
  for (const format::LockRange& other : held_) {
    if (other.start >= end) break;
    if (other.start > at) file_.kernel().Unlock({at, other.start - at});
    at = std::max(at, other.start + other.length);
  }
  if (at < end) file_.kernel().Unlock({at, end - at});
}

}  // namespace canvas::os
