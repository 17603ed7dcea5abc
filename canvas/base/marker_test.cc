#include "canvas/base/marker.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace canvas {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(Marker, TimesAreExactAndKeptInLowestTerms) {
  EXPECT_EQ(InLowestTerms({90, 4}), (Time{45, 2}));
  EXPECT_EQ(InLowestTerms({0, 48000}), (Time{0, 1}));
  EXPECT_EQ(InLowestTerms({1, 0}), (Time{1, 0})) << "left as it is";
  EXPECT_TRUE(IsEarlier({1, 3}, {333'333'334, 1'000'000'000}));
  EXPECT_FALSE(IsEarlier({1, 3}, {2, 6}));
  EXPECT_TRUE(IsEarlier({kMost - 1, 4'294'967'295}, {kMost, 4'294'967'295}));
}

TEST(Marker, AFrameIsFoundAgainAtItsTime) {
  for (const Rate rate :
       {Rate{48000, 1}, Rate{44100, 1}, Rate{30000, 1001}, Rate{1, 4'294'967'295}})
    for (const std::int64_t frame :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{44099}, std::int64_t{2'147'483'647}}) {
      const auto time = TimeOfFrame(Frame(frame), rate);
      ASSERT_TRUE(time.has_value()) << frame;
      EXPECT_EQ(InLowestTerms(*time), *time);
      EXPECT_EQ(*FrameOfTime(*time, rate), Frame(frame));
    }
  EXPECT_EQ(*TimeOfFrame(Frame(72000), {48000, 1}), (Time{3, 2}));
  EXPECT_FALSE(TimeOfFrame(Frame(kMost), {1, 2}).has_value());
  EXPECT_FALSE(FrameOfTime({kMost, 1}, {48000, 1}).has_value());
}

TEST(Marker, WhatIsWrongIsNamed) {
  const auto wrong = [](const Marker& marker) {
    const auto valid = ValidateMarker(marker);
    return valid ? std::string() : valid.error().what();
  };
  EXPECT_EQ(wrong({}), "");
  EXPECT_EQ(wrong({.start = {1, 2}, .end = {1, 1}, .name = "ü", .json = "{}"}), "");
  EXPECT_NE(wrong({.start = {-1, 2}}).find("before time 0"), std::string::npos);
  EXPECT_NE(wrong({.start = {2, 4}, .end = {1, 1}}).find("lowest terms"), std::string::npos);
  EXPECT_NE(wrong({.start = {1, 1}}).find("before its start"), std::string::npos);
  EXPECT_NE(wrong({.color = 0xFF000000}).find("colour"), std::string::npos);
  EXPECT_NE(wrong({.name = std::string(1025, 'x')}).find("1025 bytes"), std::string::npos);
  EXPECT_NE(wrong({.name = "\xff"}).find("UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace canvas
