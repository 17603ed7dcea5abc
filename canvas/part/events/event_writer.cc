#include "canvas/part/events/event_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "canvas/part/open_part.h"

namespace canvas::part::events {
namespace {

constexpr std::uint64_t kRecordBytes = sizeof(format::EventRecord);

constexpr std::uint64_t RoundUp(std::uint64_t bytes) {
  return (bytes + format::kFileBlock - 1) / format::kFileBlock * format::kFileBlock;
}
constexpr std::uint64_t RoundDown(std::uint64_t bytes) {
  return bytes / format::kFileBlock * format::kFileBlock;
}

}  // namespace

EventPartWriter::EventPartWriter(storage::CanvasFile& file, const EventPlace& lane, PageIndex page,
                                 const storage::Ownership& owner, const storage::PartWords& words)
    : file_(&file),
      owner_(&owner),
      lane_(lane),
      page_(page),
      words_(WordsOf(words, lane.shape)),
      data_(PartRef(file, lane, page).data()),
      low_(lane.shape.half_bytes()),
      last_(lane.timeline.FirstFrame(page.value()).value() - 1),
      reserved_low_(lane.shape.half_bytes()) {}

Result<EventPartWriter> EventPartWriter::Open(storage::CanvasFile& file, const EventPlace& lane,
                                              PageIndex page, const storage::Ownership& owner) {
  CANVAS_ASSIGN(const storage::PartWords words, OpenPart(file, PartRef(file, lane, page), owner));
  EventPartWriter writer(file, lane, page, owner, words);
  CANVAS_TRY(writer.LookAtList());
  return writer;
}

std::uint32_t EventPartWriter::count() const { return sync::ReadEventState(words_).count; }

// What a predecessor left: the last event, and where the bytes behind events begin. Those of the
// last event that has any lie lowest.
Result<void> EventPartWriter::LookAtList() {
  const format::EventState state = sync::ReadEventState(words_);
  const auto corrupt = [&](std::string what) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("lane {}, page {}: {}", lane_.id.value(), page_.value(), what),
                "give the page back (Erase), or restore it from a copy");
  };
  if (state.count > lane_.shape.capacity())
    return corrupt(
        fmt::format("{} events, and there is room for {}", state.count, lane_.shape.capacity()));
  format::EventRecord event;
  for (std::uint64_t index = state.count; index > 0; --index) {
    sync::StdSync::CopyOut(&event, sync::EventPlace(words_, state.half, index - 1), kRecordBytes);
    if (index == state.count) last_ = event.frame;
    if (event.fits()) continue;
    low_ = std::uint64_t{event.place} * format::kPlaceUnit;
    if (low_ < state.count * kRecordBytes || low_ > lane_.shape.half_bytes())
      return corrupt(fmt::format("event {} has its bytes among others", index - 1));
    break;
  }
  return {};
}

Result<std::uint64_t> EventPartWriter::LayOut(std::span<const NewEvent> events, std::uint64_t count,
                                              std::uint64_t low) {
  const auto full = [&](std::uint64_t at) {
    return Fail(ErrorCode::kLimit,
                fmt::format("page {} has no room for event {} of {}: it has {}, of {} bytes in all",
                            page_.value(), at, events.size(), count, lane_.shape.half_bytes()),
                "a page holds an event in 64 bytes, and behind it what is longer than 32; make the "
                "lane dense, or spread it over more lanes");
  };
  if (count + events.size() > lane_.shape.capacity()) return full(lane_.shape.capacity() - count);
  records_.resize(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::span<const std::byte> data = events[i].data;
    const std::uint64_t behind = format::BytesBehind(data.size());
    if (low < behind || low - behind < (count + i + 1) * kRecordBytes) return full(i);
    low -= behind;
    format::EventRecord& record = records_[i];
    record = {.frame = events[i].frame,
              .tick = events[i].tick,
              .kind = events[i].kind,
              .tag = events[i].tag,
              .bytes = static_cast<std::uint32_t>(data.size())};
    if (record.fits())
      std::ranges::copy(data, record.inlined.begin());
    else
      record.place = static_cast<std::uint32_t>(low / format::kPlaceUnit);
  }
  return low;
}

Result<void> EventPartWriter::Reserve(std::uint32_t half, std::uint64_t first, std::uint64_t end) {
  if (first >= end) return {};
  return file_->ReserveBytes(data_ + HalfOffset(half) + first, end - first, false);
}

