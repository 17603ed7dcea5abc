// Writing events into one lane's part of one page: in order, behind the last, or a whole new list
// in place of the one there is, which readers see as a whole or not at all (sync/events.h).
//
// Invariants
//   I1  Disk space is reserved before any store; what is appended takes twice as much as the time
//       before, up to an extent. An error leaves the list as it was.
//   I2  The list is sound: in the order of its frames, within the page, and no byte of it is used
//       twice (format/event_format.h).
//
// Thread safety: one thread at a time, under ownership of the lane over the page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/part/events/event_part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"

namespace canvas::part::events {

// An event that is to be written.
struct NewEvent {
  std::int64_t frame = 0;
  std::int64_t tick = kNoTick;
  std::uint32_t kind = 0;
  std::uint32_t tag = 0;
  std::span<const std::byte> data;
};

class EventPartWriter {
 public:
  // Makes page and part ready where they are not.
  // Errors: kInvalidArgument (past capacity), kLimit (past the mapping), kCorrupt (a list beyond
  // its half), kNoSpace, kIo.
  static Result<EventPartWriter> Open(storage::CanvasFile& file, const EventPlace& lane,
                                      PageIndex page, const storage::Ownership& owner);

  PageIndex page() const { return page_; }
  std::uint32_t count() const;
  // Where the last event stands; before the page's first frame where there is none.
  std::int64_t last() const { return last_; }

  // Behind the last, in order. All of them or none. Errors: kLimit (the page has no more room:
  // how much it has), kNoSpace, kIo.
  Result<void> Append(std::span<const NewEvent> events);
  // In place of all there are, in order. All of them or none. Errors: the same.
  Result<void> Replace(std::span<const NewEvent> events);

 private:
  EventPartWriter(storage::CanvasFile& file, const EventPlace& lane, PageIndex page,
                  const storage::Ownership& owner, const storage::PartWords& words);
  Result<void> LookAtList();
  // Lays out `events` as `count` stand before them in a half whose bytes behind events begin at
  // `low`; answers where they begin then.
  Result<std::uint64_t> LayOut(std::span<const NewEvent> events, std::uint64_t count,
                               std::uint64_t low);
  // Reserves [first, end) of a half, where it is not known to be.
  Result<void> Reserve(std::uint32_t half, std::uint64_t first, std::uint64_t end);
  Result<void> Prepare(std::uint32_t half, std::uint64_t count, std::uint64_t low,
                       std::uint64_t new_low);
  void CopyBytesIn(std::uint32_t half, std::span<const NewEvent> events) noexcept;
  std::uint64_t HalfOffset(std::uint32_t half) const { return half * lane_.shape.half_bytes(); }

  storage::CanvasFile* file_;
  const storage::Ownership* owner_;
  EventPlace lane_;
  PageIndex page_;
  Words words_;
  std::uint64_t data_ = 0;  // where the part's bytes begin in the file
  std::uint64_t low_ = 0;   // where the bytes behind events begin, in the half that counts
  std::int64_t last_ = 0;
  // Of the half that counts: reserved up to here, and from here on.
  std::uint64_t reserved_end_ = 0;
  std::uint64_t reserved_low_ = 0;
  std::uint64_t step_ = 0;
  std::vector<format::EventRecord> records_;  // laid out
};

}  // namespace canvas::part::events
