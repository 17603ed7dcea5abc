#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;
constexpr int kRacedTries = 1000;

bool SameFile(const std::string& a, const std::string& b) {
  struct stat first {};
  struct stat second {};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// What the options and the lane's own extent make of the range.
Result<FrameRange> RangeOf(const ExportArguments& arguments, const Canvas& canvas,
                           const LaneReader& reader) {
  const Rate rate = reader.lane().rate;
  const LaneExtent extent = reader.Extent();
  if (extent.written_frames == 0 && !(arguments.from && arguments.to))
    return Fail(ErrorCode::kNotFound,
                fmt::format("lane '{}' has nothing written", reader.lane().name),
                "give --from and --to to export silence");
  FrameRange range{extent.first, extent.end};
  if (arguments.from) {
    CANVAS_ASSIGN(const Position from, ParsePosition(*arguments.from));
    CANVAS_ASSIGN(range.first, from.ToFrame(rate));
  }
  if (arguments.to) {
    CANVAS_ASSIGN(const Position to, ParsePosition(*arguments.to));
    CANVAS_ASSIGN(range.end, to.ToFrame(rate));
  }
  const Frame limit = FirstFrameOfPage(canvas.capacity_pages(), rate, canvas.Info().page_seconds);
  if (range.end > limit)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--to lies past the capacity, {}", FormatClock(limit, rate)),
                "give an earlier time");
  if (range.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the range from {} to {} is empty", FormatClock(range.first, rate),
                            FormatClock(range.end, rate)),
                fmt::format("the lane holds {} to {}", FormatClock(extent.first, rate),
                            FormatClock(extent.end, rate)));
  return range;
}

// Reads until no block is caught in the middle of a change.
Result<ReadResult> ReadSettled(LaneReader& reader, Frame at, std::span<float> samples) {
  for (int i = 0; i < kRacedTries; ++i) {
    const ReadResult result = reader.Read(at, samples);
    if (result.status == ReadStatus::kEnd)
      return Fail(ErrorCode::kInvalidArgument, "the range lies outside the canvas");
    if (result.status != ReadStatus::kRaced) return result;
  }
  return Fail(ErrorCode::kBusy, "a block kept changing, or was left half rewritten",
              "try again when its writer has finished; `canvas check` says more");
}

// Copies the range; answers how many of its frames were written.
Result<std::uint64_t> Copy(LaneReader& reader, FrameRange range, WavOutput& out) {
  const std::uint32_t channels = reader.lane().channels;
  const auto frames = static_cast<std::uint64_t>(range.end - range.first);
  std::vector<float> samples(std::max<std::size_t>(kChunkBytes / sizeof(float) / channels, 1) *
                             channels);
  ProgressBar progress(reader.lane().name, frames);
  std::uint64_t written = 0;
  for (std::uint64_t done = 0; done < frames;) {
    const std::uint64_t count = std::min<std::uint64_t>(frames - done, samples.size() / channels);
    const auto chunk = std::span(samples).first(count * channels);
    CANVAS_ASSIGN(const ReadResult read,
                  ReadSettled(reader, range.first + static_cast<std::int64_t>(done), chunk));
    CANVAS_TRY(out.Write(chunk));
    written += read.written_frames;
    done += count;
    progress.Update(done);
  }
  return written;
}

}  // namespace

Result<void> RunExport(const ExportArguments& arguments) {
  if (SameFile(arguments.file, arguments.out))
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "--out is the canvas itself", "choose another path")
            .About(arguments.file));
  CANVAS_ASSIGN(const Canvas canvas, Canvas::Open(arguments.file));
  const auto run = [&]() -> Result<void> {
    CANVAS_ASSIGN(const LaneInfo lane, canvas.FindLane(arguments.lane));
    CANVAS_ASSIGN(LaneReader reader, canvas.Reader(lane.id));
    CANVAS_ASSIGN(const FrameRange range, RangeOf(arguments, canvas, reader));
    if (lane.rate.den != 1 || lane.rate.num > std::numeric_limits<std::int32_t>::max())
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("lane '{}' has a rate of {} Hz, which a WAV file cannot say",
                              lane.name, ToString(lane.rate)),
                  "read it through the library");
    const auto frames = static_cast<std::uint64_t>(range.end - range.first);
    CANVAS_ASSIGN(WavOutput out,
                  WavOutput::Open(arguments.out, arguments.format, lane.channels,
                                  static_cast<std::uint32_t>(lane.rate.num), frames));
    CANVAS_ASSIGN(const std::uint64_t written, Copy(reader, range, out));
    const bool rf64 = out.rf64();
    const std::uint64_t clipped = out.clipped();
    CANVAS_TRY(out.Commit());
    fmt::print("lane '{}' from {} to {} -> {} ({}, {}, {} Hz{})\n", lane.name,
               FormatClock(range.first, lane.rate), FormatClock(range.end, lane.rate),
               arguments.out, Count(frames, "frame"), Count(lane.channels, "channel"),
               ToString(lane.rate), rf64 ? ", RF64" : "");
    if (written != frames)
      fmt::print("  {} never written, silent here\n", Count(frames - written, "frame"));
    if (clipped != 0)
      fmt::print("  {} clipped: out of the format's range\n", Count(clipped, "sample"));
    return {};
  };
  auto exported = run();
  if (!exported) return std::unexpected(std::move(exported).error().About(arguments.file));
  return {};
}

}  // namespace canvas::cli
