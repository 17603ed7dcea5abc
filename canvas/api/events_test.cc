// Lanes of events: appended, read by cursors, replaced under the eyes of others, at their limits,
// damaged, and written by processes that die.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header_store.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Process;

constexpr std::int64_t kRate = 8000;  // and a page is a second

CreateOptions Options() {
  CreateOptions options = testing::SmallCanvas();
  options.layout.small_slot_bytes = 64 * 1024;
  return options;
}

// A note-on whose bytes say which event it is.
struct Note {
  std::array<std::byte, 3> bytes;
  Event event;
};
std::vector<Note> Notes(const std::vector<std::int64_t>& frames, std::uint8_t velocity = 1) {
  std::vector<Note> notes(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    notes[i].bytes = {std::byte{0x90}, static_cast<std::byte>(i & 0x7F), std::byte{velocity}};
    notes[i].event = {.frame = Frame(frames[i]), .tick = frames[i] * 3, .bytes = notes[i].bytes};
  }
  return notes;
}
std::vector<Event> EventsOf(const std::vector<Note>& notes) {
  std::vector<Event> events;
  for (const Note& note : notes)
    events.push_back(
        {note.event.frame, note.event.tick, note.event.kind, note.event.tag, note.bytes});
  return events;
}

bool Same(const Event& a, const Event& b) {
  return a.frame == b.frame && a.tick == b.tick && a.kind == b.kind && a.tag == b.tag &&
         std::ranges::equal(a.bytes, b.bytes);
}
void ExpectSame(const EventList& got, const std::vector<Event>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_TRUE(Same(got[i], want[i])) << "event " << i << " at " << got[i].frame.value();
}

class Events : public testing::CanvasTest {
 protected:
  Events() {
    Must(Canvas::Create(path_, Options()));
    canvas_.emplace(OpenForWriting(path_));
    lane_ = Must(canvas_->AddLane({.name = "keys", .kind = LaneKind::kMidi, .rate = {kRate, 1}}));
  }
  Canvas& sut() { return *canvas_; }
  EventList All() const {
    return Must(Must(canvas_->Events(lane_)).Read({Frame(0), Frame(1 << 30)}));
  }

  std::optional<Canvas> canvas_;
  LaneId lane_;
};

TEST_F(Events, ComeBackAsTheyWereAppendedAcrossPages) {
  const auto notes = Notes({0, 0, 5, 7999, 8000, 8000, 30000, 30001, 95 * kRate});
  const auto events = EventsOf(notes);
  {
    EventWriter writer = Must(sut().EventsWriter(lane_));
    Must(writer.Append(std::span(events).first(4)));
    Must(writer.Append(std::span(events).subspan(4)));
    ExpectSame(All(), events);
  }
  const EventReader reader = Must(sut().Events(lane_));
  ExpectSame(Must(reader.Read({Frame(5), Frame(30001)})),
             std::vector<Event>(events.begin() + 2, events.begin() + 7));
  EXPECT_EQ(Must(reader.Read({Frame(6), Frame(7)})).size(), 0U);
  const LaneExtent extent = reader.Extent();
  EXPECT_EQ(extent.first, Frame(0));
  EXPECT_EQ(extent.end, Frame(95 * kRate + 1));
  EXPECT_EQ(extent.events, 9U);
  EXPECT_EQ(Must(sut().Usage()).written_bytes, 9U * 64);
  EXPECT_TRUE(Must(sut().Check()).ok());
  EXPECT_EQ(Must(sut().Check()).notes, std::vector<std::string>());
}

