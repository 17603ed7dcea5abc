#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/signals.h"
#include "tools/cli/speakers.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;  // at a time from the decoder to the file
// Below the slowest rate that sound is kept at: parameters, envelopes, sensors.
constexpr std::uint64_t kSlowestAudio = 8000;

std::unexpected<Error> Refuse(const std::string& file, std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what), std::move(hint)).About(file));
}

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
};

// One input on its way to a place in a lane.
struct Job {
  Source source;
  std::string lane_name;
  std::optional<Frame> at;  // nothing: behind what the lane holds, or what the job before wrote
  std::optional<LaneId> lane;
  bool made = false;  // for this import
};

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

// What `import` was given to read. Pipes are kept in files without names.
struct Sources {
  std::vector<Source> list;
  std::list<Descriptor> spooled;
  std::vector<std::string> skipped;  // files of a folder that are no audio
};

Result<Source> Look(const ImportArguments& arguments, const std::string& shown,
                    const std::string& path) {
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
                input.time_reference()};
}

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
        return Refuse(given, "no file in this folder is audio", "give another one");
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

std::string Shape(std::uint32_t channels, std::string_view rate) {
  return fmt::format("{} at {} Hz", Count(channels, "channel"), rate);
}

// Decides where each input goes.
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
      job.at = *jobs.back().at + static_cast<std::int64_t>(*jobs.back().source.frames);
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

// Content is never overwritten unawares.
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

std::string BaseName(const Source& source) { return fs::path(source.shown).filename().string(); }

// What a lane says that is made for an import, until it is finished.
std::string Unfinished(const Source& source) {
  return fmt::format("{}import of {}{}", kUnfinished, BaseName(source),
                     source.frames ? fmt::format(" ({})", Count(*source.frames, "frame")) : "");
}

bool IsEmpty(const Canvas& canvas, LaneId lane) {
  const auto reader = canvas.Reader(lane);
  return reader && reader->Extent().written_frames == 0;
}

// Finds each job's lane, or makes it, and looks whether all of it will fit: before anything is
// written. Of several new lanes, all are made or none.
class Lanes {
 public:
  Lanes(Canvas& canvas, const ImportArguments& arguments)
      : canvas_(canvas), arguments_(arguments) {}
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  // What was made and not begun goes again; but what another has filled meanwhile, or describes as his, is
  // his.
  ~Lanes() {
    for (const LaneId lane : made_) {
      auto writer = canvas_.Own(lane);
      const auto now = canvas_.FindLane(lane);
      if (writer && now && now->description.starts_with(kUnfinished) && IsEmpty(canvas_, lane))
        (void)canvas_.RemoveLane(*std::move(writer));
    }
  }

  Result<void> Prepare(std::vector<Job>& jobs) {
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
           .speakers = job.source.speakers});
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
  // This lane stays, whatever comes. Thread safety: thread-safe.
  void Keep(LaneId lane) {
    const std::lock_guard lock(mutex_);
    std::erase(made_, lane);
  }

 private:
  Result<void> CheckPlace(const Job& job, Rate rate) const {
    CANVAS_ASSIGN(const LaneReader reader, canvas_.Reader(*job.lane));
    const Frame at = job.at.value_or(reader.Extent().end);
    CANVAS_TRY(CheckFits(canvas_, job.source.shown, at, job.source.frames.value_or(0), rate));
    if (arguments_.overwrite || !job.source.frames || !job.at) return {};
    return CheckFree(reader, job.source.shown,
                     {at, at + static_cast<std::int64_t>(*job.source.frames)});
  }

  Canvas& canvas_;
  const ImportArguments& arguments_;
  std::mutex mutex_;
  std::vector<LaneId> made_;  // and not kept yet
};

// What is the same for all that is imported at a time, and how far it is.
struct Work {
  Canvas& canvas;
  const ImportArguments& arguments;
  Lanes& lanes;
  const StopFlag& stop;
  std::atomic<std::uint64_t> frames{0};  // of all inputs
  std::atomic<bool> failed{false};       // begin nothing more
};

