// import: inputs are decoded and written to where the plan says, several lanes at a time.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/import_plan.h"
#include "tools/cli/midi_import.h"
#include "tools/cli/new_file.h"
#include "tools/cli/signals.h"
#include "tools/cli/speakers.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

using namespace importing;

constexpr std::size_t kChunkBytes = 2 * 1024 * 1024;  // at a time from the decoder to the file

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
  std::uint64_t frames = 0;   // are in the lane
  std::uint64_t touched = 0;  // may be: an error in the midst of writing leaves a part
  bool stopped = false;       // by a signal
};

// Copies the whole input to `start` and on.
Result<void> Copy(Work& work, AudioInput& input, const Source& source, FrameWriter& writer,
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
    const Frame at = start + progress.frames;
    const std::uint64_t wanted = writer.PreferredFrames(at, samples.size() / channels);
    CANVAS_ASSIGN(const std::size_t frames,
                  input.Read(std::span(samples).first(wanted * channels)));
    if (frames == 0) return {};
    // Of an input that says how long it is, both are known.
    if (!source.frames || progress.frames + frames > *source.frames) {
      CANVAS_TRY(CheckFits(work.canvas, source.shown, at, frames, writer.lane().rate));
      if (!overwrite) CANVAS_TRY(CheckFree(reader, source.shown, {at, at + frames}));
    }
    progress.touched = progress.frames + frames;
    CANVAS_TRY(writer.Write(at, std::span(samples).first(frames * channels)));
    progress.frames += frames;
    work.frames.fetch_add(frames, std::memory_order_relaxed);
  }
}

// The lane's owner, at once, or after waiting for the present one.
Result<FrameWriter> OwnLane(Canvas& canvas, LaneId lane, double wait_seconds,
                            const StopFlag& stop) {
  auto owned = canvas.Writer(lane);
  if (owned || owned.error().code() != ErrorCode::kOwned || wait_seconds <= 0) return owned;
  Remark(fmt::format("{}; waiting up to {} s", owned.error().what(), wait_seconds));
  // In short stretches: a signal is not kept waiting.
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::milliseconds(std::llround(wait_seconds * 1000));
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    constexpr std::chrono::milliseconds kStretch(200);
    auto again =
        canvas.Writer(lane, {.wait = std::clamp(left, std::chrono::milliseconds(0), kStretch)});
    if (again || again.error().code() != ErrorCode::kOwned || left <= kStretch || stop.raised())
      return again;
  }
}

// The cue points of a file become markers of the lane, where the file was put; those that it has
// already do not become others. What cannot be a marker is told in `words`. Answers how many.
std::size_t ImportMarkers(Canvas& canvas, const AudioInput& input, const LaneInfo& lane, Frame at,
                          std::uint64_t frames, std::string& words) {
  std::vector<Marker> markers;
  for (const Cue& cue : input.cues()) {
    if (cue.frame > frames) continue;  // of what is not there
    const Frame first = at + cue.frame;
    const Frame end = first + std::min(cue.frames, frames - cue.frame);
    const auto start = TimeOfFrame(first, lane.rate);
    const auto stop = TimeOfFrame(end, lane.rate);
    if (start && stop)
      markers.push_back({.start = *start, .end = *stop, .lane = lane.id, .name = cue.label});
  }
  const std::size_t count = markers.size();
  const auto added = AddNewMarkers(canvas, std::move(markers));
  if (added) return *added;
  words += fmt::format("  its {} left out: {}\n", Count(count, "cue point"), added.error().what());
  return 0;
}

