#include "tools/cli/import_plan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "tools/cli/audio_input.h"
#include "tools/cli/midi_import.h"
#include "tools/cli/new_file.h"
#include "tools/cli/speakers.h"
#include "tools/cli/terminal.h"

namespace canvas::cli::importing {
namespace {

namespace fs = std::filesystem;

// Below the slowest rate that sound is kept at: parameters, envelopes, sensors.
constexpr std::uint64_t kSlowestAudio = 8000;

// What all that goes into a lane says alike: of files of different tempi the lane says none.
std::vector<SourceTag> TagsOf(const std::vector<Job>& jobs, const std::string& lane_name) {
  const Job* first = nullptr;
  for (const Job& job : jobs) {
    if (job.lane_name != lane_name) continue;
    if (first == nullptr) first = &job;
    if (job.source.tags != first->source.tags) return {};
  }
  return first == nullptr ? std::vector<SourceTag>() : first->source.tags;
}

// "part2" before "part10": runs of digits compare as numbers.
bool ComesBefore(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (!digit(a[i]) || !digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    const auto run = [&](const std::string& text, std::size_t& at) {
      while (at < text.size() && text[at] == '0') ++at;
      const std::size_t begin = at;
      while (at < text.size() && digit(text[at])) ++at;
      return std::string_view(text).substr(begin, at - begin);
    };
    const std::string_view x = run(a, i);
    const std::string_view y = run(b, j);
    if (x.size() != y.size()) return x.size() < y.size();
    if (x != y) return x < y;
  }
  return a.size() - i < b.size() - j || (i == a.size() && j == b.size() && a < b);
}

// The files below a directory, in the order a person counts.
Result<std::vector<std::string>> FilesBelow(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error))
    if (it->is_regular_file(error)) files.push_back(it->path().string());
  if (error)
    return std::unexpected(Error::FromErrno(error.value(), "reading the folder").About(directory));
  std::ranges::sort(files, ComesBefore);
  return files;
}

Result<Source> Look(const ImportArguments& arguments, const std::string& shown,
                    const std::string& path) {
  if (LooksLikeMidi(path)) {
    Source source;
    source.shown = shown;
    source.path = path;
    source.midi = true;
    return source;
  }
  auto opened = AudioInput::Open(path);
  if (!opened && path != shown)
    return std::unexpected(
        Error(opened.error().code(), opened.error().what(), opened.error().hint()).About(shown));
  CANVAS_ASSIGN(AudioInput input, std::move(opened));
  if (arguments.strict) {
    // Of a compressed file, only reading it says whether it is whole.
    std::vector<float> samples(std::size_t{65536} * input.channels());
    while (!input.cut_short()) {
      CANVAS_ASSIGN(const std::size_t frames, input.Read(samples));
      if (frames == 0) break;
    }
    if (input.goes_on())
      return Refuse(shown, "another stream stands behind its first, and --strict was given",
                    "cut it into files, or leave --strict out to take the first");
    if (input.cut_short())
      return Refuse(shown, "it is cut short, and --strict was given",
                    "get the whole file, or leave --strict out to take what is there");
  }
  return Source{shown,
                path,
                input.channels(),
                input.rate(),
                input.speakers(),
                input.frames(),
                input.time_reference(),
                input.tags(),
                false};
}

}  // namespace

Result<Sources> Gather(const ImportArguments& arguments) {
  Sources sources;
  for (const std::string& given : arguments.inputs) {
    struct stat status {};
    if (given != "-" && stat(given.c_str(), &status) != 0)
      return std::unexpected(Error::FromErrno(errno, "open").About(given));
    if (given != "-" && S_ISDIR(status.st_mode)) {
      CANVAS_ASSIGN(const auto files, FilesBelow(given));
      const std::size_t before = sources.list.size();
      for (const std::string& file : files) {
        auto source = Look(arguments, file, file);
        if (source) {
          sources.list.push_back(*std::move(source));
        } else if (source.error().code() == ErrorCode::kInvalidArgument && !arguments.strict) {
          sources.skipped.push_back(file);
        } else {
          return std::unexpected(std::move(source).error());
        }
      }
      if (sources.list.size() == before)
        return Refuse(given, "no file in this folder is audio or MIDI", "give another one");
      continue;
    }
    std::string path = given;
    std::string shown = given;
    if (given == "-" || S_ISFIFO(status.st_mode)) {
      if (!arguments.lane)
        return Refuse(shown, "a pipe has no name to call a lane by", "give --lane");
      Descriptor pipe(given == "-" ? dup(STDIN_FILENO) : open(given.c_str(), O_RDONLY | O_CLOEXEC));
      if (!pipe) return std::unexpected(Error::FromErrno(errno, "open").About(given));
      CANVAS_ASSIGN(path, Spool(pipe.get(), sources.spooled.emplace_back()));
      shown = given == "-" ? "standard input" : given;
    }
    CANVAS_ASSIGN(Source source, Look(arguments, shown, path));
    sources.list.push_back(std::move(source));
  }
  return sources;
}

