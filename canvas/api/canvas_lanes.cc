// The lane table, tempo maps and markers of a canvas, and the readers and writers made from it.
#include <errno.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>

#include "canvas/api/canvas.h"
#include "canvas/api/core.h"
#include "canvas/api/event_reader_inside.h"
#include "canvas/api/frame_reader.h"
#include "canvas/api/owned_lane.h"

namespace canvas {

Result<std::vector<LaneInfo>> Canvas::Lanes() const {
  return NoThrow([&]() -> Result<std::vector<LaneInfo>> {
    CANVAS_TRY(CheckOpen());
    CANVAS_ASSIGN(const auto header, core_->headers.Current());
    std::vector<LaneInfo> lanes;
    std::ranges::transform(header->lanes, std::back_inserter(lanes), ToInfo);
    return lanes;
  });
}

Result<std::vector<LaneSummary>> Canvas::LaneExtents() const {
  return NoThrow([&]() -> Result<std::vector<LaneSummary>> {
    CANVAS_TRY(CheckOpen());
    CANVAS_ASSIGN(const auto known, core_->Current());
    const part::Contents& contents = known->contents;
    std::vector<LaneSummary> lanes;
    for (const metadata::LaneRecord& lane : known->header->lanes)
      lanes.push_back({ToInfo(lane), {}});
    part::ForEachPart(*core_->file, contents, [&](std::size_t at, PageIndex page) {
      const part::Content& content = *contents.lanes[at];
      CountIn(lanes[contents.records[at]].extent, content.place().timeline, page,
              content.Summarize(content.Part(*core_->file, page)));
    });
    return lanes;
  });
}

Result<LaneInfo> Canvas::FindLane(std::string_view name) const {
  return NoThrow([&]() -> Result<LaneInfo> {
    CANVAS_TRY(CheckOpen());
    CANVAS_ASSIGN(const auto header, core_->headers.Current());
    if (const auto* lane = header->Find(name)) return ToInfo(*lane);
    return AboutFile<LaneInfo>(NoSuchLane(fmt::format("'{}'", name)), *core_);
  });
}

Result<LaneInfo> Canvas::FindLane(LaneId id) const {
  return NoThrow([&]() -> Result<LaneInfo> {
    CANVAS_TRY(CheckOpen());
    auto found = AboutFile(core_->Find(id), *core_);
    if (!found) return std::unexpected(std::move(found).error());
    return ToInfo(found->record);
  });
}

Result<LaneId> Canvas::AddLane(const LaneSpec& spec) {
  return NoThrow([&]() -> Result<LaneId> {
    CANVAS_TRY(CheckOpen());
    LaneId id;
    const auto add = [&](metadata::Header& header) -> Result<void> {
      CANVAS_TRY(metadata::ValidateLaneName(spec.name));
      if (header.Find(spec.name) != nullptr)
        return Fail(ErrorCode::kExists, fmt::format("there is a lane '{}' already", spec.name),
                    "choose another name");
      if (std::popcount(spec.speakers) > static_cast<int>(spec.channels))
        return Fail(
            ErrorCode::kInvalidArgument,
            fmt::format("{} speakers for {} channels", std::popcount(spec.speakers), spec.channels),
            "a speaker belongs to a channel; 0 where it is not known");
      CANVAS_TRY(metadata::ValidateSourceTags(spec.tags));
      CANVAS_ASSIGN(const Rate rate, Rate::Make(spec.rate.num, spec.rate.den));
      if (spec.tempo_map_id != 0 && std::ranges::find(header.tempo_maps, spec.tempo_map_id,
                                                      &TempoMap::id) == header.tempo_maps.end())
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("there is no tempo map with id {}", spec.tempo_map_id),
                    "AddTempoMap gives the id; 0 where there is none");
      CANVAS_ASSIGN(const auto slots,
                    metadata::FindSlots(header, core_->file->geometry(), spec.kind, rate,
                                        spec.channels, spec.dense));
      if (header.next_lane_id > format::kMaxLaneId)
        return Fail(ErrorCode::kLimit, "all lane ids have been used", "start a new canvas");
      id = LaneId(header.next_lane_id++);
      metadata::LaneRecord lane;
      lane.id = id;
      lane.name = spec.name;
      lane.kind = spec.kind;
      lane.channels = metadata::HoldsFrames(spec.kind) ? spec.channels : 0;
      lane.rate = rate;
      lane.slots = slots;
      lane.description = spec.description;
      lane.speakers = spec.speakers;
      lane.tags = spec.tags;
      lane.tempo_map_id = spec.tempo_map_id;
      lane.source_ticks_per_quarter = spec.source_ticks_per_quarter;
      lane.provenance = {program_invocation_short_name, spec.tool, std::nullopt, os::NowUnixNs()};
      header.lanes.push_back(std::move(lane));
      return {};
    };
    CANVAS_TRY(core_->headers.Edit(add));
    return id;
  });
}

