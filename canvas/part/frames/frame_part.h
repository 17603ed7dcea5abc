// A part of a lane of frames: which of them are written, and putting back what a dead owner left
// half done in it.
//
// Thread safety: as PartRef.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/format/frame_format.h"
#include "canvas/metadata/header.h"
#include "canvas/part/content.h"
#include "canvas/part/part_ref.h"

namespace canvas::part::frames {

// What it takes to find a lane's frames: immutable for the life of the lane.
struct FramePlace : LanePlace {
  format::FrameShape shape;

  // Errors: kUnsupported (a lane that does not hold frames); kInvalidArgument, of a record that
  // ValidateHeader did not see.
  static Result<FramePlace> Of(const metadata::LaneRecord& lane, const format::Geometry& geometry);
};

// A run of written frames within a part.
struct FrameRun {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

class FramePart : public PartRef {
 public:
  FramePart(const storage::CanvasFile& file, const FramePlace& place, PageIndex page) noexcept
      : PartRef(file, place, page), shape_(&place.shape) {}

  const format::FrameShape& shape() const { return *shape_; }
  // Where its undo place begins in the file.
  std::uint64_t undo() const {
    return file().geometry().Page(page()).value() + file().geometry().UndoPlace(lane().slots);
  }
  os::ByteRange UndoRange() const { return {undo(), shape_->block_stride()}; }

  // As PartRef's; readers touch the version words too (touched[1]), and the undo place where it was
  // ever used (touched[2]).
  PartLook Look() const noexcept;
  std::optional<PartSummary> Summarize() const noexcept;
  // The runs of written frames, ascending, none touching another.
  std::vector<FrameRun> WrittenRuns() const;

  // Puts back the block that the undo place vouches for, if there is one (sync::RepairOverwrite).
  // Its space is reserved first: a copy of the file, or a power loss, may have lost it. `scratch`
  // comes to hold a block. Errors: kNoSpace, kIo; nothing is changed then.
  Result<void> PutBack(const storage::PartWords& words, std::vector<std::byte>& scratch) const;

 private:
  template <typename Visit>
  void ForEachWrittenBlock(const FoundPart& part, Visit visit) const;

  const format::FrameShape* shape_;
};

// The sum that guards an undo place.
std::uint64_t UndoChecksum(const void* bytes, std::size_t count);

}  // namespace canvas::part::frames
