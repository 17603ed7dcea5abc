// Several processes, one canvas, through what users include: real processes, in step by pipes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/control_words.h"
#include "canvas/format/editor_record.h"
#include "canvas/format/lock_format.h"
#include "canvas/format/owner_table.h"
#include "canvas/storage/holder_name.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

namespace fs = std::filesystem;
using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Process;
using testing::Samples;
using testing::SmallCanvas;
using Line = Process::Line;

constexpr std::int64_t kPage = 8000;  // frames
constexpr std::int64_t kBlock = 64;

PageRange Pages(std::uint32_t first, std::uint32_t end) {
  return {PageIndex(first), PageIndex(end)};
}

class Processes : public testing::CanvasTest {
 protected:
  Processes() {
    Must(Canvas::Create(path_, SmallCanvas()));
    Canvas canvas = OpenForWriting(path_);
    for (const char* name : {"a", "b"})
      Must(canvas.AddLane({.name = name, .channels = 2, .rate = {8000, 1}}));
  }
  // Whether frames [first, first + count) of a lane read as those of an epoch.
  static bool Reads(const Canvas& canvas, LaneId lane, std::int64_t first, std::int64_t count,
                    std::uint32_t epoch = 0) {
    LaneReader reader = Must(canvas.Reader(lane));
    std::vector<float> out(static_cast<std::size_t>(count) * 2);
    return reader.Read(Frame(first), out).status == ReadStatus::kOk &&
           out == Samples(lane.value(), first, static_cast<std::uint64_t>(count), 2, epoch);
  }
  static void Write(FrameWriter& writer, std::int64_t first, std::int64_t count,
                    std::uint32_t epoch = 0) {
    Must(writer.Write(Frame(first), Samples(writer.lane().id.value(), first,
                                            static_cast<std::uint64_t>(count), 2, epoch)));
  }
  void ExpectNothingWrong() {
    const CheckReport report = Must(Must(Canvas::Open(path_)).Check());
    EXPECT_TRUE(report.ok()) << report.findings[0];
    EXPECT_TRUE(report.notes.empty()) << report.notes[0];
  }

  const LaneId a_{1};
  const LaneId b_{2};
};

class Readers : public Processes, public ::testing::WithParamInterface<int> {};

TEST_P(Readers, OfOnePageAllSeeEachBlockWholeAndTimeGoForward) {
  constexpr std::uint32_t kEpochs = 400;
  Canvas canvas = OpenForWriting(path_);
  FrameWriter writer = Must(canvas.Writer(a_));
  Write(writer, 0, 4 * kBlock, 0);
  std::vector<Process> readers;
  for (int i = 0; i < GetParam(); ++i)
    readers.emplace_back([this](const Line& line) {
      const Canvas mine = Must(Canvas::Open(path_));
      LaneReader reader = Must(mine.Reader(a_));
      std::vector<float> out(kBlock * 2);
      std::uint32_t newest = 0;
      line.Say('r');
      while (newest + 1 < kEpochs) {
        if (reader.Read(Frame(kBlock), out).status == ReadStatus::kRaced) continue;
        const auto is = [&](std::uint32_t epoch) {
          return out == Samples(1, kBlock, kBlock, 2, epoch);
        };
        std::uint32_t epoch = newest;
        while (epoch < kEpochs && !is(epoch)) ++epoch;
        if (epoch == kEpochs) return 1;  // torn, or older than the last
        newest = epoch;
      }
      return 0;
    });
  for (const Process& reader : readers) ASSERT_EQ(reader.Hear(), 'r');
  for (std::uint32_t epoch = 1; epoch < kEpochs; ++epoch) Write(writer, 0, 4 * kBlock, epoch);
  for (Process& reader : readers) EXPECT_EQ(reader.Wait(), 0);
}
INSTANTIATE_TEST_SUITE_P(TwoAndSixteen, Readers, ::testing::Values(2, 16));

TEST_F(Processes, AReaderBehindBesideAndAheadOfAWriter) {
  Process writer([this](const Line& line) {
    Canvas canvas = OpenForWriting(path_);
    FrameWriter mine = Must(canvas.Writer(a_));
    while (line.Hear() == 'g') {
      Must(mine.Append(Samples(1, mine.end().value(), 1000, 2)));
      line.Say('w');
    }
    return 0;
  });
  // Opened before the file has a page, or has grown to one.
  const Canvas canvas = Must(Canvas::Open(path_));
  LaneReader reader = Must(canvas.Reader(a_));
  std::vector<float> out(200);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kUnwritten);
  for (std::int64_t end = 1000; end <= 3 * kPage; end += 1000) {
    writer.Tell('g');
    ASSERT_EQ(writer.Hear(), 'w');
    EXPECT_TRUE(Reads(canvas, a_, end - 1000, 1000)) << "behind, up to " << end;
    const ReadResult beside = reader.Read(Frame(end - 50), out);
    EXPECT_EQ(beside, (ReadResult{ReadStatus::kPartlyUnwritten, 50})) << end;
    EXPECT_EQ(reader.Read(Frame(end), out).status, ReadStatus::kUnwritten) << "ahead of " << end;
  }
}

