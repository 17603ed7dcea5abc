#include "canvas/api/lane_owner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "canvas/api/owned_lane.h"

namespace canvas {

Result<EraseReport> OwnedLane::Erase(FrameRange range) {
  storage::CanvasFile& file = *core->file;
  const format::Timeline& timeline = content->place().timeline;
  if (file.mapped_pages() < file.CapacityPages() &&
      range.end > timeline.FirstFrame(file.mapped_pages()))
    return Fail(ErrorCode::kLimit, "the range reaches past the mapping limit of this handle",
                "open it with a larger mapping limit");
  EraseReport report;
  const PageRange pages = ownership.pages();
  const std::uint64_t last = std::min<std::uint64_t>(pages.end.value(), file.mapped_pages());
  // Where the lane has never had a part nothing is to be given back. Only its owner begins one.
  std::vector<PageIndex> had;
  file.ForEachReadyPage(pages.first.value(), last, [&](PageIndex page) {
    if (file.SlotPresent(page, content->place().slots)) had.push_back(page);
  });
  for (const PageIndex page : had) {
    const FrameRange frames = timeline.Frames(page);
    if (!range.Overlaps(frames)) continue;
    const part::PartRef part = content->Part(file, page);
    const auto summary = content->Summarize(part);
    if (!summary) {
      // Nothing to see; but a punch that failed before may have left its space.
      CANVAS_TRY(part.FinishPunch(ownership));
      continue;
    }
    const auto at = [&](std::uint64_t local) {
      return frames.first + static_cast<std::int64_t>(local);
    };
    if (!summary->empty() && (at(summary->first) < range.first || range.end < at(summary->end))) {
      // Something of it stays.
      CANVAS_ASSIGN(
          const part::Erased done,
          content->Erase(
              file, page, ownership,
              static_cast<std::uint64_t>(std::max(range.first, frames.first) - frames.first),
              static_cast<std::uint64_t>(std::min(range.end, frames.end) - frames.first)));
      report.erased_frames += done.unwritten_frames;
      report.zeroed_frames += done.zeroed_frames;
      report.erased_events += done.events;
      continue;
    }
    CANVAS_TRY(part.Punch(ownership));
    report.erased_frames += summary->written_frames;
    report.erased_events += summary->events;
  }
  return report;
}

LaneOwner::LaneOwner(std::unique_ptr<OwnedLane> inside) noexcept : inside_(std::move(inside)) {}
LaneOwner::LaneOwner(LaneOwner&&) noexcept = default;
LaneOwner& LaneOwner::operator=(LaneOwner&&) noexcept = default;
LaneOwner::~LaneOwner() = default;

const LaneInfo& LaneOwner::lane() const noexcept {
  static const LaneInfo none;
  return inside_ == nullptr ? none : inside_->info;
}

PageRange LaneOwner::pages() const noexcept {
  return inside_ == nullptr ? PageRange{} : inside_->ownership.pages();
}

Result<EraseReport> LaneOwner::Erase(FrameRange range) {
  return NoThrow([&]() -> Result<EraseReport> {
    if (inside_ == nullptr) return Fail(ErrorCode::kClosed, "this owner was moved from");
    CANVAS_TRY(inside_->core->file->CheckWritable());
    return AboutFile(inside_->Erase(range), *inside_->core);
  });
}

void LaneOwner::Flush() noexcept {
  // Where there is no memory to say why not, it is not usable all the same.
  if (inside_ != nullptr && NoThrow([&] { return inside_->core->file->CheckWritable(); }))
    inside_->core->file->FlushNotify();
}

}  // namespace canvas
