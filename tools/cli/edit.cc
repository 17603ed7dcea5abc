// Changes other than import: making a canvas, giving space back, silence, names.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/descriptor.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

Result<std::uint64_t> SecondsOf(const std::string& hours) {
  const auto position = ParsePosition(hours);
  if (!position || hours.find_first_of(":f") != std::string::npos)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--hours: '{}' is not a number of hours", hours),
                "give a decimal, such as 1.5");
  CANVAS_ASSIGN(const Frame seconds, position->ToFrame(Rate{3600, 1}));
  return static_cast<std::uint64_t>(seconds.value());
}

Result<mode_t> ModeOf(const std::string& text) {
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() || mode > 0777 ||
      (mode & 0600) != 0600)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("--mode: '{}' is no mode", text),
                "give octal digits in which the owner reads and writes, such as 660");
  return static_cast<mode_t>(mode);
}

// The longest file that the file system makes in the folder of `path`; 0: it cannot be told.
std::uint64_t LongestFile(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const Descriptor fd(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return 0;
  // What lies above is too long, for a limit of this process or for the file system.
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  std::uint64_t fits = 0;
  for (std::uint64_t step = std::uint64_t{1} << 62; step != 0; step /= 2)
    if (ftruncate(fd.get(), static_cast<off_t>(fits + step)) == 0) fits += step;
  std::signal(SIGXFSZ, previous);
  return fits;
}

// What is too long for the file system is told with how much would not be.
Result<void> Create(const std::string& path, CreateOptions options) {
  auto created = Canvas::Create(path, options);
  if (created || created.error().errno_value() != EFBIG) return created;
  const std::uint64_t longest = LongestFile(path);
  std::uint64_t hours = 0;
  for (std::uint64_t step = std::uint64_t{1} << 14; step != 0; step /= 2) {
    options.capacity_seconds = (hours + step) * 3600;
    const auto bytes = Canvas::LargestFile(options);
    if (bytes && *bytes <= longest) hours += step;
  }
  if (hours == 0) return created;
  return std::unexpected(
      Error(ErrorCode::kNoSpace,
            fmt::format("the file would be too long: files here have at most {}", Bytes(longest)),
            fmt::format("with these slots {} fit; fewer --slots leave room for more",
                        Count(hours, "hour")))
          .About(path));
}

}  // namespace

Result<Canvas> OpenCanvas(const std::string& file, const std::string& writer) {
  return Canvas::Open(file, {.access = writer.empty() ? Access::kReadOnly : Access::kReadWrite,
                             .name = writer,
                             .max_map_bytes = TheGlobals().max_map_bytes,
                             .allow_remote = TheGlobals().allow_remote});
}

Result<void> RunCreate(const CreateArguments& arguments) {
  CreateOptions options;
  CANVAS_ASSIGN(options.rate, Rate::Make(arguments.rate));
  options.page_seconds = arguments.page_seconds;
  options.layout.wide_slots = arguments.slots;
  options.layout.small_slots = arguments.small_slots;
  options.title = arguments.title;
  options.tool = "canvas create";
  options.allow_remote = TheGlobals().allow_remote;
  if (arguments.mode) {
    CANVAS_ASSIGN(options.mode, ModeOf(*arguments.mode));
    umask(0);  // as it was said
  }
  CANVAS_ASSIGN(options.capacity_seconds, SecondsOf(arguments.hours));
  const std::uint64_t most = format::kMaxPages * arguments.page_seconds;
  if (options.capacity_seconds > most || options.capacity_seconds == 0)
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("--hours: {} are {}", arguments.hours,
                          options.capacity_seconds == 0 ? "no time" : "too many"),
              fmt::format("with pages of {} s there is room for {:.1f} hours",
                          arguments.page_seconds, static_cast<double>(most) / 3600))
            .About(arguments.file));
  CANVAS_TRY(Create(arguments.file, options));
  // What it costs is said where it can be opened: where the address space is small it cannot
  // always.
  const auto canvas = OpenCanvas(arguments.file);
  const auto usage = canvas ? canvas->Usage() : Result<DiskUsage>(std::unexpected(canvas.error()));
  if (!usage) {
    Say({{"file", arguments.file}}, fmt::format("{}: made\n", arguments.file));
    Remark(fmt::format("{}: it cannot be opened here: {}", arguments.file, usage.error().what()));
    return {};
  }
  Say({{"file", arguments.file},
       {"capacity_pages", canvas->capacity_pages()},
       {"page_seconds", arguments.page_seconds},
       {"allocated_bytes", usage->allocated_bytes}},
      fmt::format("{}: room for {} of {} s; {} on the disk so far\n", arguments.file,
                  Count(canvas->capacity_pages(), "page"), arguments.page_seconds,
                  Bytes(usage->allocated_bytes)));
  return {};
}