TEST_F(Events, OfAnyKindAndLengthKeepTheirBytes) {
  std::vector<std::vector<std::byte>> bytes;
  for (const std::size_t size : {1U, 3U, 31U, 32U, 33U, 34U, 35U, 36U, 37U, 4000U, 4097U, 9001U}) {
    auto& one = bytes.emplace_back(size);
    for (std::size_t i = 0; i < size; ++i) one[i] = static_cast<std::byte>(i * 7 + size);
    one[0] = std::byte{0xF0};
  }
  std::vector<Event> events;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    events.push_back({.frame = Frame(static_cast<std::int64_t>(i)), .bytes = bytes[i]});
  const std::array<std::byte, 8> packet{std::byte{1}, std::byte{2}, std::byte{0}, std::byte{0x40}};
  events.push_back({.frame = Frame(100), .kind = EventKind::kUmp, .bytes = packet});
  events.push_back(
      {.frame = Frame(100), .tick = -5, .kind = EventKind::kApplication, .tag = 77, .bytes = {}});
  EventWriter writer = Must(sut().EventsWriter(lane_));
  for (const Event& event : events) Must(writer.Append(event));
  ExpectSame(All(), events);
  // And all at once, over what is there.
  Must(writer.Replace({Frame(0), Frame(kRate)}, events));
  ExpectSame(All(), events);
  // What a cursor has no room for comes in part, with its size.
  EventCursor cursor = Must(Must(sut().Events(lane_)).From({Frame(0), Frame(kRate)}, 100));
  for (const Event& want : events) {
    Event event;
    ASSERT_EQ(cursor.Next(event), EventStatus::kOk);
    EXPECT_EQ(cursor.size(), want.bytes.size());
    EXPECT_TRUE(std::ranges::equal(
        event.bytes, want.bytes.first(std::min<std::size_t>(want.bytes.size(), 100))));
  }
  Event event;
  EXPECT_EQ(cursor.Next(event), EventStatus::kEnd);
  EXPECT_TRUE(Must(sut().Check()).ok());
}

TEST_F(Events, AreFoundByHalvingAndFollowedAsTheyAreAppended) {
  std::vector<std::int64_t> frames;
  for (std::int64_t i = 0; i < 400; ++i) frames.push_back(i * 50);
  const auto notes = Notes(frames);
  const auto events = EventsOf(notes);
  EventWriter writer = Must(sut().EventsWriter(lane_));
  Must(writer.Append(std::span(events).first(300)));
  EventCursor cursor = Must(Must(sut().Events(lane_)).From({Frame(0), Frame(1 << 20)}));
  Event event;
  for (const std::int64_t at : {0, 1, 49, 50, 51, 7999, 8000, 8001, 14950, 12345}) {
    cursor.Seek(Frame(at));
    ASSERT_EQ(cursor.Next(event), EventStatus::kOk);
    EXPECT_EQ(event.frame, Frame((at + 49) / 50 * 50));
  }
  cursor.Seek(Frame(299 * 50));
  ASSERT_EQ(cursor.Next(event), EventStatus::kOk);
  EXPECT_EQ(cursor.Next(event), EventStatus::kEnd);
  for (std::size_t i = 300; i < events.size(); ++i) {
    Must(writer.Append(events[i]));
    ASSERT_EQ(cursor.Next(event), EventStatus::kOk) << i;
    EXPECT_TRUE(Same(event, events[i])) << i;
    EXPECT_EQ(cursor.Next(event), EventStatus::kEnd);
  }
}

