#include "canvas/part/frames/part_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "canvas/format/owner_table.h"
#include "canvas/format/slot_words.h"
#include "canvas/part/open_part.h"
#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"

namespace canvas::part::frames {
namespace {

constexpr std::uint64_t RoundUp(std::uint64_t bytes) {
  return (bytes + format::kFileBlock - 1) / format::kFileBlock * format::kFileBlock;
}

}  // namespace

PartWriter::PartWriter(storage::CanvasFile& file, const FramePlace& lane, PageIndex page,
                       const storage::Ownership& owner)
    : file_(&file),
      owner_(&owner),
      lane_(lane),
      page_(page),
      words_(part().Words(file.write_base())),
      data_offset_(part().data()),
      frame_bytes_(lane.shape.frame_bytes()),
      per_block_(lane.shape.frames_per_block()),
      frames_(part().frames()) {}

Result<PartWriter> PartWriter::Open(storage::CanvasFile& file, const FramePlace& lane,
                                    PageIndex page, const storage::Ownership& owner) {
  const FramePart part(file, lane, page);
  CANVAS_TRY(OpenPart(file, part, owner));
  PartWriter writer(file, lane, page, owner);
  if (const std::uint64_t frames = lane.shape.FramesIn(page.value());
      sync::Peek(*writer.words_.mark) > frames)
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("lane {}, page {}: the high-water mark is {}, and the page has {} frames",
                    lane.id.value(), page.value(), sync::Peek(*writer.words_.mark), frames),
        "give the page back (Erase), or restore it from a copy");
  sync::AdoptPart(writer.words_, writer.per_block_, lane.shape.max_blocks(), part.stretches());
  return writer;
}

// Whatever the file says by now, within the page.
std::uint64_t PartWriter::mark() const { return std::min(sync::Peek(*words_.mark), frames_); }

std::uint64_t PartWriter::low() const { return std::min(sync::Peek(*words_.low), frames_); }

bool PartWriter::Written(std::uint64_t block) const {
  return format::Version::FromWord(sync::Peek(words_.versions[block])).written;
}

// Unwritten, and at rest.
bool PartWriter::Fresh(std::uint64_t block) const {
  const auto version = format::Version::FromWord(sync::Peek(words_.versions[block]));
  return !version.written && !version.changing();
}

Result<void> PartWriter::ReserveBlocks(std::uint64_t first_block, std::uint64_t end_block) {
  const std::uint64_t stride = lane_.shape.block_stride();
  return ReserveData(first_block * stride, std::min(end_block * stride, frames_ * frame_bytes_));
}

Result<void> PartWriter::ReserveWholeBlock(std::uint64_t block) {
  const std::uint64_t stride = lane_.shape.block_stride();
  return ReserveData(block * stride, (block + 1) * stride);
}

std::uint64_t PartWriter::Ahead(std::uint64_t first, std::uint64_t end) const {
  if (first != reserved_end_) return end;
  const std::uint64_t stride = lane_.shape.block_stride();
  const std::uint64_t limit = std::min(first + step_, RoundUp(frames_ * frame_bytes_));
  const auto next = reserved_.lower_bound(end);
  const std::uint64_t stop = next == reserved_.end() ? limit : std::min(limit, next->first);
  // What is written already has its space.
  std::uint64_t block = (end + stride - 1) / stride;
  while (block * stride < stop && Fresh(block)) ++block;
  return std::max(end, std::min(stop, block * stride / format::kFileBlock * format::kFileBlock));
}

// Whole 4 KiB, none of them known to be reserved.
Result<void> PartWriter::ReserveFresh(std::uint64_t first, std::uint64_t end) {
  // What a failed attempt took is given back only where no block of ours lies.
  const std::uint64_t stride = lane_.shape.block_stride();
  const std::uint64_t blocks = std::min((end + stride - 1) / stride, lane_.shape.max_blocks());
  bool fresh = true;
  for (std::uint64_t block = first / stride; block < blocks; ++block)
    fresh = fresh && !Written(block);
  return file_->ReserveBytes(data_offset_ + first, end - first, fresh);
}

