// create and rm: making a canvas, and giving space back.
#include <fmt/format.h>

#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {

Result<void> RunCreate(const CreateArguments& arguments) {
  CreateOptions options;
  CANVAS_ASSIGN(options.rate, Rate::Make(arguments.rate));
  options.page_seconds = arguments.page_seconds;
  options.slots = arguments.slots;
  options.small_slots = arguments.small_slots;
  options.tool = "canvas create";
  CANVAS_ASSIGN(const Position hours, ParsePosition(arguments.hours));
  if (arguments.hours.find_first_of(":f") != std::string::npos)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is not a number of hours", arguments.hours),
                "give a decimal, such as 1.5");
  CANVAS_ASSIGN(const Frame seconds, hours.ToFrame(Rate{3600, 1}));
  options.capacity_seconds = static_cast<std::uint64_t>(seconds.value());
  CANVAS_TRY(Canvas::Create(arguments.file, options));
  CANVAS_ASSIGN(const Canvas canvas, Canvas::Open(arguments.file));
  CANVAS_ASSIGN(const DiskUsage usage, canvas.Usage());
  fmt::print("{}: room for {} of {} s; {} on the disk so far\n", arguments.file,
             Count(canvas.capacity_pages(), "page"), arguments.page_seconds,
             Bytes(usage.allocated_bytes));
  return {};
}

namespace {

Result<void> EraseRange(Canvas& canvas, const LaneInfo& lane, const RemoveArguments& arguments) {
  FrameRange range{
      Frame(0), FirstFrameOfPage(canvas.capacity_pages(), lane.rate, canvas.Info().page_seconds)};
  if (arguments.from) {
    CANVAS_ASSIGN(const Position from, ParsePosition(*arguments.from));
    CANVAS_ASSIGN(range.first, from.ToFrame(lane.rate));
  }
  if (arguments.to) {
    CANVAS_ASSIGN(const Position to, ParsePosition(*arguments.to));
    CANVAS_ASSIGN(range.end, to.ToFrame(lane.rate));
  }
  if (range.empty())
    return Fail(ErrorCode::kInvalidArgument, "the range is empty", "--to lies after --from");
  CANVAS_ASSIGN(LaneWriter writer, canvas.Own(lane.id));
  CANVAS_ASSIGN(const EraseReport report, writer.Erase(range));
  const auto duration = [&](std::uint64_t frames) {
    return FormatClock(Frame(static_cast<std::int64_t>(frames)), lane.rate);
  };
  const auto page_seconds = canvas.Info().page_seconds;
  if (report.erased_frames == 0 && report.kept_frames != 0)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("nothing was given back: all {} in the range share their page with "
                            "what lies outside it",
                            duration(report.kept_frames)),
                fmt::format("space is given back by whole pages of {} s", page_seconds));
  fmt::print("lane '{}': removed {}", lane.name, duration(report.erased_frames));
  if (report.kept_frames != 0)
    fmt::print("; {} stay, in pages of {} s that reach outside the range",
               duration(report.kept_frames), page_seconds);
  fmt::print("\n");
  return {};
}

}  // namespace

Result<void> RunRemove(const RemoveArguments& arguments) {
  CANVAS_ASSIGN(Canvas canvas,
                Canvas::Open(arguments.file, {.access = Access::kReadWrite, .name = "canvas rm"}));
  const auto run = [&]() -> Result<void> {
    CANVAS_ASSIGN(const LaneInfo lane, canvas.FindLane(arguments.lane));
    CANVAS_ASSIGN(const DiskUsage before, canvas.Usage());
    if (arguments.from || arguments.to) {
      CANVAS_TRY(EraseRange(canvas, lane, arguments));
    } else {
      CANVAS_TRY(canvas.RemoveLane(lane.id));
      fmt::print("lane '{}' removed\n", lane.name);
    }
    CANVAS_ASSIGN(const DiskUsage after, canvas.Usage());
    const std::uint64_t freed = before.allocated_bytes > after.allocated_bytes
                                    ? before.allocated_bytes - after.allocated_bytes
                                    : 0;
    fmt::print("  {} given back ({} B)\n", Bytes(freed), freed);
    return {};
  };
  auto removed = run();
  if (!removed) return std::unexpected(std::move(removed).error().About(arguments.file));
  return canvas.Close();
}

}  // namespace canvas::cli
