#include "canvas/metadata/header_codec.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <utility>

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
  h.next_tempo_map_id = 3;
  h.tempo_maps = {
      {2, "main", {{Tick(0), 500'000'000}, {Tick(960), 468'750'000}}, {{Tick(0), 7, 8}}}};
  lane.tags = {{"BPM", "128"}, {"KEY", "F♯m"}};
  h.lanes = {lane};
  h.next_marker_id = 12;
  h.markers = {
      {11, {45, 2}, {1801, 80}, LaneId(3), "chorus", 0xFF8800, {"section", "loud"}, "{\"a\":1}"},
      {2, {45, 2}, {45, 2}}};
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
  // Tags of a lane.
  const auto tagged = [&](const std::string& name, const std::string& value) {
    return refused([&](Header& h) { h.lanes[1].tags = {{name, value}}; });
  };
  EXPECT_FALSE(tagged("BPM", ""));
  EXPECT_FALSE(tagged("BPM", std::string(4096, 'x')));
  EXPECT_TRUE(tagged("BPM", std::string(4097, 'x')));
  EXPECT_TRUE(tagged("BPM", "\xff"));
  for (const std::string& name : {std::string(), std::string("A=B"), std::string("ü"),
                                  std::string("a\n"), std::string(256, 'x')})
    EXPECT_TRUE(tagged(name, "1")) << name;
  EXPECT_TRUE(refused([](Header& h) { h.lanes[1].tags.assign(65, {"BPM", "1"}); }));
  // Markers.
  good.next_marker_id = 10;
  good.markers = {{4, {1, 3}, {1, 3}},
                  {9, {1, 3}, {2, 3}, LaneId(77), "of a lane that is gone"},
                  {2, {4294967295, 4294967294}, {9223372036854775807, 1}}};
  ASSERT_TRUE(ValidateHeader(good, geometry).has_value());
  EXPECT_TRUE(refused([](Header& h) { h.next_marker_id = 9; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].id = 0; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].id = 2; })) << "twice";
  EXPECT_TRUE(refused([](Header& h) { std::swap(h.markers[0], h.markers[1]); })) << "by id";
  EXPECT_TRUE(refused([](Header& h) { std::swap(h.markers[0], h.markers[2]); })) << "by position";
  using Limits = std::numeric_limits<std::int64_t>;
  for (const Time time :
       {Time{-1, 1}, Time{1, 0}, Time{1, -1}, Time{2, 4}, Time{0, 2}, Time{1, 4294967296},
        Time{Limits::min(), 1}, Time{1, Limits::min()}, Time{Limits::max(), Limits::max()}}) {
    EXPECT_TRUE(refused([&](Header& h) { h.markers = {{4, time, {100, 1}}}; })) << time.num;
    EXPECT_TRUE(refused([&](Header& h) { h.markers = {{4, {0, 1}, time}}; })) << time.num;
  }
  EXPECT_TRUE(refused([](Header& h) { h.markers[1].end = {1, 4}; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].color = 0x1000000; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].name = "\xc0\x80"; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].name.assign(1025, 'x'); }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].json.assign(65537, ' '); }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].json = "\xed\xa0\x80"; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].tags = {""}; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].tags = {std::string(256, 'x')}; }));
  EXPECT_TRUE(refused([](Header& h) { h.markers[0].tags.assign(65, "x"); }));
  EXPECT_TRUE(refused([](Header& h) {
    h.next_marker_id = 100'000;
    h.markers.clear();
    for (std::uint32_t i = 1; i <= 65537; ++i) h.markers.push_back({i, {1, 1}, {1, 1}});
  }));
  EXPECT_FALSE(refused([](Header& h) { h.markers[0].json = "no JSON"; })) << "unchecked";
  // An opaque lane keeps its slots, and what a version that knows it says of it is its own
  // business.
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
