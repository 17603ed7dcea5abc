#include "canvas/metadata/header_codec.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

namespace canvas::metadata {
namespace {

Header Full() {
  Header h;
  h.next_lane_id = 9;
  LaneRecord lane;
  lane.id = LaneId(3);
  lane.name = "Streicher – 弦";
  lane.kind = LaneKind::kSignal;
  lane.channels = 6;
  lane.rate = {375, 16};
  lane.slots = {format::SlotKind::kSmall, 7, 1};
  lane.description = "a description";
  lane.provenance = {"writer", "tool 1.2", 42, 123456789};
  lane.range_provenance = {{{Frame(5), Frame(10)}, {"w", "t", std::nullopt, 1}}};
  lane.source_ticks_per_quarter = 480;
  lane.tempo_map_id = 2;
  lane.speakers = 0x3F;
  h.lanes = {lane};
  h.next_tempo_map_id = 3;
  h.tempo_maps = {
      {2, "main", {{Tick(0), 500'000'000}, {Tick(960), 468'750'000}}, {{Tick(0), 7, 8}}}};
  h.markers = {{90, 4, "chorus", 0xFF8800}};
  h.wall_clock_origin_unix_ns = 1'700'000'000'000'000'000;
  h.timecode = TimecodeRecord{{30000, 1001}, true, -12};
  h.title = "title";
  h.description = "text";
  h.provenance = {"me", "canvas", std::nullopt, 5};
  return h;
}

TEST(HeaderCodec, KeepsEveryField) {
  const auto decoded = DecodeHeader(*EncodeHeader(Full(), {}));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Message();
  EXPECT_EQ(*decoded, Full());
  EXPECT_EQ(*DecodeHeader(*EncodeHeader(Header{}, {})), Header{});
}

TEST(HeaderCodec, DamagedBytesAreAnErrorOrAnotherHeaderAndNothingElse) {
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const auto good = *EncodeHeader(Full(), {});
  for (std::size_t length = 0; length < good.size(); ++length)
    (void)DecodeHeader(std::span(good).first(length));
  for (int i = 0; i < 20000; ++i) {
    auto bytes = good;
    for (unsigned n = random() % 4 + 1; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    (void)DecodeHeader(bytes);
  }
}

TEST(LaneName, IsCheckedAsUtf8) {
  for (const char* good : {"a", "Front_Center", "ü", "弦", "🎻", "a b"})
    EXPECT_TRUE(ValidateLaneName(good).has_value()) << good;
  EXPECT_TRUE(ValidateLaneName(std::string(255, 'x')).has_value());
  for (const std::string& bad :
       {std::string(), std::string(256, 'x'), std::string("a\0b", 3), std::string("\n"),
        std::string("\x7f"), std::string("\xc2\x9b"), std::string("\xff"), std::string("\xc0\x80"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xe2\x82")})
    EXPECT_FALSE(ValidateLaneName(bad).has_value());
}

TEST(ValidateHeader, FindsContradictions) {
  const format::Geometry geometry = *format::Geometry::Make({});
  LaneRecord lane;
  lane.id = LaneId(1);
  lane.name = "a";
  lane.channels = 2;
  lane.rate = {48000, 1};
  lane.slots = {format::SlotKind::kWide, 0, 1};
  Header good;
  good.next_lane_id = 3;
  good.lanes = {lane, lane};
  good.lanes[1].id = LaneId(2);
  good.lanes[1].name = "b";
  good.lanes[1].slots.first = 1;
  ASSERT_TRUE(ValidateHeader(good, geometry).has_value());
  const auto refused = [&](auto spoil) {
    Header bad = good;
    spoil(bad);
    const auto result = ValidateHeader(bad, geometry);
    return !result && result.error().code() == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].id = LaneId(1); }));
  EXPECT_TRUE(refused([](Header& h) { h.next_lane_id = 2; }));
  EXPECT_TRUE(refused([](Header& h) { h.next_lane_id = 0xFFFFFFFF; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].name = "a"; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].name = ""; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].slots.first = 0; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].slots.first = 64; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].slots.first = 0xFFFFFFFF; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].slots.count = 0; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].slots.count = 2; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].channels = 0; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].channels = 0xFFFFFFFF; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].rate = {0, 1}; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].rate = {48000, 0}; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].rate = {96000, 2}; }));
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].rate = {4294967295, 1}; }));
  // An opaque lane keeps its slots, and what a version that knows it says of it is its own business.
  const auto opaque = [&](auto spoil) {
    return refused([&](Header& h) {
      h.lanes[1].kind = LaneKind::kUnknown;
      spoil(h.lanes[1]);
    });
  };
  EXPECT_FALSE(opaque([](LaneRecord&) {}));
  EXPECT_FALSE(opaque([](LaneRecord& l) { l.channels = 0; }));
  EXPECT_FALSE(opaque([](LaneRecord& l) { l.rate = {0, 0}; }));
  EXPECT_FALSE(opaque([](LaneRecord& l) { l.slots = {format::SlotKind::kWide, 0, 0}; }));
  EXPECT_TRUE(opaque([](LaneRecord& l) { l.slots.first = 0; })) << "another lane's";
  EXPECT_TRUE(opaque([](LaneRecord& l) { l.slots.first = 64; }));
  EXPECT_TRUE(opaque([](LaneRecord& l) { l.name = "a"; }));
}

}  // namespace
}  // namespace canvas::metadata
