// MIDI files through the tool: into lanes of events and back, byte for byte where nobody edited
// them; what else the tool does with such lanes, and what it refuses.
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/midi/meta.h"
#include "canvas/midi/midi_testing.h"
#include "canvas/midi/smf.h"
#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

using midi::testing::Chunk;
using midi::testing::Data;
using midi::testing::Header;
using midi::testing::kEnd;
using midi::testing::OneTrack;
using midi::testing::Text;
using midi::testing::operator+;
using nlohmann::json;
using testing::Must;

std::vector<json> JsonLines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

// Two tracks of 96 ticks a quarter, at 60 to the minute and from tick 96 on at 120: what is
// conducted, and some of each kind.
Data Song() {
  const Data conductor =
      Data{0x00, 0xFF, 0x03, 4} + Text("Song") + Data{0x00, 0xFF, 0x58, 4, 3, 2, 24, 8} +
      Data{0x00, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40} + Data{96, 0xFF, 0x51, 3, 0x07, 0xA1, 0x20} +
      Data{96, 0xFF, 0x06, 6} + Text("Chorus") + kEnd;
  const Data piano = Data{0x00, 0xFF, 0x03, 7} + Text("Pia\x1bno!") + Data{0x00, 0xC1, 5} +
                     Data{0x00, 0xB1, 7, 100} + Data{0x00, 0x91, 60, 100} +  // C4
                     Data{0x00, 0xE1, 0x00, 0x50} + Data{48, 0x81, 60, 30} +
                     Data{48, 0x91, 61, 90} +    // nothing ends it
                     Data{0x00, 0x81, 40, 64} +  // of nothing
                     Data{0x00, 0xF0, 4, 0x7E, 0x7F, 0x09, 0xF7} + kEnd;
  return Header(1, 2, 96) + Chunk("MTrk", conductor) + Chunk("MTrk", piano);
}

class Midi : public Tool {
 protected:
  std::string Put(const std::string& name, const Data& data) {
    const std::string path = dir_.path(name);
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(data.data()),
              static_cast<std::streamsize>(data.size()));
    return path;
  }
  Data Get(const std::string& name) { return midi::testing::Slurp(dir_.path(name)); }
  // What is exported now.
  Data Exported(const std::string& canvas, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"export", canvas, "--out", dir_.path("out.mid"),
                                          "--force"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    told_ = Good(arguments).out;
    return Get("out.mid");
  }
  Canvas Open() { return Must(Canvas::Open(file_, {.access = Access::kReadWrite})); }
  std::vector<std::string> LaneNames() {
    std::vector<std::string> names;
    const json info = Info();
    for (const json& lane : info["lanes"]) names.push_back(lane["name"]);
    return names;
  }

  std::string told_;
};

// The events of each track: ticks and bytes.
using Listed = std::vector<std::vector<std::pair<std::int64_t, std::string>>>;
Listed ListOf(const Data& file) {
  Listed list;
  const midi::Smf smf = Must(midi::ParseSmf(file));
  for (std::size_t i = 0; i < smf.track_count(); ++i) {
    auto& track = list.emplace_back();
    for (const midi::SmfEvent& event : smf.events(i))
      track.emplace_back(event.tick, midi::testing::Hex(smf.bytes(event)));
  }
  return list;
}

