// Append: the owner writes frames nobody looks at yet, then says how far they go.
//
// The owner fills a block's bytes while its version says unwritten (readers touch no byte of such a
// block), publishes the block as written, then raises the high-water mark past its frames. Within a
// written block, frames at and beyond the mark are the owner's until the mark passes them.
//
// Invariants
//   I1  A block whose version says written has defined bytes throughout: its first write fills all
//       of it, with zeros where no frames were given.
//   I2  Every frame below the mark that lies in a written block is final, but for an overwrite of
//       its block. The mark only grows within one generation of the part.
//
// Concurrency: one owner, any number of readers. Realtime: wait-free on both sides; no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/control_format.h"
#include "canvas/sync/part_words.h"

namespace canvas::sync {

// Owner. Says that an unwritten block's bytes are all there. The copies that filled it come before.
template <typename Sync>
void PublishFirstWrite(const PartWords<Sync>& part, std::uint64_t block) noexcept {
  // Relaxed: versions are stored by the owner alone.
  const auto old = format::Version::FromWord(part.versions[block].load(std::memory_order_relaxed));
  // SYNC(version): publishes the block's bytes, pairs with the acquire in ReadBlock.
  part.versions[block].store(old.Settled(true).ToWord(), std::memory_order_release);
}

// Owner. Lets readers look at frames below `frames`. Never lowers the mark.
template <typename Sync>
void RaiseMark(const PartWords<Sync>& part, std::uint64_t frames) noexcept {
  // Relaxed: the mark is stored by the owner alone.
  if (frames <= part.mark->load(std::memory_order_relaxed)) return;
  // SYNC(mark): publishes frames and versions below the mark, pairs with the acquire in ReadMark.
  part.mark->store(frames, std::memory_order_release);
}

// Reader. Frames below the answer may be looked at, where their blocks are written.
template <typename Sync>
std::uint64_t ReadMark(const PartWords<Sync>& part) noexcept {
  // SYNC(mark): sees everything the owner did before it raised the mark this far.
  return part.mark->load(std::memory_order_acquire);
}

}  // namespace canvas::sync
