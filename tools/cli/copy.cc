// cp, fork and diff: lanes of two canvases, beside whoever writes.
#include "tools/cli/copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/samples.h"
#include "tools/cli/signals.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;

std::size_t ChunkFrames(std::uint32_t channels) {
  return std::max<std::size_t>(kChunkBytes / sizeof(float) / channels, 1);
}

std::string ShapeOf(const LaneInfo& lane) {
  return fmt::format("{} at {} Hz", Count(lane.channels, "channel"), ToString(lane.rate));
}

std::string Unfinished(const LaneInfo& lane) {
  return fmt::format("{}copy of {}", kUnfinished, lane.name);
}

Result<LaneCopy> PlanFor(const Canvas& from, const CopyArguments& arguments, const LaneInfo& lane) {
  LaneCopy plan{lane, arguments.as.value_or(lane.name), {}, 0};
  CANVAS_ASSIGN(const LaneReader reader, from.Reader(lane.id));
  const LaneExtent extent = reader.Extent();
  plan.range = {extent.first, extent.end};
  if (arguments.from) {
    CANVAS_ASSIGN(plan.range.first, FrameAt(*arguments.from, lane.rate, extent.end));
  }
  if (arguments.to) {
    CANVAS_ASSIGN(plan.range.end, FrameAt(*arguments.to, lane.rate, extent.end));
  }
  if (arguments.at) {
    CANVAS_ASSIGN(const Position at, ParsePosition(*arguments.at));
    CANVAS_ASSIGN(const Frame frame, at.ToFrame(lane.rate));
    plan.shift = frame - plan.range.first;
  }
  if (plan.range.empty() && (arguments.from || arguments.to))
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}': the range from {} to {} is empty", lane.name,
                            FormatClock(plan.range.first, lane.rate),
                            FormatClock(plan.range.end, lane.rate)),
                "--to lies after --from");
  CANVAS_ASSIGN(plan.regions, reader.WrittenRanges(plan.range));
  return plan;
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

}  // namespace

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
      const auto added = to_.AddLane({.name = plan.name,
                                      .kind = plan.lane.kind,
                                      .channels = plan.lane.channels,
                                      .rate = plan.lane.rate,
                                      .description = Unfinished(plan.lane),
                                      .tool = "canvas cp",
                                      .speakers = plan.lane.speakers,
                                      .tags = plan.lane.tags});
      if (!added)
        return Fail(added.error().code(),
                    fmt::format("lane '{}': {}", plan.name, added.error().what()),
                    added.error().hint());
      id = *added;
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

Result<void> RunCopy(const CopyArguments& arguments) {
  CANVAS_ASSIGN(const Canvas from, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(const auto all, from.Lanes());
  std::vector<LaneInfo> lanes;
  if (arguments.lanes.empty()) {
    std::ranges::copy_if(all, std::back_inserter(lanes), HoldsSamples);
  }
  for (const std::string& pattern : arguments.lanes) {
    auto found = LanesNamed(all, pattern);
    if (!found) return std::unexpected(std::move(found).error().About(arguments.file));
    for (const LaneInfo& lane : *found)
      if (std::ranges::find(lanes, lane.id, &LaneInfo::id) == lanes.end()) lanes.push_back(lane);
  }
  if (arguments.as && lanes.size() != 1)
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("--as is the name of one lane, and {} are meant", Count(lanes.size(), "lane")),
        "choose it with --lane");
  const auto run = [&]() -> Result<void> {
    std::vector<LaneCopy> plans;
    for (const LaneInfo& lane : lanes) {
      CANVAS_ASSIGN(LaneCopy plan, PlanFor(from, arguments, lane));
      plans.push_back(std::move(plan));
    }
    const bool fresh = access(arguments.into.c_str(), F_OK) != 0;
    // A new one gets its name when it is whole: nobody else has put anything into it then.
    const std::string path =
        fresh ? fmt::format("{}.{}.part", arguments.into, getpid()) : arguments.into;
    if (fresh) {
      CANVAS_TRY(MakeLike(from, path, from.capacity_pages(), "canvas cp"));
      RemoveAtSignal(path);
    }
    const StopFlag stop;
    const auto copy = [&]() -> Result<void> {
      CANVAS_ASSIGN(Canvas to, OpenCanvas(path, "canvas cp"));
      CopyTargets targets(to);
      CANVAS_TRY(targets.Prepare(from, plans, arguments.overwrite));
      if (fresh && arguments.lanes.empty()) {
        CANVAS_TRY(CopyTempoMaps(from, to));
        CANVAS_TRY(CopyMarkersOfAll(from, to));
      }
      for (std::size_t i = 0; i < plans.size(); ++i) {
        const LaneCopy& plan = plans[i];
        CANVAS_ASSIGN(const std::uint64_t frames, CopyLane(from, to, plan, targets.Begin(i), stop));
        CANVAS_ASSIGN(const std::size_t markers,
                      CopyMarkers(from, to, plan, !arguments.from && !arguments.to));
        Say({{"lane", plan.lane.name},
             {"into", arguments.into},
             {"as", plan.name},
             {"frames", frames},
             {"markers", markers}},
            fmt::format("lane '{}' -> {}: {} ({}{})\n", Printable(plan.lane.name),
                        plan.name == plan.lane.name
                            ? arguments.into
                            : fmt::format("'{}' in {}", Printable(plan.name), arguments.into),
                        FormatClock(Frame(0) + frames, plan.lane.rate), Count(frames, "frame"),
                        markers == 0 ? "" : ", " + Count(markers, "marker")));
      }
      return to.Close();
    };
    auto copied = copy();
    if (copied && fresh) copied = GiveName(path, arguments.into);
    if (fresh) {
      if (!copied) unlink(path.c_str());
      if (!copied && stop.raised())
        copied = Fail(ErrorCode::kBusy, "stopped; nothing is left of the copy", "copy it again");
      RemoveAtSignal("");
    }
    return copied;
  };
  auto copied = run();
  if (!copied) return std::unexpected(std::move(copied).error().About(arguments.into));
  return {};
}

