#include "canvas/metadata/page_metadata.h"

#include <fmt/format.h>

#include "canvas/metadata/capnp_message.h"
#include "schema/page.capnp.h"

namespace canvas::metadata {
namespace {

constexpr const char* kWhat = "page metadata";

}  // namespace

Result<void> ValidatePageMetadata(const PageMetadata& metadata, PageIndex page) {
  if (metadata.page != page)
    return Fail(ErrorCode::kCorrupt, fmt::format("page {}'s metadata says that it is page {}'s",
                                                 page.value(), metadata.page.value()));
  if (metadata.next_ref_id == 0)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("page {}'s metadata: the next ref's id is 0", page.value()));
  return {};
}

Result<std::vector<std::byte>> EncodePageMetadata(const PageMetadata& metadata,
                                                  std::span<const std::byte> before) {
  return NoKjException(kWhat, ErrorCode::kLimit, [&]() -> Result<std::vector<std::byte>> {
    CANVAS_TRY(CheckWords(kWhat, before));
    capnp::MallocMessageBuilder edited;
    if (before.empty())
      edited.initRoot<schema::PageMetadata>();
    else
      edited.setRoot(Message<schema::PageMetadata>(before).root());
    auto root = edited.getRoot<schema::PageMetadata>();
    root.setPage(metadata.page.value());
    root.setNextRefId(metadata.next_ref_id);
    return Flatten<schema::PageMetadata>(root.asReader());
  });
}

Result<PageMetadata> DecodePageMetadata(std::span<const std::byte> message) {
  CANVAS_TRY(CheckWords(kWhat, message));
  return NoKjException(kWhat, ErrorCode::kCorrupt, [&]() -> Result<PageMetadata> {
    Message<schema::PageMetadata> decoded(message);
    return PageMetadata{PageIndex(decoded.root().getPage()), decoded.root().getNextRefId()};
  });
}

}  // namespace canvas::metadata