Result<void> PartWriter::ReserveData(std::uint64_t first, std::uint64_t end) {
  first = first / format::kFileBlock * format::kFileBlock;
  end = RoundUp(end);
  while (first < end) {
    auto next = reserved_.upper_bound(first);
    if (next != reserved_.begin())
      if (const auto at = std::prev(next); at->second > first) {
        first = at->second;
        continue;
      }
    std::uint64_t to = next == reserved_.end() ? end : std::min(end, next->first);
    const std::uint64_t ahead = to == end ? Ahead(first, end) : to;
    auto reserved = ReserveFresh(first, ahead);
    if (!reserved && ahead > to)
      reserved = ReserveFresh(first, to);  // perhaps there is room for that
    else
      to = ahead;
    CANVAS_TRY(std::move(reserved));
    step_ = std::min<std::uint64_t>(2 * (to - first), file_->geometry().fields().extent_bytes);
    reserved_end_ = to;
    if (next != reserved_.begin() && std::prev(next)->second == first)
      std::prev(next)->second = to;
    else
      reserved_.emplace_hint(next, first, to);
    first = to;
  }
  return {};
}

Result<void> PartWriter::ReserveUndo() {
  if (undo_reserved_) return {};
  CANVAS_TRY(file_->ReserveBytes(part().undo(), lane_.shape.block_stride(), false));
  undo_reserved_ = true;
  return {};
}

Result<void> PartWriter::EnsureStorable(std::uint64_t first, std::uint64_t end) const {
  return file_->EnsureStorable(
      {{data_offset_ + first * frame_bytes_, (end - first) * frame_bytes_}});
}

// Frames outside the marks, within one written block, are zeros before a mark passes them: they
// may be a dead owner's.
Result<void> PartWriter::ZeroUnpublished(std::uint64_t first, std::uint64_t end) {
  if (first >= end || !Written(first / per_block_)) return {};
  CANVAS_TRY(ReserveBlocks(first / per_block_, first / per_block_ + 1));
  CANVAS_TRY(EnsureStorable(first, end));
  sync::ZeroIn(FrameAt(first), (end - first) * frame_bytes_);
  return {};
}

Result<void> PartWriter::FillGap(std::uint64_t first) {
  const std::uint64_t high = mark();
  if (high == 0) return {};
  if (first > high && high % per_block_ != 0)
    return ZeroUnpublished(high, std::min(first, (high / per_block_ + 1) * per_block_));
  if (first < low()) return ZeroUnpublished(low() / per_block_ * per_block_, low());
  return {};
}

Result<void> PartWriter::WriteFreshRun(std::uint64_t first_block, std::uint64_t end_block,
                                       const void* bytes) {
  const std::uint64_t start = first_block * lane_.shape.block_stride();
  const std::uint64_t end =
      std::min(end_block * lane_.shape.block_stride(), frames_ * frame_bytes_);
  CANVAS_TRY(ReserveBlocks(first_block, end_block));
  CANVAS_TRY(file_->WriteBytes(data_offset_ + start,
                               std::span(static_cast<const std::byte*>(bytes), end - start)));
  for (std::uint64_t block = first_block; block < end_block; ++block)
    sync::PublishFirstWrite(words_, block);
  return {};
}

Result<void> PartWriter::WriteRest(std::uint64_t first, std::uint64_t end, const float* samples) {
  const std::uint64_t begun = first / per_block_;
  CANVAS_TRY(ReserveBlocks(begun, end / per_block_));
  CANVAS_TRY(
      file_->WriteBytes(data_offset_ + first * frame_bytes_,
                        std::as_bytes(std::span(samples, (end - first) * frame_bytes_ / 4))));
  for (std::uint64_t block = begun + 1; block < end / per_block_; ++block)
    sync::PublishFirstWrite(words_, block);
  return {};
}

