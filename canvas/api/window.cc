#include "canvas/api/window.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "canvas/api/frame_reader.h"
#include "canvas/api/window_core.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/presence.h"

namespace canvas {
namespace {

std::string Mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024.0 * 1024.0));
}

std::string LockLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "none";
  return Mebibytes(limit.rlim_cur);
}

}  // namespace

WindowLane::WindowLane(const part::frames::FramePlace& lane, LaneInfo info,
                       os::LockedArray<WindowPlace> places, std::uint64_t count)
    : lane_(lane),
      info_(std::move(info)),
      mask_(count - 1),
      places_(std::move(places)),
      held_(count) {}

void WindowLane::PutWords(sync::Word* start, std::uint64_t step) {
  for (WindowPlace& place : places_) {
    place.shown = start;
    place.undo = start + WindowPlace::kUndo;
    place.whole = start + WindowPlace::kWhole;
    place.resident = place.whole + words();
    start += step;
  }
}

Result<WindowLane> WindowLane::Make(const part::frames::FramePlace& lane, LaneInfo info,
                                    std::uint64_t places, WindowRoom& room) {
  // Of a page's blocks a window keeps the version words in memory.
  constexpr std::uint64_t kMostBlocks = std::uint64_t{1} << 21;
  const std::uint64_t blocks = lane.shape.max_blocks();
  if (blocks > kMostBlocks || places > room.places || blocks * places > room.blocks)
    return Fail(ErrorCode::kLimit,
                fmt::format("lane '{}' has {} blocks a page, too many for a window over {} pages "
                            "and what it has already",
                            info.name, blocks, places),
                "choose a shorter window or fewer lanes, or create the canvas with larger blocks");
  room.places -= places;
  room.blocks -= blocks * places;
  CANVAS_ASSIGN(auto shown, os::LockedArray<WindowPlace>::Make(places));
  return WindowLane(lane, std::move(info), std::move(shown), places);
}

Result<std::shared_ptr<WindowCore>> WindowCore::Make(std::shared_ptr<CanvasCore> core,
                                                     std::span<const LaneId> lanes,
                                                     const WindowOptions& options) {
  if (!Rate::Make(options.clock.num, options.clock.den))
    return Fail(ErrorCode::kInvalidArgument, "the window's clock is no rate");
  if (ToRate(Frame(options.max_seconds), {1, 1}, options.clock) < Frame(2))
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a window of {} seconds at a clock of {} Hz", options.max_seconds,
                            ToString(options.clock)),
                "it holds at least two of the clock's frames");
  if (options.max_seconds == 0 || options.max_seconds > 24 * 3600)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a window of {} seconds", options.max_seconds), "1 to 86400");
  std::shared_ptr<WindowCore> window(new WindowCore(std::move(core), options));
  // Both edges may lie inside a page, and a page that readers still leave keeps its place.
  const std::uint64_t places =
      std::bit_ceil(options.max_seconds / window->file().geometry().fields().page_seconds + 4);
  WindowRoom room;
  for (const LaneId id : lanes) {
    if (window->Find(id) != nullptr) continue;
    CANVAS_ASSIGN(auto found, window->core_->FindFrames(id));
    CANVAS_ASSIGN(auto lane, WindowLane::Make(found.second, found.first, places, room));
    window->lanes_.push_back(std::move(lane));
  }
  std::uint64_t together = 0;  // words of all lanes in one place
  for (const WindowLane& lane : window->lanes_) together += lane.PlaceWords();
  CANVAS_ASSIGN(auto words, os::LockedArray<sync::Word>::Make(places * together));
  sync::Word* start = words.data();
  for (WindowLane& lane : window->lanes_) {
    lane.PutWords(start, together);
    start += lane.PlaceWords();
  }
  window->words_.emplace(std::move(words));
  return window;
}

