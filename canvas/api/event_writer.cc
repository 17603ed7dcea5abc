#include "canvas/api/event_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/core.h"
#include "canvas/api/owned_lane.h"
#include "canvas/part/events/event_content.h"
#include "canvas/part/events/event_writer.h"

namespace canvas {
namespace {

namespace events = part::events;

std::unexpected<Error> MovedFrom() {
  return Fail(ErrorCode::kClosed, "this writer was moved from");
}

constexpr std::size_t kMostBytes = std::numeric_limits<std::uint32_t>::max();

bool IsRight(const Event& event) {
  if (event.bytes.size() > kMostBytes) return false;
  switch (event.kind) {
    case EventKind::kMidi:
      return !event.bytes.empty() && (event.bytes[0] & std::byte{0x80}) != std::byte{0} &&
             event.tag == 0;
    case EventKind::kUmp:
      return !event.bytes.empty() && event.bytes.size() <= 16 && event.bytes.size() % 4 == 0 &&
             event.tag == 0;
    case EventKind::kApplication:
      return true;
  }
  return false;
}

// What is wrong with the kind and the bytes of an event that is not right.
std::string WrongWith(const Event& event) {
  if (event.bytes.size() > kMostBytes)
    return fmt::format("{} bytes; it has at most {}", event.bytes.size(), kMostBytes);
  switch (event.kind) {
    case EventKind::kMidi:
      return event.tag != 0 ? "a MIDI event has no tag" : "a MIDI event begins with a status byte";
    case EventKind::kUmp:
      if (event.tag != 0) return "a packet has no tag";
      return fmt::format("a packet of {} bytes; it has 4 to 16, by fours", event.bytes.size());
    case EventKind::kApplication:
      break;
  }
  return fmt::format("of kind {}", static_cast<std::uint32_t>(event.kind));
}

events::NewEvent ToNew(const Event& event) {
  return {event.frame.value(), event.tick, static_cast<std::uint32_t>(event.kind), event.tag,
          event.bytes};
}

}  // namespace

class EventWriterInside {
 public:
  EventWriterInside(LaneOwner the_owner, const events::EventPlace& the_place) noexcept
      : owner(std::move(the_owner)), place(the_place) {}

  OwnedLane& lane() { return *Insides::Of(owner); }
  const OwnedLane& lane() const { return *Insides::Of(owner); }
  storage::CanvasFile& file() const { return *lane().core->file; }

  Result<void> Check(std::span<const Event> list) const;
  Result<void> Append(std::span<const Event> list);
  Result<void> Replace(FrameRange range, std::span<const Event> list);

  LaneOwner owner;  // outlives the part's writer
  events::EventPlace place;
  // Of the page that was appended to last. Erasing and replacing change it.
  std::optional<events::EventPartWriter> part;

 private:
  std::unexpected<Error> Wrong(std::string what, std::string hint) const {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}': {}", lane().info.name, std::move(what)), std::move(hint));
  }
  // As many of the first as lie in one page.
  std::span<const Event> OfOnePage(std::span<const Event> list) const;
  Result<void> OpenPart(PageIndex page);
  // Of one page: `here` in place of what it has of the range.
  Result<void> ReplaceIn(PageIndex page, FrameRange range, std::span<const Event> here);
  // Event by event, not to allocate for one: of some the whole list.
  const std::vector<events::NewEvent>& ToNewList(std::span<const Event> list);

  std::vector<events::NewEvent> fresh_;
};

const std::vector<events::NewEvent>& EventWriterInside::ToNewList(std::span<const Event> list) {
  fresh_.clear();
  fresh_.reserve(list.size());
  std::ranges::transform(list, std::back_inserter(fresh_), ToNew);
  return fresh_;
}

