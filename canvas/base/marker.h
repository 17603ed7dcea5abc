// Markers: named points and ranges of the timeline, of the whole canvas or of one lane.
//
// Invariants
//   I1  A marker lies at exact rational seconds: it does not move when it is kept, nor between
//       lanes of different rates. It starts at time 0 or later.
//   I2  Its id is never another marker's, not even after it was removed.
//
// Thread safety: plain values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"

namespace canvas {

// What there may be of them.
inline constexpr std::size_t kMaxMarkers = 65536;
inline constexpr std::size_t kMaxMarkerNameBytes = 1024;
inline constexpr std::size_t kMaxMarkerTags = 64;
inline constexpr std::size_t kMaxMarkerTagBytes = 255;
inline constexpr std::size_t kMaxMarkerJsonBytes = 65536;

struct Marker {
  std::uint32_t id = 0;
  Time start = {};                     // seconds; kept in lowest terms, den up to 2^32 - 1
  Time end = {};                       // equal to start: a point; later: the range [start, end)
  LaneId lane = LaneId(0);             // whose it is; 0: the whole canvas
  std::string name = {};               // UTF-8; need not be there, nor be unique
  std::uint32_t color = 0;             // 0xRRGGBB; 0: none
  std::vector<std::string> tags = {};  // words to find it by: UTF-8, 1 to 255 bytes each
  std::string json = {};  // what a program keeps with it: UTF-8; not checked to be JSON
  bool is_range() const { return start != end; }
  friend bool operator==(const Marker&, const Marker&) = default;
};

// Errors: kInvalidArgument naming what is wrong: a time before 0, not in lowest terms, or with a
// den beyond 2^32 - 1, an end before the start, a colour that is none, too many or too long texts,
// or ones that are not UTF-8. Of the id and the lane it says nothing.
Result<void> ValidateMarker(const Marker& marker);

// The order they are kept in: ascending by start, then by id.
bool ComesBefore(const Marker& a, const Marker& b);

}  // namespace canvas
