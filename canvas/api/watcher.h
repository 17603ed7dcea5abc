// Following a canvas that others change: who came and left, what grew, what was rewritten or given
// back, what the metadata says now.
//
// A watcher sleeps on the change signal (canvas/sync/change.h) and then compares what it sees with
// what it saw: lanes, owners, and the marks and versions of every part. Changes that undo each
// other between two looks are not seen (an owner who came and went is one), and several writes may
// be one change; nothing that stays is missed. A look costs a pass over the
// version words of every part that is there (8 B for each 32 KiB of samples).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "canvas/metadata/reports.h"

namespace canvas {

class CanvasCore;

struct Change {
  enum class Kind : std::uint8_t {
    kOwnerCame,       // owner
    kOwnerLeft,       // owner; died or let go
    kLaneAdded,       // lane
    kLaneRemoved,     // lane, as it was
    kLaneEdited,      // lane as it is now, before
    kMetadataEdited,  // something else of the metadata: generation
    kGrew,            // lane, frames: written now and not before
    kRewritten,       // lane, frames: the blocks that hold another version now
    kErased,          // lane, frames: written before and not now
  };
  Kind kind = Kind::kGrew;
  LaneInfo lane = {};
  LaneInfo before = {};
  FrameRange frames = {};
  metadata::OwnerInfo owner = {};
  std::uint64_t generation = 0;  // of the metadata, at this look
};

// Concurrency: one thread at a time; waits for nobody but as long as Next is told.
// Realtime: no call is for a realtime thread.
class Watcher {
 public:
  Watcher(Watcher&&) noexcept;
  Watcher& operator=(Watcher&&) noexcept;
  ~Watcher();

  // What changed since the last call (the first: since the watcher was made), in the order
  // metadata, owners that handed on, owners that came, frames by lane and time, owners that left.
  // Sleeps until something did, or until `timeout`; nothing then. A death is noticed by then at the
  // latest. Errors: kClosed, kCorrupt, kIo.
  Result<std::vector<Change>> Next(std::chrono::milliseconds timeout);

 private:
  friend class Canvas;
  struct State;
  static Result<Watcher> Make(std::shared_ptr<CanvasCore> core);
  explicit Watcher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace canvas
