#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <map>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/midi_export.h"
#include "tools/cli/samples.h"
#include "tools/cli/speakers.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;

bool SameFile(const std::string& a, const std::string& b) {
  struct stat first {};
  struct stat second {};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Copies the range; answers how many of its frames were written.
Result<std::uint64_t> Copy(LaneReader& reader, FrameRange range, AudioOutput& out) {
  const std::uint32_t channels = reader.lane().channels;
  const auto frames = static_cast<std::uint64_t>(range.end - range.first);
  std::vector<float> samples(std::max<std::size_t>(kChunkBytes / sizeof(float) / channels, 1) *
                             channels);
  ProgressBar progress(reader.lane().name, frames);
  std::uint64_t written = 0;
  for (std::uint64_t done = 0; done < frames;) {
    const std::uint64_t count = std::min<std::uint64_t>(frames - done, samples.size() / channels);
    const auto chunk = std::span(samples).first(count * channels);
    const Frame at = range.first + done;
    CANVAS_ASSIGN(const ReadResult read, ReadSettled(reader, at, chunk));
    CANVAS_TRY(out.Write(chunk));
    reader.Forget({at, at + count});
    written += read.written_frames;
    done += count;
    progress.Update(done);
  }
  return written;
}

// A lane and the file it goes to.
struct Job {
  LaneInfo lane;
  std::string out;
};

// "a/b" cannot be a file's name, nor can "..".
std::string FileName(const std::string& lane) {
  std::string name = lane;
  std::ranges::replace(name, '/', '_');
  if (name.starts_with('.')) name.front() = '_';
  return name;
}

Result<std::vector<Job>> Plan(const ExportArguments& arguments, const Canvas& canvas,
                              Container container) {
  CANVAS_ASSIGN(const auto all, canvas.Lanes());
  std::vector<LaneInfo> lanes;
  if (arguments.all) {
    std::ranges::copy_if(all, std::back_inserter(lanes), [](const LaneInfo& lane) {
      return lane.kind == LaneKind::kAudio || lane.kind == LaneKind::kSignal;
    });
    if (lanes.empty()) return Fail(ErrorCode::kNotFound, "there are no lanes to export");
  }
  for (const std::string& pattern : arguments.lanes) {
    CANVAS_ASSIGN(const auto found, LanesNamed(all, pattern));
    for (const LaneInfo& lane : found)
      if (HoldsEvents(lane))
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("lane '{}' holds events, and an audio file holds samples",
                                Printable(lane.name)),
                    "--out x.mid writes lanes of MIDI");
    for (const LaneInfo& lane : found)
      if (std::ranges::find(lanes, lane.id, &LaneInfo::id) == lanes.end()) lanes.push_back(lane);
  }
  if (!arguments.out_dir) {
    if (lanes.size() == 1) return std::vector<Job>{{lanes.front(), arguments.out}};
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} and one --out", Count(lanes.size(), "lane")),
                "give --out-dir, for a file a lane");
  }
  std::vector<Job> jobs;
  std::map<std::string, std::string> claimed;
  for (LaneInfo& lane : lanes) {
    const std::string name = fmt::format("{}.{}", FileName(lane.name), NameOf(container));
    const auto [other, fresh] = claimed.emplace(name, lane.name);
    if (!fresh)
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("lanes '{}' and '{}' would both become {}", other->second, lane.name, name),
          "export them one by one, each with its own --out");
    jobs.push_back({std::move(lane), (std::filesystem::path(*arguments.out_dir) / name).string()});
  }
  return jobs;
}

// The folder to export to, and those it lies in. What was made and is empty goes again, but where
// the export did all it was asked for.
class OutFolder {
 public:
  OutFolder() = default;
  OutFolder(const OutFolder&) = delete;
  OutFolder& operator=(const OutFolder&) = delete;
  ~OutFolder() {
    while (!made_.empty()) {
      rmdir(made_.back().c_str());  // not one that holds something
      made_.pop_back();
    }
  }
  Result<void> Make(const std::string& folder) {
    std::filesystem::path so_far;
    for (const auto& part : std::filesystem::path(folder)) {
      so_far /= part;
      if (mkdir(so_far.c_str(), 0777) == 0)
        made_.push_back(so_far.string());
      else if (const int failure = errno; !std::filesystem::is_directory(so_far))
        return std::unexpected(Error::FromErrno(failure, "making the folder").About(folder));
    }
    return {};
  }
  void Keep() { made_.clear(); }

 private:
  std::vector<std::string> made_;
};

