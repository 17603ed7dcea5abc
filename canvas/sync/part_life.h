// The life of a lane's part of a page: absent -> ready -> punched -> ready ..., by generation.
//
//   ready    1 lane id, the marks of an empty part    2 life ready
//   punch    1 sequence odd    2 life punched, the next generation    3 written blocks odd
//            4 the bytes are given back    5 those blocks even and unwritten, mark 0
//            6 sequence even
//
// All of it under ownership of the lane over the page. A part that is punched and whose sequence is
// odd is one whose punch was begun and not finished: steps 3 to 6 are run again before anything else
// is done with it, which is harmless.
//
// A reader looks at the life word before and after: a generation seen twice vouches that nothing
// was punched or reused between. A death after step 2 leaves the part punched; a successor runs
// steps 3 to 6 again, which is harmless.
//
// Invariants
//   I1  The life word only grows.
//   I2  Blocks of a part that is not ready are unwritten or odd, but for a punch that is under way.
//
// Concurrency: one owner, any number of readers. Realtime: not the owner's side (step 4 is a
// syscall).
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/control_format.h"
#include "canvas/sync/part_words.h"

namespace canvas::sync {

// Owner. The part was absent or punched, and its controls are reserved.
template <typename Sync>
void MakeReady(const PartWords<Sync>& part, std::uint64_t lane_id) noexcept {
  // Relaxed: stored by the owner alone.
  const auto life = format::Life::FromWord(part.life->load(std::memory_order_relaxed));
  // SYNC(life): each; a reader of the last generation that meets one of these finds the life changed.
  part.lane_id->store(lane_id, std::memory_order_release);
  part.mark->store(0, std::memory_order_release);
  part.low->store(~std::uint64_t{0}, std::memory_order_release);
  // SYNC(life): publishes lane id and marks, pairs with the acquire in ReadLife.
  part.life->store(life.Next(format::PartState::kReady).ToWord(), std::memory_order_release);
}

// Owner, or successor. Whether a punch was begun and not finished.
template <typename Sync>
bool PunchUnfinished(const PartWords<Sync>& part) noexcept {
  // SYNC(life): the owner may be dead, and what this one publishes carries what that one had.
  const auto life = format::Life::FromWord(part.life->load(std::memory_order_acquire));
  return life.state == format::PartState::kPunched &&
         (part.sequence->load(std::memory_order_relaxed) & 1) != 0;
}

// Owner. Steps 1 to 3, over the blocks below `blocks`.
template <typename Sync>
void BeginPunch(const PartWords<Sync>& part, std::uint64_t blocks) noexcept {
  // Relaxed: sequence, life and versions are stored by the owner alone.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(sequence): views notice. Odd already where a dead owner began this.
  part.sequence->store(sequence | 1, std::memory_order_release);
  const auto life = format::Life::FromWord(part.life->load(std::memory_order_relaxed));
  // SYNC(life): from here on the part reads as unwritten.
  if (life.state == format::PartState::kReady)
    part.life->store(life.Next(format::PartState::kPunched).ToWord(), std::memory_order_release);
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const auto version =
        format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
    if (!version.written) continue;
    // SYNC(version): a copy under way is thrown away.
    if (!version.changing())
      part.versions[block].store(version.Changing().ToWord(), std::memory_order_release);
  }
}

// Owner. Steps 5 and 6. The bytes have been given back.
template <typename Sync>
void EndPunch(const PartWords<Sync>& part, std::uint64_t blocks) noexcept {
  for (std::uint64_t block = 0; block < blocks; ++block) {
    // Relaxed: stored by the owner alone.
    const auto version =
        format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
    // SYNC(version): unwritten, under a number no reader has seen.
    if (version.changing())
      part.versions[block].store(version.Settled(false).ToWord(), std::memory_order_release);
  }
  // SYNC(life): behind the life word of step 2, whatever reads them.
  part.undo_block->store(0, std::memory_order_release);
  part.mark->store(0, std::memory_order_release);
  // Relaxed: stored by the owner alone.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(sequence): even again.
  part.sequence->store((sequence | 1) + 1, std::memory_order_release);
}

// Reader.
template <typename Sync>
std::uint64_t ReadLife(const PartWords<Sync>& part) noexcept {
  // SYNC(life): sees lane id and mark of this generation.
  return part.life->load(std::memory_order_acquire);
}

}  // namespace canvas::sync
