// marker: points and ranges of the timeline, added, listed and removed.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

Result<std::uint32_t> ColorOf(const std::string& text) {
  std::uint32_t color = 0;
  const char* const end = text.data() + text.size();
  if (text.size() == 7 && text[0] == '#') {
    const auto [stop, error] = std::from_chars(text.data() + 1, end, color, 16);
    if (error == std::errc() && stop == end) return color;
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("--rgb: '{}' is no colour", text),
              "give it as '#rrggbb', such as '#ff8800'");
}

std::string ColorText(std::uint32_t color) {
  return color == 0 ? std::string() : fmt::format("#{:06x}", color);
}

// Exactly as it was given: seconds are not moved to a frame. Frames, and what counts back from the
// end, are of the lane.
Result<Time> TimeAt(const std::string& text, const Canvas& canvas,
                    const std::optional<LaneInfo>& lane) {
  if (!text.starts_with('-')) {
    CANVAS_ASSIGN(const Position position, ParsePosition(text));
    if (!position.is_frame) return InLowestTerms(position.time);
  }
  if (!lane)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is a time of a lane", text),
                "give --lane, or seconds from the beginning");
  CANVAS_ASSIGN(const LaneExtent extent, ExtentOf(canvas, *lane));
  CANVAS_ASSIGN(const Frame frame, FrameAt(text, lane->rate, extent.end));
  return TimeOfFrame(frame, lane->rate);
}

Result<void> CheckWithin(const Canvas& canvas, Time time, const std::string& text) {
  const auto seconds =
      static_cast<std::int64_t>(canvas.capacity_pages() * canvas.Info().page_seconds);
  if (!IsEarlier({seconds, 1}, time)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' lies past the capacity, {}", text, FormatTime({seconds, 1})),
              "give an earlier time, or make the timeline longer with `canvas resize`");
}

std::string LaneText(const std::vector<LaneInfo>& lanes, LaneId id) {
  if (id == LaneId(0)) return "-";
  const auto lane = std::ranges::find(lanes, id, &LaneInfo::id);
  constexpr std::size_t kColumns = 32;
  return lane == lanes.end() ? fmt::format("(lane {}, removed)", id.value())
                             : Clipped(Printable(lane->name), kColumns);
}

Json TimeJson(Time time) { return {{"num", time.num}, {"den", time.den}}; }

Json MarkerJson(const Marker& marker, const std::vector<LaneInfo>& lanes) {
  const auto lane = std::ranges::find(lanes, marker.lane, &LaneInfo::id);
  Json json = {{"id", marker.id},
               {"start", TimeJson(marker.start)},
               {"end", TimeJson(marker.end)},
               {"lane_id", marker.lane.value()},
               {"lane", lane == lanes.end() ? Json(nullptr) : Json(lane->name)},
               {"name", marker.name},
               {"color", marker.color == 0 ? Json(nullptr) : Json(ColorText(marker.color))},
               {"tags", marker.tags},
               {"data", nullptr}};
  if (marker.json.empty()) return json;
  // Another program may have put there what is no JSON: it is a text then.
  Json data = Json::parse(marker.json, nullptr, false);
  json["data"] = data.is_discarded() ? Json(marker.json) : std::move(data);
  return json;
}

std::string Described(const Marker& marker) {
  std::string text = fmt::format("marker {}", marker.id);
  if (!marker.name.empty()) text += fmt::format(" '{}'", Printable(marker.name));
  text += " at " + FormatTime(marker.start);
  if (marker.is_range()) text += " to " + FormatTime(marker.end);
  return text;
}

Result<void> Add(Canvas& canvas, const MarkerArguments& arguments) {
  if (arguments.what.size() != 1)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("add wants one TIME, and {} are given", arguments.what.size()),
                "such as 1:30; the end of a range goes behind --to");
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  std::optional<LaneInfo> lane;
  if (arguments.lane) {
    CANVAS_ASSIGN(lane, LaneNamed(lanes, *arguments.lane));
  }
  Marker marker{.lane = lane ? lane->id : LaneId(0),
                .name = arguments.name,
                .tags = arguments.tags,
                .json = arguments.data};
  CANVAS_ASSIGN(marker.start, TimeAt(arguments.what[0], canvas, lane));
  CANVAS_TRY(CheckWithin(canvas, marker.start, arguments.what[0]));
  marker.end = marker.start;
  if (arguments.to) {
    CANVAS_ASSIGN(marker.end, TimeAt(*arguments.to, canvas, lane));
    CANVAS_TRY(CheckWithin(canvas, marker.end, *arguments.to));
    if (!IsEarlier(marker.start, marker.end))
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("the range from {} to {} is empty", FormatTime(marker.start),
                              FormatTime(marker.end)),
                  "--to lies after the TIME; leave it out for a point");
  }
  if (arguments.color) {
    CANVAS_ASSIGN(marker.color, ColorOf(*arguments.color));
  }
  if (!marker.json.empty() && !Json::accept(marker.json))
    return Fail(ErrorCode::kInvalidArgument, "--data is not JSON", "such as '{\"take\": 3}'");
  CANVAS_ASSIGN(marker.id, canvas.AddMarker(marker));
  Say(MarkerJson(marker, lanes),
      fmt::format("{}{}\n", Described(marker),
                  lane ? fmt::format(", of lane '{}'", Printable(lane->name)) : ""));
  return {};
}

