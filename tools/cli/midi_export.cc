#include "tools/cli/midi_export.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "canvas/midi/meta.h"
#include "canvas/midi/smf.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/new_file.h"
#include "tools/cli/sort_stably.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

// A lane on its way to a track.
struct Track {
  LaneInfo lane;
  std::optional<MidiSource> source;
  EventList list;
  std::vector<std::uint8_t> provenance;
};

std::string Extension(const std::string& path) {
  std::string end = std::filesystem::path(path).extension().string();
  std::ranges::transform(end, end.begin(), [](unsigned char c) { return std::tolower(c); });
  return end;
}

Result<std::vector<LaneInfo>> Choose(const Canvas& canvas, const ExportArguments& arguments) {
  CANVAS_ASSIGN(const auto all, canvas.Lanes());
  std::vector<LaneInfo> lanes;
  if (arguments.lanes.empty()) {
    for (const LaneInfo& lane : all)
      if (lane.kind == LaneKind::kMidi) lanes.push_back(lane);
    if (lanes.empty())
      return Fail(ErrorCode::kNotFound, "there are no lanes of MIDI to export",
                  "`canvas import` makes them of MIDI files");
  }
  for (const std::string& pattern : arguments.lanes) {
    CANVAS_ASSIGN(const auto found, LanesNamed(all, pattern));
    for (const LaneInfo& lane : found) {
      if (lane.kind != LaneKind::kMidi)
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("lane '{}' is of kind {}, and a MIDI file holds MIDI alone",
                                Printable(lane.name), LaneKindName(lane.kind)),
                    "choose lanes of MIDI with --lane, or another --out");
      if (std::ranges::find(lanes, lane.id, &LaneInfo::id) == lanes.end()) lanes.push_back(lane);
    }
  }
  return lanes;
}

// Musical time of a lane: which tick, of a file's, a frame is.
struct Clock {
  TempoMap map;
  Frame at;  // of tick 0
  Rate rate;
  midi::TickScale scale;

  Result<std::int64_t> TickOf(Frame frame, Rate of) const {
    const Frame zero = ToRate(at, rate, of);
    if (frame <= zero) return std::int64_t{0};
    CANVAS_ASSIGN(const Tick tick, TickOfFrame(map, Frame(frame - zero), of));
    return midi::FromCanvasTick(scale, tick);
  }
};

TempoMap PlainMap() {
  TempoMap map;
  map.tempi.push_back({});
  map.meters.push_back({});
  return map;
}

std::optional<TempoMap> MapOf(const std::vector<TempoMap>& maps, const LaneInfo& lane) {
  const auto map = std::ranges::find(maps, lane.tempo_map_id, &TempoMap::id);
  if (lane.tempo_map_id == 0 || map == maps.end()) return std::nullopt;
  return *map;
}

void SortByTick(std::vector<midi::Event>& events) { SortStably(events, &midi::Event::tick); }

// What came of it.
struct Exported {
  midi::SmfWritten written;
  std::vector<std::string> notes;
};

// The tracks of one file, in its order; nothing where they are not that.
std::vector<Track*> OneFile(std::vector<Track>& tracks) {
  std::vector<Track*> sorted;
  for (Track& track : tracks) {
    if (!track.source || track.source->tracks != tracks.size() ||
        track.source->file != tracks.front().source->file)
      return {};
    sorted.push_back(&track);
  }
  std::ranges::sort(sorted, {}, [](const Track* track) { return track->source->track; });
  for (std::size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i]->source->track != i) return {};
  return sorted;
}

// As the file they came from, as far as they are as they were. Nothing where the tempi that their
// events say are not those of the canvas: something was cut off.
Result<std::optional<Exported>> WriteOneFile(const std::vector<TempoMap>& maps,
                                             const std::vector<Track*>& sorted) {
  const midi::SmfHeader header = sorted.front()->source->header;
  std::vector<std::vector<midi::Event>> events;
  for (const Track* track : sorted) {
    const Clock clock{MapOf(maps, track->lane).value_or(PlainMap()), TickZeroOf(track->lane),
                      track->lane.rate, midi::ScaleOf(header.division).value_or(midi::TickScale{})};
    std::vector<midi::Event>& list = events.emplace_back();
    for (std::size_t i = 0; i < track->list.size(); ++i) {
      const Event event = track->list[i];
      if (event.kind != EventKind::kMidi) continue;
      std::int64_t tick = event.tick;
      if (tick < 0) {
        CANVAS_ASSIGN(tick, clock.TickOf(event.frame, track->lane.rate));
      }
      list.push_back({tick, MidiBytes(event.bytes)});
    }
    SortByTick(list);
  }
  std::vector<midi::SmfTrackToWrite> to_write;
  for (std::size_t i = 0; i < sorted.size(); ++i)
    to_write.push_back({events[i], sorted[i]->provenance});
  const auto file =
      FromBase64(TagOf(sorted.front()->lane, kMidiFileTag)).value_or(std::vector<std::uint8_t>());
  Exported exported;
  auto written = midi::WriteSmf(header, to_write, file);
  if (!written && written.error().code() == ErrorCode::kInvalidArgument) {
    // What is kept of how it was written may be what is wrong.
    for (midi::SmfTrackToWrite& track : to_write) track.provenance = {};
    auto again = midi::WriteSmf(header, to_write, {});
    if (again) {
      exported.notes.push_back("how the file was written is not known any more: " +
                               written.error().what());
      written = std::move(again);
    }
  }
  if (!written) return std::unexpected(std::move(written).error());
  exported.written = *std::move(written);
  if (exported.written.as_read || header.format == 2 || header.division.is_smpte()) return exported;
  const auto map = MapOf(maps, sorted.front()->lane);
  if (!map) return exported;
  CANVAS_ASSIGN(const midi::Smf smf, midi::ParseSmf(exported.written.bytes));
  const auto said = midi::TempoMapOf(smf);
  if (said && said->map.tempi == map->tempi && said->map.meters == map->meters) return exported;
  return std::nullopt;
}