// The markers that lie in the range, as cue points of a file that begins where it does; ranges are
// cut to it.
Result<std::vector<Cue>> CuesOf(const Canvas& canvas, const ExportArguments& arguments,
                                const LaneInfo& lane, FrameRange range) {
  std::vector<Cue> cues;
  if (arguments.markers == "none") return cues;
  CANVAS_ASSIGN(const auto markers, canvas.Markers());
  for (const Marker& marker : markers) {
    if (marker.lane != lane.id && (marker.lane != LaneId(0) || arguments.markers != "all"))
      continue;
    const auto start = FrameOfTime(marker.start, lane.rate);
    if (!start || *start >= range.end) continue;
    const Frame end = FrameOfTime(marker.end, lane.rate).value_or(range.end);
    if (*start < range.first && end <= range.first) continue;
    const Frame first = std::max(*start, range.first);
    cues.push_back({static_cast<std::uint64_t>(first - range.first),
                    static_cast<std::uint64_t>(std::max(std::min(end, range.end), first) - first),
                    marker.name});
  }
  return cues;
}

// "Every lane" is every one that an audio file can hold.
Result<void> TellEventsLeftOut(const Canvas& canvas, const ExportArguments& arguments) {
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  for (const LaneInfo& lane : lanes)
    if (HoldsEvents(lane))
      Say({{"lane", lane.name}, {"left_out", true}},
          fmt::format("lane '{}' holds events, left out: --out x.mid writes lanes of MIDI\n",
                      Printable(lane.name)),
          arguments.out == "-" ? stderr : stdout);
  return {};
}

Result<void> ExportOne(const Canvas& canvas, const ExportArguments& arguments,
                       const OutputFormat& format, const Job& job) {
  const LaneInfo& lane = job.lane;
  CANVAS_ASSIGN(LaneReader reader, canvas.Reader(lane.id));
  CANVAS_ASSIGN(const FrameRange range, RangeOf(canvas, reader, arguments.from, arguments.to));
  if (lane.rate.den != 1 || lane.rate.num > std::numeric_limits<std::int32_t>::max())
    return Fail(ErrorCode::kUnsupported,
                fmt::format("lane '{}' has a rate of {} Hz, which an audio file cannot say",
                            lane.name, ToString(lane.rate)),
                "read it through the library");
  const auto frames = static_cast<std::uint64_t>(range.end - range.first);
  CANVAS_ASSIGN(std::vector<Cue> cues, CuesOf(canvas, arguments, lane, range));
  const std::uint64_t markers = cues.size();
  CANVAS_ASSIGN(AudioOutput out,
                AudioOutput::Open(job.out, format,
                                  {.channels = lane.channels,
                                   .rate = static_cast<std::uint32_t>(lane.rate.num),
                                   .frames = frames,
                                   .speakers = lane.speakers,
                                   .first_frame = static_cast<std::uint64_t>(range.first.value()),
                                   .cues = std::move(cues),
                                   .tags = lane.tags},
                                  arguments.force));
  CANVAS_ASSIGN(const std::uint64_t written, Copy(reader, range, out));
  CANVAS_TRY(out.Commit());
  // What goes to standard output is audio: words about it go beside.
  std::FILE* const words = job.out == "-" ? stderr : stdout;
  std::string text =
      fmt::format("lane '{}' from {} to {} -> {} ({}, {}, {} Hz{})\n", Printable(lane.name),
                  FormatClock(range.first, lane.rate), FormatClock(range.end, lane.rate),
                  Printable(job.out), Count(frames, "frame"), Count(lane.channels, "channel"),
                  ToString(lane.rate), out.description() == "WAV" ? "" : ", " + out.description());
  if (written != frames)
    text += fmt::format("  {} never written, silent here\n", Count(frames - written, "frame"));
  if (out.clipped() != 0)
    text +=
        fmt::format("  {} clipped: out of the format's range\n", Count(out.clipped(), "sample"));
  if (out.other_names() != 0)
    text += fmt::format("  the file that was there has {}, under which it is as it was\n",
                        Count(out.other_names(), "other name"));
  if (out.cues_left_out() != 0)
    text +=
        fmt::format("  {} left out: the file cannot say {}\n", Count(out.cues_left_out(), "marker"),
                    out.cues_left_out() == 1 ? "it" : "them");
  if (!out.says_tags())
    text += fmt::format("  its {} left out: the file cannot say them\n",
                        Count(lane.tags.size(), "tag"));
  if (!out.says_speakers())
    text += fmt::format("  the file does not say where its channels sound: {}\n",
                        SpeakersText(lane.speakers));
  Say({{"lane", lane.name},
       {"out", job.out},
       {"format", out.description()},
       {"first_frame", range.first.value()},
       {"end_frame", range.end.value()},
       {"written_frames", written},
       {"clipped_samples", out.clipped()},
       {"markers", markers - out.cues_left_out()},
       {"markers_left_out", out.cues_left_out()}},
      text, words);
  return {};
}

}  // namespace

