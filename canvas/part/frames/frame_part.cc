#include "canvas/part/frames/frame_part.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"

namespace canvas::part::frames {

Result<FramePlace> FramePlace::Of(const metadata::LaneRecord& lane,
                                  const format::Geometry& geometry) {
  if (!metadata::HoldsFrames(lane.kind))
    return Fail(ErrorCode::kUnsupported, fmt::format("lane '{}' holds no frames ({})", lane.name,
                                                     metadata::LaneKindName(lane.kind)));
  CANVAS_ASSIGN(const format::FrameShape shape,
                format::FrameShape::Make(geometry, lane.rate, lane.channels, lane.slots.kind));
  return FramePlace{{lane.id, lane.slots, shape, shape.max_blocks(), shape.block_stride()}, shape};
}

PartLook FramePart::Look() const noexcept {
  PartLook look = PartRef::Look();
  if (!look.part) return look;
  const format::Geometry& geometry = file().geometry();
  look.touched[1] = {geometry.Page(page()).value() + geometry.Versions(lane().slots),
                     shape_->max_blocks() * 8};
  // A place that was never used is perhaps not on the disk: looking at it would take space there.
  if (sync::UndoWasUsed(look.part->words)) look.touched[2] = UndoRange();
  return look;
}

// Calls visit(first, end) for every written block's frames between the marks.
template <typename Visit>
void FramePart::ForEachWrittenBlock(const FoundPart& part, Visit visit) const {
  const std::uint64_t per_block = shape_->frames_per_block();
  // A mark beyond the page's end is a lie; what lies there is not the page's.
  const std::uint64_t mark = std::min(sync::ReadHighMark(part.words), frames());
  const std::uint64_t low = sync::ReadLowMark(part.words);
  if (low >= mark) return;
  file().ForEachVersionStretch(
      page(), lane().slots, low / per_block, (mark + per_block - 1) / per_block,
      [&](std::uint64_t first, std::uint64_t end) {
        for (std::uint64_t block = first; block < end; ++block)
          if (sync::ReadVersion(part.words, block).written)
            visit(std::max(block * per_block, low), std::min((block + 1) * per_block, mark));
      });
}

std::optional<PartSummary> FramePart::Summarize() const noexcept {
  const auto part = Find();
  if (!part) return std::nullopt;
  PartSummary summary;
  ForEachWrittenBlock(*part, [&](std::uint64_t first, std::uint64_t end) {
    if (summary.written_frames == 0) summary.first = first;
    summary.written_frames += end - first;
    summary.end = end;
  });
  summary.written_bytes = summary.written_frames * shape_->frame_bytes();
  if (sync::ReadLife(part->words) != part->life) return std::nullopt;
  return summary;
}

std::vector<FrameRun> FramePart::WrittenRuns() const {
  std::vector<FrameRun> runs;
  const auto part = Find();
  if (!part) return runs;
  ForEachWrittenBlock(*part, [&](std::uint64_t first, std::uint64_t end) {
    if (!runs.empty() && runs.back().end == first)
      runs.back().end = end;
    else
      runs.push_back({first, end});
  });
  return runs;
}

Result<void> FramePart::PutBack(const storage::PartWords& words,
                                std::vector<std::byte>& scratch) const {
  const std::uint64_t stride = shape_->block_stride();
  const std::uint64_t undo_block = sync::Peek(*words.undo_block);
  if (undo_block != 0 && undo_block <= shape_->max_blocks() &&
      format::Version::FromWord(sync::Peek(words.versions[undo_block - 1])).changing()) {
    const os::ByteRange block{data() + (undo_block - 1) * stride, stride};
    CANVAS_TRY(file().ReserveBytes(block.offset, block.bytes, false));
    CANVAS_TRY(file().EnsureStorable({block}));
  }
  scratch.resize(stride);
  sync::RepairOverwrite(words, shape_->max_blocks(), scratch.data(),
                        [&](const void* bytes) { return UndoChecksum(bytes, stride); });
  return {};
}

std::uint64_t UndoChecksum(const void* bytes, std::size_t count) {
  return XXH3_64bits(bytes, count);
}

}  // namespace canvas::part::frames