namespace {

std::string Shape(std::uint32_t channels, std::string_view rate) {
  return fmt::format("{} at {} Hz", Count(channels, "channel"), rate);
}

}  // namespace

Result<std::vector<Job>> Plan(const ImportArguments& arguments, std::vector<Source> sources) {
  const bool by_bext = arguments.at == "bext";
  CANVAS_ASSIGN(const Position position, ParsePosition(by_bext ? "0" : arguments.at.value_or("0")));
  std::vector<Job> jobs;
  std::map<std::string, std::string> claimed;  // default lane name -> input
  for (Source& source : sources) {
    CANVAS_ASSIGN(const Rate rate, Rate::Make(source.rate));
    CANVAS_ASSIGN(Frame at, position.ToFrame(rate));
    if (by_bext) {
      if (!source.time_reference || *source.time_reference > std::uint64_t{1} << 62)
        return Refuse(source.shown, "it does not say where it lies: it has no bext chunk",
                      "give a TIME with --at");
      at = Frame(static_cast<std::int64_t>(*source.time_reference));
    }
    std::string name = arguments.lane.value_or("");
    if (!arguments.lane) {
      name = fs::path(source.shown).stem().string();
      const auto [other, fresh] = claimed.emplace(name, source.shown);
      if (!fresh)
        return Refuse(
            arguments.file,
            fmt::format("{} and {} would both become lane '{}'", other->second, source.shown, name),
            "import them one by one, each with its own --lane");
    }
    if (auto valid = ValidateLaneName(name); !valid)
      return Refuse(source.shown,
                    fmt::format("lane '{}': {}", Printable(name), valid.error().what()),
                    "give it a name with --lane");
    const bool first = !arguments.lane || jobs.empty() || by_bext;
    if (!first) {
      const Source& before = jobs.back().source;
      if (before.channels != source.channels || before.rate != source.rate)
        return Refuse(
            arguments.file,
            fmt::format("{} has {} and {} has {}, and one lane holds one format", before.shown,
                        Shape(before.channels, std::to_string(before.rate)), source.shown,
                        Shape(source.channels, std::to_string(source.rate))),
            "import them into lanes of their own");
    }
    Job job{std::move(source), std::move(name), std::nullopt, std::nullopt};
    if (first && !arguments.append) {
      job.at = at;
    } else if (!first && jobs.back().at && jobs.back().source.frames) {
      job.at = *jobs.back().at + *jobs.back().source.frames;
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<void> CheckFits(const Canvas& canvas, const std::string& input, Frame at,
                       std::uint64_t frames, Rate rate) {
  const Frame limit = FirstFrameOfPage(canvas.capacity_pages(), rate, canvas.Info().page_seconds);
  if (at <= limit && frames <= static_cast<std::uint64_t>(limit - at)) return {};
  return Refuse(canvas.Info().path,
                fmt::format("{} would end past the capacity, {}", input, FormatClock(limit, rate)),
                "place it earlier, or create a canvas with more hours");
}

Result<void> CheckFree(const LaneReader& reader, const std::string& input, FrameRange range) {
  CANVAS_ASSIGN(const auto written, reader.WrittenRanges(range));
  if (written.empty()) return {};
  const Rate rate = reader.lane().rate;
  return Fail(
      ErrorCode::kExists,
      fmt::format("{} would go over what lane '{}' holds from {} to {}", input, reader.lane().name,
                  FormatClock(written.front().first, rate), FormatClock(written.back().end, rate)),
      "put it elsewhere with --lane, --at or --append, or replace that with --overwrite");
}

namespace {

// Whether a lane that is there can take the input.
Result<void> CheckLane(const LaneInfo& lane, const Source& source) {
  CANVAS_ASSIGN(const Rate rate, Rate::Make(source.rate));
  constexpr const char* kHint = "choose another lane with --lane; a lane keeps its format";
  if ((lane.kind != LaneKind::kAudio && lane.kind != LaneKind::kSignal) ||
      lane.channels != source.channels || lane.rate != rate)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}' has {} and {} has {}", lane.name,
                            Shape(lane.channels, ToString(lane.rate)), source.shown,
                            Shape(source.channels, ToString(rate))),
                kHint);
  if (lane.speakers != 0 && source.speakers != 0 && lane.speakers != source.speakers)
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the channels of lane '{}' are {}, and those of {} are {}", lane.name,
                    SpeakersText(lane.speakers), source.shown, SpeakersText(source.speakers)),
        kHint);
  return {};
}

