// Presence: bytes of the file are reserved on disk first, and then a bit, a count or an entry says
// that they may be touched. A process that did not see it said touches nothing: in tmpfs even
// reading a hole allocates, and storing into one on a full disk is SIGBUS.
//
//   writer    1 reserves the bytes (a syscall)    2 stores first values    3 sets the bit
//   reader    sees the bit, then touches
//
// A death before step 3 leaves bytes that are reserved and not said to be; whoever comes next
// reserves them again, which is harmless, and goes on.
//
// Invariants
//   I1  A bit, once set, stays. A count only grows.
//
// Concurrency: any number of either side; several writers may set the same bit at once.
// Realtime: wait-free, no syscalls (step 1 is the caller's).
#pragma once

#include <atomic>
#include <cstdint>

namespace canvas::sync {

// Writer, step 3.
template <typename Word>
void PublishBit(Word* words, std::uint64_t bit) noexcept {
  // SYNC(bit): publishes what was stored into the reserved bytes.
  words[bit / 64].fetch_or(std::uint64_t{1} << bit % 64, std::memory_order_release);
}

// Reader. Whether the bytes may be touched.
template <typename Word>
bool ReadBit(const Word* words, std::uint64_t bit) noexcept {
  // SYNC(bit): sees their first values.
  return (words[bit / 64].load(std::memory_order_acquire) >> bit % 64 & 1) != 0;
}

// Writer, step 3, where an entry of its own or a count says it.
template <typename Word, typename Value>
void Publish(Word& word, Value value) noexcept {
  // SYNC(entry): publishes what was stored before it.
  word.store(value, std::memory_order_release);
}

// The same for a count that several may raise: false where it is no longer `expected`.
template <typename Word, typename Value>
bool PublishCount(Word& count, Value expected, Value next) noexcept {
  // SYNC(entry): publishes what was stored before it. Relaxed on failure: nothing is read through
  // it.
  return count.compare_exchange_strong(expected, next, std::memory_order_release,
                                       std::memory_order_relaxed);
}

// Reader of either.
template <typename Word>
auto Observe(const Word& word) noexcept {
  // SYNC(entry): sees what was stored before it.
  return word.load(std::memory_order_acquire);
}

// A word that stands for itself: nothing is read on the strength of it, a syscall stands between,
// or a lock does.
template <typename Word>
auto Peek(const Word& word) noexcept {
  return word.load(std::memory_order_relaxed);
}

template <typename Word, typename Value>
void Put(Word& word, Value value) noexcept {
  word.store(value, std::memory_order_relaxed);
}

// Raises a word of that kind, which several may raise at once and which never goes back. Whether it
// did; not where another was as far.
template <typename Word, typename Value>
bool RaiseTo(Word& word, Value value) noexcept {
  // Relaxed, all of them: the word stands for itself.
  auto known = word.load(std::memory_order_relaxed);
  while (known < value)
    if (word.compare_exchange_strong(known, value, std::memory_order_relaxed,
                                     std::memory_order_relaxed))
      return true;
  return false;
}

// Sets bits of a word of that kind. They stay.
template <typename Word, typename Value>
void SetBits(Word& word, Value bits) noexcept {
  word.fetch_or(bits, std::memory_order_relaxed);
}

}  // namespace canvas::sync
