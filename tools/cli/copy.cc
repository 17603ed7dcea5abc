// Lanes of one canvas into another, beside whoever writes.
#include "tools/cli/copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/samples.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;

std::string Unfinished(const LaneInfo& lane) {
  return fmt::format("{}copy of {}", kUnfinished, lane.name);
}

// What can be known of the lanes there before one is made: names, shapes, lengths, and that no lane
// is copied over itself.
Result<void> CheckTarget(const Canvas& from, const Canvas& to, const LaneCopy& plan) {
  if (const auto valid = ValidateLaneName(plan.name); !valid)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}': {}", Printable(plan.name), valid.error().what()),
                "give it another name with --as");
  const Rate rate = plan.lane.rate;
  const Frame limit = FirstFrameOfPage(to.capacity_pages(), rate, to.Info().page_seconds);
  if (!plan.regions.empty() && plan.regions.back().end + plan.shift > limit)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}' would end past the capacity there, {}", plan.name,
                            FormatClock(limit, rate)),
                "give an earlier --at, or make the timeline there longer with `canvas resize`");
  const auto there = to.FindLane(plan.name);
  if (!there) return {};
  if (!HoldsSamples(*there) || there->channels != plan.lane.channels || there->rate != rate)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}' has {} here and {} there", plan.name, ShapeOf(*there),
                            ShapeOf(plan.lane)),
                "give it another name with --as");
  const std::int64_t length = plan.range.end - plan.range.first;
  if (from.Info().uuid == to.Info().uuid && there->id == plan.lane.id && plan.shift < length &&
      plan.shift > -length)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}' would be copied over what is still to be copied", plan.name),
                "copy it to another lane first, with --as");
  return {};
}

Result<void> CheckFree(const Canvas& to, const LaneInfo& target, const LaneCopy& plan) {
  CANVAS_ASSIGN(const LaneReader there, to.Reader(target.id));
  for (const FrameRange& region : plan.regions) {
    CANVAS_ASSIGN(const auto written,
                  there.WrittenRanges({region.first + plan.shift, region.end + plan.shift}));
    if (!written.empty())
      return Fail(ErrorCode::kExists,
                  fmt::format("lane '{}' holds something already, from {} on", plan.name,
                              FormatClock(written.front().first, plan.lane.rate)),
                  "choose another place with --at or --as, or replace it with --overwrite");
  }
  return {};
}

Result<LaneId> AddTarget(Canvas& to, const LaneCopy& plan) {
  const auto added = to.AddLane({.name = plan.name,
                                 .kind = plan.lane.kind,
                                 .channels = plan.lane.channels,
                                 .rate = plan.lane.rate,
                                 .description = Unfinished(plan.lane),
                                 .tool = "canvas cp",
                                 .speakers = plan.lane.speakers,
                                 .tags = plan.lane.tags});
  if (!added)
    return Fail(added.error().code(), fmt::format("lane '{}': {}", plan.name, added.error().what()),
                added.error().hint());
  return added;
}

}  // namespace

std::size_t ChunkFrames(std::uint32_t channels) {
  return std::max<std::size_t>(kChunkBytes / sizeof(float) / channels, 1);
}

std::string ShapeOf(const LaneInfo& lane) {
  return fmt::format("{} at {} Hz", Count(lane.channels, "channel"), ToString(lane.rate));
}

bool HoldsSamples(const LaneInfo& lane) {
  return lane.kind == LaneKind::kAudio || lane.kind == LaneKind::kSignal;
}

Result<void> MakeLike(const Canvas& from, const std::string& path, std::uint64_t capacity_pages,
                      const std::string& tool) {
  const CanvasInfo info = from.Info();
  CreateOptions options;
  options.rate = info.rate;
  options.page_seconds = info.page_seconds;
  options.layout = info.layout;
  options.capacity_seconds = capacity_pages * info.page_seconds;
  options.title = info.title;
  options.tool = tool;
  options.allow_remote = TheGlobals().allow_remote;
  struct stat status {};
  if (stat(info.path.c_str(), &status) == 0) {
    options.mode = (status.st_mode & 0777) | 0600;
    umask(0);  // as it is there
  }
  return Canvas::Create(path, options);
}

CopyTargets::~CopyTargets() {
  for (Target& target : list_) {
    if (!target.made || target.begun) continue;
    // Another may have filled it before it was owned here.
    const auto now = to_.FindLane(target.writer.lane().id);
    if (now && now->description.starts_with(kUnfinished) && target.writer.end() == Frame(0))
      (void)to_.RemoveLane(std::move(target.writer).Release());
  }
}

