// What a reader may hold on to for a while: one version of the metadata, or parts of a lane. It
// delays the reuse of that version's place, or the giving back of those parts, and nothing else of
// anyone's; a process that dies holds nothing. There are eight places, and an edit needs one that
// is neither pinned nor the current version's nor the durable one's: while at most five versions
// are pinned, by all processes together, no edit notices; where pins leave none it is kLimit.
//
// Fork: a forked child holds nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/base/marker.h"
#include "canvas/base/tempo.h"

namespace canvas {

class CanvasCore;

// One version of the metadata, read where it lies in the file. Made by Canvas::Pin.
// Concurrency: const calls by several threads at once; it may be moved to another thread.
// Realtime: no call is for a realtime thread, but for generation.
class MetadataPin {
 public:
  // After a move the generation is 0, and every other call says kClosed.
  MetadataPin(MetadataPin&&) noexcept;
  MetadataPin& operator=(MetadataPin&&) noexcept;
  ~MetadataPin();

  // Grows at every edit of the metadata, by anyone. Realtime: yes.
  std::uint64_t generation() const noexcept;

  // As they were in this version, whatever was edited since. Errors: kCorrupt (somebody stored into
  // the file against the rules), kClosed (in a forked child).
  Result<std::vector<LaneInfo>> Lanes() const;
  Result<std::vector<TempoMap>> TempoMaps() const;
  Result<std::vector<Marker>> Markers() const;

 private:
  friend class Canvas;
  struct Inside;
  static Result<MetadataPin> Make(std::shared_ptr<CanvasCore> core);
  explicit MetadataPin(std::unique_ptr<Inside> inside) noexcept;
  Result<void> CheckUsable() const;
  std::unique_ptr<Inside> inside_;
};

// A lane's parts of some pages, kept from being given back. Made by Canvas::Hold. Owners go on
// writing them; a caller that wants to punch or remove them is told kBusy.
// Concurrency: const calls by several threads at once; it may be moved to another thread.
// Realtime: making, moving and ending one is not for a realtime thread; lane and pages are.
class PageHold {
 public:
  // After a move lane() and pages() are empty.
  PageHold(PageHold&& other) noexcept;
  PageHold& operator=(PageHold&&) = delete;
  ~PageHold();

  LaneId lane() const { return lane_; }
  PageRange pages() const { return pages_; }

 private:
  friend class Canvas;
  static Result<PageHold> Make(std::shared_ptr<CanvasCore> core, LaneId id, PageRange pages);
  PageHold(std::shared_ptr<CanvasCore> core, LaneId lane, PageRange pages);
  std::shared_ptr<CanvasCore> core_;
  LaneId lane_;
  PageRange pages_;
};

}  // namespace canvas
