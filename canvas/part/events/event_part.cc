#include "canvas/part/events/event_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace canvas::part::events {

Result<EventPlace> EventPlace::Of(const metadata::LaneRecord& lane,
                                  const format::Geometry& geometry) {
  if (!metadata::HoldsEvents(lane.kind))
    return Fail(ErrorCode::kUnsupported, fmt::format("lane '{}' holds no events ({})", lane.name,
                                                     metadata::LaneKindName(lane.kind)));
  CANVAS_ASSIGN(const auto timeline,
                format::Timeline::Make(lane.rate, geometry.fields().page_seconds));
  return EventPlace{{lane.id, lane.slots, timeline}, format::EventShape(geometry, lane.slots)};
}

Words WordsOf(const storage::PartWords& part, const format::EventShape& shape) noexcept {
  return {.word = part.events,
          .life = part.life,
          .events = part.data,
          .event_bytes = sizeof(format::EventRecord),
          .capacity = static_cast<std::uint32_t>(shape.half_bytes() / sizeof(format::EventRecord))};
}

std::uint32_t ListReader::Count() const noexcept {
  return std::min(sync::ReadEventState(words_).count, sync::EventCapacity(words_));
}

sync::EventRead ListReader::SeekTo(std::int64_t frame) noexcept {
  std::uint32_t first = 0;
  std::uint32_t end = Count();
  while (first < end) {
    const std::uint32_t middle = first + (end - first) / 2;
    Seek(middle);
    format::EventRecord event;
    const auto batch = Next({&event, 1});
    if (batch.outcome != sync::EventRead::kOk) {
      Seek(0);
      return batch.outcome;
    }
    if (batch.copied != 0 && event.frame < frame)
      first = middle + 1;
    else
      end = middle;
  }
  Seek(first);
  return sync::EventRead::kOk;
}

bool ListReader::IsSound(const format::EventRecord& event) const noexcept {
  if (event.fits()) return true;
  const std::uint64_t at = std::uint64_t{event.place} * format::kPlaceUnit;
  return at <= half_bytes_ && format::BytesBehind(event.bytes) <= half_bytes_ - at;
}

sync::EventRead ListReader::CopyBytes(const format::EventRecord& event,
                                      std::span<std::byte> out) noexcept {
  const std::size_t bytes = std::min<std::size_t>(out.size(), event.bytes);
  if (event.fits()) {
    std::copy_n(event.inlined.begin(), bytes, out.begin());
    return sync::EventRead::kOk;
  }
  if (!IsSound(event)) return sync::EventRead::kOk;
  if (const auto stands = sync::EventsStand(words_, cursor_); stands != sync::EventRead::kOk)
    return stands;
  const std::byte* from =
      words_.events + cursor_.half * half_bytes_ + std::uint64_t{event.place} * format::kPlaceUnit;
  // Shared bytes are copied by fours.
  const std::size_t even = bytes / 4 * 4;
  sync::StdSync::CopyOut(out.data(), from, even);
  if (even != bytes) {
    std::array<std::byte, 4> last;
    sync::StdSync::CopyOut(last.data(), from + even, last.size());
    std::copy_n(last.begin(), bytes - even, out.begin() + static_cast<std::ptrdiff_t>(even));
  }
  return sync::EventsStand(words_, cursor_);
}

}  // namespace canvas::part::events
