// Standard MIDI Files by hand: every rule of reading and writing, every oddity, and every small
// file cut short at each byte and damaged in each byte.
#include "canvas/midi/smf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "canvas/midi/midi_testing.h"
#include "canvas/testing/basics.h"
#include "canvas/testing/must.h"

namespace canvas::midi {
namespace {

using canvas::testing::kSanitized;
using canvas::testing::Must;
using namespace testing;  // NOLINT: of this folder

// Reads it, and sees that it comes back.
Smf Read(const Data& file) {
  Smf smf = Must(ParseSmf(file));
  EXPECT_EQ(Must(WriteSmf(smf)), file);
  return smf;
}

// "0:903c40 96:803c40".
std::string List(const Smf& smf, std::size_t track = 0) {
  std::string text;
  for (const SmfEvent& event : smf.events(track)) {
    if (!text.empty()) text += ' ';
    text += std::to_string(event.tick) + ":" + Hex(smf.bytes(event));
  }
  return text;
}

std::vector<SmfOddity> Oddities(const Smf& smf) {
  std::vector<SmfOddity> found;
  for (const SmfWarning& warning : smf.warnings()) found.push_back(warning.oddity);
  return found;
}

using Odd = SmfOddity;
using OddList = std::vector<SmfOddity>;

// Its events with its provenance, to be edited.
struct Stored {
  explicit Stored(const Data& bytes)
      : smf(Read(bytes)), header(smf.header()), file(Must(smf.FileProvenance())) {
    for (std::size_t i = 0; i < smf.track_count(); ++i) {
      events.push_back(Must(smf.Events(i)));
      blobs.push_back(Must(smf.TrackProvenance(i)));
    }
  }
  Result<SmfWritten> Write() const {
    std::vector<SmfTrackToWrite> tracks;
    for (std::size_t i = 0; i < events.size(); ++i) tracks.push_back({events[i], blobs[i]});
    return WriteSmf(header, tracks, file);
  }
  Smf smf;  // which has the events' bytes
  SmfHeader header;
  std::vector<std::vector<Event>> events;
  std::vector<Data> blobs;
  Data file;
};

// Small files that have something of everything, for damage.
std::vector<Data> Samples() {
  return {
      OneTrack(Data{0x00, 0x90, 0x3C, 0x40, 0x60, 0x3C, 0x00, 0x00, 0xC1, 0x05} + kEnd),
      Header(1, 2, 480) +
          Chunk("MTrk", Data{0x00, 0xFF, 0x51, 0x03, 0x07, 0xA1, 0x20, 0x00, 0xFF, 0x58, 0x04,
                             0x04, 0x02, 0x18, 0x08, 0x00, 0xFF, 0x59, 0x02, 0x00, 0x00} +
                            kEnd) +
          Chunk("XFIH", {1, 2, 3}) +
          Chunk("MTrk",
                Data{0x00, 0xF0, 0x05, 0x7E, 0x7F, 0x09, 0x01, 0xF7, 0x81, 0x00, 0xF7, 0x02, 0xF8,
                     0xFA, 0x00, 0xB0, 0x07, 0x64, 0x00, 0x0A, 0x40, 0x00, 0xB0, 0x0B, 0x7F} +
                    kEnd) +
          Data{0xDE, 0xAD},
      Chunk("MThd", {0, 0, 0, 1, 0xE7, 0x28, 9, 9}) +
          Chunk("MTrk", Data{0x80, 0x00, 0x90, 0x3C, 0x40, 0x00, 0xFF, 0x01, 0x80, 0x02, 'h',
                             'i',  0x00, 0x3C, 0x00, 0x00, 0xF1, 0x22, 0x00, 0x90, 0x85, 0x40} +
                            kEnd + Data{1, 2, 3}),
  };
}

TEST(Smf, ReadsRunningStatusAsWholeMessages) {
  const Smf smf = Read(OneTrack(Data{0x00, 0x90, 0x3C, 0x40, 0x60, 0x3C, 0x00, 0x00, 0xC1, 0x05,
                                     0x00, 0x06, 0x81, 0x00, 0xE2, 0x00, 0x40} +
                                kEnd));
  EXPECT_EQ(smf.header().format, 0);
  EXPECT_EQ(smf.header().division.ticks_per_quarter(), 96);
  EXPECT_EQ(List(smf), "0:903c40 96:903c00 96:c105 96:c106 224:e20040 224:ff2f");
  EXPECT_EQ(smf.warning_count(), 0U);
  // Canonical: checksum, count and no more.
  EXPECT_EQ(Must(smf.TrackProvenance(0)).size(), 11U);
}

TEST(Smf, ReadsSysExEscapesAndMetaEventsWithoutTheirLengths) {
  const Smf smf = Read(
      OneTrack(Data{0x00, 0xF0, 0x03, 0x7E, 0x01, 0x02, 0x10, 0xF7, 0x02, 0x03, 0xF7, 0x00, 0xF7,
                    0x01, 0xFA, 0x00, 0xFF, 0x7F, 0x03, 0x00, 0x20, 0x33, 0x00, 0xFF, 0x01, 0x00} +
               kEnd));
  EXPECT_EQ(List(smf), "0:f07e0102 16:f703f7 16:f7fa 16:ff7f002033 16:ff01 16:ff2f");
  EXPECT_EQ(smf.warning_count(), 0U);
}

TEST(Smf, ReadsSmpteDivisionsAndFormat2) {
  const Smf smf = Read(Header(2, 2, 0xE728) + Chunk("MTrk", kEnd) + Chunk("MTrk", kEnd));
  EXPECT_EQ(smf.header().format, 2);
  EXPECT_TRUE(smf.header().division.is_smpte());
  EXPECT_EQ(smf.header().division.frames_per_second(), 25);
  EXPECT_EQ(smf.header().division.ticks_per_frame(), 40);
  EXPECT_EQ(smf.header().division, SmfDivision::Smpte(25, 40));
  EXPECT_EQ(smf.warning_count(), 0U);
}

TEST(Smf, SumsTheLongestDeltas) {
  Data events;
  for (int i = 0; i < 1000; ++i) {
    const Data one = {0xFF, 0xFF, 0xFF, 0x7F, 0x90, 0x3C, 0x40};
    events.insert(events.end(), one.begin(), one.end());
  }
  const Smf smf = Read(OneTrack(events + kEnd));
  EXPECT_EQ(smf.events(0).back().tick, std::int64_t{1000} * kMaxQuantity);
  // That never uses running status, which costs one byte; the count takes two.
  EXPECT_EQ(Must(smf.TrackProvenance(0)).size(), 13U);
}

TEST(Smf, HabitsOfRunningStatusCostLittle) {
  // Used for notes alone.
  Data notes;
  Data mixed;
  std::mt19937 random(5);
  std::size_t choices = 0;
  for (int i = 0; i < 1000; ++i) {
    notes = notes + (i == 0 ? Data{0, 0x90, 60, 64} : Data{0, 60, 64});
    const bool repeated = i == 0 || random() % 4 == 0;
    choices += repeated ? 1 : 0;
    mixed = mixed + (repeated ? Data{0, 0x90, 60, 64} : Data{0, 60, 64});
  }
  for (int i = 0; i < 100; ++i) notes = notes + Data{0, 0xB0, 7, 100};
  EXPECT_EQ(Must(Read(OneTrack(notes + kEnd)).TrackProvenance(0)).size(), 13U);
  // At random: two changes for each that is not as most are, a byte each.
  EXPECT_LE(Must(Read(OneTrack(mixed + kEnd)).TrackProvenance(0)).size(), 16 + 2 * choices);
}

TEST(Smf, KeepsAndNamesEachOddity) {
  struct Case {
    const char* what;
    Data file;
    OddList odd;
    std::string list;
  };
  const Data on = {0x00, 0x90, 0x3C, 0x40};
  const Data meta = {0x00, 0xFF, 0x01, 0x01, 'x'};
  const std::vector<Case> cases = {
      {"running status across a meta event",
       OneTrack(on + meta + Data{0, 0x3C, 0} + kEnd),
       {Odd::kRunningStatus},
       "0:903c40 0:ff0178 0:903c00 0:ff2f"},
      {"and again after another message",
       OneTrack(Data{0, 0xC1, 7} + on + meta + Data{0, 0x3C, 0} + meta + Data{0, 0x3C, 1} + kEnd),
       {Odd::kRunningStatus, Odd::kRunningStatus},
       "0:c107 0:903c40 0:ff0178 0:903c00 0:ff0178 0:903c01 0:ff2f"},
      {"running status across a SysEx",
       OneTrack(on + Data{0, 0xF0, 1, 0xF7, 0, 0x3C, 0} + kEnd),
       {Odd::kRunningStatus},
       "0:903c40 0:f0f7 0:903c00 0:ff2f"},
      {"no status at all",
       OneTrack(Data{0x00, 0x3C, 0x40} + kEnd),
       {Odd::kTrackCutShort, Odd::kNoEndOfTrack},
       ""},
      {"data bytes above 127",
       OneTrack(Data{0, 0x90, 0x85, 0x40, 0, 0x90, 0x3C, 0xFF} + kEnd),
       {Odd::kDataByte, Odd::kDataByte},
       "0:908540 0:903cff 0:ff2f"},
      {"a song position and a clock",
       OneTrack(Data{0, 0xF2, 1, 2, 0, 0xF8} + kEnd),
       {Odd::kSystemStatus, Odd::kSystemStatus},
       "0:f20102 0:f8 0:ff2f"},
      {"no end of track", OneTrack(on), {Odd::kNoEndOfTrack}, "0:903c40"},
      {"a message that is cut",
       OneTrack(on + Data{0x00, 0x90, 0x3C}),
       {Odd::kTrackCutShort, Odd::kNoEndOfTrack},
       "0:903c40"},
      {"a SysEx beyond the track",
       OneTrack(on + Data{0x00, 0xF0, 0x20, 0x01}),
       {Odd::kTrackCutShort, Odd::kNoEndOfTrack},
       "0:903c40"},
      {"a delta of 2^28",
       OneTrack(on + Data{0x81, 0x80, 0x80, 0x80, 0x00, 0x3C, 0x00} + kEnd),
       {Odd::kTrackCutShort, Odd::kNoEndOfTrack},
       "0:903c40"},
      {"a delta of 2^32",
       OneTrack(on + Data{0x90, 0x80, 0x80, 0x80, 0x00, 0x3C, 0x00} + kEnd),
       {Odd::kTrackCutShort, Odd::kNoEndOfTrack},
       "0:903c40"},
      {"a quantity of 17 bytes",
       OneTrack(on + Data(16, 0x80) + Data{0, 0x3C, 0x00} + kEnd),
       {Odd::kTrackCutShort, Odd::kNoEndOfTrack},
       "0:903c40"},
      {"a quantity of 16 bytes",
       OneTrack(on + Data(15, 0x80) + Data{0, 0x3C, 0x00} + kEnd),
       {Odd::kQuantity},
       "0:903c40 0:903c00 0:ff2f"},
      {"events after the end",
       OneTrack(on + kEnd + on),
       {Odd::kAfterEndOfTrack},
       "0:903c40 0:ff2f"},
      {"an end with data", OneTrack(Data{0, 0xFF, 0x2F, 1, 7}), {Odd::kMetaLength}, "0:ff2f07"},
      {"quantities that are too long",
       OneTrack(
           Data{0x80, 0x80, 0x80, 0x80, 0x05, 0x90, 0x3C, 0x40, 0x00, 0xFF, 0x01, 0x80, 0x01, 'x'} +
           kEnd),
       {Odd::kQuantity, Odd::kQuantity},
       "5:903c40 5:ff0178 5:ff2f"},
      {"a tempo of two bytes",
       OneTrack(Data{0, 0xFF, 0x51, 2, 7, 0xA1} + kEnd),
       {Odd::kMetaLength},
       "0:ff5107a1 0:ff2f"},
      {"a tempo of 0",
       OneTrack(Data{0, 0xFF, 0x51, 3, 0, 0, 0} + kEnd),
       {Odd::kTempo},
       "0:ff51000000 0:ff2f"},
      {"a meter of nothing",
       OneTrack(Data{0, 0xFF, 0x58, 4, 0, 2, 24, 8} + kEnd),
       {Odd::kMeter},
       "0:ff5800021808 0:ff2f"},
      {"eight sharps",
       OneTrack(Data{0, 0xFF, 0x59, 2, 8, 0} + kEnd),
       {Odd::kKey},
       "0:ff590800 0:ff2f"},
      {"a meta type above 127",
       OneTrack(Data{0, 0xFF, 0x90, 0} + kEnd),
       {Odd::kMetaType},
       "0:ff90 0:ff2f"},
      {"a division of 0", Header(0, 1, 0) + Chunk("MTrk", kEnd), {Odd::kDivision}, "0:ff2f"},
      {"17 frames a second",
       Header(0, 1, 0xEF28) + Chunk("MTrk", kEnd),
       {Odd::kDivision},
       "0:ff2f"},
      {"format 7", Header(7, 1, 96) + Chunk("MTrk", kEnd), {Odd::kFormat}, "0:ff2f"},
      {"fewer tracks than it says",
       Header(1, 5, 96) + Chunk("MTrk", kEnd),
       {Odd::kTrackCount},
       "0:ff2f"},
      {"two tracks in format 0",
       Header(0, 2, 96) + Chunk("MTrk", kEnd) + Chunk("MTrk", kEnd),
       {Odd::kTrackCount},
       "0:ff2f"},
      {"a further header",
       Header(0, 1, 96) + Header(0, 1, 96) + Chunk("MTrk", kEnd),
       {Odd::kStrayHeader},
       "0:ff2f"},
      {"an unknown chunk",
       Header(0, 1, 96) + Chunk("KARA", {1, 2}) + Chunk("MTrk", kEnd),
       {Odd::kUnknownChunk},
       "0:ff2f"},
      {"an unknown chunk beyond the file",
       OneTrack(kEnd) + Chunk("KARA", {1, 2}, 3),
       {Odd::kChunkLength, Odd::kTrailing},
       "0:ff2f"},
      {"something behind", OneTrack(kEnd) + Data{0, 0, 0}, {Odd::kTrailing}, "0:ff2f"},
      {"a track that says less",
       Header(0, 1, 96) + Chunk("MTrk", on + kEnd, 2),
       {Odd::kChunkLength},
       "0:903c40 0:ff2f"},
      {"a track that ends in a text",
       Header(0, 1, 96) + Chunk("MTrk", Data{0, 0xFF, 1, 10} + Text("ABCDEFGHIJ") + kEnd, 5),
       {Odd::kChunkLength},
       "0:ff014142434445464748494a 0:ff2f"},
      {"a track that says nothing",
       Header(0, 1, 96) + Chunk("MTrk", on + kEnd, 0),
       {Odd::kChunkLength},
       "0:903c40 0:ff2f"},
      {"a track that says more",
       Header(0, 1, 96) + Chunk("MTrk", on + kEnd, 0xFFFFFFFF),
       {Odd::kChunkLength},
       "0:903c40 0:ff2f"},
      {"a header of 8 bytes",
       Chunk("MThd", {0, 0, 0, 1, 0, 96, 7, 7}) + Chunk("MTrk", kEnd),
       {Odd::kHeaderLength},
       "0:ff2f"},
      {"a header that says 4",
       Chunk("MThd", {0, 0, 0, 1, 0, 96}, 4) + Chunk("MTrk", kEnd),
       {Odd::kHeaderLength},
       "0:ff2f"},
      {"a header that says 2^31",
       Chunk("MThd", {0, 0, 0, 1, 0, 96}, 0x80000000) + Chunk("MTrk", kEnd),
       {Odd::kHeaderLength},
       "0:ff2f"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const Smf smf = Read(one.file);
    EXPECT_EQ(Oddities(smf), one.odd);
    ASSERT_GE(smf.track_count(), 1U);
    EXPECT_EQ(List(smf), one.list);
    for (const SmfWarning& warning : smf.warnings()) EXPECT_LE(warning.offset, one.file.size());
    const auto strict = ParseSmf(one.file, {.strict = true});
    ASSERT_FALSE(strict.has_value());
    EXPECT_EQ(strict.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(strict.error().what(), smf.warnings()[0].Message());
    // After an edit it is a file that strict reading takes, but for what the events themselves and
    // the header say.
    static const std::vector<Odd> of_events = {
        Odd::kDataByte,     Odd::kMetaType, Odd::kMetaLength,  Odd::kTempo,
        Odd::kMeter,        Odd::kKey,      Odd::kFormat,      Odd::kDivision,
        Odd::kUnknownChunk, Odd::kQuantity, Odd::kHeaderLength};
    for (const bool in_place : {false, true}) {
      Stored stored(one.file);
      std::vector<Event>& events = stored.events[0];
      const Data extra = {0xB5, 0x07, 0x11};
      if (in_place && !events.empty())
        events[0].bytes = extra;
      else
        events.push_back({events.empty() ? 0 : events.back().tick, extra});
      const SmfWritten written = Must(stored.Write());
      EXPECT_FALSE(written.as_read);
      EXPECT_EQ(written.edited_tracks, 1U);
      const Smf again = Must(ParseSmf(written.bytes));
      for (const SmfWarning& warning : again.warnings())
        EXPECT_TRUE(std::ranges::count(of_events, warning.oddity) == 1 ||
                    (warning.oddity == Odd::kTrackCount && again.header().format == 0))
            << warning.Message();
    }
  }
}

TEST(Smf, WarningsSayWhereAndAreBounded) {
  Data events;
  for (int i = 0; i < 250; ++i) events = events + Data{0x00, 0xF8};
  const Smf smf = Read(OneTrack(events + kEnd));
  EXPECT_EQ(smf.warning_count(), 250U);
  ASSERT_EQ(smf.warnings().size(), 100U);
  EXPECT_EQ(smf.warnings()[1].Message(),
            "byte 25, chunk 1: a system message that a file may not have");
  EXPECT_EQ(Must(ParseSmf(OneTrack(events + kEnd), {.max_warnings = 3})).warnings().size(), 3U);
}

TEST(Smf, OnlyWhatIsNoMidiFileIsAnError) {
  for (const Data& bytes :
       {Data{}, Text("MTh"), Text("MTrk"), Text("RIFF\4\0\0\0RMID"), Text("fLaC and more")}) {
    const auto smf = ParseSmf(bytes);
    ASSERT_FALSE(smf.has_value());
    EXPECT_EQ(smf.error().code(), ErrorCode::kInvalidArgument);
  }
  for (std::size_t size = 4; size < 14; ++size) {
    Data header = Header(1, 0, 96);
    header.resize(size);
    EXPECT_EQ(Oddities(Read(header)).front(), Odd::kHeaderLength);
  }
}

TEST(Smf, ReadsRiffAndPutsItsLengthsRight) {
  const Data song = OneTrack(Data{0x00, 0x90, 0x3C, 0x40} + kEnd);
  const auto little = [](std::size_t value) {
    return Data{static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8), 0, 0};
  };
  const Data info = Text("DISP") + little(3) + Data{1, 2, 3, 0};
  const auto riff = [&](const Data& data) {
    const Data padded = data.size() % 2 != 0 ? data + Data{0} : data;
    const Data body = Text("RMID") + info + Text("data") + little(data.size()) + padded + info;
    return Text("RIFF") + little(body.size()) + body;
  };
  const Smf smf = Read(riff(song));
  EXPECT_EQ(List(smf), "0:903c40 0:ff2f");
  EXPECT_EQ(smf.warning_count(), 0U);
  Stored stored(riff(song));
  const Data extra = {0xC0, 0x01};
  stored.events[0].insert(stored.events[0].begin(), {0, extra});
  EXPECT_EQ(Must(stored.Write()).bytes,
            riff(OneTrack(Data{0x00, 0xC0, 0x01, 0x00, 0x90, 0x3C, 0x40} + kEnd)));
}

TEST(Smf, AnEditedTrackKeepsItsUseOfRunningStatusAndOthersAllTheirHabits) {
  // Never; and always but once, with a delta that is too long.
  const Data first = Data{0, 0x90, 60, 64, 0, 0x90, 62, 64} + kEnd;
  const Data second =
      Data{0, 0x91, 60, 64, 0, 62, 64, 0, 0x91, 64, 64, 0, 65, 64, 0x80, 0x07, 66, 1, 0, 67, 1} +
      kEnd;
  Stored stored(Header(1, 2, 96) + Chunk("MTrk", first) + Chunk("MTrk", second));
  EXPECT_TRUE(Must(stored.Write()).as_read);
  const Data extra = {0x90, 65, 64};
  stored.events[0].insert(stored.events[0].begin() + 2, {0, extra});
  const SmfWritten written = Must(stored.Write());
  EXPECT_FALSE(written.as_read);
  EXPECT_EQ(written.edited_tracks, 1U);
  EXPECT_EQ(written.left_out_bytes, 0U);
  EXPECT_EQ(written.bytes,
            Header(1, 2, 96) +
                Chunk("MTrk", Data{0, 0x90, 60, 64, 0, 0x90, 62, 64, 0, 0x90, 65, 64} + kEnd) +
                Chunk("MTrk", second));
}

TEST(Smf, AnEventThatIsChangedInPlaceLeavesTheOthersAsTheyWere) {
  const auto with = [](std::uint8_t velocity) {
    return OneTrack(Data{0, 0x91, 60, 64,   0,    62, velocity, 0, 0x91, 64, 64,
                         0, 65,   64, 0x80, 0x07, 66, 1,        0, 67,   1} +
                    kEnd);
  };
  Stored stored(with(64));
  const Data louder = {0x91, 62, 99};
  stored.events[0][1].bytes = louder;
  const SmfWritten written = Must(stored.Write());
  EXPECT_EQ(written.edited_tracks, 1U);
  EXPECT_EQ(written.bytes, with(99));

  // As far as the rules allow: of a delta of 16 bytes, four.
  Stored longer(OneTrack(Data{0, 0x91, 62, 64} + Data(15, 0x80) + Data{5, 63, 64} + kEnd));
  longer.events[0][0].bytes = louder;
  EXPECT_EQ(Must(longer.Write()).bytes,
            OneTrack(Data{0, 0x91, 62, 99, 0x80, 0x80, 0x80, 5, 63, 64} + kEnd));
}

TEST(Smf, HostileFilesTakeTimeInProportion) {
  // Megabytes of each: were one quadratic, this would not end.
  const Data on = {0x00, 0x90, 0x3C, 0x40};
  for (const Data& part :
       {Chunk("MTrk", {}), Chunk("MTrk", {}, 1), Chunk("MTrk", {}, 0xFFFFFFFF),
        Chunk("MTrk", kEnd, 0xFFFFFFFF), Chunk("MTrk", on, 0xFFFFFFFF), Chunk("MTrk", on + kEnd, 1),
        Chunk("MTrk", on + kEnd, 5), Chunk("MTrk", on + kEnd + on, 5), Chunk("KARA", {}),
        Data{0x00, 0xF8}, Data{0x80}, Data{0xFF, 0x01, 0x00, 0x00}}) {
    Data file = Header(1, 1, 96) + Chunk("MTrk", {}, 0x00FFFFFF);
    if (part[0] == 'M') file = Header(1, 1, 96);
    while (file.size() < (kSanitized ? 1U << 18 : 1U << 21))
      file.insert(file.end(), part.begin(), part.end());
    Read(file);
  }
}

TEST(Smf, ChangesThatAreNoticed) {
  const Data file = Header(1, 1, 96) + Chunk("MTrk", Data{0, 0x90, 60, 64, 9, 0x90, 62, 64} + kEnd);
  const auto edited = [&](auto change) {
    Stored stored(file);
    EXPECT_EQ(Must(stored.Write()).bytes, file);
    change(stored);
    const SmfWritten written = Must(stored.Write());
    EXPECT_FALSE(written.as_read);
    EXPECT_EQ(Must(ParseSmf(written.bytes, {.strict = true})).track_count(), stored.events.size());
    return written;
  };
  const Data other = {0x90, 62, 65};
  EXPECT_EQ(edited([&](Stored& s) { s.events[0][1].bytes = other; }).edited_tracks, 1U);
  EXPECT_EQ(edited([](Stored& s) { s.events[0][1].tick = 8; }).edited_tracks, 1U);
  EXPECT_EQ(edited([](Stored& s) { s.events[0].pop_back(); }).edited_tracks, 1U);
  EXPECT_EQ(edited([](Stored& s) { s.header.division.word = 97; }).edited_tracks, 0U);
  EXPECT_EQ(edited([](Stored& s) { s.header.format = 0; }).edited_tracks, 0U);
  EXPECT_EQ(edited([](Stored& s) { s.file.clear(); }).edited_tracks, 0U);
  EXPECT_EQ(edited([](Stored& s) { s.blobs[0].clear(); }).edited_tracks, 1U);
  edited([](Stored& s) {
    s.events.push_back(s.events[0]);
    s.blobs.push_back(s.blobs[0]);
  });
}

TEST(Smf, WritesCanonicallyWithoutProvenance) {
  const Data on = {0x90, 60, 64};
  const Data off = {0x90, 60, 0};
  const Data clock = {0xF8};
  const Data text = {0xFF, 0x01, 'x'};
  const Data end = {0xFF, 0x2F};
  const std::vector<Event> events = {{0, on},   {100, off},  {200, end}, {200, clock},
                                     {300, on}, {300, text}, {300, off}, {0x4300, off}};
  const SmfTrackToWrite track = {events, {}};
  const Data expected =
      Data{0, 0x90, 60,   64, 100, 60, 0,    0x64, 0xF7, 1,    0xF8, 0x64, 0x90, 60, 64,
           0, 0xFF, 0x01, 1,  'x', 0,  0x90, 60,   0,    0x81, 0x83, 0x54, 60,   0} +
      kEnd;
  EXPECT_EQ(Must(WriteSmf({0, {96}}, {&track, 1})).bytes, OneTrack(expected));
  EXPECT_EQ(Must(WriteSmf({0, {96}}, {})).bytes, Header(0, 0, 96));
}

TEST(Smf, RefusesWhatIsNoEvent) {
  const auto error = [](std::vector<Event> events) {
    const SmfTrackToWrite track = {events, {}};
    const auto written = WriteSmf({0, {96}}, {&track, 1});
    return written ? std::string("written") : written.error().what();
  };
  const Data on = {0x90, 60, 64};
  for (const Data& bad : {Data{}, Data{60, 64}, Data{0x90, 60}, Data{0xC0, 1, 2}, Data{0xFF},
                          Data{0xF8, 1}, Data{0xF2, 1}})
    EXPECT_TRUE(error({{0, on}, {0, bad}}).starts_with("event 1 of track 0 ")) << Hex(bad);
  EXPECT_EQ(error({{5, on}, {4, on}}), "event 1 of track 0 is earlier than the one before");
  EXPECT_EQ(error({{-1, on}}), "event 0 of track 0 is earlier than the one before");
  EXPECT_EQ(error({{kMaxQuantity, on}}), "written");
  EXPECT_EQ(error({{std::int64_t{kMaxQuantity} + 1, on}}),
            "event 0 of track 0 is 2^28 ticks or more after the one before");
}

TEST(Smf, DamagedProvenanceIsAnErrorOrAFile) {
  std::mt19937 random(7);
  for (const Data& file : Samples()) {
    const Smf smf = Read(file);
    const auto damage = [&](auto which) {
      Stored stored(file);
      Data& blob = which(stored);
      const Data good = blob;
      for (std::size_t i = 0; i < good.size(); ++i) {
        blob.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i));
        if (i > 0) {
          EXPECT_FALSE(stored.Write().has_value()) << i;
        }
        blob = good;
        for (int k = 0; k < 20; ++k) {
          blob[i] = static_cast<std::uint8_t>(random());
          if (const auto written = stored.Write()) Must(ParseSmf(written->bytes));
        }
      }
    };
    damage([](Stored& stored) -> Data& { return stored.file; });
    for (std::size_t i = 0; i < smf.track_count(); ++i)
      damage([i](Stored& stored) -> Data& { return stored.blobs[i]; });
    EXPECT_EQ(Must(HeaderOfProvenance(Must(smf.FileProvenance()))), smf.header());
  }
  EXPECT_FALSE(HeaderOfProvenance({}).has_value());
}

// What can be read comes back; what cannot is an error.
void RoundTrip(const Data& file) {
  const auto smf = ParseSmf(file);
  if (!smf) return;
  ASSERT_EQ(Must(WriteSmf(*smf)), file);
}

TEST(Smf, CutShortAtEveryByteItComesBack) {
  for (const Data& file : Samples())
    for (std::size_t size = 0; size <= file.size(); ++size)
      RoundTrip({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)});
}