TEST_F(Processes, WritersOnLanesAndOnPagesOfOneLaneDoNotMeet) {
  std::vector<Process> writers;
  // Three of one lane, by pages; one of another, over all.
  for (std::uint32_t i = 0; i < 4; ++i)
    writers.emplace_back([this, i](const Line& line) {
      Canvas canvas = OpenForWriting(path_);
      const LaneId lane = i < 3 ? a_ : b_;
      FrameWriter mine =
          i < 3 ? Must(canvas.Writer(lane, {.pages = Pages(i, i + 1)})) : Must(canvas.Writer(lane));
      line.Say('o');
      if (line.Hear() != 'g') return 1;
      const std::int64_t first = i < 3 ? i * kPage : 0;
      for (std::uint32_t epoch = 0; epoch < 20; ++epoch) Write(mine, first, kPage, epoch);
      return 0;
    });
  for (const Process& writer : writers) ASSERT_EQ(writer.Hear(), 'o');
  for (const Process& writer : writers) writer.Tell('g');
  for (Process& writer : writers) EXPECT_EQ(writer.Wait(), 0);
  const Canvas canvas = Must(Canvas::Open(path_));
  EXPECT_TRUE(Reads(canvas, a_, 0, 3 * kPage, 19));
  EXPECT_TRUE(Reads(canvas, b_, 0, kPage, 19));
  ExpectNothingWrong();
}

TEST_F(Processes, HandALaneOnInSequence) {
  for (int i = 0; i < 5; ++i) {
    Process writer([this, i](const Line&) {
      Canvas canvas = OpenForWriting(path_);
      FrameWriter mine = Must(canvas.Writer(a_));
      if (mine.end() != Frame(i * 777)) return 1;
      Must(mine.Append(Samples(1, i * 777, 777, 2)));
      if (i % 2 == 1) kill(getpid(), SIGKILL);  // in either way
      return 0;
    });
    EXPECT_EQ(writer.Wait(), i % 2 == 1 ? 128 + SIGKILL : 0);
  }
  EXPECT_TRUE(Reads(Must(Canvas::Open(path_)), a_, 0, 5 * 777));
  ExpectNothingWrong();
}

TEST_F(Processes, AWaitingOwnerGetsTheLaneWhenTheOtherLetsGoOrDies) {
  for (const bool dies : {false, true}) {
    Process first([this](const Line& line) {
      Canvas canvas = OpenForWriting(path_);
      std::optional<FrameWriter> mine = Must(canvas.Writer(a_));
      line.Say('o');
      line.Hear();
      mine.reset();
      line.Hear();
      return 0;
    });
    ASSERT_EQ(first.Hear(), 'o');
    Process second([this](const Line& line) {
      Canvas canvas = OpenForWriting(path_);
      if (CodeOf(canvas.Writer(a_, {.wait = std::chrono::milliseconds(20)})) != ErrorCode::kOwned)
        return 1;
      line.Say('w');
      return canvas.Writer(a_, {.wait = std::chrono::seconds(60)}) ? 0 : 2;
    });
    ASSERT_EQ(second.Hear(), 'w');
    if (dies)
      first.Kill();
    else
      first.Tell('x');
    EXPECT_EQ(second.Wait(), 0);
  }
}

