#include "canvas/midi/meta.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "canvas/base/tempo.h"
#include "canvas/midi/midi_testing.h"
#include "canvas/testing/must.h"

namespace canvas::midi {
namespace {

using canvas::testing::Must;
using namespace testing;  // NOLINT: of this folder

Smf Parsed(const Data& file) { return Must(ParseSmf(file)); }

TEST(Meta, NamesTextsMarkers) {
  const Smf smf = Parsed(
      Header(1, 2, 480) +
      Chunk("MTrk",
            Data{0, 0xFF, 3, 4, 'S', 'o', 'n', 'g', 10, 0xFF, 6, 1, 'A', 0, 0xFF, 7, 0} + kEnd) +
      Chunk("MTrk", Data{0, 0xFF, 1, 1, 'x', 5, 0xFF, 3,    2, 0xE4, 'b',
                         0, 0xFF, 3, 1, 'c', 0, 0xFF, 0x20, 1, 0} +
                        kEnd));
  EXPECT_EQ(TrackName(smf, 0), "Song");
  EXPECT_EQ(TrackName(smf, 1),
            "\xE4"
            "b");
  const auto all = Must(Texts(smf));
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[1].type, kMetaMarker);
  EXPECT_EQ(all[1].tick, 10);
  EXPECT_EQ(all[1].text, "A");
  EXPECT_EQ(all[2].type, kMetaCuePoint);
  EXPECT_EQ(all[2].text, "");
  EXPECT_EQ(all[3].track, 1U);
  EXPECT_EQ(Must(Texts(smf, kMetaTrackName)).size(), 3U);
  EXPECT_EQ(Must(Texts(smf, kMetaLyric)).size(), 0U);
}

TEST(Meta, ScalesAreExactRatios) {
  EXPECT_EQ(Must(ScaleOf({480})), (TickScale{2, 1}));
  EXPECT_EQ(Must(ScaleOf({384})), (TickScale{5, 2}));
  EXPECT_EQ(Must(ScaleOf({1920})), (TickScale{1, 2}));
  // 25 frames of 40 ticks: milliseconds.
  EXPECT_EQ(Must(ScaleOf(SmfDivision::Smpte(25, 40))), (TickScale{48, 25}));
  // 29.97 frames of 80 ticks.
  EXPECT_EQ(Must(ScaleOf(SmfDivision::Smpte(29, 80))), (TickScale{1001, 1250}));
  EXPECT_FALSE(ScaleOf({0}).has_value());
  EXPECT_FALSE(ScaleOf(SmfDivision::Smpte(17, 80)).has_value());
  EXPECT_FALSE(ScaleOf(SmfDivision::Smpte(25, 0)).has_value());

  const TickScale half = {1, 2};
  EXPECT_EQ(ToCanvasTick(half, 1), Tick(1));
  EXPECT_EQ(ToCanvasTick(half, 2), Tick(1));
  EXPECT_EQ(ToCanvasTick(half, 3), Tick(2));
  EXPECT_TRUE(IsExact(half, 2));
  EXPECT_FALSE(IsExact(half, 3));
  EXPECT_EQ(FromCanvasTick(half, Tick(2)), 4);
  std::mt19937_64 random(1);
  for (const SmfDivision division :
       std::vector<SmfDivision>{{24}, {96}, {120}, {384}, {480}, {960}}) {
    const TickScale scale = Must(ScaleOf(division));
    for (int i = 0; i < 1000; ++i) {
      const auto tick = static_cast<std::int64_t>(random() >> 5);
      if (tick < std::int64_t{1} << 50) {
        EXPECT_EQ(FromCanvasTick(scale, ToCanvasTick(scale, tick)), tick);
      }
    }
  }
}

Data TempoEvent(std::uint8_t delta, std::uint32_t us) {
  return {delta,
          0xFF,
          0x51,
          3,
          static_cast<std::uint8_t>(us >> 16),
          static_cast<std::uint8_t>(us >> 8),
          static_cast<std::uint8_t>(us)};
}

TEST(Meta, TempoAndMeterBecomeAMap) {
  const Smf smf =
      Parsed(Header(1, 2, 480) +
             Chunk("MTrk", TempoEvent(0, 500000) + TempoEvent(96, 400000) + TempoEvent(0, 300000) +
                               TempoEvent(0, 0) + kEnd) +
             Chunk("MTrk", Data{1, 0xFF, 0x58, 4, 6, 3, 36, 8} + TempoEvent(1, 7) + kEnd));
  const SmfTempoMap found = Must(TempoMapOf(smf));
  EXPECT_EQ(
      found.map.tempi,
      (std::vector<Tempo>{{Tick(0), 500'000'000}, {Tick(4), 7'000}, {Tick(192), 300'000'000}}));
  EXPECT_EQ(found.map.meters, (std::vector<Meter>{{Tick(0), 4, 4}, {Tick(2), 6, 8}}));
  EXPECT_EQ(found.rounded, 0U);
  EXPECT_EQ(found.left_out, 2U);
  Must(ValidateTempoMap(found.map));
  EXPECT_EQ(Must(TempoMapOf(smf, 1)).map.tempi.size(), 2U);
  EXPECT_FALSE(TempoMapOf(smf, 2).has_value());
}

TEST(Meta, SmpteIsTimeAndHasOneTempo) {
  const Smf smf = Parsed(Header(0, 1, 0xE728) + Chunk("MTrk", TempoEvent(0, 1) + kEnd));
  const SmfTempoMap found = Must(TempoMapOf(smf));
  EXPECT_EQ(found.map.tempi, (std::vector<Tempo>{{Tick(0), 500'000'000}}));
  EXPECT_EQ(found.left_out, 1U);
  // A second is 1,000 of its ticks, and 48,000 frames.
  const Tick second = ToCanvasTick(Must(ScaleOf(smf.header().division)), 1000);
  EXPECT_EQ(Must(FrameOfTick(found.map, second, {48000, 1})), Frame(48000));
}

TEST(Meta, AMapComesBackThroughAFile) {
  TempoMap map;
  std::mt19937 random(9);
  for (std::int64_t i = 0; i < 500; ++i) {
    map.tempi.push_back({Tick(i * 20), (1 + random() % 0xFFFFFF) * 1000});
    map.meters.push_back({Tick(i * 40), static_cast<std::uint16_t>(1 + random() % 255),
                          static_cast<std::uint16_t>(1U << random() % 16)});
  }
  const std::vector<MadeEvent> made = Must(MetaEventsOf(map, {480}));
  std::vector<Event> events;
  for (const MadeEvent& event : made) events.push_back({event.tick, event.bytes()});
  const SmfTrackToWrite track = {events, {}};
  const Smf smf = Must(ParseSmf(Must(WriteSmf({0, {480}}, {&track, 1})).bytes, {.strict = true}));
  const SmfTempoMap found = Must(TempoMapOf(smf));
  EXPECT_EQ(found.map, map);
  EXPECT_EQ(found.left_out + found.rounded, 0U);

  EXPECT_FALSE(MetaEventsOf(map, SmfDivision::Smpte(25, 40)).has_value());
  map.tempi[3].ns_per_quarter = 16'777'216'000;
  EXPECT_FALSE(MetaEventsOf(map, {480}).has_value());
  EXPECT_FALSE(MetaEventsOf({}, {480}).has_value());
}

TEST(Meta, AHundredThousandTempi) {
  Data events;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const Data one = TempoEvent(i == 0 ? 0 : 3, 1000 + i);
    events.insert(events.end(), one.begin(), one.end());
  }
  const Data file = OneTrack(events + kEnd);
  const Smf smf = Parsed(file);
  EXPECT_EQ(Must(WriteSmf(smf)), file);
  const SmfTempoMap found = Must(TempoMapOf(smf));
  ASSERT_EQ(found.map.tempi.size(), 100'000U);
  EXPECT_EQ(found.map.tempi.back(), (Tempo{Tick(99'999 * 30), 100'999'000}));
}

TEST(Meta, RealSongsHaveValidMaps) {
  const auto songs = Songs();
  if (songs.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  std::size_t names = 0;
  for (const auto& path : songs) {
    const Smf smf = Parsed(Slurp(path));
    Must(ValidateTempoMap(Must(TempoMapOf(smf)).map));
    for (std::size_t i = 0; i < smf.track_count(); ++i)
      names += TrackName(smf, i).empty() ? 0U : 1U;
  }
  EXPECT_GE(names, 31U);
}

}  // namespace
}  // namespace canvas::midi
