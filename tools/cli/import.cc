#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;  // at a time from the decoder to the file

// One input on its way to a place in a lane.
struct Job {
  AudioInput input;
  std::string lane_name;
  Frame at;
};

std::unexpected<Error> Refuse(const std::string& file, std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what), std::move(hint)).About(file));
}

// Opens every input and decides where each goes, before anything is written.
Result<std::vector<Job>> Plan(const ImportArguments& arguments) {
  CANVAS_ASSIGN(const Position position, ParsePosition(arguments.at));
  std::vector<Job> jobs;
  std::map<std::string, std::string> claimed;  // default lane name -> input
  for (const std::string& path : arguments.inputs) {
    CANVAS_ASSIGN(AudioInput input, AudioInput::Open(path));
    std::string name = arguments.lane.value_or("");
    if (!arguments.lane) {
      name = std::filesystem::path(path).stem().string();
      const auto [other, fresh] = claimed.emplace(name, path);
      if (!fresh)
        return Refuse(
            arguments.file,
            fmt::format("{} and {} would both become lane '{}'", other->second, path, name),
            "import them one by one, each with its own --lane");
    }
    CANVAS_ASSIGN(const Rate rate, Rate::Make(input.rate()));
    if (!arguments.lane || jobs.empty()) {
      CANVAS_ASSIGN(const Frame at, position.ToFrame(rate));
      jobs.push_back({std::move(input), std::move(name), at});
      continue;
    }
    const Job& before = jobs.back();
    if (before.input.channels() != input.channels() || before.input.rate() != input.rate())
      return Refuse(
          arguments.file,
          fmt::format("{} has {} at {} Hz and {} has {} at {} Hz, and one lane holds one format",
                      before.input.path(), Count(before.input.channels(), "channel"),
                      before.input.rate(), path, Count(input.channels(), "channel"), input.rate()),
          "import them into lanes of their own");
    const Frame at = before.at + static_cast<std::int64_t>(before.input.frames());
    jobs.push_back({std::move(input), std::move(name), at});
  }
  return jobs;
}

// The lane a job goes to: there already, or made. Answers whether it was made.
Result<std::pair<LaneInfo, bool>> LaneFor(Canvas& canvas, const Job& job, int tries = 3) {
  CANVAS_ASSIGN(const Rate rate, Rate::Make(job.input.rate()));
  if (const auto found = canvas.FindLane(job.lane_name)) {
    if (found->kind != LaneKind::kAudio || found->channels != job.input.channels() ||
        found->rate != rate)
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("lane '{}' has {} at {} Hz and {} has {} at {} Hz", found->name,
                      Count(found->channels, "channel"), ToString(found->rate), job.input.path(),
                      Count(job.input.channels(), "channel"), job.input.rate()),
          "choose another lane with --lane; a lane keeps its format");
    return std::pair(*found, false);
  }
  const auto added =
      canvas.AddLane({.name = job.lane_name,
                      .kind = LaneKind::kAudio,
                      .channels = job.input.channels(),
                      .rate = rate,
                      .description = "imported from " +
                                     std::filesystem::path(job.input.path()).filename().string(),
                      .tool = "canvas import"});
  // Another process may have made it in between; then it is an existing lane like any other.
  if (!added && added.error().code() == ErrorCode::kExists && tries > 0)
    return LaneFor(canvas, job, tries - 1);
  if (!added) return std::unexpected(added.error());
  CANVAS_ASSIGN(LaneInfo lane, canvas.FindLane(*added));
  return std::pair(std::move(lane), true);
}