// Takes the lock of the metadata's editors, and holds it. Who may only read the file can take it
// shared, which is in an editor's way all the same.
int HoldTheEditorsLock(const std::string& path, bool only_reads, bool says_its_name,
                       const Process::Line& line) {
  const int fd = open(path.c_str(), (only_reads ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = only_reads ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(format::HeaderLock().start);
  lock.l_len = 1;
  if (fcntl(fd, F_OFD_SETLK, &lock) != 0) return 2;
  if (says_its_name) {
    const auto pid = static_cast<std::uint64_t>(getpid());
    const std::uint64_t began = storage::StartTimeOf(pid);
    const char name[] = "a slow editor";
    const auto at = static_cast<off_t>(format::kControlOffset + format::control::kHeaderEditor);
    if (pwrite(fd, &pid, 8, at + format::editor::kPid) != 8 ||
        pwrite(fd, &began, 8, at + format::editor::kStartTime) != 8 ||
        pwrite(fd, name, sizeof name, at + format::editor::kName) != sizeof name)
      return 3;
  }
  line.Say('h');
  line.Hear();
  return 0;
}

TEST_F(Processes, AStoppedEditorIsNamedAndWaitedForWithABound) {
  const Process editor(
      [&](const Process::Line& line) { return HoldTheEditorsLock(path_, false, true, line); });
  ASSERT_EQ(editor.Hear(), 'h');
  editor.Stop();
  Canvas sut = Must(Canvas::Open(path_, {.access = Access::kReadWrite,
                                         .sync_on_close = false,
                                         .edit_wait = std::chrono::milliseconds(30)}));
  const auto added = sut.AddLane({.name = "late", .channels = 1, .rate = {8000, 1}});
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code(), ErrorCode::kBusy);
  EXPECT_NE(added.error().what().find("a slow editor (pid "), std::string::npos)
      << added.error().what();
  // Nothing else waits for it: pages grow, lanes are owned and written.
  Must(sut.AllocatePage(PageIndex(77)));
  Must(Must(sut.Writer(a_)).Write(Frame(60 * kPage), Samples(1, 0, 100, 2)));
  editor.Kill();
  const Canvas patient = OpenForWriting(path_);
  Must(const_cast<Canvas&>(patient).AddLane({.name = "late", .channels = 1, .rate = {8000, 1}}));
}

TEST_F(Processes, AReaderThatLocksIsTheReasonThatIsGiven) {
  const Process reader(
      [&](const Process::Line& line) { return HoldTheEditorsLock(path_, true, false, line); });
  ASSERT_EQ(reader.Hear(), 'h');
  Canvas sut = Must(Canvas::Open(path_, {.access = Access::kReadWrite,
                                         .sync_on_close = false,
                                         .edit_wait = std::chrono::milliseconds(30)}));
  const auto renamed = sut.RenameLane(a_, "b");
  ASSERT_FALSE(renamed.has_value());
  EXPECT_EQ(renamed.error().code(), ErrorCode::kBusy);
  EXPECT_NE(renamed.error().what().find("does not say its name"), std::string::npos);
  EXPECT_NE(renamed.error().hint().find("/proc/locks"), std::string::npos);
}

TEST_F(Processes, AReaderThatLocksALaneIsTheReasonThatIsGiven) {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(format::OwnershipLock(a_, Pages(3, 4)).start);
  lock.l_len = 1;
  ASSERT_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
  Canvas sut = OpenForWriting(path_);
  const auto owned = sut.Writer(a_);
  ASSERT_FALSE(owned.has_value());
  EXPECT_EQ(owned.error().code(), ErrorCode::kOwned);
  EXPECT_NE(owned.error().what().find("does not say its name"), std::string::npos);
  Must(sut.Writer(a_, {.pages = Pages(4, 100)}));
  close(fd);
  Must(sut.Writer(a_));
}

// A stopped process may be anywhere in the growth of the file; there is no lock to hold there.
TEST_F(Processes, AGrowingProcessThatIsStoppedStopsNobodysGrowth) {
  const Process grower([&](const Process::Line& line) -> int {
    Canvas canvas = OpenForWriting(path_);
    line.Say('g');
    for (std::uint32_t page = 2; page < 100; ++page) Must(canvas.AllocatePage(PageIndex(page)));
    for (;;) pause();
  });
  ASSERT_EQ(grower.Hear(), 'g');
  grower.Stop();
  Canvas sut = OpenForWriting(path_);
  for (std::uint32_t page = 2; page < 100; ++page) Must(sut.AllocatePage(PageIndex(page)));
  EXPECT_GE(sut.Info().ready_pages, 98U);
}

TEST_F(Processes, ALaneThatCannotBeRemovedKeepsWhatItHolds) {
  Canvas sut = OpenForWriting(path_);
  Must(Must(sut.Writer(a_)).Write(Frame(0), Samples(1, 0, 1000, 2)));
  const Canvas reader = Must(Canvas::Open(path_));
  // Every place but the current one is pinned.
  std::vector<MetadataPin> pins;
  Result<void> edited;
  for (int i = 0; edited; ++i) {
    pins.push_back(Must(reader.Pin()));
    edited = sut.DescribeLane(a_, std::to_string(i));
  }
  EXPECT_EQ(edited.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(CodeOf(sut.RemoveLane(a_)), ErrorCode::kLimit);
  LaneReader whole = Must(sut.Reader(a_));
  std::vector<float> out(2000);
  EXPECT_EQ(whole.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 1000, 2));
  pins.clear();
  Must(sut.RemoveLane(a_));
}

// Twelve lanes, which are all that there is room for, and twelve processes with two handles each:
// each process begins with a lane of its own, and then goes for all others' too. Lanes with new
// names are added as slots come free.
TEST_F(Processes, LanesThatManyRemoveAtOnceGoOnceEachAndLeaveNothingToTheNextOnes) {
  constexpr std::uint32_t kLanes = 12;
  constexpr std::int64_t kPages = 40;
  // No edit takes as long, so that none is too busy.
  const OpenOptions patient{
      .access = Access::kReadWrite, .sync_on_close = false, .edit_wait = std::chrono::seconds(60)};
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  Canvas canvas = Must(Canvas::Open(path_, patient));
  // A signal that fits one goes to a small slot, of which there are four.
  const auto add = [&](const std::string& name, bool small) {
    return canvas.AddLane({.name = name,
                           .kind = small ? LaneKind::kSignal : LaneKind::kAudio,
                           .channels = small ? 1U : 2U,
                           .rate = {small ? 1000U : 8000U, 1}});
  };
  std::vector<LaneId> doomed{a_, b_};
  while (doomed.size() < kLanes)
    doomed.push_back(Must(add(std::to_string(doomed.size()), doomed.size() < 6)));
  EXPECT_EQ(CodeOf(add("one too many", false)), ErrorCode::kLimit);
  EXPECT_EQ(CodeOf(add("one too many", true)), ErrorCode::kLimit);
  for (const LaneId lane : doomed) {
    FrameWriter writer = Must(canvas.Writer(lane));
    const auto rate = static_cast<std::int64_t>(writer.lane().rate.num);
    for (std::int64_t page = 0; page < kPages; ++page)
      Must(writer.Write(Frame(page * rate),
                        std::vector<float>(1000 * writer.lane().channels, 0.25F)));
  }

  std::vector<Process> removers;
  for (std::uint32_t i = 0; i < kLanes; ++i)
    removers.emplace_back([&, i](const Line& line) {
      std::mt19937 random(seed + i);
      std::array<Canvas, 2> handles{Must(Canvas::Open(path_, patient)),
                                    Must(Canvas::Open(path_, patient))};
      std::vector<std::uint32_t> order(kLanes);
      std::iota(order.begin(), order.end(), 0U);
      std::ranges::shuffle(order, random);
      std::swap(order[0], *std::ranges::find(order, i));
      line.Say('o');
      line.Hear();
      for (const std::uint32_t lane : order) {
        Canvas& mine = handles[random() % 2];
        auto removed = mine.RemoveLane(doomed[lane]);
        // Another is at it. Half of them ask again at once, which meets it while it lets go.
        const auto owned = [&] { return !removed && removed.error().code() == ErrorCode::kOwned; };
        while (i % 2 == 0 && owned()) removed = mine.RemoveLane(doomed[lane]);
        if (owned()) {
          auto owner = mine.Own(doomed[lane], {.wait = std::chrono::seconds(60)});
          removed = owner ? mine.RemoveLane(*std::move(owner))
                          : Result<void>(std::unexpected(owner.error()));
        }
        if (removed) line.Say(static_cast<char>('A' + lane));
        if (!removed && removed.error().code() != ErrorCode::kNotFound) {
          std::fprintf(stderr, "lane %u: %s\n", lane, removed.error().Message().c_str());
          return 1;
        }
      }
      line.Say('.');
      return 0;
    });
  for (const Process& remover : removers) ASSERT_EQ(remover.Hear(), 'o');
  for (const Process& remover : removers) remover.Tell('g');

  // The next ones: written on a page that the last ones had, and on no other.
  std::vector<LaneId> next;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  // One that fits a small slot takes a wide one where no small one is free.
  for (std::uint32_t left = kLanes; left != 0;) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "seed " << seed;
    const std::uint32_t seen = canvas.ChangeCount();
    auto added = add("next " + std::to_string(next.size()), seen % 2 == 0);
    if (!added) added = add("next " + std::to_string(next.size()), seen % 2 != 0);
    if (!added) {
      ASSERT_EQ(added.error().code(), ErrorCode::kLimit) << added.error().Message();
      canvas.WaitForChange(seen, std::chrono::milliseconds(10));
      continue;
    }
    --left;
    next.push_back(*added);
    LaneReader reader = Must(canvas.Reader(*added));
    const auto rate = static_cast<std::int64_t>(reader.lane().rate.num);
    EXPECT_EQ(reader.Extent().written_frames, 0U) << "seed " << seed;
    FrameWriter writer = Must(canvas.Writer(*added));
    // With a gap, in which something of the last lane would show.
    for (const std::int64_t at : {256, 640})
      Must(writer.Write(Frame(3 * rate + at),
                        Samples(added->value(), at, 128, writer.lane().channels)));
  }

  std::array<int, kLanes> times{};
  for (Process& remover : removers) {
    for (char said = remover.Hear(); said != '.'; said = remover.Hear()) {
      ASSERT_NE(said, '\0') << "it ended before, seed " << seed;
      ++times.at(static_cast<std::size_t>(said - 'A'));
    }
    EXPECT_EQ(remover.Wait(), 0) << "seed " << seed;
  }
  for (const int each : times) EXPECT_EQ(each, 1) << "seed " << seed;
  const Canvas after = Must(Canvas::Open(path_));
  std::vector<LaneId> there;
  for (const LaneInfo& lane : Must(after.Lanes())) there.push_back(lane.id);
  EXPECT_EQ(there, next) << "seed " << seed;
  for (const LaneId lane : next) {
    LaneReader reader = Must(after.Reader(lane));
    const std::uint32_t channels = reader.lane().channels;
    const auto rate = static_cast<std::int64_t>(reader.lane().rate.num);
    std::vector<float> out(128 * channels);
    for (const std::int64_t at : {256, 640}) {
      EXPECT_EQ(reader.Read(Frame(3 * rate + at), out).status, ReadStatus::kOk) << "seed " << seed;
      EXPECT_EQ(out, Samples(lane.value(), at, 128, channels)) << "seed " << seed;
    }
    EXPECT_EQ(reader.Extent().written_frames, 256U) << "something else than its own, seed " << seed;
  }
  EXPECT_TRUE(Must(after.Owners()).empty());
  ExpectNothingWrong();
}