namespace {

// Applies `change` to one lane's record.
Result<void> EditLane(
    CanvasCore& core, LaneId id,
    const std::function<Result<void>(metadata::Header&, metadata::LaneRecord&)>& change,
    const std::function<Result<void>()>& deed = {}) {
  const auto edit = [&](metadata::Header& header) -> Result<void> {
    const auto lane = std::ranges::find(header.lanes, id, &metadata::LaneRecord::id);
    if (lane == header.lanes.end()) return NoSuchLane(fmt::format("with id {}", id.value()));
    // What is not known here is not changed.
    CANVAS_TRY(part::ContentOf(*lane, core.file->geometry()));
    return change(header, *lane);
  };
  return core.headers.Edit(edit, deed);
}

}  // namespace

Result<void> Canvas::RenameLane(LaneId id, const std::string& name) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    return EditLane(
        *core_, id, [&](metadata::Header& header, metadata::LaneRecord& lane) -> Result<void> {
          CANVAS_TRY(metadata::ValidateLaneName(name));
          const auto* other = header.Find(name);
          if (other != nullptr && other->id != id)
            return Fail(ErrorCode::kExists, fmt::format("there is a lane '{}' already", name),
                        "choose another name");
          lane.name = name;
          return {};
        });
  });
}

Result<void> Canvas::DescribeLane(LaneId id, const std::string& description) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    return EditLane(*core_, id, [&](metadata::Header&, metadata::LaneRecord& lane) -> Result<void> {
      lane.description = description;
      return {};
    });
  });
}

Result<void> Canvas::TagLane(LaneId id, const std::vector<SourceTag>& tags) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    CANVAS_TRY(metadata::ValidateSourceTags(tags));
    return EditLane(*core_, id, [&](metadata::Header&, metadata::LaneRecord& lane) -> Result<void> {
      lane.tags = tags;
      return {};
    });
  });
}

Result<void> Canvas::RaiseCapacity(std::uint64_t seconds) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    const std::uint64_t page = core_->file->geometry().fields().page_seconds;
    const std::uint64_t pages = seconds / page + (seconds % page != 0 ? 1 : 0);
    return AboutFile(core_->headers.Edit([](metadata::Header&) -> Result<void> { return {}; },
                                         [&] { return core_->file->RaiseCapacity(pages); }),
                     *core_);
  });
}

Result<void> Canvas::RemoveLane(LaneId id) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_ASSIGN(LaneOwner owner, Own(id));
    return RemoveLane(std::move(owner));
  });
}

Result<void> Canvas::RemoveLane(LaneOwner owner) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    if (owner.inside_ == nullptr) return Fail(ErrorCode::kClosed, "this owner was moved from");
    if (owner.inside_->core != core_ || !(owner.pages() == kAllPages))
      return AboutFile<void>(Fail(ErrorCode::kInvalidArgument,
                                  "the owner does not own all pages of a lane of this canvas"),
                             *core_);
    const LaneId id = owner.lane().id;
    const auto leave = [&](metadata::Header& header, metadata::LaneRecord&) -> Result<void> {
      std::erase_if(header.lanes, [&](const metadata::LaneRecord& lane) { return lane.id == id; });
      std::erase_if(header.markers, [&](const Marker& marker) { return marker.lane == id; });
      return {};
    };
    // Last of all that may fail, and before the header without it is there: whoever gets its slots
    // next finds nothing of it, after a power loss either.
    const auto empty = [&]() -> Result<void> {
      const format::Timeline& timeline = owner.inside_->content->place().timeline;
      CANVAS_TRY(owner.Erase({Frame(0), timeline.FirstFrame(core_->file->CapacityPages())}));
      return core_->file->SyncData();
    };
    return EditLane(*core_, id, leave, empty);
  });
}

Result<std::uint32_t> Canvas::AddTempoMap(const TempoMap& map) {
  return NoThrow([&]() -> Result<std::uint32_t> {
    CANVAS_TRY(CheckOpen());
    CANVAS_TRY(ValidateTempoMap(map));
    std::uint32_t id = 0;
    CANVAS_TRY(core_->headers.Edit([&](metadata::Header& header) -> Result<void> {
      id = header.next_tempo_map_id++;
      header.tempo_maps.push_back(map);
      header.tempo_maps.back().id = id;
      return {};
    }));
    return id;
  });
}

