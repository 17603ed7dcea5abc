// A window: a stretch of time of some lanes that an ordinary thread has made resident, so that a
// realtime thread can read it without a syscall, an allocation, a lock or a page fault.
//
//   auto window = canvas.MakeWindow(lanes, {.clock = {48000, 1}, .max_seconds = 8});
//   window->MoveTo({Frame(0), Frame(4 * 48000)});       // ordinary thread
//   auto reader = window->Reader(lanes[0]);             // ordinary thread
//   reader->Read(Frame(256), block);                    // realtime thread
//
// A Feeder (feeder.h) moves windows by itself, ahead of positions that a realtime thread publishes.
//
// It covers whole blocks (32 KiB by default): up to one more at either end.
//
// What a window covers is populated (MADV_POPULATE_READ) and locked (mlock2): the written blocks of
// its lanes, the few words and, once a block was overwritten, the undo place that reading them
// takes, and the window's own words. (The reader object and the stack are the program's to lock.)
// Unwritten blocks take no memory. What is left behind leaves this process's page tables again;
// nothing is ever unmapped, and a reader that is still in the midst of it is waited for. While a
// window covers a page of a lane, the page is not given back (a punch is told kBusy).
//
// A block that is written after the window last looked reads as outside until it has looked again
// (MoveTo, or the feeder); and so does a block that is just being overwritten, the first time that
// any of its part is.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "canvas/api/window_reader.h"
#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"

namespace canvas {

class CanvasCore;
class WindowCore;

struct WindowOptions {
  Rate clock{48000, 1};  // what ranges and positions are counted in, whatever a lane's rate
  std::uint32_t max_seconds = 16;  // the longest stretch it will be asked for
};

struct WindowReport {
  FrameRange range;                   // what it was last moved to, at its clock
  std::uint64_t resident_blocks = 0;  // sample blocks
  std::uint64_t resident_bytes = 0;   // samples, and what reading them takes
  // Whether everything that this handle's windows cover is locked, and this window's own words.
  // Where it is not, the system may take memory away under pressure, and a read then faults.
  bool locked = false;
  std::string message;       // "resident and locked: ...", or "resident, not locked: ..." and why
  std::uint64_t misses = 0;  // reads that met something outside
};

// Concurrency: several threads at once, but for moves; readers are for one thread each.
// Realtime: no call is for a realtime thread; the readers that it makes are.
class Window {
 public:
  // Covers [range.first, range.end) of every lane when it returns: what was not covered before is
  // made resident, what is no longer is let go. Waits for the disk where it must.
  // Errors: kInvalidArgument (longer than max_seconds), kBusy (a page is just being given back, or
  // a reader's view still holds the place it would take: all the rest is covered), kIo, kNoMemory,
  // kUnsupported (before Linux 5.14), kClosed (in a forked child, after a move). The first error is
  // told; what else can be covered is, of every lane.
  Result<void> MoveTo(FrameRange range);

  // Empty after a move. Where there is no memory for it, zeros and no message.
  WindowReport Report() const noexcept;

  // A reader of one of its lanes, inside the window: what it reads elsewhere is kOutside. Stays
  // usable, and keeps the window, after this object.
  // Errors: kNotFound (not one of its lanes), kClosed, kNoMemory.
  Result<WindowReader> Reader(LaneId id) const;
  // Readers of several, to be read together. Errors: as Reader.
  Result<WindowReaders> Readers(std::span<const LaneId> ids) const;

 private:
  friend class Canvas;
  friend class Feeder;
  static Result<Window> Make(std::shared_ptr<CanvasCore> core, std::span<const LaneId> lanes,
                             const WindowOptions& options);
  explicit Window(std::shared_ptr<WindowCore> core) : core_(std::move(core)) {}
  Result<void> CheckOpen() const;
  std::shared_ptr<WindowCore> core_;
};

}  // namespace canvas
