// Becoming the owner of a lane over pages: the lock, and what dead owners left half done put right
// before anyone writes (sync/takeover.h).
//
// Thread safety: as OwnerTable.
#pragma once

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/part/content.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"

namespace canvas::part {

// Errors: kBusy (owned by another, named where it says its name), kLimit, kNoSpace, kIo.
Result<storage::Ownership> TakeOver(const storage::CanvasFile& file, storage::OwnerTable& owners,
                                    const Content& lane, PageRange pages);

}  // namespace canvas::part
