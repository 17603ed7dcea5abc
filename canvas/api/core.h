// What the handles of one open canvas share. Not for users.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/part/check.h"
#include "canvas/part/part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header_store.h"
#include "canvas/storage/ownership.h"

namespace canvas {

class CanvasCore {
 public:
  CanvasCore(std::shared_ptr<storage::CanvasFile> canvas_file, const std::string& name,
             std::chrono::milliseconds edit_wait)
      : file(std::move(canvas_file)), headers(*file, name, edit_wait), owners(*file, name) {}
  CanvasCore(const CanvasCore&) = delete;
  CanvasCore& operator=(const CanvasCore&) = delete;
  // With the last handle, reader or writer.
  ~CanvasCore() {
    if (sync_on_close && !file->poisoned()) (void)NoThrow([&] { return file->Sync(); });
  }

  // The lane's record, and where its parts lie. Errors: kNotFound.
  Result<std::pair<metadata::LaneRecord, part::LanePlace>> Find(LaneId id);

  // Ownership, after repairing what dead owners left.
  Result<storage::Ownership> Own(const part::LanePlace& place, PageRange pages);

  std::shared_ptr<storage::CanvasFile> file;
  storage::HeaderStore headers;
  storage::OwnerTable owners;
  bool sync_on_close = false;
};

inline constexpr PageRange kAllPages{PageIndex(0),
                                     PageIndex(static_cast<std::uint32_t>(format::kMaxPages))};

static_assert(format::kMaxPages == 1 << 20, "as OwnOptions says");

// What a longer wait comes to: no sum of times overflows.
inline constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(24 * 365);

LaneInfo ToInfo(const metadata::LaneRecord& lane);
// Counts a part in that comes behind those that were counted.
void CountIn(LaneExtent& extent, const part::LanePlace& place, PageIndex page,
             const std::optional<part::PartSummary>& part) noexcept;
// Of every lane in the header, in its order: where its parts lie, if its kind is known here.
struct PlacedLanes {
  static Result<PlacedLanes> Of(const metadata::Header& header, const format::Geometry& geometry);
  std::vector<part::LanePlace> places;
  std::vector<std::size_t> records;  // by place: which lane of the header
};

// The result, its error said to be about the canvas's file.
template <typename T>
Result<T> AboutFile(Result<T> result, const CanvasCore& core) {
  if (result) return result;
  return std::unexpected(std::move(result).error().About(core.file->path()));
}

}  // namespace canvas
