#include "canvas/base/time.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace canvas {
namespace {

Rate R(std::uint64_t num, std::uint64_t den = 1) { return *Rate::Make(num, den); }

Frame FrameOf(std::string_view text, Rate rate) {
  const auto position = ParsePosition(text);
  EXPECT_TRUE(position.has_value()) << text;
  return *position->ToFrame(rate);
}

TEST(ParsePosition, TakesSecondsClockAndFrames) {
  EXPECT_EQ(FrameOf("90", R(48000)).value(), 4'320'000);
  EXPECT_EQ(FrameOf("90.5", R(48000)).value(), 4'344'000);
  EXPECT_EQ(FrameOf(".5", R(48000)).value(), 24'000);
  EXPECT_EQ(FrameOf("1:30", R(48000)).value(), 4'320'000);
  EXPECT_EQ(FrameOf("1:02:03.250", R(48000)).value(), 3723 * 48000 + 12000);
  EXPECT_EQ(FrameOf("4320000f", R(44100)).value(), 4'320'000);
  EXPECT_EQ(FrameOf("100:00", R(10)).value(), 60'000) << "only lower fields stop at 59";
}

TEST(ParsePosition, IsExactWhereFloatingPointIsNot) {
  // 0.1 s at 30 Hz is frame 3 exactly; in doubles 0.1 x 30 is 3.0000000000000004, 0.7 x 10 is 7.
  EXPECT_EQ(FrameOf("0.1", R(30)).value(), 3);
  EXPECT_EQ(FrameOf("4.35", R(100)).value(), 435);  // 434.99999999999994 in doubles
  EXPECT_EQ(FrameOf("0.999999999", R(1)).value(), 0);
  EXPECT_EQ(FrameOf("0.5", R(24000, 1024)).value(), 11);  // 11.71875 floors
}

TEST(ParsePosition, RefusesEverythingElse) {
  for (const char* text : {"",
                           "-1",
                           "-0:30",
                           "1:60",
                           "1:2:3:4",
                           "1:61:00",
                           "x",
                           "1.",
                           ".",
                           "1e3",
                           "nan",
                           "1.0000000001",
                           "9999999999999",
                           "f",
                           "-3f",
                           "1.5f",
                           " 1",
                           "1 ",
                           "0x10",
                           "99999999999999999999f",
                           "1:-5"}) {
    const auto position = ParsePosition(text);
    ASSERT_FALSE(position.has_value()) << text;
    EXPECT_EQ(position.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(position.error().Message().find("4320000f"), std::string::npos) << "shows the forms";
  }
}

TEST(ParseRate, TakesWholeAndRationalRates) {
  EXPECT_EQ(*ParseRate("48000"), R(48000));
  EXPECT_EQ(*ParseRate("24000/1024"), R(375, 16)) << "kept in lowest terms";
  for (const char* text : {"", "0", "48000/0", "-1", "1/2/3", "48k", "5000000000"})
    EXPECT_FALSE(ParseRate(text).has_value()) << text;
}

TEST(Pages, EveryFrameLiesInThePageInWhichItStarts) {
  for (const Rate rate :
       {R(48000), R(44100), R(24000, 1024), R(48000 * 1000ULL, 1001), R(1, 7), R(1, 100)}) {
    for (const std::uint32_t seconds : {1U, 7U, 30U}) {
      for (std::uint64_t page = 0; page < 300; ++page) {
        const Frame first = FirstFrameOfPage(page, rate, seconds);
        const Frame end = FirstFrameOfPage(page + 1, rate, seconds);
        ASSERT_LE(first, end);
        ASSERT_LE(static_cast<std::uint64_t>(end - first), MaxFramesPerPage(rate, seconds));
        if (first == end) continue;  // a rate so low that the page has no frame
        ASSERT_EQ(PageOfFrame(first, rate, seconds), page);
        ASSERT_EQ(PageOfFrame(end - 1, rate, seconds), page);
      }
    }
  }
}

TEST(FrameAt, IsTheLastFrameThatStartsNoLater) {
  using namespace std::chrono_literals;
  EXPECT_EQ(FrameAt(90s, R(48000)), Frame(4'320'000));
  EXPECT_EQ(FrameAt(250ms, R(44100)), Frame(11025));
  EXPECT_EQ(FrameAt(1ms, R(44100)), Frame(44)) << "44.1";
  EXPECT_EQ(FrameAt(-1ms, R(44100)), Frame(-45)) << "the floor, not towards 0";
  EXPECT_EQ(FrameAt(1h, R(24000, 1024)), Frame(84375));
  EXPECT_EQ(FrameAt(Time{1, 3}, R(48000)), Frame(16000));
  EXPECT_EQ(FrameAt(Time{-1, 3}, R(1)), Frame(-1));
  EXPECT_EQ(FrameAt(std::chrono::duration<std::uint8_t>(3), R(8000)), Frame(24000));
}

TEST(FrameAt, IsTheNearestThatFitsWhereTheTimeDoesNot) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  const Rate fast = R(std::numeric_limits<std::uint32_t>::max());
  using Years = std::chrono::duration<std::int64_t, std::chrono::years::period>;
  EXPECT_EQ(FrameAt(Years(kMost), fast), Frame(kMost));
  EXPECT_EQ(FrameAt(Years(kLeast), fast), Frame(kLeast));
  EXPECT_EQ(FrameAt(std::chrono::duration<std::uint64_t>(~std::uint64_t{0}), R(1)), Frame(kMost));
  EXPECT_EQ(FrameAt(std::chrono::duration<std::int64_t>(kMost), R(1)), Frame(kMost)) << "it fits";
  EXPECT_EQ(FrameAt(Time{kLeast, 1}, R(2)), Frame(kLeast));
  using Attoseconds = std::chrono::duration<std::int64_t, std::atto>;
  EXPECT_EQ(FrameAt(Attoseconds(kMost), R(48000)), Frame(442721)) << "9.223372 s";
}

TEST(Quantity, TakesUnsignedCountsAndKeepsToWhatFits) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kAll = std::numeric_limits<std::uint64_t>::max();
  static_assert(Frame(5) + std::uint64_t{7} == Frame(12));
  static_assert(Frame(5) - 7U == Frame(-2));
  static_assert(Frame(5) + 7 == Frame(12));
  EXPECT_EQ(Frame(0) + kAll, Frame(kMost));
  EXPECT_EQ(Frame(-1) + kAll, Frame(kMost));
  EXPECT_EQ(Frame(kLeast) + kAll, Frame(kMost)) << "which is it exactly";
  EXPECT_EQ(Frame(kMost) - kAll, Frame(kLeast));
  EXPECT_EQ(Frame(0) - kAll, Frame(kLeast));
  EXPECT_EQ((FrameRange{Frame(-3), Frame(4)}).size(), 7U);
  EXPECT_EQ((FrameRange{Frame(kLeast), Frame(kMost)}).size(), kAll);
  EXPECT_EQ((FrameRange{Frame(4), Frame(-3)}).size(), 0U);
  EXPECT_EQ((PageRange{PageIndex(2), PageIndex(5)}).size(), 3U);
}

TEST(Pages, AreRightFarAlongTheTimeline) {
  const Rate rate = R(192000);
  const std::uint64_t page = (1U << 20) - 1;
  const Frame first = FirstFrameOfPage(page, rate, 3600);
  EXPECT_EQ(first.value(), std::int64_t{3600} * 192000 * ((1 << 20) - 1));
  EXPECT_EQ(PageOfFrame(first, rate, 3600), page);
  EXPECT_EQ(PageOfFrame(first - 1, rate, 3600), page - 1);
}

TEST(FormatClock, ShowsHoursOnlyWhereThereAreSome) {
  EXPECT_EQ(FormatClock(Frame(4'344'000), R(48000)), "1:30.500");
  EXPECT_EQ(FormatClock(Frame(3723 * 48000 + 12000), R(48000)), "1:02:03.250");
  EXPECT_EQ(FormatClock(Frame(0), R(48000)), "0:00.000");
}

}  // namespace
}  // namespace canvas
