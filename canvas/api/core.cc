#include "canvas/api/core.h"

#include <fmt/format.h>

#include <utility>

#include "canvas/part/takeover.h"

namespace canvas {

LaneInfo ToInfo(const metadata::LaneRecord& lane) {
  return {.id = lane.id,
          .name = lane.name,
          .kind = lane.kind,
          .channels = lane.channels,
          .rate = lane.rate,
          .description = lane.description,
          .speakers = lane.speakers,
          .tags = lane.tags,
          .tempo_map_id = lane.tempo_map_id,
          .source_ticks_per_quarter = lane.source_ticks_per_quarter,
          .dense = metadata::HoldsEvents(lane.kind) && lane.slots.count != 0 &&
                   lane.slots.kind == format::SlotKind::kWide};
}

void CountIn(LaneExtent& extent, const format::Timeline& timeline, PageIndex page,
             const std::optional<part::PartSummary>& part) noexcept {
  if (!part || part->empty()) return;
  const Frame start = timeline.FirstFrame(page.value());
  if (extent.first == extent.end) extent.first = start + static_cast<std::int64_t>(part->first);
  extent.end = start + static_cast<std::int64_t>(part->end);
  extent.written_frames += part->written_frames;
  extent.events += part->events;
  extent.written_bytes += part->written_bytes;
}

std::unexpected<Error> NoSuchLane(std::string_view which) {
  return Fail(ErrorCode::kNotFound, fmt::format("no lane {}", which),
              "`canvas info` lists the lanes");
}

Result<std::shared_ptr<const CanvasCore::Known>> CanvasCore::Current() {
  CANVAS_ASSIGN(auto header, headers.Current());
  const std::lock_guard lock(mutex_);
  if (known_ == nullptr || known_->header != header) {
    CANVAS_ASSIGN(auto contents, part::Contents::Of(*header, file->geometry()));
    known_ = std::make_shared<const Known>(std::move(header), std::move(contents));
  }
  return known_;
}

Result<CanvasCore::Lane> CanvasCore::Find(LaneId id) {
  CANVAS_ASSIGN(const auto header, headers.Current());
  const metadata::LaneRecord* lane = header->Find(id);
  if (lane == nullptr) return NoSuchLane(fmt::format("with id {}", id.value()));
  CANVAS_ASSIGN(auto content, part::ContentOf(*lane, file->geometry()));
  return Lane{*lane, std::move(content)};
}

Result<std::pair<LaneInfo, part::frames::FramePlace>> CanvasCore::FindFrames(LaneId id) {
  CANVAS_ASSIGN(const auto header, headers.Current());
  const metadata::LaneRecord* lane = header->Find(id);
  if (lane == nullptr) return NoSuchLane(fmt::format("with id {}", id.value()));
  CANVAS_ASSIGN(const auto place, part::frames::FramePlace::Of(*lane, file->geometry()));
  return std::pair(ToInfo(*lane), place);
}

Result<std::pair<LaneInfo, part::events::EventPlace>> CanvasCore::FindEvents(LaneId id) {
  CANVAS_ASSIGN(const auto header, headers.Current());
  const metadata::LaneRecord* lane = header->Find(id);
  if (lane == nullptr) return NoSuchLane(fmt::format("with id {}", id.value()));
  CANVAS_ASSIGN(const auto place, part::events::EventPlace::Of(*lane, file->geometry()));
  return std::pair(ToInfo(*lane), place);
}

Result<storage::Ownership> CanvasCore::Own(const part::Content& content, PageRange pages) {
  return part::TakeOver(*file, owners, content, pages);
}

}  // namespace canvas
