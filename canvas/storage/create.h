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
#include "canvas/os/os_file.h"

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

struct ReflinkRequest {
  mode_t mode = 0600;
  bool allow_remote = false;
};

// A canvas at `path` that shares its blocks with `from` (ioctl_ficlone(2)) and has a uuid of its
// own; made whole, or not at all, like one that is new.
//
// Beside writers it is `from` as of one instant, as a kill of all its writers then would have left
// it: the file system keeps writers out for as long as it takes (xfs: inode and mapping lock,
// exclusive). Before it shares, it writes back what is dirty, and so makes a page read-only in
// every mapping; a store into it then faults, and waits. So a store that is in the copy ran before
// its page was made read-only, and one that is not, waits until the copy is there: nobody who would
// have seen it can have gone on. Owners' entries are of processes that hold no lock on this file:
// dead ones, to whoever owns next.
//
// Errors: kUnsupported (no reflinks here; another file system), kNotACanvas, kCorrupt, and as
// CreateCanvasFile.
Result<void> ReflinkCanvasFile(const os::UniqueFd& from, const std::string& path,
                               const ReflinkRequest& request);

}  // namespace canvas::storage
