// What each subcommand of `canvas` does, apart from how its arguments are written.
//
// Each prints its results to standard output and answers the error that ends it, if one does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/canvas.h"
#include "tools/cli/answer.h"
#include "tools/cli/audio_input.h"
#include "tools/cli/audio_output.h"

namespace canvas::cli {

// For reading; with the name of a program that writes, for writing.
Result<Canvas> OpenCanvas(const std::string& file, const std::string& writer = {});

struct CreateArguments {
  std::string file;
  std::uint64_t rate = 48000;
  std::uint32_t page_seconds = 30;
  std::uint32_t slots = 64;
  std::uint32_t small_slots = 128;
  std::string hours = "24";
  std::optional<std::string> mode;  // octal
  std::string title;
};
Result<void> RunCreate(const CreateArguments& arguments);

struct ImportArguments {
  std::string file;
  std::vector<std::string> inputs;
  std::optional<std::string> lane;  // default: each input's own name
  std::optional<std::string> at;    // default: 0; "bext": where the file says
  bool append = false;              // behind what the lane holds
  bool overwrite = false;           // what the lane holds there
  bool strict = false;              // refuses inputs that are cut short
  std::uint32_t jobs = 0;           // lanes at a time; 0: as many as there are processors
  double wait_seconds = 0;          // for a lane that another process owns
  bool dense = false;               // MIDI: a page may hold many events
};
Result<void> RunImport(const ImportArguments& arguments);
// How the description of a lane begins whose import, or copy, was not finished.
inline constexpr std::string_view kUnfinished = "unfinished ";

struct ExportArguments {
  std::string file;
  std::vector<std::string> lanes;  // names or globs
  bool all = false;
  std::string out;
  std::optional<std::string> out_dir;
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::vector<std::string> formats;
  bool dither = false;
  bool bext = false;
  bool force = false;            // replaces a file that is there
  std::string markers = "lane";  // which become cue points: lane, all, none
};
Result<void> RunExport(const ExportArguments& arguments);
// Errors: kInvalidArgument.
Result<OutputFormat> FormatOf(const ExportArguments& arguments);

struct EventsArguments {
  std::string file;
  std::vector<std::string> lanes;  // names or globs; none: all
  std::optional<std::string> from;
  std::optional<std::string> to;
};
// An event a line, of all lanes by their time.
Result<void> RunEvents(const EventsArguments& arguments);
// A note a line, lane by lane.
Result<void> RunNotes(const EventsArguments& arguments);

struct CatArguments {
  std::string file;
  std::string lane;
  std::optional<std::string> from;
  std::optional<std::string> to;
  bool zeros = false;  // a gap as zeros, not as a line about it
};
// A frame a line.
Result<void> RunCat(const CatArguments& arguments);

struct ReportArguments {
  std::string file;
  bool summary = false;  // watch: a line a second for each lane
};
Result<void> RunInfo(const ReportArguments& arguments);
Result<void> RunList(const ReportArguments& arguments);
// Until SIGINT or SIGTERM: a line for each change.
Result<void> RunWatch(const ReportArguments& arguments);
Result<void> RunDu(const ReportArguments& arguments);

struct RangeArguments {
  std::string file;
  std::string lane;
  std::optional<std::string> from;
  std::optional<std::string> to;
};
Result<void> RunRemove(const RangeArguments& arguments);
Result<void> RunSilence(const RangeArguments& arguments);

struct ResizeArguments {
  std::string file;
  std::string hours;
};
Result<void> RunResize(const ResizeArguments& arguments);

struct TextArguments {
  std::string file;
  std::string lane;
  std::string text;
};
Result<void> RunRename(const TextArguments& arguments);
Result<void> RunDescribe(const TextArguments& arguments);

struct CopyArguments {
  std::string file;
  std::string into;                // made like the first, where there is none
  std::vector<std::string> lanes;  // names or globs; none: all
  std::optional<std::string> as;
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::optional<std::string> at;
  bool overwrite = false;
};
Result<void> RunCopy(const CopyArguments& arguments);

struct ForkArguments {
  std::string file;
  std::string into;
  bool copy = false;  // as cp does, where the file system has no reflinks
};
// A canvas that shares its blocks with another.
Result<void> RunFork(const ForkArguments& arguments);

struct SplitArguments {
  std::string file;
  std::vector<std::string> at;
  std::optional<std::string> every;  // instead of `at`
  std::string out_dir;
  bool force = false;  // replaces canvases that are there
};
// A canvas a piece, all of them or none.
Result<void> RunSplit(const SplitArguments& arguments);

struct DiffArguments {
  std::string file;
  std::string other;
  std::optional<std::string> lane;
  std::optional<std::string> with;
};
// Answers whether there is no difference.
Result<bool> RunDiff(const DiffArguments& arguments);

struct MarkerArguments {
  std::string action;  // add, ls, rm
  std::string file;
  std::vector<std::string> what;  // add: a TIME; rm: ids
  std::optional<std::string> to;
  std::optional<std::string> lane;
  std::string name;
  std::optional<std::string> color;
  std::vector<std::string> tags;
  std::string data;  // JSON
};
Result<void> RunMarker(const MarkerArguments& arguments);
// Adds those of which there is none yet of the same lane, times and name. Answers how many.
Result<std::size_t> AddNewMarkers(Canvas& canvas, std::vector<Marker> markers);
// "1:02:03.250", as FormatClock.
std::string FormatTime(Time time);

struct StatArguments {
  std::string file;
  std::vector<std::string> lanes;  // names or globs; none: all
};
// What the samples are like: peak, loudness, silence.
Result<void> RunStat(const StatArguments& arguments);

// Answers whether nothing is wrong.
Result<bool> RunCheck(const ReportArguments& arguments);

// A TIME of a lane: as ParsePosition has it, or, with a minus, so long before the lane's end.
Result<Frame> FrameAt(const std::string& text, Rate rate, Frame end);
// What --from and --to make of a lane: by default all from its first written frame to its last.
// Errors: kNotFound (nothing written), kInvalidArgument (empty, or past the capacity).
Result<FrameRange> RangeOf(const Canvas& canvas, const LaneReader& reader,
                           const std::optional<std::string>& from,
                           const std::optional<std::string>& to);
// The lane of this very name: for what changes it. Errors: kNotFound, with the nearest name.
Result<LaneInfo> LaneNamed(const std::vector<LaneInfo>& lanes, const std::string& name);
// The lanes that a name, or a glob ("drums*"), means. Errors: as above.
Result<std::vector<LaneInfo>> LanesNamed(const std::vector<LaneInfo>& lanes,
                                         const std::string& pattern);
// The one of `names` that `text` was most likely meant to be; "" where none is near.
std::string NearestOf(std::string_view text, const std::vector<std::string>& names);

// What the file system counts; 0 where there is no such file.
std::uint64_t AllocatedBytes(const std::string& path);

// How an owner is told, in info and watch alike.
Json OwnerJson(const OwnerInfo& owner);
// "all pages", "page 3", "pages 3 to 9".
std::string PagesText(PageRange pages);

}  // namespace canvas::cli
