#include "canvas/base/marker.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>

#include "canvas/base/utf8.h"

namespace canvas {
namespace {

Result<void> CheckTime(Time time, std::string_view what) {
  if (time.num < 0)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("its {} lies before time 0", what),
                "the timeline starts at 0");
  if (time.den < 1 || time.den > std::numeric_limits<std::uint32_t>::max() ||
      InLowestTerms(time) != time)
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("its {}, {}/{} s, is not a fraction in lowest terms", what, time.num, time.den),
        "the denominator is 1 to 4294967295");
  return {};
}

Result<void> CheckText(std::string_view text, std::size_t most, std::string_view what) {
  if (text.size() > most)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("its {} has {} bytes", what, text.size()),
                fmt::format("it has at most {}", most));
  if (!IsUtf8(text))
    return Fail(ErrorCode::kInvalidArgument, fmt::format("its {} is not valid UTF-8", what),
                "give it in UTF-8");
  return {};
}

}  // namespace

Result<void> ValidateMarker(const Marker& marker) {
  constexpr std::uint32_t kMostColor = 0xFFFFFF;
  CANVAS_TRY(CheckTime(marker.start, "start"));
  CANVAS_TRY(CheckTime(marker.end, "end"));
  if (IsEarlier(marker.end, marker.start))
    return Fail(ErrorCode::kInvalidArgument, "its end lies before its start",
                "the end of a point is its start");
  if (marker.color > kMostColor)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("its colour is {:#x}", marker.color),
                "a colour is 0xRRGGBB");
  CANVAS_TRY(CheckText(marker.name, kMaxMarkerNameBytes, "name"));
  CANVAS_TRY(CheckText(marker.json, kMaxMarkerJsonBytes, "JSON"));
  if (marker.tags.size() > kMaxMarkerTags)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("it has {} tags", marker.tags.size()),
                fmt::format("it has at most {}", kMaxMarkerTags));
  for (const std::string& tag : marker.tags) {
    if (tag.empty()) return Fail(ErrorCode::kInvalidArgument, "one of its tags is empty");
    CANVAS_TRY(CheckText(tag, kMaxMarkerTagBytes, "tag"));
  }
  return {};
}

bool ComesBefore(const Marker& a, const Marker& b) {
  if (IsEarlier(a.start, b.start)) return true;
  return !IsEarlier(b.start, a.start) && a.id < b.id;
}

}  // namespace canvas
