// Where a lane's parts lie, whatever the lane holds.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>

#include "canvas/base/units.h"
#include "canvas/format/geometry.h"
#include "canvas/format/timeline.h"

namespace canvas::part {

// Immutable for the life of the lane.
struct LanePlace {
  LaneId id;
  format::SlotRun slots;
  format::Timeline timeline;
  // How the slots' version words are used: so many, of blocks of so many bytes. 0 where the content
  // has none.
  std::uint64_t blocks = 0;
  std::uint32_t block_stride = 0;
};

}  // namespace canvas::part
