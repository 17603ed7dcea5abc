// The inside of a LaneOwner. Not for users.
#pragma once

#include <memory>
#include <utility>

#include "canvas/api/core.h"
#include "canvas/api/lane_owner.h"
#include "canvas/part/content.h"

namespace canvas {

class Canvas;

class OwnedLane {
 public:
  OwnedLane(std::shared_ptr<CanvasCore> the_core, storage::Ownership the_ownership,
            std::unique_ptr<const part::Content> the_content, LaneInfo the_info)
      : core(std::move(the_core)),
        content(std::move(the_content)),
        info(std::move(the_info)),
        ownership(std::move(the_ownership)) {}

  Result<EraseReport> Erase(FrameRange range);

  // Its address stays: part writers keep it, and those of the content and of the ownership.
  OwnedLane(const OwnedLane&) = delete;
  OwnedLane& operator=(const OwnedLane&) = delete;

  std::shared_ptr<CanvasCore> core;
  std::unique_ptr<const part::Content> content;
  LaneInfo info;
  storage::Ownership ownership;
};

// How the handles of the contents of lanes, a writer of frames say, get at what owners and canvases
// are inside: so that a new one needs no place in their headers.
struct Insides {
  // nullptr after a move.
  static OwnedLane* Of(LaneOwner& owner) noexcept { return owner.inside_.get(); }
  static const OwnedLane* Of(const LaneOwner& owner) noexcept { return owner.inside_.get(); }
  // As after a move.
  static LaneOwner NoOwner() noexcept { return LaneOwner(nullptr); }
  // nullptr after Close and after a move.
  static std::shared_ptr<CanvasCore> Of(const Canvas& canvas) noexcept;
};

}  // namespace canvas