TEST_F(Midi, FilesComeBackByteForByte) {
  const auto songs = midi::testing::Songs();
  if (songs.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  for (const auto& song : songs) {
    const std::string canvas = dir_.path(song.stem().string() + ".canvas");
    Good({"create", canvas, "--hours", "1"});
    Good({"import", canvas, song.string()});
    EXPECT_EQ(Exported(canvas), midi::testing::Slurp(song)) << song;
    EXPECT_NE(told_.find("byte for byte"), std::string::npos) << told_;
    Good({"check", canvas});
  }
  EXPECT_GE(songs.size(), 31U);
}

// Whether another program reads it; nothing where there is none here.
std::optional<bool> OthersRead(const std::string& path) {
  const auto runs = [](const std::string& command) { return std::system(command.c_str()) == 0; };
  std::optional<bool> read;
  if (runs("midicsv --version >/dev/null 2>&1 || command -v midicsv >/dev/null"))
    read = runs(fmt::format("midicsv {} >/dev/null 2>&1", path));
  if (runs("/usr/bin/python3 -c 'import mido' >/dev/null 2>&1"))
    read = read.value_or(true) &&
           runs(fmt::format("/usr/bin/python3 -c 'import mido; mido.MidiFile(\"{}\")' 2>&1", path));
  return read;
}

// A semitone up, all but the drums; answers how many messages.
std::size_t Transpose(const std::string& path) {
  Canvas canvas = Must(Canvas::Open(path, {.access = Access::kReadWrite}));
  std::size_t moved = 0;
  for (const LaneInfo& lane : Must(canvas.Lanes())) {
    const FrameRange all{Frame(0), Frame(std::int64_t{3600} * 48000)};
    const EventList list = Must(Must(canvas.Events(lane.id)).Read(all));
    EventList up;
    for (std::size_t i = 0; i < list.size(); ++i) {
      Event event = list[i];
      std::vector<std::byte> bytes(event.bytes.begin(), event.bytes.end());
      const auto status = static_cast<unsigned>(bytes[0]);
      if (status >= 0x80 && status < 0xB0 && (status & 15U) != 9 && bytes[1] < std::byte{127}) {
        bytes[1] = std::byte(static_cast<unsigned>(bytes[1]) + 1);
        ++moved;
      }
      event.bytes = bytes;
      up.Add(event);
    }
    Must(Must(canvas.EventsWriter(lane.id)).Replace(all, up.All()));
  }
  Must(canvas.Close());
  return moved;
}

TEST_F(Midi, EditedFilesKeepTheirTicksAndOthersReadThem) {
  const auto songs = midi::testing::Songs();
  if (songs.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  for (const auto& song : songs) {
    const std::string canvas = dir_.path(song.stem().string() + ".canvas");
    Good({"create", canvas, "--hours", "1"});
    Good({"import", canvas, song.string()});
    const std::size_t moved = Transpose(canvas);
    const Data file = Exported(canvas);
    const Listed before = ListOf(midi::testing::Slurp(song));
    const Listed after = ListOf(file);
    ASSERT_EQ(after.size(), before.size()) << song;
    std::size_t other = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      ASSERT_EQ(after[i].size(), before[i].size()) << song;
      for (std::size_t k = 0; k < before[i].size(); ++k) {
        EXPECT_EQ(after[i][k].first, before[i][k].first) << song;
        if (after[i][k].second != before[i][k].second) ++other;
      }
    }
    EXPECT_EQ(other, moved) << song;
    EXPECT_GT(moved, 100U) << song;
    EXPECT_TRUE(midi::ParseSmf(file, {.strict = true}).has_value()) << song;
    const auto read = OthersRead(dir_.path("out.mid"));
    if (!read) std::puts("SKIPPED: neither midicsv nor python3-mido is installed");
    EXPECT_TRUE(read.value_or(true)) << song;
  }
}

TEST_F(Midi, EachTrackIsALaneWithItsTempoAndMarkers) {
  Create();
  const std::string song = Put("song.mid", Song());
  const auto told = JsonLines(Good({"import", file_, song, "--json"}).out);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0]["lane"], "Song");
  EXPECT_EQ(told[1]["lane"], "Pia no!");
  EXPECT_EQ(told[1]["events"], 10);
  EXPECT_EQ(told[1]["markers"], 1);
  EXPECT_EQ(told[1]["warnings"], json::array());
  const json info = Info();
  EXPECT_EQ(info["lanes"][1]["kind"], "midi");
  EXPECT_EQ(info["lanes"][1]["events"], 10);
  EXPECT_EQ(info["lanes"][1]["tempo_map_id"], 1);
  EXPECT_EQ(info["lanes"][1]["end_frame"], 48001);
  const std::string words = Good({"info", file_}).out;
  EXPECT_NE(words.find("10 events"), std::string::npos) << words;
  EXPECT_EQ(words.find("midi.track"), std::string::npos) << words;
  {
    const Canvas canvas = Open();
    const auto maps = Must(canvas.TempoMaps());
    ASSERT_EQ(maps.size(), 1U);
    EXPECT_EQ(maps[0].name, "song");
    ASSERT_EQ(maps[0].tempi.size(), 2U);
    EXPECT_EQ(maps[0].tempi[1].tick, Tick(960));
    EXPECT_EQ(maps[0].meters[0].numerator, 3);
    const auto markers = Must(canvas.Markers());
    ASSERT_EQ(markers.size(), 1U);
    EXPECT_EQ(markers[0].name, "Chorus");
    EXPECT_EQ(markers[0].start, (Time{3, 2}));
    const LaneInfo lane = Must(canvas.FindLane("Pia no!"));
    EXPECT_EQ(lane.source_ticks_per_quarter, 96U);
    EXPECT_EQ(lane.description, "imported from song.mid, track 2 of 2");
  }
  // Once more: lanes of other names, on the same tempo map.
  Good({"import", file_, song, "--at", "10"});
  EXPECT_EQ(LaneNames(), (std::vector<std::string>{"Song", "Pia no!", "Song 2", "Pia no! 2"}));
  EXPECT_EQ(Must(Open().TempoMaps()).size(), 1U);
  EXPECT_EQ(Info()["lanes"][3]["end_frame"], 48001 + 480000);
  for (const char* lanes : {"Pia no!", "Pia no! 2"})
    EXPECT_EQ(ListOf(Exported(file_, {"--lane", lanes}))[1], ListOf(Song())[1]) << lanes;
  EXPECT_EQ(Exported(file_, {"--lane", "Song 2", "--lane", "Pia no! 2"}), Song());
  EXPECT_EQ(Exported(file_, {"--lane", "Song", "--lane", "Pia no!"}), Song());
  // All four together are a new file, in which each is where it is on the timeline.
  const Data all = Exported(file_);
  const Listed list = ListOf(all);
  ASSERT_EQ(list.size(), 5U);
  EXPECT_EQ(Must(midi::ParseSmf(all)).header().division.word, 96);
  EXPECT_EQ(list[0][1].second, "ff510f4240");
  EXPECT_EQ(list[2], ListOf(Song())[1]);
  // Ten seconds: a quarter of a second, and 18 of half a second.
  EXPECT_EQ(list[4][1], (std::pair<std::int64_t, std::string>(19 * 96, "c105")));
  Good({"check", file_});
}

