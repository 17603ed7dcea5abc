#include "canvas/metadata/lane_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "canvas/format/frame_format.h"

namespace canvas::metadata {
namespace {

using SlotsFunction = Result<std::uint32_t>(Rate, std::uint32_t channels, const format::Geometry&,
                                            format::SlotKind);

Result<std::uint32_t> SlotsOfFrames(Rate rate, std::uint32_t channels,
                                    const format::Geometry& geometry, format::SlotKind slots) {
  CANVAS_ASSIGN(const auto shape, format::FrameShape::Make(geometry, rate, channels, slots));
  return shape.slot_count();
}

// A page of events takes one slot, of either kind: how many go into it is its size's.
Result<std::uint32_t> SlotsOfEvents(Rate rate, std::uint32_t, const format::Geometry& geometry,
                                    format::SlotKind slots) {
  CANVAS_TRY(format::Timeline::Make(rate, geometry.fields().page_seconds));
  if (geometry.Slots(slots) == 0 || geometry.SlotBytes(slots) < 2 * format::kFileBlock)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the canvas has no {} slots of 8 KiB or more",
                            slots == format::SlotKind::kWide ? "wide" : "small"),
                "create the canvas with some");
  return 1;
}

struct Kind {
  LaneKind kind;
  std::string_view name;
  SlotsFunction* slots = nullptr;  // nullptr: not known here
};

constexpr std::array kKinds = {
    Kind{LaneKind::kUnknown, "unknown"},
    Kind{LaneKind::kAudio, "audio", SlotsOfFrames},
    Kind{LaneKind::kSignal, "signal", SlotsOfFrames},
    Kind{LaneKind::kMidi, "midi", SlotsOfEvents},
    Kind{LaneKind::kRecords, "records", SlotsOfEvents},
    Kind{LaneKind::kBus, "bus"},
};

const Kind& Of(LaneKind kind) {
  const auto found = std::ranges::find(kKinds, kind, &Kind::kind);
  return found == kKinds.end() ? kKinds.front() : *found;
}

}  // namespace

std::string_view LaneKindName(LaneKind kind) { return Of(kind).name; }

bool IsKnown(LaneKind kind) { return Of(kind).slots != nullptr; }

Result<std::uint32_t> SlotsNeeded(LaneKind kind, Rate rate, std::uint32_t channels,
                                  const format::Geometry& geometry, format::SlotKind slots) {
  if (!IsKnown(kind))
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("this version makes no lanes of the kind {}", LaneKindName(kind)));
  return Of(kind).slots(rate, channels, geometry, slots);
}

}  // namespace canvas::metadata
