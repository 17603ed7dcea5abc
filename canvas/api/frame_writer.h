// Writing frames: the one owner's side of a lane that holds them. Made by Canvas::Writer, or from a
// LaneOwner. It holds the owner: ownership ends with the writer, unless Release gives it back.
//
// While it writes, a writer knows things about the page that it is in: what is reserved there, and
// where the lane ends. Erasing changes both. So who erases does it through the writer, and while
// there is a writer nobody has the owner.
//
// Fork: a forked child owns nothing, and its calls say kClosed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "canvas/api/lane.h"
#include "canvas/api/lane_owner.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas {

class FrameWriterInside;

// Concurrency: one thread at a time; may be moved to another.
// Realtime: no call is for a realtime thread; writing reserves disk and may fault.
class FrameWriter {
 public:
  // Errors: kUnsupported (the lane's kind does not hold frames), kClosed (the owner was moved
  // from), kNoMemory. The owner goes in either case.
  static Result<FrameWriter> Make(LaneOwner owner);

  // After a move every call that can fail says kClosed; lane() and pages() are empty, end() is 0.
  FrameWriter(FrameWriter&&) noexcept;
  FrameWriter& operator=(FrameWriter&&) noexcept;
  ~FrameWriter();

  const LaneInfo& lane() const noexcept;
  PageRange pages() const noexcept;

  // Stores interleaved frames at [first, first + samples.size() / channels), over whatever is
  // there. Each block changes as a whole: readers, and a successor after a death, see it old or
  // new. Errors: kInvalidArgument (negative, past capacity, outside the owned pages, a broken
  // frame), kLimit (past the mapping limit), kCorrupt, kNoSpace, kIo, kClosed. After an error what
  // was stored before the failing block stays, and writing may go on.
  Result<void> Write(Frame first, std::span<const float> samples);

  // Write at the end of what is written within the owned pages; answers where that was.
  Result<Frame> Append(std::span<const float> samples);

  // How many frames to write at `first`, at most `most`, so that the stretch ends where a block
  // ends: a long write cut into such pieces touches each block once, which is fastest.
  std::uint64_t PreferredFrames(Frame first, std::uint64_t most) const noexcept;

  // Where Append writes next.
  Frame end() noexcept;

  // As the owner's (lane_owner.h).
  Result<EraseReport> Erase(FrameRange range);
  void Flush() noexcept;

  // The owner, without the writer. Afterwards this one is as after a move.
  LaneOwner Release() && noexcept;

 private:
  explicit FrameWriter(std::unique_ptr<FrameWriterInside> inside) noexcept;
  std::unique_ptr<FrameWriterInside> inside_;
};

}  // namespace canvas
