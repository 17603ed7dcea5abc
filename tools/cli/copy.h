// What cp, split and diff have in common: ranges of lanes from one canvas into another, beside
// whoever writes.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "canvas/api/canvas.h"
#include "tools/cli/signals.h"

namespace canvas::cli {

bool HoldsSamples(const LaneInfo& lane);
// Whether it can be copied: it holds samples, or events.
bool IsKnown(const LaneInfo& lane);
// "2 channels at 48000 Hz", "events at 48000 Hz".
std::string ShapeOf(const LaneInfo& lane);
// Frames to read at a time.
std::size_t ChunkFrames(std::uint32_t channels);

// An empty canvas like another, but for the length of its timeline; in the mode of that one.
Result<void> MakeLike(const Canvas& from, const std::string& path, std::uint64_t capacity_pages,
                      const std::string& tool);

struct LaneCopy {
  LaneInfo lane;
  std::string name;                      // in the other canvas
  FrameRange range;                      // of the lane
  std::int64_t shift = 0;                // frames, from there to here
  std::vector<FrameRange> regions = {};  // what is written of the range, and is copied
};

// The owner of a lane to copy to, by what that holds.
using LaneWriter = std::variant<FrameWriter, EventWriter>;

// The lanes to copy to. All are owned, and the new ones made, before the first frame is written:
// what can be refused is refused before. What was made and not begun goes again.
class CopyTargets {
 public:
  explicit CopyTargets(Canvas& to) : to_(to) {}
  CopyTargets(const CopyTargets&) = delete;
  CopyTargets& operator=(const CopyTargets&) = delete;
  ~CopyTargets();

  Result<void> Prepare(const Canvas& from, const std::vector<LaneCopy>& plans, bool overwrite);
  // The lane of a plan, which is written to from now on.
  LaneWriter& Begin(std::size_t index) {
    list_[index].begun = true;
    return list_[index].writer;
  }

 private:
  struct Target {
    LaneWriter writer;
    bool made = false;
    bool begun = false;
  };
  Canvas& to_;
  std::vector<Target> list_;
};

// Copies the regions; answers how many frames, or events. Events keep their ticks where the music
// that these lie on comes with them.
// Errors: kBusy (stopped, or emptied meanwhile), and of what it does.
Result<std::uint64_t> CopyLane(const Canvas& from, Canvas& to, const LaneCopy& plan,
                               LaneWriter& writer, const StopFlag& stop);
// The markers of the lane that lie where it was copied; of a lane that was copied whole, all. They
// are moved as its frames are. Answers how many.
Result<std::size_t> CopyMarkers(const Canvas& from, Canvas& to, const LaneCopy& plan, bool whole);
// The markers of no lane.
Result<void> CopyMarkersOfAll(const Canvas& from, Canvas& to);
// Those that are not there already.
Result<void> CopyTempoMaps(const Canvas& from, Canvas& to);

// Renames the file; only where nothing is called so by now.
Result<void> GiveName(const std::string& path, const std::string& name);

}  // namespace canvas::cli
