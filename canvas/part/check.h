// Looking a canvas over without changing it: everything that can contradict itself.
#pragma once

#include "canvas/metadata/reports.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header_store.h"
#include "canvas/storage/ownership.h"

namespace canvas::part {

using metadata::CheckReport;

// Superblock copies, control words, header snapshots, owner table, page index, page and slot
// controls, versions against marks, and that every page lies inside the file. At most 100 findings
// are told one by one.
CheckReport CheckCanvas(const storage::CanvasFile& file, storage::HeaderStore& headers,
                        const storage::OwnerTable& owners);

}  // namespace canvas::part
