// The Sync policy that ships: std::atomic words placed on the file's mapping, and the copies of
// shared_copy.h. The protocols are templates over such a policy, so that a model checker's policy
// can stand in for this one and check the same header.
//
// A policy has
//   Atomic<T>          load, store, fetch_add, fetch_or, compare_exchange_strong, each with an
//                      order
//   SharedBytes        where shared bytes begin; + moves it by bytes
//   CopyOut, CopyIn, ZeroIn, AcquireFence
//   LightFence, HeavyFence   a full fence between threads of a process, cheap on one side
//                            (window.h)
//   Wait, Wake         sleep while a 32-bit word has a value; end such sleeps, in every process
//   Pause              between two looks at a word that another party is about to change
//   Locks              the kernel's range locks: TryShared, TryExclusive, Unlock (kernel_locks.h)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "canvas/sync/kernel_locks.h"
#include "canvas/sync/shared_copy.h"

namespace canvas::sync {

struct StdSync {
  template <typename T>
  using Atomic = std::atomic<T>;
  using SharedBytes = std::byte*;

  static void CopyOut(void* to, const std::byte* from, std::size_t bytes) noexcept {
    sync::CopyOut(to, from, bytes);
  }
  static void CopyIn(std::byte* to, const void* from, std::size_t bytes) noexcept {
    sync::CopyIn(to, from, bytes);
  }
  static void ZeroIn(std::byte* to, std::size_t bytes) noexcept { sync::ZeroIn(to, bytes); }
  static void AcquireFence() noexcept { std::atomic_thread_fence(std::memory_order_acquire); }

  // Of no cost where the kernel can run the other side's fence on this processor (membarrier(2),
  // registered for when the program starts), a full fence otherwise. HeavyFence is false where no
  // fence was run.
  static void LightFence() noexcept {
    if (light_is_free) [[likely]]
      std::atomic_signal_fence(std::memory_order_seq_cst);
    else
      std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  static bool HeavyFence() noexcept;

  using Locks = KernelLocks;

  // A process-shared futex (futex(2)). The word may lie in a read-only mapping: waiting only loads
  // it. Returns early where a signal comes, or the word has another value.
  static void Wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                   std::uint64_t timeout_ns) noexcept;
  static void Wake(std::atomic<std::uint32_t>& word) noexcept;
  static void Pause() noexcept;

 private:
  static bool RegisterHeavyFence() noexcept;
  static const bool light_is_free;  // false until static initialisation: the safe way
};

// The words lie in files, so what an atomic is made of is part of the format.
using Word = std::atomic<std::uint64_t>;
using HalfWord = std::atomic<std::uint32_t>;
using Flag = std::atomic<bool>;  // within a process
static_assert(Word::is_always_lock_free && sizeof(Word) == 8 && alignof(Word) == 8);
static_assert(HalfWord::is_always_lock_free && sizeof(HalfWord) == 4 && alignof(HalfWord) == 4);

// The atomic at `offset` of a mapping. The mapped bytes are the object's storage from the moment
// they exist, in every process; zero is a valid value of each.
inline Word* WordAt(std::byte* base, std::uint64_t offset) {
  return reinterpret_cast<Word*>(base + offset);
}
inline HalfWord* HalfWordAt(std::byte* base, std::uint64_t offset) {
  return reinterpret_cast<HalfWord*>(base + offset);
}

}  // namespace canvas::sync
