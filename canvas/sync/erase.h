// Giving the bytes of some blocks back while the rest of their part stays: what is between an
// erased block's first and last frame reads as unwritten, and costs no disk.
//
//   owner                                          reader
//   1 intent; sequence odd                         a copies, and looks at the version again:
//   2 the version of each block the next even        changed, so unwritten
//     one, unwritten                               b a view compares the sequence afterwards: a new
//   3 sequence even; intent cleared                  one from before the hole
//   4 the bytes are given back (a syscall)
//
// Under ownership of the lane over the page, and the exclusive hold lock of the part, which is
// tried and not waited for: what a window has locked in memory is not taken from under it. The
// owner's intent stands over steps 1 to 3: a successor finds out what of step 2 is there, and does
// step 3 (RepairErase).
//
// A death before step 4 leaves blocks that are unwritten and still have their disk space. The
// first write fills all of them (append.h, I1); the next erasure over them gives it back.
//
// Concurrency: one owner, any number of readers. Realtime: not the owner's side (step 4 is a
// syscall).
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/slot_words.h"
#include "canvas/sync/part_words.h"

namespace canvas::sync {

// Owner. Steps 1 to 3, of the blocks [first, end), none of which is being rewritten.
template <typename Sync>
void EraseBlocks(const PartWords<Sync>& part, std::uint64_t first, std::uint64_t end) noexcept {
  // Relaxed: stored by the owner alone.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(erase, kill): not before the owner's intent.
  part.sequence->store(sequence | 1, std::memory_order_release);
  for (std::uint64_t block = first; block < end; ++block) {
    // Relaxed: stored by the owner alone.
    const auto version =
        format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
    if (!version.written) continue;
    // SYNC(erase, kill): not before the odd sequence. Else a death between could leave a block that
    // is written anew under the sequence of its old bytes, and a view would keep some of both.
    part.versions[block].store(version.Settled(false).ToWord(), std::memory_order_release);
  }
  // SYNC(sequence): a view that has the new number sees these blocks unwritten; one that has an
  // older number, and a byte of the hole, sees this one afterwards.
  part.sequence->store((sequence | 1) + 1, std::memory_order_release);
}

// Successor, holding the dead owner's lock, where the intent says that blocks were being erased:
// step 3. `blocks` and `stretches` as in AdoptPart.
template <typename Sync, typename Stretches = EveryBlock>
void RepairErase(const PartWords<Sync>& part, std::uint64_t blocks,
                 const Stretches& stretches = {}) noexcept {
  // Relaxed: only an owner stores it, and that is now this process.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  if ((sequence & 1) == 0) return;
  stretches(blocks, [&part](std::uint64_t first, std::uint64_t end) {
    // Relaxed: a view that sees the even sequence below is ordered after these reads, and sees no
    // older version (read-read coherence).
    for (std::uint64_t block = first; block < end; ++block)
      (void)part.versions[block].load(std::memory_order_relaxed);
  });
  // SYNC(sequence): even again, a number no earlier view has.
  part.sequence->store(sequence + 1, std::memory_order_release);
}

}  // namespace canvas::sync