Result<void> RunExport(const ExportArguments& arguments) {
  if (SameFile(arguments.file, arguments.out))
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "--out is the canvas itself", "choose another path")
            .About(arguments.file));
  if (!arguments.out_dir && arguments.out.empty())
    return Fail(ErrorCode::kInvalidArgument, "--out is empty", "give a path, or - for a pipe");
  if (IsMidiExport(arguments)) {
    CANVAS_TRY(CheckMidiExport(arguments));
    CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
    auto exported = ExportMidi(canvas, arguments);
    if (!exported) return std::unexpected(std::move(exported).error().About(arguments.file));
    return {};
  }
  if (arguments.lanes.empty() && !arguments.all)
    return Fail(ErrorCode::kInvalidArgument, "which lanes are to be written is not said",
                "give --lane or --all; --out x.mid writes all lanes of MIDI");
  CANVAS_ASSIGN(const OutputFormat format, FormatOf(arguments));
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  const auto run = [&]() -> Result<void> {
    CANVAS_ASSIGN(const auto jobs, Plan(arguments, canvas, format.container));
    // What is in the way is told before the first is written.
    for (const Job& job : jobs)
      if (jobs.size() > 1 && !arguments.force && std::filesystem::exists(job.out))
        return std::unexpected(Error(ErrorCode::kExists, "it exists already",
                                     "choose another folder, or give --force to replace it")
                                   .About(job.out));
    OutFolder folder;
    if (arguments.out_dir) CANVAS_TRY(folder.Make(*arguments.out_dir));
    if (arguments.all) CANVAS_TRY(TellEventsLeftOut(canvas, arguments));
    for (const Job& job : jobs) {
      if (arguments.all && !arguments.from && !arguments.to) {
        CANVAS_ASSIGN(const LaneReader reader, canvas.Reader(job.lane.id));
        if (reader.Extent().written_frames == 0) {
          Say({{"lane", job.lane.name}, {"left_out", true}},
              fmt::format("lane '{}' has nothing written, left out\n", Printable(job.lane.name)));
          continue;
        }
      }
      CANVAS_TRY(ExportOne(canvas, arguments, format, job));
    }
    folder.Keep();
    return {};
  };
  auto exported = run();
  if (!exported) return std::unexpected(std::move(exported).error().About(arguments.file));
  return {};
}

// From --format, and the end of the file's name. What they say must agree with one another.
Result<OutputFormat> FormatOf(const ExportArguments& arguments) {
  constexpr const char* kHint =
      "one of wav, rf64, w64, flac, aiff, caf, au, ogg, opus, and float, pcm16 or pcm24, as in "
      "flac,pcm16";
  std::optional<Container> container;
  OutputFormat format;
  for (const std::string& name : arguments.formats) {
    const auto named = ContainerNamed(name);
    const auto samples = name == "float"   ? std::optional(Samples::kFloat)
                         : name == "pcm16" ? std::optional(Samples::kPcm16)
                         : name == "pcm24" ? std::optional(Samples::kPcm24)
                                           : std::nullopt;
    if (!named && !samples)
      return Fail(ErrorCode::kInvalidArgument, fmt::format("there is no format '{}'", name), kHint);
    if ((named && container && named != container) ||
        (samples && format.samples && samples != format.samples))
      return Fail(ErrorCode::kInvalidArgument, "--format says two things", kHint);
    if (named) container = named;
    if (samples) format.samples = samples;
  }
  format.dither = arguments.dither;
  format.bext = arguments.bext;
  const bool a_file = !arguments.out_dir && arguments.out != "-";
  const auto by_name = a_file ? ContainerOf(arguments.out) : std::nullopt;
  const std::string extension = std::filesystem::path(arguments.out).extension().string();
  if (a_file && !container && !by_name && !extension.empty())
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("'{}' says no format that this tool writes", extension),
              "give --format: " + std::string(kHint))
            .About(arguments.out));
  format.container = container ? *container : by_name.value_or(Container::kWav);
  return format;
}

}  // namespace canvas::cli
