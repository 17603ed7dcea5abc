// One lane's part of one page as a whole: finding it, summing it up, giving it back, and repairing
// what a dead owner left half done in it.
//
// Thread safety: as CanvasFile. Punch and repair need ownership of the lane over that page.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/format/lane_format.h"
#include "canvas/metadata/header.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"
#include "canvas/sync/presence.h"

namespace canvas::part {

// What it takes to find a lane's parts: immutable for the life of the lane.
struct LanePlace {
  LaneId id;
  format::SlotRun slots;
  format::LaneShape shape;

  static Result<LanePlace> Of(const metadata::LaneRecord& lane, const format::Geometry& geometry);
};

// Which lane has which slot: what a page has of all lanes is found by its slot bits, 64 slots at a
// look, and not by asking for each lane.
class SlotTable {
 public:
  explicit SlotTable(const format::Geometry& geometry)
      : lane_of_(std::uint64_t{geometry.Slots(format::SlotKind::kWide)} +
                 geometry.Slots(format::SlotKind::kSmall)) {}
  // Lanes in the order of their indices.
  SlotTable(const format::Geometry& geometry, std::span<const LanePlace> lanes)
      : SlotTable(geometry) {
    for (const LanePlace& lane : lanes) lane_of_[geometry.SlotNumber(lane.slots)] = ++lanes_;
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

// Asks the disk for the controls of these lanes' parts of some pages, and for their version words.
void WillLookAt(const storage::CanvasFile& file, std::span<const LanePlace> lanes,
                const SlotTable& table, std::span<const PageIndex> pages) noexcept;

// Calls visit(lane index, page) for all parts of these lanes that may be there, page by page: in
// time that goes with the pages and the parts, however many lanes there are. What it meets on the
// way is asked of the disk for many pages at a time.
template <typename Visit>
void ForEachPart(const storage::CanvasFile& file, std::span<const LanePlace> lanes, Visit visit) {
  const SlotTable table(file.geometry(), lanes);
  constexpr std::size_t kAtOnce = 64;
  std::vector<PageIndex> pages;
  pages.reserve(kAtOnce);
  const auto flush = [&] {
    WillLookAt(file, lanes, table, pages);
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

// The part's words, and the life word under which they may be read.
struct FoundPart {
  storage::PartWords words;
  std::uint64_t life = 0;
};

// A look for a part that stands until a word changes: so a realtime reader can tell, by loading
// that word, whether there is a part by now, or another, without looking for it.
struct PartLook {
  std::optional<FoundPart> part;
  const sync::Word* watch = nullptr;  // of the file, through the readers' mapping
  std::uint64_t mask = 0;             // the bits of it that tell
  std::uint64_t value = 0;            // what those were
  // What readers touch on the strength of this look, besides samples: the watched word; of a part
  // its controls, version words and, where it was ever used, undo place.
  std::array<os::ByteRange, 3> touched{};
  bool undo_touched() const { return touched[2].bytes != 0; }

  // Realtime, where `touched` is resident.
  bool Stands() const noexcept { return (sync::Observe(*watch) & mask) == value; }
};

// Written frames of a part: between the marks, in written blocks. Numbers of a moment.
struct PartSummary {
  std::uint64_t written_frames = 0;
  std::uint64_t first = 0;  // first and one past the last written frame, within the part
  std::uint64_t end = 0;
};

// A run of written frames within a part.
struct FrameRun {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

// A lane's share of a page: which one, and where it lies. Refers to the file and the lane, which
// outlive it; costs three words.
class PartRef {
 public:
  PartRef(const storage::CanvasFile& file, const LanePlace& lane, PageIndex page) noexcept
      : file_(&file), lane_(&lane), page_(page) {}

  const storage::CanvasFile& file() const { return *file_; }
  const LanePlace& lane() const { return *lane_; }
  PageIndex page() const { return page_; }
  std::uint64_t frames() const { return lane_->shape.FramesIn(page_.value()); }
  // Where its samples, and its undo place, begin in the file.
  std::uint64_t data() const {
    return file_->geometry().Page(page_).value() + file_->geometry().Data(lane_->slots);
  }
  std::uint64_t undo() const {
    return file_->geometry().Page(page_).value() + file_->geometry().UndoPlace(lane_->slots);
  }
  os::ByteRange UndoRange() const { return {undo(), lane_->shape.block_stride()}; }
  // Whether its controls may be touched.
  bool SlotPresent() const noexcept { return file_->SlotPresent(page_, lane_->slots); }
  // Its words, through the mapping at `base`. The caller saw SlotPresent.
  storage::PartWords Words(std::byte* base) const noexcept {
    return file_->Part(base, page_, lane_->slots, lane_->shape.block_stride());
  }
  // Before stores into its words: so that they do not fault (CanvasFile::EnsureStorable). Of its
  // version words, those of the blocks [first, end).
  Result<void> EnsureStorable(std::uint64_t first_block, std::uint64_t end_block) const;
  Result<void> EnsureStorable() const { return EnsureStorable(0, lane_->shape.max_blocks()); }
  // The blocks that may be other than unwritten, for sync::EndPunch and its like.
  storage::VersionStretches stretches() const { return {*file_, page_, lane_->slots}; }

  // The part, if it is there: not where it was never written, was punched, or is another lane's by
  // now. Looks through the mapping at `base`: a writer through its own, where nothing is read
  // around.
  std::optional<FoundPart> Find(std::byte* base) const noexcept;
  std::optional<FoundPart> Find() const noexcept { return Find(file_->read_base()); }
  PartLook Look() const noexcept;
  std::optional<PartSummary> Summarize() const noexcept;
  // The runs of written frames, ascending, none touching another.
  std::vector<FrameRun> WrittenRuns() const;

  // While it is held no window comes to hold the page. Errors: kBusy (one does), kIo.
  Result<os::ScopedLock> KeepWindowsOff() const;

  // Gives the part's disk space back. Nothing to do where it has none. After a failure the part
  // reads as unwritten, and FinishPunch, or this again, does the rest.
  // Errors: kBusy (a window holds it), kIo.
  Result<void> Punch(const storage::Ownership& owner) const;
  // Whether there is anything to give back: a part, or the rest of a punch.
  bool NeedsPunch() const noexcept;
  // Finishes a punch of the part that was begun, by whomever. Before anything else is done with a
  // part.
  Result<void> FinishPunch(const storage::Ownership& owner) const;

  // Puts back the block that the undo place vouches for, if there is one (sync::RepairOverwrite).
  // Its space is reserved first: a copy of the file, or a power loss, may have lost it. `scratch`
  // comes to hold a block. Errors: kNoSpace, kIo; nothing is changed then.
  Result<void> PutBack(const storage::PartWords& words, std::vector<std::byte>& scratch) const;
  // Puts right what a dead owner's intent says it was in the midst of here: finishes a punch or an
  // erasure, takes back an overwrite.
  Result<void> Repair(const storage::Intent& intent) const;

 private:
  Result<void> FinishWords() const;
  template <typename Visit>
  void ForEachWrittenBlock(const FoundPart& part, Visit visit) const;

  const storage::CanvasFile* file_;
  const LanePlace* lane_;
  PageIndex page_;
};

// The sum that guards an undo place.
std::uint64_t UndoChecksum(const void* bytes, std::size_t count);

}  // namespace canvas::part
