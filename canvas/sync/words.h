// Small shared words with one rule each: roots of snapshots, bits that say what is reserved, the
// change counter, and words that one party stores under a lock.
//
// A snapshot is written to a place nobody looks at and published by exchanging the root word that
// names it. The root's generation only grows; a reader copies the place out and looks at the root
// again, so a place that was reused meanwhile is noticed.
//
// Concurrency: any number of readers; PublishRoot under the metadata's lock.
// Realtime: wait-free, no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

namespace canvas::sync {

template <typename Word>
std::uint64_t ReadRoot(const Word& root) noexcept {
  // SYNC(root): sees the place's bytes, pairs with PublishRoot.
  return root.load(std::memory_order_acquire);
}

// False where the root is no longer `expected`.
template <typename Word>
bool PublishRoot(Word& root, std::uint64_t expected, std::uint64_t next) noexcept {
  // SYNC(root): publishes the place's bytes. Relaxed on failure: nothing is read through it.
  return root.compare_exchange_strong(expected, next, std::memory_order_release,
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

// Every publish ends with this; who waits for changes waits on the word.
template <typename HalfWord>
void BumpChange(HalfWord& change) noexcept {
  // SYNC(change): publishes what changed, pairs with ReadChange.
  change.fetch_add(1, std::memory_order_release);
}

template <typename HalfWord>
std::uint32_t ReadChange(const HalfWord& change) noexcept {
  // SYNC(change): sees what changed before.
  return change.load(std::memory_order_acquire);
}

// A word that stands for itself: nothing else is read on the strength of it, or its writer reads
// it.
template <typename Word>
auto Peek(const Word& word) noexcept {
  return word.load(std::memory_order_relaxed);
}

// Loads a word after ordinary reads of other shared bytes that it vouches for. A fence, because
// those reads are the caller's own, in place, and carry no order themselves.
template <typename Word>
auto LastLook(const Word& word) noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);
  return word.load(std::memory_order_relaxed);
}

// Stores a word that a lock protects; a successor after a death sees nothing later before it.
template <typename Word, typename Value>
void Put(Word& word, Value value) noexcept {
  word.store(value, std::memory_order_release);
}

}  // namespace canvas::sync