// The inputs that go to one lane, one after the other.
struct Group {
  std::vector<Job> jobs;
};

// What came of a group; told when it is its turn.
struct Outcome {
  std::vector<std::pair<Json, std::string>> told;
  std::vector<std::string> notes;
  Result<void> result;
};

// How far a copy got.
struct Progress {
  std::uint64_t frames = 0;
  bool stopped = false;  // by a signal
};

// Copies the whole input to `start` and on.
Result<void> Copy(Work& work, AudioInput& input, const Source& source, LaneWriter& writer,
                  Frame start, bool overwrite, Progress& progress) {
  const std::uint32_t channels = source.channels;
  CANVAS_ASSIGN(const LaneReader reader, work.canvas.Reader(writer.lane().id));
  std::vector<float> samples(std::max<std::size_t>(kChunkBytes / sizeof(float) / channels, 1) *
                             channels);
  for (;;) {
    if (work.stop.raised()) {
      progress.stopped = true;
      return {};
    }
    const Frame at = start + static_cast<std::int64_t>(progress.frames);
    const std::uint64_t wanted = writer.PreferredFrames(at, samples.size() / channels);
    CANVAS_ASSIGN(const std::size_t frames,
                  input.Read(std::span(samples).first(wanted * channels)));
    if (frames == 0) return {};
    const auto got_as_far = [&](const Error& error) {
      return Fail(error.code(),
                  fmt::format("{}; {} got as far as {}", error.what(), source.shown,
                              FormatClock(at, writer.lane().rate)),
                  error.hint());
    };
    // Of an input that says how long it is, both are known.
    if (!source.frames || progress.frames + frames > *source.frames) {
      if (auto fits = CheckFits(work.canvas, source.shown, at, frames, writer.lane().rate); !fits)
        return got_as_far(fits.error());
      if (!overwrite)
        if (auto free =
                CheckFree(reader, source.shown, {at, at + static_cast<std::int64_t>(frames)});
            !free)
          return got_as_far(free.error());
    }
    if (auto written = writer.Write(at, std::span(samples).first(frames * channels)); !written)
      return got_as_far(written.error());
    progress.frames += frames;
    work.frames.fetch_add(frames, std::memory_order_relaxed);
  }
}

// The lane's owner, at once, or after waiting for the present one.
Result<LaneWriter> OwnLane(Canvas& canvas, LaneId lane, double wait_seconds, const StopFlag& stop) {
  auto owned = canvas.Own(lane);
  if (owned || owned.error().code() != ErrorCode::kOwned || wait_seconds <= 0) return owned;
  Note(fmt::format("{}; waiting up to {} s", owned.error().what(), wait_seconds));
  // In short stretches: a signal is not kept waiting.
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::milliseconds(std::llround(wait_seconds * 1000));
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    constexpr std::chrono::milliseconds kStretch(200);
    auto again = canvas.OwnWithin(lane, std::clamp(left, std::chrono::milliseconds(0), kStretch));
    if (again || again.error().code() != ErrorCode::kOwned || left <= kStretch || stop.raised())
      return again;
  }
}

std::pair<Json, std::string> Told(const Source& source, const AudioInput& input,
                                  const LaneInfo& lane, Frame at, std::uint64_t frames) {
  std::string text = fmt::format(
      "{} -> lane '{}': {} at {} ({}, {}{}, {} Hz)\n", Printable(source.shown),
      Printable(lane.name), FormatClock(Frame(static_cast<std::int64_t>(frames)), lane.rate),
      FormatClock(at, lane.rate), Count(frames, "frame"), Count(lane.channels, "channel"),
      lane.channels > 2 && lane.speakers != 0 ? fmt::format(" ({})", SpeakersText(lane.speakers))
                                              : "",
      ToString(lane.rate));
  if (!input.rounded_from().empty())
    text += fmt::format("  its {} samples were rounded to 32-bit float\n", input.rounded_from());
  if (input.cut_short() && input.promised())
    text +=
        fmt::format("  the file is cut short: {} of the {} that its header promises are there\n",
                    frames, Count(*input.promised(), "frame"));
  else if (input.cut_short())
    text += "  the file is cut short, or was recorded from the midst of a stream: it has no end\n";
  if (input.goes_on())
    text += "  the file goes on behind this: another stream, which was not read\n";
  Json json = {
      {"input", source.shown},
      {"goes_on", input.goes_on()},
      {"lane_id", lane.id.value()},
      {"lane", lane.name},
      {"first_frame", at.value()},
      {"frames", frames},
      {"rounded_from", input.rounded_from().empty() ? Json(nullptr) : Json(input.rounded_from())},
      {"cut_short", input.cut_short()},
      {"promised_frames", input.promised() ? Json(*input.promised()) : Json(nullptr)}};
  return {std::move(json), std::move(text)};
}