Result<void> EventWriterInside::Check(std::span<const Event> list) const {
  const Frame capacity = place.timeline.FirstFrame(file().CapacityPages());
  const PageRange pages = owner.pages();
  Frame last(0);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Event& event = list[i];
    if (event.frame < Frame(0))
      return Wrong(fmt::format("event {} is at frame {}", i, event.frame.value()),
                   "time starts at frame 0");
    if (event.frame < last)
      return Wrong(fmt::format("event {} is before the one before it", i),
                   "sort them by their frames");
    if (event.frame >= capacity)
      return Wrong(fmt::format("event {} at {} is past the capacity, {}", i,
                               FormatClock(event.frame, place.timeline.rate()),
                               FormatClock(capacity, place.timeline.rate())),
                   "create the canvas with more hours");
    if (!IsRight(event))
      return Wrong(fmt::format("event {}: {}", i, WrongWith(event)), "see canvas/base/event.h");
    last = event.frame;
  }
  if (list.empty()) return {};
  const auto owned = [&](Frame frame) {
    return pages.Contains(PageIndex(static_cast<std::uint32_t>(place.timeline.PageOf(frame))));
  };
  if (!owned(list.front().frame) || !owned(list.back().frame))
    return Wrong(fmt::format("events outside the owned pages {} to {}", pages.first.value(),
                             pages.end.value() - 1),
                 "own those pages too");
  return {};
}

std::span<const Event> EventWriterInside::OfOnePage(std::span<const Event> list) const {
  const Frame end = place.timeline.FirstFrame(place.timeline.PageOf(list.front().frame) + 1);
  const auto stop = std::ranges::lower_bound(list, end, {}, &Event::frame);
  return list.first(static_cast<std::size_t>(stop - list.begin()));
}

Result<void> EventWriterInside::OpenPart(PageIndex page) {
  if (part && part->page() == page) return {};
  part.reset();
  CANVAS_ASSIGN(part, events::EventPartWriter::Open(file(), place, page, lane().ownership));
  return {};
}

Result<void> EventWriterInside::Append(std::span<const Event> list) {
  CANVAS_TRY(Check(list));
  while (!list.empty()) {
    const auto here = OfOnePage(list);
    CANVAS_TRY(
        OpenPart(PageIndex(static_cast<std::uint32_t>(place.timeline.PageOf(here.front().frame)))));
    if (here.front().frame.value() < part->last())
      return Wrong(fmt::format("an event at frame {}, and the page has one at {}",
                               here.front().frame.value(), part->last()),
                   "what is not appended in order replaces a range (Replace)");
    auto done = part->Append(ToNewList(here));
    if (!done) {
      part.reset();
      return done;
    }
    list = list.subspan(here.size());
  }
  return {};
}

Result<void> EventWriterInside::Replace(FrameRange range, std::span<const Event> list) {
  CANVAS_TRY(Check(list));
  if (range.first < Frame(0) || range.end < range.first)
    return Wrong(fmt::format("a range from frame {} to {}", range.first.value(), range.end.value()),
                 "it begins at 0 or later, and ends behind its beginning");
  if (!list.empty() && (list.front().frame < range.first || list.back().frame >= range.end))
    return Wrong("an event outside of the range that is replaced", "make the range longer");
  if (file().mapped_pages() < file().CapacityPages() &&
      range.end > place.timeline.FirstFrame(file().mapped_pages()))
    return Fail(ErrorCode::kLimit, "the range reaches past the mapping limit of this handle",
                "open it with a larger mapping limit");
  const PageRange pages = owner.pages();
  const Frame owned_end =
      place.timeline.FirstFrame(std::min<std::uint64_t>(pages.end.value(), file().CapacityPages()));
  const Frame first = std::max(range.first, place.timeline.FirstFrame(pages.first.value()));
  const Frame end = std::min(range.end, owned_end);
  // Pages that have something, or are to get something.
  std::vector<std::uint64_t> touched;
  if (first < end)
    file().ForEachReadyPage(place.timeline.PageOf(first),
                            place.timeline.PageOf(end - std::int64_t{1}) + 1, [&](PageIndex page) {
                              if (file().SlotPresent(page, place.slots))
                                touched.push_back(page.value());
                            });
  for (auto rest = list; !rest.empty(); rest = rest.subspan(OfOnePage(rest).size()))
    touched.push_back(place.timeline.PageOf(rest.front().frame));
  std::ranges::sort(touched);
  touched.erase(std::ranges::unique(touched).begin(), touched.end());
  for (const std::uint64_t number : touched) {
    const PageIndex page(static_cast<std::uint32_t>(number));
    std::span<const Event> here;
    if (!list.empty() && place.timeline.PageOf(list.front().frame) == number)
      here = OfOnePage(list);
    list = list.subspan(here.size());
    CANVAS_TRY(ReplaceIn(page, range, here));
  }
  return {};
}

