#include "canvas/format/timeline.h"

#include <fmt/format.h>

#include "canvas/format/geometry.h"

namespace canvas::format {

Result<Timeline> Timeline::Make(Rate rate, std::uint32_t page_seconds) {
  const std::uint64_t frames = MaxFramesPerPage(rate, page_seconds);
  // So that every position of every page is a Frame, with room to spare.
  if (frames > (std::uint64_t{1} << 62) / kMaxPages)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("a rate of {} Hz", ToString(rate)),
                "choose a lower one");
  Timeline timeline;
  timeline.rate_ = rate;
  timeline.page_seconds_ = page_seconds;
  timeline.max_frames_ = frames;
  if (std::uint64_t{rate.num} * page_seconds % rate.den == 0)
    timeline.page_frames_ = Divider(frames);
  return timeline;
}

}  // namespace canvas::format