TEST_F(Events, ThatCannotBeAreRefusedAndNothingOfThemIsThere) {
  EventWriter writer = Must(sut().EventsWriter(lane_, {.pages = {PageIndex(0), PageIndex(2)}}));
  const auto notes = Notes({100, 200});
  const auto events = EventsOf(notes);
  Must(writer.Append(events));
  const auto refused = [&](std::vector<Event> list) {
    EXPECT_EQ(CodeOf(writer.Append(list)), ErrorCode::kInvalidArgument);
  };
  const std::array<std::byte, 20> data{std::byte{0x10}};
  const std::array<std::byte, 3> on{std::byte{0x90}, std::byte{1}, std::byte{1}};
  refused({{.frame = Frame(-1), .bytes = on}});
  refused({{.frame = Frame(199), .bytes = on}});  // before the last
  refused({{.frame = Frame(300), .bytes = on}, {.frame = Frame(299), .bytes = on}});
  refused({{.frame = Frame(2 * kRate), .bytes = on}});                       // not owned
  refused({{.frame = Frame(100 * kRate), .bytes = on}});                     // past the capacity
  refused({{.frame = Frame(300), .bytes = {}}});                             // no bytes
  refused({{.frame = Frame(300), .bytes = data}});                           // no status
  refused({{.frame = Frame(300), .kind = EventKind::kUmp, .bytes = data}});  // 20 bytes
  refused({{.frame = Frame(300), .kind = EventKind::kUmp, .bytes = on}});    // 3 bytes
  refused({{.frame = Frame(300), .kind = static_cast<EventKind>(9), .bytes = on}});
  EXPECT_EQ(CodeOf(writer.Replace({Frame(0), Frame(150)}, events)), ErrorCode::kInvalidArgument);
  ExpectSame(All(), events);
  EXPECT_EQ(CodeOf(sut().Writer(lane_)), ErrorCode::kOwned);
  LaneOwner owner = std::move(writer).Release();
  EXPECT_EQ(CodeOf(FrameWriter::Make(std::move(owner))), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf(sut().Reader(lane_)), ErrorCode::kUnsupported);
  const LaneId audio = Must(sut().AddLane({.name = "audio", .rate = {kRate, 1}}));
  EXPECT_EQ(CodeOf(sut().Events(audio)), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf(sut().EventsWriter(audio)), ErrorCode::kUnsupported);
}

TEST_F(Events, MoreThanAPageHoldsAreRefusedAndThePageStaysAsItIs) {
  EventWriter writer = Must(sut().EventsWriter(lane_));
  constexpr std::size_t kHalf = 32 * 1024;
  const std::vector<std::int64_t> frames(kHalf / 64, 10);
  const auto notes = Notes(frames);
  const auto events = EventsOf(notes);
  Must(writer.Append(events));
  const auto more = Notes({11});
  EXPECT_EQ(CodeOf(writer.Append(EventsOf(more))), ErrorCode::kLimit);
  ExpectSame(All(), events);
  // The next page has room.
  const auto next = Notes({kRate});
  Must(writer.Append(EventsOf(next)));
  // A long one fits exactly what is left, or not at all.
  const std::vector<std::byte> fits(kHalf - 2 * 64, std::byte{0xF0});
  const std::vector<std::byte> longer(kHalf - 2 * 64 + 1, std::byte{0xF0});
  EXPECT_EQ(CodeOf(writer.Append({.frame = Frame(kRate + 1), .bytes = longer})), ErrorCode::kLimit);
  Must(writer.Append({.frame = Frame(kRate + 1), .bytes = fits}));
  const EventList all = All();
  EXPECT_TRUE(std::ranges::equal(all[all.size() - 1].bytes, fits));
  // As many as there can be are no surprise either.
  const std::vector<Event> million(1'000'000, Event{.frame = Frame(5 * kRate), .bytes = fits});
  EXPECT_EQ(CodeOf(writer.Append(million)), ErrorCode::kLimit);
  EXPECT_TRUE(Must(sut().Check()).ok());
}

TEST_F(Events, OfADenseLaneHaveTheRoomOfAWideSlot) {
  const std::vector<std::int64_t> frames(700, 10);  // a half of a small slot has room for 512
  const auto notes = Notes(frames);
  const auto events = EventsOf(notes);
  EventWriter small = Must(sut().EventsWriter(lane_));
  EXPECT_EQ(CodeOf(small.Append(events)), ErrorCode::kLimit);
  CreateOptions options = Options();
  options.layout.small_slot_bytes = 16 * 1024;
  const std::string path = dir_.path("other.canvas");
  Must(Canvas::Create(path, options));
  Canvas other = OpenForWriting(path);
  const LaneId thin =
      Must(other.AddLane({.name = "thin", .kind = LaneKind::kMidi, .rate = {kRate, 1}}));
  const LaneId dense = Must(
      other.AddLane({.name = "dense", .kind = LaneKind::kMidi, .rate = {kRate, 1}, .dense = true}));
  const auto few = std::span(events).first(300);
  EXPECT_EQ(CodeOf(Must(other.EventsWriter(thin)).Append(few)), ErrorCode::kLimit);
  Must(Must(other.EventsWriter(dense)).Append(few));
}

