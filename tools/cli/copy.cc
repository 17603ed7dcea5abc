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
#include "tools/cli/event_lanes.h"
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
  if (HoldsEvents(*there) != HoldsEvents(plan.lane) || !IsKnown(*there) ||
      there->channels != plan.lane.channels || there->rate != rate)
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
  for (const FrameRange& region : plan.regions) {
    CANVAS_ASSIGN(const auto written,
                  WrittenOf(to, target, {region.first + plan.shift, region.end + plan.shift}));
    if (!written.empty())
      return Fail(ErrorCode::kExists,
                  fmt::format("lane '{}' holds something already, from {} on", plan.name,
                              FormatClock(written.front().first, plan.lane.rate)),
                  "choose another place with --at or --as, or replace it with --overwrite");
  }
  return {};
}

bool SameMap(const TempoMap& a, const TempoMap& b) {
  return a.name == b.name && a.tempi == b.tempi && a.meters == b.meters;
}

// The id that a tempo map has there, where it is added if it is not; 0 where there is none.
Result<std::uint32_t> MapThere(const Canvas& from, Canvas& to, std::uint32_t id) {
  if (id == 0) return std::uint32_t{0};
  CANVAS_ASSIGN(const auto maps, from.TempoMaps());
  const auto map = std::ranges::find(maps, id, &TempoMap::id);
  if (map == maps.end()) return std::uint32_t{0};
  CANVAS_ASSIGN(const auto there, to.TempoMaps());
  for (const TempoMap& other : there)
    if (SameMap(*map, other)) return other.id;
  return to.AddTempoMap(*map);
}

Result<LaneId> AddTarget(const Canvas& from, Canvas& to, const LaneCopy& plan) {
  CANVAS_ASSIGN(const std::uint32_t map, MapThere(from, to, plan.lane.tempo_map_id));
  const auto added = to.AddLane({.name = plan.name,
                                 .kind = plan.lane.kind,
                                 .channels = plan.lane.channels,
                                 .rate = plan.lane.rate,
                                 .description = Unfinished(plan.lane),
                                 .dense = plan.lane.dense,
                                 .tool = "canvas cp",
                                 .speakers = plan.lane.speakers,
                                 .tags = MovedTags(plan.lane, plan.shift),
                                 .tempo_map_id = map,
                                 .source_ticks_per_quarter = plan.lane.source_ticks_per_quarter});
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
  if (HoldsEvents(lane)) return fmt::format("events at {} Hz", ToString(lane.rate));
  return fmt::format("{} at {} Hz", Count(lane.channels, "channel"), ToString(lane.rate));
}

bool HoldsSamples(const LaneInfo& lane) {
  return lane.kind == LaneKind::kAudio || lane.kind == LaneKind::kSignal;
}

bool IsKnown(const LaneInfo& lane) { return HoldsSamples(lane) || HoldsEvents(lane); }

namespace {

const LaneInfo& LaneOf(const LaneWriter& writer) {
  return std::visit([](const auto& one) -> const LaneInfo& { return one.lane(); }, writer);
}

// Whether nobody has put anything into the lane.
bool IsEmpty(const Canvas& canvas, const LaneInfo& lane) {
  const auto extent = ExtentOf(canvas, lane);
  return extent && extent->written_bytes == 0;
}

Result<LaneWriter> WriterOf(Canvas& to, LaneId id, const LaneInfo& like) {
  if (HoldsEvents(like)) {
    CANVAS_ASSIGN(EventWriter writer, to.EventsWriter(id));
    return LaneWriter(std::move(writer));
  }
  CANVAS_ASSIGN(FrameWriter writer, to.Writer(id));
  return LaneWriter(std::move(writer));
}

}  // namespace

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
    const auto now = to_.FindLane(LaneOf(target.writer).id);
    if (now && now->description.starts_with(kUnfinished) && IsEmpty(to_, *now))
      (void)std::visit([&](auto& one) { return to_.RemoveLane(std::move(one).Release()); },
                       target.writer);
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
      CANVAS_ASSIGN(id, AddTarget(from, to_, plan));
    }
    auto writer = WriterOf(to_, id, plan.lane);
    if (!writer) {
      if (!there) (void)to_.RemoveLane(id);
      return std::unexpected(std::move(writer).error());
    }
    list_.push_back({*std::move(writer), !there});
    // From now on nobody else puts anything there.
    if (!overwrite) CANVAS_TRY(CheckFree(to_, LaneOf(list_.back().writer), plan));
  }
  return {};
}

