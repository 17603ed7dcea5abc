// A part of a lane of events: reading its list, whole or from a position on (sync/events.h,
// format/event_format.h).
//
// Thread safety: as PartRef; a reader belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "canvas/base/error.h"
#include "canvas/format/event_format.h"
#include "canvas/metadata/header.h"
#include "canvas/part/content.h"
#include "canvas/part/part_ref.h"
#include "canvas/sync/events.h"
#include "canvas/sync/std_sync.h"

namespace canvas::part::events {

// What it takes to find a lane's events: immutable for the life of the lane.
struct EventPlace : LanePlace {
  format::EventShape shape;

  // Errors: kUnsupported (a lane that does not hold events); kInvalidArgument, of a record that
  // ValidateHeader did not see.
  static Result<EventPlace> Of(const metadata::LaneRecord& lane, const format::Geometry& geometry);
};

using Words = sync::EventWords<sync::StdSync>;

Words WordsOf(const storage::PartWords& part, const format::EventShape& shape) noexcept;

// Reads one part's list. What it answers is of one list, or kRaced: an edit came between, and the
// reader stands at the same place of the new list. What is copied came from a file that anyone may
// have written: records are checked by whoever uses them (IsSound).
class ListReader {
 public:
  ListReader() = default;
  ListReader(const FoundPart& part, const format::EventShape& shape) noexcept
      : words_(WordsOf(part.words, shape)),
        half_bytes_(shape.half_bytes()),
        cursor_(sync::BeginEvents(words_, part.life)) {}

  std::uint32_t index() const { return cursor_.index; }
  void Seek(std::uint32_t index) noexcept { cursor_.index = index; }
  // Events in the list now.
  std::uint32_t Count() const noexcept;

  // Copies the next events, at most as many as `out` has room for.
  sync::EventBatch Next(std::span<format::EventRecord> out) noexcept {
    return sync::ReadEvents(words_, cursor_, out.data(), static_cast<std::uint32_t>(out.size()));
  }
  // Seeks to the first event at or behind `frame`.
  sync::EventRead SeekTo(std::int64_t frame) noexcept;
  // Copies the first `out.size()` bytes behind an event that Next gave out last, or before.
  // Nothing is copied where the record is not sound.
  sync::EventRead CopyBytes(const format::EventRecord& event, std::span<std::byte> out) noexcept;

  // Whether what an event says of its bytes lies within its half.
  bool IsSound(const format::EventRecord& event) const noexcept;

 private:
  Words words_;
  std::uint64_t half_bytes_ = 0;
  sync::EventCursor cursor_;
};

}  // namespace canvas::part::events