Result<void> Remove(Canvas& canvas, const MarkerArguments& arguments) {
  if (arguments.what.empty())
    return Fail(ErrorCode::kInvalidArgument, "rm wants the ID of a marker",
                "`canvas marker ls` lists them");
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  CANVAS_ASSIGN(const auto markers, canvas.Markers());
  // All are looked for before the first goes.
  std::vector<Marker> found;
  for (const std::string& text : arguments.what) {
    std::uint32_t id = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, id);
    const auto marker = std::ranges::find(markers, id, &Marker::id);
    if (error != std::errc() || stop != end || marker == markers.end())
      return Fail(ErrorCode::kNotFound, fmt::format("there is no marker '{}'", Printable(text)),
                  "`canvas marker ls` lists them, with their ids");
    if (std::ranges::find(found, id, &Marker::id) == found.end()) found.push_back(*marker);
  }
  for (const Marker& marker : found) {
    CANVAS_TRY(canvas.RemoveMarker(marker.id));
    Json json = MarkerJson(marker, lanes);
    json["removed"] = true;
    Say(json, Described(marker) + " removed\n");
  }
  return {};
}

Result<void> List(const Canvas& canvas, const MarkerArguments& arguments) {
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  CANVAS_ASSIGN(auto markers, canvas.Markers());
  if (arguments.lane) {
    CANVAS_ASSIGN(const LaneInfo lane, LaneNamed(lanes, *arguments.lane));
    std::erase_if(markers, [&](const Marker& marker) { return marker.lane != lane.id; });
  }
  std::erase_if(markers, [&](const Marker& marker) {
    return !std::ranges::all_of(arguments.tags, [&](const std::string& tag) {
      return std::ranges::find(marker.tags, tag) != marker.tags.end();
    });
  });
  if (TheGlobals().json) {
    Json json = Json::array();
    for (const Marker& marker : markers) json.push_back(MarkerJson(marker, lanes));
    Print(json);
    return {};
  }
  if (markers.empty()) {
    fmt::print("{}: no markers\n", arguments.file);
    return {};
  }
  constexpr std::size_t kColumns = 48;
  constexpr Table::Align kRight = Table::Align::kRight;
  Table table({{"id", kRight},
               {"at", kRight},
               {"to", kRight},
               {"lane"},
               {"name"},
               {"colour"},
               {"tags"},
               {"data"}});
  for (const Marker& marker : markers)
    table.Add({std::to_string(marker.id), FormatTime(marker.start),
               marker.is_range() ? FormatTime(marker.end) : "-", LaneText(lanes, marker.lane),
               Clipped(Printable(marker.name), kColumns), ColorText(marker.color),
               Clipped(Printable(fmt::format("{}", fmt::join(marker.tags, ", "))), kColumns),
               Clipped(Printable(marker.json), kColumns)});
  fmt::print("{}", table.Render());
  return {};
}

}  // namespace

std::string FormatTime(Time time) {
  constexpr Rate kMilliseconds{1000, 1};
  const auto frame = FrameOfTime(time, kMilliseconds);
  return frame ? FormatClock(*frame, kMilliseconds) : fmt::format("{}/{}", time.num, time.den);
}

Result<std::size_t> AddNewMarkers(Canvas& canvas, std::vector<Marker> markers) {
  if (markers.empty()) return std::size_t{0};
  CANVAS_ASSIGN(const auto there, canvas.Markers());
  std::erase_if(markers, [&](const Marker& marker) {
    const auto same = std::ranges::equal_range(there, marker.start, IsEarlier, &Marker::start);
    return std::ranges::any_of(same, [&](const Marker& other) {
      return other.lane == marker.lane && other.end == marker.end && other.name == marker.name;
    });
  });
  if (markers.empty()) return std::size_t{0};
  CANVAS_TRY(canvas.AddMarkers(markers));
  return markers.size();
}

Result<void> RunMarker(const MarkerArguments& arguments) {
  const bool list = arguments.action == "ls";
  CANVAS_ASSIGN(Canvas canvas, OpenCanvas(arguments.file, list ? "" : "canvas marker"));
  auto done = list                        ? List(canvas, arguments)
              : arguments.action == "add" ? Add(canvas, arguments)
                                          : Remove(canvas, arguments);
  if (!done) return std::unexpected(std::move(done).error().About(arguments.file));
  return canvas.Close();
}

}  // namespace canvas::cli
