// Making a canvas: whole, or not at all.
//
// The file is made without a name (O_TMPFILE), filled, synced, linked to its path, and the
// directory synced. Killed at any moment, a creator leaves no canvas or a good one, and no litter;
// of two at the same path, the second is told so. Links and files that are there already are never
// followed or replaced.
#pragma once

#include <sys/types.h>

#include <string>

#include "canvas/base/error.h"
#include "canvas/format/superblock_format.h"
#include "canvas/metadata/header.h"

namespace canvas::storage {

struct CreateRequest {
  format::GeometryFields geometry;
  metadata::Header header;
  mode_t mode = 0600;
  bool allow_remote = false;
};

// Errors: kInvalidArgument (geometry), kExists, kNotFound (directory), kPermission, kReadOnly,
// kNoSpace, kUnsupported (file system), kIo. Fsyncs: blocks for as long as the disk takes.
Result<void> CreateCanvasFile(const std::string& path, const CreateRequest& request);

}  // namespace canvas::storage