TEST_F(Processes, MetadataIsEditedWhileAnotherHasPinnedIt) {
  const Canvas reader = Must(Canvas::Open(path_));
  const MetadataPin pin = Must(reader.Pin());
  Process editor([this](const Line& line) {
    Canvas canvas = OpenForWriting(path_);
    for (int i = 0; i < 50; ++i) Must(canvas.DescribeLane(a_, "edit " + std::to_string(i)));
    line.Say('e');
    return 0;
  });
  ASSERT_EQ(editor.Hear(), 'e');
  EXPECT_EQ(Must(pin.Lanes())[0].description, "") << "as it was when it was pinned";
  EXPECT_EQ(Must(reader.FindLane(a_)).description, "edit 49");
  EXPECT_EQ(Must(reader.Pin()).generation(), pin.generation() + 50);
}

TEST_F(Processes, WhileFiveVersionsArePinnedNoEditNotices) {
  Canvas canvas = OpenForWriting(path_);
  const Canvas reader = Must(Canvas::Open(path_));
  std::deque<MetadataPin> pins;
  for (int i = 0; i < 5; ++i) {
    pins.push_back(Must(reader.Pin()));
    Must(canvas.DescribeLane(a_, "pinned " + std::to_string(i)));
  }
  for (int i = 0; i < 20; ++i) Must(canvas.DescribeLane(a_, std::to_string(i)));
  Must(canvas.Sync());  // which pins too, and makes another version the durable one
  for (int i = 0; i < 20; ++i) Must(canvas.DescribeLane(a_, std::to_string(i)));
  const LaneId c = Must(canvas.AddLane({.name = "c", .channels = 2, .rate = {8000, 1}}));
  Must(canvas.RemoveLane(c));
  for (std::size_t i = 1; i < pins.size(); ++i)
    EXPECT_EQ(Must(pins[i].Lanes())[0].description, "pinned " + std::to_string(i - 1));
  // The sixth, the current and the durable version leave no place.
  pins.push_back(Must(reader.Pin()));
  Must(canvas.DescribeLane(a_, "the last"));
  EXPECT_EQ(CodeOf(canvas.DescribeLane(a_, "one more")), ErrorCode::kLimit);
  pins.pop_front();
  for (int i = 0; i < 20; ++i) Must(canvas.DescribeLane(a_, std::to_string(i)));
}

