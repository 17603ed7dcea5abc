#include "canvas/base/tempo.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace canvas {
namespace {

__extension__ using Int128 = __int128;

constexpr Tick kMaxTick(std::int64_t{1} << 40);
constexpr std::uint64_t kMaxNsPerQuarter = 100'000'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// The instant of a tick, in 1/960 ns: at most 2^40 x 10^11, far below 2^127.
Int128 InstantOf(const TempoMap& map, Tick tick) {
  Int128 instant = 0;
  for (std::size_t i = 0; i < map.tempi.size() && map.tempi[i].tick < tick; ++i) {
    const Tick end = i + 1 < map.tempi.size() ? std::min(map.tempi[i + 1].tick, tick) : tick;
    instant += Int128{end - map.tempi[i].tick} * map.tempi[i].ns_per_quarter;
  }
  return instant;
}

Int128 FrameAt(const TempoMap& map, Tick tick, Rate rate) {
  return InstantOf(map, tick) * rate.num / (Int128{kTicksPerQuarter} * kNsPerSecond * rate.den);
}

template <typename Entries>
Result<void> CheckTicks(const Entries& entries, const char* what) {
  if (entries.empty() || entries.front().tick != Tick(0))
    return Fail(ErrorCode::kInvalidArgument, fmt::format("no {} at tick 0", what));
  for (std::size_t i = 0; i < entries.size(); ++i)
    if ((i > 0 && !(entries[i - 1].tick < entries[i].tick)) || kMaxTick < entries[i].tick)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} {}: tick {} does not follow", what, i, entries[i].tick.value()),
                  "ticks ascend, up to 2^40");
  return {};
}

}  // namespace

Result<void> ValidateTempoMap(const TempoMap& map) {
  CANVAS_TRY(CheckTicks(map.tempi, "tempo"));
  CANVAS_TRY(CheckTicks(map.meters, "meter"));
  for (const Tempo& tempo : map.tempi)
    if (tempo.ns_per_quarter == 0 || tempo.ns_per_quarter > kMaxNsPerQuarter)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a quarter of {} ns", tempo.ns_per_quarter),
                  "it lasts 1 ns to 100 s");
  for (const Meter& meter : map.meters)
    if (meter.numerator == 0 || !std::has_single_bit(meter.denominator))
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a meter of {}/{}", meter.numerator, meter.denominator),
                  "the numerator is at least 1, the denominator a power of two");
  return {};
}

Result<Frame> FrameOfTick(const TempoMap& map, Tick tick, Rate rate) {
  if (tick < Tick(0) || kMaxTick < tick)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("tick {} is out of range", tick.value()));
  const Int128 frame = FrameAt(map, tick, rate);
  if (frame > std::numeric_limits<std::int64_t>::max())
    return Fail(ErrorCode::kInvalidArgument, "the tick lies beyond the last frame");
  return Frame(static_cast<std::int64_t>(frame));
}

Result<Tick> TickOfFrame(const TempoMap& map, Frame frame, Rate rate) {
  if (frame < Frame(0))
    return Fail(ErrorCode::kInvalidArgument, fmt::format("frame {} is negative", frame.value()));
  // The frames of ticks are monotonic: look for the last that is not later.
  std::int64_t first = 0;
  std::int64_t last = kMaxTick.value();
  while (first < last) {
    const std::int64_t middle = first + (last - first + 1) / 2;
    if (FrameAt(map, Tick(middle), rate) <= frame.value())
      first = middle;
    else
      last = middle - 1;
  }
  return Tick(first);
}

}  // namespace canvas
