// Writing a lane: the one owner's side. Made by Canvas::Own; ownership ends with the writer, or
// with the process, however it dies.
//
// Thread safety: a writer belongs to one thread at a time and may be moved to another.
// Realtime: nothing here is for a realtime thread; writing reserves disk and may fault.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/part/frames/part_writer.h"
#include "canvas/storage/ownership.h"

namespace canvas {

class CanvasCore;

// What Erase did with the frames of the range that were written.
struct EraseReport {
  std::uint64_t erased_frames = 0;  // unwritten now
  std::uint64_t zeroed_frames = 0;  // zeros now: they share a block with frames that stay
};

class LaneWriter {
 public:
  LaneWriter(LaneWriter&&) noexcept;
  LaneWriter& operator=(LaneWriter&&) = delete;
  ~LaneWriter();

  const LaneInfo& lane() const { return info_; }
  PageRange pages() const;

  // Stores interleaved frames at [first, first + samples.size() / channels), over whatever is
  // there. Each block changes as a whole: readers, and a successor after a death, see it old or
  // new. Errors: kInvalidArgument (negative, past capacity, outside the owned pages, a broken
  // frame), kLimit (past the mapping limit), kCorrupt, kNoSpace, kIo. After an error what was
  // stored before the failing block stays, and writing may go on.
  Result<void> Write(Frame first, std::span<const float> samples);

  // Write at the end of what is written within the owned pages; answers where that was.
  Result<Frame> Append(std::span<const float> samples);

  // How many frames to write at `first`, at most `most`, so that the stretch ends where a block
  // ends: a long write cut into such pieces touches each block once, which is fastest.
  std::uint64_t PreferredFrames(Frame first, std::uint64_t most) const;

  // Wakes at once whoever waits for what was written (Canvas::WaitForChange). Without it, a write
  // less than 10 ms after the last wake is told with the next one, or when the writer goes: for
  // the end of a burst.
  void Flush() noexcept;

  // Where Append writes next.
  Frame end();

  // Erases a range, to the frame. Whole blocks of it (32 KiB, unless chosen otherwise) are
  // unwritten afterwards, and their disk space is given back; a write beside them may make the
  // kernel take some of it again, at most the 2 MiB around the write. Where the range begins
  // or ends within a block that holds other frames too, its frames there become zeros. Each block
  // changes as a whole, as in Write. What is appended behind an erased end of a page is known by
  // the block, not to the frame: another writer's Append goes on behind that block.
  // Errors: kBusy (a reader's window holds a page), kLimit (past the mapping limit), kNoSpace, kIo.
  // After an error the pages before the failing one are erased, and calling again goes on.
  Result<EraseReport> Erase(FrameRange range);

 private:
  friend class Canvas;
  LaneWriter(std::shared_ptr<CanvasCore> core, storage::Ownership owner,
             const part::frames::FramePlace& place, LaneInfo info);
  Result<void> CheckUsable() const;
  Result<void> CheckRange(Frame first, std::uint64_t frames) const;
  Result<part::Erased> EraseWithin(PageIndex page, FrameRange range);

  std::shared_ptr<CanvasCore> core_;
  // Behind a pointer: the part writer keeps its address.
  std::unique_ptr<storage::Ownership> owner_;
  part::frames::FramePlace place_;
  LaneInfo info_;
  std::optional<part::frames::PartWriter> part_;
  std::optional<Frame> end_;
};

}  // namespace canvas