// A file of format 1: a track of the tempi and meters, and one for each lane.
Result<Exported> WriteNew(const std::vector<TempoMap>& maps, const std::vector<Track>& tracks) {
  // The music that all of them share: the first lane's that says one, or the canvas's first.
  const auto with_map = std::ranges::find_if(
      tracks, [&](const Track& track) { return MapOf(maps, track.lane).has_value(); });
  Clock clock{maps.empty() ? PlainMap() : maps.front(), Frame(0), tracks.front().lane.rate, {}};
  if (with_map != tracks.end())
    clock = {*MapOf(maps, with_map->lane), TickZeroOf(with_map->lane), with_map->lane.rate, {}};
  const auto division_of = [&](const Track& track) -> std::uint32_t {
    const auto map = MapOf(maps, track.lane);
    const std::uint32_t division = track.lane.source_ticks_per_quarter;
    const bool shares = map && map->id == clock.map.id && track.lane.rate == clock.rate &&
                        TickZeroOf(track.lane) == clock.at;
    return shares && division <= 0x7FFF ? division : 0;
  };
  std::uint32_t division = 0;
  for (const Track& track : tracks) {
    const std::uint32_t its = division_of(track);
    if (its == 0) continue;
    division =
        division == 0 || division == its ? its : static_cast<std::uint32_t>(kTicksPerQuarter);
  }
  if (division == 0) division = static_cast<std::uint32_t>(kTicksPerQuarter);
  const midi::SmfHeader header{1, {static_cast<std::uint16_t>(division)}};
  CANVAS_ASSIGN(clock.scale, midi::ScaleOf(header.division));
  CANVAS_ASSIGN(const auto metas, midi::MetaEventsOf(clock.map, header.division));

  std::vector<std::vector<midi::Event>> events(1);
  for (const midi::MadeEvent& meta : metas) events.front().push_back({meta.tick, meta.bytes()});
  std::vector<std::vector<std::uint8_t>> names;
  names.reserve(tracks.size());
  for (const Track& track : tracks) {
    std::vector<midi::Event>& list = events.emplace_back();
    const std::uint32_t its = division_of(track);
    CANVAS_ASSIGN(const midi::TickScale scale,
                  midi::ScaleOf({static_cast<std::uint16_t>(its == 0 ? division : its)}));
    bool named = false;
    for (std::size_t i = 0; i < track.list.size(); ++i) {
      const Event event = track.list[i];
      const midi::Bytes bytes = MidiBytes(event.bytes);
      if (event.kind != EventKind::kMidi || midi::IsMeta(bytes, midi::kMetaTempo) ||
          midi::IsMeta(bytes, midi::kMetaMeter))
        continue;
      named = named || midi::IsMeta(bytes, midi::kMetaTrackName);
      std::int64_t tick = event.tick;
      if (tick < 0 || its == 0) {
        CANVAS_ASSIGN(tick, clock.TickOf(event.frame, track.lane.rate));
      } else if (its != division) {
        tick = midi::FromCanvasTick(clock.scale, midi::ToCanvasTick(scale, tick));
      }
      list.push_back({tick, bytes});
    }
    SortByTick(list);
    if (named) continue;
    std::vector<std::uint8_t>& name = names.emplace_back();
    name = {0xFF, midi::kMetaTrackName};
    name.insert(name.end(), track.lane.name.begin(), track.lane.name.end());
    list.insert(list.begin(), {0, name});
  }
  std::vector<midi::SmfTrackToWrite> to_write;
  for (const auto& list : events) to_write.push_back({list, {}});
  Exported exported;
  CANVAS_ASSIGN(exported.written, midi::WriteSmf(header, to_write));
  return exported;
}

