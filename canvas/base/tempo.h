// Musical time: ticks, 960 to the quarter note, along stepped tempi, and the frames they fall on.
// Exact: durations are whole nanoseconds a quarter, everything else integers.
//
// Invariants
//   I1  FrameOfTick floors: it is the frame that sounds at the tick's instant.
//   I2  TickOfFrame is the last tick whose frame is not later. So, where a tick lasts at least a
//       frame, TickOfFrame(FrameOfTick(t)) == t.
//
// Thread safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"

namespace canvas {

inline constexpr std::int64_t kTicksPerQuarter = 960;

// From its tick on, until the next.
struct Tempo {
  Tick tick;
  std::uint64_t ns_per_quarter = 500'000'000;  // 120 to the minute
  friend bool operator==(const Tempo&, const Tempo&) = default;
};
struct Meter {
  Tick tick;
  std::uint16_t numerator = 4;
  std::uint16_t denominator = 4;  // a power of two
  friend bool operator==(const Meter&, const Meter&) = default;
};

struct TempoMap {
  std::uint32_t id = 0;
  std::string name;
  std::vector<Tempo> tempi;   // ascending by tick, the first at tick 0
  std::vector<Meter> meters;  // likewise
  friend bool operator==(const TempoMap&, const TempoMap&) = default;
};

// Errors: kInvalidArgument naming what is wrong: no tempo at tick 0, ticks that do not ascend, a
// quarter of 0 or over 100 s, a meter that is none.
Result<void> ValidateTempoMap(const TempoMap& map);

// Of ticks from 0 to 2^40 of a valid map. Errors: kInvalidArgument outside, or where the frame does
// not fit.
Result<Frame> FrameOfTick(const TempoMap& map, Tick tick, Rate rate);
Result<Tick> TickOfFrame(const TempoMap& map, Frame frame, Rate rate);

}  // namespace canvas
