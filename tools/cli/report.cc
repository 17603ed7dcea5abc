// info, ls, du and check: what is in a canvas, in words and in JSON.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/speakers.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr Table::Align kRight = Table::Align::kRight;

std::string Duration(std::uint64_t frames, Rate rate) {
  return FormatClock(Frame(0) + frames, rate);
}

Json RateJson(Rate rate) {
  if (rate.den == 1) return rate.num;
  return ToString(rate);
}

// A name in a table: without what a terminal acts on, and no wider than is good for the others.
std::string NameCell(const std::string& name) {
  constexpr std::size_t kColumns = 48;
  return Clipped(Printable(name), kColumns);
}

bool IsUnfinished(const LaneInfo& lane) { return lane.description.starts_with(kUnfinished); }

std::string LocalTime(std::int64_t unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

Json InfoJson(const CanvasInfo& info, const std::vector<LaneSummary>& rows,
              const std::vector<OwnerInfo>& owners, std::size_t markers) {
  Json json = {{"uuid", info.uuid},
               {"format_version", info.format_version},
               {"rate", RateJson(info.rate)},
               {"page_seconds", info.page_seconds},
               {"slots", info.layout.wide_slots},
               {"small_slots", info.layout.small_slots},
               {"pages", {{"capacity", info.capacity_pages}, {"ready", info.ready_pages}}},
               {"markers", markers},
               {"lanes", Json::array()}};
  const auto tags_of = [](const LaneInfo& lane) {
    Json tags = Json::array();
    for (const SourceTag& tag : lane.tags)
      tags.push_back({{"name", tag.name}, {"value", tag.value}});
    return tags;
  };
  for (const auto& [lane, extent] : rows)
    json["lanes"].push_back({{"id", lane.id.value()},
                             {"name", lane.name},
                             {"kind", LaneKindName(lane.kind)},
                             {"channels", lane.channels},
                             {"rate", {{"num", lane.rate.num}, {"den", lane.rate.den}}},
                             {"written_frames", extent.written_frames},
                             {"first_frame", extent.first.value()},
                             {"end_frame", extent.end.value()},
                             {"speakers", lane.speakers},
                             {"tags", tags_of(lane)},
                             {"description", lane.description}});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!HoldsEvents(rows[i].lane)) continue;
    Json& lane = json["lanes"][i];
    lane["events"] = rows[i].extent.events;
    lane["tempo_map_id"] = rows[i].lane.tempo_map_id;
    lane["dense"] = rows[i].lane.dense;
  }
  json["owners"] = Json::array();
  for (const OwnerInfo& owner : owners) json["owners"].push_back(OwnerJson(owner));
  return json;
}

// Who writes just now.
void PrintOwners(const std::vector<LaneSummary>& rows, const std::vector<OwnerInfo>& owners) {
  Table table({{"id", kRight}, {"lane"}, {"owner"}, {"pid", kRight}, {"since"}, {"owns"}});
  for (const OwnerInfo& owner : owners) {
    const auto row =
        std::ranges::find(rows, owner.lane, [](const LaneSummary& r) { return r.lane.id; });
    table.Add({std::to_string(owner.lane.value()),
               row == rows.end() ? "?" : NameCell(row->lane.name), NameCell(owner.name),
               std::to_string(owner.pid), LocalTime(owner.since_unix_ns), PagesText(owner.pages)});
  }
  if (!owners.empty()) fmt::print("\n{}", table.Render());
}