Result<void> PartWriter::WriteFreshPiece(std::uint64_t first, std::uint64_t end,
                                         const float* samples) {
  const std::uint64_t block = first / per_block_;
  scratch_.assign(lane_.shape.block_stride(), std::byte{0});
  std::memcpy(scratch_.data() + (first - block * per_block_) * frame_bytes_, samples,
              (end - first) * frame_bytes_);
  return WriteFreshRun(block, block + 1, scratch_.data());
}

Result<void> PartWriter::WriteOver(std::uint64_t first, std::uint64_t end, const float* samples) {
  const std::uint64_t block = first / per_block_;
  const std::uint64_t below = std::clamp(mark(), first, end);
  CANVAS_TRY(ReserveBlocks(block, block + 1));  // a copy of the file may have become sparse
  CANVAS_TRY(EnsureStorable(first, end));
  if (first < below) {
    CANVAS_TRY(ReserveWholeBlock(block));
    CANVAS_TRY(ReserveUndo());
    CANVAS_TRY(file_->EnsureStorable({part().UndoRange()}));
    scratch_.resize(lane_.shape.block_stride());
    owner_->Declare({format::Operation::kOverwrite, page_, block, lane_.slots});
    sync::BeginOverwrite(words_, block, scratch_.data(), [&](const void* bytes) {
      return UndoChecksum(bytes, lane_.shape.block_stride());
    });
    sync::CopyIn(FrameAt(first), samples, (below - first) * frame_bytes_);
    sync::EndOverwrite(words_, block);
    owner_->Clear();
  }
  if (below < end)
    sync::CopyIn(FrameAt(below), samples + (below - first) * lane_.shape.channels(),
                 (end - below) * frame_bytes_);
  return {};
}

// A block whose version is odd although this owner is not in the midst of it: no death leaves that
// without an intent, which was repaired; a power loss does. Where the undo place still vouches for
// the block it is put back. Where it does not, nobody knows what its bytes are of: it is unwritten.
Result<void> PartWriter::SettleBlock(std::uint64_t block) {
  const auto changing = [&] {
    return format::Version::FromWord(sync::Peek(words_.versions[block])).changing();
  };
  if (!changing()) return {};
  CANVAS_TRY(part().PutBack(words_, scratch_));
  sync::GiveUpBlock(words_, block);
  return {};
}

Result<void> PartWriter::WritePieces(std::uint64_t first, std::uint64_t end, const float* samples) {
  CANVAS_TRY(owner_->EnsureStorable());
  CANVAS_TRY(part().EnsureStorable(first / per_block_, (end + per_block_ - 1) / per_block_));
  // All of it at once. Where there is no room for that, piece by piece, as far as there is.
  (void)ReserveBlocks(first / per_block_, (end + per_block_ - 1) / per_block_);
  CANVAS_TRY(FillGap(first));
  std::uint64_t at = first;
  while (at < end) {
    const float* from = samples + (at - first) * lane_.shape.channels();
    const std::uint64_t block = at / per_block_;
    std::uint64_t to = std::min(end, (block + 1) * per_block_);
    CANVAS_TRY(SettleBlock(block));
    if (Written(block) && at >= mark() && end - to >= per_block_ && Fresh(to / per_block_)) {
      while (end - to >= per_block_ && Fresh(to / per_block_)) to += per_block_;
      CANVAS_TRY(WriteRest(at, to, from));
    } else if (Written(block)) {
      CANVAS_TRY(WriteOver(at, to, from));
    } else if (to - at < per_block_) {
      CANVAS_TRY(WriteFreshPiece(at, to, from));
    } else {
      while (end - to >= per_block_ && Fresh(to / per_block_)) to += per_block_;
      CANVAS_TRY(WriteFreshRun(block, to / per_block_, from));
    }
    // The low-water mark first: once the other is raised, it counts (append.h, I3).
    sync::LowerLowMark(words_, first);
    sync::RaiseHighMark(words_, to);
    at = to;
  }
  return {};
}

PartWriter::Frames PartWriter::Shown(std::uint64_t block) const {
  if (!Written(block)) return {};
  const std::uint64_t first = std::max(block * per_block_, low());
  return {first, std::max(first, std::min((block + 1) * per_block_, mark()))};
}

