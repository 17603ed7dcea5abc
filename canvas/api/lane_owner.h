// Owning a lane: made by Canvas::Own. Ownership ends with the owner, or with the process, however
// it dies. Meanwhile nobody else owns the lane over these pages.
//
// A LaneOwner erases and lets go. What is written depends on what the lane holds: frames are
// written by a FrameWriter (frame_writer.h), which takes the owner into itself and can give it
// back.
//
// Fork: a forked child owns nothing, and its calls say kClosed.
#pragma once

#include <cstdint>
#include <memory>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas {

struct Insides;
class OwnedLane;

// What Erase did with the frames of the range that were written.
struct EraseReport {
  std::uint64_t erased_frames = 0;  // unwritten now
  std::uint64_t zeroed_frames = 0;  // zeros now: they share a block with frames that stay
  std::uint64_t erased_events = 0;  // of a lane of events
};

// Concurrency: one thread at a time; may be moved to another.
// Realtime: no call is for a realtime thread.
class LaneOwner {
 public:
  // After a move every call that can fail says kClosed; lane() and pages() are empty.
  LaneOwner(LaneOwner&&) noexcept;
  LaneOwner& operator=(LaneOwner&&) noexcept;
  ~LaneOwner();

  const LaneInfo& lane() const noexcept;
  PageRange pages() const noexcept;

  // Erases a range, to the frame. Whole blocks of it (32 KiB, unless chosen otherwise) are
  // unwritten afterwards, and their disk space is given back; a write beside them may make the
  // kernel take some of it again, at most the 2 MiB around the write. Where the range begins
  // or ends within a block that holds other frames too, its frames there become zeros. Each block
  // changes as a whole, as in FrameWriter::Write. What is appended behind an erased end of a page
  // is known by the block, not to the frame: another writer's Append goes on behind that block.
  // Errors: kBusy (a reader's window holds a page), kLimit (past the mapping limit), kNoSpace, kIo,
  // kClosed. After an error the pages before the failing one are erased, and calling again goes on.
  Result<EraseReport> Erase(FrameRange range);

  // Wakes at once whoever waits for what was changed (Canvas::WaitForChange). Without it, a change
  // less than 10 ms after the last wake is told with the next one, or when the owner goes: for the
  // end of a burst.
  void Flush() noexcept;

 private:
  friend class Canvas;
  friend struct Insides;
  explicit LaneOwner(std::unique_ptr<OwnedLane> inside) noexcept;
  std::unique_ptr<OwnedLane> inside_;
};

}  // namespace canvas