TEST_F(Processes, WhenEveryPlaceIsPinnedAnEditIsRefusedAndGoesThroughAfterwards) {
  Canvas canvas = OpenForWriting(path_);
  const Canvas reader = Must(Canvas::Open(path_));
  std::deque<MetadataPin> pins;
  Result<void> edited;
  for (int i = 0; i < 20 && edited; ++i) {
    pins.push_back(Must(reader.Pin()));
    edited = canvas.DescribeLane(a_, std::to_string(i));
  }
  ASSERT_FALSE(edited.has_value());
  EXPECT_EQ(edited.error().code(), ErrorCode::kLimit);
  EXPECT_NE(edited.error().Message().find("pinned"), std::string::npos);
  for (std::size_t i = 1; i < pins.size(); ++i)
    EXPECT_EQ(Must(pins[i].Lanes())[0].description, std::to_string(i - 1)) << "still its version";
  EXPECT_TRUE(Reads(canvas, a_, 0, 0)) << "reading is not affected";
  pins.pop_front();
  Must(canvas.DescribeLane(a_, "through"));
}

TEST_F(Processes, ADeadPinHolderHoldsNothing) {
  Process reader([this](const Line& line) {
    const Canvas canvas = Must(Canvas::Open(path_));
    std::vector<MetadataPin> pins;
    Canvas editor = OpenForWriting(path_);
    for (int i = 0; i < 5; ++i) {
      pins.push_back(Must(canvas.Pin()));
      Must(editor.DescribeLane(a_, std::to_string(i)));
    }
    const PageHold hold = Must(canvas.Hold(a_, Pages(0, 10)));
    line.Say('p');
    line.Hear();
    return 0;
  });
  ASSERT_EQ(reader.Hear(), 'p');
  Canvas canvas = OpenForWriting(path_);
  FrameWriter writer = Must(canvas.Writer(a_));
  Write(writer, 0, kPage);
  EXPECT_EQ(CodeOf(writer.Erase({Frame(0), Frame(kPage)})), ErrorCode::kBusy);
  reader.Kill();
  reader.Wait();
  Must(writer.Erase({Frame(0), Frame(kPage)}));
  for (int i = 0; i < 20; ++i) Must(canvas.DescribeLane(a_, std::to_string(i)));
  EXPECT_EQ(testing::KernelLocks(path_), 2U) << "the writer's lane and its entry";
}

