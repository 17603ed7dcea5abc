#include "canvas/sync/kernel_locks.h"

#include <fcntl.h>

#include <atomic>
#include <cerrno>

namespace canvas::sync {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CANVAS_SHOW_LOCKS 1
#endif
#endif

// ThreadSanitizer does not know that these locks order threads.
void ShowOrder() noexcept {
#ifdef CANVAS_SHOW_LOCKS
  static std::atomic<int> order{0};
  order.fetch_add(1, std::memory_order_acq_rel);
#endif
}

}  // namespace

LockTry KernelLocks::Try(format::LockRange range, short type) const noexcept {
  struct flock request {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = static_cast<off_t>(range.start);
  request.l_len = static_cast<off_t>(range.length);
  while (fcntl(fd_, F_OFD_SETLK, &request) != 0) {
    if (errno == EAGAIN || errno == EACCES) return LockTry::kHeld;
    if (errno != EINTR) return LockTry::kFailed;
  }
  ShowOrder();
  return LockTry::kTaken;
}

LockTry KernelLocks::TryShared(format::LockRange range) const noexcept {
  return Try(range, F_RDLCK);
}

LockTry KernelLocks::TryExclusive(format::LockRange range) const noexcept {
  return Try(range, F_WRLCK);
}

void KernelLocks::Unlock(format::LockRange range) const noexcept {
  ShowOrder();
  Try(range, F_UNLCK);
}

}  // namespace canvas::sync
