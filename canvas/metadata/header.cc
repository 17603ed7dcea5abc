#include "canvas/metadata/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "canvas/base/utf8.h"

namespace canvas::metadata {
namespace {

std::unexpected<Error> Bad(const LaneRecord& lane, std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("header: lane {}: {}", lane.id.value(), what));
}

}  // namespace

const LaneRecord* Header::Find(LaneId id) const {
  const auto found = std::ranges::find(lanes, id, &LaneRecord::id);
  return found == lanes.end() ? nullptr : &*found;
}

const LaneRecord* Header::Find(std::string_view name) const {
  const auto found = std::ranges::find(lanes, name, &LaneRecord::name);
  return found == lanes.end() ? nullptr : &*found;
}

Result<void> ValidateLaneName(std::string_view name) {
  constexpr std::size_t kMaxNameBytes = 255;
  constexpr const char* kHint =
      "a lane's name is 1 to 255 bytes of UTF-8 without control characters";
  if (name.empty()) return Fail(ErrorCode::kInvalidArgument, "the lane's name is empty", kHint);
  if (name.size() > kMaxNameBytes)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the lane's name has {} bytes", name.size()), kHint);
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t length = Utf8Length(rest);
    if (length == 0)
      return Fail(ErrorCode::kInvalidArgument, "the lane's name is not valid UTF-8", kHint);
    const auto lead = static_cast<unsigned char>(rest[0]);
    const bool c1 = lead == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0;
    if (lead < 0x20 || lead == 0x7F || c1)
      return Fail(ErrorCode::kInvalidArgument, "the lane's name has a control character", kHint);
    rest.remove_prefix(length);
  }
  return {};
}

Result<void> ValidateSourceTags(std::span<const SourceTag> tags) {
  if (tags.size() > kMaxSourceTags)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("the lane has {} tags", tags.size()),
                fmt::format("it has at most {}", kMaxSourceTags));
  for (const SourceTag& tag : tags) {
    if (tag.name.empty() || tag.name.size() > kMaxSourceTagNameBytes ||
        !std::ranges::all_of(tag.name, [](char c) { return c >= ' ' && c <= '}' && c != '='; }))
      return Fail(ErrorCode::kInvalidArgument, "the name of one of the lane's tags is none",
                  "it is 1 to 255 characters from space to }, and no =");
    if (tag.value.size() > kMaxSourceTagValueBytes || !IsUtf8(tag.value))
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("the value of the lane's tag {} is too long, or not UTF-8", tag.name),
                  fmt::format("it has at most {} bytes of UTF-8", kMaxSourceTagValueBytes));
  }
  return {};
}

Result<void> CheckTexts(const Header& header) {
  const auto check = [](const std::string& text, std::string_view what) -> Result<void> {
    if (text.size() <= kMaxTextBytes) return {};
    return Fail(ErrorCode::kLimit, fmt::format("{} of {} bytes", what, text.size()),
                fmt::format("it has at most {}", kMaxTextBytes));
  };
  CANVAS_TRY(check(header.title, "a title"));
  CANVAS_TRY(check(header.description, "a description"));
  CANVAS_TRY(check(header.provenance.tool, "the name of a tool"));
  CANVAS_TRY(check(header.provenance.writer, "the name of a writer"));
  for (const LaneRecord& lane : header.lanes) {
    CANVAS_TRY(check(lane.description, "a description"));
    CANVAS_TRY(check(lane.provenance.tool, "the name of a tool"));
    CANVAS_TRY(check(lane.provenance.writer, "the name of a writer"));
  }
  for (const TempoMap& map : header.tempo_maps)
    CANVAS_TRY(check(map.name, "the name of a tempo map"));
  return {};
}

namespace {

Result<void> ValidateMarkers(const Header& header) {
  if (header.markers.size() > kMaxMarkers)
    return Fail(ErrorCode::kCorrupt, fmt::format("header: {} markers, and at most {} can be",
                                                 header.markers.size(), kMaxMarkers));
  std::set<std::uint32_t> ids;
  const Marker* previous = nullptr;
  for (const Marker& marker : header.markers) {
    const auto bad = [&](std::string_view what) {
      return Fail(ErrorCode::kCorrupt, fmt::format("header: marker {}: {}", marker.id, what));
    };
    if (marker.id == 0 || marker.id >= header.next_marker_id)
      return bad("the id was never given out");
    if (!ids.insert(marker.id).second) return bad("two markers have its id");
    if (auto valid = ValidateMarker(marker); !valid) return bad(valid.error().what());
    if (previous != nullptr && !ComesBefore(*previous, marker))
      return bad("markers do not ascend by position");
    previous = &marker;
  }
  return {};
}

}  // namespace

