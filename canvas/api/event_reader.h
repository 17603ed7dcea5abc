// Reading a lane of events: made by Canvas::Events.
//
// Events come in the order of their frames, and those of one frame in the order in which they were
// written. A page is read as it was at one moment: an owner that edits it replaces its list as a
// whole (event_writer.h).
//
// Fork: a forked child reads nothing, and its calls say kClosed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/base/event.h"
#include "canvas/base/units.h"

namespace canvas {

class EventReaderInside;

enum class EventStatus : std::uint8_t {
  kOk,   // here is one
  kEnd,  // there is none before the end, now: one may come
  // The page was edited, or given back, since its first event was given out. What Next gives out
  // from here on is of what is there now, and begins after the last frame that was given out. A
  // caller that wants all of the new list seeks to where the page began, or to wherever it wants to
  // begin anew.
  kRaced,
  kDamaged,  // the page says what cannot be: `check` tells more. The next page follows
  kClosed,   // the reader was moved from, or belongs to the parent of a forked process
};

// Goes over a lane's events without allocating anything: what it needs it has from the start.
// Concurrency: one thread at a time.
// Realtime: not for realtime threads. Next and Seek allocate nothing and take no lock; but what
// they read is not kept resident, and may fault; and where the file has grown they ask for its
// size.
class EventCursor {
 public:
  // After a move Next says kClosed.
  EventCursor(EventCursor&&) noexcept;
  EventCursor& operator=(EventCursor&&) noexcept;
  ~EventCursor();

  // The next event before the end that was given. One that is appended before where the cursor
  // stands is passed over. Its bytes live until the next call; of more than
  // `max_bytes` (see EventReader::From) they are the first, and size() tells how many it has.
  EventStatus Next(Event& event) noexcept;
  // Bytes of the event that was given out last.
  std::size_t size() const noexcept;
  // To the first event at or behind `frame`, by halving: some twenty looks at a full page.
  void Seek(Frame frame) noexcept;

 private:
  friend class EventReader;
  explicit EventCursor(std::unique_ptr<EventReaderInside> inside) noexcept;
  std::unique_ptr<EventReaderInside> inside_;
};

// Concurrency: const calls by several threads at once; it may be moved to another thread.
// Realtime: no call is for a realtime thread.
class EventReader {
 public:
  // After a move every call that can fail says kClosed.
  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;
  ~EventReader();

  const LaneInfo& lane() const noexcept;

  // All events of a range, with their bytes. Errors: kBusy (a page was edited all the while),
  // kCorrupt, kClosed, kNoMemory.
  Result<EventList> Read(FrameRange range) const;

  // A cursor over a range, which keeps up to `max_bytes` bytes of an event. Errors: kClosed,
  // kNoMemory.
  Result<EventCursor> From(FrameRange range, std::size_t max_bytes = 64 * 1024) const;

  // How much is written now.
  LaneExtent Extent() const noexcept;

 private:
  friend class Canvas;
  explicit EventReader(std::unique_ptr<EventReaderInside> inside) noexcept;
  std::unique_ptr<EventReaderInside> inside_;
};

}  // namespace canvas