Result<void> CopyTargets::Prepare(const Canvas& from, const std::vector<LaneCopy>& plans,
                                  bool overwrite) {
  for (const LaneCopy& plan : plans) CANVAS_TRY(CheckTarget(from, to_, plan));
  for (const LaneCopy& plan : plans) {
    const auto there = to_.FindLane(plan.name);
    if (there && !overwrite) CANVAS_TRY(CheckFree(to_, *there, plan));
  }
  list_.reserve(plans.size());
  for (const LaneCopy& plan : plans) {
    const auto there = to_.FindLane(plan.name);
    LaneId id;
    if (there) {
      id = there->id;
    } else {
      CANVAS_ASSIGN(id, AddTarget(to_, plan));
    }
    auto writer = to_.Writer(id);
    if (!writer) {
      if (!there) (void)to_.RemoveLane(id);
      return std::unexpected(std::move(writer).error());
    }
    list_.push_back({*std::move(writer), !there});
    // From now on nobody else puts anything there.
    if (!overwrite) CANVAS_TRY(CheckFree(to_, list_.back().writer.lane(), plan));
  }
  return {};
}

Result<std::uint64_t> CopyLane(const Canvas& from, Canvas& to, const LaneCopy& plan,
                               FrameWriter& writer, const StopFlag& stop) {
  CANVAS_ASSIGN(LaneReader reader, from.Reader(plan.lane.id));
  std::uint64_t total = 0;
  for (const FrameRange& region : plan.regions)
    total += static_cast<std::uint64_t>(region.end - region.first);
  const std::uint32_t channels = plan.lane.channels;
  std::vector<float> samples(ChunkFrames(channels) * channels);
  ProgressBar bar(plan.name, total);
  std::uint64_t done = 0;
  for (const FrameRange& region : plan.regions)
    for (Frame at = region.first; at < region.end;) {
      const std::uint64_t count = writer.PreferredFrames(
          at + plan.shift, std::min<std::uint64_t>(samples.size() / channels,
                                                   static_cast<std::uint64_t>(region.end - at)));
      const auto chunk = std::span(samples).first(count * channels);
      CANVAS_ASSIGN(const ReadResult read, ReadSettled(reader, at, chunk));
      // It was written a moment ago: zeros in its place would be an untruth.
      if (read.written_frames != count)
        return Fail(ErrorCode::kBusy,
                    fmt::format("lane '{}' was emptied while it was copied, at {}", plan.lane.name,
                                FormatClock(at, plan.lane.rate)),
                    "copy it again");
      if (stop.raised())
        return Fail(ErrorCode::kBusy,
                    fmt::format("stopped; lane '{}' is copied up to {} there", plan.name,
                                FormatClock(at + plan.shift, plan.lane.rate)),
                    "copy it again with --overwrite");
      CANVAS_TRY(writer.Write(at + plan.shift, chunk));
      reader.Forget({at, at + count});
      at = at + count;
      done += count;
      bar.Update(done);
    }
  // Made here, or left behind by a copy of the same that was stopped.
  const LaneId target = writer.lane().id;
  const auto now = to.FindLane(target);
  if (now && now->description == Unfinished(plan.lane))
    CANVAS_TRY(to.DescribeLane(target, plan.lane.description));
  return done;
}

Result<void> GiveName(const std::string& path, const std::string& name) {
  if (renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) return {};
  // A file system that cannot say "only if".
  if (errno == EINVAL && link(path.c_str(), name.c_str()) == 0) {
    unlink(path.c_str());
    return {};
  }
  return std::unexpected(Error::FromErrno(errno, "giving it its name").About(name));
}

Result<std::size_t> CopyMarkers(const Canvas& from, Canvas& to, const LaneCopy& plan, bool whole) {
  CANVAS_ASSIGN(const auto markers, from.Markers());
  CANVAS_ASSIGN(const LaneInfo target, to.FindLane(plan.name));
  const auto moved = [&](Time time) -> Result<Time> {
    if (plan.shift == 0) return time;
    CANVAS_ASSIGN(const Frame frame, FrameOfTime(time, plan.lane.rate));
    return TimeOfFrame(std::max(frame + plan.shift, Frame(0)), plan.lane.rate);
  };
  std::vector<Marker> copies;
  for (const Marker& marker : markers) {
    if (marker.lane != plan.lane.id) continue;
    const auto frame = FrameOfTime(marker.start, plan.lane.rate);
    if (!frame || (!whole && (*frame < plan.range.first || *frame >= plan.range.end))) continue;
    Marker copy = marker;
    copy.lane = target.id;
    CANVAS_ASSIGN(copy.start, moved(marker.start));
    CANVAS_ASSIGN(copy.end, moved(marker.end));
    copies.push_back(std::move(copy));
  }
  return AddNewMarkers(to, std::move(copies));
}

Result<void> CopyMarkersOfAll(const Canvas& from, Canvas& to) {
  CANVAS_ASSIGN(auto markers, from.Markers());
  std::erase_if(markers, [](const Marker& marker) { return marker.lane != LaneId(0); });
  CANVAS_TRY(AddNewMarkers(to, std::move(markers)));
  return {};
}

Result<void> CopyTempoMaps(const Canvas& from, Canvas& to) {
  CANVAS_ASSIGN(const auto maps, from.TempoMaps());
  for (const TempoMap& map : maps) CANVAS_TRY(to.AddTempoMap(map));
  return {};
}

}  // namespace canvas::cli
