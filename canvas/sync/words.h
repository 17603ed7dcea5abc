// Small shared words with one rule each: roots of snapshots, bits that say what is reserved, the
// change counter, and words that one party stores under a lock.
//
// A snapshot is written to a place nobody looks at and published by exchanging the root word that
// names it. The root's generation only grows; a reader copies the place out and looks at the root
// again, so a place that was reused meanwhile is noticed.
//
// Concurrency: any number of readers; CompareExchange under the metadata's lock.
// Realtime: wait-free, no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

namespace canvas::sync {

template <typename Word>
std::uint64_t LoadAcquire(const Word& word) noexcept {
  // SYNC(word): sees what was stored before the word, pairs with CompareExchange and Put.
  return word.load(std::memory_order_acquire);
}

// False where the word is no longer `expected`.
template <typename Word>
bool CompareExchange(Word& word, std::uint64_t expected, std::uint64_t next) noexcept {
  // SYNC(word): publishes a place's bytes. Relaxed on failure: nothing is read through it.
  return word.compare_exchange_strong(expected, next, std::memory_order_release,
                                      std::memory_order_relaxed);
}

template <typename Word>
void PublishBit(Word* words, std::uint64_t bit) noexcept {
  // SYNC(bit): what the bit vouches for was reserved before.
  words[bit / 64].fetch_or(std::uint64_t{1} << bit % 64, std::memory_order_release);
}

template <typename Word>
bool ReadBit(const Word* words, std::uint64_t bit) noexcept {
  // SYNC(bit): the reserved bytes may be touched.
  return (words[bit / 64].load(std::memory_order_acquire) >> bit % 64 & 1) != 0;
}

// Every publish ends with this. Nothing waits on the word yet.
template <typename HalfWord>
void BumpChange(HalfWord& change) noexcept {
  // Release: who sees the new number sees what changed.
  change.fetch_add(1, std::memory_order_release);
}

// A word that stands for itself: nothing is read on the strength of it, or its own writer reads it.
template <typename Word>
auto Peek(const Word& word) noexcept {
  return word.load(std::memory_order_relaxed);
}

// Stores a word that a lock protects; a successor after a death sees nothing later before it.
template <typename Word, typename Value>
void Put(Word& word, Value value) noexcept {
  // SYNC(word): publishes what was stored before it.
  word.store(value, std::memory_order_release);
}

}  // namespace canvas::sync