Result<void> Canvas::RemoveTempoMap(std::uint32_t id) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    return core_->headers.Edit([&](metadata::Header& header) -> Result<void> {
      if (std::erase_if(header.tempo_maps, [&](const TempoMap& map) { return map.id == id; }) == 0)
        return Fail(ErrorCode::kNotFound, fmt::format("no tempo map with id {}", id));
      return {};
    });
  });
}

Result<std::vector<TempoMap>> Canvas::TempoMaps() const {
  return NoThrow([&]() -> Result<std::vector<TempoMap>> {
    CANVAS_TRY(CheckOpen());
    CANVAS_ASSIGN(const auto header, core_->headers.Current());
    return header->tempo_maps;
  });
}

namespace {

// As it is kept: in lowest terms, and valid.
Result<Marker> Kept(const Marker& marker) {
  Marker kept = marker;
  // What is negative is refused as it is.
  if (kept.start.num >= 0) kept.start = InLowestTerms(kept.start);
  if (kept.end.num >= 0) kept.end = InLowestTerms(kept.end);
  if (auto valid = ValidateMarker(kept); !valid)
    return Fail(valid.error().code(), fmt::format("the marker cannot be: {}", valid.error().what()),
                valid.error().hint());
  return kept;
}

Result<void> CheckLaneOf(const metadata::Header& header, const Marker& marker) {
  if (marker.lane == LaneId(0) || header.Find(marker.lane) != nullptr) return {};
  return NoSuchLane(fmt::format("with id {}", marker.lane.value()));
}

std::unexpected<Error> NoSuchMarker(std::uint32_t id) {
  return Fail(ErrorCode::kNotFound, fmt::format("no marker with id {}", id),
              "`canvas marker ls` lists the markers");
}

}  // namespace

Result<std::vector<Marker>> Canvas::Markers() const {
  return NoThrow([&]() -> Result<std::vector<Marker>> {
    CANVAS_TRY(CheckOpen());
    CANVAS_ASSIGN(const auto header, core_->headers.Current());
    return header->markers;
  });
}

Result<std::uint32_t> Canvas::AddMarker(const Marker& marker) { return AddMarkers({&marker, 1}); }

Result<std::uint32_t> Canvas::AddMarkers(std::span<const Marker> markers) {
  return NoThrow([&]() -> Result<std::uint32_t> {
    CANVAS_TRY(CheckOpen());
    std::uint32_t first = 0;
    const auto add = [&](metadata::Header& header) -> Result<void> {
      first = header.next_marker_id;
      if (markers.size() > kMaxMarkers || header.markers.size() > kMaxMarkers - markers.size())
        return Fail(ErrorCode::kLimit,
                    fmt::format("{} markers, and {} more", header.markers.size(), markers.size()),
                    fmt::format("a canvas has at most {}", kMaxMarkers));
      if (markers.size() > std::numeric_limits<std::uint32_t>::max() - first)
        return Fail(ErrorCode::kLimit, "all marker ids have been used", "start a new canvas");
      for (const Marker& marker : markers) {
        CANVAS_ASSIGN(Marker kept, Kept(marker));
        CANVAS_TRY(CheckLaneOf(header, kept));
        kept.id = header.next_marker_id++;
        header.markers.push_back(std::move(kept));
      }
      std::ranges::sort(header.markers, ComesBefore);
      return {};
    };
    CANVAS_TRY(core_->headers.Edit(add));
    return first;
  });
}

Result<void> Canvas::SetMarker(const Marker& marker) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    return core_->headers.Edit([&](metadata::Header& header) -> Result<void> {
      const auto there = std::ranges::find(header.markers, marker.id, &Marker::id);
      if (there == header.markers.end()) return NoSuchMarker(marker.id);
      CANVAS_ASSIGN(Marker kept, Kept(marker));
      if (kept.lane != there->lane) CANVAS_TRY(CheckLaneOf(header, kept));
      *there = std::move(kept);
      std::ranges::sort(header.markers, ComesBefore);
      return {};
    });
  });
}

Result<void> Canvas::RemoveMarker(std::uint32_t id) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    return core_->headers.Edit([&](metadata::Header& header) -> Result<void> {
      if (std::erase_if(header.markers, [&](const Marker& marker) { return marker.id == id; }) == 0)
        return NoSuchMarker(id);
      return {};
    });
  });
}

