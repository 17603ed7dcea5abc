#include "canvas/part/contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "canvas/part/events/event_content.h"
#include "canvas/part/frames/frame_content.h"

namespace canvas::part {
namespace {

using Made = Result<std::unique_ptr<const Content>>;

struct Registered {
  metadata::LaneKind kind;
  Made (*make)(const metadata::LaneRecord&, const format::Geometry&);
};

constexpr std::array kRegistered = {
    Registered{metadata::LaneKind::kAudio, frames::FrameContent::Make},
    Registered{metadata::LaneKind::kSignal, frames::FrameContent::Make},
    Registered{metadata::LaneKind::kMidi, events::EventContent::Make},
    Registered{metadata::LaneKind::kRecords, events::EventContent::Make},
};

}  // namespace

Made ContentOf(const metadata::LaneRecord& lane, const format::Geometry& geometry) {
  const auto found = std::ranges::find(kRegistered, lane.kind, &Registered::kind);
  if (found == kRegistered.end())
    return Fail(ErrorCode::kUnsupported,
                fmt::format("lane '{}' is of a kind that this version cannot read or write ({})",
                            lane.name, metadata::LaneKindName(lane.kind)),
                "use the version of canvas that made it");
  return found->make(lane, geometry);
}

Result<Contents> Contents::Of(const metadata::Header& header, const format::Geometry& geometry) {
  Contents contents;
  contents.lanes.reserve(header.lanes.size());
  contents.records.reserve(header.lanes.size());
  for (std::size_t i = 0; i < header.lanes.size(); ++i) {
    if (!metadata::IsKnown(header.lanes[i].kind)) continue;
    CANVAS_ASSIGN(auto lane, ContentOf(header.lanes[i], geometry));
    contents.lanes.push_back(std::move(lane));
    contents.records.push_back(i);
  }
  return contents;
}

// As CanvasFile::WillLookAtPages: by the first of them.
void WillLookAt(const storage::CanvasFile& file, const Contents& contents, const SlotTable& table,
                std::span<const PageIndex> pages) noexcept {
  const format::Geometry& geometry = file.geometry();
  bool known = false;
  bool away = false;
  const auto each = [&](auto visit) {
    for (const PageIndex page : pages) {
      if (known && !away) return;
      table.ForEachPresent(file, page, [&](std::size_t lane) {
        const Content& content = *contents.lanes[lane];
        const std::uint64_t control =
            geometry.Page(page).value() + geometry.SlotControl(content.place().slots);
        if (!known) away = !file.InMemory(control);
        known = true;
        if (away) visit(content, page, control);
      });
    }
  };
  each([&](const Content&, PageIndex, std::uint64_t control) {
    file.AskFor(control, format::kSlotControlBytes);
  });
  each([&](const Content& content, PageIndex page, std::uint64_t) {
    content.WillSummarize(content.Part(file, page));
  });
}

}  // namespace canvas::part
