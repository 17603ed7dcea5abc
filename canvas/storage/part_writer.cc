#include "canvas/storage/part_writer.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "canvas/sync/append.h"
#include "canvas/sync/block.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/words.h"

namespace canvas::storage {

PartWriter::PartWriter(CanvasFile& file, const LanePlace& lane, PageIndex page,
                       const Ownership& owner)
    : file_(&file),
      owner_(&owner),
      lane_(lane),
      page_(page),
      words_(file.Part(file.write_base(), page, lane.slots, lane.shape.block_stride())),
      data_offset_(file.geometry().Page(page).value() + file.geometry().Data(lane.slots)),
      frame_bytes_(lane.shape.frame_bytes()),
      per_block_(lane.shape.frames_per_block()) {
  const auto& fields = file.geometry().fields();
  unit_ = lane.slots.kind == format::SlotKind::kWide
              ? fields.extent_bytes
              : std::max<std::uint64_t>(fields.block_bytes, format::kFileBlock);
  reserved_.resize((file.geometry().DataBytes(lane.slots) + unit_ - 1) / unit_);
}

Result<PartWriter> PartWriter::Open(CanvasFile& file, const LanePlace& lane, PageIndex page,
                                    const Ownership& owner) {
  CANVAS_TRY(file.EnsureSlot(page, lane.slots));
  PartWriter writer(file, lane, page, owner);
  if (!FindPart(file, lane, page, file.write_base()))
    sync::MakeReady(writer.words_, lane.id.value());
  writer.ForgetUnpublished();
  return writer;
}

std::uint64_t PartWriter::mark() const { return sync::Peek(*words_.mark); }

bool PartWriter::Written(std::uint64_t block) const {
  return format::Version::FromWord(sync::Peek(words_.versions[block])).written;
}

// A predecessor that died between publishing blocks and moving a mark over them left blocks outside
// the marks that say written. Readers never saw them; they are made unwritten before a mark can
// pass them (I2).
void PartWriter::ForgetUnpublished() {
  const std::uint64_t first = sync::Peek(*words_.low) / per_block_;
  const std::uint64_t end = (mark() + per_block_ - 1) / per_block_;
  for (std::uint64_t block = 0; block < lane_.shape.max_blocks(); ++block) {
    if (block >= first && block < end) continue;
    const auto version = format::Version::FromWord(sync::Peek(words_.versions[block]));
    if (version.written || version.changing())
      sync::Put(words_.versions[block], version.Settled(false).ToWord());
  }
}

Result<void> PartWriter::ReserveBlocks(std::uint64_t first_block, std::uint64_t end_block) {
  const std::uint64_t stride = lane_.shape.block_stride();
  std::uint64_t unit = first_block * stride / unit_;
  const std::uint64_t end_unit =
      std::min<std::uint64_t>((end_block * stride + unit_ - 1) / unit_, reserved_.size());
  while (unit < end_unit) {
    if (reserved_[unit]) {
      ++unit;
      continue;
    }
    std::uint64_t end = unit;
    while (end < end_unit && !reserved_[end]) ++end;
    // What a failed attempt took is given back only where no block of ours lies.
    bool fresh = true;
    const std::uint64_t blocks =
        std::min((end * unit_ + stride - 1) / stride, lane_.shape.max_blocks());
    for (std::uint64_t block = unit * unit_ / stride; block < blocks; ++block)
      fresh = fresh && !Written(block);
    CANVAS_TRY(file_->ReserveBytes(data_offset_ + unit * unit_, (end - unit) * unit_, fresh));
    for (; unit < end; ++unit) reserved_[unit] = true;
  }
  return {};
}

Result<void> PartWriter::ReserveUndo() {
  if (undo_reserved_) return {};
  namespace slot = format::slot_control;
  const auto& geometry = file_->geometry();
  const std::uint64_t start = geometry.Page(page_).value();
  sync::Word& reserved = file_->PageWord(file_->write_base(), page_,
                                         geometry.SlotControl(lane_.slots) + slot::kReserved);
  if ((sync::Peek(reserved) & slot::kReservedUndo) == 0) {
    CANVAS_TRY(file_->ReserveBytes(start + geometry.UndoPlace(lane_.slots),
                                   lane_.shape.block_stride(), false));
    sync::Put(reserved, sync::Peek(reserved) | slot::kReservedUndo);
  }
  undo_reserved_ = true;
  return {};
}

// Frames between the mark and `first` that lie in the mark's own block may be a dead owner's:
// zeros, before the mark passes them.
void PartWriter::FillGap(std::uint64_t first) {
  const std::uint64_t from = mark();
  if (first <= from || from % per_block_ == 0 || !Written(from / per_block_)) return;
  const std::uint64_t to = std::min(first, (from / per_block_ + 1) * per_block_);
  sync::ZeroIn(FrameAt(from), (to - from) * frame_bytes_);
}

Result<void> PartWriter::WriteFreshRun(std::uint64_t first_block, std::uint64_t blocks,
                                       const void* bytes) {
  const std::uint64_t stride = lane_.shape.block_stride();
  CANVAS_TRY(ReserveBlocks(first_block, first_block + blocks));
  CANVAS_TRY(file_->WriteBytes(data_offset_ + first_block * stride,
                               std::span(static_cast<const std::byte*>(bytes), blocks * stride)));
  for (std::uint64_t i = 0; i < blocks; ++i) sync::PublishFirstWrite(words_, first_block + i);
  return {};
}

Result<void> PartWriter::WriteFreshPiece(std::uint64_t first, std::uint64_t end,
                                         const float* samples) {
  const std::uint64_t block = first / per_block_;
  scratch_.assign(lane_.shape.block_stride(), std::byte{0});
  std::memcpy(scratch_.data() + (first - block * per_block_) * frame_bytes_, samples,
              (end - first) * frame_bytes_);
  return WriteFreshRun(block, 1, scratch_.data());
}

Result<void> PartWriter::WriteOver(std::uint64_t first, std::uint64_t end, const float* samples) {
  const std::uint64_t block = first / per_block_;
  const std::uint64_t below = std::clamp(mark(), first, end);
  CANVAS_TRY(ReserveBlocks(block, block + 1));  // a copy of the file may have become sparse
  if (first < below) {
    CANVAS_TRY(ReserveUndo());
    scratch_.resize(lane_.shape.block_stride());
    owner_->Declare({format::Operation::kOverwrite, page_, block, lane_.slots});
    sync::BeginOverwrite(words_, block, scratch_.data(), [&](const void* bytes) {
      return XXH3_64bits(bytes, lane_.shape.block_stride());
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

Result<void> PartWriter::Write(std::uint64_t first, std::span<const float> samples) {
  const std::uint64_t end = first + samples.size() / lane_.shape.channels();
  if (first == end) return {};
  FillGap(first);
  std::uint64_t at = first;
  while (at < end) {
    const float* from = samples.data() + (at - first) * lane_.shape.channels();
    const std::uint64_t block = at / per_block_;
    std::uint64_t to = std::min(end, (block + 1) * per_block_);
    if (Written(block)) {
      CANVAS_TRY(WriteOver(at, to, from));
    } else if (to - at < per_block_) {
      CANVAS_TRY(WriteFreshPiece(at, to, from));
    } else {
      while (end - to >= per_block_ && !Written(to / per_block_)) to += per_block_;
      CANVAS_TRY(WriteFreshRun(block, (to - at) / per_block_, from));
    }
    // The low-water mark first: once the other is raised, it counts (append.h, I3).
    sync::LowerLow(words_, first);
    sync::RaiseMark(words_, to);
    at = to;
  }
  file_->Notify();
  return {};
}

}  // namespace canvas::storage