WindowCore::~WindowCore() {
  if (file().poisoned()) {
    // A forked child: nothing is its own, and the feeder was perhaps in the midst of these.
    (void)new (std::nothrow) std::vector<Departure>(std::move(leaving_));
    (void)new (std::nothrow) std::vector<os::ByteRange>(std::move(scratch_));
    return;
  }
  for (WindowLane& lane : lanes_)
    for (const auto& held : lane.held_) {
      if (!held.in_use) continue;
      try {
        Depart(lane, held.page, 0, lane.lane_.shape.max_blocks(), true);
      } catch (const std::bad_alloc&) {
        // Its memory stays until the canvas is closed; its page need not.
        file().shared_locks().Unlock(LockOf(lane, held.page));
      }
    }
  // No reader is left: each keeps the window.
  for (const Departure& departure : leaving_) {
    (void)file().UnwantResident(departure.ranges);
    if (departure.whole) file().shared_locks().Unlock(LockOf(*departure.lane, departure.page));
  }
}

WindowLane* WindowCore::Find(LaneId id) {
  const auto found =
      std::ranges::find_if(lanes_, [&](const WindowLane& lane) { return lane.lane_.id == id; });
  return found == lanes_.end() ? nullptr : &*found;
}

Result<WindowSeat*> WindowCore::Enter(const WindowLane& lane) {
  const std::lock_guard lock(mutex_);
  std::size_t index = 0;
  while (&lanes_[index] != &lane) ++index;
  const auto take = [&](os::LockedArray<WindowSeat>& chunk) -> WindowSeat* {
    for (WindowSeat& seat : chunk)
      if (!seat.taken) {
        seat.taken = true;
        seat.lane = index;
        return &seat;
      }
    return nullptr;
  };
  for (auto& chunk : seats_)
    if (WindowSeat* seat = take(chunk)) return seat;
  CANVAS_ASSIGN(auto chunk, os::LockedArray<WindowSeat>::Make(kSeatsAtOnce));
  seats_.push_back(std::move(chunk));
  return take(seats_.back());
}

void WindowCore::Leave(WindowSeat& seat) noexcept {
  if (file().poisoned()) return;  // a forked child, where the mutex may be held for ever
  const std::lock_guard lock(mutex_);
  sync::LookAway<sync::StdSync>(seat.seat);
  seat.taken = false;
}

os::ByteRange WindowCore::BlockBytes(const WindowLane& lane, PageIndex page,
                                     std::uint64_t block) const {
  const format::FrameShape& shape = lane.lane_.shape;
  return {file().geometry().Page(page).value() + file().geometry().Data(lane.lane_.slots) +
              block * shape.block_stride(),
          shape.BlockBytes(page.value(), block)};
}

// Hides blocks [first, end) of a page, or all of it, and puts them on the list of what leaves. What
// may run out of memory comes first.
void WindowCore::Depart(WindowLane& lane, PageIndex page, std::uint64_t first_block,
                        std::uint64_t end_block, bool whole) {
  WindowPlace& place = lane.PlaceOf(page);
  Departure departure;
  const auto hidden_of = [&](std::uint64_t word) {
    std::uint64_t hidden = 0;
    for (std::uint64_t bits = sync::Peek(place.resident[word]); bits != 0; bits &= bits - 1) {
      const std::uint64_t block = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
      if (block >= first_block && block < end_block) hidden |= bits & -bits;
    }
    return hidden;
  };
  for (std::uint64_t word = 0; word < lane.words(); ++word)
    for (std::uint64_t bits = hidden_of(word); bits != 0; bits &= bits - 1)
      departure.ranges.push_back(
          BlockBytes(lane, page, word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits))));
  const std::size_t blocks = departure.ranges.size();
  if (whole)
    for (const auto& range : place.look.touched)
      if (range.bytes != 0) departure.ranges.push_back(range);
  if (departure.ranges.empty() && !whole) return;
  leaving_.reserve(leaving_.size() + 1);

  for (std::uint64_t word = 0; word < lane.words(); ++word) {
    const std::uint64_t hidden = hidden_of(word);
    if (hidden == 0) continue;
    sync::HideBlocks(place.whole[word], hidden);
    sync::HideBlocks(place.resident[word], hidden);
  }
  if (whole) {
    sync::HideBlocks(*place.undo, 1);
    sync::HidePage(*place.shown);
    lane.HeldOf(page).in_use = false;
  }
  resident_blocks_ -= blocks;
  for (const auto& range : departure.ranges) resident_bytes_ -= range.bytes;
  departure.lane = &lane;
  departure.page = page;
  departure.whole = whole;
  ++lane.HeldOf(page).leaving;
  leaving_.push_back(std::move(departure));
}

