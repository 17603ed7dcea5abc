// The change signal: one 32-bit word that grows by one at every publish, for whoever wants to know
// that something changed without looking at everything all the time.
//
//   writer   1 publishes, by whatever protocol    2 adds one    3 wakes, unless it did 10 ms ago
//   waiter   a reads the word    b looks at what it cares for    c sleeps while the word is as in a
//
// Nothing is lost between b and c: the kernel compares the word itself before it puts the waiter to
// sleep (futex(2), FUTEX_WAIT). Readers map the file read-only, so writers cannot know whether
// anyone waits, and a wake is a syscall: wakes are coalesced (WakePolicy), and a writer that dies
// between steps 2 and 3, or pauses there, wakes nobody. So waiters always time out. That a process
// died is not signalled by anyone: it is found by probing its lock.
//
// Invariants
//   I1  The word is added to after the publish it stands for.
//   I2  A wait ends at its timeout, whatever writers do. A wrap-around of the word during one wait
//       (2^32 publishes) is taken for no change, until that timeout.
//
// Concurrency: any number of either side, in any processes.
// Realtime: ReadChange and BumpChange are wait-free without syscalls; waking and waiting are
// syscalls.
#pragma once

#include <atomic>
#include <cstdint>

namespace canvas::sync {

// Writer, step 2.
template <typename Sync>
void BumpChange(typename Sync::template Atomic<std::uint32_t>& change) noexcept {
  // SYNC(change): publishes what changed.
  change.fetch_add(1, std::memory_order_release);
}

// Waiter, step a.
template <typename Sync>
std::uint32_t ReadChange(const typename Sync::template Atomic<std::uint32_t>& change) noexcept {
  // SYNC(change): sees what changed up to this number.
  return change.load(std::memory_order_acquire);
}

// Waiter, step c: at most `timeout_ns`. Answers the word as it is then; the same as `seen` where
// time ran out, or where the sleep was broken by a signal.
template <typename Sync>
std::uint32_t WaitChange(typename Sync::template Atomic<std::uint32_t>& change, std::uint32_t seen,
                         std::uint64_t timeout_ns) noexcept {
  if (ReadChange<Sync>(change) == seen) Sync::Wait(change, seen, timeout_ns);
  return ReadChange<Sync>(change);
}

// Writer, step 3. Wakes every waiter.
template <typename Sync>
void WakeAll(typename Sync::template Atomic<std::uint32_t>& change) noexcept {
  Sync::Wake(change);
}

// When a writer wakes: the first publish after a pause at once, then at most every 10 ms. What is
// left over is woken at the next publish, at a flush, or at close.
// Thread safety: as its Atomic; two threads may both find a wake due.
template <typename Sync>
class WakePolicy {
 public:
  static constexpr std::uint64_t kIntervalNs = 10'000'000;

  WakePolicy() noexcept { Forget(); }

  // After a publish at `now_ns` of a clock that does not go back: whether to wake.
  bool Due(std::uint64_t now_ns) noexcept {
    // Relaxed, all of them: they only say how many wakes there are.
    if (now_ns < next_.load(std::memory_order_relaxed)) {
      pending_.store(1, std::memory_order_relaxed);
      return false;
    }
    next_.store(now_ns + kIntervalNs, std::memory_order_relaxed);
    pending_.store(0, std::memory_order_relaxed);
    return true;
  }
  // At a flush or at close: whether a publish has not been woken for yet.
  bool TakePending() noexcept {
    std::uint64_t pending = 1;
    return pending_.compare_exchange_strong(pending, 0, std::memory_order_relaxed,
                                            std::memory_order_relaxed);
  }

 private:
  void Forget() noexcept {
    next_.store(0, std::memory_order_relaxed);
    pending_.store(0, std::memory_order_relaxed);
  }
  typename Sync::template Atomic<std::uint64_t> next_;
  typename Sync::template Atomic<std::uint64_t> pending_;
};

}  // namespace canvas::sync