// Before stores into [count x 64, ...) of a half, and into [new_low, low).
Result<void> EventPartWriter::Prepare(std::uint32_t half, std::uint64_t count, std::uint64_t low,
                                      std::uint64_t new_low) {
  const std::uint64_t first = count * kRecordBytes;
  const std::uint64_t end = first + records_.size() * kRecordBytes;
  if (end > reserved_end_) {
    // More than asked for, where events come one after the other; but not where there is no room.
    const std::uint64_t ahead = std::min(
        {RoundUp(end) + step_, RoundDown(new_low), RoundUp(end + lane_.shape.half_bytes())});
    const std::uint64_t from = std::max(RoundDown(first), reserved_end_);
    if (ahead > RoundUp(end) && Reserve(half, from, ahead)) {
      reserved_end_ = ahead;
      // The kernel makes many pages ready for less than a fault at each.
      file_->Populate(data_ + HalfOffset(half) + from, ahead - from);
    } else {
      CANVAS_TRY(Reserve(half, from, RoundUp(end)));
      reserved_end_ = RoundUp(end);
    }
    step_ = std::min<std::uint64_t>(std::max(2 * step_, format::kFileBlock),
                                    file_->geometry().fields().extent_bytes);
  }
  if (new_low < reserved_low_) {
    CANVAS_TRY(Reserve(half, RoundDown(new_low), RoundUp(reserved_low_)));
    reserved_low_ = RoundDown(new_low);
  }
  const std::uint64_t start = data_ + HalfOffset(half);
  CANVAS_TRY(
      file_->EnsureStorable({{start + first, end - first}, {start + new_low, low - new_low}}));
  return {};
}

void EventPartWriter::CopyBytesIn(std::uint32_t half, std::span<const NewEvent> events) noexcept {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (records_[i].fits()) continue;
    std::byte* to =
        words_.events + HalfOffset(half) + std::uint64_t{records_[i].place} * format::kPlaceUnit;
    // Shared bytes are copied by fours.
    const std::size_t even = events[i].data.size() / 4 * 4;
    sync::StdSync::CopyIn(to, events[i].data.data(), even);
    if (even == events[i].data.size()) continue;
    std::array<std::byte, 4> last{};
    std::ranges::copy(events[i].data.subspan(even), last.begin());
    sync::StdSync::CopyIn(to + even, last.data(), last.size());
  }
}

Result<void> EventPartWriter::Append(std::span<const NewEvent> events) {
  if (events.empty()) return {};
  const format::EventState state = sync::ReadEventState(words_);
  CANVAS_ASSIGN(const std::uint64_t low, LayOut(events, state.count, low_));
  CANVAS_TRY(owner_->EnsureStorable());
  CANVAS_TRY(PartRef(*file_, lane_, page_).EnsureStorable());
  Result<void> reserved;
  const bool done =
      sync::AppendEvents(words_, records_.data(), static_cast<std::uint32_t>(records_.size()),
                         [&](std::uint32_t half, std::uint32_t, std::uint32_t) {
                           reserved = Prepare(half, state.count, low_, low);
                           if (reserved) CopyBytesIn(half, events);
                           return reserved.has_value();
                         });
  CANVAS_TRY(std::move(reserved));
  if (!done) return Fail(ErrorCode::kCorrupt, "the list changed under its owner");
  low_ = low;
  last_ = records_.back().frame;
  file_->Notify();
  return {};
}

Result<void> EventPartWriter::Replace(std::span<const NewEvent> events) {
  CANVAS_ASSIGN(const std::uint64_t low, LayOut(events, 0, lane_.shape.half_bytes()));
  CANVAS_TRY(owner_->EnsureStorable());
  CANVAS_TRY(PartRef(*file_, lane_, page_).EnsureStorable());
  // What is known to be reserved is of the other half.
  reserved_end_ = 0;
  reserved_low_ = lane_.shape.half_bytes();
  step_ = 0;
  Result<void> reserved;
  const bool done =
      sync::ReplaceEvents(words_, records_.data(), static_cast<std::uint32_t>(records_.size()),
                          [&](std::uint32_t half, std::uint32_t, std::uint32_t) {
                            if (!records_.empty())
                              reserved = Prepare(half, 0, lane_.shape.half_bytes(), low);
                            if (reserved) CopyBytesIn(half, events);
                            return reserved.has_value();
                          });
  if (!reserved || !done) {
    reserved_end_ = 0;
    reserved_low_ = lane_.shape.half_bytes();
  }
  CANVAS_TRY(std::move(reserved));
  if (!done) return Fail(ErrorCode::kCorrupt, "the list changed under its owner");
  low_ = low;
  last_ = records_.empty() ? lane_.timeline.FirstFrame(page_.value()).value() - 1
                           : records_.back().frame;
  file_->Notify();
  return {};
}

}  // namespace canvas::part::events
