#include "canvas/testing/open_lane.h"

#include "canvas/storage/header_store.h"
#include "canvas/testing/must.h"

namespace canvas::testing {

OpenLane::OpenLane(const std::string& path, LaneId lane, const std::string& owner)
    : file(Must(storage::CanvasFile::Open(
          path, {.access = os::Access::kReadWrite, .single_mapping = true}))),
      place(Must(part::frames::FramePlace::Of(
          *Must(storage::HeaderStore(*file).Current())->Find(lane), file->geometry()))),
      owners(*file, owner) {}

storage::Ownership OpenLane::Own(bool repaired) {
  const PageRange all{PageIndex(0), PageIndex(static_cast<std::uint32_t>(file->mapped_pages()))};
  return Must(
      owners.Own(place.id, all, [=](const storage::Intent&) { return Result<bool>(repaired); }));
}

}  // namespace canvas::testing