TEST_F(Processes, TwoThatAddLanesAtOnceBothHaveTheirs) {
  std::vector<Process> adders;
  for (int i = 0; i < 2; ++i)
    adders.emplace_back([this, i](const Line& line) {
      Canvas canvas = OpenForWriting(path_);
      line.Hear();
      for (int lane = 0; lane < 3; ++lane)
        Must(canvas.AddLane(
            {.name = std::to_string(i) + std::to_string(lane), .channels = 1, .rate = {8000, 1}}));
      return 0;
    });
  for (const Process& adder : adders) adder.Tell('g');
  for (Process& adder : adders) EXPECT_EQ(adder.Wait(), 0);
  const Canvas canvas = Must(Canvas::Open(path_));
  const auto lanes = Must(canvas.Lanes());
  ASSERT_EQ(lanes.size(), 8U);
  for (const char* name : {"00", "01", "02", "10", "11", "12"})
    EXPECT_TRUE(canvas.FindLane(name).has_value()) << name;
}

TEST_F(Processes, GrowthRacedByFourLosesNoPage) {
  std::vector<Process> growers;
  for (std::uint32_t i = 0; i < 4; ++i)
    growers.emplace_back([this, i](const Line& line) {
      Canvas canvas = OpenForWriting(path_);
      line.Hear();
      // Interleaved, and each page by two of them.
      for (std::uint32_t page = i / 2; page < 80; page += 2)
        Must(canvas.AllocatePage(PageIndex(page)));
      return 0;
    });
  const Canvas before = Must(Canvas::Open(path_));
  for (const Process& grower : growers) grower.Tell('g');
  for (Process& grower : growers) EXPECT_EQ(grower.Wait(), 0);
  EXPECT_EQ(before.Info().ready_pages, 80U) << "seen by who had opened it when it was small";
  ExpectNothingWrong();
}

