// The inside of a window: what the ordinary thread that moves it and the readers in it share. Not
// for users. The rules of the sharing are canvas/sync/window.h's.
//
// Thread safety: the methods are thread-safe, by a mutex; readers use places and seats alone.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "canvas/api/core.h"
#include "canvas/api/window.h"
#include "canvas/base/time.h"
#include "canvas/os/locked_array.h"
#include "canvas/part/frames/frame_part.h"
#include "canvas/sync/std_sync.h"
#include "canvas/sync/window.h"

namespace canvas {

// Where a page of a lane is shown, if it is: page p at p modulo the number of places. The look is
// for readers who found the page shown. What every read touches is elsewhere: see
// WindowCore::words_.
struct alignas(128) WindowPlace {
  // From `shown` on. A reader keeps that, and looks here only where it needs more.
  static constexpr std::uint64_t kUndo = 1;
  static constexpr std::uint64_t kWhole = 2;

  sync::Word* shown = nullptr;  // page + 1; 0: nothing
  sync::Word* undo = nullptr;   // 1: the part's undo place is resident; shown like a block
  sync::Word* whole =
      nullptr;  // bits: resident, and all frames between the marks, which only widen
  sync::Word* resident = nullptr;  // bits: the block's bytes are
  part::PartLook look;
  bool undo_touched() const { return look.touched[2].bytes != 0; }
};

// One reader's, on lines of its own.
struct alignas(128) WindowSeat {
  sync::Word seat{0};
  sync::Word misses{0};  // reads that met what is outside
  std::size_t lane = 0;
  bool taken = false;
};

// What the lanes of one window may have together: a place takes some hundred bytes, and a block two
// bits in each. A canvas can claim more than a window's words are worth, and than there is memory.
struct WindowRoom {
  std::uint64_t places = std::uint64_t{1} << 21;
  std::uint64_t blocks = std::uint64_t{1} << 27;  // in all places
};

class WindowLane {
 public:
  // Takes what it needs of `room`. Errors: kLimit (there is not as much), kNoMemory.
  static Result<WindowLane> Make(const part::frames::FramePlace& lane, LaneInfo info,
                                 std::uint64_t places, WindowRoom& room);
  WindowLane(WindowLane&&) = default;
  WindowLane& operator=(WindowLane&&) = delete;

  const part::frames::FramePlace& lane() const { return lane_; }
  const LaneInfo& info() const { return info_; }
  WindowPlace& PlaceOf(PageIndex page) { return places_[page.value() & mask_]; }

 private:
  friend class WindowCore;
  // What the feeder knows of a place.
  struct Held {
    bool in_use = false;  // shown, and its page locked
    PageIndex page;
    std::uint32_t leaving = 0;  // departures that readers may still be in the way of
  };
  Held& HeldOf(PageIndex page) { return held_[page.value() & mask_]; }
  std::uint64_t words() const { return (lane_.shape.max_blocks() + 63) / 64; }
  // How many words a place has that every read touches, in whole cache lines.
  std::uint64_t PlaceWords() const { return (WindowPlace::kWhole + 2 * words() + 7) / 8 * 8; }
  // Gives place i its words, from `start` + i * `step` on.
  void PutWords(sync::Word* start, std::uint64_t step);
  WindowLane(const part::frames::FramePlace& lane, LaneInfo info,
             os::LockedArray<WindowPlace> places, std::uint64_t count);

  part::frames::FramePlace lane_;
  LaneInfo info_;
  std::uint64_t mask_;
  os::LockedArray<WindowPlace> places_;
  std::vector<Held> held_;
  FrameRange aim_;  // in the lane's frames, clipped to what there can be
};

class WindowCore {
 public:
  // Errors: kNotFound, kInvalidArgument.
  static Result<std::shared_ptr<WindowCore>> Make(std::shared_ptr<CanvasCore> core,
                                                  std::span<const LaneId> lanes,
                                                  const WindowOptions& options);
  WindowCore(const WindowCore&) = delete;
  WindowCore& operator=(const WindowCore&) = delete;
  ~WindowCore();

