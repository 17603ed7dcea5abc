#include "canvas/api/holds.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "canvas/api/core.h"

namespace canvas {

struct MetadataPin::Inside {
  std::shared_ptr<CanvasCore> core;  // outlives the pin
  storage::HeaderPin pin;
};

MetadataPin::MetadataPin(std::unique_ptr<Inside> inside) noexcept : inside_(std::move(inside)) {}
MetadataPin::MetadataPin(MetadataPin&&) noexcept = default;
MetadataPin& MetadataPin::operator=(MetadataPin&&) noexcept = default;
MetadataPin::~MetadataPin() = default;

std::uint64_t MetadataPin::generation() const noexcept {
  return inside_ == nullptr ? 0 : inside_->pin.generation();
}

Result<std::vector<LaneInfo>> MetadataPin::Lanes() const {
  return NoThrow([&]() -> Result<std::vector<LaneInfo>> {
    CANVAS_TRY(CheckUsable());
    CANVAS_ASSIGN(const metadata::Header header, inside_->pin.Decode());
    std::vector<LaneInfo> lanes;
    std::ranges::transform(header.lanes, std::back_inserter(lanes), ToInfo);
    return lanes;
  });
}

Result<void> MetadataPin::CheckUsable() const {
  if (inside_ == nullptr) return Fail(ErrorCode::kClosed, "this pin was moved from");
  return inside_->core->file->CheckUsable();
}

Result<std::vector<TempoMap>> MetadataPin::TempoMaps() const {
  return NoThrow([&]() -> Result<std::vector<TempoMap>> {
    CANVAS_TRY(CheckUsable());
    CANVAS_ASSIGN(metadata::Header header, inside_->pin.Decode());
    return std::move(header.tempo_maps);
  });
}

Result<std::vector<Marker>> MetadataPin::Markers() const {
  return NoThrow([&]() -> Result<std::vector<Marker>> {
    CANVAS_TRY(CheckUsable());
    CANVAS_ASSIGN(metadata::Header header, inside_->pin.Decode());
    return std::move(header.markers);
  });
}

PageHold::PageHold(std::shared_ptr<CanvasCore> core, LaneId lane, PageRange pages)
    : core_(std::move(core)), lane_(lane), pages_(pages) {}

PageHold::PageHold(PageHold&& other) noexcept
    : core_(std::move(other.core_)),
      lane_(std::exchange(other.lane_, LaneId(0))),
      pages_(std::exchange(other.pages_, {})) {}

PageHold::~PageHold() {
  if (core_ != nullptr && !core_->file->poisoned())
    core_->file->shared_locks().Unlock(format::HoldLock(lane_, pages_));
}

Result<MetadataPin> MetadataPin::Make(std::shared_ptr<CanvasCore> core) {
  CANVAS_ASSIGN(storage::HeaderPin pin, core->headers.Pin());
  return MetadataPin(std::make_unique<Inside>(std::move(core), std::move(pin)));
}

Result<PageHold> PageHold::Make(std::shared_ptr<CanvasCore> core, LaneId id, PageRange pages) {
  CANVAS_TRY(core->Find(id));
  if (pages.empty() || pages.end > kAllPages.end)
    return Fail(ErrorCode::kInvalidArgument, "an empty or impossible range of pages");
  switch (core->file->shared_locks().TryShared(format::HoldLock(id, pages))) {
    case sync::LockTry::kTaken:
      return PageHold(std::move(core), id, pages);
    case sync::LockTry::kHeld:
      return Fail(ErrorCode::kBusy, "one of the pages is just being given back",
                  "try again in a moment");
    case sync::LockTry::kFailed:
      break;
  }
  return FailErrno(errno, "lock");
}

}  // namespace canvas
