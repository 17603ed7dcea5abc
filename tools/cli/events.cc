// events and notes: what is in lanes of events, in words and in JSON.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canvas/midi/notes.h"
#include "tools/cli/commands.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/sort_stably.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kLaneColumns = 24;

Result<std::vector<LaneInfo>> Choose(const Canvas& canvas, const EventsArguments& arguments) {
  CANVAS_ASSIGN(const auto all, canvas.Lanes());
  std::vector<LaneInfo> lanes;
  if (arguments.lanes.empty()) {
    std::ranges::copy_if(all, std::back_inserter(lanes), HoldsEvents);
    if (lanes.empty())
      return Fail(ErrorCode::kNotFound, "there are no lanes of events",
                  "`canvas import` makes them of MIDI files");
  }
  for (const std::string& pattern : arguments.lanes) {
    CANVAS_ASSIGN(const auto found, LanesNamed(all, pattern));
    for (const LaneInfo& lane : found) {
      if (!HoldsEvents(lane))
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("lane '{}' holds no events: it is of kind {}", Printable(lane.name),
                                LaneKindName(lane.kind)),
                    "`canvas cat` prints the samples of a lane of audio");
      if (std::ranges::find(lanes, lane.id, &LaneInfo::id) == lanes.end()) lanes.push_back(lane);
    }
  }
  return lanes;
}

// By default all that the lane can have.
Result<FrameRange> RangeIn(const Canvas& canvas, const LaneInfo& lane, Frame end,
                           const EventsArguments& arguments) {
  FrameRange range = WholeOf(canvas, lane);
  if (arguments.from) {
    CANVAS_ASSIGN(range.first, FrameAt(*arguments.from, lane.rate, end));
  }
  if (arguments.to) {
    CANVAS_ASSIGN(range.end, FrameAt(*arguments.to, lane.rate, end));
  }
  if (range.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the range from {} to {} is empty", FormatClock(range.first, lane.rate),
                            FormatClock(range.end, lane.rate)),
                "--to lies after --from");
  return range;
}

// A lane, and the event of it that is next.
struct Stream {
  LaneInfo lane;
  EventCursor cursor;
  Event event;
  Time time;

  // False at the end. Errors: kCorrupt.
  Result<bool> Next() {
    for (;;) {
      switch (cursor.Next(event)) {
        case EventStatus::kOk: {
          CANVAS_ASSIGN(time, TimeOfFrame(event.frame, lane.rate));
          return true;
        }
        case EventStatus::kRaced:
          continue;
        case EventStatus::kDamaged:
          return Fail(ErrorCode::kCorrupt,
                      fmt::format("lane '{}': a page is damaged", Printable(lane.name)),
                      "`canvas check` says more");
        case EventStatus::kEnd:
        case EventStatus::kClosed:
          return false;
      }
    }
  }
};

void PrintEvent(const Stream& stream) {
  const Event& event = stream.event;
  const std::size_t size = stream.cursor.size();
  const std::string words = EventWords(event, size);
  if (TheGlobals().json) {
    fmt::print("{}\n", Line({{"lane", stream.lane.name},
                             {"frame", event.frame.value()},
                             {"tick", event.tick == kNoTick ? Json(nullptr) : Json(event.tick)},
                             {"kind", EventKindName(event.kind)},
                             {"tag", event.tag},
                             {"what", words},
                             {"size", size},
                             {"bytes", HexOf(event.bytes)}}));
    return;
  }
  fmt::print("{:>12}  {:>9}  {:<{}}  {}\n", FormatClock(event.frame, stream.lane.rate),
             event.tick == kNoTick ? "-" : std::to_string(event.tick),
             Clipped(Printable(stream.lane.name), kLaneColumns), kLaneColumns, words);
}

Result<void> PrintEvents(const Canvas& canvas, const EventsArguments& arguments) {
  CANVAS_ASSIGN(const auto lanes, Choose(canvas, arguments));
  std::vector<Stream> streams;
  for (const LaneInfo& lane : lanes) {
    CANVAS_ASSIGN(const EventReader reader, canvas.Events(lane.id));
    CANVAS_ASSIGN(const FrameRange range, RangeIn(canvas, lane, reader.Extent().end, arguments));
    CANVAS_ASSIGN(EventCursor cursor, reader.From(range));
    Stream stream{lane, std::move(cursor), {}, {}};
    CANVAS_ASSIGN(const bool any, stream.Next());
    if (any) streams.push_back(std::move(stream));
  }
  // A handful of lanes: the earliest is looked for, the first lane's before the others'.
  while (!streams.empty()) {
    const auto next = std::ranges::min_element(
        streams, [](const Stream& a, const Stream& b) { return IsEarlier(a.time, b.time); });
    PrintEvent(*next);
    if (std::ferror(stdout) != 0) return {};
    CANVAS_ASSIGN(const bool more, next->Next());
    if (!more) streams.erase(next);
  }
  return {};
}

// A line of notes: a note, or the end of none.
struct NoteLine {
  Frame at;
  std::optional<Frame> end;  // where it ends by a message
  std::int64_t tick = kNoTick;
  std::optional<std::int64_t> ticks;
  std::uint8_t channel = 0;
  std::uint8_t pitch = 0;
  std::optional<std::uint8_t> velocity;
  std::uint8_t release = 0;
  std::string_view what;  // "": an ordinary note
};

