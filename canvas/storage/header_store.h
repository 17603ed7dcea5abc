// The header of an open canvas (metadata_store.h).
//
// Thread safety: thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/format/geometry.h"
#include "canvas/metadata/header.h"
#include "canvas/storage/metadata_store.h"

namespace canvas::storage {

struct HeaderCodec {
  using Value = metadata::Header;
  static constexpr bool kMayBeEmpty = false;
  static constexpr const char* kLostHint = "lanes can be neither added nor changed";
  static Result<Value> Decode(std::span<const std::byte> message, const format::Geometry& geometry);
  static Result<void> Validate(const Value& header, const format::Geometry& geometry);
  static Result<std::vector<std::byte>> Encode(const Value& header,
                                               std::span<const std::byte> before);
};

using HeaderPin = MetadataPin<HeaderCodec>;

class HeaderStore : public MetadataStore<HeaderCodec> {
 public:
  explicit HeaderStore(CanvasFile& file, std::string name = {},
                       std::chrono::milliseconds wait = kEditWait)
      : MetadataStore(file, SnapshotPlaces::OfHeader(file.geometry()), std::move(name), wait) {}
};

}  // namespace canvas::storage
