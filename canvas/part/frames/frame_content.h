// Frames, as a content: interleaved float32, in blocks with a version each.
//
// Thread safety: as Content.
#pragma once

#include <memory>
#include <optional>

#include "canvas/part/content.h"
#include "canvas/part/frames/frame_part.h"

namespace canvas::part::frames {

class FrameContent final : public Content {
 public:
  static Result<std::unique_ptr<const Content>> Make(const metadata::LaneRecord& lane,
                                                     const format::Geometry& geometry);
  explicit FrameContent(const FramePlace& place) : place_(place) {}

  const LanePlace& place() const override { return place_; }
  const FramePlace& frame_place() const { return place_; }
  std::optional<PartSummary> Summarize(const PartRef& part) const noexcept override;
  void WillSummarize(const PartRef& part) const noexcept override;
  Result<Erased> Erase(storage::CanvasFile& file, PageIndex page, const storage::Ownership& owner,
                       std::uint64_t first, std::uint64_t end) const override;
  void Check(const PartRef& part, const FoundPart& found, CheckLog& log) const override;
  std::optional<PartTrace> Trace(const PartRef& part) const override;
  void Compare(const PartTrace& before, const PartTrace& now,
               const DifferenceSink& emit) const override;

 private:
  Result<void> PutRight(const PartRef& part, const storage::Intent& intent) const override;
  FramePart Of(const PartRef& part) const { return {part.file(), place_, part.page()}; }

  FramePlace place_;
};

}  // namespace canvas::part::frames
