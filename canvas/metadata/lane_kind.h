// The kinds of lanes, and what the header must know of each: its name, and how many slots a lane of
// it needs. A row here and one in canvas/part/contents.cc are what makes a kind known.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/format/geometry.h"

namespace canvas::metadata {

enum class LaneKind : std::uint8_t {
  kUnknown = 0,
  kAudio = 1,
  kSignal = 2,
  kMidi = 3,
  kRecords = 4,
  kBus = 5
};
std::string_view LaneKindName(LaneKind kind);

// Whether a lane of this kind holds float32 frames.
constexpr bool HoldsFrames(LaneKind kind) {
  return kind == LaneKind::kAudio || kind == LaneKind::kSignal;
}

// Whether a lane of this kind holds events: things at positions, with bytes of their own.
constexpr bool HoldsEvents(LaneKind kind) {
  return kind == LaneKind::kMidi || kind == LaneKind::kRecords;
}

// Whether this version reads and writes lanes of this kind. Others are opaque: listed, and left
// alone with their slots.
bool IsKnown(LaneKind kind);

// How many slots of `slots` in a row a page of such a lane needs. Of a kind that is known.
// Errors: kInvalidArgument where no number of them would do, or the rate or the channels are none
// of this kind's.
Result<std::uint32_t> SlotsNeeded(LaneKind kind, Rate rate, std::uint32_t channels,
                                  const format::Geometry& geometry, format::SlotKind slots);

}  // namespace canvas::metadata
