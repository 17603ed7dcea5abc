// cp and fork: a canvas, or lanes of it, once more.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/commands.h"
#include "tools/cli/copy.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/signals.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

Result<LaneCopy> PlanFor(const Canvas& from, const CopyArguments& arguments, const LaneInfo& lane) {
  LaneCopy plan{lane, arguments.as.value_or(lane.name), {}, 0};
  CANVAS_ASSIGN(const LaneExtent extent, ExtentOf(from, lane));
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
  CANVAS_ASSIGN(plan.regions, WrittenOf(from, lane, plan.range));
  return plan;
}

Result<std::vector<LaneInfo>> LanesToCopy(const Canvas& from, const CopyArguments& arguments) {
  CANVAS_ASSIGN(const auto all, from.Lanes());
  std::vector<LaneInfo> lanes;
  if (arguments.lanes.empty()) {
    std::ranges::copy_if(all, std::back_inserter(lanes), IsKnown);
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
  return lanes;
}

void Tell(const CopyArguments& arguments, const LaneCopy& plan, std::uint64_t frames,
          std::size_t markers) {
  Say({{"lane", plan.lane.name},
       {"into", arguments.into},
       {"as", plan.name},
       {HoldsEvents(plan.lane) ? "events" : "frames", frames},
       {"markers", markers}},
      fmt::format("lane '{}' -> {}: {} ({}{})\n", Printable(plan.lane.name),
                  plan.name == plan.lane.name
                      ? arguments.into
                      : fmt::format("'{}' in {}", Printable(plan.name), arguments.into),
                  HoldsEvents(plan.lane)
                      ? FormatClock(Frame(plan.range.end - plan.range.first), plan.lane.rate)
                      : FormatClock(Frame(static_cast<std::int64_t>(frames)), plan.lane.rate),
                  Count(frames, HoldsEvents(plan.lane) ? "event" : "frame"),
                  markers == 0 ? "" : ", " + Count(markers, "marker")));
}

// Into the canvas at `path`; `whole`: with what belongs to no lane.
Result<void> CopyAll(const Canvas& from, const std::string& path, const CopyArguments& arguments,
                     const std::vector<LaneCopy>& plans, bool whole, const StopFlag& stop) {
  CANVAS_ASSIGN(Canvas to, OpenCanvas(path, "canvas cp"));
  CopyTargets targets(to);
  // Before the lanes that lie on them.
  if (whole) CANVAS_TRY(CopyTempoMaps(from, to));
  CANVAS_TRY(targets.Prepare(from, plans, arguments.overwrite));
  if (whole) CANVAS_TRY(CopyMarkersOfAll(from, to));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const LaneCopy& plan = plans[i];
    CANVAS_ASSIGN(const std::uint64_t frames, CopyLane(from, to, plan, targets.Begin(i), stop));
    CANVAS_ASSIGN(const std::size_t markers,
                  CopyMarkers(from, to, plan, !arguments.from && !arguments.to));
    Tell(arguments, plan, frames, markers);
  }
  return to.Close();
}

Result<void> CopyInto(const Canvas& from, const CopyArguments& arguments,
                      const std::vector<LaneInfo>& lanes) {
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
  auto copied = CopyAll(from, path, arguments, plans, fresh && arguments.lanes.empty(), stop);
  if (copied && fresh) copied = GiveName(path, arguments.into);
  if (fresh) {
    if (!copied) unlink(path.c_str());
    if (!copied && stop.raised())
      copied = Fail(ErrorCode::kBusy, "stopped; nothing is left of the copy", "copy it again");
    RemoveAtSignal("");
  }
  return copied;
}

}  // namespace

Result<void> RunCopy(const CopyArguments& arguments) {
  CANVAS_ASSIGN(const Canvas from, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(const std::vector<LaneInfo> lanes, LanesToCopy(from, arguments));
  auto copied = CopyInto(from, arguments, lanes);
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

}  // namespace canvas::cli
