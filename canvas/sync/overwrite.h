// Reading one block while it may be overwritten, and overwriting it so that at any instant, and
// after a death at any instruction, it reads as wholly old or wholly new.
//
//   owner                                    reader
//   1 intent (takeover.h)                    a version even: copy the block, look at the version
//   2 old bytes -> undo place, what they       again; the same: done
//     were                                   b version odd: copy the undo place, look again; the
//   3 version odd                              same odd version: that is the old block, done
//   4 sequence odd                           c changed meanwhile: from the start, a bounded number
//   5 new bytes -> block                       of times; then raced
//   6 version the next even one
//   7 undo place empty, sequence even
//   8 intent cleared
//
// A view in place takes the sequence, then looks at the versions of its blocks; afterwards the
// sequence must be the same. The version turns odd before the sequence does: a view that sees the
// odd sequence sees the odd version too, and leaves the block out.
//
// Invariants
//   I1  While a version is odd, the undo place holds the block's old bytes, and does not change.
//   I2  A version only grows. A rollback publishes the next even version, never the old one: a
//       reader that saw the old number before, and wakes after, must not match it.
//
// Every byte of both copies is released and acquired (shared_copy.h). So a reader that sees any
// byte of step 5 sees the odd version of step 3 when it looks again, and one that sees any byte of
// the next step 2 sees the even version of step 6.
//
// Concurrency: one owner, any number of readers, in any processes.
// Realtime: ReadBlock is wait-free (kReadTries copies at most); no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/slot_words.h"
#include "canvas/sync/part_words.h"

