// One lane's part of one page as a whole: finding it, summing it up, giving it back, and repairing
// what a dead owner left half done in it.
//
// Thread safety: as CanvasFile. Punch and repair need ownership of the lane over that page.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/format/lane_format.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header.h"
#include "canvas/storage/ownership.h"
#include "canvas/sync/presence.h"

namespace canvas::storage {

// What it takes to find a lane's parts: immutable for the life of the lane.
struct LanePlace {
  LaneId id;
  format::SlotRun slots;
  format::LaneShape shape;

  static Result<LanePlace> Of(const LaneRecord& lane, const format::Geometry& geometry);
};

// The part's words, and the life word under which they may be read. Nothing, where the part is not
// there: never written, punched, or another lane's by now.
struct FoundPart {
  PartWords words;
  std::uint64_t life = 0;
};
// Looks through the mapping at `base`: a writer through its own, where nothing is read around.
std::optional<FoundPart> FindPart(const CanvasFile& file, const LanePlace& lane, PageIndex page,
                                  std::byte* base) noexcept;
inline std::optional<FoundPart> FindPart(const CanvasFile& file, const LanePlace& lane,
                                         PageIndex page) noexcept {
  return FindPart(file, lane, page, file.read_base());
}

// A look for a part that stands until a word changes: so a realtime reader can tell, by loading that
// word, whether there is a part by now, or another, without looking for it.
struct PartLook {
  std::optional<FoundPart> part;
  const sync::Word* watch = nullptr;  // of the file, through the readers' mapping
  std::uint64_t mask = 0;             // the bits of it that tell
  std::uint64_t value = 0;            // what those were
  // What readers touch on the strength of this look, besides samples: the watched word; of a part
  // its controls, version words and, where it was ever used, undo place.
  std::array<ByteRange, 3> touched{};
  bool undo_touched() const { return touched[2].bytes != 0; }

  // Realtime, where `touched` is resident.
  bool Stands() const noexcept { return (sync::Observe(*watch) & mask) == value; }
};
PartLook LookForPart(const CanvasFile& file, const LanePlace& lane, PageIndex page) noexcept;
// A part's undo place.
ByteRange UndoRange(const CanvasFile& file, const LanePlace& lane, PageIndex page) noexcept;

// Written frames of a part: between the marks, in written blocks. Numbers of a moment.
struct PartSummary {
  std::uint64_t written_frames = 0;
  std::uint64_t first = 0;  // first and one past the last written frame, within the part
  std::uint64_t end = 0;
};
std::optional<PartSummary> SummarizePart(const CanvasFile& file, const LanePlace& lane,
                                         PageIndex page) noexcept;

// The runs of written frames of a part, ascending, none touching another.
struct FrameRun {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};
std::vector<FrameRun> WrittenRuns(const CanvasFile& file, const LanePlace& lane, PageIndex page);

// Gives the part's disk space back. Nothing to do where it has none. After a failure the part
// reads as unwritten, and FinishPunch, or this again, does the rest.
// Errors: kBusy (a window holds it), kIo.
Result<void> PunchPart(CanvasFile& file, const LanePlace& lane, PageIndex page,
                       const Ownership& owner);

// Whether there is anything to give back: a part, or the rest of a punch.
bool NeedsPunch(const CanvasFile& file, const LanePlace& lane, PageIndex page) noexcept;

// Finishes a punch of the part that was begun, by whomever. Before anything else is done with a
// part.
Result<void> FinishPunch(CanvasFile& file, const LanePlace& lane, PageIndex page,
                         const Ownership& owner);

// Finishes a punch, takes back an overwrite. False where this handle does not reach the page.
Result<bool> RepairPart(CanvasFile& file, const LanePlace& lane, const Intent& intent);

// The sum that guards an undo place.
std::uint64_t UndoChecksum(const void* bytes, std::size_t count);

}  // namespace canvas::storage
