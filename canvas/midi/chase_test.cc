#include "canvas/midi/chase.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "canvas/midi/midi_testing.h"
#include "canvas/midi/smf.h"
#include "canvas/testing/must.h"

namespace canvas::midi {
namespace {

using canvas::testing::Must;
using namespace testing;  // NOLINT: of this folder

std::string Chased(const std::vector<Data>& messages, bool notes = true) {
  ChaseState state;
  for (const Data& message : messages) EXPECT_TRUE(state.Apply(message)) << Hex(message);
  std::string text;
  state.ForEachMessage([&](Bytes message) { text += (text.empty() ? "" : " ") + Hex(message); },
                       notes);
  return text;
}

TEST(Chase, SaysNothingOfWhatNothingSaid) { EXPECT_EQ(Chased({}), ""); }

TEST(Chase, ThePlainOnes) {
  EXPECT_EQ(Chased({{0xC2, 5}, {0xB2, 7, 100}, {0xB2, 7, 90}, {0xE2, 1, 65}, {0xD2, 44}}),
            "c205 b2075a e20141 d22c");
}

TEST(Chase, AProgramHasTheBankOfItsTime) {
  EXPECT_EQ(Chased({{0xB0, 0, 1}, {0xB0, 32, 2}, {0xC0, 9}, {0xB0, 0, 3}}),
            "b00001 b02002 c009 b00003");
  EXPECT_EQ(Chased({{0xB0, 0, 1}}), "b00001");
}

TEST(Chase, HalvesOfAControllerComeInTheirOrder) {
  EXPECT_EQ(Chased({{0xB0, 1, 10}, {0xB0, 33, 20}}), "b0010a b02114");
  EXPECT_EQ(Chased({{0xB0, 33, 20}, {0xB0, 1, 10}}), "b02114 b0010a");
}

TEST(Chase, ParametersWithTheirDataAndWhatIsChosen) {
  // A bend range of 12, then nothing chosen.
  EXPECT_EQ(
      Chased({{0xB0, 101, 0}, {0xB0, 100, 0}, {0xB0, 6, 12}, {0xB0, 101, 127}, {0xB0, 100, 127}}),
      "b06500 b06400 b0060c b0657f b0647f");
  // Nothing chosen: the entry sets nothing. Increments are counted.
  EXPECT_EQ(Chased({{0xB0, 6, 12}}), "");
  EXPECT_EQ(Chased({{0xB0, 99, 1},
                    {0xB0, 98, 2},
                    {0xB0, 6, 3},
                    {0xB0, 38, 4},
                    {0xB0, 96, 0},
                    {0xB0, 97, 0},
                    {0xB0, 97, 0}}),
            "b06301 b06202 b00603 b02604 b06100 b06301 b06202");
}

TEST(Chase, ResetAllControllersComesFirstAndLeavesVolume) {
  EXPECT_EQ(
      Chased(
          {{0xB0, 7, 100}, {0xB0, 1, 50}, {0xE0, 0, 0}, {0xD0, 9}, {0xB0, 121, 0}, {0xB0, 11, 80}}),
      "b07900 b00764 b00b50 b0637f b0627f b0657f b0647f");
}

TEST(Chase, NotesThatSound) {
  const std::vector<Data> messages = {{0x90, 60, 1}, {0x90, 60, 2}, {0x90, 62, 3}, {0x91, 64, 4},
                                      {0x80, 62, 0}, {0x81, 65, 0}, {0xA0, 60, 9}};
  EXPECT_EQ(Chased(messages), "903c02 903c02 a03c09 914004");
  EXPECT_EQ(Chased(messages, false), "");
  EXPECT_EQ(Chased({{0x90, 60, 1}, {0x90, 60, 0}}), "");
  for (const std::uint8_t number : Data{120, 123})
    EXPECT_EQ(Chased({{0x90, 60, 1}, {0xB0, number, 0}}), "");
  EXPECT_EQ(Chased({{0x90, 60, 1}, {0xB0, 126, 4}, {0xB0, 124, 0}}), "b07c00 b07e04");
}

TEST(Chase, OtherMessagesChangeNothing) {
  ChaseState state;
  for (const Data& message :
       {Data{}, Data{0xF0, 1, 0xF7}, Data{0xFF, 0x2F}, Data{0xF8}, Data{0x90, 60}, Data{60, 1, 2},
        Data{0x90, 0x80, 1}, Data{0xC0, 1, 2}})
    EXPECT_FALSE(state.Apply(message)) << Hex(message);
  EXPECT_EQ(state, ChaseState());
}

TEST(Chase, MoreParametersThanThereIsRoomForAreCounted) {
  ChaseState state;
  for (std::uint8_t i = 0; i < 40; ++i)
    for (const Data& message : {Data{0xB0, 99, 0}, Data{0xB0, 98, i}, Data{0xB0, 6, i}})
      state.Apply(message);
  EXPECT_EQ(state.forgotten_parameters(), 8U);
  EXPECT_EQ(state.channel(0).parameters[0].number_lsb, 8);
  EXPECT_EQ(state.channel(0).parameters[31].msb, 39);
}

// What is told re-creates the state, whatever it was.
void Recreates(const ChaseState& state) {
  auto again = std::make_unique<ChaseState>();
  state.ForEachMessage([&](Bytes message) { EXPECT_TRUE(again->Apply(message)); });
  EXPECT_TRUE(*again == state);
}

TEST(Chase, WhatIsToldRecreatesTheState) {
  static const std::vector<std::uint8_t> numbers = {0,   32,  1,   33,  6,   38,  7,   39,  10,
                                                    64,  96,  97,  98,  99,  100, 101, 121, 122,
                                                    123, 126, 127, 124, 125, 42,  70,  91};
  std::mt19937 random(17);
  for (int round = 0; round < 300; ++round) {
    ChaseState state;
    const std::size_t count = random() % 400;
    for (std::size_t i = 0; i < count; ++i) {
      const auto type = static_cast<std::uint8_t>(8 + random() % 7);
      const auto status = static_cast<std::uint8_t>(type * 16U + random() % 2);
      const auto low = static_cast<std::uint8_t>(random() % 4);
      Data message = {status, low, static_cast<std::uint8_t>(random() % 128)};
      if (type == 0xB) {
        // Resets seldom, so that something gathers.
        message[1] = numbers[random() % numbers.size()];
        if (message[1] >= 120 && random() % 10 != 0) continue;
        if (message[1] >= 98 && message[1] <= 101) message[2] &= 1U;
      }
      if (ChannelDataBytes(status) == 1) message.pop_back();
      ASSERT_TRUE(state.Apply(message));
    }
    Recreates(state);
  }
}

TEST(Chase, RealSongsAtAnyPlace) {
  const auto songs = Songs();
  if (songs.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  for (const auto& path : songs) {
    const Smf smf = Must(ParseSmf(Slurp(path)));
    ChaseState state;
    for (std::size_t i = 0; i < smf.track_count(); ++i) {
      std::size_t seen = 0;
      for (const SmfEvent& event : smf.events(i)) {
        state.Apply(smf.bytes(event));
        if (++seen % 500 == 0) Recreates(state);
      }
    }
    Recreates(state);
  }
}

}  // namespace
}  // namespace canvas::midi