// RP-029: the file as the data of a RIFF.
void WrapInRiff(std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> riff;
  const auto text = [&](std::string_view word) {
    riff.insert(riff.end(), word.begin(), word.end());
  };
  const auto number = [&](std::size_t value) {
    for (int i = 0; i < 4; ++i) riff.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  };
  const std::size_t padded = bytes.size() + bytes.size() % 2;
  text("RIFF");
  number(12 + padded);
  text("RMIDdata");
  number(bytes.size());
  riff.insert(riff.end(), bytes.begin(), bytes.end());
  if (padded != bytes.size()) riff.push_back(0);
  bytes = std::move(riff);
}

Result<std::uint64_t> Put(const ExportArguments& arguments,
                          const std::vector<std::uint8_t>& bytes) {
  CANVAS_ASSIGN(NewFile file, NewFile::Make(arguments.out, arguments.force));
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(file.fd(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(Error::FromErrno(errno, "writing").About(arguments.out));
    done += static_cast<std::size_t>(count);
  }
  CANVAS_TRY(file.Finish());
  return file.other_names();
}

}  // namespace

bool IsMidiExport(const ExportArguments& arguments) {
  if (std::ranges::find(arguments.formats, "mid") != arguments.formats.end()) return true;
  const std::string end = Extension(arguments.out);
  return arguments.formats.empty() && !arguments.out_dir &&
         (end == ".mid" || end == ".midi" || end == ".smf" || end == ".rmi");
}

Result<void> CheckMidiExport(const ExportArguments& arguments) {
  const auto refuse = [](std::string what, std::string hint) {
    return Fail(ErrorCode::kInvalidArgument, std::move(what), std::move(hint));
  };
  if (arguments.formats.size() > 1)
    return refuse("--format says mid and something else", "a MIDI file has no other format");
  if (arguments.out_dir)
    return refuse("a MIDI file takes all lanes at once", "give --out, not --out-dir");
  if (arguments.from || arguments.to)
    return refuse("--from and --to are for audio: a MIDI file takes lanes as a whole",
                  "copy the range to another canvas first, with `canvas cp`");
  if (arguments.dither || arguments.bext)
    return refuse("--dither and --bext are for audio, and a MIDI file has no samples",
                  "leave them out");
  return {};
}

Result<void> ExportMidi(const Canvas& canvas, const ExportArguments& arguments) {
  CANVAS_ASSIGN(const std::vector<LaneInfo> lanes, Choose(canvas, arguments));
  CANVAS_ASSIGN(const auto maps, canvas.TempoMaps());
  std::vector<Track> tracks;
  std::uint64_t left_out = 0;
  for (const LaneInfo& lane : lanes) {
    Track track{lane, MidiSourceOf(lane), {}, {}};
    CANVAS_ASSIGN(const EventReader reader, canvas.Events(lane.id));
    CANVAS_ASSIGN(track.list, reader.Read(WholeOf(canvas, lane)));
    for (std::size_t i = 0; i < track.list.size(); ++i)
      if (track.list[i].kind != EventKind::kMidi) ++left_out;
    track.provenance = FromBase64(TagOf(lane, kMidiTrackTag)).value_or(std::vector<std::uint8_t>());
    tracks.push_back(std::move(track));
  }
  std::optional<Exported> exported;
  if (const std::vector<Track*> sorted = OneFile(tracks); !sorted.empty()) {
    CANVAS_ASSIGN(exported, WriteOneFile(maps, sorted));
  }
  if (!exported) {
    CANVAS_ASSIGN(exported, WriteNew(maps, tracks));
  }
  midi::SmfWritten& written = exported->written;
  if (Extension(arguments.out) == ".rmi" && !written.bytes.empty() && written.bytes[0] != 'R')
    WrapInRiff(written.bytes);
  CANVAS_ASSIGN(const std::uint64_t other_names, Put(arguments, written.bytes));
  std::string text =
      fmt::format("{} -> {} ({}{})\n",
                  tracks.size() == 1 ? fmt::format("lane '{}'", Printable(tracks.front().lane.name))
                                     : Count(tracks.size(), "lane"),
                  Printable(arguments.out), Bytes(written.bytes.size()),
                  written.as_read ? ", byte for byte as the file that was imported" : "");
  for (const std::string& note : exported->notes) text += fmt::format("  {}\n", note);
  if (left_out != 0)
    text += fmt::format("  {} left out: of kinds that a MIDI file does not have\n",
                        Count(left_out, "event"));
  if (written.left_out_bytes != 0)
    text += fmt::format(
        "  {} of the file that was imported left out: no place for them in a valid "
        "one\n",
        Count(written.left_out_bytes, "byte"));
  if (other_names != 0)
    text += fmt::format("  the file that was there has {}, under which it is as it was\n",
                        Count(other_names, "other name"));
  Json names = Json::array();
  for (const Track& track : tracks) names.push_back(track.lane.name);
  Say({{"lanes", std::move(names)},
       {"out", arguments.out},
       {"format", "MIDI"},
       {"bytes", written.bytes.size()},
       {"as_imported", written.as_read},
       {"events_left_out", left_out},
       {"bytes_left_out", written.left_out_bytes}},
      text, arguments.out == "-" ? stderr : stdout);
  return {};
}

}  // namespace canvas::cli
