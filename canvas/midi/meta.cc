#include "canvas/midi/meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <utility>

namespace canvas::midi {
namespace {

__extension__ using Int128 = __int128;

constexpr std::int64_t kMaxMapTick = std::int64_t{1} << 40;
constexpr std::uint32_t kMaxTempo = 0xFFFFFF;
// Ticks of a map in a second, at 120 to the minute.
constexpr std::int64_t kTicksPerSecond = 2 * kTicksPerQuarter;

bool IsText(Bytes event) {
  return event.size() >= 2 && event[0] == 0xFF && event[1] >= 0x01 && event[1] <= 0x0F;
}

std::string_view TextOf(Bytes event) {
  // char may look at any byte.
  return {reinterpret_cast<const char*>(event.data()) + 2, event.size() - 2};
}

std::int64_t Scaled(std::int64_t value, std::int64_t num, std::int64_t den) {
  const Int128 twice = Int128{value} * num * 2 + den;
  Int128 whole = twice / (Int128{den} * 2);
  if (twice < 0 && twice % (Int128{den} * 2) != 0) --whole;
  constexpr Int128 kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::clamp(whole, -kMost, kMost));
}

// By tick, the last found of each; from tick 0 on.
template <typename T>
void Settle(std::vector<T>& changes, T first, std::size_t& left_out) {
  std::vector<std::size_t> order(changes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(changes[i].tick, i); });
  std::vector<T> last;
  last.reserve(changes.size() + 1);
  for (const std::size_t i : order) {
    const T& change = changes[i];
    if (!last.empty() && last.back().tick == change.tick) {
      last.back() = change;
      ++left_out;
    } else {
      last.push_back(change);
    }
  }
  if (last.empty() || last.front().tick != Tick(0)) last.insert(last.begin(), first);
  changes = std::move(last);
}

void Collect(const Smf& smf, std::size_t track, TickScale scale, SmfTempoMap& found) {
  const bool smpte = smf.header().division.is_smpte();
  for (const SmfEvent& event : smf.events(track)) {
    const Bytes bytes = smf.bytes(event);
    const bool tempo = IsMeta(bytes, kMetaTempo);
    if (!tempo && !IsMeta(bytes, kMetaMeter)) continue;
    const Tick tick = ToCanvasTick(scale, event.tick);
    if (tick.value() > kMaxMapTick) {
      ++found.left_out;
      continue;
    }
    if (tempo) {
      const std::uint32_t us = bytes.size() < 5 ? 0
                                                : std::uint32_t{bytes[2]} << 16 |
                                                      std::uint32_t{bytes[3]} << 8 | bytes[4];
      if (us == 0 || smpte) {
        ++found.left_out;
        continue;
      }
      found.map.tempi.push_back({tick, std::uint64_t{us} * 1000});
    } else {
      if (bytes.size() < 4 || bytes[2] == 0 || bytes[3] > 15) {
        ++found.left_out;
        continue;
      }
      found.map.meters.push_back({tick, bytes[2], static_cast<std::uint16_t>(1U << bytes[3])});
    }
    if (!IsExact(scale, event.tick)) ++found.rounded;
  }
}

Result<SmfTempoMap> MapOf(const Smf& smf, std::size_t first, std::size_t end) {
  CANVAS_ASSIGN(const TickScale scale, ScaleOf(smf.header().division));
  SmfTempoMap found;
  for (std::size_t track = first; track < end; ++track) Collect(smf, track, scale, found);
  Settle(found.map.tempi, Tempo{}, found.left_out);
  Settle(found.map.meters, Meter{}, found.left_out);
  return found;
}

