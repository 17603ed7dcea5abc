#include "canvas/part/events/event_content.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "canvas/part/events/event_writer.h"
#include "canvas/sync/part_life.h"

namespace canvas::part::events {
namespace {

constexpr int kTries = 3;

// Whether a list is sound, event by event in its order: so that all of its bytes together are no
// more than its half, whatever the file says.
class ListCheck {
 public:
  ListCheck(const EventPlace& place, PageIndex page, std::uint64_t count)
      : page_(place.timeline.Frames(page)),
        last_(page_.first.value()),
        low_(place.shape.half_bytes()),
        least_(count * sizeof(format::EventRecord)) {}

  // nullptr where nothing is.
  const char* WrongWith(const format::EventRecord& event) {
    if (event.frame < page_.first.value() || event.frame >= page_.end.value())
      return "it stands outside of the page";
    if (event.frame < last_) return "it stands before the one before it";
    last_ = event.frame;
    if (event.fits()) return nullptr;
    const std::uint64_t at = std::uint64_t{event.place} * format::kPlaceUnit;
    if (at < least_ || at > low_ || format::BytesBehind(event.bytes) > low_ - at)
      return "its bytes lie among others, or outside of its half";
    low_ = at;
    return nullptr;
  }

 private:
  FrameRange page_;
  std::int64_t last_;
  std::uint64_t low_;
  std::uint64_t least_;  // where the events end
};
// How a trace of events uses its blocks: the edit, and how many events it holds.
constexpr std::uint64_t kEdit = 0;
constexpr std::uint64_t kCount = 1;

}  // namespace

Result<std::unique_ptr<const Content>> EventContent::Make(const metadata::LaneRecord& lane,
                                                          const format::Geometry& geometry) {
  CANVAS_ASSIGN(const EventPlace place, EventPlace::Of(lane, geometry));
  return std::make_unique<const EventContent>(place);
}

std::span<const std::byte> ListCopy::BytesOf(std::size_t index) const {
  const format::EventRecord& record = records[index];
  if (record.fits()) return std::span(record.inlined).first(record.bytes);
  return std::span(bytes).subspan(at[index], record.bytes);
}

Result<ListCopy> CopyList(const PartRef& part, const FoundPart& found, const EventPlace& place) {
  for (int i = 0; i < kTries; ++i) {
    ListReader reader(found, place.shape);
    ListCopy copy;
    copy.records.resize(reader.Count());
    auto batch = reader.Next(copy.records);
    if (batch.outcome == sync::EventRead::kGone) return ListCopy();
    copy.records.resize(batch.copied);
    ListCheck check(place, part.page(), copy.records.size());
    for (const format::EventRecord& record : copy.records) {
      copy.at.push_back(copy.bytes.size());
      if (batch.outcome != sync::EventRead::kOk) continue;
      if (const char* wrong = check.WrongWith(record); wrong != nullptr)
        return Fail(
            ErrorCode::kCorrupt,
            fmt::format("{}, event {}: {}", NameOf(part), copy.at.size() - 1, wrong),
            "give the page back (`canvas rm` of the whole page), or restore it from a copy");
      if (record.fits()) continue;
      copy.bytes.resize(copy.bytes.size() + record.bytes);
      batch.outcome = reader.CopyBytes(record, std::span(copy.bytes).last(record.bytes));
    }
    if (batch.outcome == sync::EventRead::kOk) return copy;
  }
  return Fail(ErrorCode::kBusy, fmt::format("{} is being edited", NameOf(part)), "try again");
}

std::optional<PartSummary> EventContent::Summarize(const PartRef& part) const noexcept {
  for (int i = 0; i < kTries; ++i) {
    const auto found = part.Find();
    if (!found) return std::nullopt;
    ListReader reader(*found, place_.shape);
    const std::uint32_t count = reader.Count();
    PartSummary summary;
    if (count == 0) return summary;
    format::EventRecord first;
    format::EventRecord last;
    if (reader.Next({&first, 1}).copied == 0) continue;
    reader.Seek(count - 1);
    if (reader.Next({&last, 1}).copied == 0) continue;
    const FrameRange page = place_.timeline.Frames(part.page());
    if (page.empty()) return summary;  // at a rate below one a page: and no list is sound there
    const auto local = [&](std::int64_t frame) {
      return static_cast<std::uint64_t>(
          std::clamp(frame, page.first.value(), page.end.value() - 1) - page.first.value());
    };
    summary.events = count;
    summary.written_bytes = count * sizeof(format::EventRecord);
    summary.first = local(first.frame);
    summary.end = std::max(summary.first, local(last.frame)) + 1;
    return summary;
  }
  return std::nullopt;
}

Result<Erased> EventContent::Erase(storage::CanvasFile& file, PageIndex page,
                                   const storage::Ownership& owner, std::uint64_t first,
                                   std::uint64_t end) const {
  const PartRef part(file, place_, page);
  const auto found = part.Find(file.write_base());
  if (!found) return Erased{};
  CANVAS_ASSIGN(const ListCopy list, CopyList(part, *found, place_));
  const std::int64_t start = place_.timeline.FirstFrame(page.value()).value();
  std::vector<NewEvent> kept;
  for (std::size_t i = 0; i < list.records.size(); ++i) {
    const std::int64_t frame = list.records[i].frame - start;
    if (frame < static_cast<std::int64_t>(first) || frame >= static_cast<std::int64_t>(end))
      kept.push_back(list[i]);
  }
  const Erased erased{.events = list.records.size() - kept.size()};
  if (erased.events == 0) return erased;
  CANVAS_ASSIGN(EventPartWriter writer, EventPartWriter::Open(file, place_, page, owner));
  CANVAS_TRY(writer.Replace(kept));
  return erased;
}

void EventContent::Check(const PartRef& part, const FoundPart& found, CheckLog& log) const {
  ListReader reader(found, place_.shape);
  const auto state = format::EventState::FromWord(sync::Peek(*found.words.events));
  if (state.count > place_.shape.capacity())
    log.Finding("{}: it says it has {} events, and there is room for {}", NameOf(part), state.count,
                place_.shape.capacity());
  ListCheck check(place_, part.page(), state.count);
  std::array<format::EventRecord, 64> events;
  for (;;) {
    const std::uint32_t index = reader.index();
    const auto batch = reader.Next(events);
    if (batch.outcome != sync::EventRead::kOk) {
      log.Note("{}: edited while it was looked at", NameOf(part));
      return;
    }
    if (batch.copied == 0) break;
    for (std::uint32_t i = 0; i < batch.copied; ++i) {
      if (const char* wrong = check.WrongWith(events[i]); wrong != nullptr) {
        log.Finding("{}, event {}: {}", NameOf(part), index + i, wrong);
        return;
      }
    }
  }
  log.CountBlocks(1);
}

std::optional<PartTrace> EventContent::Trace(const PartRef& part) const {
  const auto found = part.Find();
  if (!found) return PartTrace();
  const auto state = format::EventState::FromWord(sync::Peek(*found->words.events));
  const auto summary = Summarize(part);
  if (!summary) return std::nullopt;
  PartTrace trace{.life = found->life, .low = summary->first, .mark = summary->end, .blocks = {}};
  trace.blocks = {{kEdit, state.generation}, {kCount, state.count}};
  // An edit between the looks: the next one tells.
  if (format::EventState::FromWord(sync::Peek(*found->words.events)).generation != state.generation)
    return std::nullopt;
  if (sync::ReadLife(found->words) != found->life) return std::nullopt;
  return trace;
}

void EventContent::Compare(const PartTrace& before, const PartTrace& now,
                           const DifferenceSink& emit) const {
  if (before.life != now.life) {
    emit(Difference::kErased, before.low, before.mark);
    emit(Difference::kGrew, now.low, now.mark);
  } else if (before.Version(kEdit) != now.Version(kEdit)) {
    if (now.mark == now.low)
      emit(Difference::kErased, before.low, before.mark);
    else if (before.mark == before.low)
      emit(Difference::kGrew, now.low, now.mark);
    else
      emit(Difference::kRewritten, std::min(before.low, now.low), std::max(before.mark, now.mark));
  } else if (before.Version(kCount) != now.Version(kCount)) {
    // The new ones may stand where the last one does.
    emit(Difference::kGrew, before.mark == before.low ? now.low : before.mark - 1, now.mark);
  }
}

}  // namespace canvas::part::events
