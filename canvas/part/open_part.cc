#include "canvas/part/open_part.h"

#include "canvas/sync/part_life.h"

namespace canvas::part {

Result<storage::PartWords> OpenPart(storage::CanvasFile& file, const PartRef& part,
                                    const storage::Ownership& owner) {
  const LanePlace& lane = part.lane();
  const bool there = part.SlotPresent();
  CANVAS_TRY(file.EnsureSlot(part.page(), lane.slots));
  // Whoever copied the file may have lost what was reserved and never written.
  if (there) CANVAS_TRY(file.ReserveSlot(part.page(), lane.slots));
  CANVAS_TRY(owner.EnsureStorable());
  CANVAS_TRY(part.EnsureStorable());
  CANVAS_TRY(part.FinishPunch(owner));
  const storage::PartWords words = part.Words(file.write_base());
  if (part.Find(file.write_base())) return words;
  // Ready, and not this lane's: whoever had the slot left without giving it back.
  if (format::Life::FromWord(sync::ReadLife(words)).state == format::PartState::kReady) {
    sync::BeginPunch(words);
    CANVAS_TRY(part.FinishPunch(owner));
    // On disk before this lane's life: or a power loss could leave that, and the last lane's
    // content with it.
    CANVAS_TRY(file.SyncData());
  }
  sync::MakeReady(words, lane.id.value());
  return words;
}

}  // namespace canvas::part
