// One lane's part of one page, whatever the lane holds: where it lies, whether it is there, and
// giving it back.
//
// Thread safety: as CanvasFile. Punching needs ownership of the lane over that page.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/part/place.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"
#include "canvas/sync/presence.h"

namespace canvas::part {

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
  // What readers touch on the strength of this look: the watched word, or the part's controls; and
  // what the content adds to them.
  std::array<os::ByteRange, 3> touched{};

  // Realtime, where `touched` is resident.
  bool Stands() const noexcept { return (sync::Observe(*watch) & mask) == value; }
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
  std::uint64_t frames() const { return lane_->timeline.FramesIn(page_.value()); }
  // Where what it holds begins in the file.
  std::uint64_t data() const {
    return file_->geometry().Page(page_).value() + file_->geometry().Data(lane_->slots);
  }
  std::uint64_t bytes() const { return file_->geometry().DataBytes(lane_->slots); }
  // Whether its controls may be touched.
  bool SlotPresent() const noexcept { return file_->SlotPresent(page_, lane_->slots); }
  // Its words, through the mapping at `base`. The caller saw SlotPresent.
  storage::PartWords Words(std::byte* base) const noexcept {
    return file_->Part(base, page_, lane_->slots, lane_->block_stride);
  }
  // Before stores into its words: so that they do not fault (CanvasFile::EnsureStorable). Of its
  // version words, those of the blocks [first, end).
  Result<void> EnsureStorable(std::uint64_t first_block, std::uint64_t end_block) const;
  Result<void> EnsureStorable() const { return EnsureStorable(0, lane_->blocks); }
  // The blocks that may be other than unwritten, for sync::EndPunch and its like.
  storage::VersionStretches stretches() const { return {*file_, page_, lane_->slots}; }

  // The part, if it is there: not where it was never written, was punched, or is another lane's by
  // now. Looks through the mapping at `base`: a writer through its own, where nothing is read
  // around.
  std::optional<FoundPart> Find(std::byte* base) const noexcept;
  std::optional<FoundPart> Find() const noexcept { return Find(file_->read_base()); }
  PartLook Look() const noexcept;

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

  // Before a dead owner's work is put right: what was reserved is, again, and a punch is finished.
  // False where the intent is not about this part, or the part is another lane's by now.
  Result<bool> BeginRepair(const storage::Intent& intent) const;

 private:
  Result<void> FinishWords() const;

  const storage::CanvasFile* file_;
  const LanePlace* lane_;
  PageIndex page_;
};

}  // namespace canvas::part
