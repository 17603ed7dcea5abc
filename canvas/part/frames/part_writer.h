// Writing frames into one lane's part of one page: appending, filling gaps, overwriting, each block
// by the protocol its state asks for.
//
//   block unwritten, covered whole     pwrite straight from the caller's memory, then published;
//                                      runs of such blocks in one call
//   block unwritten, covered in part   the same, with zeros around the frames, to the page's end
//   block written, below the mark      overwritten, the undo place filled first
//   block written, beyond the mark     stored in place; the mark passes it afterwards. Where whole
//                                      unwritten blocks follow, all in one pwrite: a store through
//                                      the mapping would fault at every 4 KiB just written
//
// and erasing them: whole blocks become unwritten (sync/erase.h), the rest of the range is zeroed.
//
// pwrite is used because it is the faster way into fresh space: it fills whole pages of the cache
// without faulting them in or zeroing them first (bench/bulk_write_bench.cc compares).
//
// Invariants
//   I1  Disk space is reserved before any store: what a write needs, to the whole 4 KiB; and what
//       goes on from there takes twice as much as the time before, up to an extent, so that
//       appending little by little asks the kernel seldom. Nothing is reserved beyond the page's
//       last frame, but for a block that is overwritten, which the undo place's bytes may come back
//       to as a whole. An error leaves everything that was published intact.
//   I2  The marks move after the blocks they uncover are published, and pass no byte that this
//       owner, or zeros, did not put there.
//
// Thread safety: one thread at a time, under ownership of the lane over the page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/part/frames/frame_part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"

namespace canvas::part::frames {

class PartWriter {
 public:
  // Makes page and part ready where they are not.
  // Errors: kInvalidArgument (past capacity), kLimit (past the mapping), kCorrupt (a mark beyond
  // the page), kNoSpace, kIo.
  static Result<PartWriter> Open(storage::CanvasFile& file, const FramePlace& lane, PageIndex page,
                                 const storage::Ownership& owner);

  PageIndex page() const { return page_; }

  // Stores interleaved frames from `first` of the part on. The range lies within the page.
  // A block that a power loss left half rewritten is put back, or, where that cannot be done, is
  // unwritten but for these frames. Errors: kNoSpace, kIo; what was stored before the failing block
  // stays.
  Result<void> Write(std::uint64_t first, std::span<const float> samples);

  // Makes what is written of [first, end) unwritten, block by block, and gives the disk space back.
  // A block that also holds frames outside keeps its space, and gets zeros where the range covers
  // it. What the numbers count was written before.
  // Errors: kBusy (a reader's window holds the page: nothing is changed), kNoSpace, kIo.
  Result<Erased> Erase(std::uint64_t first, std::uint64_t end);

  // One past the last frame written, within the part.
  std::uint64_t mark() const;

 private:
  std::uint64_t low() const;
  PartWriter(storage::CanvasFile& file, const FramePlace& lane, PageIndex page,
             const storage::Ownership& owner);
  // What these blocks have of the page's frames; all of a block; bytes of the part.
  Result<void> ReserveBlocks(std::uint64_t first_block, std::uint64_t end_block);
  Result<void> ReserveWholeBlock(std::uint64_t block);
  Result<void> ReserveData(std::uint64_t first, std::uint64_t end);
  Result<void> ReserveFresh(std::uint64_t first, std::uint64_t end);
  // How far a reservation from `first` on may go, beyond `end`: to the next frame that may be
  // written.
  std::uint64_t Ahead(std::uint64_t first, std::uint64_t end) const;
  Result<void> ReserveUndo();
  // So that stores of these frames do not fault.
  Result<void> EnsureStorable(std::uint64_t first, std::uint64_t end) const;
  Result<void> FillGap(std::uint64_t first);
  Result<void> ZeroUnpublished(std::uint64_t first, std::uint64_t end);
  Result<void> WritePieces(std::uint64_t first, std::uint64_t end, const float* samples);
  bool Written(std::uint64_t block) const;
  bool Fresh(std::uint64_t block) const;
  Result<void> SettleBlock(std::uint64_t block);
  // Blocks [first_block, end_block), of which the last may be the page's.
  Result<void> WriteFreshRun(std::uint64_t first_block, std::uint64_t end_block, const void* bytes);
  Result<void> WriteFreshPiece(std::uint64_t first, std::uint64_t end, const float* samples);
  // From the mark on to the end of its block, and the whole unwritten blocks behind it.
  Result<void> WriteRest(std::uint64_t first, std::uint64_t end, const float* samples);
  Result<void> WriteOver(std::uint64_t first, std::uint64_t end, const float* samples);
  // What readers see of a block; nothing where it is unwritten.
  struct Frames {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint64_t count() const { return end - first; }
  };
  Frames Shown(std::uint64_t block) const;
  // Whole blocks, of which no window is in the way.
  Result<void> EraseRun(std::uint64_t first_block, std::uint64_t end_block);
  FramePart part() const { return {*file_, lane_, page_}; }
  std::byte* FrameAt(std::uint64_t frame) const { return words_.data + frame * frame_bytes_; }

  storage::CanvasFile* file_;
  const storage::Ownership* owner_;
  FramePlace lane_;
  PageIndex page_;
  storage::PartWords words_;
  std::uint64_t data_offset_;  // of the part, in the file
  std::uint64_t frame_bytes_;
  std::uint64_t per_block_;  // frames
  std::uint64_t frames_;     // of the page
  // Stretches of the part that are known to be reserved, by their first byte: to the one past the
  // last.
  std::map<std::uint64_t, std::uint64_t> reserved_;
  std::uint64_t reserved_end_ = ~std::uint64_t{0};  // of the last reservation
  std::uint64_t step_ = 0;                          // the least that goes on from there
  bool undo_reserved_ = false;
  std::vector<std::byte> scratch_;  // a block
};

}  // namespace canvas::part::frames
