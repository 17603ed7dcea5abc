// Where the versions of one piece of metadata lie in the file, and which locks guard them: of the
// header, or of one page.
//
// Thread safety: pure functions; the words they name are shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "canvas/base/units.h"
#include "canvas/format/geometry.h"
#include "canvas/format/lock_format.h"
#include "canvas/sync/snapshot.h"
#include "canvas/sync/std_sync.h"

namespace canvas::storage {

struct SnapshotPlaces {
  std::string name;               // as errors call it: "header", "page 7"
  std::uint64_t first_place = 0;  // offset in the file of place 0; the others follow
  std::uint32_t place_bytes = 0;
  std::uint32_t places = 0;
  std::uint64_t root = 0;  // offsets in the file of the words
  std::uint64_t durable_root = 0;
  std::uint64_t editor = 0;     // the editor's record (format::editor)
  format::LockRange edit_lock;  // exclusive, while one edits
  format::LockRange first_place_lock;

  static SnapshotPlaces OfHeader(const format::Geometry& geometry);
  static SnapshotPlaces OfPage(const format::Geometry& geometry, PageIndex page);

  std::uint64_t Place(std::uint32_t place) const {
    return first_place + std::uint64_t{place} * place_bytes;
  }
  format::LockRange PlaceLock(std::uint32_t place) const {
    return {first_place_lock.start + place, 1};
  }
  sync::SnapshotWords<sync::StdSync> Words(std::byte* base) const {
    return {.root = sync::WordAt(base, root),
            .durable = sync::WordAt(base, durable_root),
            .places = places};
  }
};

}  // namespace canvas::storage
