#include "canvas/storage/page_store.h"

#include <fmt/format.h>

namespace canvas::storage {

Result<metadata::PageMetadata> PageCodec::Decode(std::span<const std::byte> message,
                                                 const format::Geometry& geometry) {
  CANVAS_ASSIGN(const metadata::PageMetadata value, metadata::DecodePageMetadata(message));
  CANVAS_TRY(Validate(value, geometry));
  return value;
}

Result<void> PageCodec::Validate(const metadata::PageMetadata& value,
                                 const format::Geometry& geometry) {
  if (value.page.value() >= geometry.fields().index_pages)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("page metadata: there is no page {}", value.page.value()));
  return metadata::ValidatePageMetadata(value, value.page);
}

Result<std::vector<std::byte>> PageCodec::Encode(const metadata::PageMetadata& value,
                                                 std::span<const std::byte> before) {
  return metadata::EncodePageMetadata(value, before);
}

PageStore::Store& PageStore::Of(PageIndex page) {
  const std::lock_guard lock(mutex_);
  auto& store = stores_[page];
  if (store == nullptr)
    store = std::make_unique<Store>(file_, SnapshotPlaces::OfPage(file_.geometry(), page), name_,
                                    wait_);
  return *store;
}

Result<std::shared_ptr<const metadata::PageMetadata>> PageStore::Current(PageIndex page) {
  CANVAS_TRY(file_.CheckUsable());
  CANVAS_TRY(file_.CheckPage(page));
  auto empty = metadata::PageMetadata{.page = page};
  if (!file_.PageReady(page)) return std::make_shared<const metadata::PageMetadata>(empty);
  CANVAS_ASSIGN(const Store::Versioned current, Of(page).CurrentVersion());
  if (current.generation == 0) return std::make_shared<const metadata::PageMetadata>(empty);
  auto right = metadata::ValidatePageMetadata(*current.value, page);
  if (!right) return std::unexpected(std::move(right).error().About(file_.path()));
  return current.value;
}

Result<void> PageStore::Edit(PageIndex page,
                             const std::function<Result<void>(metadata::PageMetadata&)>& edit) {
  CANVAS_TRY(file_.CheckWritable());
  CANVAS_TRY(file_.EnsurePage(page));
  const auto right = [&](metadata::PageMetadata& value) -> Result<void> {
    if (value == metadata::PageMetadata{}) value.page = page;
    CANVAS_TRY(metadata::ValidatePageMetadata(value, page));
    CANVAS_TRY(edit(value));
    return metadata::ValidatePageMetadata(value, page);
  };
  CANVAS_TRY(Of(page).Edit(right));
  file_.durability().Published(page);
  return {};
}

Result<PagePin> PageStore::Pin(PageIndex page) {
  CANVAS_TRY(file_.CheckUsable());
  CANVAS_TRY(file_.CheckPage(page));
  CANVAS_ASSIGN(const auto current, Current(page));
  if (!file_.PageReady(page) ||
      sync::ReadRoot(SnapshotPlaces::OfPage(file_.geometry(), page).Words(file_.read_base()))
              .generation == 0)
    return Fail(ErrorCode::kNotFound, fmt::format("page {} has no metadata", page.value()));
  return Of(page).Pin();
}

}  // namespace canvas::storage
