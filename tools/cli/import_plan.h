// What an import is to do, found out and checked before the first frame is written: which inputs
// there are, to which place of which lane each goes, and whether all of it can go there.
//
// Thread safety: one thread at a time, where nothing else is said.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "tools/cli/commands.h"
#include "tools/cli/descriptor.h"

namespace canvas::cli::importing {

// An input, and what its header says: it is opened again when its turn comes, so that not all need
// be open at once.
struct Source {
  std::string shown;  // as it was given
  std::string path;   // where it can be opened
  std::uint32_t channels = 0;
  std::uint64_t rate = 0;
  std::uint32_t speakers = 0;
  std::optional<std::uint64_t> frames;
  std::optional<std::uint64_t> time_reference;
  std::vector<SourceTag> tags;
  bool midi = false;  // a MIDI file: nothing of the above but its name
};

// One input on its way to a place in a lane.
struct Job {
  Source source;
  std::string lane_name;
  std::optional<Frame> at;  // nothing: behind what the lane holds, or what the job before wrote
  std::optional<LaneId> lane;
  bool made = false;  // for this import
};

// What `import` was given to read. Pipes are kept in files without names.
struct Sources {
  std::vector<Source> list;
  std::list<Descriptor> spooled;
  std::vector<std::string> skipped;  // files of a folder that are no audio
};
// Looks at all of them. Errors: kNotFound, kPermission, kInvalidArgument (no audio).
Result<Sources> Gather(const ImportArguments& arguments);

// Decides where each input goes.
Result<std::vector<Job>> Plan(const ImportArguments& arguments, std::vector<Source> sources);

// Whether so many frames at `at` end within the capacity. Errors: kInvalidArgument.
Result<void> CheckFits(const Canvas& canvas, const std::string& input, Frame at,
                       std::uint64_t frames, Rate rate);
// Content is never overwritten unawares. Errors: kExists.
Result<void> CheckFree(const LaneReader& reader, const std::string& input, FrameRange range);

// Its name, without the folders.
std::string BaseName(const Source& source);
// What a lane says that is made for an import, until it is finished.
std::string Unfinished(const Source& source);

// Finds each job's lane, or makes it, and looks whether all of it will fit: before anything is
// written. Of several new lanes, all are made or none.
class Lanes {
 public:
  Lanes(Canvas& canvas, const ImportArguments& arguments)
      : canvas_(canvas), arguments_(arguments) {}
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  // What was made and not begun goes again; but what another has filled meanwhile, or describes as
  // his, is his.
  ~Lanes();

  Result<void> Prepare(std::vector<Job>& jobs);
  // This lane stays, whatever comes. Thread safety: thread-safe.
  void Keep(LaneId lane);

 private:
  Result<void> CheckPlace(const Job& job, Rate rate) const;

  Canvas& canvas_;
  const ImportArguments& arguments_;
  std::mutex mutex_;
  std::vector<LaneId> made_;  // and not kept yet
};

}  // namespace canvas::cli::importing
