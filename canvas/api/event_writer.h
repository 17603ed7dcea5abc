// Writing events: the one owner's side of a lane that holds them. Made by Canvas::EventsWriter, or
// from a LaneOwner. It holds the owner: ownership ends with the writer, unless Release gives it
// back.
//
// What is appended in order readers see event by event. Everything else replaces what a page has as
// a whole: readers, and a successor after a death, see all of the old list or all of the new one.
//
// A page holds each event in 64 bytes, and what is longer than 32 bytes besides, twice over: 16,384
// short events in a small slot of 2 MiB, 98,304 in a wide one of 12 MiB (a lane that is `dense`).
//
// Fork: a forked child owns nothing, and its calls say kClosed.
#pragma once

#include <memory>
#include <span>

#include "canvas/api/lane.h"
#include "canvas/api/lane_owner.h"
#include "canvas/base/error.h"
#include "canvas/base/event.h"
#include "canvas/base/units.h"

namespace canvas {

class EventWriterInside;

// Concurrency: one thread at a time; may be moved to another.
// Realtime: no call is for a realtime thread; writing reserves disk and may fault.
class EventWriter {
 public:
  // Errors: kUnsupported (the lane's kind does not hold events), kClosed (the owner was moved
  // from), kNoMemory. The owner goes in either case.
  static Result<EventWriter> Make(LaneOwner owner);

  // After a move every call that can fail says kClosed; lane() and pages() are empty.
  EventWriter(EventWriter&&) noexcept;
  EventWriter& operator=(EventWriter&&) noexcept;
  ~EventWriter();

  const LaneInfo& lane() const noexcept;
  PageRange pages() const noexcept;

  // Behind the last event of the pages that they fall into. Of a page all of them or none; after an
  // error the pages before it have theirs.
  // Errors: kInvalidArgument (not in order; before the last event that is there; negative, past the
  // capacity, outside the owned pages; a kind that is none; a MIDI event that begins with no
  // status, a packet of a wrong size), kLimit (a page is full; past the mapping limit), kCorrupt,
  // kNoSpace, kIo, kClosed.
  Result<void> Append(std::span<const Event> events);
  Result<void> Append(const Event& event) { return Append({&event, 1}); }

  // These events, in order, in place of all that the range has in the owned pages. Each page
  // changes as a whole, one after the other; one of which nothing is left is given back. Errors: as
  // Append; kInvalidArgument where an event is outside of the range; kBusy (a window or a hold
  // keeps a page that would be given back).
  Result<void> Replace(FrameRange range, std::span<const Event> events);

  // As the owner's (lane_owner.h).
  Result<EraseReport> Erase(FrameRange range);
  void Flush() noexcept;

  // The owner, without the writer. Afterwards this one is as after a move.
  LaneOwner Release() && noexcept;

 private:
  explicit EventWriter(std::unique_ptr<EventWriterInside> inside) noexcept;
  std::unique_ptr<EventWriterInside> inside_;
};

}  // namespace canvas