std::vector<NoteLine> LinesOf(const EventList& list, const std::vector<std::size_t>& index,
                              const midi::Notes& notes, FrameRange range) {
  std::vector<NoteLine> lines;
  const auto tick_of = [&](std::size_t event) { return list[index[event]].tick; };
  for (const midi::Note& note : notes.notes) {
    NoteLine line{.at = Frame(note.on),
                  .end = {},
                  .tick = tick_of(note.on_event),
                  .ticks = {},
                  .channel = note.channel,
                  .pitch = note.pitch,
                  .velocity = note.velocity,
                  .release = note.release,
                  .what = note.ended ? "" : "hangs: nothing ends it"};
    if (note.ended) {
      line.end = Frame(note.off);
      const std::int64_t off = tick_of(note.off_event);
      if (line.tick != kNoTick && off != kNoTick && off >= line.tick) line.ticks = off - line.tick;
    }
    lines.push_back(line);
  }
  for (const midi::StrayNoteOff& off : notes.stray_offs)
    lines.push_back({.at = Frame(off.tick),
                     .end = {},
                     .tick = tick_of(off.event),
                     .ticks = {},
                     .channel = off.channel,
                     .pitch = off.pitch,
                     .velocity = {},
                     .release = off.release,
                     .what = "stray note off: no note sounds"});
  std::erase_if(
      lines, [&](const NoteLine& line) { return line.at < range.first || line.at >= range.end; });
  SortStably(lines, &NoteLine::at);
  return lines;
}

template <typename Value>
Json OrNull(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

void PrintNotes(const LaneInfo& lane, const std::vector<NoteLine>& lines, Table& table) {
  for (const NoteLine& line : lines) {
    const std::int64_t frames = line.end ? *line.end - line.at : 0;
    if (TheGlobals().json) {
      fmt::print("{}\n", Line({{"lane", lane.name},
                               {"frame", line.at.value()},
                               {"frames", line.end ? Json(frames) : Json(nullptr)},
                               {"tick", line.tick == kNoTick ? Json(nullptr) : Json(line.tick)},
                               {"ticks", OrNull(line.ticks)},
                               {"channel", line.channel + 1},
                               {"pitch", line.pitch},
                               {"name", PitchName(line.pitch)},
                               {"velocity", OrNull(line.velocity)},
                               {"release", line.release},
                               {"what", line.velocity ? (line.end ? "note" : "hanging note")
                                                      : "stray note off"}}));
      continue;
    }
    table.Add({FormatClock(line.at, lane.rate),
               line.end ? FormatClock(Frame(frames), lane.rate) : "-", PitchName(line.pitch),
               std::to_string(line.pitch), line.velocity ? std::to_string(*line.velocity) : "-",
               std::to_string(line.release), std::to_string(line.channel + 1),
               Clipped(Printable(lane.name), kLaneColumns), std::string(line.what)});
  }
}

Result<void> PrintAllNotes(const Canvas& canvas, const EventsArguments& arguments) {
  CANVAS_ASSIGN(const auto lanes, Choose(canvas, arguments));
  constexpr Table::Align kRight = Table::Align::kRight;
  Table table({{"at", kRight},
               {"length", kRight},
               {"note"},
               {"number", kRight},
               {"vel", kRight},
               {"release", kRight},
               {"ch", kRight},
               {"lane"},
               {""}});
  bool any = false;
  for (const LaneInfo& lane : lanes) {
    CANVAS_ASSIGN(const EventReader reader, canvas.Events(lane.id));
    const Frame end = reader.Extent().end;
    CANVAS_ASSIGN(const FrameRange range, RangeIn(canvas, lane, end, arguments));
    // From the beginning to the end: what began before the range, or ends behind it, is no stray.
    CANVAS_ASSIGN(const EventList list, reader.Read(WholeOf(canvas, lane)));
    std::vector<midi::Event> events;
    std::vector<std::size_t> index;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].kind != EventKind::kMidi) continue;
      events.push_back({list[i].frame.value(), MidiBytes(list[i].bytes)});
      index.push_back(i);
    }
    CANVAS_ASSIGN(const midi::Notes notes, midi::NotesOf(events, end.value()));
    const auto lines = LinesOf(list, index, notes, range);
    any = any || !lines.empty();
    PrintNotes(lane, lines, table);
  }
  if (TheGlobals().json) return {};
  if (any)
    fmt::print("{}", table.Render());
  else
    fmt::print("{}: no notes\n", arguments.file);
  return {};
}

Result<void> Run(const EventsArguments& arguments,
                 Result<void> (*print)(const Canvas&, const EventsArguments&)) {
  // A reader that has read enough closes the pipe: that is no error, whatever was inherited.
  std::signal(SIGPIPE, SIG_DFL);
  CANVAS_ASSIGN(const Canvas canvas, OpenCanvas(arguments.file));
  auto printed = print(canvas, arguments);
  if (!printed) return std::unexpected(std::move(printed).error().About(arguments.file));
  return {};
}

}  // namespace

Result<void> RunEvents(const EventsArguments& arguments) { return Run(arguments, PrintEvents); }
Result<void> RunNotes(const EventsArguments& arguments) { return Run(arguments, PrintAllNotes); }

}  // namespace canvas::cli
