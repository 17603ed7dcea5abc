#include "canvas/api/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "canvas/api/window_core.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/shared_copy.h"
#include "canvas/sync/window.h"

namespace canvas {

bool View::StillValid() const noexcept {
  if (words_.life == nullptr) return true;
  const sync::ViewWords<sync::StdSync> words{static_cast<const sync::Word*>(words_.sequence),
                                             static_cast<const sync::Word*>(words_.life)};
  return sync::ViewStillValid(words, sequence_, life_);
}

void View::LookAway() noexcept {
  auto& seat = *static_cast<sync::Word*>(seat_);
  if (sync::Peek(seat) == look_) sync::LookAway<sync::StdSync>(seat);
  seat_ = nullptr;
}

namespace reading {
namespace {

// Has the processor load what lies behind a read, at most as much again: the next read is most
// likely there, and its checks keep the processor from running ahead to it as it runs from one
// memcpy to the next. A prefetch never faults; where nothing is resident it does nothing. `bytes`
// is not 0.
inline void PrefetchBehind(const std::byte* end, std::size_t bytes) noexcept {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kMost = 16 * kLine;
  if (sync::IsStringCopy(bytes)) return;
  std::size_t at = 0;
  do {
    __builtin_prefetch(end + at);
    at += kLine;
  } while (at < std::min(bytes, kMost));
}

// Before a long copy. A string operation begins when what comes before it is done: so what that
// waits for, and the first bytes, are sent for together, and not one after the other.
inline void PrefetchFor(const storage::PartWords& words, std::uint64_t block, const std::byte* from,
                        std::size_t bytes) noexcept {
  if (!sync::IsStringCopy(bytes)) return;
  __builtin_prefetch(&words.versions[block]);
  __builtin_prefetch(words.life);
  __builtin_prefetch(from);
  __builtin_prefetch(from + 64);
}

}  // namespace

void InWindow::LeaveSeat::operator()(WindowSeat* left) const noexcept { window->Leave(*left); }

template <typename Source>
FrameReader<Source>::FrameReader(std::shared_ptr<storage::CanvasFile> file,
                                 const part::frames::FramePlace& place, LaneInfo info,
                                 Source source)
    : frames_of_(place.shape.channels()),
      block_of_(place.shape.frames_per_block()),
      per_block_(place.shape.frames_per_block()),
      frame_bytes_(place.shape.frame_bytes()),
      source_(std::move(source)),
      file_(std::move(file)),
      place_(place),
      info_(std::move(info)),
      channels_(place.shape.channels()),
      end_(place.shape.FirstFrame(file_->mapped_pages())) {}

template <typename Source>
FrameReader<Source>::FrameReader(FrameReader&& other) noexcept
    : page_first_(std::exchange(other.page_first_, Frame(0))),
      page_end_(std::exchange(other.page_end_, Frame(0))),
      frames_of_(other.frames_of_),
      block_of_(other.block_of_),
      per_block_(other.per_block_),
      frame_bytes_(other.frame_bytes_),
      page_(other.page_),
      present_(std::exchange(other.present_, false)),
      source_(std::move(other.source_)),
      part_(other.part_),
      file_(std::move(other.file_)),
      place_(other.place_),
      info_(std::move(other.info_)),
      channels_(other.channels_),
      end_(std::exchange(other.end_, Frame(0))) {}

template <typename Source>
FrameReader<Source>& FrameReader<Source>::operator=(FrameReader&& other) noexcept {
  if (this == &other) return *this;
  std::destroy_at(this);
  return *std::construct_at(this, std::move(other));
}

// Makes the page of `frame` the current one. False where there is none.
template <typename Source>
bool FrameReader<Source>::SetPage(Frame frame) noexcept {
  if (frame >= page_first_ && frame < page_end_) return true;
  if (frame < Frame(0) || frame >= end_) return false;
  const std::uint64_t page = place_.shape.PageOf(frame);
  page_ = PageIndex(static_cast<std::uint32_t>(page));
  page_first_ = place_.shape.FirstFrame(page);
  page_end_ = place_.shape.FirstFrame(page + 1);
  present_ = false;
  if constexpr (Source::kInWindow) {
    source_.place = &source_.lane->PlaceOf(page_);
    source_.shown = source_.place->shown;
  } else {
    source_.ahead = 0;
  }
  return true;
}

// Goes to the page of `frame`, and finds out whether the part is there: `present_`, with kOk. In a
// window the reader says that it looks there, and goes by what is shown.
template <typename Source>
ReadStatus FrameReader<Source>::Enter(Frame frame) noexcept {
  if (!SetPage(frame)) return file_ == nullptr ? ReadStatus::kClosed : ReadStatus::kEnd;
  if constexpr (Source::kInWindow) {
    present_ = false;
    sync::LookAt<sync::StdSync>(source_.seat->seat, page_.value());
    if (!sync::IsShown(*source_.shown, page_.value())) return ReadStatus::kOutside;
    const part::PartLook& look = source_.place->look;
    if (!look.Stands()) return ReadStatus::kOutside;
    present_ = look.part.has_value();
    if (present_) part_ = *look.part;
  } else if (!present_ || sync::ReadLife(part_.words) != part_.life) {
    const auto found = part::frames::FramePart(*file_, place_, page_).Find();
    present_ = found.has_value();
    if (found) part_ = *found;
  }
  return ReadStatus::kOk;
}

template <typename Source>
void FrameReader<Source>::LookAway() noexcept {
  if constexpr (Source::kInWindow)
    if (source_.seat != nullptr) sync::LookAway<sync::StdSync>(source_.seat->seat);
}

// Before frame `local` of the current part is read, in order: has what follows read from the disk.
template <typename Source>
void FrameReader<Source>::ReadAhead(std::uint64_t local) noexcept {
  if constexpr (!Source::kInWindow) {
    constexpr std::uint64_t kStretch = 2 * 1024 * 1024;
    const std::uint64_t mark = std::min(sync::ReadHighMark(part_.words),
                                        static_cast<std::uint64_t>(page_end_ - page_first_));
    const std::uint64_t from = std::max(source_.ahead, local * frame_bytes_);
    const std::uint64_t end = std::min(local * frame_bytes_ + kStretch, mark * frame_bytes_);
    // Half a stretch at a time, or what is left.
    if (from >= end || (end - from < kStretch / 2 && end != mark * frame_bytes_)) return;
    file_->WillNeed(
        file_->geometry().Page(page_).value() + file_->geometry().Data(place_.slots) + from,
        end - from);
    source_.ahead = end;
  }
}

// Frames [local, local + frames) of the current part, which is there.
template <typename Source>
ReadStatus FrameReader<Source>::CopyRun(std::uint64_t local, std::uint64_t frames, float* out,
                                        std::uint64_t& written) noexcept {
  const std::uint64_t mark = sync::ReadHighMark(part_.words);
  const std::uint64_t low = sync::ReadLowMark(part_.words);
  const std::uint64_t end = local + frames;
  if (local < low) {
    const std::uint64_t count = std::min(frames, low - local);
    std::memset(out, 0, count * frame_bytes_);
    local += count;
    out += count * channels_;
  }
  auto status = ReadStatus::kOk;
  while (local < end) {
    const std::uint64_t block = block_of_(local);
    const std::uint64_t offset = local - block * per_block_;
    const std::uint64_t count = std::min(end - local, per_block_ - offset);
    const std::uint64_t below = local < mark ? std::min(count, mark - local) : 0;
    auto outcome = sync::BlockRead::kUnwritten;
    if (below != 0 && !IsShown(block)) {
      // One look decides: a block that is written from now on was not when the window looked.
      const auto version = sync::ReadVersion(part_.words, block);
      if ((version.written || version.changing()) && status == ReadStatus::kOk)
        status = ReadStatus::kOutside;
    } else if (below != 0) {
      outcome = sync::ReadBlock(
          part_.words, block, static_cast<std::uint32_t>(offset * frame_bytes_),
          static_cast<std::uint32_t>(below * frame_bytes_), out, [this] { return UndoIsShown(); });
    }
    const std::uint64_t good = outcome == sync::BlockRead::kOk ? below : 0;
    if (outcome == sync::BlockRead::kRaced) status = ReadStatus::kRaced;
    if (outcome == sync::BlockRead::kUndoAway && status == ReadStatus::kOk)
      status = ReadStatus::kOutside;
    if (good != count) std::memset(out + good * channels_, 0, (count - good) * frame_bytes_);
    written += good;
    local += count;
    out += count * channels_;
  }
  return status;
}

// Whether the block's samples may be touched.
template <typename Source>
bool FrameReader<Source>::IsShown(std::uint64_t block) const noexcept {
  if constexpr (Source::kInWindow)
    return sync::IsShownBlock(source_.place->resident, block);
  else
    return true;
}

// Whether the part's undo place may be touched.
template <typename Source>
bool FrameReader<Source>::UndoIsShown() const noexcept {
  if constexpr (Source::kInWindow)
    return sync::IsShownBlock(source_.shown + WindowPlace::kUndo, 0);
  else
    return true;
}

// Frames of one block, between the marks. kUnwritten also where the part lives no longer.
template <typename Source>
inline sync::BlockRead FrameReader<Source>::CopyWithin(std::uint64_t block, std::uint64_t offset,
                                                       std::uint64_t frames,
                                                       float* out) const noexcept {
  const auto outcome = sync::ReadBlock(
      part_.words, block, static_cast<std::uint32_t>(offset * frame_bytes_),
      static_cast<std::uint32_t>(frames * frame_bytes_), out, [this] { return UndoIsShown(); });
  // A life is never lived again: the same after the copy, the same before.
  return sync::LifeStands(part_.words, part_.life) ? outcome : sync::BlockRead::kUnwritten;
}

// In a window, of the page that it looks at: frames that begin in `block` and end in the next, in
// one copy. False where that cannot be.
template <typename Source>
bool FrameReader<Source>::CopyOverEdge(std::uint64_t block, std::uint64_t offset,
                                       std::uint64_t frames, float* out) const noexcept {
  if constexpr (Source::kInWindow) {
    if (offset + frames > 2 * std::uint64_t{per_block_}) return false;
    sync::LookAt<sync::StdSync>(source_.seat->seat, page_.value());
    const bool good =
        sync::IsShown(*source_.shown, page_.value()) &&
        sync::IsShownBlock(source_.shown + WindowPlace::kWhole, block) &&
        sync::IsShownBlock(source_.shown + WindowPlace::kWhole, block + 1) &&
        sync::ReadTwoBlocks(part_.words, block, static_cast<std::uint32_t>(offset * frame_bytes_),
                            static_cast<std::uint32_t>(frames * frame_bytes_), out) &&
        sync::LifeStands(part_.words, part_.life);
    sync::LookAway<sync::StdSync>(source_.seat->seat);
    return good;
  }
  return false;
}

template <typename Source>
ReadResult ReadFrames(std::byte* inside, Frame first, std::span<float> out) noexcept {
  FrameReader<Source>& self = Inside::Of<Source>(inside);
  // What nearly every call is: a range within one block, and of the page that the last call was in;
  // in a window, of another one too.
  if ((self.present_ && first >= self.page_first_ && first < self.page_end_) ||
      (Source::kInWindow && self.Enter(first) == ReadStatus::kOk && self.present_)) {
    const auto local = static_cast<std::uint64_t>(first - self.page_first_);
    const std::uint64_t block = self.block_of_(local);
    PrefetchFor(self.part_.words, block, self.part_.words.data + local * self.frame_bytes_,
                out.size_bytes());
    const std::uint64_t frames = self.frames_of_(out.size());
    const std::uint64_t offset = local - block * self.per_block_;
    if (frames != 0 && offset + frames <= self.per_block_ &&
        frames <= static_cast<std::uint64_t>(self.page_end_ - first)) {
      auto outcome = sync::BlockRead::kUnwritten;
      if constexpr (Source::kInWindow) {
        sync::LookAt<sync::StdSync>(self.source_.seat->seat, self.page_.value());
        if (sync::IsShown(*self.source_.shown, self.page_.value()) &&
            sync::IsShownBlock(self.source_.shown + WindowPlace::kWhole, block))
          outcome = self.CopyWithin(block, offset, frames, out.data());
        sync::LookAway<sync::StdSync>(self.source_.seat->seat);
        if (outcome == sync::BlockRead::kOk)
          PrefetchBehind(self.part_.words.data + (local + frames) * self.frame_bytes_,
                         frames * self.frame_bytes_);
      } else if (offset != 0 &&  // at the start of a block the other path reads ahead
                 local + frames <= sync::ReadHighMark(self.part_.words) &&
                 sync::ReadLowMark(self.part_.words) <= local) {
        outcome = self.CopyWithin(block, offset, frames, out.data());
      }
      if (outcome == sync::BlockRead::kOk) return {ReadStatus::kOk, frames};
      if (outcome == sync::BlockRead::kRaced) {  // all its tries are used up
        std::memset(out.data(), 0, frames * self.frame_bytes_);
        return {ReadStatus::kRaced, 0};
      }
    } else if (Source::kInWindow && frames != 0 &&
               frames <= static_cast<std::uint64_t>(self.page_end_ - first) &&
               self.CopyOverEdge(block, offset, frames, out.data())) {
      return {ReadStatus::kOk, frames};
    }
  }
  return self.ReadAcross(first, out);
}

template <typename Source>
ReadResult FrameReader<Source>::ReadAcross(Frame first, std::span<float> out) noexcept {
  LookAway();
  if (file_ == nullptr || file_->poisoned()) return {ReadStatus::kClosed, 0};
  std::uint64_t left = frames_of_(out.size());
  const std::uint64_t asked = left;
  float* to = out.data();
  ReadResult result;
  if (first < Frame(0) || first > end_ || asked > static_cast<std::uint64_t>(end_ - first)) {
    // Zeros before the beginning and behind the end; what lies between is read.
    std::memset(to, 0, asked * frame_bytes_);
    const std::uint64_t before =
        first < Frame(0)
            ? std::min(asked, std::uint64_t{0} - static_cast<std::uint64_t>(first.value()))
            : 0;
    const Frame from = std::max(first, Frame(0));
    const std::uint64_t there =
        from < end_ ? std::min(asked - before, static_cast<std::uint64_t>(end_ - from)) : 0;
    if (there != 0) result = ReadAcross(from, out.subspan(before * channels_, there * channels_));
    return {ReadStatus::kEnd, result.written_frames};
  }
  while (left > 0) {
    ReadStatus status = Enter(first);
    const auto local = static_cast<std::uint64_t>(first - page_first_);
    const std::uint64_t count = std::min(left, static_cast<std::uint64_t>(page_end_ - first));
    if (!present_) {
      std::memset(to, 0, count * frame_bytes_);
    } else {
      // In order, or nearly: reads within a block leave no trace here.
      if constexpr (!Source::kInWindow)
        if (first >= source_.next && first - source_.next <= 2 * std::int64_t{per_block_})
          ReadAhead(local);
      std::uint64_t written = 0;
      status = CopyRun(local, count, to, written);
      // Punched or reused meanwhile: what was copied may be of two lives.
      if (!sync::LifeStands(part_.words, part_.life)) {
        present_ = false;
        status = ReadStatus::kRaced;
        written = 0;
        std::memset(to, 0, count * frame_bytes_);
      }
      result.written_frames += written;
    }
    if (result.status != ReadStatus::kRaced && status != ReadStatus::kOk) result.status = status;
    left -= count;
    to += count * channels_;
    first = first + static_cast<std::int64_t>(count);
    if constexpr (!Source::kInWindow) source_.next = first;
  }
  LookAway();
  if (result.status == ReadStatus::kOutside) CountMiss();
  if (result.status == ReadStatus::kOk && result.written_frames != asked)
    result.status =
        result.written_frames == 0 ? ReadStatus::kUnwritten : ReadStatus::kPartlyUnwritten;
  return result;
}

template <typename Source>
void FrameReader<Source>::CountMiss() noexcept {
  if constexpr (Source::kInWindow)
    sync::Put(source_.seat->misses, sync::Peek(source_.seat->misses) + 1);
}

template <typename Source>
inline void FrameReader<Source>::OpenView(Frame first, std::uint64_t max_frames,
                                          View& view) noexcept {
  view.status_ = Enter(first);
  if (view.status_ != ReadStatus::kOk) return;
  view.status_ = ReadStatus::kUnwritten;
  if (!present_) return;
  view.words_ = {part_.words.sequence, part_.words.life};
  view.life_ = part_.life;
  view.sequence_ = sync::ViewSequence(part_.words);
  const auto local = static_cast<std::uint64_t>(first - page_first_);
  const auto in_page = static_cast<std::uint64_t>(page_end_ - page_first_);
  const std::uint64_t mark = std::min(sync::ReadHighMark(part_.words), in_page);
  if (local < sync::ReadLowMark(part_.words)) return;
  std::uint64_t end = local;
  const std::uint64_t least = std::max<std::uint64_t>(max_frames, 1);  // for the status
  while (end < mark && end - local < least) {
    const std::uint64_t block = block_of_(end);
    const auto version = sync::ReadVersion(part_.words, block);
    if (end == local && version.written)
      view.status_ = IsShown(block) ? ReadStatus::kRaced : ReadStatus::kOutside;
    if (!version.written || version.changing() || !IsShown(block)) break;
    view.status_ = ReadStatus::kOk;
    end = std::min(mark, (block + 1) * per_block_);
  }
  view.frames_ = std::min(end - local, max_frames);
  const auto* start = reinterpret_cast<const float*>(part_.words.data + local * frame_bytes_);
  view.samples_ = {start, view.frames_ * channels_};
}

template <typename Source>
View ViewFrames(std::byte* inside, Frame first, std::uint64_t max_frames) noexcept {
  FrameReader<Source>& self = Inside::Of<Source>(inside);
  View view;
  self.OpenView(first, max_frames, view);
  if constexpr (Source::kInWindow) {
    if (view.frames_ != 0) {
      sync::Word& seat = self.source_.seat->seat;
      view.seat_ = &seat;
      view.look_ = sync::Peek(seat);
    } else {
      self.LookAway();
      if (view.status_ == ReadStatus::kOutside) self.CountMiss();
    }
  }
  return view;
}

template <typename Source>
void FrameReader<Source>::Prefetch(Frame first, std::size_t bytes) noexcept {
  if constexpr (Source::kInWindow) {
    if (bytes == 0 || !SetPage(first)) return;
    __builtin_prefetch(source_.shown);
    __builtin_prefetch(source_.seat.get(), 1);
    if (!present_) return;  // not in this page before: nothing is known of it
    const auto local = static_cast<std::uint64_t>(first - page_first_);
    const std::byte* from = part_.words.data + local * frame_bytes_;
    __builtin_prefetch(&part_.words.versions[block_of_(local)]);
    __builtin_prefetch(part_.words.life);
    constexpr std::size_t kLine = 64;
    constexpr std::size_t kMost = 16 * kLine;
    for (std::size_t at = 0; at < std::min(bytes, kMost); at += kLine)
      __builtin_prefetch(from + at);
  }
}

template class FrameReader<Anywhere>;
template class FrameReader<InWindow>;
template ReadResult ReadFrames<Anywhere>(std::byte*, Frame, std::span<float>) noexcept;
template ReadResult ReadFrames<InWindow>(std::byte*, Frame, std::span<float>) noexcept;
template View ViewFrames<Anywhere>(std::byte*, Frame, std::uint64_t) noexcept;
template View ViewFrames<InWindow>(std::byte*, Frame, std::uint64_t) noexcept;

}  // namespace reading

LaneReader::LaneReader(reading::FrameReader<reading::Anywhere>&& reader) noexcept {
  new (inside_) reading::FrameReader<reading::Anywhere>(std::move(reader));
}
LaneReader::LaneReader(LaneReader&& other) noexcept
    : LaneReader(std::move(reading::Inside::Of(other))) {}
LaneReader& LaneReader::operator=(LaneReader&& other) noexcept {
  reading::Inside::Of(*this) = std::move(reading::Inside::Of(other));
  return *this;
}
LaneReader::~LaneReader() { std::destroy_at(&reading::Inside::Of(*this)); }

const LaneInfo& LaneReader::lane() const noexcept { return reading::Inside::Of(*this).lane(); }

WindowReader::WindowReader(reading::FrameReader<reading::InWindow>&& reader) noexcept {
  new (inside_) reading::FrameReader<reading::InWindow>(std::move(reader));
}
WindowReader::WindowReader(WindowReader&& other) noexcept
    : WindowReader(std::move(reading::Inside::Of(other))) {}
WindowReader& WindowReader::operator=(WindowReader&& other) noexcept {
  reading::Inside::Of(*this) = std::move(reading::Inside::Of(other));
  return *this;
}
WindowReader::~WindowReader() { std::destroy_at(&reading::Inside::Of(*this)); }

const LaneInfo& WindowReader::lane() const noexcept { return reading::Inside::Of(*this).lane(); }

}  // namespace canvas
