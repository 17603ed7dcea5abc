#include "canvas/sync/std_sync.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace canvas::sync {

void StdSync::Wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                   std::uint64_t timeout_ns) noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  struct timespec timeout {};
  timeout.tv_sec = static_cast<std::time_t>(timeout_ns / kSecond);
  timeout.tv_nsec = static_cast<long>(timeout_ns % kSecond);
  // Without FUTEX_PRIVATE_FLAG: the key is the file and offset, the same in every process.
  syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), FUTEX_WAIT, value, &timeout,
          nullptr, 0);
}

void StdSync::Wake(std::atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE, INT_MAX, nullptr, nullptr,
          0);
}

void StdSync::Pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

bool StdSync::RegisterHeavyFence() noexcept {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

const bool StdSync::light_is_free = StdSync::RegisterHeavyFence();

bool StdSync::HeavyFence() noexcept {
  if (!light_is_free) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return true;
  }
  const auto fence = [] {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
  };
  return fence() || (RegisterHeavyFence() && fence());
}

}  // namespace canvas::sync