namespace {

Result<FrameRange> RangeIn(const Canvas& canvas, const RangeArguments& arguments,
                           const LaneInfo& lane) {
  CANVAS_ASSIGN(const LaneExtent extent, ExtentOf(canvas, lane));
  const Frame end = extent.end;
  const Frame limit =
      FirstFrameOfPage(canvas.capacity_pages(), lane.rate, canvas.Info().page_seconds);
  FrameRange range{Frame(0), limit};
  if (arguments.from) {
    CANVAS_ASSIGN(range.first, FrameAt(*arguments.from, lane.rate, end));
  }
  if (arguments.to) {
    CANVAS_ASSIGN(range.end, FrameAt(*arguments.to, lane.rate, end));
  }
  if (range.first >= limit || range.end > limit)
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} lies past the capacity, {}", range.first >= limit ? "--from" : "--to",
                    FormatClock(limit, lane.rate)),
        "give an earlier time");
  if (range.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the range from {} to {} is empty", FormatClock(range.first, lane.rate),
                            FormatClock(range.end, lane.rate)),
                "--to lies after --from");
  return range;
}

// Zeros over what is written in the range: what is not stays so. Answers how many frames.
Result<std::uint64_t> Silence(const Canvas& canvas, FrameWriter& writer, FrameRange range) {
  CANVAS_ASSIGN(const LaneReader reader, canvas.Reader(writer.lane().id));
  CANVAS_ASSIGN(const auto written, reader.WrittenRanges(range));
  const std::uint32_t channels = writer.lane().channels;
  const std::vector<float> zeros(std::max<std::size_t>((std::size_t{1} << 19) / channels, 1) *
                                 channels);
  std::uint64_t silenced = 0;
  for (const FrameRange& part : written)
    for (Frame at = part.first; at < part.end;) {
      const std::uint64_t count = writer.PreferredFrames(
          at, std::min<std::uint64_t>(zeros.size() / channels,
                                      static_cast<std::uint64_t>(part.end - at)));
      CANVAS_TRY(writer.Write(at, std::span(zeros).first(count * channels)));
      at = at + count;
      silenced += count;
    }
  return silenced;
}

std::string DurationOf(std::uint64_t frames, Rate rate) {
  return FormatClock(Frame(0) + frames, rate);
}

struct Removed {
  EraseReport report;
  std::string words;
};

// Exact to the frame.
Result<Removed> EraseRange(Canvas& canvas, const LaneInfo& lane, const RangeArguments& arguments) {
  CANVAS_ASSIGN(const FrameRange range, RangeIn(canvas, arguments, lane));
  CANVAS_ASSIGN(LaneOwner owner, canvas.Own(lane.id));
  CANVAS_ASSIGN(const EraseReport report, owner.Erase(range));
  if (HoldsEvents(lane))
    return Removed{report, fmt::format("lane '{}': removed {}\n", Printable(lane.name),
                                       Count(report.erased_events, "event"))};
  std::string words =
      fmt::format("lane '{}': removed {}", Printable(lane.name),
                  DurationOf(report.erased_frames + report.zeroed_frames, lane.rate));
  if (report.zeroed_frames != 0)
    words += fmt::format(", of which {} became zeros: {} a block with what stays",
                         DurationOf(report.zeroed_frames, lane.rate),
                         report.zeroed_frames == 1 ? "it shares" : "they share");
  return Removed{report, words + "\n"};
}

template <typename Call>
Result<void> Edit(const std::string& file, const std::string& name, Call call) {
  CANVAS_ASSIGN(Canvas canvas, OpenCanvas(file, name));
  const auto run = [&]() -> Result<void> { return call(canvas); };
  if (auto done = run(); !done) return std::unexpected(std::move(done).error().About(file));
  return canvas.Close();
}