TEST_F(Events, InPlaceOfOthersChangeTheirRangeAlone) {
  std::mt19937 random(1);
  std::deque<std::vector<std::byte>> kept;  // the plain model: events, with bytes of their own
  std::vector<Event> model;
  EventWriter writer = Must(sut().EventsWriter(lane_));
  constexpr std::int64_t kEnd = 5 * kRate;
  for (int round = 0; round < 300; ++round) {
    const std::int64_t a = static_cast<std::int64_t>(random() % kEnd);
    const std::int64_t b = static_cast<std::int64_t>(random() % kEnd);
    const FrameRange range{Frame(std::min(a, b)), Frame(std::max(a, b))};
    std::erase_if(model,
                  [&](const Event& e) { return e.frame >= range.first && e.frame < range.end; });
    if (random() % 4 == 0) {
      Must(writer.Erase(range));
    } else {
      std::vector<std::int64_t> frames;
      for (std::uint64_t i = random() % 20; i > 0 && range.first < range.end; --i)
        frames.push_back(range.first.value() +
                         static_cast<std::int64_t>(
                             random() % static_cast<std::uint64_t>(range.end - range.first)));
      std::ranges::sort(frames);
      std::vector<Event> fresh;
      for (const std::int64_t frame : frames) {
        auto& bytes = kept.emplace_back(1 + random() % 60);
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
        fresh.push_back({.frame = Frame(frame),
                         .kind = EventKind::kApplication,
                         .tag = static_cast<std::uint32_t>(round),
                         .bytes = bytes});
      }
      Must(writer.Replace(range, fresh));
      model.insert(std::ranges::lower_bound(model, range.first, {}, &Event::frame), fresh.begin(),
                   fresh.end());
    }
    if (round % 50 == 49) {
      Must(writer.Append(
          {.frame = Frame(kEnd + round), .bytes = kept.emplace_back(3, std::byte{0xFF})}));
      model.push_back({.frame = Frame(kEnd + round), .bytes = kept.back()});
    }
  }
  // `kept` has moved nothing: its vectors own what the model looks at.
  ExpectSame(All(), model);
  EXPECT_TRUE(Must(sut().Check()).ok());
}

TEST_F(Events, ThatAreTransposedAreSeenAllOrNone) {
  std::vector<std::int64_t> frames(200);
  for (std::size_t i = 0; i < frames.size(); ++i) frames[i] = static_cast<std::int64_t>(i * 37);
  {
    const auto first = Notes(frames, 1);
    Must(Must(sut().EventsWriter(lane_)).Append(EventsOf(first)));
  }
  Process reader([&](const Process::Line& line) {
    const Canvas canvas = Must(Canvas::Open(path_));
    const EventReader events = Must(canvas.Events(lane_));
    EventCursor cursor = Must(events.From({Frame(0), Frame(kRate)}));
    line.Say('r');
    std::byte last{0};
    int seen = 0;
    while (last != std::byte{100}) {
      const auto list = events.Read({Frame(0), Frame(kRate)});
      if (!list && list.error().code() == ErrorCode::kBusy) continue;
      if (!list || list->size() != 200) return 1;
      for (std::size_t i = 0; i < list->size(); ++i)
        if ((*list)[i].bytes[2] != (*list)[0].bytes[2] ||
            (*list)[i].bytes[1] != static_cast<std::byte>(i & 0x7F))
          return 2;
      if ((*list)[0].bytes[2] < last) return 3;
      last = (*list)[0].bytes[2];
      ++seen;
      // A cursor is of one list, or says that it raced.
      cursor.Seek(Frame(0));
      Event event;
      std::byte one{0};
      for (EventStatus status = cursor.Next(event); status == EventStatus::kOk;
           status = cursor.Next(event)) {
        if (one == std::byte{0}) one = event.bytes[2];
        if (event.bytes[2] != one) return 4;
      }
    }
    return seen > 0 ? 0 : 5;
  });
  EXPECT_EQ(reader.Hear(), 'r');
  EventWriter writer = Must(sut().EventsWriter(lane_));
  for (std::uint8_t velocity = 2; velocity <= 100; ++velocity) {
    const auto notes = Notes(frames, velocity);
    Must(writer.Replace({Frame(0), Frame(kRate)}, EventsOf(notes)));
  }
  EXPECT_EQ(reader.Wait(), 0);
}

