// Reading a lane: frames copied into the caller's memory, or looked at in place.
//
// A reader writes nothing, waits for nobody, and is not stopped by writers that die. What was never
// written reads as zeros with a status that tells it from silence, and no byte of it is touched.
//
// A reader that was made by Canvas::Reader reads everywhere, and its reads may fault and ask the
// kernel. One that was made by a Window reads inside it, and is for realtime threads: Read, ViewAt,
// StillValid and EndView then make no syscall, allocate nothing, take no lock, and touch only
// memory that the window has made resident, besides the reader's own and a few lines of the window's
// (ordinary memory of the process, which a fork() makes fault once at the next store). What they do is bounded: for each block a few loads and
// at most four copies (canvas/sync/overwrite.h), and a few more loads for each page.
//
// Thread safety: a reader belongs to one thread at a time; make one for each thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/divider.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/part/part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/sync/overwrite.h"

namespace canvas {

class WindowCore;
class WindowLane;
struct WindowPlace;
struct WindowSeat;

// What is written is known by the block (32 KiB by default), and to the frame where a page's part
// begins and ends: frames that were left out between others within a block are written, as zeros.
enum class ReadStatus : std::uint8_t {
  kOk,               // every frame was written
  kPartlyUnwritten,  // some were; the others are zeros
  kUnwritten,        // none was; all zeros
  kOutside,          // some lies outside the reader's window, and was not looked at: zeros there
  kRaced,            // a block kept changing under the copy; try again. Zeros there
  kEnd,     // some lies before 0, past the capacity, or past the mapping limit: zeros there
  kClosed,  // the reader was moved from, or belongs to the parent of a forked process; nothing was
            // copied
};

struct ReadResult {
  ReadStatus status = ReadStatus::kOk;
  std::uint64_t written_frames = 0;  // of those asked for

  friend bool operator==(const ReadResult&, const ReadResult&) = default;
};

// Frames of one page's part in place, in the file's own memory: `frames` x `channels` float32,
// interleaved. What was read through it counts only if StillValid() answers true afterwards.
class View {
 public:
  View() = default;

  // Starts at the frame that was asked for; ends at the page, at the first unwritten block, at the
  // high-water mark, at a block that is being rewritten, or where the reader's window ends. Empty
  // where there is nothing. The memory stays mapped for the life of the reader's canvas; a window
  // keeps it resident until the reader's next call (Read, ViewAt, EndView).
  std::span<const float> samples() const { return samples_; }
  std::uint64_t frames() const { return frames_; }

  // kOk; or, of an empty view, why there is nothing at its first frame: kUnwritten, kOutside,
  // kRaced (it is being rewritten just now), kEnd.
  ReadStatus status() const { return status_; }

  // Whether nothing of the part was overwritten or punched since the view was opened. Wait-free.
  bool StillValid() const noexcept;

 private:
  friend class LaneReader;
  std::span<const float> samples_;
  std::uint64_t frames_ = 0;
  ReadStatus status_ = ReadStatus::kEnd;
  std::uint64_t life_ = 0;
  std::uint64_t sequence_ = 0;
  sync::ViewWords<sync::StdSync> words_;
};

class LaneReader {
 public:
  // One that was moved from answers kClosed to every read, and says that nothing is written.
  LaneReader(LaneReader&& other) noexcept;
  LaneReader& operator=(LaneReader&& other) noexcept;
  ~LaneReader();

  const LaneInfo& lane() const { return info_; }

  // Copies frames [first, first + out.size() / channels) to `out`, interleaved; `out` is a whole
  // number of frames (a rest is left as it is). Across blocks and pages; each block is of one
  // version, the range as a whole need not be.
  // Concurrency: beside any writer.
  // Realtime: in a window, yes. Otherwise no allocation, no lock; bounded copies a block; a page
  // beyond the known end of the file costs one fstat, reading on in order one preadv2 a megabyte,
  // and an madvise where it is not in memory; memory that is not resident faults.
  ReadResult Read(Frame first, std::span<float> out) noexcept;

  // Looks at frames from `first` on in place, at most `max_frames` of them.
  // Realtime: as Read; the cost grows with the number of blocks spanned, not with their bytes.
  View ViewAt(Frame first, std::uint64_t max_frames) noexcept;

  // In a window: says that the last view is no longer looked at, so that the window may let go of
  // what it covered. The next Read or ViewAt says so too.
  void EndView() noexcept;

  // Takes the range's memory out of this process's page tables: for who reads through much and keeps
  // little. It is read again where it is needed. Not for a realtime thread, nor beside a window.
  void Forget(FrameRange range) const noexcept;

  // How much is written; looks at every page. Not for a realtime thread.
  LaneExtent Extent() const noexcept;
  // The written stretches of [first, end), ascending. Not for a realtime thread.
  // Errors: kClosed, kNoMemory.
  Result<std::vector<FrameRange>> WrittenRanges(FrameRange range) const;

 private:
  friend class Canvas;
  friend class Window;
  LaneReader(std::shared_ptr<storage::CanvasFile> file, const part::LanePlace& place,
             LaneInfo info);
  LaneReader(std::shared_ptr<WindowCore> window, WindowLane& lane, WindowSeat& seat);
  ReadResult ReadAcross(Frame first, std::span<float> out) noexcept;
  bool SetPage(Frame frame) noexcept;
  ReadStatus Enter(Frame frame) noexcept;
  void ReadAhead(std::uint64_t local) noexcept;
  bool IsShown(std::uint64_t block) const noexcept;
  bool UndoIsShown() const noexcept;
  sync::BlockRead CopyWithin(std::uint64_t block, std::uint64_t offset, std::uint64_t frames,
                             float* out) const noexcept;
  bool CopyOverEdge(std::uint64_t block, std::uint64_t offset, std::uint64_t frames,
                    float* out) const noexcept;
  View OpenView(Frame first, std::uint64_t max_frames) noexcept;
  void CountMiss() noexcept;
  ReadStatus CopyRun(std::uint64_t local, std::uint64_t frames, float* out,
                     std::uint64_t& written) noexcept;

  // What nearly every read touches, together.
  alignas(64) Frame page_first_;  // the page this reader is in
  Frame page_end_;                // == page_first_: none yet
  Divider frames_of_;             // samples to frames
  Divider block_of_;              // frames to blocks
  std::uint32_t per_block_;
  std::uint32_t frame_bytes_;
  PageIndex page_;
  bool present_ = false;
  // In a window: the page's.
  WindowPlace* window_place_ = nullptr;
  const sync::Word* shown_ = nullptr;
  // In a window: what says where this reader looks.
  struct LeaveSeat {
    std::shared_ptr<WindowCore> window;
    void operator()(WindowSeat* seat) const noexcept;
  };
  LaneReader(std::unique_ptr<WindowSeat, LeaveSeat> seat, const WindowCore& window,
             WindowLane& lane);
  std::unique_ptr<WindowSeat, LeaveSeat> seat_;
  part::FoundPart part_;

  std::shared_ptr<storage::CanvasFile> file_;
  part::LanePlace place_;
  LaneInfo info_;
  std::uint32_t channels_;
  Frame end_;  // of what this handle can reach
  WindowLane* window_lane_ = nullptr;

  // Where a read would go on from the last one that crossed a block, and how far into the part the
  // kernel was asked to read ahead.
  Frame next_;
  std::uint64_t ahead_ = 0;
};

}  // namespace canvas
