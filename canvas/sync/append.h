// Append: the owner writes frames nobody looks at yet, then says how far they go.
//
//   owner                                      reader
//   1 bytes into an unwritten block, zeros     a high-water mark
//     around them                              b low-water mark
//   2 version: written                         c blocks between them (overwrite.h)
//   3 low-water mark lowered
//   4 high-water mark raised
//
// Blocks say what is written; two marks say it to the frame where it matters, at the beginning and
// the end of a part. The owner fills a block's bytes while its version says unwritten (readers
// touch no byte of such a block), publishes the block as written, then raises the high-water mark
// past its frames. Within a written block, frames at and beyond the mark are the owner's until the
// mark passes them.
//
// Invariants
//   I1  A block whose version says written has defined bytes throughout: its first write fills all
//       of it, with zeros where no frames were given.
//   I2  Every frame between the marks that lies in a written block is final, but for an overwrite
//       of its block. The high-water mark only grows and the low-water mark only falls within one
//       generation of the part.
//   I3  The low-water mark is stored after the blocks that it uncovers, and before the first
//       high-water mark of a generation. A reader loads the high-water mark first.
//
// A death leaves bytes, and perhaps blocks that say written, outside the marks. Nobody sees them,
// and the next owner makes those blocks unwritten (AdoptPart) before a mark of its own can pass
// them.
//
// Concurrency: one owner, any number of readers. Realtime: wait-free on both sides; no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/slot_words.h"
#include "canvas/sync/part_words.h"

namespace canvas::sync {

// Owner, step 2. Says that an unwritten block's bytes are all there. The copies that filled it come
// before.
template <typename Sync>
void PublishFirstWrite(const PartWords<Sync>& part, std::uint64_t block) noexcept {
  // Relaxed: versions are stored by the owner alone.
  const auto old = format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
  // SYNC(version): publishes the block's bytes, pairs with the acquire in ReadBlock.
  part.versions[block].store(old.Settled(true).ToWord(), std::memory_order_release);
}

// Owner, step 4. Lets readers look at frames below `frames`. Never lowers the mark.
template <typename Sync>
void RaiseHighMark(const PartWords<Sync>& part, std::uint64_t frames) noexcept {
  // Relaxed: the mark is stored by the owner alone.
  if (frames <= part.mark->load(std::memory_order_relaxed)) return;
  // SYNC(mark): publishes frames and versions below the mark, pairs with the acquire in
  // ReadHighMark.
  part.mark->store(frames, std::memory_order_release);
}

// Owner, step 3. Lets readers look at frames from `frame` on. Never raises the low-water mark.
template <typename Sync>
void LowerLowMark(const PartWords<Sync>& part, std::uint64_t frame) noexcept {
  // Relaxed: the mark is stored by the owner alone.
  if (frame >= part.low->load(std::memory_order_relaxed)) return;
  // SYNC(low): publishes the blocks it uncovers, pairs with the acquire in ReadLowMark.
  part.low->store(frame, std::memory_order_release);
}

// New owner, before its first write to a part that another, perhaps dead, has owned: blocks outside
// the marks are unwritten afterwards (I2). `per_block` frames a block, `blocks` of them.
// `stretches`: see EveryBlock.
template <typename Sync, typename Stretches = EveryBlock>
void AdoptPart(const PartWords<Sync>& part, std::uint64_t per_block, std::uint64_t blocks,
               const Stretches& stretches = {}) noexcept {
  // SYNC(mark): what this owner publishes carries what the last one had published, who may be dead.
  const std::uint64_t mark = part.mark->load(std::memory_order_acquire);
  // SYNC(sequence): and a higher number of this owner carries which blocks that one had erased.
  (void)part.sequence->load(std::memory_order_acquire);
  // Relaxed, load and store: readers look at it after a mark, which is raised after it. A death
  // between LowerLowMark and the first RaiseHighMark left a low-water mark that stands for nothing.
  const std::uint64_t low = part.low->load(std::memory_order_relaxed);
  if (mark == 0) part.low->store(~std::uint64_t{0}, std::memory_order_relaxed);
  const std::uint64_t first = mark == 0 ? blocks : low / per_block;
  const std::uint64_t end = mark / per_block + (mark % per_block != 0 ? 1 : 0);
  stretches(blocks, [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t block = from; block < to; ++block) {
      if (block >= first && block < end) continue;
      // Relaxed: stored by owners alone, and no reader looks here.
      const auto version =
          format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
      if (!version.written && !version.changing()) continue;
      // Relaxed: unwritten before a mark passes it, by the release of the mark.
      part.versions[block].store(version.Settled(false).ToWord(), std::memory_order_relaxed);
    }
  });
}

// Reader, step b, after ReadHighMark. Frames from the answer on may be looked at.
template <typename Sync>
std::uint64_t ReadLowMark(const PartWords<Sync>& part) noexcept {
  // SYNC(low): sees the blocks that the mark uncovers.
  return part.low->load(std::memory_order_acquire);
}

// Reader, step a. Frames below the answer may be looked at, where their blocks are written.
template <typename Sync>
std::uint64_t ReadHighMark(const PartWords<Sync>& part) noexcept {
  // SYNC(mark): sees everything the owner did before it raised the mark this far.
  return part.mark->load(std::memory_order_acquire);
}

}  // namespace canvas::sync