TEST_F(Midi, EventsAreListedInWords) {
  Create();
  Good({"import", file_, Put("song.mid", Song())});
  const std::string out = Good({"events", file_, "--lane", "Pia no!"}).out;
  EXPECT_EQ(out,
            "    0:00.000          0  Pia no!                   track name 'Pia?no!'\n"
            "    0:00.000          0  Pia no!                   ch 2 program 5\n"
            "    0:00.000          0  Pia no!                   ch 2 CC 7=100\n"
            "    0:00.000          0  Pia no!                   ch 2 note on C4 vel 100\n"
            "    0:00.000          0  Pia no!                   ch 2 pitch bend +2048\n"
            "    0:00.500         48  Pia no!                   ch 2 note off C4 vel 30\n"
            "    0:01.000         96  Pia no!                   ch 2 note on C#4 vel 90\n"
            "    0:01.000         96  Pia no!                   ch 2 note off E2 vel 64\n"
            "    0:01.000         96  Pia no!                   sysex 5 bytes\n"
            "    0:01.000         96  Pia no!                   end of track\n");
  const std::string all = Good({"events", file_}).out;
  EXPECT_NE(all.find("Song                      meter 3/4\n"), std::string::npos) << all;
  EXPECT_NE(all.find("tempo 60.000 bpm (1000000 us)\n"), std::string::npos) << all;
  EXPECT_LT(all.find("note off C4"), all.find("tempo 120.000"));
  EXPECT_LT(all.find("tempo 120.000"), all.find("note on C#4")) << "by time, then by lane";
  EXPECT_NE(all.find("marker 'Chorus'\n"), std::string::npos) << all;
  const auto lines = JsonLines(Good({"events", file_, "--from", "0.5", "--to", "1", "--json"}).out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["frame"], 24000);
  EXPECT_EQ(lines[0]["tick"], 48);
  EXPECT_EQ(lines[0]["kind"], "midi");
  EXPECT_EQ(lines[0]["bytes"], "813c1e");
  EXPECT_EQ(lines[0]["what"], "ch 2 note off C4 vel 30");
  Bad({"events", file_, "--lane", "piano"}, "there is no lane 'piano'");
  Bad({"events", file_, "--from", "2", "--to", "1"}, "is empty");
}