Result<void> ValidateHeader(const Header& header, const format::Geometry& geometry) {
  std::set<std::string_view> names;
  std::set<std::pair<format::SlotKind, std::uint32_t>> taken;
  LaneId previous(0);
  for (const LaneRecord& lane : header.lanes) {
    if (!(previous < lane.id)) return Bad(lane, "ids do not ascend");
    if (lane.id.value() >= header.next_lane_id) return Bad(lane, "the id was never given out");
    previous = lane.id;
    if (auto name = ValidateLaneName(lane.name); !name) return Bad(lane, name.error().what());
    if (!names.insert(lane.name).second) return Bad(lane, "two lanes have its name");
    if (auto tags = ValidateSourceTags(lane.tags); !tags) return Bad(lane, tags.error().what());
    const bool opaque = !IsKnown(lane.kind);
    if (opaque && lane.slots.count == 0) continue;
    if (!geometry.Holds(lane.slots)) return Bad(lane, "its slots lie outside the page");
    if (!opaque) {
      const auto rate = Rate::Make(lane.rate.num, lane.rate.den);
      if (!rate || *rate != lane.rate)
        return Bad(lane, "its rate is not a fraction in lowest terms");
      const auto needed =
          SlotsNeeded(lane.kind, lane.rate, lane.channels, geometry, lane.slots.kind);
      if (!needed) return Bad(lane, needed.error().what());
      if (*needed != lane.slots.count) return Bad(lane, "it has a wrong number of slots");
    }
    for (std::uint32_t i = 0; i < lane.slots.count; ++i)
      if (!taken.emplace(lane.slots.kind, lane.slots.first + i).second)
        return Bad(lane, "it shares a slot with another lane");
  }
  std::uint32_t previous_map = 0;
  for (const TempoMap& map : header.tempo_maps) {
    const auto bad = [&](std::string_view what) {
      return Fail(ErrorCode::kCorrupt, fmt::format("header: tempo map {}: {}", map.id, what));
    };
    if (map.id <= previous_map) return bad("ids do not ascend");
    if (map.id >= header.next_tempo_map_id) return bad("the id was never given out");
    if (auto valid = ValidateTempoMap(map); !valid) return bad(valid.error().what());
    previous_map = map.id;
  }
  CANVAS_TRY(ValidateMarkers(header));
  if (header.next_lane_id > format::kMaxLaneId + 1)
    return Fail(ErrorCode::kCorrupt, "header: the next lane id is out of range");
  return {};
}

namespace {

// Which slots of a kind no lane has.
std::vector<bool> FreeSlots(const Header& header, const format::Geometry& geometry,
                            format::SlotKind kind) {
  std::vector<bool> free(geometry.Slots(kind), true);
  for (const LaneRecord& lane : header.lanes)
    if (lane.slots.kind == kind)
      for (std::uint32_t i = 0; i < lane.slots.count; ++i) free[lane.slots.first + i] = false;
  return free;
}

std::optional<format::SlotRun> FirstRun(const std::vector<bool>& free, format::SlotKind kind,
                                        std::uint32_t count) {
  std::uint32_t run = 0;
  for (std::uint32_t slot = 0; slot < free.size(); ++slot) {
    run = free[slot] ? run + 1 : 0;
    if (run == count) return format::SlotRun{kind, slot + 1 - count, count};
  }
  return std::nullopt;
}

}  // namespace

Result<format::SlotRun> FindSlots(const Header& header, const format::Geometry& geometry,
                                  LaneKind kind, Rate rate, std::uint32_t channels,
                                  bool wide_only) {
  using format::SlotKind;
  const auto small = FreeSlots(header, geometry, SlotKind::kSmall);
  const auto wide = FreeSlots(header, geometry, SlotKind::kWide);
  const auto small_needed = SlotsNeeded(kind, rate, channels, geometry, SlotKind::kSmall);
  const bool fits = small_needed && !wide_only;
  if (fits)
    if (const auto run = FirstRun(small, SlotKind::kSmall, 1)) return *run;
  // More wide slots than there are at all is another error, but not of a lane that a small one
  // would do for.
  const auto wides = SlotsNeeded(kind, rate, channels, geometry, SlotKind::kWide);
  if (!wides && !fits) return std::unexpected(wides.error());
  if (wides)
    if (const auto run = FirstRun(wide, SlotKind::kWide, *wides)) return *run;
  const std::uint32_t needed = wides ? *wides : 0;
  const auto left = [](const std::vector<bool>& free) {
    return fmt::format("{} of {}", std::ranges::count(free, true), free.size());
  };
  const std::string wants = (needed == 0   ? std::string()
                             : needed == 1 ? std::string("a wide slot")
                                           : fmt::format("{} wide slots in a row", needed)) +
                            (!fits         ? ""
                             : needed == 0 ? "a small slot"
                                           : ", or a small one");
  return Fail(ErrorCode::kLimit,
              fmt::format("the lane needs {}; {} wide and {} small slots are free", wants,
                          left(wide), left(small)),
              "remove a lane, or create a canvas with more slots");
}

}  // namespace canvas::metadata