TEST(Smf, DamagedInEveryByteItComesBack) {
  for (Data file : Samples())
    for (std::uint8_t& byte : file) {
      const std::uint8_t good = byte;
      for (int value = 0; value < 256; ++value) {
        byte = static_cast<std::uint8_t>(value);
        RoundTrip(file);
      }
      byte = good;
    }
}

TEST(Smf, RealSongsDamagedComeBack) {
  const auto songs = Songs();
  if (songs.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  std::mt19937 random(3);
  for (const auto& path : songs) {
    Data file = Slurp(path);
    for (int i = 0; i < (kSanitized ? 30 : 300); ++i) {
      std::uint8_t& byte = file[random() % file.size()];
      const std::uint8_t good = byte;
      byte = static_cast<std::uint8_t>(random());
      RoundTrip(file);
      if (i % 4 != 0) byte = good;  // some damage stays, and adds up
    }
    file.resize(random() % file.size());
    RoundTrip(file);
  }
}

TEST(Smf, NoiseOfMidiBytesComesBack) {
  static const Data bytes = {0x00, 0x00, 0x80, 0x81, 0x90, 0xC0, 0xF0, 0xF7, 0xFF, 0xF8, 0x2F, 0x51,
                             0x01, 0x03, 0x3C, 0x7F, 0xB0, 0x00, 0x05, 'M',  'T',  'r',  'k'};
  std::mt19937 random(11);
  for (int i = 0; i < (kSanitized ? 3000 : 30000); ++i) {
    Data events(random() % 60);
    for (std::uint8_t& byte : events) byte = bytes[random() % bytes.size()];
    const std::int64_t says = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 70) : -1;
    RoundTrip(Header(0, 1, 96) + Chunk("MTrk", events, says) +
              (random() % 2 == 0 ? Chunk("MTrk", kEnd) : Data{}));
  }
}

