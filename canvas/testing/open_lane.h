// A lane of a canvas, opened under the API: for tests that take an owner's steps by hand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "canvas/base/units.h"
#include "canvas/part/frames/frame_part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"

namespace canvas::testing {

struct OpenLane {
  OpenLane(const std::string& path, LaneId lane, const std::string& owner = "by hand");

  // Owns the lane over all of its pages; what dead owners intended is, it says, repaired, or not.
  storage::Ownership Own(bool repaired = true);
  storage::PartWords Part(PageIndex page) const {
    return file->Part(file->write_base(), page, place.slots, place.shape.block_stride());
  }
  // Where the part's bytes begin in the file.
  std::uint64_t Data(PageIndex page) const {
    return file->geometry().Page(page).value() + file->geometry().Data(place.slots);
  }

  std::shared_ptr<storage::CanvasFile> file;
  part::frames::FramePlace place;
  storage::OwnerTable owners;
};

}  // namespace canvas::testing
