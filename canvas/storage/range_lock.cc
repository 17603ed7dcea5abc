#include "canvas/storage/range_lock.h"

#include <fcntl.h>

#include <cerrno>

namespace canvas::storage {
namespace {

struct flock Request(format::LockRange range, short type) {
  struct flock request {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = static_cast<off_t>(range.start);
  request.l_len = static_cast<off_t>(range.length);
  return request;
}

Result<bool> Try(const UniqueFd& fd, format::LockRange range) {
  auto request = Request(range, F_WRLCK);
  if (fcntl(fd.get(), F_OFD_SETLK, &request) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return FailErrno(errno, "lock");
}

}  // namespace

Result<bool> LockFile::TryExclusive(format::LockRange range) const { return Try(fd_, range); }

Result<void> LockFile::WaitExclusive(format::LockRange range) const {
  auto request = Request(range, F_WRLCK);
  while (fcntl(fd_.get(), F_OFD_SETLKW, &request) != 0)
    if (errno != EINTR) return FailErrno(errno, "lock");
  return {};
}

void LockFile::Unlock(format::LockRange range) const noexcept {
  auto request = Request(range, F_UNLCK);
  fcntl(fd_.get(), F_OFD_SETLK, &request);
}

Result<bool> LockFile::HeldElsewhere(format::LockRange range) const {
  auto request = Request(range, F_WRLCK);
  if (fcntl(fd_.get(), F_OFD_GETLK, &request) != 0) return FailErrno(errno, "lock query");
  return request.l_type != F_UNLCK;
}

Result<ScopedLock> ScopedLock::Wait(const LockFile& file, format::LockRange range) {
  CANVAS_TRY(file.WaitExclusive(range));
  return ScopedLock(file, range);
}

Result<std::optional<ScopedLock>> ScopedLock::Try(const LockFile& file, format::LockRange range) {
  CANVAS_ASSIGN(const bool taken, file.TryExclusive(range));
  if (!taken) return std::optional<ScopedLock>();
  return std::optional<ScopedLock>(ScopedLock(file, range));
}

}  // namespace canvas::storage