// Lets go of what no reader looks at any more.
void WindowCore::Collect() {
  if (leaving_.empty()) return;
  const bool unfenced = std::ranges::any_of(leaving_, [](const auto& d) { return !d.fenced; });
  if (unfenced && sync::FenceReaders<sync::StdSync>())
    for (Departure& departure : leaving_) {
      if (departure.fenced) continue;
      std::vector<Departure::Reader> waiting;
      ForEachSeat([&](const WindowSeat& seat) {
        const std::uint64_t word = sync::ReadSeat<sync::StdSync>(seat.seat);
        if (&lanes_[seat.lane] == departure.lane && sync::LooksAt(word, departure.page.value()))
          waiting.push_back({&seat, word});
      });
      departure.waiting = std::move(waiting);
      departure.fenced = true;
    }
  std::erase_if(leaving_, [&](Departure& departure) {
    if (!departure.fenced) return false;
    std::erase_if(departure.waiting, [](const Departure::Reader& reader) {
      return sync::ReadSeat<sync::StdSync>(reader.seat->seat) != reader.word;
    });
    if (!departure.waiting.empty()) return false;
    if (!file().UnwantResident(departure.ranges)) return false;
    if (departure.whole) file().shared_locks().Unlock(LockOf(*departure.lane, departure.page));
    --departure.lane->HeldOf(departure.page).leaving;
    return true;
  });
}

void WindowCore::Aim(FrameRange range) {
  if (file().poisoned()) return;  // a forked child, where the mutex may be held for ever
  const std::lock_guard lock(mutex_);
  aim_ = range;
  for (WindowLane& lane : lanes_) {
    const auto& shape = lane.lane_.shape;
    const Frame end = shape.FirstFrame(file().mapped_pages());
    lane.aim_ = {std::clamp(ToRate(range.first, options_.clock, shape.rate()), Frame(0), end),
                 std::clamp(ToRateUp(range.end, options_.clock, shape.rate()), Frame(0), end)};
    for (auto& held : lane.held_) {
      if (!held.in_use) continue;
      const Frame start = shape.FirstFrame(held.page.value());
      const Frame stop = shape.FirstFrame(std::uint64_t{held.page.value()} + 1);
      if (lane.aim_.empty() || stop <= lane.aim_.first || start >= lane.aim_.end) {
        Depart(lane, held.page, 0, shape.max_blocks(), true);
        continue;
      }
      const auto per_block = static_cast<std::int64_t>(shape.frames_per_block());
      const auto block_of = [&](std::int64_t frames) {
        return static_cast<std::uint64_t>(frames / per_block);
      };
      Depart(lane, held.page, 0, block_of(std::max<std::int64_t>(lane.aim_.first - start, 0)),
             false);
      Depart(lane, held.page, block_of(std::min(lane.aim_.end, stop) - start + per_block - 1),
             shape.max_blocks(), false);
    }
  }
  Collect();
}

