// The life of a lane's part of a page: absent -> ready -> punched -> ready ..., by generation.
//
//   ready    1 lane id, the marks and the event word of an empty part    2 life ready
//   punch    1 intent; sequence odd    2 life punched, the next generation
//            3 the bytes are given back (a syscall)    4 every block unwritten    5 sequence even
//
// All of it under ownership of the lane over the page; a punch under the exclusive hold
// lock of the part besides, which is tried and not waited for. Where a part is punched and its
// sequence is odd, a punch was begun and not finished: steps 1 to 5 are run again before anything
// else is done with the part, which is harmless.
//
// A reader looks at the life word before and after it copies: a generation seen twice vouches that
// nothing was punched or reused between. A view compares it afterwards, and so notices a punch. A
// window has the hold lock shared: what is ready under it stays.
//
// Invariants
//   I1  The life word only grows.
//   I2  Blocks of a part that is not ready are unwritten, but for a punch that is under way.
//
// Concurrency: one owner, any number of readers. Realtime: not the owner's side (step 3 is a
// syscall); readers wait-free, no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/slot_words.h"
#include "canvas/sync/events.h"
#include "canvas/sync/part_words.h"

namespace canvas::sync {

// Owner. The part was absent or punched, and its controls are reserved.
template <typename Sync>
void MakeReady(const PartWords<Sync>& part, std::uint64_t lane_id) noexcept {
  // Relaxed: stored by the owner alone.
  const auto life = format::Life::FromWord(part.life->load(std::memory_order_relaxed));
  // SYNC(life): a reader of the last generation who meets this id finds the life word changed.
  part.lane_id->store(lane_id, std::memory_order_release);
  // Relaxed: looked at by readers that saw the part ready, which is stored after them.
  part.mark->store(0, std::memory_order_relaxed);
  part.low->store(~std::uint64_t{0}, std::memory_order_relaxed);
  EmptyEvents<Sync>(*part.events);
  // SYNC(life): publishes lane id, marks and the event word.
  part.life->store(life.Next(format::PartState::kReady).ToWord(), std::memory_order_release);
}

// Owner, or successor. Whether a punch was begun and not finished.
template <typename Sync>
bool PunchUnfinished(const PartWords<Sync>& part) noexcept {
  // Relaxed: for the owner's, or its successor's, own decision.
  const auto life = format::Life::FromWord(part.life->load(std::memory_order_relaxed));
  return life.state == format::PartState::kPunched &&
         (part.sequence->load(std::memory_order_relaxed) & 1) != 0;
}

// Owner. Steps 1 and 2, or, after a death, whatever of them is missing.
template <typename Sync>
void BeginPunch(const PartWords<Sync>& part) noexcept {
  // Relaxed: stored by the owner alone.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(punch, kill): not before the owner's intent.
  part.sequence->store(sequence | 1, std::memory_order_release);
  const auto life = format::Life::FromWord(part.life->load(std::memory_order_relaxed));
  // SYNC(life): from here on the part reads as unwritten. The odd sequence, which says that the
  // punch is not finished, is there before it.
  if (life.state == format::PartState::kReady)
    part.life->store(life.Next(format::PartState::kPunched).ToWord(), std::memory_order_release);
}

// Owner. Steps 4 and 5, over the blocks below `blocks`. The bytes have been given back.
// `stretches`: see EveryBlock.
template <typename Sync, typename Stretches = EveryBlock>
void EndPunch(const PartWords<Sync>& part, std::uint64_t blocks,
              const Stretches& stretches = {}) noexcept {
  stretches(blocks, [&part](std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t block = first; block < end; ++block) {
      // Relaxed, load and store: no reader looks at blocks of a part that is not ready, and the
      // next life is published after them.
      const auto version =
          format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
      if (version.written || version.changing())
        part.versions[block].store(version.Settled(false).ToWord(), std::memory_order_relaxed);
    }
  });
  // Relaxed: stored by the owner alone.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(punch, kill): the punch is not called finished before the blocks are unwritten (I2).
  part.sequence->store((sequence | 1) + 1, std::memory_order_release);
}

// Reader.
template <typename Sync>
std::uint64_t ReadLife(const PartWords<Sync>& part) noexcept {
  // SYNC(life): sees lane id and marks of this generation.
  return part.life->load(std::memory_order_acquire);
}

// Reader, after ReadLife. Whose the part is.
template <typename Sync>
std::uint64_t ReadLane(const PartWords<Sync>& part) noexcept {
  // SYNC(life): a reader that sees the next lane's id finds the life word changed. (Loaded relaxed,
  // the id of the next lane could go with the life and the bytes of the last: found by the model.)
  return part.lane_id->load(std::memory_order_acquire);
}

// Reader, after it copied (CopyOut) what it wanted: whether the part lived the same life
// throughout.
template <typename Sync>
bool LifeStands(const PartWords<Sync>& part, std::uint64_t life) noexcept {
  // Relaxed: the copy's loads are acquires, so this one is not made before them.
  return part.life->load(std::memory_order_relaxed) == life;
}

}  // namespace canvas::sync