// Copies the whole input; answers the number of frames.
Result<std::uint64_t> Copy(Job& job, LaneWriter& writer) {
  const std::uint32_t channels = job.input.channels();
  std::vector<float> samples(std::max<std::size_t>(kChunkBytes / sizeof(float) / channels, 1) *
                             channels);
  ProgressBar progress(std::filesystem::path(job.input.path()).filename().string(),
                       job.input.frames());
  std::uint64_t done = 0;
  for (;;) {
    const Frame at = job.at + static_cast<std::int64_t>(done);
    const std::uint64_t wanted = writer.PreferredFrames(at, samples.size() / channels);
    CANVAS_ASSIGN(const std::size_t frames,
                  job.input.Read(std::span(samples).first(wanted * channels)));
    if (frames == 0) return done;
    if (auto written = writer.Write(at, std::span(samples).first(frames * channels)); !written) {
      const Error& error = written.error();
      return Fail(error.code(),
                  fmt::format("{}; {} got as far as {}", error.what(), job.input.path(),
                              FormatClock(at, writer.lane().rate)),
                  error.hint());
    }
    done += frames;
    progress.Update(done);
  }
}

Result<void> CheckFits(const Canvas& canvas, const Job& job, const LaneInfo& lane) {
  const Frame limit =
      FirstFrameOfPage(canvas.capacity_pages(), lane.rate, canvas.Info().page_seconds);
  if (job.at <= limit && static_cast<std::int64_t>(job.input.frames()) <= limit - job.at) return {};
  return Refuse(canvas.Info().path,
                fmt::format("{} would end past the capacity, {}", job.input.path(),
                            FormatClock(limit, lane.rate)),
                "place it earlier, or create a canvas with more hours");
}

// The lane's owner, at once, or after waiting for the present one.
Result<LaneWriter> OwnLane(Canvas& canvas, LaneId lane, double wait_seconds) {
  auto owned = canvas.Own(lane);
  if (owned || owned.error().code() != ErrorCode::kOwned || wait_seconds <= 0) return owned;
  std::fputs(
      fmt::format("canvas: {}; waiting up to {} s\n", owned.error().what(), wait_seconds).c_str(),
      stderr);
  return canvas.OwnWithin(lane, std::chrono::milliseconds(std::llround(wait_seconds * 1000)));
}

Result<void> ImportOne(Canvas& canvas, Job& job, double wait_seconds) {
  CANVAS_ASSIGN(const auto found, LaneFor(canvas, job));
  const LaneInfo& lane = found.first;
  // A lane that was made and cannot be owned is another's by now: it stays.
  CANVAS_ASSIGN(LaneWriter writer, OwnLane(canvas, lane.id, wait_seconds));
  // So does one that was made, and that another filled before this owned it.
  const bool made = found.second && writer.end() == Frame(0);
  auto fits = CheckFits(canvas, job, lane);
  auto frames = fits ? Copy(job, writer) : Result<std::uint64_t>(std::unexpected(fits.error()));
  if (!frames) {
    // A lane made for this import goes with it; what other lanes held stays.
    if (made) (void)canvas.RemoveLane(std::move(writer));
    return std::unexpected(std::move(frames).error());
  }
  fmt::print("{} -> lane '{}': {} at {} ({}, {}, {} Hz)\n", job.input.path(), lane.name,
             FormatClock(Frame(static_cast<std::int64_t>(*frames)), lane.rate),
             FormatClock(job.at, lane.rate), Count(*frames, "frame"),
             Count(lane.channels, "channel"), ToString(lane.rate));
  if (job.input.rounds())
    fmt::print("  its {} samples were rounded to 32-bit float\n", job.input.rounded_from());
  if (job.input.truncated())
    fmt::print("  the file is cut short: its header promises more than these frames\n");
  return {};
}

}  // namespace

Result<void> RunImport(const ImportArguments& arguments) {
  CANVAS_ASSIGN(std::vector<Job> jobs, Plan(arguments));
  CANVAS_ASSIGN(Canvas canvas, Canvas::Open(arguments.file, {.access = Access::kReadWrite,
                                                             .name = "canvas import"}));
  for (Job& job : jobs) {
    auto imported = ImportOne(canvas, job, arguments.wait_seconds);
    if (!imported) return std::unexpected(std::move(imported).error().About(arguments.file));
  }
  return canvas.Close();
}

}  // namespace canvas::cli
