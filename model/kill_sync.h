// The Sync policy of the enumerator of kills: words that remember every store made to them, with
// its order, so that every memory a kill may leave can be built.
//
// A kill stops a processor, and what it had stored is there; but what it had stored by then is up
// to the compiler and the processor within what the memory orders permit. So the memories a kill
// may leave are the sets of stores that are closed under
//   - a release store comes after everything before it in the program,
//   - stores to one word keep their order,
//   - a syscall comes after everything before it and before everything after it,
// each such set cut anywhere. Loads order no stores here, and neither do dependencies: what is
// permitted here is at least what any machine does.
//
// Thread safety: one thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <vector>

#include "canvas/sync/kernel_locks.h"
#include "model/mutation.h"

namespace model {

struct RecordedStore {
  std::size_t offset = 0;  // in the memory
  std::uint64_t value = 0;
  bool release = false;
  unsigned stretch = 0;  // of the program between two syscalls
};

class Recorder {
 public:
  static Recorder& Get() {
    static Recorder one;
    return one;
  }
  void Begin(const void* memory) {
    base_ = static_cast<const std::byte*>(memory);
    stores_.clear();
    stretch_ = 0;
    on_ = true;
  }
  std::vector<RecordedStore> End() {
    on_ = false;
    return stores_;
  }
  void Syscall() { ++stretch_; }
  void Store(const void* word, std::uint64_t value, bool release) {
    if (!on_) return;
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(word) - base_);
    stores_.push_back({offset, value, release, stretch_});
  }

 private:
  const std::byte* base_ = nullptr;
  std::vector<RecordedStore> stores_;
  unsigned stretch_ = 0;
  bool on_ = false;
};

inline bool Releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

struct KillSync {
  template <typename T>
  class Atomic {
   public:
    T load(std::memory_order order,
           std::source_location where = std::source_location::current()) const {
      Mutation::Get().Order(order, where);  // so that its place is known
      return value_;
    }
    void store(T value, std::memory_order order,
               std::source_location where = std::source_location::current()) {
      order = Mutation::Get().Order(order, where);
      if (Mutation::Get().FaultOf(Step::kStore, nullptr, where) == Fault::kSkip) return;
      Set(value, order);
    }
    T fetch_or(T bits, std::memory_order order,
               std::source_location where = std::source_location::current()) {
      const T before = value_;
      Set(before | bits, Mutation::Get().Order(order, where));
      return before;
    }
    T fetch_add(T more, std::memory_order order,
                std::source_location where = std::source_location::current()) {
      const T before = value_;
      Set(before + more, Mutation::Get().Order(order, where));
      return before;
    }
    bool compare_exchange_strong(T& expected, T value, std::memory_order order,
                                 std::memory_order /*failure*/,
                                 std::source_location where = std::source_location::current()) {
      order = Mutation::Get().Order(order, where);
      if (value_ != expected) {
        expected = value_;
        return false;
      }
      Set(value, order);
      return true;
    }
    // Of the set-up, and of copies.
    void Set(T value, std::memory_order order = std::memory_order_relaxed) {
      value_ = value;
      Recorder::Get().Store(this, value, Releases(order));
    }
    T value() const { return value_; }

   private:
    T value_ = 0;
  };

  class SharedBytes {
   public:
    SharedBytes() = default;
    explicit SharedBytes(Atomic<std::uint64_t>* words) : words_(words) {}
    friend SharedBytes operator+(SharedBytes at, std::uint64_t bytes) {
      return SharedBytes(at.words_ + bytes / 8);
    }
    Atomic<std::uint64_t>& word(std::size_t i) const { return words_[i]; }

   private:
    Atomic<std::uint64_t>* words_ = nullptr;
  };

  // One process: locks are always free, and calls of the kernel.
  struct Locks {
    canvas::sync::LockTry TryShared(canvas::format::LockRange) const noexcept {
      Recorder::Get().Syscall();
      return canvas::sync::LockTry::kTaken;
    }
    canvas::sync::LockTry TryExclusive(canvas::format::LockRange range) const noexcept {
      return TryShared(range);
    }
    void Unlock(canvas::format::LockRange) const noexcept { Recorder::Get().Syscall(); }
  };

  static void CopyOut(void* to, SharedBytes from, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      const std::uint64_t word = from.word(i).value();
      std::memcpy(static_cast<char*>(to) + i * 8, &word, 8);
    }
  }
  static void CopyIn(SharedBytes to, const void* from, std::size_t bytes,
                     std::source_location where = std::source_location::current()) {
    if (Mutation::Get().FaultOf(Step::kCopyIn, nullptr, where) == Fault::kSkip) return;
    const auto order = Mutation::Get().CopyOrder(std::memory_order_release);
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, static_cast<const char*>(from) + i * 8, 8);
      to.word(i).Set(word, order);
    }
  }
  static void AcquireFence() {}
  static void Pause() {}
};

}  // namespace model