TEST_F(Midi, NotesAreListedWithThoseThatAreNotWhole) {
  Create();
  Good({"import", file_, Put("song.mid", Song())});
  const auto lines = JsonLines(Good({"notes", file_, "--json"}).out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], json::parse(R"({"lane": "Pia no!", "frame": 0, "frames": 24000, "tick": 0,
      "ticks": 48, "channel": 2, "pitch": 60, "name": "C4", "velocity": 100, "release": 30,
      "what": "note"})"));
  EXPECT_EQ(lines[1]["what"], "hanging note");
  EXPECT_EQ(lines[1]["frames"], nullptr);
  EXPECT_EQ(lines[2]["what"], "stray note off");
  EXPECT_EQ(lines[2]["name"], "E2");
  EXPECT_EQ(lines[2]["velocity"], nullptr);
  const std::string words = Good({"notes", file_, "--lane", "Pia*"}).out;
  EXPECT_NE(words.find("0:00.000  0:00.500  C4        60  100       30   2  Pia no!"),
            std::string::npos)
      << words;
  EXPECT_NE(words.find("hangs: nothing ends it"), std::string::npos) << words;
  EXPECT_NE(words.find("stray note off: no note sounds"), std::string::npos) << words;
  // A range has what begins in it, and nothing becomes a stray by it.
  EXPECT_EQ(JsonLines(Good({"notes", file_, "--json", "--to", "0.2"}).out).size(), 1U);
  EXPECT_EQ(Good({"notes", file_, "--from", "0.2", "--to", "0.9"}).out, file_ + ": no notes\n");
}

TEST_F(Midi, WhatIsNoneOrOddIsRefusedOrTold) {
  Create();
  const Data song = Song();
  Bad({"import", file_, Put("text.mid", Text("not MIDI at all"))}, "text.mid");
  Bad({"import", file_, Put("head.mid", Text("MThd"))}, "head.mid");
  Bad({"import", file_, Put("none.mid", Header(1, 0, 96))}, "without tracks");
  Bad({"import", file_, Put("zero.mid", Header(1, 1, 0) + Chunk("MTrk", kEnd))}, "zero.mid");
  EXPECT_EQ(Info()["lanes"].size(), 0U);
  EXPECT_EQ(Must(Open().TempoMaps()).size(), 0U);
  // Cut short: what is there is taken, and that is told; or it is refused.
  const Data cut(song.begin(), song.end() - 7);
  const std::string path = Put("cut.mid", cut);
  Bad({"import", file_, path, "--strict"}, "--strict was given");
  EXPECT_EQ(Info()["lanes"].size(), 0U);
  const auto told = JsonLines(Good({"import", file_, path, "--json"}).out);
  EXPECT_GE(told.back()["warnings"].size(), 1U);
  EXPECT_EQ(Exported(file_), cut);
  const std::string words = Good({"import", file_, path, "--lane", "again"}).out;
  EXPECT_NE(words.find("  cut.mid: byte "), std::string::npos) << words;
  EXPECT_EQ(LaneNames()[3], "again 2");
}