TEST_F(Processes, AChildForkedFromAHolderNeitherUsesNorKeepsWhatItsParentHolds) {
  auto canvas = std::make_unique<Canvas>(OpenForWriting(path_));
  auto writer = std::make_unique<FrameWriter>(Must(canvas->Writer(a_, {.pages = Pages(0, 10)})));
  Write(*writer, 0, kPage);
  auto pin = std::make_unique<MetadataPin>(Must(canvas->Pin()));
  auto hold = std::make_unique<PageHold>(Must(canvas->Hold(a_, Pages(0, 1))));
  auto reader = std::make_unique<LaneReader>(Must(canvas->Reader(a_)));
  Process child([&](const Line& line) {
    std::vector<float> out(200);
    if (writer->Write(Frame(0), out).error().code() != ErrorCode::kClosed) return 1;
    if (pin->Lanes().error().code() != ErrorCode::kClosed) return 2;
    if (reader->Read(Frame(0), out).status != ReadStatus::kClosed) return 3;
    if (canvas->Hold(a_, Pages(0, 1)).error().code() != ErrorCode::kClosed) return 4;
    if (canvas->WaitForChange(canvas->ChangeCount(), std::chrono::milliseconds(0)) !=
        canvas->ChangeCount())
      return 5;
    // Their ends in the child are nothing to the parent's.
    hold.reset();
    pin.reset();
    writer.reset();
    reader.reset();
    canvas.reset();
    line.Say('c');
    line.Hear();  // lives on while the parent lets go
    return 0;
  });
  ASSERT_EQ(child.Hear(), 'c');
  Canvas other = OpenForWriting(path_);
  EXPECT_EQ(CodeOf(other.Writer(a_, {.pages = Pages(0, 1)})), ErrorCode::kOwned);
  EXPECT_EQ(CodeOf(writer->Erase({Frame(0), Frame(kPage)})), ErrorCode::kBusy) << "held";
  EXPECT_EQ(Must(pin->Lanes()).size(), 2U);
  hold.reset();
  pin.reset();
  Must(writer->Erase({Frame(0), Frame(kPage)}));
  writer.reset();
  canvas.reset();
  EXPECT_TRUE(other.Writer(a_, {.pages = Pages(0, 1)}).has_value()) << "though the child lives";
  EXPECT_EQ(testing::KernelLocks(path_), 0U);
  child.Tell('x');
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(Processes, AStoppedOwnersHalfWrittenBlockReadsOldAndHoldsNobodyUp) {
  // The owner stops itself in the midst of thousands of overwrites; wherever that is, readers read.
  Canvas canvas = OpenForWriting(path_);
  {
    FrameWriter writer = Must(canvas.Writer(a_));
    Write(writer, 0, 4 * kBlock, 0);
  }
  for (int round = 0; round < 20; ++round) {
    Process owner([this](const Line& line) {
      Canvas mine = OpenForWriting(path_);
      FrameWriter writer = Must(mine.Writer(a_));
      line.Say('o');
      for (std::uint32_t epoch = 0;; ++epoch) Write(writer, 0, 4 * kBlock, epoch % 50);
      return 0;
    });
    ASSERT_EQ(owner.Hear(), 'o');
    owner.Stop();
    LaneReader reader = Must(canvas.Reader(a_));
    std::vector<float> out(kBlock * 2);
    for (std::int64_t block = 0; block < 4; ++block) {
      ASSERT_EQ(reader.Read(Frame(block * kBlock), out).status, ReadStatus::kOk);
      std::uint32_t epoch = 0;
      while (epoch < 50 && out != Samples(1, block * kBlock, kBlock, 2, epoch)) ++epoch;
      EXPECT_LT(epoch, 50U) << "a torn block";
    }
    EXPECT_EQ(CodeOf(canvas.Writer(a_)), ErrorCode::kOwned) << "a stopped owner keeps its lane";
    Must(canvas.DescribeLane(b_, std::to_string(round)));
  }
}

TEST_F(Processes, ADeletedOrRenamedCanvasGoesOnForThoseWhoHaveIt) {
  Canvas canvas = OpenForWriting(path_);
  const Canvas reader = Must(Canvas::Open(path_));
  FrameWriter writer = Must(canvas.Writer(a_));
  Write(writer, 0, 100);
  fs::rename(path_, dir_.path("elsewhere.canvas"));
  Write(writer, 100, 3 * kPage);
  EXPECT_TRUE(Reads(reader, a_, 0, 100 + 3 * kPage));
  EXPECT_EQ(CodeOf(Canvas::Open(path_)), ErrorCode::kNotFound);
  EXPECT_TRUE(Reads(Must(Canvas::Open(dir_.path("elsewhere.canvas"))), a_, 0, 100));
  fs::remove(dir_.path("elsewhere.canvas"));
  Write(writer, 0, 4 * kPage, 1);
  EXPECT_TRUE(Reads(reader, a_, 0, 4 * kPage, 1));
  Must(canvas.DescribeLane(a_, "still edited"));
  EXPECT_EQ(Must(reader.FindLane(a_)).description, "still edited");
  Must(canvas.Sync());
}

TEST_F(Processes, LimitsOnMemoryAreErrorsOrNothing) {
  Process limited([this](const Line&) {
    // No locked memory at all: none is needed.
    const struct rlimit none { 0, 0 };
    setrlimit(RLIMIT_MEMLOCK, &none);
    {
      Canvas canvas = OpenForWriting(path_);
      FrameWriter writer = Must(canvas.Writer(a_));
      Write(writer, 0, 100);
      if (!Reads(canvas, a_, 0, 100)) return 1;
    }
    if (testing::kSanitized) return 0;
    // Less address space than the mapping takes.
    const struct rlimit small { 256 * 1024 * 1024, 256 * 1024 * 1024 };
    setrlimit(RLIMIT_AS, &small);
    const std::string large = dir_.path("large.canvas");
    CreateOptions options;
    options.capacity_seconds = 3600;
    Must(Canvas::Create(large, options));
    const auto opened = Canvas::Open(large);
    if (opened) return 2;
    if (opened.error().Message().find("large.canvas") == std::string::npos) return 3;
    const Canvas limit = Must(Canvas::Open(large, {.max_map_bytes = 100 * 1024 * 1024}));
    return 0;
  });
  EXPECT_EQ(limited.Wait(), 0);
  if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: no limit on address space under a sanitizer";
}

TEST_F(Processes, AnOwnerFromTheFutureIsAnOwnerLikeAnyOther) {
  // As a clock that was set back leaves it: times are for people, and decide nothing.
  Canvas canvas = OpenForWriting(path_);
  Canvas other = OpenForWriting(path_);
  std::optional<FrameWriter> writer = Must(canvas.Writer(a_));
  const std::int64_t future = 4102444800'000'000'000;  // 2100
  {
    const int fd = open(path_.c_str(), O_WRONLY);
    ASSERT_EQ(pwrite(fd, &future, sizeof future,
                     static_cast<off_t>(format::kOwnerTableOffset + format::owner_entry::kSince)),
              static_cast<ssize_t>(sizeof future));
    close(fd);
  }
  const auto refused = other.Writer(a_);
  ASSERT_EQ(CodeOf(refused), ErrorCode::kOwned);
  EXPECT_NE(refused.error().Message().find("since 2"), std::string::npos);
  EXPECT_EQ(Must(other.Owners())[0].since_unix_ns, future);
  Write(*writer, 0, 100);
  writer.reset();
  { const FrameWriter next = Must(other.Writer(a_)); }
  ExpectNothingWrong();
}

TEST_F(Processes, AWatcherTellsWhatOthersDid) {
  using Kind = Change::Kind;
  const Canvas canvas = Must(Canvas::Open(path_));
  Watcher sut = Must(canvas.Watch());
  // All changes until one of `kind` comes.
  const auto until = [&](Kind kind) {
    std::vector<Change> all;
    for (int i = 0; i < 100; ++i) {
      for (Change& change : Must(sut.Next(std::chrono::milliseconds(100))))
        all.push_back(std::move(change));
      if (std::ranges::any_of(all, [&](const Change& c) { return c.kind == kind; })) break;
    }
    return all;
  };
  EXPECT_TRUE(Must(sut.Next(std::chrono::milliseconds(0))).empty());
  Process other([this](const Line& line) {
    Canvas mine = OpenForWriting(path_);
    std::optional<FrameWriter> writer = Must(mine.Writer(a_));
    line.Hear();
    Write(*writer, 100, 1000);
    line.Hear();
    Write(*writer, 2 * kBlock, 2 * kBlock, 1);
    line.Hear();
    Must(writer->Erase({Frame(0), Frame(kPage)}));
    Must(mine.RenameLane(b_, "c"));
    line.Hear();
    return 0;
  });
  const auto came = until(Kind::kOwnerCame);
  ASSERT_EQ(came.size(), 1U);
  EXPECT_EQ(came[0].lane.name, "a");
  EXPECT_NE(came[0].owner.pid, 0U);
  other.Tell('g');
  const auto grew = until(Kind::kGrew);
  ASSERT_EQ(grew.size(), 1U);
  EXPECT_EQ(grew[0].frames, (FrameRange{Frame(100), Frame(1100)}));
  other.Tell('r');
  const auto rewritten = until(Kind::kRewritten);
  ASSERT_EQ(rewritten.size(), 1U);
  EXPECT_EQ(rewritten[0].frames, (FrameRange{Frame(2 * kBlock), Frame(4 * kBlock)}));
  other.Tell('e');
  const auto erased = until(Kind::kErased);
  EXPECT_TRUE(std::ranges::any_of(erased, [](const Change& c) {
    return c.kind == Kind::kErased && c.frames == FrameRange{Frame(100), Frame(1100)};
  }));
  auto edited = erased;
  if (std::ranges::none_of(edited, [](const Change& c) { return c.kind == Kind::kLaneEdited; }))
    edited = until(Kind::kLaneEdited);
  EXPECT_TRUE(std::ranges::any_of(edited, [](const Change& c) {
    return c.kind == Kind::kLaneEdited && c.lane.name == "c" && c.before.name == "b";
  }));
  other.Kill();
  const auto left = until(Kind::kOwnerLeft);  // though nobody said so
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].lane.name, "a");
}

TEST_F(Processes, AWaiterIsWokenByAPublishAndByATimeout) {
  const Canvas reader = Must(Canvas::Open(path_));
  const std::uint32_t seen = reader.ChangeCount();
  EXPECT_EQ(reader.WaitForChange(seen, std::chrono::milliseconds(10)), seen) << "timed out";
  Process writer([this](const Line& line) {
    Canvas canvas = OpenForWriting(path_);
    line.Hear();
    Must(canvas.DescribeLane(a_, "x"));
    return 0;
  });
  writer.Tell('g');
  // Were the wake lost, this would last a minute and the test fail by its own timeout.
  EXPECT_NE(reader.WaitForChange(seen, std::chrono::seconds(60)), seen);
  EXPECT_EQ(writer.Wait(), 0);
  EXPECT_EQ(Must(reader.FindLane(a_)).description, "x");
}

}  // namespace
}  // namespace canvas