Result<void> RunFork(const ForkArguments& arguments) {
  // What cannot be opened is not forked.
  CANVAS_ASSIGN(Canvas from, OpenCanvas(arguments.file));
  CANVAS_TRY(from.Close());
  umask(0);  // in the mode of the other
  auto forked = Canvas::Reflink(arguments.file, arguments.into, TheGlobals().allow_remote);
  if (!forked && forked.error().code() == ErrorCode::kUnsupported) {
    if (arguments.copy) {
      CopyArguments all;
      all.file = arguments.file;
      all.into = arguments.into;
      return RunCopy(all);
    }
    return std::unexpected(Error(ErrorCode::kUnsupported, forked.error().what(),
                                 fmt::format("`canvas cp {} {}` copies it, and so does --copy",
                                             ShellWord(arguments.file), ShellWord(arguments.into)))
                               .About(arguments.into));
  }
  if (!forked) return forked;
  Say({{"file", arguments.file}, {"into", arguments.into}, {"shared", true}},
      fmt::format("{} -> {}: shares its blocks until either is written to\n",
                  Printable(arguments.file), Printable(arguments.into)));
  return {};
}

namespace {

// Where two lanes differ, put together where less than a second of the same lies between.
struct Difference {
  std::uint64_t frames = 0;
  std::vector<FrameRange> places;
  void Add(Frame at, Rate rate) {
    ++frames;
    const auto second = static_cast<std::int64_t>(rate.num / rate.den) + 1;
    if (places.empty() || at - places.back().end > second) places.push_back({at, at});
    places.back().end = at + 1;
  }
};

Result<Difference> Compare(const Canvas& a, const Canvas& b, const LaneInfo& lane,
                           const LaneInfo& other) {
  CANVAS_ASSIGN(LaneReader first, a.Reader(lane.id));
  CANVAS_ASSIGN(LaneReader second, b.Reader(other.id));
  const LaneExtent x = first.Extent();
  const LaneExtent y = second.Extent();
  Difference difference;
  if (x.written_frames == 0 && y.written_frames == 0) return difference;
  const Frame begin = x.written_frames == 0   ? y.first
                      : y.written_frames == 0 ? x.first
                                              : std::min(x.first, y.first);
  const Frame end = std::max(x.end, y.end);
  const std::uint32_t channels = lane.channels;
  const std::size_t frames = ChunkFrames(channels);
  std::vector<float> left(frames * channels);
  std::vector<float> right(frames * channels);
  ProgressBar bar(lane.name, static_cast<std::uint64_t>(end - begin));
  for (Frame at = begin; at < end;) {
    const auto count = std::min<std::uint64_t>(frames, static_cast<std::uint64_t>(end - at));
    CANVAS_TRY(ReadOrSilence(first, at, std::span(left).first(count * channels)));
    CANVAS_TRY(ReadOrSilence(second, at, std::span(right).first(count * channels)));
    if (std::memcmp(left.data(), right.data(), count * channels * sizeof(float)) != 0)
      for (std::uint64_t i = 0; i < count; ++i)
        if (std::memcmp(&left[i * channels], &right[i * channels], channels * sizeof(float)) != 0)
          difference.Add(at + i, lane.rate);
    const FrameRange seen{at, at + count};
    first.Forget(seen);
    second.Forget(seen);
    at = seen.end;
    bar.Update(static_cast<std::uint64_t>(at - begin));
  }
  return difference;
}

// Whether the same frames are written in both.
Result<bool> WrittenAlike(const Canvas& a, const Canvas& b, const LaneInfo& lane,
                          const LaneInfo& other) {
  const auto all = [](const Canvas& canvas, const LaneInfo& of) -> Result<std::vector<FrameRange>> {
    CANVAS_ASSIGN(const LaneReader reader, canvas.Reader(of.id));
    return reader.WrittenRanges(
        {Frame(0), FirstFrameOfPage(canvas.capacity_pages(), of.rate, canvas.Info().page_seconds)});
  };
  CANVAS_ASSIGN(const auto x, all(a, lane));
  CANVAS_ASSIGN(const auto y, all(b, other));
  return std::ranges::equal(x, y, [](const FrameRange& i, const FrameRange& j) {
    return i.first == j.first && i.end == j.end;
  });
}

}  // namespace

