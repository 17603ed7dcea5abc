#include "canvas/storage/snapshot_places.h"

#include <fmt/format.h>

#include "canvas/format/control_words.h"
#include "canvas/format/page_words.h"

namespace canvas::storage {

SnapshotPlaces SnapshotPlaces::OfHeader(const format::Geometry& geometry) {
  namespace control = format::control;
  return {.name = "header",
          .first_place = geometry.HeaderPlace(0).value(),
          .place_bytes = geometry.fields().header_place_bytes,
          .places = geometry.fields().header_places,
          .root = format::kControlOffset + control::kHeaderRoot,
          .durable_root = format::kControlOffset + control::kDurableHeaderRoot,
          .editor = format::kControlOffset + control::kHeaderEditor,
          .edit_lock = format::HeaderLock(),
          .first_place_lock = format::HeaderPlaceLock(0)};
}

SnapshotPlaces SnapshotPlaces::OfPage(const format::Geometry& geometry, PageIndex page) {
  namespace control = format::page_control;
  const std::uint64_t start = geometry.Page(page).value();
  return {.name = fmt::format("page {}'s metadata", page.value()),
          .first_place = start + geometry.MetadataPlace(0),
          .place_bytes = geometry.fields().page_meta_place_bytes,
          .places = geometry.fields().page_meta_places,
          .root = start + control::kMetadataRoot,
          .durable_root = start + control::kDurableMetadataRoot,
          .editor = start + control::kEditor,
          .edit_lock = format::PageMetadataLock(page),
          .first_place_lock = format::PagePlaceLock(page, 0)};
}

}  // namespace canvas::storage
