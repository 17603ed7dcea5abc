#include "canvas/testing/small_file.h"

#include "canvas/storage/create.h"

namespace canvas::testing {

format::GeometryFields SmallGeometry() {
  format::GeometryFields fields;
  fields.rate = {8000, 1};
  fields.page_seconds = 1;
  fields.wide_slots = 8;
  fields.small_slots = 4;
  fields.block_bytes = 512;
  fields.extent_bytes = 4096;
  fields.slot_align_bytes = 4096;
  fields.wide_slot_bytes = 64 * 1024;
  fields.small_slot_bytes = 16 * 1024;
  fields.header_place_bytes = 64 * 1024;
  fields.header_places = 5;
  fields.page_meta_places = 4;
  fields.page_meta_place_bytes = 64 * 1024;
  fields.capacity_pages = 4;
  return fields;
}

SmallFileTest::SmallFileTest() {
  storage::CreateRequest request;
  request.geometry = SmallGeometry();
  Must(storage::CreateCanvasFile(path_, request));
}

std::shared_ptr<storage::CanvasFile> SmallFileTest::Open(
    const storage::FileOptions& options) const {
  return Must(storage::CanvasFile::Open(path_, options));
}

}  // namespace canvas::testing
