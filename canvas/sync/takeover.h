// Takeover: an owner says what it is about to do before it does it, so that whoever owns the lane
// next knows what a death left half done, without looking at anything else.
//
//   owner                                      successor, who got the lane's lock
//   1 intent: operation none                   a for every entry of the table with an intent for
//   2 page, block, slots                         this lane and these pages: its entry lock (the
//   3 operation                                  owner is dead, for the lane is ours)
//   4 does it (overwrite.h, part_life.h)       b repairs: takes back, or finishes
//   5 operation none                           c operation none, entry free
//
// A death before step 3 intends nothing and has done nothing; after it the successor repairs, which
// finds nothing to do where step 4 had not begun or had ended. A successor that dies in b or c
// leaves the intent, and the next one begins at a again: repairs are idempotent.
//
// The lock of a dead owner orders nothing of what it did under it. What it stored reaches the
// successor because it is dead and the kernel has stopped its processor; it reaches third parties
// that read what the successor publishes only where the successor loads with acquire what the dead
// released (append.h, overwrite.h, snapshot.h, events.h say where). The releases here are for the
// cut: whatever a compiler or a processor may do to the order of the stores, a kill leaves no deed
// without its intent. Their other end is the kernel's stop, not a load.
//
// Invariants
//   I1  While the operation is not none, page, block and slots are those it is about.
//   I2  The entry of a dead owner with an intent is not reused before it is repaired.
//
// Concurrency: an entry belongs to the process that holds its lock. Anyone may read it, for people.
// Realtime: Declare and ClearIntent are wait-free without syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/owner_table.h"

namespace canvas::sync {

// What an owner is in the middle of: words of a file, unchecked. (storage/ownership.h has it as
// values.)
struct RawIntent {
  format::Operation operation = format::Operation::kNone;
  std::uint64_t page = 0;
  std::uint64_t block = 0;
  std::uint64_t slot = 0;  // kind x 2^32 + first slot
  std::uint64_t slot_count = 0;
};

// One entry of the owner table, as the protocol sees it.
template <typename Sync>
struct OwnerWords {
  using Word = typename Sync::template Atomic<std::uint64_t>;
  Word* lane_id = nullptr;  // 0: free
  Word* first_page = nullptr;
  Word* end_page = nullptr;
  Word* operation = nullptr;
  Word* page = nullptr;
  Word* block = nullptr;
  Word* slot = nullptr;
  Word* slot_count = nullptr;
};

// Owner, step 5; successor, in step c.
template <typename Sync>
void ClearIntent(const OwnerWords<Sync>& entry) noexcept {
  // SYNC(intent, kill): not before what was intended is done.
  entry.operation->store(0, std::memory_order_release);
}

// Owner, steps 1 to 3.
template <typename Sync>
void DeclareIntent(const OwnerWords<Sync>& entry, const RawIntent& intent) noexcept {
  ClearIntent(entry);
  // SYNC(intent, kill): not before step 1. (Relaxed, it may be stored while the intent before it
  // still stands, whose page then is not repaired: found by the enumerator of kills.)
  entry.page->store(intent.page, std::memory_order_release);
  // Relaxed: an owner's slots are the same in all its intents, an owner before it is a syscall
  // away, and the block is for people.
  entry.block->store(intent.block, std::memory_order_relaxed);
  entry.slot->store(intent.slot, std::memory_order_relaxed);
  entry.slot_count->store(intent.slot_count, std::memory_order_relaxed);
  // SYNC(declared): publishes what it is about. Every deed that has an intent begins with a
  // release, so none of it is there before this.
  entry.operation->store(static_cast<std::uint64_t>(intent.operation), std::memory_order_release);
}

// Successor, in step a; or anyone, for people.
template <typename Sync>
RawIntent ReadIntent(const OwnerWords<Sync>& entry) noexcept {
  RawIntent intent;
  // SYNC(declared): an owner who lives may have just declared this, and it must not be taken for
  // one of other pages.
  intent.operation =
      static_cast<format::Operation>(entry.operation->load(std::memory_order_acquire));
  // Relaxed: stored before the operation. A mix of two intents of one owner is one of its pages.
  intent.page = entry.page->load(std::memory_order_relaxed);
  intent.block = entry.block->load(std::memory_order_relaxed);
  intent.slot = entry.slot->load(std::memory_order_relaxed);
  intent.slot_count = entry.slot_count->load(std::memory_order_relaxed);
  return intent;
}

// Owner, with the entry's lock: whose it is from now on. The entry has no intent.
template <typename Sync>
void Announce(const OwnerWords<Sync>& entry, std::uint64_t lane, std::uint64_t first_page,
              std::uint64_t end_page) noexcept {
  // Relaxed: read before any intent of this owner only by people.
  entry.first_page->store(first_page, std::memory_order_relaxed);
  entry.end_page->store(end_page, std::memory_order_relaxed);
  // SYNC(owner): publishes whose it is: a successor that sees an intent must see whose.
  entry.lane_id->store(lane, std::memory_order_release);
}

// Owner, at its end; successor, in step c.
template <typename Sync>
void Withdraw(const OwnerWords<Sync>& entry) noexcept {
  // SYNC(owner): not before the intent is cleared.
  entry.lane_id->store(0, std::memory_order_release);
}

// Whose the entry is; 0 where it is free.
template <typename Sync>
std::uint64_t ReadOwnerLane(const OwnerWords<Sync>& entry) noexcept {
  // SYNC(owner): sees the pages.
  return entry.lane_id->load(std::memory_order_acquire);
}

// Successor. Whether the entry says that its owner was in the midst of something on these pages.
template <typename Sync>
bool IntentConcerns(const OwnerWords<Sync>& entry, std::uint64_t lane, std::uint64_t first_page,
                    std::uint64_t end_page) noexcept {
  // Whose it is, before and after: entries change hands, and an intent of one owner must not be
  // taken for the next one's.
  if (ReadOwnerLane(entry) != lane) return false;
  const RawIntent intent = ReadIntent(entry);
  return intent.operation != format::Operation::kNone && intent.page >= first_page &&
         intent.page < end_page && ReadOwnerLane(entry) == lane;
}

// Successor, step c.
template <typename Sync>
void MarkRepaired(const OwnerWords<Sync>& entry) noexcept {
  ClearIntent(entry);
  Withdraw(entry);
}

}  // namespace canvas::sync