std::pair<Json, std::string> Told(const Source& source, const AudioInput& input,
                                  const LaneInfo& lane, Frame at, std::uint64_t frames) {
  std::string text = fmt::format(
      "{} -> lane '{}': {} at {} ({}, {}{}, {} Hz)\n", Printable(source.shown),
      Printable(lane.name), FormatClock(Frame(0) + frames, lane.rate), FormatClock(at, lane.rate),
      Count(frames, "frame"), Count(lane.channels, "channel"),
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

// What is left in a lane of an input that was not finished, in words; for a lane that is not made
// for it alone, and so neither goes with it nor says by itself that it is unfinished.
struct Leftover {
  std::string what;  // is there, and from where to where
  std::string undo;  // how to be rid of it, or that this cannot be
};
Leftover LeftoverOf(const Work& work, const Job& job, const LaneInfo& lane, Frame at,
                    const Progress& progress, std::optional<Frame> held) {
  Leftover left;
  const auto touched_end = at + progress.touched;
  left.what = fmt::format("lane '{}' holds {} of {}, from {} to {}", lane.name,
                          FormatClock(Frame(0) + progress.frames, lane.rate), job.source.shown,
                          FormatClock(at, lane.rate), FormatClock(at + progress.frames, lane.rate));
  left.undo = fmt::format("canvas rm {} --lane {} --from {}f --to {}f removes it",
                          ShellWord(work.arguments.file), ShellWord(lane.name), at.value(),
                          touched_end.value());
  if (held && *held < touched_end)
    left.undo += fmt::format("; what the lane held there before, from {} on, is gone",
                             FormatClock(*held, lane.rate));
  return left;
}

// One input of a group. Answers where it ended, or nothing where a signal stopped it.
Result<std::optional<Frame>> ImportOne(Work& work, const Job& job, FrameWriter& writer,
                                       std::optional<Frame> behind, Outcome& outcome) {
  const Source& source = job.source;
  const LaneInfo& lane = writer.lane();
  CANVAS_ASSIGN(AudioInput input, AudioInput::Open(source.path));
  if (input.channels() != source.channels || input.rate() != source.rate)
    return Refuse(source.shown, "it was changed meanwhile", "import it again");
  const Frame at = job.at ? *job.at : behind ? *behind : writer.end();
  // A lane that was made for this, and that another filled before it was owned here, is its by now.
  const bool overwrite = work.arguments.overwrite || (job.made && writer.end() == Frame(0));
  CANVAS_ASSIGN(const LaneReader reader, work.canvas.Reader(lane.id));
  if (!overwrite && source.frames)
    CANVAS_TRY(CheckFree(reader, source.shown, {at, at + *source.frames}));
  std::optional<Frame> held;  // the first frame that is replaced
  if (overwrite && at < writer.end()) {
    CANVAS_ASSIGN(const auto written, reader.WrittenRanges({at, writer.end()}));
    if (!written.empty()) held = written.front().first;
  }
  const bool alone = job.made && !behind;  // in its lane
  Progress progress;
  const auto copied = Copy(work, input, source, writer, at, overwrite, progress);
  const Leftover left = LeftoverOf(work, job, lane, at, progress, held);
  if (!copied) {
    const Error& error = copied.error();
    std::string what = error.what();
    std::string hint = error.hint();
    if (progress.touched != 0 && alone) {
      what += fmt::format("; {} got as far as {}", source.shown,
                          FormatClock(at + progress.frames, lane.rate));
    } else if (progress.touched != 0) {
      what += "; " + left.what;
      hint += (hint.empty() ? "" : "; ") + left.undo;
    }
    return std::unexpected(
        Error(error.code(), std::move(what), std::move(hint)).About(error.path()));
  }
  if (!progress.stopped) {
    auto [json, words] = Told(source, input, lane, at, progress.frames);
    const std::size_t markers = ImportMarkers(work.canvas, input, lane, at, progress.frames, words);
    if (markers != 0) words += fmt::format("  {} of its cue points\n", Count(markers, "marker"));
    json["markers"] = markers;
    outcome.told.emplace_back(std::move(json), std::move(words));
    return at + progress.frames;
  }
  outcome.notes.push_back(fmt::format("{}: stopped; {}", work.arguments.file, left.what));
  outcome.notes.push_back(fmt::format(
      "to finish it, import {} again with --overwrite --lane {} --at {}f; to undo it, {}",
      ShellWord(source.shown), ShellWord(lane.name), at.value(),
      alone ? fmt::format("canvas rm {} --lane {}", ShellWord(work.arguments.file),
                          ShellWord(lane.name))
            : left.undo));
  return std::nullopt;
}

Outcome ImportGroup(Work& work, const Group& group) {
  Outcome outcome;
  const Job& first = group.jobs.front();
  const auto run = [&]() -> Result<void> {
    CANVAS_ASSIGN(FrameWriter writer,
                  OwnLane(work.canvas, *first.lane, work.arguments.wait_seconds, work.stop));
    const LaneInfo lane = writer.lane();
    std::optional<Frame> end;
    for (const Job& job : group.jobs) {
      auto imported = ImportOne(work, job, writer, end, outcome);
      if (!imported) {
        // A lane made for this goes with it, unless another input is in it; what lanes held stays.
        work.lanes.Keep(lane.id);
        if (job.made && !end) (void)work.canvas.RemoveLane(std::move(writer).Release());
        return std::unexpected(std::move(imported).error());
      }
      work.lanes.Keep(lane.id);
      if (!*imported) return {};
      end = **imported;
    }
    // Made for this, or left behind by an import of the same that was stopped.
    // What another process said of it meanwhile is not contradicted.
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
  bool known = true;
  for (const Group& group : groups)
    for (const Job& job : group.jobs) {
      frames += job.source.frames.value_or(0);
      known = known && job.source.frames;
    }
  ProgressBar bar(groups.size() == 1 ? BaseName(groups.front().jobs.front().source)
                                     : Count(groups.size(), "lane"),
                  known ? frames : 0);
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
    for (const std::string& note : outcome.notes) Remark(note);
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
  std::vector<Source> midi_files;
  for (const Source& source : sources.list)
    if (source.midi) midi_files.push_back(source);
  std::erase_if(sources.list, &Source::midi);
  if (arguments.lane && !midi_files.empty() && !sources.list.empty())
    return Refuse(arguments.file,
                  "--lane, and both audio and MIDI to import: a lane is of one kind",
                  "import them one by one");
  if (arguments.dense && midi_files.empty())
    return Refuse(arguments.file, "--dense is for MIDI files, and none is given", "leave it out");
  CANVAS_ASSIGN(const std::vector<MidiJob> midi_jobs, PlanMidi(canvas, arguments, midi_files));
  CANVAS_ASSIGN(std::vector<Job> jobs, Plan(arguments, std::move(sources.list)));
  int stopped = 0;
  const auto run = [&]() -> Result<void> {
    const StopFlag stop;
    Lanes lanes(canvas, arguments);
    CANVAS_TRY(lanes.Prepare(jobs));
    Work work{canvas, arguments, lanes, stop};
    Result<void> result;
    if (!jobs.empty()) result = ImportAll(work, GroupsOf(std::move(jobs)));
    for (const MidiJob& job : midi_jobs)
      if (result && !stop.raised()) result = ImportMidi(canvas, arguments, job, stop);
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
        fmt::format("{}: neither audio nor MIDI, left out\n", Printable(file)));
  CANVAS_TRY(canvas.Close());
  if (stopped != 0) EndAs(stopped);
  return {};
}

}  // namespace canvas::cli
