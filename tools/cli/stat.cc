// stat: what the samples of lanes are like.
#include <ebur128.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/samples.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

struct Closer {
  void operator()(ebur128_state* state) const { ebur128_destroy(&state); }
};
using Loudness = std::unique_ptr<ebur128_state, Closer>;

// A meter as EBU R 128 has it, where it is for such material: by libebur128.
Loudness MeterFor(const LaneInfo& lane) {
  const bool audio = lane.kind == LaneKind::kAudio && lane.rate.den == 1 && lane.rate.num >= 8000 &&
                     lane.rate.num <= 768'000 && lane.channels <= 64;
  if (!audio) return nullptr;
  Loudness meter(ebur128_init(lane.channels, lane.rate.num,
                              EBUR128_MODE_I | EBUR128_MODE_LRA | EBUR128_MODE_TRUE_PEAK));
  if (meter == nullptr || lane.speakers == 0 ||
      static_cast<std::uint32_t>(std::popcount(lane.speakers)) != lane.channels)
    return meter;
  // What is behind and beside counts more, and what is low not at all (ITU-R BS.1770-4).
  unsigned channel = 0;
  for (std::uint32_t bits = lane.speakers; bits != 0; bits &= bits - 1, ++channel) {
    static constexpr int kPlaces[] = {EBUR128_LEFT,  EBUR128_RIGHT, EBUR128_CENTER, EBUR128_UNUSED,
                                      EBUR128_Mp135, EBUR128_Mm135, EBUR128_MpSC,   EBUR128_MmSC,
                                      EBUR128_Mp180, EBUR128_Mp090, EBUR128_Mm090};
    const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
    if (bit < std::size(kPlaces)) ebur128_set_channel(meter.get(), channel, kPlaces[bit]);
  }
  return meter;
}

struct Statistics {
  std::uint64_t frames = 0;      // that are written
  std::uint64_t silent = 0;      // of them, all channels 0
  std::uint64_t not_finite = 0;  // samples: NaN and infinity, which are in no sum
  double peak = 0;
  double sum = 0;
  double squares = 0;
  std::uint64_t samples = 0;
  std::optional<double> true_peak;
  std::optional<double> loudness;  // LUFS, integrated
  std::optional<double> range;     // LU

  double rms() const {
    return samples == 0 ? 0 : std::sqrt(squares / static_cast<double>(samples));
  }
  double dc() const { return samples == 0 ? 0 : sum / static_cast<double>(samples); }
};

void Take(Statistics& statistics, std::span<float> samples, std::uint32_t channels) {
  for (std::size_t at = 0; at < samples.size(); at += channels) {
    bool silent = true;
    for (float& sample : samples.subspan(at, channels)) {
      if (!std::isfinite(sample)) {
        ++statistics.not_finite;
        sample = 0;
        silent = false;
        continue;
      }
      const double value = sample;
      silent = silent && value == 0;
      statistics.peak = std::max(statistics.peak, std::abs(value));
      statistics.sum += value;
      statistics.squares += value * value;
      ++statistics.samples;
    }
    ++statistics.frames;
    if (silent) ++statistics.silent;
  }
}

Result<Statistics> Measure(const Canvas& canvas, const LaneInfo& lane) {
  CANVAS_ASSIGN(LaneReader reader, canvas.Reader(lane.id));
  const Frame limit =
      FirstFrameOfPage(canvas.capacity_pages(), lane.rate, canvas.Info().page_seconds);
  CANVAS_ASSIGN(const auto regions, reader.WrittenRanges({Frame(0), limit}));
  std::uint64_t total = 0;
  for (const FrameRange& region : regions)
    total += static_cast<std::uint64_t>(region.end - region.first);
  const std::size_t frames = std::max<std::size_t>((std::size_t{1} << 18) / lane.channels, 1);
  std::vector<float> samples(frames * lane.channels);
  const Loudness meter = MeterFor(lane);
  Statistics statistics;
  ProgressBar bar(lane.name, total);
  for (const FrameRange& region : regions)
    for (Frame at = region.first; at < region.end;) {
      const auto count =
          std::min<std::uint64_t>(frames, static_cast<std::uint64_t>(region.end - at));
      const auto chunk = std::span(samples).first(count * lane.channels);
      CANVAS_ASSIGN(const ReadResult read, ReadSettled(reader, at, chunk));
      if (read.written_frames != count)
        return Fail(ErrorCode::kBusy,
                    fmt::format("lane '{}' was emptied while it was measured", lane.name),
                    "measure it again");
      Take(statistics, chunk, lane.channels);
      if (meter != nullptr) ebur128_add_frames_float(meter.get(), chunk.data(), count);
      const Frame end = at + count;
      reader.Forget({at, end});
      at = end;
      bar.Update(statistics.frames);
    }
  if (meter == nullptr || statistics.frames == 0) return statistics;
  double value = 0;
  if (ebur128_loudness_global(meter.get(), &value) == EBUR128_SUCCESS && std::isfinite(value))
    statistics.loudness = value;
  if (ebur128_loudness_range(meter.get(), &value) == EBUR128_SUCCESS) statistics.range = value;
  double most = 0;
  for (unsigned channel = 0; channel < lane.channels; ++channel)
    if (ebur128_true_peak(meter.get(), channel, &value) == EBUR128_SUCCESS)
      most = std::max(most, value);
  statistics.true_peak = most;
  return statistics;
}