namespace canvas::sync {

enum class BlockRead : std::uint8_t {
  kOk,         // one version's bytes
  kUnwritten,  // no byte was touched
  kRaced,      // changed at every try, or is being punched; `out` holds nothing of use
  kUndoAway,   // being rewritten, and the undo place is not to be touched
};

inline constexpr int kReadTries = 4;

// Copies `bytes` bytes from `offset` of the block to `out`. The range lies within the block.
// `undo_there()` says whether the undo place may be touched; it is asked where that is needed.
template <typename Sync, typename UndoThere>
[[gnu::always_inline]] inline BlockRead ReadBlock(const PartWords<Sync>& part, std::uint64_t block,
                                                  std::uint32_t offset, std::uint32_t bytes,
                                                  void* out, UndoThere undo_there) noexcept {
  auto& word = part.versions[block];
  for (int i = 0; i < kReadTries; ++i) {
    // SYNC(version): sees the bytes of an even version, the undo place of an odd one.
    const std::uint64_t before = word.load(std::memory_order_acquire);
    const auto version = format::Version::FromWord(before);
    if (!version.changing()) [[likely]] {
      if (!version.written) return BlockRead::kUnwritten;
      Sync::CopyOut(out, part.data + block * part.block_stride + offset, bytes);
    } else {
      // Relaxed: stored before the odd version, which was just acquired.
      if (part.undo_block->load(std::memory_order_relaxed) != block + 1) continue;
      if (!undo_there()) return BlockRead::kUndoAway;
      Sync::CopyOut(out, part.undo + offset, bytes);
    }
    // Relaxed: the copy's loads are acquires, so this one is not made before them.
    if (word.load(std::memory_order_relaxed) == before) return BlockRead::kOk;
  }
  return BlockRead::kRaced;
}

template <typename Sync>
BlockRead ReadBlock(const PartWords<Sync>& part, std::uint64_t block, std::uint32_t offset,
                    std::uint32_t bytes, void* out) noexcept {
  return ReadBlock(part, block, offset, bytes, out, [] { return true; });
}

// The same of a range that ends in the block behind, in one copy: what a read mostly is that
// crosses blocks. False where one of the two is unwritten or being rewritten, or was while it was
// copied: then each is to be read by itself.
template <typename Sync>
bool ReadTwoBlocks(const PartWords<Sync>& part, std::uint64_t block, std::uint32_t offset,
                   std::uint32_t bytes, void* out) noexcept {
  auto& first = part.versions[block];
  auto& second = part.versions[block + 1];
  // SYNC(version): each sees its block's bytes.
  const std::uint64_t of_first = first.load(std::memory_order_acquire);
  const std::uint64_t of_second = second.load(std::memory_order_acquire);
  const auto settled = [](std::uint64_t word) {
    const auto version = format::Version::FromWord(word);
    return version.written && !version.changing();
  };
  if (!settled(of_first) || !settled(of_second)) return false;
  Sync::CopyOut(out, part.data + block * part.block_stride + offset, bytes);
  // Relaxed: the copy's loads are acquires, so these are not made before them.
  return first.load(std::memory_order_relaxed) == of_first &&
         second.load(std::memory_order_relaxed) == of_second;
}

// Feeder of a window. Whether a block of the part was ever overwritten: before that the undo place
// may not be on disk yet.
template <typename Sync>
bool UndoWasUsed(const PartWords<Sync>& part) noexcept {
  // Relaxed: the place was reserved by a syscall before, and is made resident by one afterwards.
  return part.undo_version->load(std::memory_order_relaxed) != 0;
}

// Owner. Steps 2 to 4. `scratch` has room for the block and holds its old bytes afterwards;
// `checksum` makes a 64-bit sum of them. The block is written and even.
template <typename Sync, typename Checksum>
void BeginOverwrite(const PartWords<Sync>& part, std::uint64_t block, void* scratch,
                    Checksum checksum) noexcept {
  auto& word = part.versions[block];
  // Relaxed: versions, undo words and sequence are stored by the owner alone.
  const auto old = format::Version::FromWord(word.load(std::memory_order_relaxed));
  Sync::CopyOut(scratch, part.data + block * part.block_stride, part.block_stride);
  // The releases of this copy keep it after the last overwrite's step 7.
  Sync::CopyIn(part.undo, scratch, part.block_stride);
  // SYNC(undo): both after step 7 of the overwrite before, which a successor may have to take
  // back by what stood here.
  part.undo_checksum->store(checksum(scratch), std::memory_order_release);
  part.undo_version->store(old.ToWord(), std::memory_order_release);
  // Relaxed: after the last one's step 7 (the same word), and before the odd version by its
  // release; until that, it says nothing.
  part.undo_block->store(block + 1, std::memory_order_relaxed);
  // SYNC(version): publishes the undo place.
  word.store(old.Changing().ToWord(), std::memory_order_release);
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(sequence): publishes the odd version; a view that was opened before notices.
  part.sequence->store(sequence + 1, std::memory_order_release);
}

// Owner. Steps 6 and 7. The copies of step 5 come before.
template <typename Sync>
void EndOverwrite(const PartWords<Sync>& part, std::uint64_t block) noexcept {
  auto& word = part.versions[block];
  // Relaxed: stored by the owner alone.
  const auto odd = format::Version::FromWord(word.load(std::memory_order_relaxed));
  // SYNC(version): publishes the new bytes.
  word.store(odd.Settled(true).ToWord(), std::memory_order_release);
  // SYNC(undo): the undo place is not called empty before the block is whole.
  part.undo_block->store(0, std::memory_order_release);
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(sequence): even again, a number no earlier view has.
  part.sequence->store(sequence + 1, std::memory_order_release);
}

enum class Repair : std::uint8_t {
  kNothing,     // no overwrite was under way
  kFinished,    // it had reached step 6, and stays
  kRolledBack,  // the old bytes are back
  kDamaged,  // the undo place does not hold what it should (a power loss): the block is unwritten
};

// Successor, holding the dead owner's lock. `scratch` has room for a block, `checksum` is as in
// BeginOverwrite. `max_block` bounds what an undo word may name.
template <typename Sync, typename Checksum>
Repair RepairOverwrite(const PartWords<Sync>& part, std::uint64_t max_block, void* scratch,
                       Checksum checksum) noexcept {
  // SYNC(undo): where it is empty, what this successor publishes carries what the dead had. (Where
  // it is not, the rest is there because the dead one's processor was stopped with all its stores.)
  const std::uint64_t undo = part.undo_block->load(std::memory_order_acquire);
  auto result = Repair::kNothing;
  if (undo != 0 && undo <= max_block) {
    auto& word = part.versions[undo - 1];
    // Relaxed: a reader that is ordered after this read sees no older version (read-read
    // coherence), and acquires that one itself.
    const auto version = format::Version::FromWord(word.load(std::memory_order_relaxed));
    // Relaxed, and likewise the sum: of one who is dead.
    const auto old = format::Version::FromWord(part.undo_version->load(std::memory_order_relaxed));
    result = Repair::kFinished;
    if (version == old.Changing()) {
      Sync::CopyOut(scratch, part.undo, part.block_stride);
      const bool whole = checksum(scratch) == part.undo_checksum->load(std::memory_order_relaxed);
      if (whole)
        Sync::CopyIn(part.data + (undo - 1) * part.block_stride, scratch, part.block_stride);
      // SYNC(version): the old bytes under the next even number (I2).
      word.store(version.Settled(whole).ToWord(), std::memory_order_release);
      result = whole ? Repair::kRolledBack : Repair::kDamaged;
    }
  }
  // SYNC(undo): not before the block is whole again; a second successor starts over otherwise.
  if (undo != 0) part.undo_block->store(0, std::memory_order_release);
  // Relaxed: only an owner stores it, and that is now this process.
  const std::uint64_t sequence = part.sequence->load(std::memory_order_relaxed);
  // SYNC(sequence): even again.
  if ((sequence & 1) != 0) part.sequence->store(sequence + 1, std::memory_order_release);
  return result;
}

// Owner, of a block whose version is odd although no intent says so: a power loss kept the version
// and lost what goes with it. RepairOverwrite was tried. Its bytes are of no version: it is
// unwritten afterwards, and may be written again.
template <typename Sync>
void GiveUpBlock(const PartWords<Sync>& part, std::uint64_t block) noexcept {
  auto& word = part.versions[block];
  // Relaxed: stored by the owner alone.
  const auto odd = format::Version::FromWord(word.load(std::memory_order_relaxed));
  if (!odd.changing()) return;
  // Relaxed: no reader touches a byte of an unwritten block. The next even number (I2).
  word.store(odd.Settled(false).ToWord(), std::memory_order_relaxed);
}

// Reader. What a block is just now: for a view, before its bytes are looked at.
template <typename Sync>
format::Version ReadVersion(const PartWords<Sync>& part, std::uint64_t block) noexcept {
  // SYNC(version): sees the bytes of an even version.
  return format::Version::FromWord(part.versions[block].load(std::memory_order_acquire));
}

// Reader of a view in place, before it looks at the versions of its blocks.
template <typename Sync>
std::uint64_t ViewSequence(const PartWords<Sync>& part) noexcept {
  // SYNC(sequence): the versions seen after this are not older than it.
  return part.sequence->load(std::memory_order_acquire);
}

// Afterwards: whether what was read in place since counts. `life` is the part's, as it was then.
template <typename Sync>
struct ViewWords {
  const typename Sync::template Atomic<std::uint64_t>* sequence = nullptr;
  const typename Sync::template Atomic<std::uint64_t>* life = nullptr;
};
template <typename Sync>
bool ViewStillValid(const ViewWords<Sync>& part, std::uint64_t sequence,
                    std::uint64_t life) noexcept {
  // SYNC(sequence): the reads in place carry no order. With this fence, one that saw a byte of
  // step 5, or a hole, makes the loads below see the sequence or the life that was stored before
  // it.
  Sync::AcquireFence();
  // Relaxed: after the fence.
  return part.sequence->load(std::memory_order_relaxed) == sequence &&
         part.life->load(std::memory_order_relaxed) == life;
}

}  // namespace canvas::sync
