// Which frames of a lane lie in which page: by its rate alone.
//
// Thread safety: immutable values.
#pragma once

#include <cstdint>

#include "canvas/base/divider.h"
#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"

namespace canvas::format {

class Timeline {
 public:
  // Errors: kInvalidArgument where a position of the last page there can be would not be a Frame.
  static Result<Timeline> Make(Rate rate, std::uint32_t page_seconds);

  Rate rate() const { return rate_; }
  std::uint32_t page_seconds() const { return page_seconds_; }

  Frame FirstFrame(std::uint64_t page) const {
    if (page_frames_.divisor() != 1)
      return Frame(static_cast<std::int64_t>(page * page_frames_.divisor()));
    return FirstFrameOfPage(page, rate_, page_seconds_);
  }
  // Of a frame >= 0. No division where every page holds the same number of frames, which is so at
  // every rate of whole hertz.
  std::uint64_t PageOf(Frame frame) const {
    if (page_frames_.divisor() != 1) return page_frames_(static_cast<std::uint64_t>(frame.value()));
    return PageOfFrame(frame, rate_, page_seconds_);
  }
  std::uint64_t FramesIn(std::uint64_t page) const {
    return static_cast<std::uint64_t>(FirstFrame(page + 1) - FirstFrame(page));
  }
  // Of the fullest page.
  std::uint64_t max_frames() const { return max_frames_; }
  // The frames of a page.
  FrameRange Frames(PageIndex page) const {
    return {FirstFrame(page.value()), FirstFrame(std::uint64_t{page.value()} + 1)};
  }

 private:
  Rate rate_;
  std::uint32_t page_seconds_ = 0;
  std::uint64_t max_frames_ = 0;
  Divider page_frames_;  // frames in every page; 1 where they differ, or are one
};

}  // namespace canvas::format
