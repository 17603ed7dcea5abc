#include "canvas/base/tempo.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <random>

namespace canvas {
namespace {

TempoMap Map(std::vector<Tempo> tempi) { return {1, "map", std::move(tempi), {{Tick(0), 4, 4}}}; }

TEST(TempoMap, TicksFallOnTheFramesOfTheirInstants) {
  const TempoMap map = Map({{Tick(0), 500'000'000}, {Tick(960 * 4), 1'000'000'000}});
  const Rate rate{48000, 1};
  EXPECT_EQ(*FrameOfTick(map, Tick(0), rate), Frame(0));
  EXPECT_EQ(*FrameOfTick(map, Tick(960), rate), Frame(24000));
  EXPECT_EQ(*FrameOfTick(map, Tick(960 * 4), rate), Frame(96000));
  EXPECT_EQ(*FrameOfTick(map, Tick(960 * 5), rate), Frame(96000 + 48000)) << "half the tempo";
  EXPECT_EQ(*FrameOfTick(map, Tick(1), rate), Frame(25));
  EXPECT_EQ(*FrameOfTick(map, Tick(1), Rate{44100, 1}), Frame(22)) << "22.96 floors";
}

TEST(TempoMap, ThereAndBackIsTheSameTickWhereATickLastsAFrame) {
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<Tempo> tempi = {{Tick(0), 461'538'461}};
    for (int i = 0; i < 10; ++i)
      tempi.push_back({tempi.back().tick + static_cast<std::int64_t>(random() % 5000 + 1),
                       random() % 900'000'000 + 100'000'000});
    const TempoMap map = Map(tempi);
    ASSERT_TRUE(ValidateTempoMap(map).has_value());
    for (const Rate rate : {Rate{9600, 1}, Rate{8000, 1}, Rate{9000000, 1001}}) {
      for (int i = 0; i < 20; ++i) {
        const Tick tick(static_cast<std::int64_t>(random() % 200'000));
        const Frame frame = *FrameOfTick(map, tick, rate);
        const Tick back = *TickOfFrame(map, frame, rate);
        ASSERT_GE(back, tick);
        ASSERT_EQ(*FrameOfTick(map, back, rate), frame);
        ASSERT_LT(frame, *FrameOfTick(map, back + 1, rate));
      }
    }
    // The fastest tempo's tick lasts 104 us, five frames of 48 kHz: there the identity holds.
    for (int i = 0; i < 50; ++i) {
      const Tick tick(static_cast<std::int64_t>(random() % 200'000));
      const Rate rate{48000, 1};
      ASSERT_EQ(*TickOfFrame(map, *FrameOfTick(map, tick, rate), rate), tick) << "seed " << seed;
    }
  }
}

TEST(TempoMap, RefusesWhatIsNoMap) {
  EXPECT_TRUE(ValidateTempoMap(Map({{Tick(0), 1}})).has_value());
  EXPECT_FALSE(ValidateTempoMap(Map({})).has_value());
  EXPECT_FALSE(ValidateTempoMap(Map({{Tick(1), 1}})).has_value());
  EXPECT_FALSE(ValidateTempoMap(Map({{Tick(0), 0}})).has_value());
  EXPECT_FALSE(ValidateTempoMap(Map({{Tick(0), 200'000'000'000}})).has_value());
  EXPECT_FALSE(ValidateTempoMap(Map({{Tick(0), 1}, {Tick(0), 2}})).has_value());
  TempoMap map = Map({{Tick(0), 1}});
  map.meters = {{Tick(0), 4, 3}};
  EXPECT_FALSE(ValidateTempoMap(map).has_value());
  EXPECT_FALSE(FrameOfTick(Map({{Tick(0), 1}}), Tick(-1), Rate{48000, 1}).has_value());
  EXPECT_FALSE(TickOfFrame(Map({{Tick(0), 1}}), Frame(-1), Rate{48000, 1}).has_value());
}

}  // namespace
}  // namespace canvas