  const WindowOptions& options() const { return options_; }
  const CanvasCore& core() const { return *core_; }

  // What the window is to cover from now on; lets go of everything else as soon as no reader looks
  // at it. Makes nothing resident.
  void Aim(FrameRange range);
  // Looks at what lies in `range`, within the aim, and makes it resident. False where a page must
  // wait: it is just being given back, or a reader still looks at the one whose place it takes.
  // Errors: kIo, kUnsupported, kClosed, kNoMemory: the first of them; a lane, or a page, that
  // cannot be filled keeps none of the others from it.
  Result<bool> Fill(FrameRange range);
  // Both, not mixed with another thread's. Errors: as Fill; kBusy where that says false.
  Result<void> MoveTo(FrameRange range);
  WindowReport Report();

  // One feeder at a time. Errors: kBusy, kClosed.
  Result<void> BeginFollowing();
  void EndFollowing() noexcept;

  // The lane's, or nullptr.
  WindowLane* Find(LaneId id);
  // A seat for a reader of it, until Leave. Errors: kNoMemory.
  Result<WindowSeat*> Enter(const WindowLane& lane);
  void Leave(WindowSeat& seat) noexcept;

 private:
  // Something that was hidden and may be let go when `waiting` have changed.
  struct Departure {
    WindowLane* lane = nullptr;
    PageIndex page;
    bool whole = false;  // the page is given up too
    std::vector<os::ByteRange> ranges;
    struct Reader {
      const WindowSeat* seat;
      std::uint64_t word;
    };
    std::vector<Reader> waiting;
    bool fenced = false;
  };

  WindowCore(std::shared_ptr<CanvasCore> core, const WindowOptions& options)
      : core_(std::move(core)), options_(options) {}
  storage::CanvasFile& file() const { return *core_->file; }
  format::LockRange LockOf(const WindowLane& lane, PageIndex page) const {
    return format::HoldLock(lane.lane_.id, {page, page + 1});
  }
  os::ByteRange BlockBytes(const WindowLane& lane, PageIndex page, std::uint64_t block) const;
  void Depart(WindowLane& lane, PageIndex page, std::uint64_t first_block, std::uint64_t end_block,
              bool whole);
  void Collect();
  Result<bool> FillPage(WindowLane& lane, PageIndex page, FrameRange range);
  Result<void> FillBlocks(WindowLane& lane, PageIndex page, FrameRange range);
  Result<void> FillUndo(WindowLane& lane, PageIndex page);
  template <typename Visit>
  void ForEachSeat(Visit visit) const {
    for (const auto& chunk : seats_)
      for (WindowSeat& seat : chunk)
        if (seat.taken) visit(seat);
  }
  bool ShowAgain(WindowLane& lane, PageIndex page);
  void ShowUndo(WindowLane& lane, PageIndex page);
  Result<bool> ShowPage(WindowLane& lane, PageIndex page);

  std::shared_ptr<CanvasCore> core_;
  WindowOptions options_;
  std::mutex moving_;  // before the other
  mutable std::mutex mutex_;
  std::deque<WindowLane> lanes_;
  // What every read touches of a place: its words, and behind them its bits, mostly in one cache
  // line. What the lanes show of one page of the canvas lies together: reads of many lanes walk
  // through much memory, and an entry of the TLB for each lane's words, and another for its bits,
  // cost 10 to 55 ns a read of 512 to 4,096 frames (latency_bench, on an EPYC).
  std::optional<os::LockedArray<sync::Word>> words_;
  static constexpr std::size_t kSeatsAtOnce = 4096 / sizeof(WindowSeat);
  std::deque<os::LockedArray<WindowSeat>> seats_;
  std::vector<Departure> leaving_;
  std::vector<os::ByteRange> scratch_;
  FrameRange aim_;
  bool followed_ = false;
  std::uint64_t resident_bytes_ = 0;
  std::uint64_t resident_blocks_ = 0;
};

}  // namespace canvas
