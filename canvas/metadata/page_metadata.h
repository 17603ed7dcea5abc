// What a page's metadata says, and the rules for it. Refs, latent spans and attachments are laid
// out in the schema and have no code yet: an edit keeps them.
//
// Thread safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas::metadata {

struct PageMetadata {
  PageIndex page;
  std::uint64_t next_ref_id = 1;  // ids are never reused within a page
  friend bool operator==(const PageMetadata&, const PageMetadata&) = default;
};

// Of the page `page`. Errors: kCorrupt.
Result<void> ValidatePageMetadata(const PageMetadata& metadata, PageIndex page);

// As EncodeHeader and DecodeHeader (header_codec.h).
Result<std::vector<std::byte>> EncodePageMetadata(const PageMetadata& metadata,
                                                  std::span<const std::byte> before);
Result<PageMetadata> DecodePageMetadata(std::span<const std::byte> message);

}  // namespace canvas::metadata
