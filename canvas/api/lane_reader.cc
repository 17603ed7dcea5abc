#include "canvas/api/lane_reader.h"

#include <algorithm>

#include "canvas/api/core.h"
#include "canvas/api/frame_reader.h"

namespace canvas {

void LaneReader::Forget(FrameRange range) const noexcept {
  const auto& reader = reading::Inside::Of(*this);
  if (reader.file() == nullptr) return;
  const Frame end = std::min(range.end, reader.end());
  for (Frame at = std::max(range.first, Frame(0)); at < end;) {
    const std::uint64_t page = reader.place().shape.PageOf(at);
    const Frame first = reader.place().shape.FirstFrame(page);
    const Frame stop = std::min(end, reader.place().shape.FirstFrame(page + 1));
    const std::uint64_t data =
        reader.file()->geometry().Page(PageIndex(static_cast<std::uint32_t>(page))).value() +
        reader.file()->geometry().Data(reader.place().slots);
    reader.file()->Forget(
        data + static_cast<std::uint64_t>(at - first) * reader.place().shape.frame_bytes(),
        static_cast<std::uint64_t>(stop - at) * reader.place().shape.frame_bytes());
    at = stop;
  }
}

LaneExtent LaneReader::Extent() const noexcept {
  const auto& reader = reading::Inside::Of(*this);
  LaneExtent extent;
  if (reader.file() == nullptr) return extent;
  reader.file()->ForEachReadyPage(0, reader.file()->mapped_pages(), [&](PageIndex page) {
    CountIn(extent, reader.place().timeline, page,
            part::frames::FramePart(*reader.file(), reader.place(), page).Summarize());
  });
  return extent;
}

Result<std::vector<FrameRange>> LaneReader::WrittenRanges(FrameRange range) const {
  return NoThrow([&]() -> Result<std::vector<FrameRange>> {
    const auto& reader = reading::Inside::Of(*this);
    if (reader.file() == nullptr) return Fail(ErrorCode::kClosed, "this reader was moved from");
    std::vector<FrameRange> ranges;
    const FrameRange within{std::max(range.first, Frame(0)), std::min(range.end, reader.end())};
    if (within.empty()) return ranges;
    const auto page_of = [&](Frame frame) { return reader.place().shape.PageOf(frame); };
    reader.file()->ForEachReadyPage(
        page_of(within.first), page_of(within.end - 1) + 1, [&](PageIndex page) {
          const Frame start = reader.place().shape.FirstFrame(page.value());
          for (const auto& run :
               part::frames::FramePart(*reader.file(), reader.place(), page).WrittenRuns()) {
            const FrameRange written{
                std::max(start + static_cast<std::int64_t>(run.first), within.first),
                std::min(start + static_cast<std::int64_t>(run.end), within.end)};
            if (written.empty()) continue;
            if (!ranges.empty() && ranges.back().end == written.first)
              ranges.back().end = written.end;
            else
              ranges.push_back(written);
          }
        });
    return ranges;
  });
}

}  // namespace canvas