Result<LaneOwner> Canvas::OwnNow(LaneId id, PageRange pages) {
  CANVAS_TRY(CheckOpen());
  const auto own = [&]() -> Result<LaneOwner> {
    CANVAS_TRY(core_->file->CheckWritable());
    CANVAS_ASSIGN(auto found, core_->Find(id));
    if (pages.empty() || pages.end > kAllPages.end)
      return Fail(ErrorCode::kInvalidArgument, "an empty or impossible range of pages");
    auto owner = core_->Own(*found.content, pages);
    if (!owner) {
      Error& error = owner.error();
      return Fail(error.code(), fmt::format("lane '{}': {}", found.record.name, error.what()),
                  error.hint());
    }
    // The lane may have been removed while we waited for it.
    CANVAS_TRY(core_->Find(id));
    return LaneOwner(std::make_unique<OwnedLane>(core_, *std::move(owner), std::move(found.content),
                                                 ToInfo(found.record)));
  };
  return AboutFile(own(), *core_);
}

Result<LaneOwner> Canvas::Own(LaneId id, const OwnOptions& options) {
  return NoThrow([&]() -> Result<LaneOwner> {
    using Clock = std::chrono::steady_clock;
    // A death wakes nobody, so every sleep is short; a busy writer wakes all the time, so none is
    // shorter.
    constexpr std::chrono::milliseconds kLongest(100);
    constexpr std::chrono::milliseconds kShortest(2);
    const auto end = Clock::now() + std::min(options.wait, kLongestWait);
    for (;;) {
      const std::uint32_t seen = ChangeCount();
      auto owned = OwnNow(id, options.pages);
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (owned || owned.error().code() != ErrorCode::kOwned || left.count() <= 0) return owned;
      std::this_thread::sleep_for(std::min(left, kShortest));
      WaitForChange(seen, std::min(left, kLongest));
    }
  });
}

Result<FrameWriter> Canvas::Writer(LaneId id, const OwnOptions& options) {
  return NoThrow([&]() -> Result<FrameWriter> {
    CANVAS_ASSIGN(LaneOwner owner, Own(id, options));
    return FrameWriter::Make(std::move(owner));
  });
}

std::uint32_t Canvas::ChangeCount() const noexcept {
  return core_ == nullptr ? 0 : core_->file->ReadChange();
}

std::uint32_t Canvas::WaitForChange(std::uint32_t seen,
                                    std::chrono::milliseconds timeout) const noexcept {
  if (core_ == nullptr || core_->file->poisoned()) return seen;
  const auto ns =
      std::chrono::nanoseconds(std::clamp(timeout, std::chrono::milliseconds(0), kLongestWait));
  return core_->file->WaitChange(seen, static_cast<std::uint64_t>(ns.count()));
}

Result<std::vector<OwnerInfo>> Canvas::Owners() const {
  return NoThrow([&]() -> Result<std::vector<OwnerInfo>> {
    CANVAS_TRY(CheckOpen());
    return core_->owners.Living();
  });
}

Result<EventWriter> Canvas::EventsWriter(LaneId id, const OwnOptions& options) {
  return NoThrow([&]() -> Result<EventWriter> {
    CANVAS_ASSIGN(LaneOwner owner, Own(id, options));
    return EventWriter::Make(std::move(owner));
  });
}

Result<EventReader> Canvas::Events(LaneId id) const {
  return NoThrow([&]() -> Result<EventReader> {
    CANVAS_TRY(CheckOpen());
    auto found = AboutFile(core_->FindEvents(id), *core_);
    if (!found) return std::unexpected(std::move(found).error());
    return EventReader(
        std::make_unique<EventReaderInside>(core_, std::move(found->first), found->second));
  });
}

Result<LaneReader> Canvas::Reader(LaneId id) const {
  return NoThrow([&]() -> Result<LaneReader> {
    CANVAS_TRY(CheckOpen());
    auto found = AboutFile(core_->FindFrames(id), *core_);
    if (!found) return std::unexpected(std::move(found).error());
    return LaneReader(reading::FrameReader<reading::Anywhere>(core_->file, found->second,
                                                              found->first, reading::Anywhere{}));
  });
}

Result<Window> Canvas::MakeWindow(std::span<const LaneId> lanes,
                                  const WindowOptions& options) const {
  return NoThrow([&]() -> Result<Window> {
    CANVAS_TRY(CheckOpen());
    return Window::Make(core_, lanes, options);
  });
}

Result<Watcher> Canvas::Watch() const {
  return NoThrow([&]() -> Result<Watcher> {
    CANVAS_TRY(CheckOpen());
    return Watcher::Make(core_);
  });
}

Result<MetadataPin> Canvas::Pin() const {
  return NoThrow([&]() -> Result<MetadataPin> {
    CANVAS_TRY(CheckOpen());
    return MetadataPin::Make(core_);
  });
}

Result<PageHold> Canvas::Hold(LaneId id, PageRange pages) const {
  return NoThrow([&]() -> Result<PageHold> {
    CANVAS_TRY(CheckOpen());
    return AboutFile(PageHold::Make(core_, id, pages), *core_);
  });
}

}  // namespace canvas