// One input of a group. Answers where it ended, or nothing where a signal stopped it.
Result<std::optional<Frame>> ImportOne(Work& work, const Job& job, LaneWriter& writer,
                                       std::optional<Frame> behind, Outcome& outcome) {
  const Source& source = job.source;
  const LaneInfo& lane = writer.lane();
  CANVAS_ASSIGN(AudioInput input, AudioInput::Open(source.path));
  if (input.channels() != source.channels || input.rate() != source.rate)
    return Refuse(source.shown, "it was changed meanwhile", "import it again");
  const Frame at = job.at ? *job.at : behind ? *behind : writer.end();
  // A lane that was made for this, and that another filled before it was owned here, is its by now.
  const bool overwrite = work.arguments.overwrite || (job.made && writer.end() == Frame(0));
  if (!overwrite && source.frames) {
    CANVAS_ASSIGN(const LaneReader reader, work.canvas.Reader(lane.id));
    CANVAS_TRY(
        CheckFree(reader, source.shown, {at, at + static_cast<std::int64_t>(*source.frames)}));
  }
  Progress progress;
  CANVAS_TRY(Copy(work, input, source, writer, at, overwrite, progress));
  if (!progress.stopped) {
    outcome.told.push_back(Told(source, input, lane, at, progress.frames));
    return at + static_cast<std::int64_t>(progress.frames);
  }
  outcome.notes.push_back(fmt::format(
      "{}: stopped; lane '{}' holds {} of {}, from {} on", work.arguments.file, lane.name,
      FormatClock(Frame(static_cast<std::int64_t>(progress.frames)), lane.rate), source.shown,
      FormatClock(at, lane.rate)));
  outcome.notes.push_back(fmt::format(
      "to finish it, import {} again with --overwrite --lane {} --at {}f{}",
      ShellWord(source.shown), ShellWord(lane.name), at.value(),
      job.made && !behind ? fmt::format("; to undo it, canvas rm {} --lane {}",
                                        ShellWord(work.arguments.file), ShellWord(lane.name))
                          : ""));
  return std::nullopt;
}

Outcome ImportGroup(Work& work, const Group& group) {
  Outcome outcome;
  const Job& first = group.jobs.front();
  const auto run = [&]() -> Result<void> {
    CANVAS_ASSIGN(LaneWriter writer,
                  OwnLane(work.canvas, *first.lane, work.arguments.wait_seconds, work.stop));
    const LaneInfo lane = writer.lane();
    std::optional<Frame> end;
    for (const Job& job : group.jobs) {
      auto imported = ImportOne(work, job, writer, end, outcome);
      if (!imported) {
        // A lane made for this goes with it, unless another input is in it; what lanes held stays.
        work.lanes.Keep(lane.id);
        if (job.made && !end) (void)work.canvas.RemoveLane(std::move(writer));
        return std::unexpected(std::move(imported).error());
      }
      work.lanes.Keep(lane.id);
      if (!*imported) return {};
      end = **imported;
    }
    // Made for this, or left behind by an import of the same that was stopped.
    // Who described it otherwise meanwhile is not contradicted.
    const auto now = work.canvas.FindLane(lane.id);
    if (now && now->description == Unfinished(first.source))
      CANVAS_TRY(work.canvas.DescribeLane(lane.id, "imported from " + BaseName(first.source)));
    return {};
  };
  outcome.result = run();
  if (!outcome.result) work.failed = true;
  return outcome;
}

