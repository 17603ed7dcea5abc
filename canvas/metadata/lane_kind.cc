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

struct Kind {
  LaneKind kind;
  std::string_view name;
  SlotsFunction* slots = nullptr;  // nullptr: not known here
};

constexpr std::array kKinds = {
    Kind{LaneKind::kUnknown, "unknown"},
    Kind{LaneKind::kAudio, "audio", SlotsOfFrames},
    Kind{LaneKind::kSignal, "signal", SlotsOfFrames},
    Kind{LaneKind::kMidi, "midi"},
    Kind{LaneKind::kRecords, "records"},
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