double Decibels(double amplitude) { return 20 * std::log10(amplitude); }
std::string DecibelText(double amplitude) {
  return amplitude == 0 ? "-inf" : fmt::format("{:.1f}", Decibels(amplitude));
}
Json DecibelJson(double amplitude) {
  if (amplitude == 0) return nullptr;
  return std::round(Decibels(amplitude) * 100) / 100;
}
Json Optional(const std::optional<double>& value) {
  if (!value) return nullptr;
  return std::round(*value * 100) / 100;
}

}  // namespace

Result<void> RunStat(const StatArguments& arguments) {
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(const auto all, canvas.Lanes());
  std::vector<LaneInfo> lanes;
  if (arguments.lanes.empty()) lanes = all;
  for (const std::string& pattern : arguments.lanes) {
    auto found = LanesNamed(all, pattern);
    if (!found) return std::unexpected(std::move(found).error().About(arguments.file));
    for (const LaneInfo& lane : *found)
      if (HoldsEvents(lane) && lane.name == pattern)
        return std::unexpected(
            Error(ErrorCode::kUnsupported,
                  fmt::format("lane '{}' holds events, and no samples", Printable(lane.name)),
                  "`canvas events` and `canvas notes` list what it holds")
                .About(arguments.file));
    for (const LaneInfo& lane : *found)
      if (std::ranges::find(lanes, lane.id, &LaneInfo::id) == lanes.end()) lanes.push_back(lane);
  }
  Json json = Json::array();
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"lane"},
               {"written", kRight},
               {"peak dB", kRight},
               {"true peak", kRight},
               {"rms dB", kRight},
               {"LUFS", kRight},
               {"LRA", kRight},
               {"DC", kRight},
               {"silent", kRight},
               {"NaN, inf", kRight}});
  for (const LaneInfo& lane : lanes) {
    if (lane.kind != LaneKind::kAudio && lane.kind != LaneKind::kSignal) continue;
    auto measured = Measure(canvas, lane);
    if (!measured) return std::unexpected(std::move(measured).error().About(arguments.file));
    const Statistics& s = *measured;
    const double silent =
        s.frames == 0 ? 0 : static_cast<double>(s.silent) / static_cast<double>(s.frames);
    const auto text = [](const std::optional<double>& value) {
      return value ? fmt::format("{:.1f}", *value) : "-";
    };
    table.Add({Clipped(Printable(lane.name), 40), FormatClock(Frame(0) + s.frames, lane.rate),
               DecibelText(s.peak), s.true_peak ? DecibelText(*s.true_peak) : "-",
               DecibelText(s.rms()), text(s.loudness), text(s.range),
               fmt::format("{:+.5f}", s.dc()), fmt::format("{:.1f} %", silent * 100),
               std::to_string(s.not_finite)});
    json.push_back({{"id", lane.id.value()},
                    {"name", lane.name},
                    {"written_frames", s.frames},
                    {"peak_dbfs", DecibelJson(s.peak)},
                    {"true_peak_dbtp", s.true_peak ? DecibelJson(*s.true_peak) : Json(nullptr)},
                    {"rms_dbfs", DecibelJson(s.rms())},
                    {"loudness_lufs", Optional(s.loudness)},
                    {"loudness_range_lu", Optional(s.range)},
                    {"dc", s.dc()},
                    {"silent_frames", s.silent},
                    {"not_finite_samples", s.not_finite}});
  }
  if (TheGlobals().json)
    Print(json);
  else
    fmt::print("{}", table.Render());
  return {};
}

}  // namespace canvas::cli