Result<LaneInfo> LaneNamed(const Canvas& canvas, const std::string& name) {
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  return cli::LaneNamed(lanes, name);
}

}  // namespace

Result<void> RunRemove(const RangeArguments& arguments) {
  return Edit(arguments.file, "canvas rm", [&](Canvas& canvas) -> Result<void> {
    CANVAS_ASSIGN(const LaneInfo lane, LaneNamed(canvas, arguments.lane));
    const auto allocated = [&] { return AllocatedBytes(arguments.file); };
    const std::uint64_t before = allocated();
    Removed removed;
    const bool whole = !arguments.from && !arguments.to;
    if (whole) {
      CANVAS_TRY(canvas.RemoveLane(lane.id));
      removed.words = fmt::format("lane '{}' removed\n", Printable(lane.name));
    } else {
      CANVAS_ASSIGN(removed, EraseRange(canvas, lane, arguments));
    }
    const std::uint64_t after = allocated();
    const std::uint64_t freed = before > after ? before - after : 0;
    Json json = {{"lane", lane.name}, {"whole_lane", whole}, {"freed_bytes", freed}};
    if (!whole) {
      json["erased_frames"] = removed.report.erased_frames;
      json["zeroed_frames"] = removed.report.zeroed_frames;
      json["erased_events"] = removed.report.erased_events;
    }
    Say(json, removed.words + fmt::format("  {} given back ({} B)\n", Bytes(freed), freed));
    return {};
  });
}

Result<void> RunSilence(const RangeArguments& arguments) {
  return Edit(arguments.file, "canvas silence", [&](Canvas& canvas) -> Result<void> {
    CANVAS_ASSIGN(const LaneInfo lane, LaneNamed(canvas, arguments.lane));
    if (HoldsEvents(lane))
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("lane '{}' holds events, which no zeros take the place of",
                              Printable(lane.name)),
                  "`canvas rm --from --to` removes them");
    CANVAS_ASSIGN(const FrameRange range, RangeIn(canvas, arguments, lane));
    CANVAS_ASSIGN(FrameWriter writer, canvas.Writer(lane.id));
    CANVAS_ASSIGN(const std::uint64_t frames, Silence(canvas, writer, range));
    Say({{"lane", lane.name}, {"silenced_frames", frames}},
        fmt::format("lane '{}': {} are zeros now ({})\n", Printable(lane.name),
                    DurationOf(frames, lane.rate), Count(frames, "frame")));
    return {};
  });
}

Result<void> RunResize(const ResizeArguments& arguments) {
  return Edit(arguments.file, "canvas resize", [&](Canvas& canvas) -> Result<void> {
    CANVAS_ASSIGN(const std::uint64_t seconds, SecondsOf(arguments.hours));
    CANVAS_TRY(canvas.RaiseCapacity(seconds));
    Say({{"file", arguments.file}, {"capacity_pages", canvas.capacity_pages()}},
        fmt::format("{}: room for {} of {} s\n", arguments.file,
                    Count(canvas.capacity_pages(), "page"), canvas.Info().page_seconds));
    return {};
  });
}

Result<void> RunRename(const TextArguments& arguments) {
  return Edit(arguments.file, "canvas mv", [&](Canvas& canvas) -> Result<void> {
    CANVAS_ASSIGN(const LaneInfo lane, LaneNamed(canvas, arguments.lane));
    CANVAS_TRY(canvas.RenameLane(lane.id, arguments.text));
    Say({{"lane", arguments.text}, {"name_before", lane.name}},
        fmt::format("lane '{}' is '{}' now\n", Printable(lane.name), Printable(arguments.text)));
    return {};
  });
}

Result<void> RunDescribe(const TextArguments& arguments) {
  return Edit(arguments.file, "canvas describe", [&](Canvas& canvas) -> Result<void> {
    CANVAS_ASSIGN(const LaneInfo lane, LaneNamed(canvas, arguments.lane));
    return canvas.DescribeLane(lane.id, arguments.text);
  });
}

}  // namespace canvas::cli
