// The metadata of the pages of an open canvas (metadata_store.h). A page has none until the first
// edit of it: it reads as an empty one then.
//
// Thread safety: thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/metadata/page_metadata.h"
#include "canvas/storage/metadata_store.h"

namespace canvas::storage {

struct PageCodec {
  using Value = metadata::PageMetadata;
  static constexpr bool kMayBeEmpty = true;
  static constexpr const char* kLostHint = "it can be read and not edited";
  static Result<Value> Decode(std::span<const std::byte> message, const format::Geometry& geometry);
  static Result<void> Validate(const Value& value, const format::Geometry& geometry);
  static Result<std::vector<std::byte>> Encode(const Value& value,
                                               std::span<const std::byte> before);
};

using PagePin = MetadataPin<PageCodec>;

class PageStore {
 public:
  // As HeaderStore.
  explicit PageStore(CanvasFile& file, std::string name = {},
                     std::chrono::milliseconds wait = kEditWait)
      : file_(file), name_(std::move(name)), wait_(wait) {}

  // Errors: kCorrupt, kInvalidArgument (past the capacity), kLimit (past the mapping), kClosed.
  Result<std::shared_ptr<const metadata::PageMetadata>> Current(PageIndex page);
  // Makes the page ready where it is not. Errors and concurrency: as MetadataStore::Edit; besides
  // those of Current.
  Result<void> Edit(PageIndex page,
                    const std::function<Result<void>(metadata::PageMetadata&)>& edit);
  // Errors: as MetadataStore::Pin, and those of Current; kNotFound where nothing was ever
  // published.
  Result<PagePin> Pin(PageIndex page);

 private:
  using Store = MetadataStore<PageCodec>;
  // Stays where it is for the life of this.
  Store& Of(PageIndex page);

  CanvasFile& file_;
  std::string name_;
  std::chrono::milliseconds wait_;
  std::mutex mutex_;  // guards stores_
  std::map<PageIndex, std::unique_ptr<Store>> stores_;
};

}  // namespace canvas::storage