// Shows a page again that was hidden, and that readers have not all left yet. False where it is not
// in its place any more, or is another by now.
bool WindowCore::ShowAgain(WindowLane& lane, PageIndex page) {
  auto& held = lane.HeldOf(page);
  WindowPlace& place = lane.PlaceOf(page);
  if (held.in_use || held.page != page || !place.look.Stands()) return false;
  const auto departure = std::ranges::find_if(
      leaving_, [&](const Departure& d) { return d.lane == &lane && d.page == page && d.whole; });
  if (departure == leaving_.end()) return false;
  // It keeps its lock, and what every read touches; the blocks go, and are shown anew.
  departure->whole = false;
  for (const auto& range : place.look.touched) {
    if (range.bytes == 0) continue;
    departure->ranges.erase(std::ranges::find(departure->ranges, range));
    resident_bytes_ += range.bytes;
  }
  held.in_use = true;
  sync::ShowPage(*place.shown, page.value());
  ShowUndo(lane, page);
  return true;
}

// The undo place of a page that is shown, where it is resident.
void WindowCore::ShowUndo(WindowLane& lane, PageIndex page) {
  WindowPlace& place = lane.PlaceOf(page);
  if (place.undo_touched()) sync::ShowBlocks(*place.undo, 1);
}

// Shows a page that is not shown yet. False where that must wait.
Result<bool> WindowCore::ShowPage(WindowLane& lane, PageIndex page) {
  auto& held = lane.HeldOf(page);
  if (held.leaving != 0) Collect();
  if (held.leaving != 0 && ShowAgain(lane, page)) return true;
  if (held.leaving != 0 || held.in_use) return false;
  const format::LockRange lock = LockOf(lane, page);
  switch (file().shared_locks().TryShared(lock)) {
    case sync::LockTry::kTaken:
      break;
    case sync::LockTry::kHeld:
      return false;  // just being given back
    case sync::LockTry::kFailed:
      return FailErrno(errno, "lock");
  }
  WindowPlace& place = lane.PlaceOf(page);
  place.look = part::frames::FramePart(file(), lane.lane_, page).Look();
  if (auto got = file().WantResident(place.look.touched); !got) {
    file().shared_locks().Unlock(lock);
    return std::unexpected(std::move(got).error());
  }
  for (const auto& range : place.look.touched) resident_bytes_ += range.bytes;
  held.in_use = true;
  held.page = page;
  sync::ShowPage(*place.shown, page.value());
  ShowUndo(lane, page);
  return true;
}

Result<bool> WindowCore::FillPage(WindowLane& lane, PageIndex page, FrameRange range) {
  auto& held = lane.HeldOf(page);
  WindowPlace& place = lane.PlaceOf(page);
  if (held.in_use && held.page == page && !place.look.Stands())
    Depart(lane, page, 0, lane.lane_.shape.max_blocks(), true);
  if (!held.in_use || held.page != page) {
    CANVAS_ASSIGN(const bool shown, ShowPage(lane, page));
    if (!shown) return false;
  }
  if (!place.look.part) return true;
  // The one does not wait for the other.
  auto blocks = FillBlocks(lane, page, range);
  auto undo = FillUndo(lane, page);
  CANVAS_TRY(std::move(blocks));
  CANVAS_TRY(std::move(undo));
  return true;
}

// Once a block of the part was overwritten, its readers may have to look at the undo place.
Result<void> WindowCore::FillUndo(WindowLane& lane, PageIndex page) {
  WindowPlace& place = lane.PlaceOf(page);
  if (place.undo_touched() || !sync::UndoWasUsed(place.look.part->words)) return {};
  const os::ByteRange range = part::frames::FramePart(file(), lane.lane_, page).UndoRange();
  CANVAS_TRY(file().WantResident({&range, 1}));
  place.look.touched[2] = range;  // readers do not look at it
  resident_bytes_ += range.bytes;
  ShowUndo(lane, page);
  return {};
}