// Groups are imported as many at a time as there are processors, each by one thread, and told in
// their order. After an error, or a signal, none is begun any more.
Result<void> ImportAll(Work& work, const std::vector<Group>& groups) {
  std::uint64_t frames = 0;
  for (const Group& group : groups)
    for (const Job& job : group.jobs) frames += job.source.frames.value_or(0);
  ProgressBar bar(groups.size() == 1 ? BaseName(groups.front().jobs.front().source)
                                     : Count(groups.size(), "lane"),
                  frames);
  std::mutex mutex;
  std::condition_variable done;
  std::vector<std::optional<Outcome>> outcomes(groups.size());
  std::size_t next = 0;
  const auto worker = [&] {
    for (;;) {
      std::size_t mine = 0;
      {
        const std::lock_guard lock(mutex);
        if (next == groups.size() || work.failed || work.stop.raised()) return;
        mine = next++;
      }
      Outcome outcome = ImportGroup(work, groups[mine]);
      const std::lock_guard lock(mutex);
      outcomes[mine] = std::move(outcome);
      done.notify_one();
    }
  };
  const std::size_t threads = std::clamp<std::size_t>(
      work.arguments.jobs != 0 ? work.arguments.jobs : std::thread::hardware_concurrency(), 1,
      groups.size());
  std::vector<std::future<void>> workers;
  for (std::size_t i = 0; i < threads; ++i)
    workers.push_back(std::async(std::launch::async, worker));
  Result<void> result;
  std::unique_lock lock(mutex);
  for (std::size_t told = 0; told < groups.size();) {
    if (!outcomes[told]) {
      // Not begun, and not to be; or still under way.
      if (told >= next && (work.failed || work.stop.raised())) break;
      done.wait_for(lock, std::chrono::milliseconds(100));
      bar.Update(work.frames.load(std::memory_order_relaxed));
      continue;
    }
    const Outcome& outcome = *outcomes[told++];
    if (!outcome.told.empty() || !outcome.notes.empty()) bar.Clear();
    for (const auto& [json, text] : outcome.told) Say(json, text);
    for (const std::string& note : outcome.notes) Note(note);
    if (!outcome.result && result) result = std::unexpected(outcome.result.error());
  }
  return result;
}

// Inputs of one lane stay together, in their order.
std::vector<Group> GroupsOf(std::vector<Job> jobs) {
  std::vector<Group> groups;
  for (Job& job : jobs) {
    if (groups.empty() || groups.back().jobs.front().lane != job.lane) groups.emplace_back();
    groups.back().jobs.push_back(std::move(job));
  }
  return groups;
}

}  // namespace

Result<void> RunImport(const ImportArguments& arguments) {
  // First what costs nothing: a pipe gives what it has but once.
  if (arguments.at && arguments.at != "bext") CANVAS_TRY(ParsePosition(*arguments.at));
  CANVAS_ASSIGN(Canvas canvas, OpenCanvas(arguments.file, "canvas import"));
  CANVAS_ASSIGN(Sources sources, Gather(arguments));
  CANVAS_ASSIGN(std::vector<Job> jobs, Plan(arguments, std::move(sources.list)));
  int stopped = 0;
  const auto run = [&]() -> Result<void> {
    const StopFlag stop;
    Lanes lanes(canvas, arguments);
    CANVAS_TRY(lanes.Prepare(jobs));
    Work work{canvas, arguments, lanes, stop};
    auto result = ImportAll(work, GroupsOf(std::move(jobs)));
    stopped = stop.signal();
    return result;
  };
  auto imported = run();
  if (!imported) {
    Error error = std::move(imported).error();
    return std::unexpected(std::move(error).About(arguments.file));
  }
  for (const std::string& file : sources.skipped)
    Say({{"input", file}, {"left_out", true}},
        fmt::format("{}: no audio, left out\n", Printable(file)));
  CANVAS_TRY(canvas.Close());
  if (stopped != 0) EndAs(stopped);
  return {};
}

}  // namespace canvas::cli