void PrintInfo(const CanvasInfo& info, const std::vector<LaneSummary>& rows, std::size_t markers) {
  fmt::print("{}\n", Styled(Style::kHeading, info.path));
  if (!info.title.empty()) fmt::print("  {}\n", Printable(info.title));
  fmt::print("  canvas {}, format {}\n", info.uuid, info.format_version);
  fmt::print("  pages of {} s, {} of {} ready; {} wide slots for stereo at {} Hz, {} small ones\n",
             info.page_seconds, info.ready_pages, info.capacity_pages, info.layout.wide_slots,
             ToString(info.rate), info.layout.small_slots);
  if (info.mapped_pages < info.capacity_pages)
    fmt::print("  only the first {} can be reached here: for more, there is no address space\n",
               Count(info.mapped_pages, "page"));
  if (markers != 0)
    fmt::print("  {}: `canvas marker ls {}` lists them\n", Count(markers, "marker"),
               ShellWord(info.path));
  if (rows.empty()) {
    fmt::print("  no lanes yet: `canvas import {} FILE.wav` makes one\n", ShellWord(info.path));
    return;
  }
  Table table({{"id", kRight},
               {"lane"},
               {"kind"},
               {"ch", kRight},
               {"rate", kRight},
               {"from", kRight},
               {"to", kRight},
               {"written", kRight}});
  for (const auto& [lane, extent] : rows) {
    const bool any = extent.written_frames != 0 || extent.events != 0;
    table.Add({std::to_string(lane.id.value()), NameCell(lane.name),
               std::string(LaneKindName(lane.kind)),
               lane.channels > 2 && lane.speakers != 0
                   ? fmt::format("{} ({})", lane.channels, SpeakersText(lane.speakers))
               : HoldsEvents(lane) ? "-"
                                   : std::to_string(lane.channels),
               ToString(lane.rate), any ? FormatClock(extent.first, lane.rate) : "-",
               any ? FormatClock(extent.end, lane.rate) : "-",
               !any                ? "nothing"
               : HoldsEvents(lane) ? Count(extent.events, "event")
                                   : Duration(extent.written_frames, lane.rate)});
  }
  fmt::print("\n{}", table.Render());
  for (const LaneSummary& row : rows)
    for (const SourceTag& tag : row.lane.tags)
      if (!IsForPrograms(tag))
        fmt::print("  lane '{}' came with {}={}\n", Printable(row.lane.name), tag.name,
                   Printable(tag.value));
  for (const LaneSummary& row : rows)
    if (IsUnfinished(row.lane))
      fmt::print("\n  lane '{}' is an {}: do it again with --overwrite, or `canvas rm`\n",
                 Printable(row.lane.name),
                 Styled(Style::kWarning, Printable(row.lane.description)));
}

}  // namespace

namespace {

// A header that was lost takes lanes with it: whoever looks is told.
void WarnIfRecovered(const Canvas& canvas) {
  const CanvasInfo info = canvas.Info();
  if (!info.header_recovered) return;
  constexpr const char* kWhat =
      "the newest header cannot be read, and an older one is in use; lanes may be missing (see "
      "`canvas check`)";
  if (TheGlobals().json) return Remark(fmt::format("{}: warning: {}", info.path, kWhat));
  std::fputs(fmt::format("canvas: {}: {} {}\n", info.path,
                         Styled(Style::kWarning, "warning:", stderr), kWhat)
                 .c_str(),
             stderr);
}

}  // namespace

Json OwnerJson(const OwnerInfo& owner) {
  return {{"lane_id", owner.lane.value()},
          {"name", owner.name},
          {"pid", owner.pid},
          {"since_unix_ns", owner.since_unix_ns},
          {"first_page", owner.pages.first.value()},
          {"end_page", owner.pages.end.value()}};
}

std::string PagesText(PageRange pages) {
  const std::uint32_t count = pages.end.value() - pages.first.value();
  if (pages.first == PageIndex(0) && count == format::kMaxPages) return "all pages";
  if (count == 1) return fmt::format("page {}", pages.first.value());
  return fmt::format("pages {} to {}", pages.first.value(), pages.end.value() - 1);
}

Result<void> RunInfo(const ReportArguments& arguments) {
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  WarnIfRecovered(canvas);
  CANVAS_ASSIGN(const auto rows, canvas.LaneExtents());
  CANVAS_ASSIGN(const auto owners, canvas.Owners());
  CANVAS_ASSIGN(const auto markers, canvas.Markers());
  if (TheGlobals().json) {
    Print(InfoJson(canvas.Info(), rows, owners, markers.size()));
  } else {
    PrintInfo(canvas.Info(), rows, markers.size());
    PrintOwners(rows, owners);
  }
  return {};
}

Result<void> RunDu(const ReportArguments& arguments) {
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  WarnIfRecovered(canvas);
  CANVAS_ASSIGN(const DiskUsage usage, canvas.Usage());
  if (TheGlobals().json) {
    Json json = {{"apparent_bytes", usage.apparent_bytes},
                 {"allocated_bytes", usage.allocated_bytes},
                 {"written_bytes", usage.written_bytes},
                 {"lanes", Json::array()}};
    for (const auto& lane : usage.lanes)
      json["lanes"].push_back(
          {{"id", lane.id.value()}, {"name", lane.name}, {"written_bytes", lane.written_bytes}});
    Print(json);
    return {};
  }
  fmt::print("{}\n", Styled(Style::kHeading, arguments.file));
  Table totals({{""}, {"", kRight}, {"", kRight}, {""}});
  const auto row = [&](const char* name, std::uint64_t bytes, const char* meaning) {
    totals.Add({name, Bytes(bytes), fmt::format("{} B", bytes), meaning});
  };
  row("apparent", usage.apparent_bytes, "the file's size, holes and all");
  row("allocated", usage.allocated_bytes, "on the disk, as the file system counts");
  row("written", usage.written_bytes, "frames and events that can be read");
  // The rows speak for themselves: without the line of titles.
  const std::string text = totals.Render();
  fmt::print("{}", text.substr(text.find('\n') + 1));
  if (!usage.lanes.empty()) {
    Table table({{"id", kRight}, {"lane"}, {"written", kRight}, {"bytes", kRight}});
    for (const auto& lane : usage.lanes)
      table.Add({std::to_string(lane.id.value()), NameCell(lane.name), Bytes(lane.written_bytes),
                 std::to_string(lane.written_bytes)});
    fmt::print("\n{}", table.Render());
  }
  return {};
}

