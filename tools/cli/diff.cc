// diff: where two canvases, or two lanes, differ.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/commands.h"
#include "tools/cli/copy.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/samples.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
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

bool Same(const Event& a, const Event& b) {
  return a.frame == b.frame && a.tick == b.tick && a.kind == b.kind && a.tag == b.tag &&
         std::ranges::equal(a.bytes, b.bytes);
}

// Where two lanes of events differ, page by page: from the first event that is another to the last.
struct EventDifference {
  std::vector<FrameRange> places;
  std::uint64_t left = 0;  // events in those
  std::uint64_t right = 0;
};

Result<EventDifference> CompareEvents(const Canvas& a, const Canvas& b, const LaneInfo& lane,
                                      const LaneInfo& other) {
  CANVAS_ASSIGN(const EventReader first, a.Events(lane.id));
  CANVAS_ASSIGN(const EventReader second, b.Events(other.id));
  EventDifference difference;
  const Frame end = std::max(first.Extent().end, second.Extent().end);
  const std::uint32_t page_seconds = a.Info().page_seconds;
  for (std::uint64_t page = 0; FirstFrameOfPage(page, lane.rate, page_seconds) < end; ++page) {
    const FrameRange range{FirstFrameOfPage(page, lane.rate, page_seconds),
                           FirstFrameOfPage(page + 1, lane.rate, page_seconds)};
    CANVAS_ASSIGN(const EventList x, first.Read(range));
    CANVAS_ASSIGN(const EventList y, second.Read(range));
    std::size_t front = 0;
    const std::size_t fewer = std::min(x.size(), y.size());
    while (front < fewer && Same(x[front], y[front])) ++front;
    if (front == x.size() && front == y.size()) continue;
    std::size_t back = 0;
    while (back < fewer - front && Same(x[x.size() - 1 - back], y[y.size() - 1 - back])) ++back;
    FrameRange place{range.end, range.first};
    const auto count = [&](const EventList& list) -> std::uint64_t {
      if (front + back == list.size()) return 0;
      place = {std::min(place.first, list[front].frame),
               std::max(place.end, list[list.size() - 1 - back].frame + 1)};
      return list.size() - front - back;
    };
    difference.left += count(x);
    difference.right += count(y);
    difference.places.push_back(place);
  }
  return difference;
}

// What is told of each difference.
class Differences {
 public:
  void Tell(const std::string& lane, const std::string& what) {
    same_ = false;
    if (!TheGlobals().json && !TheGlobals().quiet)
      fmt::print("lane '{}': {}\n", Printable(lane), what);
    json_.push_back({{"lane", lane}, {"difference", what}});
  }
  bool same() const { return same_; }
  const Json& json() const { return json_; }

 private:
  bool same_ = true;
  Json json_ = Json::array();
};

// The lanes that are meant, on either side; two lanes of any names are compared as one.
Result<void> ChooseLanes(const DiffArguments& arguments, std::vector<LaneInfo>& lanes,
                         std::vector<LaneInfo>& others) {
  auto left = LanesNamed(lanes, *arguments.lane);
  if (!left) return std::unexpected(std::move(left).error().About(arguments.file));
  auto right = LanesNamed(others, arguments.with.value_or(*arguments.lane));
  if (!right) return std::unexpected(std::move(right).error().About(arguments.other));
  lanes = *std::move(left);
  others = *std::move(right);
  if (arguments.with && lanes.size() == 1 && others.size() == 1)
    others.front().name = lanes.front().name;
  return {};
}

void TellPlaces(Differences& differences, const LaneInfo& lane, const Difference& difference) {
  constexpr std::size_t kMost = 20;
  for (std::size_t i = 0; i < std::min(difference.places.size(), kMost); ++i) {
    const FrameRange& place = difference.places[i];
    differences.Tell(lane.name, fmt::format("other samples from {} to {} (frames {} to {})",
                                            FormatClock(place.first, lane.rate),
                                            FormatClock(place.end, lane.rate), place.first.value(),
                                            place.end.value()));
  }
  if (difference.places.size() > kMost)
    differences.Tell(
        lane.name, fmt::format("and in {} more places; {} in all", difference.places.size() - kMost,
                               Count(difference.frames, "frame")));
}

Result<void> CompareLanes(Differences& differences, const Canvas& a, const Canvas& b,
                          const DiffArguments& arguments, const LaneInfo& lane,
                          const LaneInfo& other) {
  if (lane.kind != other.kind || lane.channels != other.channels || lane.rate != other.rate) {
    differences.Tell(lane.name, fmt::format("{} {} in {}, {} {} in {}", LaneKindName(lane.kind),
                                            ShapeOf(lane), arguments.file, LaneKindName(other.kind),
                                            ShapeOf(other), arguments.other));
    return {};
  }
  if (lane.speakers != other.speakers) differences.Tell(lane.name, "its channels sound elsewhere");
  if (lane.description != other.description)
    differences.Tell(lane.name, "described in other words");
  if (HoldsEvents(lane)) {
    CANVAS_ASSIGN(const EventDifference difference, CompareEvents(a, b, lane, other));
    if (difference.places.empty()) return {};
    const FrameRange all{difference.places.front().first, difference.places.back().end};
    differences.Tell(
        lane.name,
        fmt::format("other events from {} to {} (frames {} to {}): {} here, {} there",
                    FormatClock(all.first, lane.rate), FormatClock(all.end, lane.rate),
                    all.first.value(), all.end.value(), difference.left, difference.right));
    return {};
  }
  if (!HoldsSamples(lane)) {
    Remark(
        fmt::format("lane '{}' is of a kind that is not known here: its content was not compared",
                    Printable(lane.name)));
    return {};
  }
  CANVAS_ASSIGN(const Difference difference, Compare(a, b, lane, other));
  if (difference.frames == 0) {
    CANVAS_ASSIGN(const bool written, WrittenAlike(a, b, lane, other));
    if (!written)
      differences.Tell(
          lane.name, "the same samples, of which some are zeros in one and unwritten in the other");
  }
  TellPlaces(differences, lane, difference);
  return {};
}

}  // namespace

Result<bool> RunDiff(const DiffArguments& arguments) {
  CANVAS_ASSIGN(const Canvas a, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(const Canvas b, OpenCanvas(arguments.other));
  CANVAS_ASSIGN(auto lanes, a.Lanes());
  CANVAS_ASSIGN(auto others, b.Lanes());
  if (arguments.lane) CANVAS_TRY(ChooseLanes(arguments, lanes, others));
  Differences differences;
  for (const LaneInfo& lane : lanes) {
    const auto other = std::ranges::find(others, lane.name, &LaneInfo::name);
    if (other == others.end())
      differences.Tell(lane.name, "only in " + arguments.file);
    else
      CANVAS_TRY(CompareLanes(differences, a, b, arguments, lane, *other));
  }
  for (const LaneInfo& other : others)
    if (std::ranges::find(lanes, other.name, &LaneInfo::name) == lanes.end())
      differences.Tell(other.name, "only in " + arguments.other);
  if (TheGlobals().json) Print(differences.json());
  return differences.same();
}

}  // namespace canvas::cli
