#include "canvas/storage/header_store.h"

#include "canvas/metadata/header_codec.h"

namespace canvas::storage {

Result<metadata::Header> HeaderCodec::Decode(std::span<const std::byte> message,
                                             const format::Geometry& geometry) {
  CANVAS_ASSIGN(metadata::Header header, metadata::DecodeHeader(message));
  CANVAS_TRY(metadata::ValidateHeader(header, geometry));
  return header;
}

Result<void> HeaderCodec::Validate(const metadata::Header& header,
                                   const format::Geometry& geometry) {
  return metadata::ValidateHeader(header, geometry);
}

Result<std::vector<std::byte>> HeaderCodec::Encode(const metadata::Header& header,
                                                   std::span<const std::byte> before) {
  return metadata::EncodeHeader(header, before);
}

}  // namespace canvas::storage