TEST_F(Midi, OptionsThatAreForAudioAreRefused) {
  Create();
  const std::string song = Put("song.mid", Song());
  Bad({"import", file_, song, "--append"}, "--append is for audio");
  Bad({"import", file_, song, "--overwrite"}, "--overwrite is for audio");
  Bad({"import", file_, song, "--at", "bext"}, "does not say where it lies");
  Bad({"import", file_, song, song, "--lane", "a"}, "--lane names the lanes of one MIDI file");
  Bad({"import", file_, song, "--at", "0:59:59.5"}, "past the capacity");
  WriteAudio(dir_.path("a.wav"), kFloatWav, 1, 48000, Noise(1000, 1));
  Bad({"import", file_, song, dir_.path("a.wav"), "--lane", "a"}, "both audio and MIDI");
  Bad({"import", file_, dir_.path("a.wav"), "--dense"}, "--dense is for MIDI");
  EXPECT_EQ(Info()["lanes"].size(), 0U);
  // Together without --lane, and out of a folder.
  Good({"import", file_, song, dir_.path("a.wav")});
  EXPECT_EQ(LaneNames(), (std::vector<std::string>{"a", "Song", "Pia no!"}));
  Bad({"import", file_, Put("one.mid", OneTrack(kEnd)), "--lane", "Song"}, "a lane 'Song' already");

  Bad({"export", file_, "--out", dir_.path("b.mid"), "--lane", "a"}, "is of kind audio");
  Bad({"export", file_, "--out", dir_.path("b.wav"), "--lane", "Song"}, "holds events");
  Bad({"export", file_, "--out", dir_.path("b.mid"), "--from", "1"}, "--from and --to are for");
  Bad({"export", file_, "--out", dir_.path("b.mid"), "--bext"}, "--dither and --bext");
  Bad({"export", file_, "--out-dir", dir_.path("b"), "--all", "--format", "mid"}, "give --out");
  Bad({"export", file_, "--out", file_, "--format", "mid"}, "the canvas itself");
  Good({"export", file_, "--out", dir_.path("c.mid")});
  Bad({"export", file_, "--out", dir_.path("c.mid")}, "exists already");
  const std::string all = Good({"export", file_, "--all", "--out-dir", dir_.path("stems")}).out;
  EXPECT_NE(all.find("lane 'Song' holds events, left out"), std::string::npos) << all;
  Good({"create", dir_.path("empty.canvas"), "--hours", "1"});
  Bad({"export", dir_.path("empty.canvas"), "--out", dir_.path("d.mid")}, "no lanes of MIDI");
}

TEST_F(Midi, AFullPageLeavesNothingBehindAndDenseHasRoom) {
  Create();
  Data events = {0x00, 0xB0, 1, 1};
  for (int i = 0; i < 16384; ++i) events = std::move(events) + Data{0x00, 1, 1};
  const Data full = Header(1, 2, 96) + Chunk("MTrk", kEnd) + Chunk("MTrk", events + kEnd);
  const std::string path = Put("full.mid", full);
  Bad({"import", file_, path}, "--dense");
  EXPECT_EQ(Info()["lanes"].size(), 0U);
  EXPECT_EQ(Must(Open().TempoMaps()).size(), 0U);
  Good({"import", file_, path, "--dense"});
  EXPECT_TRUE(Info()["lanes"][1]["dense"]);
  EXPECT_EQ(Exported(file_), full);
}