// The unwritten blocks around the run go with it: what was reserved there ahead, and what an
// erasure left that was cut short. What shares 4 KiB with a written block stays.
Result<void> PartWriter::EraseRun(std::uint64_t first_block, std::uint64_t end_block) {
  owner_->Declare({format::Operation::kErase, page_, first_block, lane_.slots});
  sync::EraseBlocks(words_, first_block, end_block);
  owner_->Clear();
  while (first_block > 0 && Fresh(first_block - 1)) --first_block;
  while (end_block < lane_.shape.max_blocks() && Fresh(end_block)) ++end_block;
  const std::uint64_t stride = lane_.shape.block_stride();
  const std::uint64_t first = RoundUp(first_block * stride);
  // Behind the last block of the slot nothing is stored.
  const std::uint64_t end = end_block == lane_.shape.max_blocks()
                                ? file_->geometry().DataBytes(lane_.slots)
                                : end_block * stride / format::kFileBlock * format::kFileBlock;
  reserved_.clear();
  reserved_end_ = ~std::uint64_t{0};
  if (first >= end) return {};
  return file_->Punch(data_offset_ + first, end - first);
}

Result<Erased> PartWriter::Erase(std::uint64_t first, std::uint64_t end) {
  Erased erased;
  const std::uint64_t first_block = first / per_block_;
  const std::uint64_t end_block = (end + per_block_ - 1) / per_block_;
  const auto whole = [&](std::uint64_t block) {
    const Frames shown = Shown(block);
    return shown.count() == 0 || (first <= shown.first && shown.end <= end);
  };
  CANVAS_TRY(owner_->EnsureStorable());
  CANVAS_TRY(part().EnsureStorable());
  // Only the first and the last block of the range may hold frames outside of it.
  CANVAS_ASSIGN(const os::ScopedLock no_window, part().KeepWindowsOff());
  CANVAS_TRY(SettleBlock(first_block));
  if (end_block > first_block + 1) CANVAS_TRY(SettleBlock(end_block - 1));
  bool head = !whole(first_block);  // still to be zeroed
  bool tail = end_block - 1 != first_block && !whole(end_block - 1);
  const std::uint64_t run = first_block + (head ? 1 : 0);
  const std::uint64_t run_end = std::max(run, end_block - (tail ? 1 : 0));
  const std::vector<float> zeros(per_block_ * lane_.shape.channels());
  const auto zero = [&](bool& needed, std::uint64_t block) -> Result<void> {
    if (!needed) return {};
    const Frames shown = Shown(block);
    const std::uint64_t from = std::max(first, shown.first);
    const std::uint64_t to = std::min(end, shown.end);
    if (from < to) {
      CANVAS_TRY(WriteOver(from, to, zeros.data()));
      erased.zeroed_frames += to - from;
    }
    needed = false;
    return {};
  };
  const auto zero_edges = [&]() -> Result<void> {
    CANVAS_TRY(zero(head, first_block));
    return zero(tail, end_block - 1);
  };
  const auto erase = [&]() -> Result<void> {
    // The edges first: a store beside the hole may fill it again. Where there is no room for the
    // undo place that they need, behind what makes some.
    const Result<void> zeroed = zero_edges();
    if (!zeroed && (zeroed.error().code() != ErrorCode::kNoSpace || run == run_end)) return zeroed;
    for (std::uint64_t block = run; block < run_end; ++block) {
      CANVAS_TRY(SettleBlock(block));
      erased.unwritten_frames += Shown(block).count();
    }
    if (run < run_end) CANVAS_TRY(EraseRun(run, run_end));
    return zero_edges();
  };
  const auto done = erase();
  file_->Notify();  // of what there is, after a failure too
  CANVAS_TRY(done);
  return erased;
}

Result<void> PartWriter::Write(std::uint64_t first, std::span<const float> samples) {
  const std::uint64_t end = first + samples.size() / lane_.shape.channels();
  if (first == end) return {};
  auto written = WritePieces(first, end, samples.data());
  file_->Notify();  // of what there is, after a failure too
  return written;
}

}  // namespace canvas::part::frames