TEST_F(Events, OfAWriterThatIsKilledAreOldOrNewAndTheNextOneGoesOn) {
  canvas_.reset();
  const std::uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::uint8_t newest = 0;
  for (int round = 0; round < 30; ++round) {
    Process writer([&](const Process::Line& line) {
      Canvas canvas = OpenForWriting(path_);
      EventWriter own = Must(canvas.EventsWriter(lane_));
      for (std::uint8_t velocity = 1;; velocity = static_cast<std::uint8_t>(velocity % 120 + 1)) {
        const auto notes = Notes(std::vector<std::int64_t>(100, 5), velocity);
        Must(own.Replace({Frame(0), Frame(kRate)}, EventsOf(notes)));
        for (int i = 0; i < 10; ++i) Must(own.Append(EventsOf(notes)[0]));
        line.Say('w');
      }
      return 0;
    });
    for (std::uint64_t i = random() % 20 + 1; i > 0; --i) EXPECT_EQ(writer.Hear(), 'w');
    writer.Kill();
    EXPECT_EQ(writer.Wait(), 128 + SIGKILL);
    canvas_.emplace(OpenForWriting(path_));
    const EventList all = All();
    ASSERT_GE(all.size(), 100U);
    ASSERT_LE(all.size(), 110U);
    newest = static_cast<std::uint8_t>(all[0].bytes[2]);
    for (std::size_t i = 0; i < all.size(); ++i)
      EXPECT_EQ(static_cast<std::uint8_t>(all[i].bytes[2]), newest);
    EXPECT_TRUE(Must(sut().Check()).ok());
    const auto notes = Notes({6});
    Must(Must(sut().EventsWriter(lane_)).Append(EventsOf(notes)));
    EXPECT_EQ(All().size(), all.size() + 1);
    canvas_.reset();
  }
}

TEST_F(Events, ThatAreDamagedAreToldAndHarmNobody) {
  std::vector<std::byte> sysex(500, std::byte{0xF0});
  {
    EventWriter writer = Must(sut().EventsWriter(lane_));
    const auto notes = Notes({10, 20, 30, 40});
    Must(writer.Append(EventsOf(notes)));
    Must(writer.Append({.frame = Frame(50), .bytes = sysex}));
    const auto next = Notes({kRate + 1});
    Must(writer.Append(EventsOf(next)));
  }
  canvas_.reset();
  std::uint64_t data = 0;
  {
    const auto file = Must(storage::CanvasFile::Open(path_, {}));
    const auto header = Must(storage::HeaderStore(*file).Current());
    data = file->geometry().Page(PageIndex(0)).value() +
           file->geometry().Data(header->Find(lane_)->slots);
  }
  const std::string good = dir_.path("good");
  testing::CopySparse(path_, good);
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    testing::CopySparse(good, path_);
    const std::uint64_t at = data + random() % (5 * 64 / 8) * 8;
    const std::uint64_t word = random() % 3 == 0 ? ~std::uint64_t{0}
                               : random() % 2 == 0
                                   ? std::uint64_t{random()} << 32 | random()
                                   : testing::PeekWord(path_, at) ^ 1ULL << random() % 64;
    testing::PokeWord(path_, at, word);
    const Canvas canvas = OpenForWriting(path_);
    (void)Must(canvas.Check());
    const EventReader reader = Must(canvas.Events(lane_));
    (void)reader.Read({Frame(0), Frame(1 << 20)});
    EventCursor cursor = Must(reader.From({Frame(0), Frame(1 << 20)}));
    Event event;
    int steps = 0;
    Frame last(0);
    for (EventStatus status = cursor.Next(event); status != EventStatus::kEnd;
         status = cursor.Next(event)) {
      ASSERT_LT(++steps, 20);
      if (status == EventStatus::kOk) {
        EXPECT_GE(event.frame, last);
        last = event.frame;
      }
    }
  }
}

