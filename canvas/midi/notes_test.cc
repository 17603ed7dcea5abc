#include "canvas/midi/notes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "canvas/midi/midi_testing.h"
#include "canvas/midi/smf.h"
#include "canvas/testing/must.h"

namespace canvas::midi {
namespace {

using canvas::testing::Must;
using namespace testing;  // NOLINT: of this folder

// Events that own their bytes.
struct List {
  void Add(std::int64_t tick, Data bytes) {
    data.push_back(std::move(bytes));
    events.push_back({tick, data.back()});
  }
  std::deque<Data> data;  // whose elements stay where they are
  std::vector<Event> events;
};

TEST(Notes, BeginAndEnd) {
  List list;
  list.Add(10, {0x93, 60, 100});
  list.Add(20, {0x93, 64, 90});
  list.Add(30, {0xB3, 123, 0});  // ends none
  list.Add(30, {0x83, 60, 5});
  list.Add(40, {0x93, 64, 0});
  const Notes found = Must(NotesOf(list.events));
  EXPECT_EQ(found.notes, (std::vector<Note>{{10, 30, 0, 3, 3, 60, 100, 5, true},
                                            {20, 40, 1, 4, 3, 64, 90, kDefaultRelease, true}}));
  EXPECT_TRUE(found.stray_offs.empty());
  EXPECT_EQ(found.hanging + found.overlapping + found.not_whole, 0U);
}

TEST(Notes, OverlapsEndInTheOrderTheyBegan) {
  List list;
  list.Add(0, {0x90, 60, 1});
  list.Add(1, {0x90, 60, 2});
  list.Add(1, {0x91, 60, 9});  // another channel
  list.Add(2, {0x90, 60, 3});
  list.Add(5, {0x80, 60, 11});
  list.Add(6, {0x80, 60, 12});
  list.Add(7, {0x80, 60, 13});
  const Notes found = Must(NotesOf(list.events));
  ASSERT_EQ(found.notes.size(), 4U);
  EXPECT_EQ(found.overlapping, 2U);
  EXPECT_EQ(found.hanging, 1U);
  EXPECT_EQ(found.notes[0].off, 5);
  EXPECT_EQ(found.notes[1].release, 12);
  EXPECT_EQ(found.notes[3].velocity, 3);
  EXPECT_EQ(found.notes[3].off, 7);
  EXPECT_FALSE(found.notes[2].ended);
}

TEST(Notes, OfNoLengthStrayAndHanging) {
  List list;
  list.Add(3, {0x80, 60, 7});  // before its note: a stray
  list.Add(3, {0x90, 60, 1});
  list.Add(3, {0x90, 60, 0});
  list.Add(4, {0x90, 61, 0});
  list.Add(5, {0x90, 62, 99});
  list.Add(6, {0x90, 62});
  list.Add(6, {0x90, 200, 1});
  const Notes found = Must(NotesOf(list.events, 50));
  EXPECT_EQ(found.notes,
            (std::vector<Note>{{3, 3, 1, 2, 0, 60, 1, kDefaultRelease, true},
                               {5, 50, 4, kNoEvent, 0, 62, 99, kDefaultRelease, false}}));
  EXPECT_EQ(found.stray_offs,
            (std::vector<StrayNoteOff>{{3, 0, 0, 60, 7}, {4, 3, 0, 61, kDefaultRelease}}));
  EXPECT_EQ(found.hanging, 1U);
  EXPECT_EQ(found.not_whole, 2U);
  EXPECT_EQ(Must(NotesOf(list.events)).notes[1].off, 6);
  EXPECT_TRUE(Must(NotesOf({})).notes.empty());
}

TEST(Notes, RefusesADisorderedList) {
  List list;
  list.Add(3, {0x90, 60, 7});
  list.Add(2, {0x80, 60, 1});
  EXPECT_EQ(NotesOf(list.events).error().what(), "event 1 is earlier than the one before");
}

// Against a plain model: each note message is in exactly one place, and queues are FIFO.
TEST(Notes, NoMessageIsLost) {
  std::mt19937 random(21);
  for (int round = 0; round < 200; ++round) {
    List list;
    std::map<std::pair<int, int>, std::deque<std::size_t>> model;
    std::map<std::size_t, std::size_t> off_of;
    std::int64_t tick = 0;
    std::size_t strays = 0;
    for (std::size_t i = 0; i < 300; ++i) {
      tick += static_cast<std::int64_t>(random() % 3);
      const auto channel = static_cast<std::uint8_t>(random() % 2);
      const auto pitch = static_cast<std::uint8_t>(random() % 3);
      const auto velocity = static_cast<std::uint8_t>(random() % 3);
      const bool on = random() % 2 == 0;
      list.Add(tick, {static_cast<std::uint8_t>((on ? 0x90 : 0x80) | channel), pitch, velocity});
      auto& queue = model[{channel, pitch}];
      if (on && velocity > 0) {
        queue.push_back(i);
      } else if (queue.empty()) {
        ++strays;
      } else {
        off_of[queue.front()] = i;
        queue.pop_front();
      }
    }
    const Notes found = Must(NotesOf(list.events));
    EXPECT_EQ(found.stray_offs.size(), strays);
    std::size_t ended = 0;
    for (const Note& note : found.notes) {
      EXPECT_EQ(off_of.contains(note.on_event), note.ended);
      if (!note.ended) continue;
      ++ended;
      EXPECT_EQ(off_of[note.on_event], note.off_event);
      EXPECT_EQ(list.events[note.off_event].tick, note.off);
    }
    EXPECT_EQ(found.notes.size() + ended + strays, list.events.size());
    EXPECT_EQ(found.notes.size() - ended, found.hanging);
  }
}

TEST(Notes, OfRealSongs) {
  const auto songs = Songs();
  if (songs.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  std::size_t notes = 0;
  for (const auto& path : songs) {
    const Smf smf = Must(ParseSmf(Slurp(path)));
    for (std::size_t i = 0; i < smf.track_count(); ++i) {
      const std::vector<Event> events = Must(smf.Events(i));
      const Notes found = Must(NotesOf(events));
      notes += found.notes.size();
      const auto messages = static_cast<std::size_t>(std::ranges::count_if(
          events, [](const Event& event) { return (event.bytes[0] & 0xE0U) == 0x80U; }));
      EXPECT_EQ(2 * found.notes.size() - found.hanging + found.stray_offs.size(), messages);
    }
  }
  EXPECT_GE(notes, 10'000U);
}

}  // namespace
}  // namespace canvas::midi