Result<void> EventWriterInside::ReplaceIn(PageIndex page, FrameRange range,
                                          std::span<const Event> here) {
  const part::PartRef ref(file(), place, page);
  const auto found = ref.Find(file().write_base());
  const FrameRange all = place.timeline.Frames(page);
  // What stays, before the range and after it. Nothing is copied where nothing does.
  events::ListCopy old;
  std::size_t stays = 0;
  std::size_t from = 0;
  bool changes = !here.empty();
  if (found && range.first <= all.first && all.end <= range.end) {
    changes = changes || events::ListReader(*found, place.shape).Count() != 0;
  } else if (found) {
    CANVAS_ASSIGN(old, events::CopyList(ref, *found, place));
    const auto before = [&](std::size_t at, Frame frame) {
      return at < old.records.size() && old.records[at].frame < frame.value();
    };
    while (before(stays, range.first)) ++stays;
    from = stays;
    while (before(from, range.end)) ++from;
    changes = changes || from != stays;
  }
  if (!changes) return {};
  fresh_.clear();
  fresh_.reserve(stays + here.size() + old.records.size() - from);
  for (std::size_t i = 0; i < stays; ++i) fresh_.push_back(old[i]);
  std::ranges::transform(here, std::back_inserter(fresh_), ToNew);
  for (; from < old.records.size(); ++from) fresh_.push_back(old[from]);
  if (fresh_.empty()) {
    part.reset();
    return ref.Punch(lane().ownership);
  }
  CANVAS_TRY(OpenPart(page));
  auto done = part->Replace(fresh_);
  if (!done) part.reset();
  return done;
}

Result<EventWriter> EventWriter::Make(LaneOwner owner) {
  return NoThrow([&]() -> Result<EventWriter> {
    if (Insides::Of(owner) == nullptr) return Fail(ErrorCode::kClosed, "this owner was moved from");
    const OwnedLane& lane = *Insides::Of(owner);
    const auto* content = dynamic_cast<const events::EventContent*>(lane.content.get());
    if (content == nullptr)
      return AboutFile<EventWriter>(Fail(ErrorCode::kUnsupported,
                                         fmt::format("lane '{}' holds no events, but {}",
                                                     lane.info.name, LaneKindName(lane.info.kind)),
                                         "events are written to lanes of MIDI and records"),
                                    *lane.core);
    const events::EventPlace place = content->event_place();
    return EventWriter(std::make_unique<EventWriterInside>(std::move(owner), place));
  });
}

EventWriter::EventWriter(std::unique_ptr<EventWriterInside> inside) noexcept
    : inside_(std::move(inside)) {}
EventWriter::EventWriter(EventWriter&&) noexcept = default;
EventWriter& EventWriter::operator=(EventWriter&&) noexcept = default;
EventWriter::~EventWriter() = default;

const LaneInfo& EventWriter::lane() const noexcept {
  static const LaneInfo none;
  return inside_ == nullptr ? none : inside_->owner.lane();
}

PageRange EventWriter::pages() const noexcept {
  return inside_ == nullptr ? PageRange{} : inside_->owner.pages();
}

Result<void> EventWriter::Append(std::span<const Event> events) {
  return NoThrow([&]() -> Result<void> {
    if (inside_ == nullptr) return MovedFrom();
    CANVAS_TRY(inside_->file().CheckWritable());
    return AboutFile(inside_->Append(events), *inside_->lane().core);
  });
}

Result<void> EventWriter::Replace(FrameRange range, std::span<const Event> events) {
  return NoThrow([&]() -> Result<void> {
    if (inside_ == nullptr) return MovedFrom();
    CANVAS_TRY(inside_->file().CheckWritable());
    return AboutFile(inside_->Replace(range, events), *inside_->lane().core);
  });
}

Result<EraseReport> EventWriter::Erase(FrameRange range) {
  return NoThrow([&]() -> Result<EraseReport> {
    if (inside_ == nullptr) return MovedFrom();
    inside_->part.reset();
    return inside_->owner.Erase(range);
  });
}

void EventWriter::Flush() noexcept {
  if (inside_ != nullptr) inside_->owner.Flush();
}

LaneOwner EventWriter::Release() && noexcept {
  if (inside_ == nullptr) return Insides::NoOwner();
  LaneOwner owner = std::move(inside_->owner);
  inside_.reset();
  return owner;
}

}  // namespace canvas