Result<bool> RunDiff(const DiffArguments& arguments) {
  CANVAS_ASSIGN(const Canvas a, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(const Canvas b, OpenCanvas(arguments.other));
  CANVAS_ASSIGN(auto lanes, a.Lanes());
  CANVAS_ASSIGN(auto others, b.Lanes());
  if (arguments.lane) {
    auto left = LanesNamed(lanes, *arguments.lane);
    if (!left) return std::unexpected(std::move(left).error().About(arguments.file));
    auto right = LanesNamed(others, arguments.with.value_or(*arguments.lane));
    if (!right) return std::unexpected(std::move(right).error().About(arguments.other));
    lanes = *std::move(left);
    others = *std::move(right);
    // Two lanes of any names are compared as one.
    if (arguments.with && lanes.size() == 1 && others.size() == 1)
      others.front().name = lanes.front().name;
  }
  bool same = true;
  Json json = Json::array();
  const auto tell = [&](const std::string& lane, const std::string& what) {
    same = false;
    if (!TheGlobals().json && !TheGlobals().quiet)
      fmt::print("lane '{}': {}\n", Printable(lane), what);
    json.push_back({{"lane", lane}, {"difference", what}});
  };
  for (const LaneInfo& lane : lanes) {
    const auto other = std::ranges::find(others, lane.name, &LaneInfo::name);
    if (other == others.end()) {
      tell(lane.name, "only in " + arguments.file);
      continue;
    }
    if (lane.kind != other->kind || lane.channels != other->channels || lane.rate != other->rate) {
      tell(lane.name, fmt::format("{} {} in {}, {} {} in {}", LaneKindName(lane.kind),
                                  ShapeOf(lane), arguments.file, LaneKindName(other->kind),
                                  ShapeOf(*other), arguments.other));
      continue;
    }
    if (lane.speakers != other->speakers) tell(lane.name, "its channels sound elsewhere");
    if (lane.description != other->description) tell(lane.name, "described in other words");
    if (!HoldsSamples(lane)) continue;
    CANVAS_ASSIGN(const Difference difference, Compare(a, b, lane, *other));
    if (difference.frames == 0) {
      CANVAS_ASSIGN(const bool written, WrittenAlike(a, b, lane, *other));
      if (!written)
        tell(lane.name,
             "the same samples, of which some are zeros in one and unwritten in the other");
    }
    constexpr std::size_t kMost = 20;
    for (std::size_t i = 0; i < std::min(difference.places.size(), kMost); ++i) {
      const FrameRange& place = difference.places[i];
      tell(lane.name,
           fmt::format("other samples from {} to {} (frames {} to {})",
                       FormatClock(place.first, lane.rate), FormatClock(place.end, lane.rate),
                       place.first.value(), place.end.value()));
    }
    if (difference.places.size() > kMost)
      tell(lane.name,
           fmt::format("and in {} more places; {} in all", difference.places.size() - kMost,
                       Count(difference.frames, "frame")));
  }
  for (const LaneInfo& other : others)
    if (std::ranges::find(lanes, other.name, &LaneInfo::name) == lanes.end())
      tell(other.name, "only in " + arguments.other);
  if (TheGlobals().json) Print(json);
  return same;
}

}  // namespace canvas::cli
