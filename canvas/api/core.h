// What the handles of one open canvas share. Not for users.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/part/check.h"
#include "canvas/part/contents.h"
#include "canvas/part/events/event_part.h"
#include "canvas/part/frames/frame_part.h"
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

  // The header as it is now, and what its lanes hold: made once for each version of it.
  struct Known {
    std::shared_ptr<const metadata::Header> header;
    part::Contents contents;
  };
  Result<std::shared_ptr<const Known>> Current();
  // The lane's record, and what it holds. Errors: kNotFound, kUnsupported.
  struct Lane {
    metadata::LaneRecord record;
    std::unique_ptr<const part::Content> content;
  };
  Result<Lane> Find(LaneId id);
  // Of a lane of frames, where they lie. Errors: kNotFound, kUnsupported.
  Result<std::pair<LaneInfo, part::frames::FramePlace>> FindFrames(LaneId id);
  // The same of a lane of events.
  Result<std::pair<LaneInfo, part::events::EventPlace>> FindEvents(LaneId id);

  // Ownership, after repairing what dead owners left.
  Result<storage::Ownership> Own(const part::Content& content, PageRange pages);

  std::shared_ptr<storage::CanvasFile> file;
  storage::HeaderStore headers;
  storage::OwnerTable owners;
  bool sync_on_close = false;

 private:
  std::mutex mutex_;
  std::shared_ptr<const Known> known_;
};

inline constexpr PageRange kAllPages{PageIndex(0),
                                     PageIndex(static_cast<std::uint32_t>(format::kMaxPages))};

static_assert(format::kMaxPages == 1 << 20, "as OwnOptions says");

// What a longer wait comes to: no sum of times overflows.
inline constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(24 * 365);

std::unexpected<Error> NoSuchLane(std::string_view which);
LaneInfo ToInfo(const metadata::LaneRecord& lane);
// Counts a part in that comes behind those that were counted.
void CountIn(LaneExtent& extent, const format::Timeline& timeline, PageIndex page,
             const std::optional<part::PartSummary>& part) noexcept;

// The result, its error said to be about the canvas's file.
template <typename T>
Result<T> AboutFile(Result<T> result, const CanvasCore& core) {
  if (result) return result;
  return std::unexpected(std::move(result).error().About(core.file->path()));
}

}  // namespace canvas
