// The first step of writing to a part, whatever the lane holds: page and slot are made ready, a
// punch that was begun is finished, and the part is this lane's.
//
// Thread safety: as PartRef, under ownership of the lane over the page.
#pragma once

#include "canvas/base/error.h"
#include "canvas/part/part_ref.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"

namespace canvas::part {

// Its words, through the writers' mapping. Errors: kInvalidArgument (past capacity), kLimit (past
// the mapping), kNoSpace, kIo.
Result<storage::PartWords> OpenPart(storage::CanvasFile& file, const PartRef& part,
                                    const storage::Ownership& owner);

}  // namespace canvas::part
