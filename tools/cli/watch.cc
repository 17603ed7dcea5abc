// watch: what others do to a canvas, as they do it.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/signals.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

using Kind = Change::Kind;

const char* EventName(Kind kind) {
  switch (kind) {
    case Kind::kOwnerCame:
      return "owner came";
    case Kind::kOwnerLeft:
      return "owner left";
    case Kind::kLaneAdded:
      return "lane added";
    case Kind::kLaneRemoved:
      return "lane removed";
    case Kind::kLaneEdited:
      return "lane edited";
    case Kind::kMetadataEdited:
      return "metadata edited";
    case Kind::kGrew:
      return "grew";
    case Kind::kRewritten:
      return "rewritten";
    case Kind::kErased:
      return "erased";
  }
  return "";
}

bool HasFrames(Kind kind) {
  return kind == Kind::kGrew || kind == Kind::kRewritten || kind == Kind::kErased;
}
bool HasOwner(Kind kind) { return kind == Kind::kOwnerCame || kind == Kind::kOwnerLeft; }

std::chrono::milliseconds SinceEpoch() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

Json ToJson(const Change& change) {
  Json json = {{"time_unix_ms", SinceEpoch().count()}, {"event", EventName(change.kind)}};
  if (change.lane.id != LaneId(0)) {
    json["lane_id"] = change.lane.id.value();
    json["lane"] = change.lane.name;
  }
  if (HasFrames(change.kind)) {
    json["first_frame"] = change.frames.first.value();
    json["end_frame"] = change.frames.end.value();
  }
  if (HasOwner(change.kind)) json["owner"] = OwnerJson(change.owner);
  if (change.kind == Kind::kLaneEdited) {
    json["name_before"] = change.before.name;
    json["description"] = change.lane.description;
  }
  if (!HasFrames(change.kind) && !HasOwner(change.kind)) json["generation"] = change.generation;
  return json;
}

// What happened, in words, without the lane's name.
std::string Describe(const Change& change) {
  const Rate rate = change.lane.rate;
  if (HasFrames(change.kind)) {
    // Where the events of a lane are, not how many.
    if (HoldsEvents(change.lane))
      return fmt::format("{:<9}  events from {} to {}", EventName(change.kind),
                         FormatClock(change.frames.first, rate),
                         FormatClock(change.frames.end, rate));
    const std::int64_t frames = change.frames.end - change.frames.first;
    return fmt::format("{:<9}  {} to {} ({})", EventName(change.kind),
                       FormatClock(change.frames.first, rate), FormatClock(change.frames.end, rate),
                       Count(static_cast<std::uint64_t>(frames), "frame"));
  }
  if (HasOwner(change.kind))
    return fmt::format(
        "{}  {} (pid {}), {}", change.kind == Kind::kOwnerCame ? "came     " : "left     ",
        Printable(change.owner.name), change.owner.pid, PagesText(change.owner.pages));
  switch (change.kind) {
    case Kind::kLaneAdded:
      if (HoldsEvents(change.lane))
        return fmt::format("added      {}, events at {} Hz", LaneKindName(change.lane.kind),
                           ToString(rate));
      return fmt::format("added      {}, {}, {} Hz", LaneKindName(change.lane.kind),
                         Count(change.lane.channels, "channel"), ToString(rate));
    case Kind::kLaneRemoved:
      return "removed";
    case Kind::kLaneEdited:
      if (change.before.name != change.lane.name)
        return fmt::format("renamed    it was '{}'", Printable(change.before.name));
      return fmt::format("described  {}", Printable(change.lane.description));
    default:
      return "";
  }
}

void PrintLine(const Change& change) {
  const auto now = SinceEpoch();
  const std::time_t seconds = now.count() / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  const std::string time = fmt::format("{:%H:%M:%S}.{:03}", local, now.count() % 1000);
  if (change.kind == Kind::kMetadataEdited)
    fmt::print("{}  metadata edited, generation {}\n", time, change.generation);
  else
    fmt::print("{}  {:<16}  {}\n", time, Printable(change.lane.name), Describe(change));
}

// What came of writes since they were last told: a line for each lane and kind of change.
class Summary {
 public:
  // Whether it is for here: a change of frames.
  bool Take(const Change& change) {
    if (!HasFrames(change.kind)) return false;
    const auto [at, fresh] = seen_.try_emplace({change.lane.id, change.kind}, change);
    if (fresh) return true;
    auto& all = at->second.frames;
    all = {std::min(all.first, change.frames.first), std::max(all.end, change.frames.end)};
    return true;
  }
  std::vector<Change> Tell() {
    std::vector<Change> told;
    for (const auto& [key, change] : seen_) told.push_back(change);
    seen_.clear();
    return told;
  }

 private:
  std::map<std::pair<LaneId, Kind>, Change> seen_;
};

}  // namespace

Result<void> RunWatch(const ReportArguments& arguments) {
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(Watcher watcher, canvas.Watch());
  const StopFlag stop;  // from here on Ctrl-C ends the loop
  if (!TheGlobals().json) {
    CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
    CANVAS_ASSIGN(const auto owners, canvas.Owners());
    fmt::print("{}: {}, {}; Ctrl-C ends\n", arguments.file, Count(lanes.size(), "lane"),
               Count(owners.size(), "owner"));
    std::fflush(stdout);
  }
  constexpr std::chrono::milliseconds kLook(200);  // how soon a death, or Ctrl-C, is noticed
  const auto tell = [&](const Change& change) {
    if (TheGlobals().json)
      fmt::print("{}\n", Line(ToJson(change)));
    else
      PrintLine(change);
  };
  Summary summary;
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kTogether(1);  // what a summary tells at a time
  Clock::time_point told = Clock::now();
  while (!stop.raised()) {
    CANVAS_ASSIGN(const auto changes, watcher.Next(kLook));
    for (const Change& change : changes) {
      if (arguments.summary && summary.Take(change)) continue;
      // What was written comes before its owner's going.
      if (arguments.summary) std::ranges::for_each(summary.Tell(), tell);
      tell(change);
    }
    if (const auto now = Clock::now(); arguments.summary && now - told >= kTogether) {
      std::ranges::for_each(summary.Tell(), tell);
      told = now;
    }
    // Whoever reads the lines went away: there is nothing left to do.
    if (std::fflush(stdout) != 0) break;
  }
  std::ranges::for_each(summary.Tell(), tell);
  return {};
}

}  // namespace canvas::cli