bool IsEmpty(const Canvas& canvas, LaneId lane) {
  const auto reader = canvas.Reader(lane);
  return reader && reader->Extent().written_frames == 0;
}

}  // namespace

std::string BaseName(const Source& source) { return fs::path(source.shown).filename().string(); }

std::string Unfinished(const Source& source) {
  return fmt::format("{}import of {}{}", kUnfinished, BaseName(source),
                     source.frames ? fmt::format(" ({})", Count(*source.frames, "frame")) : "");
}

Lanes::~Lanes() {
  for (const LaneId lane : made_) {
    auto owner = canvas_.Own(lane);
    const auto now = canvas_.FindLane(lane);
    if (owner && now && now->description.starts_with(kUnfinished) && IsEmpty(canvas_, lane))
      (void)canvas_.RemoveLane(*std::move(owner));
  }
}

Result<void> Lanes::Prepare(std::vector<Job>& jobs) {
  std::set<std::string> ours;
  for (Job& job : jobs) {
    CANVAS_ASSIGN(const Rate rate, Rate::Make(job.source.rate));
    const auto lane = canvas_.FindLane(job.lane_name);
    if (lane) {
      CANVAS_TRY(CheckLane(*lane, job.source));
      job.lane = lane->id;
      CANVAS_TRY(CheckPlace(job, rate));
    } else {
      CANVAS_TRY(CheckFits(canvas_, job.source.shown, job.at.value_or(Frame(0)),
                           job.source.frames.value_or(0), rate));
    }
  }
  for (Job& job : jobs) {
    if (job.lane) continue;
    // The job before may have made it.
    if (const auto lane = canvas_.FindLane(job.lane_name)) {
      CANVAS_TRY(CheckLane(*lane, job.source));
      job.lane = lane->id;
      job.made = ours.contains(job.lane_name);
      continue;
    }
    CANVAS_ASSIGN(const Rate rate, Rate::Make(job.source.rate));
    const auto added = canvas_.AddLane(
        {.name = job.lane_name,
         .kind = job.source.rate < kSlowestAudio ? LaneKind::kSignal : LaneKind::kAudio,
         .channels = job.source.channels,
         .rate = rate,
         .description = Unfinished(job.source),
         .tool = "canvas import",
         .speakers = job.source.speakers,
         .tags = TagsOf(jobs, job.lane_name)});
    if (!added)
      return Fail(added.error().code(),
                  fmt::format("{}: {}", job.source.shown, added.error().what()),
                  added.error().hint());
    job.lane = *added;
    job.made = true;
    ours.insert(job.lane_name);
    made_.push_back(*added);
  }
  return {};
}
void Lanes::Keep(LaneId lane) {
  const std::lock_guard lock(mutex_);
  std::erase(made_, lane);
}

Result<void> Lanes::CheckPlace(const Job& job, Rate rate) const {
  CANVAS_ASSIGN(const LaneReader reader, canvas_.Reader(*job.lane));
  const Frame at = job.at.value_or(reader.Extent().end);
  CANVAS_TRY(CheckFits(canvas_, job.source.shown, at, job.source.frames.value_or(0), rate));
  if (arguments_.overwrite || !job.source.frames || !job.at) return {};
  return CheckFree(reader, job.source.shown, {at, at + *job.source.frames});
}

}  // namespace canvas::cli::importing