Result<void> WindowCore::FillBlocks(WindowLane& lane, PageIndex page, FrameRange range) {
  WindowPlace& place = lane.PlaceOf(page);
  const auto& words = place.look.part->words;
  const auto& shape = lane.lane_.shape;
  const std::uint64_t per_block = shape.frames_per_block();
  const Frame start = shape.FirstFrame(page.value());
  const auto local = [&](Frame frame) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(frame - start, 0));
  };
  const std::uint64_t mark = std::min(sync::ReadHighMark(words), shape.FramesIn(page.value()));
  const std::uint64_t first = std::max(local(range.first), sync::ReadLowMark(words)) / per_block;
  const std::uint64_t end = (std::min(local(range.end), mark) + per_block - 1) / per_block;
  const auto has = [](const sync::Word* bits, std::uint64_t block) {
    return (sync::Peek(bits[block / 64]) >> block % 64 & 1) != 0;
  };
  const auto show = [](sync::Word* bits, std::uint64_t block) {
    sync::ShowBlocks(bits[block / 64], std::uint64_t{1} << block % 64);
  };
  scratch_.clear();
  std::vector<std::uint64_t> fresh;
  for (std::uint64_t block = first; block < end; ++block) {
    if (has(place.resident, block)) continue;
    const auto version = sync::ReadVersion(words, block);
    if (!version.written && !version.changing()) continue;
    fresh.push_back(block);
    scratch_.push_back(BlockBytes(lane, page, block));
  }
  CANVAS_TRY(file().WantResident(scratch_));
  for (const std::uint64_t block : fresh) show(place.resident, block);
  // Marks only widen while the part lives: what lies between them now stays there.
  const std::uint64_t low = sync::ReadLowMark(words);
  for (std::uint64_t block = first; block < end; ++block)
    if (has(place.resident, block) && !has(place.whole, block) && low <= block * per_block &&
        std::min((block + 1) * per_block, shape.FramesIn(page.value())) <= mark)
      show(place.whole, block);
  for (const auto& bytes : scratch_) resident_bytes_ += bytes.bytes;
  resident_blocks_ += fresh.size();
  return {};
}

Result<bool> WindowCore::Fill(FrameRange range) {
  CANVAS_TRY(file().CheckUsable());
  const std::lock_guard lock(mutex_);
  Collect();
  bool all = true;
  Result<void> first;
  for (WindowLane& lane : lanes_) {
    const auto& shape = lane.lane_.shape;
    const FrameRange part{
        std::max(ToRate(range.first, options_.clock, shape.rate()), lane.aim_.first),
        std::min(ToRateUp(range.end, options_.clock, shape.rate()), lane.aim_.end)};
    if (part.empty()) continue;
    const std::uint64_t last = shape.PageOf(part.end - 1);
    for (std::uint64_t page = shape.PageOf(part.first); page <= last; ++page) {
      auto shown = FillPage(lane, PageIndex(static_cast<std::uint32_t>(page)), part);
      all = all && shown && *shown;
      if (!shown && first) first = std::unexpected(std::move(shown).error());
    }
  }
  file().LockTheRest();
  CANVAS_TRY(std::move(first));
  return all;
}

Result<void> WindowCore::MoveTo(FrameRange range) {
  CANVAS_TRY(file().CheckUsable());
  const std::lock_guard moving(moving_);
  Aim(range);
  CANVAS_ASSIGN(const bool all, Fill(range));
  if (!all)
    return Fail(ErrorCode::kBusy,
                "a page is just being given back, or a reader's view still holds its place",
                "try again when the reader has gone on");
  return {};
}

Result<void> WindowCore::BeginFollowing() {
  CANVAS_TRY(file().CheckUsable());
  const std::lock_guard lock(mutex_);
  if (std::exchange(followed_, true))
    return Fail(ErrorCode::kBusy, "another playhead moves this window",
                "make a window for each position");
  return {};
}

void WindowCore::EndFollowing() noexcept {
  const std::lock_guard lock(mutex_);
  followed_ = false;
}

