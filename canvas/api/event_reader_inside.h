// The inside of an EventReader and of an EventCursor. Not for users.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "canvas/api/core.h"
#include "canvas/api/event_reader.h"
#include "canvas/format/event_format.h"
#include "canvas/part/events/event_part.h"

namespace canvas {

class EventReaderInside {
 public:
  EventReaderInside(std::shared_ptr<CanvasCore> the_core, LaneInfo the_info,
                    const part::events::EventPlace& the_place);

  EventStatus Next(Event& event) noexcept;
  void Seek(Frame frame) noexcept;

  std::shared_ptr<CanvasCore> core;
  LaneInfo info;
  part::events::EventPlace place;
  Frame end;  // of what this handle can reach

  // A cursor's.
  FrameRange range;
  std::vector<std::byte> bytes;  // of the event that was given out last
  std::size_t size = 0;          // how many it has

 private:
  static constexpr std::uint64_t kNoPage = std::numeric_limits<std::uint64_t>::max();
  bool OpenPage(std::uint64_t number, Frame from) noexcept;
  EventStatus NextInPage(Event& event) noexcept;
  EventStatus SkipPage(EventStatus status) noexcept;
  std::uint64_t NextPage(std::uint64_t first) const noexcept;

  Frame position;      // of the event that was given out last, or where to begin
  bool given = false;  // whether one of this frame was
  std::uint64_t page = 0;
  Frame page_end;  // of the page that `list` is of
  std::optional<part::events::ListReader> list;
  std::array<format::EventRecord, 64> batch_records;
  std::int64_t last_seen = 0;  // frame of the list's event that was looked at last
  std::uint32_t batch_size = 0;
  std::uint32_t batch_next = 0;
};

}  // namespace canvas
