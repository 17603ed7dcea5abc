// cat: the samples of a lane as text, a frame a line.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <string>

#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/samples.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kChunkSamples = 16 * 1024;

// Seconds with nine decimals, rounded up: read as a TIME it is this frame again, whatever the rate.
std::string SecondsOf(Frame frame, Rate rate) {
  constexpr std::uint64_t kNanoseconds = 1'000'000'000;
  const auto ns = static_cast<std::uint64_t>(ToRateUp(frame, rate, Rate{kNanoseconds, 1}).value());
  return fmt::format("{}.{:09}", ns / kNanoseconds, ns % kNanoseconds);
}

// The shortest decimal that is read back as the same float. JSON has no numbers that are not
// finite.
void AppendSample(std::string& text, float sample, bool json) {
  const bool quoted = json && !std::isfinite(sample);
  if (quoted) text += '"';
  fmt::format_to(std::back_inserter(text), "{}", sample);
  if (quoted) text += '"';
}

class Lines {
 public:
  explicit Lines(const LaneInfo& lane) : lane_(lane), json_(TheGlobals().json) {}

  void Head() {
    if (json_) return;
    text_ +=
        fmt::format("# lane '{}', {} Hz; seconds, and a column for each of {}\n",
                    Printable(lane_.name), ToString(lane_.rate), Count(lane_.channels, "channel"));
  }
  void Gap(FrameRange gap) {
    if (json_)
      text_ += fmt::format(R"({{"gap":{{"first_frame":{},"end_frame":{}}}}})"
                           "\n",
                           gap.first.value(), gap.end.value());
    else
      text_ += fmt::format("# nothing written from {} to {} ({})\n",
                           SecondsOf(gap.first, lane_.rate), SecondsOf(gap.end, lane_.rate),
                           Count(static_cast<std::uint64_t>(gap.end - gap.first), "frame"));
  }
  void Frames(Frame first, std::span<const float> samples) {
    for (std::size_t i = 0; i < samples.size(); i += lane_.channels) {
      const Frame frame = first + i / lane_.channels;
      if (json_)
        text_ += fmt::format(R"({{"frame":{},"seconds":{},"samples":[)", frame.value(),
                             SecondsOf(frame, lane_.rate));
      else
        text_ += SecondsOf(frame, lane_.rate);
      for (std::uint32_t c = 0; c < lane_.channels; ++c) {
        if (!json_ || c > 0) text_ += json_ ? ',' : '\t';
        AppendSample(text_, samples[i + c], json_);
      }
      text_ += json_ ? "]}\n" : "\n";
    }
  }
  // False where nobody takes it: the disk is full, say. The end of the process tells of it.
  bool Put() {
    std::fwrite(text_.data(), 1, text_.size(), stdout);
    text_.clear();
    return std::ferror(stdout) == 0;
  }

 private:
  const LaneInfo& lane_;
  const bool json_;
  std::string text_;
};

Result<void> Print(const Canvas& canvas, const CatArguments& arguments) {
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  CANVAS_ASSIGN(const LaneInfo lane, LaneNamed(lanes, arguments.lane));
  if (HoldsEvents(lane))
    return Fail(ErrorCode::kUnsupported,
                fmt::format("lane '{}' holds events, and no samples", Printable(lane.name)),
                "`canvas events` lists them");
  CANVAS_ASSIGN(LaneReader reader, canvas.Reader(lane.id));
  CANVAS_ASSIGN(const FrameRange range, RangeOf(canvas, reader, arguments.from, arguments.to));
  CANVAS_ASSIGN(const auto written, reader.WrittenRanges(range));
  std::vector<float> samples(std::max<std::size_t>(kChunkSamples / lane.channels, 1) *
                             lane.channels);
  Lines lines(lane);
  lines.Head();
  // Answers whether to go on.
  const auto print = [&](FrameRange part, bool is_written) -> Result<bool> {
    for (Frame at = part.first; at < part.end;) {
      const auto count = std::min<std::uint64_t>(samples.size() / lane.channels,
                                                 static_cast<std::uint64_t>(part.end - at));
      const auto chunk = std::span(samples).first(count * lane.channels);
      CANVAS_ASSIGN(const ReadResult read, ReadSettled(reader, at, chunk));
      if (is_written && read.written_frames != count)
        return Fail(ErrorCode::kBusy,
                    fmt::format("lane '{}' was emptied while it was printed, at {}", lane.name,
                                FormatClock(at, lane.rate)),
                    "print it again");
      lines.Frames(at, chunk);
      if (!lines.Put()) return false;
      at = at + count;
      reader.Forget({part.first, at});
    }
    return true;
  };
  Frame before = range.first;
  const auto gap = [&](Frame end) -> Result<bool> {
    if (before >= end) return true;
    if (arguments.zeros) return print({before, end}, false);
    lines.Gap({before, end});
    return true;
  };
  for (const FrameRange& part : written) {
    CANVAS_ASSIGN(bool going, gap(part.first));
    if (going) {
      CANVAS_ASSIGN(going, print(part, true));
    }
    if (!going) return {};
    before = part.end;
  }
  CANVAS_TRY(gap(range.end));
  lines.Put();
  return {};
}

}  // namespace

Result<void> RunCat(const CatArguments& arguments) {
  // A reader that has read enough closes the pipe: that is no error, whatever was inherited.
  std::signal(SIGPIPE, SIG_DFL);
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  auto printed = Print(canvas, arguments);
  if (!printed) return std::unexpected(std::move(printed).error().About(arguments.file));
  return {};
}

}  // namespace canvas::cli