WindowReport WindowCore::Report() {
  if (auto usable = file().CheckUsable(); !usable)
    return {.range = {}, .message = usable.error().Message()};
  const std::lock_guard lock(mutex_);
  const auto state = file().ResidentState();
  bool words_locked = words_->Lock();
  for (WindowLane& lane : lanes_) words_locked = lane.places_.Lock() && words_locked;
  for (auto& chunk : seats_) words_locked = chunk.Lock() && words_locked;
  WindowReport report{.range = aim_,
                      .resident_blocks = resident_blocks_,
                      .resident_bytes = resident_bytes_,
                      .locked = words_locked && state.locked_bytes == state.resident_bytes,
                      .message = {},
                      .misses = 0};
  ForEachSeat([&](const WindowSeat& seat) { report.misses += sync::Peek(seat.misses); });
  report.message =
      report.locked
          ? fmt::format("resident and locked: {}", Mebibytes(report.resident_bytes))
          : fmt::format(
                "resident, not locked: {} of the {} that this handle's windows cover are "
                "locked{}; {}, and the limit on locked memory is {} (ulimit -l)",
                Mebibytes(state.locked_bytes), Mebibytes(state.resident_bytes),
                words_locked ? "" : ", and not the words of the window itself",
                std::strerror(state.lock_errno != 0 ? state.lock_errno : ENOMEM), LockLimit());
  return report;
}

Result<void> Window::CheckOpen() const {
  if (core_ == nullptr) return Fail(ErrorCode::kClosed, "this window was moved from");
  return core_->core().file->CheckUsable();
}

Result<void> Window::MoveTo(FrameRange range) {
  if (auto open = NoThrow([&] { return CheckOpen(); }); !open) return open;
  const WindowOptions& options = core_->options();
  return AboutFile(
      NoThrow([&]() -> Result<void> {
        // Of any two positions: as unsigned numbers, their distance does not overflow.
        const auto frames = static_cast<std::uint64_t>(range.end.value()) -
                            static_cast<std::uint64_t>(range.first.value());
        const auto most = static_cast<std::uint64_t>(
            ToRate(Frame(options.max_seconds), {1, 1}, options.clock).value());
        if (range.end < range.first || frames > most)
          return Fail(
              ErrorCode::kInvalidArgument,
              fmt::format("a window over frames {} to {}", range.first.value(), range.end.value()),
              fmt::format("it was made for at most {} s", options.max_seconds));
        return core_->MoveTo(range);
      }),
      core_->core());
}

WindowReport Window::Report() const noexcept {
  if (core_ == nullptr) return {.range = {}, .message = {}};
  auto report = NoThrow([&]() -> Result<WindowReport> { return core_->Report(); });
  return report ? *std::move(report) : WindowReport{.range = {}, .message = {}};
}

Result<WindowReader> Window::Reader(LaneId id) const {
  return NoThrow([&]() -> Result<WindowReader> {
    CANVAS_TRY(CheckOpen());
    WindowLane* lane = core_->Find(id);
    if (lane == nullptr)
      return Fail(ErrorCode::kNotFound, fmt::format("lane {} is not in this window", id.value()),
                  "make a window over it");
    CANVAS_ASSIGN(WindowSeat * seat, core_->Enter(*lane));
    // The seat is the reader's from here on, and left even where another step fails.
    reading::InWindow source;
    source.seat = {seat, reading::InWindow::LeaveSeat{core_}};
    source.lane = lane;
    return WindowReader(reading::FrameReader<reading::InWindow>(core_->core().file, lane->lane(),
                                                                lane->info(), std::move(source)));
  });
}

Result<WindowReaders> Window::Readers(std::span<const LaneId> ids) const {
  return NoThrow([&]() -> Result<WindowReaders> {
    CANVAS_TRY(CheckOpen());
    std::vector<WindowReader> readers;
    readers.reserve(ids.size());
    for (const LaneId id : ids) {
      CANVAS_ASSIGN(WindowReader reader, Reader(id));
      readers.push_back(std::move(reader));
    }
    return WindowReaders(std::move(readers), core_->options().clock);
  });
}

Result<Window> Window::Make(std::shared_ptr<CanvasCore> core, std::span<const LaneId> lanes,
                            const WindowOptions& options) {
  auto made = AboutFile(WindowCore::Make(core, lanes, options), *core);
  if (!made) return std::unexpected(std::move(made).error());
  return Window(*std::move(made));
}

}  // namespace canvas
