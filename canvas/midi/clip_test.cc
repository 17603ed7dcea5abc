#include "canvas/midi/clip.h"

#include <gtest/gtest.h>

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

const Data kMagic = Text("SMF2CLIP");
const Data kTicks = {0x00, 0x30, 0x01, 0xE0};  // 480 a quarter
const Data kStart = {0xF0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Data kClipEnd = {0xF0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Data kNote = {0x40, 0x90, 60, 0, 0xC0, 0, 0, 0};
const Data kOldNote = {0x20, 0x90, 60, 64};

Data Stamp(std::uint32_t ticks) {
  return {0x00, static_cast<std::uint8_t>(0x40 | ticks >> 16),
          static_cast<std::uint8_t>(ticks >> 8), static_cast<std::uint8_t>(ticks)};
}

Data Canonical() {
  return kMagic + Stamp(0) + kTicks + Stamp(0) + kStart + Stamp(0) + kNote + Stamp(480) + kOldNote +
         Stamp(10) + kClipEnd;
}

Data Written(const Clip& clip) {
  return Must(WriteClip(Must(clip.Events()), Must(clip.Provenance()))).bytes;
}

Clip Read(const Data& file) {
  Clip clip = Must(ParseClip(file));
  EXPECT_EQ(Written(clip), file);
  return clip;
}

std::string List(const Clip& clip) {
  std::string text;
  for (const ClipEvent& event : clip.events())
    text += (text.empty() ? "" : " ") + std::to_string(event.tick) + ":" +
            Hex(clip.bytes(event)).substr(0, 8);
  return text;
}

using Odd = ClipOddity;

TEST(Clip, SizesOfMessages) {
  const std::vector<std::size_t> sizes = {4, 4, 4, 8, 8, 16, 4, 4, 8, 8, 8, 12, 12, 16, 16, 16};
  for (std::size_t type = 0; type < 16; ++type)
    EXPECT_EQ(UmpBytes(static_cast<std::uint8_t>(type << 4 | 5U)), sizes[type]) << type;
}

TEST(Clip, ReadsACanonicalOne) {
  const Clip clip = Read(Canonical());
  EXPECT_EQ(List(clip), "0:003001e0 0:f0200000 0:40903c00 480:20903c40 490:f0210000");
  EXPECT_EQ(clip.ticks_per_quarter(), 480);
  EXPECT_EQ(clip.start(), 1U);
  EXPECT_EQ(clip.warning_count(), 0U);
  EXPECT_EQ(Must(clip.Provenance()).size(), 11U);
  EXPECT_TRUE(ParseClip(Canonical(), {.strict = true}).has_value());
}

TEST(Clip, LongTimesAreSeveralClockstamps) {
  const Data file = kMagic + Stamp(0) + kTicks + Stamp(0) + kStart + Stamp(0xFFFFF) +
                    Stamp(0xFFFFF) + Stamp(1) + kNote + Stamp(0xFFFFF) + kClipEnd;
  const Clip clip = Read(file);
  EXPECT_EQ(clip.warning_count(), 0U);
  EXPECT_EQ(clip.events()[2].tick, 2 * 0xFFFFF + 1);
  EXPECT_EQ(Must(clip.Provenance()).size(), 11U);
  EXPECT_EQ(Must(WriteClip(Must(clip.Events()))).bytes, file);
}

TEST(Clip, KeepsAndNamesEachOddity) {
  struct Case {
    const char* what;
    Data file;
    std::vector<Odd> odd;
    std::string list;
  };
  const Data head = kMagic + Stamp(0) + kTicks + Stamp(0) + kStart;
  const Data end = Stamp(0) + kClipEnd;
  const std::vector<Case> cases = {
      {"nothing", kMagic, {Odd::kNoTicksPerQuarter, Odd::kNoStart, Odd::kNoEnd}, ""},
      {"no ticks",
       kMagic + Stamp(0) + kStart + end,
       {Odd::kNoTicksPerQuarter},
       "0:f0200000 0:f0210000"},
      {"no start",
       kMagic + Stamp(0) + kTicks + Stamp(5) + kNote + end,
       {Odd::kNoStart},
       "0:003001e0 5:40903c00 5:f0210000"},
      {"no end", head, {Odd::kNoEnd}, "0:003001e0 0:f0200000"},
      {"more behind",
       head + end + kNote + Data{1},
       {Odd::kAfterEnd},
       "0:003001e0 0:f0200000 0:f0210000"},
      {"half a message",
       head + Stamp(7) + Data{0x40, 0x90, 60, 0, 1},
       {Odd::kCutShort, Odd::kNoEnd},
       "0:003001e0 0:f0200000"},
      {"a time and no message",
       head + Stamp(7),
       {Odd::kCutShort, Odd::kNoEnd},
       "0:003001e0 0:f0200000"},
      {"no clockstamps of 0",
       kMagic + kTicks + kStart + kNote + kNote + Stamp(9) + kNote + kClipEnd,
       {Odd::kClockstamp, Odd::kClockstamp, Odd::kClockstamp, Odd::kClockstamp, Odd::kClockstamp},
       "0:003001e0 0:f0200000 0:40903c00 0:40903c00 9:40903c00 9:f0210000"},
      {"two for one",
       head + Stamp(3) + Stamp(0) + kNote + end,
       {Odd::kClockstamp},
       "0:003001e0 0:f0200000 3:40903c00 3:f0210000"},
      {"a long one and a 0",
       head + Stamp(0xFFFFF) + Stamp(0) + kNote + end,
       {Odd::kClockstamp},
       "0:003001e0 0:f0200000 1048575:40903c00 1048575:f0210000"},
      {"reserved bits",
       head + Data{0x05, 0x40, 0, 3} + kNote + end,
       {Odd::kClockstamp},
       "0:003001e0 0:f0200000 3:40903c00 3:f0210000"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const Clip clip = Read(one.file);
    std::vector<Odd> odd;
    for (const ClipWarning& warning : clip.warnings()) odd.push_back(warning.oddity);
    EXPECT_EQ(odd, one.odd);
    EXPECT_EQ(List(clip), one.list);
    EXPECT_FALSE(ParseClip(one.file, {.strict = true}).has_value());
    // Without provenance it is one that strict reading takes.
    const ClipWritten written = Must(WriteClip(Must(clip.Events()), {}, 96));
    EXPECT_FALSE(written.as_read);
    EXPECT_TRUE(ParseClip(written.bytes, {.strict = true}).has_value());
  }
  EXPECT_FALSE(ParseClip(Text("SMF2CLI")).has_value());
  EXPECT_FALSE(ParseClip(Text("MThd....")).has_value());
}

TEST(Clip, LeavingOutClockstampsCostsAByte) {
  Data file = kMagic + kTicks + kStart;
  for (int i = 0; i < 200; ++i) file = file + kNote + Stamp(5) + kNote;
  EXPECT_LE(Must(Read(file + kClipEnd).Provenance()).size(), 14U);
}

TEST(Clip, AnEditIsNoticed) {
  const Clip clip = Read(Canonical());
  std::vector<Event> events = Must(clip.Events());
  events[2].tick = 5;
  const ClipWritten written = Must(WriteClip(events, Must(clip.Provenance())));
  EXPECT_FALSE(written.as_read);
  EXPECT_EQ(written.bytes, kMagic + Stamp(0) + kTicks + Stamp(0) + kStart + Stamp(5) + kNote +
                               Stamp(475) + kOldNote + Stamp(10) + kClipEnd);
  std::swap(events[3], events[4]);
  EXPECT_FALSE(WriteClip(events).has_value());  // they descend
  events[3].tick = events[4].tick = 480;
  EXPECT_TRUE(IsEndOfClip(Must(ParseClip(Must(WriteClip(events)).bytes, {.strict = true}))
                              .Events()
                              .value()
                              .back()
                              .bytes));
  const Data stamp = Stamp(1);
  for (const Data& bad : {Data{}, Data{0x40, 1, 2, 3}, stamp}) {
    events[2].bytes = bad;
    EXPECT_FALSE(WriteClip(events).has_value());
  }
}

TEST(Clip, AStartIsNotAddedBeforeLateTicks) {
  const std::vector<Event> events = {{5, kTicks}, {6, kNote}};
  EXPECT_EQ(Must(WriteClip(events)).bytes, kMagic + Stamp(5) + kTicks + Stamp(0) + kStart +
                                               Stamp(1) + kNote + Stamp(0) + kClipEnd);
  const Data ticks = {0, 0x30, 0x03, 0xC0};
  EXPECT_EQ(Must(WriteClip({})).bytes,
            kMagic + Stamp(0) + ticks + Stamp(0) + kStart + Stamp(0) + kClipEnd);
  const std::vector<Event> far = {{std::int64_t{1} << 50, kNote}};
  EXPECT_EQ(WriteClip(far).error().code(), ErrorCode::kLimit);
}

void RoundTrip(const Data& file) {
  if (const auto clip = ParseClip(file)) {
    ASSERT_EQ(Written(*clip), file);
  }
}

TEST(Clip, CutShortOrDamagedAtEveryByteItComesBack) {
  for (Data file : {Canonical(), kMagic + kTicks + kStart + kNote + kNote + Stamp(9) + Stamp(1) +
                                     kNote + kClipEnd + kNote}) {
    for (std::size_t size = 0; size <= file.size(); ++size)
      RoundTrip({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)});
    for (std::uint8_t& byte : file) {
      const std::uint8_t good = byte;
      for (int value = 0; value < 256; ++value) {
        byte = static_cast<std::uint8_t>(value);
        RoundTrip(file);
      }
      byte = good;
    }
  }
}

TEST(Clip, NoiseAndDamagedProvenance) {
  std::mt19937 random(2);
  const std::vector<Data> parts = {Stamp(0), Stamp(0), Stamp(7), Stamp(0xFFFFF), kTicks,
                                   kStart,   kNote,    kOldNote, kClipEnd,       {1, 2, 3}};
  for (int i = 0; i < (kSanitized ? 1000 : 10000); ++i) {
    Data file = kMagic;
    for (std::size_t k = random() % 12; k > 0; --k) file = file + parts[random() % parts.size()];
    RoundTrip(file);
    const Clip clip = Must(ParseClip(file));
    Data blob = Must(clip.Provenance());
    blob[random() % blob.size()] = static_cast<std::uint8_t>(random());
    (void)WriteClip(Must(clip.Events()), blob);
    blob.resize(1 + random() % blob.size());
    (void)WriteClip(Must(clip.Events()), blob);
  }
}

}  // namespace
}  // namespace canvas::midi