Result<void> RunList(const ReportArguments& arguments) {
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  WarnIfRecovered(canvas);
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  Json json = Json::array();
  Table table({{"lane"},
               {"from", kRight},
               {"to", kRight},
               {"length", kRight},
               {"frames", kRight},
               {"gap before", kRight}});
  for (const LaneInfo& lane : lanes) {
    if (HoldsEvents(lane)) {
      CANVAS_ASSIGN(const LaneExtent extent, ExtentOf(canvas, lane));
      const bool any = extent.events != 0;
      const auto length = static_cast<std::uint64_t>(extent.end - extent.first);
      table.Add({NameCell(lane.name), any ? FormatClock(extent.first, lane.rate) : "-",
                 any ? FormatClock(extent.end, lane.rate) : "-",
                 any ? Duration(length, lane.rate) : "nothing", Count(extent.events, "event"),
                 "-"});
      json.push_back({{"id", lane.id.value()},
                      {"name", lane.name},
                      {"rate", {{"num", lane.rate.num}, {"den", lane.rate.den}}},
                      {"events", extent.events},
                      {"first_frame", extent.first.value()},
                      {"end_frame", extent.end.value()}});
      continue;
    }
    if (lane.kind != LaneKind::kAudio && lane.kind != LaneKind::kSignal) continue;
    CANVAS_ASSIGN(const LaneReader reader, canvas.Reader(lane.id));
    const Frame limit =
        FirstFrameOfPage(canvas.capacity_pages(), lane.rate, canvas.Info().page_seconds);
    CANVAS_ASSIGN(const auto ranges, reader.WrittenRanges({Frame(0), limit}));
    Frame before(0);
    Json regions = Json::array();
    for (const FrameRange& range : ranges) {
      const auto frames = static_cast<std::uint64_t>(range.end - range.first);
      const auto gap = static_cast<std::uint64_t>(range.first - before);
      table.Add({NameCell(lane.name), FormatClock(range.first, lane.rate),
                 FormatClock(range.end, lane.rate), Duration(frames, lane.rate),
                 std::to_string(frames), gap == 0 ? "-" : Duration(gap, lane.rate)});
      regions.push_back({{"first_frame", range.first.value()}, {"end_frame", range.end.value()}});
      before = range.end;
    }
    if (ranges.empty()) table.Add({NameCell(lane.name), "-", "-", "nothing", "0", "-"});
    json.push_back({{"id", lane.id.value()},
                    {"name", lane.name},
                    {"rate", {{"num", lane.rate.num}, {"den", lane.rate.den}}},
                    {"regions", std::move(regions)}});
  }
  if (TheGlobals().json) {
    Print(json);
  } else if (lanes.empty()) {
    fmt::print("{}: no lanes\n", arguments.file);
  } else {
    fmt::print("{}", table.Render());
  }
  return {};
}

Result<bool> RunCheck(const ReportArguments& arguments) {
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(const CheckReport report, canvas.Check());
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  std::vector<std::string> notes = report.notes;
  for (const LaneInfo& lane : lanes)
    if (IsUnfinished(lane))
      notes.push_back(fmt::format("lane '{}' is an {}", lane.name, lane.description));
  if (TheGlobals().json) {
    Print({{"file", arguments.file},
           {"ok", report.ok()},
           {"lanes", report.lanes},
           {"pages", report.pages},
           {"parts", report.parts},
           {"blocks", report.blocks},
           {"notes", notes},
           {"findings", report.findings},
           {"samples_checked", false}});
    return report.ok();
  }
  fmt::print("{}: looked at 2 superblocks, the header, the owner table, {}, {}, {} and {}\n",
             arguments.file, Count(report.lanes, "lane"), Count(report.pages, "page"),
             Count(report.parts, "part") + " of lanes", Count(report.blocks, "written block"));
  for (const std::string& note : notes)
    fmt::print("  {} {}\n", Styled(Style::kWarning, "note:"), Printable(note));
  if (report.ok())
    fmt::print(
        "  nothing is wrong with these; not looked at: the samples, which carry no checksums\n");
  std::fflush(stdout);
  for (const std::string& finding : report.findings)
    Complain(fmt::format("{}: {}", arguments.file, finding));
  return report.ok();
}

}  // namespace canvas::cli
