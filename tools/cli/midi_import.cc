#include "tools/cli/midi_import.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "canvas/midi/meta.h"
#include "tools/cli/cues.h"
#include "tools/cli/descriptor.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/new_file.h"
#include "tools/cli/terminal.h"

namespace canvas::cli::importing {
namespace {

Result<std::vector<std::uint8_t>> ReadAll(const Source& source) {
  const auto failed = [&] {
    return std::unexpected(Error::FromErrno(errno, "reading").About(source.shown));
  };
  const Descriptor file(open(source.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failed();
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return failed();
  constexpr off_t kMost = off_t{1} << 32;
  if (status.st_size >= kMost)
    return Refuse(source.shown, "it is longer than a MIDI file can be", "give another one");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed();
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

// A text of the file as a lane's name, or nothing.
std::string NameOf(std::string_view text) {
  constexpr std::size_t kMost = 240;  // there is room for a number behind it
  std::string name = TextOf(text, kMost);
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  name.erase(0, name.find_first_not_of(' '));
  name.erase(name.find_last_not_of(' ') + 1);
  return ValidateLaneName(name) ? name : std::string();
}

// Each track's lane: as the track is called, or as the file and the track's number; with --lane, as
// that, and with the number where there are several.
Result<std::vector<std::string>> NamesOf(const ImportArguments& arguments, const Source& source,
                                         const midi::Smf& smf, std::set<std::string>& taken) {
  std::vector<std::string> names;
  const std::size_t tracks = smf.track_count();
  std::string stem = NameOf(std::filesystem::path(source.shown).stem().string());
  if (stem.empty()) stem = "track";
  for (std::size_t i = 0; i < tracks; ++i) {
    const auto numbered = [&](const std::string& base) {
      return tracks == 1 ? base : fmt::format("{} {}", base, i + 1);
    };
    if (arguments.lane) {
      std::string name = numbered(*arguments.lane);
      if (auto valid = ValidateLaneName(name); !valid)
        return Refuse(source.shown,
                      fmt::format("lane '{}': {}", Printable(name), valid.error().what()),
                      "give it a name with --lane");
      if (!taken.insert(name).second)
        return std::unexpected(
            Error(ErrorCode::kExists,
                  fmt::format("there is a lane '{}' already, and the tracks of a MIDI file become "
                              "lanes of their own",
                              Printable(name)),
                  "choose another name with --lane, or remove that lane first with `canvas rm`")
                .About(source.shown));
      names.push_back(std::move(name));
      continue;
    }
    std::string base = NameOf(midi::TrackName(smf, i));
    if (base.empty()) base = numbered(stem);
    std::string name = base;
    for (int n = 2; !taken.insert(name).second; ++n) name = fmt::format("{} {}", base, n);
    names.push_back(std::move(name));
  }
  return names;
}

// The events of a track, at their frames.
Result<EventList> Place(const MidiJob& job, const TempoMap& map, midi::TickScale scale,
                        std::size_t track, Frame limit) {
  EventList events;
  std::int64_t tick = -1;
  Frame frame(0);
  const auto beyond = [&] {
    return Refuse(job.source.shown,
                  fmt::format("track {} would end past the capacity, {}", track + 1,
                              FormatClock(limit, job.rate)),
                  "place it earlier, or make the timeline longer with `canvas resize`");
  };
  for (const midi::SmfEvent& event : job.smf.events(track)) {
    if (event.tick != tick) {
      tick = event.tick;
      const auto at = FrameOfTick(map, midi::ToCanvasTick(scale, tick), job.rate);
      if (!at || *at >= limit) return beyond();
      frame = job.at + (*at - Frame(0));
      if (frame >= limit) return beyond();
    }
    events.Add({.frame = frame, .tick = tick, .bytes = std::as_bytes(job.smf.bytes(event))});
  }
  return events;
}

Result<MidiJob> PlanOne(const Canvas& canvas, const ImportArguments& arguments,
                        const Source& source, std::set<std::string>& taken) {
  MidiJob job;
  job.source = source;
  CANVAS_ASSIGN(const std::vector<std::uint8_t> bytes, ReadAll(source));
  auto smf = midi::ParseSmf(bytes, {.strict = arguments.strict});
  if (!smf)
    return std::unexpected(
        Error(smf.error().code(),
              smf.error().what() + (arguments.strict && smf.error().code() == ErrorCode::kCorrupt
                                        ? ", and --strict was given"
                                        : ""),
              smf.error().hint())
            .About(source.shown));
  job.smf = *std::move(smf);
  if (job.smf.track_count() == 0)
    return Refuse(source.shown, "it is a MIDI file without tracks", "give another one");
  job.checksum = fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
  job.rate = canvas.Info().rate;
  CANVAS_ASSIGN(const Position position, ParsePosition(arguments.at.value_or("0")));
  CANVAS_ASSIGN(job.at, position.ToFrame(job.rate));
  const auto about = [&](const Error& error) {
    return std::unexpected(Error(error.code(), error.what(), error.hint()).About(source.shown));
  };
  const auto scale = midi::ScaleOf(job.smf.header().division);
  if (!scale) return about(scale.error());
  const bool songs = job.smf.header().format == 2;
  for (std::size_t i = 0; i < (songs ? job.smf.track_count() : 1); ++i) {
    auto map = songs ? midi::TempoMapOf(job.smf, i) : midi::TempoMapOf(job.smf);
    if (!map) return about(map.error());
    map->map.name = NameOf(std::filesystem::path(source.shown).stem().string());
    job.maps.push_back(std::move(map->map));
  }
  const Frame limit =
      FirstFrameOfPage(canvas.capacity_pages(), job.rate, canvas.Info().page_seconds);
  for (std::size_t i = 0; i < job.smf.track_count(); ++i) {
    CANVAS_ASSIGN(EventList events, Place(job, job.maps[songs ? i : 0], *scale, i, limit));
    job.events.push_back(std::move(events));
  }
  CANVAS_ASSIGN(job.names, NamesOf(arguments, source, job.smf, taken));
  return job;
}

// What is made of a file, until it is whole: goes again where it does not become so.
class Made {
 public:
  explicit Made(Canvas& canvas) : canvas_(canvas) {}
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  ~Made() {
    for (const LaneId lane : lanes_) (void)canvas_.RemoveLane(lane);
    for (const std::uint32_t map : maps_) (void)canvas_.RemoveTempoMap(map);
  }
  // One that is there already, or a new one.
  Result<std::uint32_t> Map(const TempoMap& map) {
    CANVAS_ASSIGN(const auto there, canvas_.TempoMaps());
    for (const TempoMap& other : there)
      if (other.name == map.name && other.tempi == map.tempi && other.meters == map.meters)
        return other.id;
    CANVAS_ASSIGN(const std::uint32_t id, canvas_.AddTempoMap(map));
    maps_.push_back(id);
    return id;
  }
  Result<LaneId> Lane(const LaneSpec& spec) {
    CANVAS_ASSIGN(const LaneId id, canvas_.AddLane(spec));
    lanes_.push_back(id);
    return id;
  }
  std::vector<LaneId> Keep() {
    maps_.clear();
    return std::exchange(lanes_, {});
  }
  const std::vector<LaneId>& lanes() const { return lanes_; }

 private:
  Canvas& canvas_;
  std::vector<LaneId> lanes_;
  std::vector<std::uint32_t> maps_;
};

// What is kept so that the file can be written again as it was. What is too long for a tag is left
// out, and told.
Result<std::vector<SourceTag>> TagsOf(const MidiJob& job, std::size_t track,
                                      std::vector<std::string>& warnings) {
  std::vector<SourceTag> tags;
  tags.push_back({std::string(kMidiSourceTag),
                  ToText({job.checksum, track, job.smf.track_count(), job.smf.header()})});
  CANVAS_ASSIGN(const auto of_track, job.smf.TrackProvenance(track));
  CANVAS_ASSIGN(const auto of_file, job.smf.FileProvenance());
  const auto add = [&](std::string_view name, const std::vector<std::uint8_t>& blob) {
    std::string text = ToBase64(blob);
    const bool fits = text.size() <= kMaxSourceTagValueBytes;
    if (fits) tags.push_back({std::string(name), std::move(text)});
    return fits;
  };
  if (!add(kMidiTrackTag, of_track))
    warnings.push_back(fmt::format(
        "track {}: how it was written takes {}, more than is kept: it will be exported in another "
        "way, with the same events",
        track + 1, Count(of_track.size(), "byte")));
  if (!add(kMidiFileTag, of_file) && track == 0)
    warnings.push_back(fmt::format(
        "what the file has beside its tracks takes {}, more than is kept: it will be exported "
        "without",
        Count(of_file.size(), "byte")));
  if (job.at != Frame(0)) tags.push_back({std::string(kMidiAtTag), std::to_string(job.at.value())});
  return tags;
}

// Markers and cue points of the first track (of all, where each is a song) become markers of its
// lane. Answers how many.
Result<std::size_t> AddMarkers(Canvas& canvas, const MidiJob& job, std::size_t track, LaneId lane) {
  std::vector<Marker> markers;
  const EventList& events = job.events[track];
  for (std::size_t i = 0; i < events.size(); ++i) {
    const midi::Bytes bytes = MidiBytes(events[i].bytes);
    if (!midi::IsMeta(bytes, midi::kMetaMarker) && !midi::IsMeta(bytes, midi::kMetaCuePoint))
      continue;
    CANVAS_ASSIGN(const Time time, TimeOfFrame(events[i].frame, job.rate));
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 2, bytes.size() - 2);
    markers.push_back(
        {.start = time, .end = time, .lane = lane, .name = TextOf(text, kMaxMarkerNameBytes)});
  }
  return AddNewMarkers(canvas, std::move(markers));
}

Error AboutPage(const Error& error, const ImportArguments& arguments, const std::string& lane) {
  if (error.code() != ErrorCode::kLimit) return error;
  return Error(ErrorCode::kLimit, fmt::format("lane '{}': {}", Printable(lane), error.what()),
               arguments.dense ? "make a canvas with shorter pages: `canvas create --page-seconds`"
                               : "give --dense: a page of the lane holds six times as many then");
}

}  // namespace

bool LooksLikeMidi(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 12> head{};
  if (!file) return false;
  const ssize_t count = pread(file.get(), head.data(), head.size(), 0);
  if (count < 4) return false;
  const std::string_view text(head.data(), static_cast<std::size_t>(count));
  return text.starts_with("MThd") || (text.starts_with("RIFF") && text.ends_with("RMID"));
}

Result<std::vector<MidiJob>> PlanMidi(const Canvas& canvas, const ImportArguments& arguments,
                                      const std::vector<Source>& sources) {
  std::vector<MidiJob> jobs;
  if (sources.empty()) return jobs;
  const std::string& shown = sources.front().shown;
  if (arguments.append || arguments.overwrite)
    return Refuse(
        shown,
        fmt::format("--{} is for audio: the tracks of a MIDI file become lanes of their own",
                    arguments.append ? "append" : "overwrite"),
        arguments.append ? "say with --at where they begin"
                         : "remove what is there first, with `canvas rm`");
  if (arguments.at == "bext")
    return Refuse(shown, "a MIDI file does not say where it lies", "give a TIME with --at");
  if (arguments.lane && sources.size() > 1)
    return Refuse(
        shown,
        fmt::format("--lane names the lanes of one MIDI file, and {} are given", sources.size()),
        "import them one by one, each with its own --lane");
  std::set<std::string> taken;
  CANVAS_ASSIGN(const auto lanes, canvas.Lanes());
  for (const LaneInfo& lane : lanes) taken.insert(lane.name);
  for (const Source& source : sources) {
    CANVAS_ASSIGN(MidiJob job, PlanOne(canvas, arguments, source, taken));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<void> ImportMidi(Canvas& canvas, const ImportArguments& arguments, const MidiJob& job,
                        const StopFlag& stop) {
  Made made(canvas);
  std::vector<std::string> warnings;
  for (const midi::SmfWarning& warning : job.smf.warnings()) warnings.push_back(warning.Message());
  if (job.smf.warning_count() > warnings.size())
    warnings.push_back(fmt::format("and {} more", job.smf.warning_count() - warnings.size()));
  std::vector<std::uint32_t> maps;
  for (const TempoMap& map : job.maps) {
    CANVAS_ASSIGN(maps.emplace_back(), made.Map(map));
  }
  const midi::SmfDivision division = job.smf.header().division;
  for (std::size_t i = 0; i < job.names.size(); ++i) {
    CANVAS_ASSIGN(std::vector<SourceTag> tags, TagsOf(job, i, warnings));
    const auto added = made.Lane(
        {.name = job.names[i],
         .kind = LaneKind::kMidi,
         .rate = job.rate,
         .description = Unfinished(job.source),
         .dense = arguments.dense,
         .tool = "canvas import",
         .tags = std::move(tags),
         .tempo_map_id = maps[maps.size() > 1 ? i : 0],
         .source_ticks_per_quarter = static_cast<std::uint32_t>(division.ticks_per_quarter())});
    if (!added)
      return Fail(added.error().code(),
                  fmt::format("{}: {}", job.source.shown, added.error().what()),
                  added.error().hint());
  }
  std::size_t markers = 0;
  for (std::size_t i = 0; i < job.names.size(); ++i) {
    if (stop.raised()) {
      Remark(fmt::format("{}: stopped; nothing of {} is left there", arguments.file,
                         job.source.shown));
      return {};
    }
    CANVAS_ASSIGN(EventWriter writer, canvas.EventsWriter(made.lanes()[i]));
    if (auto written = writer.Append(job.events[i].All()); !written)
      return std::unexpected(AboutPage(written.error(), arguments, job.names[i]));
    if (i != 0 && job.smf.header().format != 2) continue;
    CANVAS_ASSIGN(const std::size_t added, AddMarkers(canvas, job, i, made.lanes()[i]));
    markers += added;
  }
  for (std::size_t i = 0; i < job.names.size(); ++i)
    CANVAS_TRY(canvas.DescribeLane(
        made.lanes()[i], fmt::format("imported from {}, track {} of {}", BaseName(job.source),
                                     i + 1, job.names.size())));
  const std::vector<LaneId> lanes = made.Keep();
  constexpr std::size_t kMostTold = 10;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const EventList& events = job.events[i];
    const Frame end = events.empty() ? job.at : events[events.size() - 1].frame;
    std::string text = fmt::format("{} -> lane '{}': {} from {} to {} (track {} of {})\n",
                                   Printable(job.source.shown), Printable(job.names[i]),
                                   Count(events.size(), "event"), FormatClock(job.at, job.rate),
                                   FormatClock(end, job.rate), i + 1, lanes.size());
    Json json = {{"input", job.source.shown},
                 {"lane_id", lanes[i].value()},
                 {"lane", job.names[i]},
                 {"track", i + 1},
                 {"tracks", lanes.size()},
                 {"events", events.size()},
                 {"first_frame", job.at.value()},
                 {"last_frame", end.value()},
                 {"tempo_map_id", maps[maps.size() > 1 ? i : 0]}};
    if (i + 1 == lanes.size()) {
      if (markers != 0)
        text += fmt::format("  {} of its markers and cue points\n", Count(markers, "marker"));
      for (std::size_t k = 0; k < std::min(warnings.size(), kMostTold); ++k)
        text += fmt::format("  {}: {}\n", Printable(BaseName(job.source)), warnings[k]);
      if (warnings.size() > kMostTold)
        text += fmt::format("  and {} more such\n", warnings.size() - kMostTold);
      json["markers"] = markers;
      json["warnings"] = warnings;
    }
    Say(json, text);
  }
  return {};
}

}  // namespace canvas::cli::importing