Result<std::vector<MadeEvent>> Make(const TempoMap& map, SmfDivision division) {
  if (division.is_smpte())
    return Fail(ErrorCode::kUnsupported, "a tempo map in a file of SMPTE time",
                "choose a division of ticks a quarter");
  CANVAS_TRY(ValidateTempoMap(map));
  CANVAS_ASSIGN(const TickScale scale, ScaleOf(division));
  std::vector<MadeEvent> made;
  made.reserve(map.tempi.size() + map.meters.size());
  auto tempo = map.tempi.begin();
  auto meter = map.meters.begin();
  while (tempo != map.tempi.end() || meter != map.meters.end()) {
    if (meter != map.meters.end() && (tempo == map.tempi.end() || meter->tick <= tempo->tick)) {
      if (meter->numerator > 255)
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("a meter of {}/{}", meter->numerator, meter->denominator),
                    "a MIDI file counts to 255");
      const auto clocks = static_cast<std::uint8_t>(std::max(1, 96 / meter->denominator));
      made.push_back({FromCanvasTick(scale, meter->tick),
                      {0xFF, kMetaMeter, static_cast<std::uint8_t>(meter->numerator),
                       static_cast<std::uint8_t>(std::countr_zero(meter->denominator)), clocks, 8},
                      6});
      ++meter;
      continue;
    }
    const std::uint64_t us = (tempo->ns_per_quarter + 500) / 1000;
    if (us == 0 || us > kMaxTempo)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a quarter of {} ns", tempo->ns_per_quarter),
                  "in a MIDI file it lasts 1 us to 16.777215 s");
    made.push_back({FromCanvasTick(scale, tempo->tick),
                    {0xFF, kMetaTempo, static_cast<std::uint8_t>(us >> 16),
                     static_cast<std::uint8_t>(us >> 8), static_cast<std::uint8_t>(us), 0},
                    5});
    ++tempo;
  }
  return made;
}

Result<std::vector<MetaText>> Find(const Smf& smf, int type) {
  return NoThrow([&]() -> Result<std::vector<MetaText>> {
    std::vector<MetaText> found;
    for (std::size_t track = 0; track < smf.track_count(); ++track)
      for (const SmfEvent& event : smf.events(track)) {
        const Bytes bytes = smf.bytes(event);
        if (IsText(bytes) && (type < 0 || bytes[1] == type))
          found.push_back({track, event.tick, bytes[1], TextOf(bytes)});
      }
    return found;
  });
}

}  // namespace

Result<std::vector<MetaText>> Texts(const Smf& smf) { return Find(smf, -1); }
Result<std::vector<MetaText>> Texts(const Smf& smf, std::uint8_t type) { return Find(smf, type); }

std::string_view TrackName(const Smf& smf, std::size_t track) {
  for (const SmfEvent& event : smf.events(track))
    if (const Bytes bytes = smf.bytes(event); IsMeta(bytes, kMetaTrackName)) return TextOf(bytes);
  return {};
}

Result<TickScale> ScaleOf(SmfDivision division) {
  TickScale scale;
  if (division.is_smpte()) {
    const int frames = division.frames_per_second();
    if ((frames != 24 && frames != 25 && frames != 29 && frames != 30) ||
        division.ticks_per_frame() == 0)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a division of {} frames a second and {} ticks a frame", frames,
                              division.ticks_per_frame()),
                  "there are 24, 25, 29 (30 drop) and 30 frames a second");
    scale = frames == 29 ? TickScale{kTicksPerSecond * 1001, 30000}
                         : TickScale{kTicksPerSecond, frames};
    scale.den *= division.ticks_per_frame();
  } else {
    if (division.ticks_per_quarter() == 0)
      return Fail(ErrorCode::kInvalidArgument, "a division of 0 ticks a quarter",
                  "give the file another");
    scale = {kTicksPerQuarter, division.ticks_per_quarter()};
  }
  const std::int64_t common = std::gcd(scale.num, scale.den);
  return TickScale{scale.num / common, scale.den / common};
}

Tick ToCanvasTick(TickScale scale, std::int64_t tick) {
  return Tick(Scaled(tick, scale.num, scale.den));
}
std::int64_t FromCanvasTick(TickScale scale, Tick tick) {
  return Scaled(tick.value(), scale.den, scale.num);
}
bool IsExact(TickScale scale, std::int64_t tick) {
  return Int128{tick} * scale.num % scale.den == 0;
}

Result<SmfTempoMap> TempoMapOf(const Smf& smf) {
  return NoThrow([&] { return MapOf(smf, 0, smf.track_count()); });
}

Result<SmfTempoMap> TempoMapOf(const Smf& smf, std::size_t track) {
  return NoThrow([&]() -> Result<SmfTempoMap> {
    if (track >= smf.track_count())
      return Fail(ErrorCode::kInvalidArgument, fmt::format("no track {}", track));
    return MapOf(smf, track, track + 1);
  });
}

Result<std::vector<MadeEvent>> MetaEventsOf(const TempoMap& map, SmfDivision division) {
  return NoThrow([&] { return Make(map, division); });
}

}  // namespace canvas::midi