// What an attack found: each of these lost events, or said that a good page was damaged.
TEST_F(Events, AreFollowedWhateverComesBeforeThemAndWhateverWasThere) {
  const auto event = [](std::int64_t frame) {
    static const std::array<std::byte, 2> bytes{std::byte{0xC0}, std::byte{1}};
    return Event{.frame = Frame(frame), .bytes = bytes};
  };
  EventWriter writer = Must(sut().EventsWriter(lane_));
  const EventReader reader = Must(sut().Events(lane_));
  EventCursor cursor = Must(reader.From({Frame(100), Frame(1 << 30)}));
  const auto next = [&] {
    Event got;
    const EventStatus status = cursor.Next(got);
    return status == EventStatus::kOk      ? got.frame.value()
           : status == EventStatus::kEnd   ? std::int64_t{-1}
           : status == EventStatus::kRaced ? std::int64_t{-2}
                                           : std::int64_t{-3};
  };
  // An event before where the cursor stands.
  Must(writer.Append(event(10)));
  EXPECT_EQ(next(), -1);
  Must(writer.Append(event(50)));
  EXPECT_EQ(next(), -1);
  Must(writer.Append(event(150)));
  EXPECT_EQ(next(), 150);
  EXPECT_EQ(next(), -1);
  // A page that is given back, and written again.
  Must(writer.Replace({Frame(0), Frame(kRate)}, {}));
  for (const std::int64_t frame : {120, 200, 300}) Must(writer.Append(event(frame)));
  EXPECT_EQ(next(), -2);
  EXPECT_EQ(next(), 200);
  EXPECT_EQ(next(), 300);
  EXPECT_EQ(next(), -1);
  // A later page that has nothing any more.
  Must(writer.Append(event(5 * kRate)));
  Must(writer.Erase({Frame(5 * kRate), Frame(6 * kRate)}));
  EXPECT_EQ(next(), -1);
  Must(writer.Append(event(400)));
  EXPECT_EQ(next(), 400);
  Must(writer.Append(event(2 * kRate)));
  EXPECT_EQ(next(), 2 * kRate);
  EXPECT_EQ(next(), -1);
}

TEST_F(Events, WhoseBytesAreLiedAboutTakeNoMemory) {
  {
    EventWriter writer = Must(sut().EventsWriter(lane_));
    const std::vector<std::byte> bytes(40, std::byte{0xF0});
    for (std::int64_t i = 0; i < 200; ++i) Must(writer.Append({.frame = Frame(i), .bytes = bytes}));
  }
  canvas_.reset();
  std::uint64_t data = 0;
  {
    const auto file = Must(storage::CanvasFile::Open(path_, {}));
    const auto header = Must(storage::HeaderStore(*file).Current());
    data = file->geometry().Page(PageIndex(0)).value() +
           file->geometry().Data(header->Find(lane_)->slots);
  }
  // Each says that half of its half is its own.
  for (std::uint64_t i = 0; i < 200; ++i)
    testing::PokeWord(path_, data + i * 64 + 24, std::uint64_t{16 * 1024} | 2048ULL << 32);
  canvas_.emplace(OpenForWriting(path_));
  EXPECT_EQ(CodeOf(Must(sut().Events(lane_)).Read({Frame(0), Frame(10)})), ErrorCode::kCorrupt);
  EXPECT_FALSE(Must(sut().Check()).ok());
  // All of it can be given back.
  Must(Must(sut().EventsWriter(lane_)).Replace({Frame(0), Frame(kRate)}, {}));
  EXPECT_EQ(All().size(), 0U);
}