namespace {

std::unexpected<Error> Stopped(const LaneCopy& plan, Frame at) {
  return Fail(ErrorCode::kBusy,
              fmt::format("stopped; lane '{}' is copied up to {} there", plan.name,
                          FormatClock(at + plan.shift, plan.lane.rate)),
              "copy it again with --overwrite");
}

// Whether the ticks of what is copied mean the same there: the same music, from the same place.
Result<bool> TicksMeanTheSame(const Canvas& from, const Canvas& to, const LaneCopy& plan,
                              const LaneInfo& there) {
  CANVAS_ASSIGN(const auto maps, from.TempoMaps());
  CANVAS_ASSIGN(const auto others, to.TempoMaps());
  const auto map = std::ranges::find(maps, plan.lane.tempo_map_id, &TempoMap::id);
  const auto other = std::ranges::find(others, there.tempo_map_id, &TempoMap::id);
  const bool maps_alike = map == maps.end()       ? other == others.end()
                          : other == others.end() ? false
                                                  : SameMap(*map, *other);
  const Frame at = TickZeroOf(plan.lane) + (map == maps.end() ? 0 : plan.shift);
  return maps_alike && there.source_ticks_per_quarter == plan.lane.source_ticks_per_quarter &&
         TickZeroOf(there) == at;
}

// Page by page, so that one after the other changes as a whole.
Result<std::uint64_t> CopyEvents(const Canvas& from, const Canvas& to, const LaneCopy& plan,
                                 EventWriter& writer, const StopFlag& stop) {
  std::uint64_t done = 0;
  if (plan.range.empty()) return done;
  CANVAS_ASSIGN(const EventReader reader, from.Events(plan.lane.id));
  CANVAS_ASSIGN(const bool keep_ticks, TicksMeanTheSame(from, to, plan, writer.lane()));
  const Rate rate = plan.lane.rate;
  const std::uint32_t page_seconds = to.Info().page_seconds;
  const FrameRange target{plan.range.first + plan.shift, plan.range.end + plan.shift};
  const FrameRange there = WholeOf(to, writer.lane());
  for (Frame at = std::max(target.first, Frame(0)); at < std::min(target.end, there.end);) {
    if (stop.raised()) return Stopped(plan, at - plan.shift);
    const std::uint64_t page = PageOfFrame(at, rate, page_seconds);
    const Frame end = std::min(FirstFrameOfPage(page + 1, rate, page_seconds), target.end);
    CANVAS_ASSIGN(const EventList list, reader.Read({at - plan.shift, end - plan.shift}));
    std::vector<Event> events = list.All();
    for (Event& event : events) {
      event.frame = event.frame + plan.shift;
      if (!keep_ticks) event.tick = kNoTick;
    }
    CANVAS_TRY(writer.Replace({at, end}, events));
    done += events.size();
    at = end;
  }
  return done;
}

Result<std::uint64_t> CopyFrames(const Canvas& from, const LaneCopy& plan, FrameWriter& writer,
                                 const StopFlag& stop) {
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
      if (stop.raised()) return Stopped(plan, at);
      CANVAS_TRY(writer.Write(at + plan.shift, chunk));
      reader.Forget({at, at + count});
      at = at + count;
      done += count;
      bar.Update(done);
    }
  return done;
}

}  // namespace

Result<std::uint64_t> CopyLane(const Canvas& from, Canvas& to, const LaneCopy& plan,
                               LaneWriter& writer, const StopFlag& stop) {
  std::uint64_t done = 0;
  if (auto* events = std::get_if<EventWriter>(&writer)) {
    CANVAS_ASSIGN(done, CopyEvents(from, to, plan, *events, stop));
  } else {
    CANVAS_ASSIGN(done, CopyFrames(from, plan, std::get<FrameWriter>(writer), stop));
  }
  // Made here, or left behind by a copy of the same that was stopped.
  const LaneId target = LaneOf(writer).id;
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
  for (const TempoMap& map : maps) CANVAS_TRY(MapThere(from, to, map.id));
  return {};
}

}  // namespace canvas::cli