TEST_F(Midi, FilesOfOtherTimesAndFramesComeBackToo) {
  const Data track = Data{0x00, 0x90, 60, 1, 25, 0x80, 60, 1} + kEnd;
  const Data data = OneTrack(track) + Data{};
  Data riff = Text("RIFF") + Data{static_cast<std::uint8_t>(12 + data.size()), 0, 0, 0} +
              Text("RMIDdata") + Data{static_cast<std::uint8_t>(data.size()), 0, 0, 0} + data;
  if (data.size() % 2 != 0) riff.push_back(0);
  const std::vector<std::pair<std::string, Data>> files = {
      // 25 frames a second of 40 ticks: a tick is a millisecond.
      {"smpte.mid", Header(1, 1, 0xE728) + Chunk("MTrk", track)},
      {"songs.smf", Header(2, 2, 96) + Chunk("MTrk", track) +
                        Chunk("MTrk", Data{0x00, 0xFF, 0x51, 3, 1, 0, 0} + track)},
      {"riff.rmi", riff},
      {"empty.mid", Header(1, 2, 96) + Chunk("MTrk", {}) + Chunk("MTrk", track)},
      {"other.mid", Header(1, 1, 96) + Chunk("XFIH", {1, 2, 3}) + Chunk("MTrk", track)}};
  for (const auto& [name, file] : files) {
    const std::string canvas = dir_.path(name + ".canvas");
    Good({"create", canvas, "--hours", "1"});
    Good({"import", canvas, Put(name, file)});
    EXPECT_EQ(Exported(canvas), file) << name;
    EXPECT_TRUE(Good({"check", canvas}).out.find("nothing is wrong") != std::string::npos);
  }
  EXPECT_NE(Good({"events", dir_.path("smpte.mid.canvas")}).out.find("0:00.025         25"),
            std::string::npos);
  // A plain file in RIFF, where the name says so; and one out of a pipe, into a pipe.
  Create();
  Good({"import", file_, Put("plain.mid", data)});
  Good({"export", file_, "--out", dir_.path("wrapped.rmi")});
  EXPECT_EQ(Get("wrapped.rmi"), riff);
  const std::string piped = dir_.path("piped.canvas");
  Good({"create", piped, "--hours", "1"});
  EXPECT_EQ(std::system(fmt::format("tools/canvas import {0} - --lane keys < {1} > /dev/null && "
                                    "tools/canvas export {0} --out - --format mid > {2} "
                                    "2> /dev/null",
                                    piped, dir_.path("plain.mid"), dir_.path("piped.mid"))
                            .c_str()),
            0);
  EXPECT_EQ(Get("piped.mid"), data);
}

TEST_F(Midi, ProvenanceThatIsTooLongIsToldAndTheEventsComeBack) {
  Create();
  const Data file =
      Header(1, 1, 96) + Chunk("MTrk", Data{0x00, 0x90, 60, 1} + kEnd + Data(5000, 7));
  const std::string words = Good({"import", file_, Put("long.mid", file)}).out;
  EXPECT_NE(words.find("more than is kept"), std::string::npos) << words;
  EXPECT_EQ(ListOf(Exported(file_)), ListOf(file));
}

TEST_F(Midi, LanesOfAProgramBecomeAFileByTheirFrames) {
  Create();
  {
    Canvas canvas = Open();
    const LaneId lane =
        Must(canvas.AddLane({.name = "take", .kind = LaneKind::kMidi, .rate = {44100, 1}}));
    EventWriter writer = Must(canvas.EventsWriter(lane));
    const std::array<std::byte, 3> on{std::byte{0x90}, std::byte{60}, std::byte{1}};
    const std::array<std::byte, 4> ump{std::byte{1}, std::byte{2}, std::byte{0x90},
                                       std::byte{0x20}};
    Must(writer.Append({.frame = Frame(44100), .bytes = on}));
    Must(writer.Append({.frame = Frame(44100), .kind = EventKind::kUmp, .bytes = ump}));
    Must(writer.Append(
        {.frame = Frame(44101), .kind = EventKind::kApplication, .tag = 7, .bytes = on}));
    (void)Must(canvas.AddLane({.name = "notes", .kind = LaneKind::kRecords, .rate = {44100, 1}}));
  }
  const std::string events = Good({"events", file_}).out;
  EXPECT_NE(events.find("-  take                      ump 20900201\n"), std::string::npos)
      << events;
  EXPECT_NE(events.find("application 7 3 bytes\n"), std::string::npos) << events;
  const Data file = Exported(file_);
  EXPECT_NE(told_.find("2 events left out"), std::string::npos) << told_;
  // 120 to the minute, 960 ticks a quarter.
  EXPECT_EQ(Must(midi::ParseSmf(file, {.strict = true})).header().division.word, 960);
  const Listed list = ListOf(file);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1][0].second, "ff03" + midi::testing::Hex(Text("take")));
  EXPECT_EQ(list[1][1], (std::pair<std::int64_t, std::string>(1920, "903c01")));
  Bad({"export", file_, "--out", dir_.path("b.mid"), "--lane", "notes"}, "is of kind records");
}

