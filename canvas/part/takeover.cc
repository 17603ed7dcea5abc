#include "canvas/part/takeover.h"

namespace canvas::part {

Result<storage::Ownership> TakeOver(const storage::CanvasFile& file, storage::OwnerTable& owners,
                                    const LanePlace& lane, PageRange pages) {
  // What lies beyond this handle's mapping is left to one that reaches it.
  return owners.Own(lane.id, pages, [&](const storage::Intent& intent) -> Result<bool> {
    if (intent.page.value() >= file.mapped_pages()) return false;
    CANVAS_TRY(PartRef(file, lane, intent.page).Repair(intent));
    return true;
  });
}

}  // namespace canvas::part
