#include "canvas/part/takeover.h"

namespace canvas::part {

Result<storage::Ownership> TakeOver(const storage::CanvasFile& file, storage::OwnerTable& owners,
                                    const Content& lane, PageRange pages) {
  // What lies beyond this handle's mapping is left to one that reaches it.
  return owners.Own(lane.place().id, pages, [&](const storage::Intent& intent) -> Result<bool> {
    if (intent.page.value() >= file.mapped_pages()) return false;
    CANVAS_TRY(lane.Repair(lane.Part(file, intent.page), intent));
    return true;
  });
}

}  // namespace canvas::part