TEST_F(Midi, LanesAreCopiedComparedAndCutWithTheirTicks) {
  Create();
  Good({"import", file_, Put("song.mid", Song())});
  const std::string copy = dir_.path("copy.canvas");
  Good({"cp", file_, copy});
  Good({"diff", file_, copy});
  EXPECT_EQ(Exported(copy), Song());
  // Into one that is there, elsewhere on its timeline.
  const std::string other = dir_.path("other.canvas");
  Good({"create", other, "--hours", "1"});
  Good({"cp", file_, other, "--at", "60"});
  EXPECT_EQ(Exported(other), Song());
  Bad({"cp", file_, other, "--at", "60"}, "holds something already");
  Good({"cp", file_, other, "--at", "60", "--overwrite"});
  EXPECT_EQ(Exported(other), Song());
  const Outcome differs = Run({"diff", file_, other, "--lane", "Pia no!"});
  EXPECT_EQ(differs.exit_code, 1);
  EXPECT_NE(differs.out.find("other events from 0:00.000"), std::string::npos) << differs.out;
  // To where other music lies: the events go, their ticks would mean something else.
  Good({"cp", file_, other, "--lane", "Pia no!", "--at", "90"});
  const std::string events = Good({"events", other, "--from", "90", "--to", "100"}).out;
  EXPECT_NE(events.find("-  Pia no!                   ch 2 note on C4"), std::string::npos)
      << events;

  // Cut in the midst: the second piece is at the tempo that it was at.
  Good({"split", file_, "--at", "0.5", "--out-dir", dir_.path("cut")});
  const Data second = Exported(dir_.path("cut/sut-2.canvas"));
  EXPECT_EQ(Must(midi::TempoMapOf(Must(midi::ParseSmf(second)))).map.tempi,
            Must(Open().TempoMaps())[0].tempi);
  const Listed list = ListOf(second);
  EXPECT_EQ(list[2][1], (std::pair<std::int64_t, std::string>(48, "813c1e")));
  EXPECT_EQ(Info()["lanes"].size(), 2U);

  const std::string removed =
      Good({"rm", file_, "--lane", "Pia no!", "--from", "0.2", "--to", "0.9"}).out;
  EXPECT_NE(removed.find("removed 1 event\n"), std::string::npos) << removed;
  EXPECT_EQ(ListOf(Exported(file_))[1].size(), 9U);
  Good({"rm", file_, "--lane", "Song"});
  EXPECT_EQ(LaneNames(), std::vector<std::string>{"Pia no!"});
  EXPECT_EQ(Must(Open().Markers()).size(), 0U);
}

TEST_F(Midi, WhatIsForSamplesAloneSaysSo) {
  Create();
  Good({"import", file_, Put("song.mid", Song())});
  Bad({"cat", file_, "Song"}, "holds events, and no samples");
  Bad({"stat", file_, "--lane", "Song"}, "holds events, and no samples");
  Bad({"silence", file_, "--lane", "Song"}, "holds events");
  Good({"stat", file_});
  const std::string list = Good({"ls", file_}).out;
  EXPECT_NE(list.find("10 events"), std::string::npos) << list;
  Good({"marker", "add", file_, "24000f", "--lane", "Pia no!", "--name", "x"});
  const std::string usage = Good({"du", file_}).out;
  EXPECT_NE(usage.find("frames and events that can be read"), std::string::npos) << usage;
  WriteAudio(dir_.path("a.wav"), kFloatWav, 1, 48000, Noise(1000, 1));
  Bad({"import", file_, dir_.path("a.wav"), "--lane", "Song"}, "lane 'Song' has");
  Bad({"notes", file_, "--lane", "nobody"}, "there is no lane");
}

}  // namespace
}  // namespace canvas::cli