TEST_F(Events, PastTheReachOfAHandleAreNotReplaced) {
  {
    EventWriter writer = Must(sut().EventsWriter(lane_));
    const auto notes = Notes({0, 9 * kRate});
    Must(writer.Append(EventsOf(notes)));
  }
  canvas_.reset();
  canvas_.emplace(Must(Canvas::Open(
      path_, {.access = Access::kReadWrite, .max_map_bytes = 16 << 20, .sync_on_close = false})));
  if (sut().Info().mapped_pages >= 9) GTEST_SKIP() << "SKIPPED: the handle reaches all of it";
  EXPECT_EQ(CodeOf(Must(sut().EventsWriter(lane_)).Replace({Frame(0), Frame(1 << 30)}, {})),
            ErrorCode::kLimit);
}

TEST_F(Events, AreWatched) {
  Watcher watcher = Must(sut().Watch());
  EventWriter writer = Must(sut().EventsWriter(lane_));
  const auto notes = Notes({10, 20});
  Must(writer.Append(EventsOf(notes)));
  const auto changed = [&](Change::Kind kind, std::int64_t first, std::int64_t end) {
    for (const Change& change : Must(watcher.Next(std::chrono::milliseconds(0))))
      if (change.kind == kind && change.frames == FrameRange{Frame(first), Frame(end)}) return true;
    return false;
  };
  EXPECT_TRUE(changed(Change::Kind::kGrew, 10, 21));
  Must(writer.Replace({Frame(0), Frame(15)}, {}));
  EXPECT_TRUE(changed(Change::Kind::kRewritten, 10, 21));
  const auto more = Notes({20, 30});
  Must(writer.Append(EventsOf(more)));
  EXPECT_TRUE(changed(Change::Kind::kGrew, 20, 31));
  EXPECT_EQ(Must(writer.Erase({Frame(0), Frame(kRate)})).erased_events, 3U);
  EXPECT_TRUE(changed(Change::Kind::kErased, 20, 31));
}

TEST_F(Events, OfRecordsAreKeptAndLanesOfThemAreRemovedAndReused) {
  const LaneId records = Must(sut().AddLane(
      {.name = "analysis", .kind = LaneKind::kRecords, .rate = {kRate, 1}, .dense = true}));
  const std::string json = R"({"key": "F# minor", "confidence": 0.93, "why": "the bass"})";
  {
    EventWriter writer = Must(sut().EventsWriter(records));
    Must(writer.Append({.frame = Frame(3),
                        .kind = EventKind::kApplication,
                        .tag = 1,
                        .bytes = std::as_bytes(std::span(json))}));
  }
  const EventList list = Must(Must(sut().Events(records)).Read({Frame(0), Frame(10)}));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(std::ranges::equal(list[0].bytes, std::as_bytes(std::span(json))));
  Must(sut().RemoveLane(records));
  // Its slot goes to frames, which see nothing of it, and back to events.
  const LaneId audio = Must(sut().AddLane({.name = "audio", .rate = {kRate, 1}}));
  EXPECT_EQ(Must(sut().Reader(audio)).Extent().written_frames, 0U);
  Must(Must(sut().Writer(audio)).Write(Frame(0), testing::Samples(1, 0, 100, 2)));
  Must(sut().RemoveLane(audio));
  const LaneId again = Must(sut().AddLane(
      {.name = "again", .kind = LaneKind::kRecords, .rate = {kRate, 1}, .dense = true}));
  EXPECT_EQ(Must(Must(sut().Events(again)).Read({Frame(0), Frame(kRate)})).size(), 0U);
  EXPECT_TRUE(Must(sut().Check()).ok());
}

}  // namespace
}  // namespace canvas
