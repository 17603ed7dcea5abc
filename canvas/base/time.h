// Exact time: rational rates, times given as decimals, and where frames and pages fall. Nothing
// here is computed in floating point.
//
// Invariants
//   I1  A time in seconds is an exact rational; frame = floor(time x rate).
//   I2  A frame belongs to the page in which it starts: frame f starts at f/rate seconds, page p
//       covers [p x page_seconds, (p + 1) x page_seconds).
//   I3  Every frame >= 0 lies in exactly one page, and FirstFrameOfPage is monotonic.
//
// Thread safety: pure functions.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas {

// num / den per second. Valid when both are 1 to 2^32 - 1; kept in lowest terms.
struct Rate {
  std::uint64_t num = 0;
  std::uint64_t den = 1;

  static Result<Rate> Make(std::uint64_t num, std::uint64_t den = 1);
  friend bool operator==(const Rate&, const Rate&) = default;
};

// "48000" or "24000/1024", as Rate::Make takes and `info` prints.
Result<Rate> ParseRate(std::string_view text);
std::string ToString(Rate rate);

// Seconds, exactly: num / den, den from 1 on. Of ParsePosition den is a power of ten up to 10^9.
struct Time {
  std::int64_t num = 0;
  std::int64_t den = 1;
  // By what is written: 1/2 and 2/4 differ. See InLowestTerms.
  friend bool operator==(const Time&, const Time&) = default;
};
// The same instant with the smallest den there is; what has no den above 0 is left as it is.
Time InLowestTerms(Time time);
// Whether `a` is earlier, for dens from 1 on.
bool IsEarlier(Time a, Time b);
// When a frame starts, in lowest terms. Errors: kInvalidArgument where that does not fit.
Result<Time> TimeOfFrame(Frame frame, Rate rate);
// The last frame that starts no later: floor(time x rate). Errors: kInvalidArgument where it does
// not fit.
Result<Frame> FrameOfTime(Time time, Rate rate);

// The same for times that a program gives, without an error: the last frame that starts no later,
// also of times below 0; what does not fit is the nearest that does, which every call that takes a
// frame then refuses. A duration is of whole ticks: 90s, 250ms, std::chrono::minutes(3).
Frame FrameAt(Time time, Rate rate) noexcept;
template <std::integral Rep, typename Period>
Frame FrameAt(std::chrono::duration<Rep, Period> time, Rate rate) noexcept;

// A position as a person gives it: seconds ("90", "90.5"), a clock ("1:30", "1:02:03.250"; minutes
// and seconds below 60), or frames ("4320000f"). At most nine decimals.
struct Position {
  bool is_frame = false;
  Time time;    // when !is_frame
  Frame frame;  // when is_frame

  // floor(time x rate), or the frame itself. Fails where the result does not fit.
  Result<Frame> ToFrame(Rate rate) const;
};
// Errors: kInvalidArgument, with the three forms in the hint.
Result<Position> ParsePosition(std::string_view text);

// "1:02:03.250": hours only when there are some, milliseconds rounded down.
std::string FormatClock(Frame frame, Rate rate);

// The frame of one clock at the moment of a frame of another: floor and ceiling of frame x to /
// from. What does not fit is the nearest that does.
Frame ToRate(Frame frame, Rate from, Rate to);
Frame ToRateUp(Frame frame, Rate from, Rate to);

namespace time_internal {
// floor(count x num / den x rate), den > 0, num below 2^32.
Frame FrameAt(std::int64_t count, std::int64_t num, std::int64_t den, Rate rate) noexcept;
}  // namespace time_internal

template <std::integral Rep, typename Period>
Frame FrameAt(std::chrono::duration<Rep, Period> time, Rate rate) noexcept {
  static_assert(Period::num <= std::numeric_limits<std::uint32_t>::max(), "a tick of centuries");
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  const std::int64_t count =
      std::cmp_greater(time.count(), kMost) ? kMost : static_cast<std::int64_t>(time.count());
  return time_internal::FrameAt(count, Period::num, Period::den, rate);
}

// The page of frame >= 0, and the first frame of a page. `page` may be one past the last.
std::uint64_t PageOfFrame(Frame frame, Rate rate, std::uint32_t page_seconds);
Frame FirstFrameOfPage(std::uint64_t page, Rate rate, std::uint32_t page_seconds);

// The most frames that any page holds: ceil(page_seconds x rate).
std::uint64_t MaxFramesPerPage(Rate rate, std::uint32_t page_seconds);

}  // namespace canvas
