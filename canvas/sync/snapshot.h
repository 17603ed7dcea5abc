// Snapshots: metadata that is never edited in place. A new version goes to a place nobody looks at,
// and one exchange of the root word, which holds generation and place, publishes it.
//
//   editor, under the metadata's lock          reader
//   1 root -> what there is now                a root
//   2 a place that is not the root's nor       b copies that place out
//     locked by a pin: its lock, exclusive;    c root again: the same, done; else from a
//     and then, not the durable one          pin
//   3 new version -> that place                a root    b its place's lock, shared
//   4 unlocks the place                        c root again: the same, pinned; else unlock, from a
//   5 root, by exchange
//
// While a place is pinned nobody writes it, so it may be read in place for as long as one likes;
// what that delays is the reuse of that one place. A death at any step leaves the old root or the
// new one: a half written place is one that nobody looks at, and its lock is gone with the dead.
//
// Invariants
//   I1  The root's generation only grows.
//   I2  The place a root names is not written while it is the root, nor while it is pinned.
//
// Why step c of the pin suffices: an editor takes the exclusive lock (2) after the root has moved
// away from the place, and a lock that is taken shows what came before its last taking (the
// kernel's locks order the calls of living processes; of what a process did under a lock it died
// with, nothing is assumed).
//
// Concurrency: one editor at a time, any number of readers and pins, in any processes.
// Realtime: ReadRoot is wait-free; copying is bounded by the caller's tries; a pin costs two
// syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/lock_format.h"
#include "canvas/format/root.h"
#include "canvas/sync/kernel_locks.h"

namespace canvas::sync {

template <typename Sync>
struct SnapshotWords {
  using Word = typename Sync::template Atomic<std::uint64_t>;
  Word* root = nullptr;     // format::Root
  Word* durable = nullptr;  // likewise: the newest one known to be on disk
  std::uint32_t places = 0;
};

template <typename Sync>
format::Root ReadRoot(const SnapshotWords<Sync>& words) noexcept {
  // SYNC(root): sees the bytes of the place it names. For an editor also: what it publishes next
  // carries what its predecessor published, who may be dead.
  return format::Root::FromWord(words.root->load(std::memory_order_acquire));
}

// Reader, step c: whether what was copied out since (CopyOut) is that root's.
template <typename Sync>
bool RootStands(const SnapshotWords<Sync>& words, format::Root root) noexcept {
  // Relaxed: the copy's loads are acquires. One that saw a byte of a later version sees the root
  // that had moved away before.
  return words.root->load(std::memory_order_relaxed) == root.ToWord();
}

template <typename Sync>
format::Root ReadDurable(const SnapshotWords<Sync>& words) noexcept {
  // Relaxed: looked at under the place's lock, which orders it.
  return format::Root::FromWord(words.durable->load(std::memory_order_relaxed));
}

inline constexpr int kPinTries = 100;  // each further one means that someone edited meanwhile

// What PinRoot answers.
struct Pin {
  LockTry outcome = LockTry::kHeld;  // kTaken: pinned. kHeld: raced kPinTries times. kFailed: errno
  format::Root root;
};

// Reader. `locks` locks shared: Sync::Locks, or something that counts on top of it;
// `place_lock(p)` is the lock of place p. Ended by unlocking that.
template <typename Sync, typename Locks, typename PlaceLock>
Pin PinRoot(const SnapshotWords<Sync>& words, Locks& locks, PlaceLock place_lock) noexcept {
  for (int i = 0; i < kPinTries; ++i) {
    const format::Root root = ReadRoot(words);
    if (root.place >= words.places) return {LockTry::kTaken, root};  // a lie, for the caller to see
    const LockTry taken = locks.TryShared(place_lock(root.place));
    if (taken == LockTry::kFailed) return {taken, root};
    if (taken == LockTry::kTaken) {
      // Relaxed: after the lock, which shows that the root moved before an editor took it.
      if (words.root->load(std::memory_order_relaxed) == root.ToWord()) return {taken, root};
      locks.Unlock(place_lock(root.place));
    }
    Sync::Pause();
  }
  return {};
}

// What ChoosePlace answers: a place and its exclusive lock, to be unlocked before the publish (or a
// pin would have to wait for an editor that is held up in between).
struct FreePlace {
  LockTry outcome = LockTry::kHeld;  // kHeld: every other place is pinned
  std::uint32_t place = 0;
};

// Editor, step 2.
template <typename Sync, typename PlaceLock>
FreePlace ChoosePlace(const SnapshotWords<Sync>& words, const typename Sync::Locks& locks,
                      format::Root root, PlaceLock place_lock) noexcept {
  // Round robin, so that older generations stay readable the longest.
  for (std::uint32_t i = 1; i <= words.places; ++i) {
    const std::uint32_t place = (root.place % words.places + i) % words.places;
    if (place == root.place) continue;
    const LockTry taken = locks.TryExclusive(place_lock(place));
    if (taken == LockTry::kFailed) return {taken, place};
    if (taken == LockTry::kHeld) continue;
    // Under its lock: a sync that calls a place durable has it pinned, and this lock shows what
    // came before its last unlocking. (Looked at before the lock, the durable root may move to this
    // place after the look, by a sync that still saw the root before last: found by the model.)
    if (ReadDurable(words).place != place) return {taken, place};
    locks.Unlock(place_lock(place));
  }
  return {};
}

// Editor, step 5. False where the root is no longer `now`: someone edits without the lock.
template <typename Sync>
bool PublishRoot(const SnapshotWords<Sync>& words, format::Root now, format::Root next) noexcept {
  std::uint64_t expected = now.ToWord();
  // SYNC(root): publishes the place's bytes. Relaxed on failure: nothing is read through it.
  return words.root->compare_exchange_strong(expected, next.ToWord(), std::memory_order_release,
                                             std::memory_order_relaxed);
}

// A sync that has `root` pinned, after its bytes went to disk: the durable root follows, and never
// goes back. False where another process has come further.
template <typename Sync>
bool AdvanceDurable(const SnapshotWords<Sync>& words, format::Root root) noexcept {
  // Relaxed, all of them: the disk is asked by syscalls, and nothing is read through this word.
  std::uint64_t known = words.durable->load(std::memory_order_relaxed);
  while (format::Root::FromWord(known).generation < root.generation)
    if (words.durable->compare_exchange_strong(known, root.ToWord(), std::memory_order_relaxed,
                                               std::memory_order_relaxed))
      return true;
  return false;
}

}  // namespace canvas::sync