TEST(Smf, AMegabyteOfSysEx) {
  Data data(1 << 20);
  std::iota(data.begin(), data.end(), std::uint8_t{0});
  const Smf smf = Read(OneTrack(Data{0x00, 0xF0, 0xC0, 0x80, 0x00} + data + kEnd));
  ASSERT_EQ(smf.events(0).size(), 2U);
  EXPECT_EQ(smf.events(0)[0].size, 1U + (1U << 20));
  EXPECT_EQ(smf.warning_count(), 0U);
}

TEST(Smf, ThreeHundredTracksAndManyEvents) {
  Data file = Header(1, 300, 96);
  for (std::uint8_t i = 0; i < 100; ++i) {
    Data events;
    for (std::uint8_t k = 0; k < 100; ++k) {
      const Data one = {k, 0xC0, static_cast<std::uint8_t>(i + k / 4)};
      events.insert(events.end(), one.begin(), one.end());
    }
    file = file + Chunk("MTrk", events + kEnd) + Chunk("MTrk", kEnd) +
           Chunk("MTrk", Data{0, 0xC0, 1, 0, 1, 0, 2} + kEnd);
  }
  const Smf smf = Read(file);
  EXPECT_EQ(smf.track_count(), 300U);
  EXPECT_EQ(smf.events(297).size(), 101U);
  EXPECT_EQ(smf.warning_count(), 0U);
}

}  // namespace
}  // namespace canvas::midi
