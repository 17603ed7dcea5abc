#include "canvas/api/event_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "canvas/api/core.h"
#include "canvas/api/event_reader_inside.h"
#include "canvas/part/events/event_content.h"
#include "canvas/sync/part_life.h"

namespace canvas {
namespace {

namespace events = part::events;

Event ToEvent(const format::EventRecord& record, std::span<const std::byte> bytes) {
  return {Frame(record.frame), record.tick, static_cast<EventKind>(record.kind), record.tag, bytes};
}

}  // namespace

EventReaderInside::EventReaderInside(std::shared_ptr<CanvasCore> the_core, LaneInfo the_info,
                                     const events::EventPlace& the_place)
    : core(std::move(the_core)),
      info(std::move(the_info)),
      place(the_place),
      end(place.timeline.FirstFrame(core->file->mapped_pages())) {}

// Goes to a page, and stands at its first event at or behind `from`. False where the page has no
// part.
bool EventReaderInside::OpenPage(std::uint64_t number, Frame from) noexcept {
  page = number;
  page_end = place.timeline.FirstFrame(number + 1);
  list.reset();
  batch_size = batch_next = 0;
  last_seen = std::numeric_limits<std::int64_t>::min();
  const part::PartRef part(*core->file, place, PageIndex(static_cast<std::uint32_t>(number)));
  const auto found = part.Find();
  if (!found) return false;
  list.emplace(*found, place.shape);
  // Raced: an owner edits it at this moment. Each try is of a list that was there.
  constexpr int kTries = 16;
  for (int i = 0; i < kTries; ++i)
    if (list->SeekTo(from.value()) != sync::EventRead::kRaced) return true;
  list->Seek(0);
  return true;
}

// Of the page that `list` is of. A part that was given back raced too: another may be there by now.
EventStatus EventReaderInside::NextInPage(Event& event) noexcept {
  do {
    if (batch_next == batch_size) {
      const auto batch = list->Next(batch_records);
      if (batch.outcome != sync::EventRead::kOk) return EventStatus::kRaced;
      batch_size = batch.copied;
      batch_next = 0;
      if (batch_size == 0) return EventStatus::kEnd;
    }
    const format::EventRecord& next = batch_records[batch_next];
    if (next.frame < last_seen || next.frame >= page_end.value() || !list->IsSound(next))
      return EventStatus::kDamaged;
    last_seen = next.frame;
    // Appended after the end was met, and before where this cursor stands.
    if (next.frame < position.value()) ++batch_next;
  } while (last_seen < position.value());
  const format::EventRecord& record = batch_records[batch_next];
  if (record.fits()) {
    ++batch_next;
    size = record.bytes;
    event = ToEvent(record, std::span(record.inlined).first(size));
    return EventStatus::kOk;
  }
  const std::size_t kept = std::min<std::size_t>(record.bytes, bytes.size());
  const auto copied = list->CopyBytes(record, std::span(bytes).first(kept));
  if (copied != sync::EventRead::kOk) return EventStatus::kRaced;
  ++batch_next;
  size = record.bytes;
  event = ToEvent(record, std::span(bytes).first(kept));
  return EventStatus::kOk;
}

EventStatus EventReaderInside::Next(Event& event) noexcept {
  if (core->file->poisoned()) return EventStatus::kClosed;
  while (position < std::min(range.end, end)) {
    if (!list || position >= page_end) OpenPage(place.timeline.PageOf(position), position);
    const EventStatus status = list ? NextInPage(event) : EventStatus::kEnd;
    if (status == EventStatus::kOk) {
      if (event.frame >= range.end) return EventStatus::kEnd;
      position = event.frame;
      given = true;
      return status;
    }
    if (status == EventStatus::kRaced) {
      // Behind the last frame that was given out.
      if (given) position = position + std::int64_t{1};
      given = false;
      list.reset();
      return status;
    }
    if (status == EventStatus::kDamaged) return SkipPage(status);
    // The end of what this page has now. The last page that has anything may get more.
    const std::uint64_t next = NextPage(page + 1);
    if (next == kNoPage) return EventStatus::kEnd;
    position = place.timeline.FirstFrame(next);
    given = false;
  }
  return EventStatus::kEnd;
}

EventStatus EventReaderInside::SkipPage(EventStatus status) noexcept {
  position = place.timeline.FirstFrame(page + 1);
  given = false;
  list.reset();
  return status;
}

// The next page from `first` on that has an event, before the range's end.
std::uint64_t EventReaderInside::NextPage(std::uint64_t first) const noexcept {
  const Frame stop = std::min(range.end, end);
  if (stop <= place.timeline.FirstFrame(first)) return kNoPage;
  const std::uint64_t last = place.timeline.PageOf(stop - std::int64_t{1});
  const storage::CanvasFile& file = *core->file;
  for (std::uint64_t each = file.NextReadyPage(first, last + 1); each <= last;
       each = file.NextReadyPage(each + 1, last + 1)) {
    const part::PartRef part(file, place, PageIndex(static_cast<std::uint32_t>(each)));
    const auto found = part.Find();
    if (found && events::ListReader(*found, place.shape).Count() != 0) return each;
  }
  return kNoPage;
}

void EventReaderInside::Seek(Frame frame) noexcept {
  position = std::max({frame, range.first, Frame(0)});
  given = false;
  list.reset();
}

EventCursor::EventCursor(std::unique_ptr<EventReaderInside> inside) noexcept
    : inside_(std::move(inside)) {}
EventCursor::EventCursor(EventCursor&&) noexcept = default;
EventCursor& EventCursor::operator=(EventCursor&&) noexcept = default;
EventCursor::~EventCursor() = default;

EventStatus EventCursor::Next(Event& event) noexcept {
  return inside_ == nullptr ? EventStatus::kClosed : inside_->Next(event);
}

std::size_t EventCursor::size() const noexcept { return inside_ == nullptr ? 0 : inside_->size; }

void EventCursor::Seek(Frame frame) noexcept {
  if (inside_ != nullptr) inside_->Seek(frame);
}

EventReader::EventReader(std::unique_ptr<EventReaderInside> inside) noexcept
    : inside_(std::move(inside)) {}
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;
EventReader::~EventReader() = default;

const LaneInfo& EventReader::lane() const noexcept {
  static const LaneInfo none;
  return inside_ == nullptr ? none : inside_->info;
}

Result<EventList> EventReader::Read(FrameRange range) const {
  return NoThrow([&]() -> Result<EventList> {
    if (inside_ == nullptr) return Fail(ErrorCode::kClosed, "this reader was moved from");
    storage::CanvasFile& file = *inside_->core->file;
    CANVAS_TRY(file.CheckUsable());
    const events::EventPlace& place = inside_->place;
    const Frame first = std::max(range.first, Frame(0));
    const Frame end = std::min(range.end, inside_->end);
    EventList all;
    if (first >= end) return all;
    std::vector<PageIndex> pages;
    file.ForEachReadyPage(place.timeline.PageOf(first),
                          place.timeline.PageOf(end - std::int64_t{1}) + 1,
                          [&](PageIndex page) { pages.push_back(page); });
    for (const PageIndex page : pages) {
      const part::PartRef part(file, place, page);
      const auto found = part.Find();
      if (!found) continue;
      auto list = AboutFile(events::CopyList(part, *found, place), *inside_->core);
      if (!list) return std::unexpected(std::move(list).error());
      const FrameRange within = place.timeline.Frames(page);
      for (std::size_t i = 0; i < list->records.size(); ++i) {
        const Frame at(list->records[i].frame);
        if (at < within.first || at >= within.end) continue;  // damaged: `check` tells
        if (at >= first && at < end) all.Add(ToEvent(list->records[i], list->BytesOf(i)));
      }
    }
    return all;
  });
}

Result<EventCursor> EventReader::From(FrameRange range, std::size_t max_bytes) const {
  return NoThrow([&]() -> Result<EventCursor> {
    if (inside_ == nullptr) return Fail(ErrorCode::kClosed, "this reader was moved from");
    auto cursor = std::make_unique<EventReaderInside>(inside_->core, inside_->info, inside_->place);
    cursor->range = range;
    cursor->bytes.resize(std::max<std::size_t>(max_bytes, format::kInlineBytes));
    cursor->Seek(range.first);
    return EventCursor(std::move(cursor));
  });
}

LaneExtent EventReader::Extent() const noexcept {
  LaneExtent extent;
  if (inside_ == nullptr || inside_->core->file->poisoned()) return extent;
  const events::EventContent content(inside_->place);
  inside_->core->file->ForEachReadyPage(
      0, inside_->core->file->mapped_pages(), [&](PageIndex page) {
        CountIn(extent, inside_->place.timeline, page,
                content.Summarize(content.Part(*inside_->core->file, page)));
      });
  return extent;
}

}  // namespace canvas
