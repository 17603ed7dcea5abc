// The contents of lanes: which kind of lane holds which, and going over the parts of many lanes at
// once.
//
// Thread safety: as PartRef.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/format/page_words.h"
#include "canvas/metadata/header.h"
#include "canvas/part/content.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/sync/presence.h"

namespace canvas::part {

// What a lane holds. Errors: kUnsupported (a kind that is not known here); as the content's own,
// of a record that ValidateHeader did not see.
Result<std::unique_ptr<const Content>> ContentOf(const metadata::LaneRecord& lane,
                                                 const format::Geometry& geometry);

// Of every lane in the header whose kind is known here, in its order.
struct Contents {
  static Result<Contents> Of(const metadata::Header& header, const format::Geometry& geometry);
  std::vector<std::unique_ptr<const Content>> lanes;
  std::vector<std::size_t> records;  // by content: which lane of the header
};

// Which lane has which slot: what a page has of all lanes is found by its slot bits, 64 slots at a
// look, and not by asking for each lane.
class SlotTable {
 public:
  explicit SlotTable(const format::Geometry& geometry)
      : lane_of_(std::uint64_t{geometry.Slots(format::SlotKind::kWide)} +
                 geometry.Slots(format::SlotKind::kSmall)) {}
  // Lanes in the order of their indices.
  SlotTable(const format::Geometry& geometry, const Contents& contents) : SlotTable(geometry) {
    for (const auto& lane : contents.lanes)
      lane_of_[geometry.SlotNumber(lane->place().slots)] = ++lanes_;
  }

  // Calls visit(lane index) for the lanes whose first slot's controls may be touched. The caller
  // saw PageReady.
  template <typename Visit>
  void ForEachPresent(const storage::CanvasFile& file, PageIndex page, Visit visit) const {
    const sync::Word* bits =
        &file.PageWord(file.read_base(), page, format::page_control::kSlotBits);
    for (std::size_t first = 0; first < lane_of_.size(); first += 64)
      for (std::uint64_t left = sync::Observe(bits[first / 64]); left != 0; left &= left - 1) {
        const std::size_t slot = first + static_cast<std::size_t>(std::countr_zero(left));
        if (slot < lane_of_.size() && lane_of_[slot] != 0) visit(lane_of_[slot] - 1);
      }
  }

 private:
  std::vector<std::uint32_t> lane_of_;  // by slot number: index + 1; 0: nobody's
  std::uint32_t lanes_ = 0;
};

// Asks the disk for the controls of these lanes' parts of some pages, and for what summing them up
// looks at.
void WillLookAt(const storage::CanvasFile& file, const Contents& contents, const SlotTable& table,
                std::span<const PageIndex> pages) noexcept;

// Calls visit(lane index, page) for all parts of these lanes that may be there, page by page: in
// time that goes with the pages and the parts, however many lanes there are. What it meets on the
// way is asked of the disk for many pages at a time.
template <typename Visit>
void ForEachPart(const storage::CanvasFile& file, const Contents& contents, Visit visit) {
  const SlotTable table(file.geometry(), contents);
  constexpr std::size_t kAtOnce = 64;
  std::vector<PageIndex> pages;
  pages.reserve(kAtOnce);
  const auto flush = [&] {
    WillLookAt(file, contents, table, pages);
    for (const PageIndex page : pages)
      table.ForEachPresent(file, page, [&](std::size_t lane) { visit(lane, page); });
    pages.clear();
  };
  file.ForEachReadyPage(0, file.mapped_pages(), [&](PageIndex page) {
    pages.push_back(page);
    if (pages.size() == kAtOnce) flush();
  });
  flush();
}

}  // namespace canvas::part
