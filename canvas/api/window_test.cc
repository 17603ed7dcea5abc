// Windows: what they make resident, what they let go, and what readers in them are told. That reads
// in them make no syscall and take no fault is stress/realtime_stress.cc's.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/geometry.h"
#include "canvas/format/slot_words.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::Must;
using testing::Samples;

constexpr std::int64_t kRate = 8000;  // and a page's frames
constexpr std::int64_t kBlock = 64;   // frames, of stereo
constexpr Rate kClock{kRate, 1};

// How many 4 KiB pages of the samples are in this process's page table (/proc/self/pagemap, bit
// 63).
std::size_t InPageTable(std::span<const float> samples) {
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  std::size_t present = 0;
  const auto first = reinterpret_cast<std::uintptr_t>(samples.data()) / 4096;
  const auto last = reinterpret_cast<std::uintptr_t>(samples.data() + samples.size() - 1) / 4096;
  for (std::uintptr_t page = first; page <= last; ++page) {
    std::uint64_t entry = 0;
    EXPECT_EQ(pread(fd, &entry, 8, static_cast<off_t>(page * 8)), 8);
    present += entry >> 63;
  }
  close(fd);
  return present;
}

// In a child without the privilege to lock more than `limit` bytes; its exit code.
template <typename Body>
int WithLockLimit(rlim_t limit, Body body) {
  return testing::InChild([&] {
    alarm(60);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    syscall(SYS_capset, &header, none);
    const rlimit limits{limit, limit};
    setrlimit(RLIMIT_MEMLOCK, &limits);
    return body();
  });
}

struct WindowTest : ::testing::Test {
  testing::TempDir directory;
  std::string path = directory.path("w.canvas");
  Canvas canvas = [this] {
    Must(Canvas::Create(path, testing::SmallCanvas()));
    return testing::OpenForWriting(path);
  }();
  LaneId lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = kClock}));

  void Write(std::int64_t first, std::uint64_t frames, std::uint32_t epoch = 0) {
    Must(Must(canvas.Writer(lane)).Write(Frame(first), Samples(1, first, frames, 2, epoch)));
  }
  Window Make(std::uint32_t seconds = 4) {
    return Must(canvas.MakeWindow(std::span(&lane, 1), {.clock = kClock, .max_seconds = seconds}));
  }
};

TEST_F(WindowTest, ReadsInsideAsAnyReaderAndNothingOutside) {
  Write(0, 3 * kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  std::vector<float> out(2 * 500);
  EXPECT_EQ(reader.Read(Frame(100), out).status, ReadStatus::kOutside);
  Must(window.MoveTo({Frame(kRate - 1000), Frame(kRate + 1000)}));
  for (const std::int64_t first : {kRate - 1000, kRate - 999, kRate - 250, kRate, kRate + 499}) {
    const auto got = reader.Read(Frame(first), out);
    EXPECT_EQ(got, (ReadResult{ReadStatus::kOk, 500})) << first;
    EXPECT_EQ(out, Samples(1, first, 500, 2)) << first;
  }
  // Whole blocks are resident, so up to one more is told.
  EXPECT_EQ(reader.Read(Frame(kRate - 1000 - kBlock - 500), out).status, ReadStatus::kOutside);
  EXPECT_EQ(out, std::vector<float>(1000));
  EXPECT_EQ(reader.Read(Frame(kRate + 1000 + kBlock), out).status, ReadStatus::kOutside);
  // Half in, half out: what is in comes.
  const auto half = reader.Read(Frame(kRate + 800), out);
  EXPECT_EQ(half.status, ReadStatus::kOutside);
  EXPECT_GE(half.written_frames, 200U);
  EXPECT_LT(half.written_frames, 500U);
  EXPECT_EQ(reader.Read(Frame(-1), out).status, ReadStatus::kEnd);
  EXPECT_GE(window.Report().misses, 4U);
}

TEST_F(WindowTest, ViewsEndWhereTheWindowDoes) {
  Write(0, 2 * kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  Must(window.MoveTo({Frame(1000), Frame(2000)}));
  View view = reader.ViewAt(Frame(1500), 10'000);
  EXPECT_EQ(view.status(), ReadStatus::kOk);
  EXPECT_GE(view.frames(), 500U);
  EXPECT_LT(view.frames(), 500U + kBlock);
  EXPECT_GE(InPageTable(view.samples()), view.samples().size() * 4 / 4096);
  const auto expected = Samples(1, 1500, view.frames(), 2);
  EXPECT_TRUE(std::ranges::equal(view.samples(), expected));
  EXPECT_TRUE(view.StillValid());
  EXPECT_EQ(reader.ViewAt(Frame(5000), 10).status(), ReadStatus::kOutside);
  EXPECT_EQ(reader.ViewAt(Frame(-5), 10).status(), ReadStatus::kEnd);
}

TEST_F(WindowTest, UnwrittenTimeTakesNothingAndWhatIsWrittenLaterIsOutsideUntilTheNextLook) {
  Write(0, kBlock);  // one block of page 0; pages 1 and on are not there
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  const FrameRange range{Frame(0), Frame(3 * kRate)};
  Must(window.MoveTo(range));
  EXPECT_EQ(window.Report().resident_blocks, 1U);
  std::vector<float> out(2 * kBlock);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  // Unwritten: a block of the part, a page that is not there, one far beyond.
  EXPECT_EQ(reader.Read(Frame(10 * kBlock), out).status, ReadStatus::kUnwritten);
  EXPECT_EQ(reader.Read(Frame(kRate), out).status, ReadStatus::kUnwritten);
  EXPECT_EQ(reader.ViewAt(Frame(kRate), 10).status(), ReadStatus::kUnwritten);
  Write(10 * kBlock, kBlock, 1);
  Write(kRate, kBlock, 2);
  EXPECT_EQ(reader.Read(Frame(10 * kBlock), out).status, ReadStatus::kOutside);
  EXPECT_EQ(reader.Read(Frame(kRate), out).status, ReadStatus::kOutside);
  // The gap is unwritten still, and said to be.
  EXPECT_EQ(reader.Read(Frame(5 * kBlock), out).status, ReadStatus::kUnwritten);
  Must(window.MoveTo(range));
  EXPECT_EQ(reader.Read(Frame(10 * kBlock), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 10 * kBlock, kBlock, 2, 1));
  EXPECT_EQ(reader.Read(Frame(kRate), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, kRate, kBlock, 2, 2));
  EXPECT_EQ(window.Report().resident_blocks, 3U);
  // Partly: the end of the written block and what follows it.
  EXPECT_EQ(reader.Read(Frame(kRate + kBlock / 2), out),
            (ReadResult{ReadStatus::kPartlyUnwritten, kBlock / 2}));
}

TEST_F(WindowTest, LetsGoOfWhatItLeavesAndCountsWhatIsShared) {
  Write(0, 4 * kRate);
  Window one = Make();
  Window two = Make();
  WindowReader reader = Must(one.Reader(lane));
  std::vector<float> out(20);
  Must(one.MoveTo({Frame(0), Frame(kRate)}));
  const std::span<const float> all = reader.ViewAt(Frame(0), kRate).samples();
  ASSERT_EQ(all.size(), 2 * kRate);
  const std::size_t pages = InPageTable(all);
  EXPECT_GE(pages, 2 * kRate * 4 / 4096U);
  Must(two.MoveTo({Frame(kRate / 2), Frame(2 * kRate)}));
  // The first leaves; the second still wants half of it.
  Must(one.MoveTo({Frame(3 * kRate), Frame(4 * kRate)}));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOutside);
  EXPECT_EQ(reader.Read(Frame(kRate / 2), out).status, ReadStatus::kOutside);
  EXPECT_NEAR(static_cast<double>(InPageTable(all)), static_cast<double>(pages) / 2, 2);
  Must(two.MoveTo({Frame(3 * kRate), Frame(4 * kRate)}));
  EXPECT_EQ(InPageTable(all), 0U);
  Must(one.MoveTo({Frame(0), Frame(0)}));
  Must(two.MoveTo({Frame(0), Frame(0)}));
  EXPECT_EQ(one.Report().resident_bytes, 0U);
  EXPECT_EQ(two.Report().resident_bytes, 0U);
  EXPECT_EQ(one.Report().resident_blocks, 0U);
}

TEST_F(WindowTest, AViewHoldsItsPageUntilItGoesOrItsReaderGoesOn) {
  Write(0, 3 * kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  View view = reader.ViewAt(Frame(0), kRate);
  const std::span<const float> samples = view.samples();
  Must(window.MoveTo({Frame(2 * kRate), Frame(3 * kRate)}));
  EXPECT_GE(InPageTable(samples), 2 * kRate * 4 / 4096U);
  View moved = std::move(view);
  view = View();  // what was moved from holds nothing, and lets go of nothing
  Must(window.MoveTo({Frame(2 * kRate), Frame(3 * kRate)}));
  EXPECT_GE(InPageTable(samples), 2 * kRate * 4 / 4096U);
  EXPECT_TRUE(moved.StillValid());
  moved = View();
  Must(window.MoveTo({Frame(2 * kRate), Frame(3 * kRate)}));
  EXPECT_EQ(InPageTable(samples), 0U);
  // The reader goes on: when the view before goes, it takes nothing from the next.
  View first = reader.ViewAt(Frame(2 * kRate), kRate);
  const View second = reader.ViewAt(Frame(2 * kRate + 1), 100);
  first = View();
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  EXPECT_TRUE(second.StillValid());
  EXPECT_NE(InPageTable(second.samples()), 0U);
}

TEST_F(WindowTest, VisitGoesThroughPagesAndSaysWhyItEnds) {
  Write(0, 2 * kRate + 100);
  Window window = Make();
  Must(window.MoveTo({Frame(0), Frame(3 * kRate)}));
  const auto check = [&](auto reader) {
    std::vector<float> seen;
    std::int64_t next = kRate / 2;
    const auto take = [&](Frame at, std::span<const float> samples) {
      EXPECT_EQ(at, Frame(next));
      next += static_cast<std::int64_t>(samples.size() / 2);
      seen.insert(seen.end(), samples.begin(), samples.end());
    };
    EXPECT_EQ(reader.Visit(Frame(next), kRate, take), ReadStatus::kOk);
    EXPECT_EQ(seen, Samples(1, kRate / 2, kRate, 2));
    EXPECT_EQ(reader.Visit(Frame(next), kRate, take), ReadStatus::kUnwritten);
    EXPECT_EQ(next, 2 * kRate + 100);
    EXPECT_EQ(reader.Visit(Frame(0), 0, take), ReadStatus::kOk) << "nothing was asked for";
    FrameWriter writer = Must(canvas.Writer(lane));
    const auto change = [&](Frame, std::span<const float>) {
      Must(writer.Write(Frame(10), Samples(1, 10, 10, 2)));
    };
    EXPECT_EQ(reader.Visit(Frame(0), 100, change), ReadStatus::kRaced);
  };
  check(Must(window.Reader(lane)));
  check(Must(canvas.Reader(lane)));
  EXPECT_EQ(Must(window.Reader(lane)).Visit(Frame(3 * kRate + 5000), 1, [](auto...) {}),
            ReadStatus::kOutside);
}

TEST_F(WindowTest, ReadersOfAWindowReadTogetherAtOnePosition) {
  const LaneId half = Must(canvas.AddLane({.name = "half", .channels = 1, .rate = {kRate / 2, 1}}));
  Write(0, 2 * kRate);
  Must(Must(canvas.Writer(half)).Write(Frame(0), Samples(2, 0, kRate, 1)));
  const std::vector<LaneId> ids = {lane, half};
  Window window = Must(canvas.MakeWindow(ids, {.clock = kClock, .max_seconds = 4}));
  Must(window.MoveTo({Frame(0), Frame(3 * kRate)}));
  WindowReaders sut = Must(window.Readers(ids));
  ASSERT_EQ(sut.size(), 2U);
  std::vector<float> a(2 * 100);
  std::vector<float> b(50);
  const std::vector<std::span<float>> outs = {a, b};
  for (const std::int64_t at : {std::int64_t{7}, kRate - 50, kRate + 3}) {
    EXPECT_EQ(sut.Read(Frame(at), outs), ReadStatus::kOk);
    EXPECT_EQ(a, Samples(1, at, 100, 2));
    EXPECT_EQ(b, Samples(2, at / 2, 50, 1));
    EXPECT_EQ(sut.results()[1], (ReadResult{ReadStatus::kOk, 50}));
  }
  EXPECT_EQ(sut.Read(Frame(2 * kRate - 50), outs), ReadStatus::kPartlyUnwritten);
  EXPECT_EQ(sut.results()[0].written_frames, 50U);
  const std::vector<std::span<float>> one = {std::span<float>(), b};
  EXPECT_EQ(sut.Read(Frame(0), one), ReadStatus::kOk) << "one lane is left out";
  EXPECT_EQ(sut.Read(Frame(-10), {{one[0]}}), ReadStatus::kOk) << "and both, where nothing is";
  WindowReaders moved = std::move(sut);
  EXPECT_EQ(sut.Read(Frame(0), outs), ReadStatus::kClosed);
  EXPECT_EQ(moved.Read(Frame(0), outs), ReadStatus::kOk);
  const LaneId nobody(77);
  EXPECT_EQ(testing::CodeOf(window.Readers({&nobody, 1})), ErrorCode::kNotFound);
}

TEST_F(WindowTest, WhatItCoversIsNotGivenBack) {
  Write(0, 3 * kRate);
  Window window = Make();
  Must(window.MoveTo({Frame(kRate / 2), Frame(kRate / 2 + 10)}));
  FrameWriter writer = Must(canvas.Writer(lane));
  EXPECT_EQ(testing::CodeOf(writer.Erase({Frame(0), Frame(kRate)})), ErrorCode::kBusy);
  EXPECT_EQ(testing::CodeOf(writer.Erase({Frame(0), Frame(kRate / 4)})), ErrorCode::kBusy);
  Must(writer.Erase({Frame(kRate), Frame(2 * kRate)}));  // elsewhere
  Must(window.MoveTo({Frame(2 * kRate), Frame(3 * kRate)}));
  EXPECT_EQ(Must(writer.Erase({Frame(0), Frame(kRate)})).erased_frames,
            static_cast<std::uint64_t>(kRate));
  // A page that was punched and is written again, by another canvas even, is found again.
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  WindowReader reader = Must(window.Reader(lane));
  std::vector<float> out(20);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kUnwritten);
  Must(writer.Write(Frame(0), Samples(1, 0, 100, 2, 5)));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOutside);
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 10, 2, 5));
}

TEST_F(WindowTest, LanesOfOtherRatesAndShapes) {
  // 44.1 kHz mono beside 8 kHz; three channels, whose blocks are no power of two; pages that
  // differ.
  std::vector<LaneId> lanes = {lane};
  lanes.push_back(Must(canvas.AddLane({.name = "m", .channels = 1, .rate = {11025, 1}})));
  lanes.push_back(Must(canvas.AddLane({.name = "t", .channels = 3, .rate = {3000, 7}})));
  std::vector<std::uint32_t> channels = {2, 1, 3};
  std::vector<Rate> rates = {kClock, {11025, 1}, {3000, 7}};
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const auto frames =
        static_cast<std::uint64_t>(ToRate(Frame(4 * kRate), kClock, rates[i]).value());
    Must(Must(canvas.Writer(lanes[i]))
             .Write(Frame(0), Samples(static_cast<std::uint32_t>(i), 0, frames, channels[i])));
  }
  Window window = Must(canvas.MakeWindow(lanes, {.clock = kClock, .max_seconds = 3}));
  for (const std::int64_t at : {std::int64_t{100}, kRate - 50, 2 * kRate + 77}) {
    Must(window.MoveTo({Frame(at), Frame(at + kRate)}));
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      WindowReader reader = Must(window.Reader(lanes[i]));
      const std::int64_t first = ToRate(Frame(at), kClock, rates[i]).value();
      const auto frames =
          static_cast<std::uint64_t>(ToRate(Frame(at + kRate), kClock, rates[i]).value() - first);
      std::vector<float> out(frames * channels[i]);
      EXPECT_EQ(reader.Read(Frame(first), out), (ReadResult{ReadStatus::kOk, frames})) << i << at;
      EXPECT_EQ(out, Samples(static_cast<std::uint32_t>(i), first, frames, channels[i]));
    }
  }
}

TEST_F(WindowTest, BadRequestsAreErrors) {
  const LaneId nobody(99);
  EXPECT_EQ(testing::CodeOf(canvas.MakeWindow(std::span(&nobody, 1))), ErrorCode::kNotFound);
  EXPECT_EQ(testing::CodeOf(canvas.MakeWindow(std::span(&lane, 1), {.max_seconds = 0})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(testing::CodeOf(canvas.MakeWindow(std::span(&lane, 1), {.clock = {1, 1000}})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(testing::CodeOf(canvas.MakeWindow(std::span(&lane, 1), {.clock = {0, 1}})),
            ErrorCode::kInvalidArgument);
  Window window = Make(2);
  EXPECT_EQ(testing::CodeOf(window.Reader(nobody)), ErrorCode::kNotFound);
  EXPECT_EQ(testing::CodeOf(window.MoveTo({Frame(0), Frame(2 * kRate + 1)})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(testing::CodeOf(window.MoveTo({Frame(5), Frame(4)})), ErrorCode::kInvalidArgument);
  Must(window.MoveTo({Frame(-kRate), Frame(kRate)}));  // before the beginning there is nothing
  constexpr std::int64_t kFar = std::int64_t{1} << 62;
  Must(window.MoveTo({Frame(kFar), Frame(kFar + kRate)}));
  using Limits = std::numeric_limits<std::int64_t>;
  EXPECT_EQ(testing::CodeOf(window.MoveTo({Frame(Limits::min()), Frame(Limits::max())})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(testing::CodeOf(Feeder::Start({.period = {}})), ErrorCode::kInvalidArgument);
  // A horizon of nothing is the frame itself.
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = 0, .behind_seconds = 0}));
  Playhead playhead = Must(feeder.Follow(window));
  playhead.Publish(Frame(5));
  EXPECT_TRUE(playhead.WaitReady(std::chrono::milliseconds::max()));
}

TEST_F(WindowTest, IsHonestAboutTheLimitOnLockedMemory) {
  Write(0, 4 * kRate);
  const int code = WithLockLimit(64 * 1024, [&] {
    const auto mine = Canvas::Open(path);
    if (!mine) return 2;
    auto window = mine->MakeWindow(std::span(&lane, 1), {.clock = kClock, .max_seconds = 4});
    if (!window || !window->MoveTo({Frame(0), Frame(4 * kRate)})) return 3;
    WindowReport report = window->Report();
    if (report.locked || !report.message.starts_with("resident, not locked: ") ||
        report.message.find("limit on locked memory is 0.1 MiB") == std::string::npos)
      return 4;
    auto reader = window->Reader(lane);
    std::vector<float> out(2 * 1000);
    if (!reader || reader->Read(Frame(3 * kRate), out).status != ReadStatus::kOk) return 5;
    // A stretch that fits is locked.
    if (!window->MoveTo({Frame(0), Frame(0)}) || !window->MoveTo({Frame(0), Frame(500)})) return 6;
    report = window->Report();
    return report.locked && report.message.starts_with("resident and locked: ") ? 0 : 7;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(WindowTest, WhatIsNotLockedIsResidentAllTheSame) {
  Write(0, kRate);
  // Extended in both directions: what is made resident anew takes nothing away beside it.
  const int code = WithLockLimit(0, [&] {
    const auto mine = Canvas::Open(path);
    auto window = mine->MakeWindow(std::span(&lane, 1), {.clock = kClock, .max_seconds = 4});
    auto reader = window->Reader(lane);
    const auto all = [&] {
      const auto samples = reader->ViewAt(Frame(0), kRate).samples();
      return samples.size() == 2 * kRate && InPageTable(samples) >= samples.size() * 4 / 4096;
    };
    if (!window->MoveTo({Frame(kRate / 2), Frame(kRate)})) return 2;
    if (!window->MoveTo({Frame(0), Frame(kRate)}) || !all()) return 3;
    if (!window->MoveTo({Frame(0), Frame(kRate / 2)})) return 4;
    if (!window->MoveTo({Frame(0), Frame(kRate)}) || !all()) return 5;
    return 0;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(WindowTest, APageThatAReaderNeverLeftIsShownAgain) {
  Write(0, 4 * kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  WindowReader idle = Must(window.Reader(lane));
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  View view = idle.ViewAt(Frame(0), 100);
  Must(window.MoveTo({Frame(2 * kRate), Frame(3 * kRate)}));
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  std::vector<float> out(20);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_TRUE(view.StillValid());
  // Not where the part is another by now: then the page waits for the reader, and that is said.
  Must(window.MoveTo({Frame(2 * kRate), Frame(3 * kRate)}));
  view = View();
  Must(window.MoveTo({Frame(0), Frame(0)}));
  EXPECT_EQ(window.Report().resident_bytes, 0U);
  FrameWriter writer = Must(canvas.Writer(lane));
  Must(writer.Erase({Frame(0), Frame(kRate)}));  // nothing of it is held any more
}

TEST_F(WindowTest, ReadyIsOfThePositionThatWasPublishedLast) {
  Write(0, 20 * kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  std::vector<float> out(2 * kRate);
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = 2}));
  Playhead playhead = Must(feeder.Follow(window));
  for (int i = 0; i < 20; ++i) {
    playhead.Publish(Frame(0));
    ASSERT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
    // Forwards by less than the horizon: inside what is ready, and what lies ahead of it is not.
    playhead.Publish(Frame(kRate * 3 / 2));
    ASSERT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
    ASSERT_EQ(reader.Read(Frame(kRate * 3 / 2), out).status, ReadStatus::kOk) << i;
  }
}

TEST_F(WindowTest, AViewThatIsHeldIsReported) {
  Must(Canvas::Create(directory.path("long"), [] {
    auto options = testing::SmallCanvas();
    options.capacity_seconds = 400;
    return options;
  }()));
  Canvas other = testing::OpenForWriting(directory.path("long"));
  const LaneId id = Must(other.AddLane({.name = "a", .channels = 2, .rate = kClock}));
  for (const std::int64_t page : {0, 8})
    Must(Must(other.Writer(id)).Write(Frame(page * kRate), Samples(1, page * kRate, kRate, 2)));
  Window window = Must(other.MakeWindow(std::span(&id, 1), {.clock = kClock, .max_seconds = 1}));
  WindowReader reader = Must(window.Reader(id));
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = 0.5, .behind_seconds = 0}));
  Playhead playhead = Must(feeder.Follow(window));
  playhead.Publish(Frame(0));
  ASSERT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
  View held = reader.ViewAt(Frame(0), 10);
  EXPECT_EQ(held.status(), ReadStatus::kOk);
  playhead.Publish(Frame(8 * kRate));  // in the same place
  EXPECT_FALSE(playhead.WaitReady(std::chrono::milliseconds(100)));
  EXPECT_GT(playhead.Report().held_up, 0U);
  held = View();
  EXPECT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
}

TEST_F(WindowTest, BeyondTheEndsThereAreZerosAndWhatIsThereComes) {
  const auto end = static_cast<std::int64_t>(canvas.capacity_pages()) * kRate;
  Write(0, 200);
  Write(end - 200, 200);
  Window window = Make();
  const auto check = [&](auto reader) {
    std::vector<float> out(2 * 100, 7.0F);
    Must(window.MoveTo({Frame(-100), Frame(100)}));
    EXPECT_EQ(reader.Read(Frame(-60), out), (ReadResult{ReadStatus::kEnd, 40}));
    EXPECT_TRUE(std::all_of(out.begin(), out.begin() + 120, [](float s) { return s == 0; }));
    EXPECT_TRUE(std::equal(out.begin() + 120, out.end(), Samples(1, 0, 40, 2).begin()));
    Must(window.MoveTo({Frame(end - 100), Frame(end + 100)}));
    out.assign(200, 7.0F);
    EXPECT_EQ(reader.Read(Frame(end - 30), out), (ReadResult{ReadStatus::kEnd, 30}));
    EXPECT_TRUE(std::equal(out.begin(), out.begin() + 60, Samples(1, end - 30, 30, 2).begin()));
    EXPECT_TRUE(std::all_of(out.begin() + 60, out.end(), [](float s) { return s == 0; }));
    for (const std::int64_t far :
         {end, end + 5, std::int64_t{-100}, std::numeric_limits<std::int64_t>::min(),
          std::numeric_limits<std::int64_t>::max()}) {
      out.assign(200, 7.0F);
      EXPECT_EQ(reader.Read(Frame(far), out), (ReadResult{ReadStatus::kEnd, 0})) << far;
      EXPECT_EQ(out, std::vector<float>(200));
    }
  };
  check(Must(window.Reader(lane)));
  check(Must(canvas.Reader(lane)));
}

TEST_F(WindowTest, AReadAtTheEndHoldsNothing) {
  const auto end = static_cast<std::int64_t>(canvas.capacity_pages()) * kRate;
  Write(end - kRate, kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  Must(window.MoveTo({Frame(end - kRate), Frame(end)}));
  std::vector<float> out(2 * 200);
  EXPECT_EQ(reader.Read(Frame(end - 100), out).status, ReadStatus::kEnd);
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  Must(Must(canvas.Writer(lane)).Erase({Frame(end - kRate), Frame(end)}));
}

TEST_F(WindowTest, OtherLanesMakeNothingOutside) {
  const LaneId second = Must(canvas.AddLane({.name = "b", .channels = 2, .rate = kClock}));
  const LaneId third = Must(canvas.AddLane({.name = "c", .channels = 2, .rate = kClock}));
  Must(Must(canvas.Writer(second)).Write(Frame(0), Samples(2, 0, kBlock, 2)));
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  Must(window.MoveTo({Frame(0), Frame(2 * kRate)}));
  std::vector<float> out(20);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kUnwritten);
  Must(Must(canvas.Writer(third)).Write(Frame(0), Samples(3, 0, kBlock, 2)));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kUnwritten);
}

// A block that is filled in late, between others, under the eyes of a reader: unwritten, then
// outside, never its samples before the window has looked.
TEST_F(WindowTest, AGapThatIsFilledIsOutside) {
  constexpr int kBlocks = 120;
  FrameWriter writer = Must(canvas.Writer(lane));
  const auto fill = [&](int block) {
    Must(writer.Write(Frame(block * kBlock), Samples(1, block * kBlock, kBlock, 2)));
  };
  for (int block = 0; block < kBlocks; block += 2) fill(block);
  Window window = Make();
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  WindowReader reader = Must(window.Reader(lane));
  std::atomic<int> watched{0};
  std::atomic<int> wrong{0};
  std::thread eyes([&] {
    std::vector<float> out(32);
    for (int block = 1; block < kBlocks - 1; block += 2) {
      watched = block;
      ReadStatus status = ReadStatus::kUnwritten;
      while (status == ReadStatus::kUnwritten)
        status = reader.Read(Frame(block * kBlock + 8), out).status;
      if (status != ReadStatus::kOutside) ++wrong;
    }
  });
  for (int block = 1; block < kBlocks - 1; block += 2) {
    while (watched != block) {
    }
    fill(block);
  }
  eyes.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(WindowTest, APlayheadThatIsGoneMovesNothing) {
  Write(0, 20 * kRate);
  Window window = Make();
  WindowReader reader = Must(window.Reader(lane));
  std::vector<float> out(20);
  Feeder feeder = Must(Feeder::Start({.period = std::chrono::microseconds(100)}));
  for (int i = 0; i < 50; ++i) {
    Playhead playhead = Must(feeder.Follow(window));
    playhead.Publish(Frame(15 * kRate));
    if (i % 2 == 0) playhead.WaitReady(std::chrono::seconds(10));
    EXPECT_EQ(testing::CodeOf(feeder.Follow(window)), ErrorCode::kBusy);
    std::optional<Playhead> gone(std::move(playhead));
    gone.reset();
    Must(window.MoveTo({Frame(0), Frame(kRate)}));
    for (int look = 0; look < 200; ++look)
      ASSERT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk) << i;
  }
}

TEST_F(WindowTest, ForkedChildrenAreToldWhateverTheFeederIsDoing) {
  Write(0, 20 * kRate);
  Window window = Make();
  Feeder feeder =
      Must(Feeder::Start({.horizon_seconds = 3, .period = std::chrono::microseconds(1)}));
  Playhead playhead = Must(feeder.Follow(window));
  playhead.Publish(Frame(0));
  ASSERT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
  for (int i = 0; i < 100; ++i) {
    playhead.Publish(Frame(i * 1000));
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // one that hangs is a failure
      if (window.MoveTo({Frame(0), Frame(10)}) || window.Reader(lane)) _exit(2);
      if (playhead.WaitReady(std::chrono::seconds(1))) _exit(3);
      if (window.Report().message.find("parent process") == std::string::npos) _exit(4);
      if (playhead.Report().error.empty()) _exit(5);
      // (ThreadSanitizer bears no new thread after such a fork.)
      if (i % 10 == 0 && !testing::kSanitized) {
        // The canvas opened anew and a window over it are the child's own; the feeder is not.
        const Canvas own = Must(Canvas::Open(path));
        Window mine =
            Must(own.MakeWindow(std::span(&lane, 1), {.clock = kClock, .max_seconds = 4}));
        const auto followed = feeder.Follow(mine);
        if (followed || followed.error().code() != ErrorCode::kClosed) _exit(6);
        feeder = Must(Feeder::Start());
        if (!feeder.Follow(mine)) _exit(7);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), 0);
  }
}

TEST_F(WindowTest, AForkedChildHasNoWindow) {
  Write(0, kRate);
  Window window = Make();
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  auto reader = std::make_unique<WindowReader>(Must(window.Reader(lane)));
  auto feeder = std::make_unique<Feeder>(Must(Feeder::Start()));
  auto playhead = std::make_unique<Playhead>(Must(feeder->Follow(window)));
  std::vector<float> out(20);
  ASSERT_EQ(reader->Read(Frame(0), out).status, ReadStatus::kOk);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a child that hangs is a failure
    if (reader->Read(Frame(0), out).status != ReadStatus::kClosed) _exit(2);
    if (reader->ViewAt(Frame(0), 5).frames() != 0) _exit(3);
    if (window.MoveTo({Frame(0), Frame(kRate)})) _exit(4);
    playhead.reset();
    feeder.reset();
    reader.reset();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(reader->Read(Frame(0), out).status, ReadStatus::kOk);
}

TEST_F(WindowTest, WhatWasMovedFromSaysSo) {
  Write(0, kRate);
  Window window = Make();
  Must(window.MoveTo({Frame(0), Frame(kRate)}));
  std::vector<float> out(20, 1.0F);
  const auto check = [&](auto reader) {
    ASSERT_EQ(reader.Read(Frame(100), out).status, ReadStatus::kOk);
    auto kept = std::move(reader);
    EXPECT_EQ(reader.Read(Frame(100), out), (ReadResult{ReadStatus::kClosed, 0}));
    EXPECT_EQ(reader.ViewAt(Frame(100), 5).status(), ReadStatus::kClosed);
    EXPECT_EQ(reader.ViewAt(Frame(100), 5).frames(), 0U);
    EXPECT_EQ(kept.Read(Frame(100), out).status, ReadStatus::kOk);
    reader = std::move(kept);
    EXPECT_EQ(reader.Read(Frame(100), out).status, ReadStatus::kOk);
    EXPECT_EQ(kept.Read(Frame(100), out).status, ReadStatus::kClosed);
  };
  check(Must(window.Reader(lane)));
  check(Must(canvas.Reader(lane)));
  LaneReader anywhere = Must(canvas.Reader(lane));
  const LaneReader there = std::move(anywhere);
  EXPECT_EQ(anywhere.Extent().written_frames, 0U);
  EXPECT_EQ(anywhere.WrittenRanges({Frame(0), Frame(10)}).error().code(), ErrorCode::kClosed);
  Feeder feeder = Must(Feeder::Start());
  Playhead playhead = Must(feeder.Follow(window));
  Playhead other = std::move(playhead);
  playhead.Publish(Frame(0));
  EXPECT_FALSE(playhead.WaitReady(std::chrono::milliseconds(1)));
  EXPECT_EQ(playhead.Report().looks, 0U);
  Window moved = std::move(window);
  EXPECT_EQ(window.MoveTo({Frame(0), Frame(10)}).error().code(), ErrorCode::kClosed);
  EXPECT_EQ(window.Reader(lane).error().code(), ErrorCode::kClosed);
  EXPECT_EQ(window.Report().resident_blocks, 0U);
  EXPECT_EQ(feeder.Follow(window).error().code(), ErrorCode::kClosed);
  Feeder fed = std::move(feeder);
  EXPECT_EQ(feeder.Follow(moved).error().code(), ErrorCode::kClosed);
  FrameWriter writer = Must(canvas.Writer(lane));
  FrameWriter taken = std::move(writer);
  EXPECT_EQ(writer.Append(out).error().code(), ErrorCode::kClosed);
  EXPECT_EQ(writer.Erase({Frame(0), Frame(1)}).error().code(), ErrorCode::kClosed);
}

// A lane that cannot be filled keeps no other lane from it. Its undo place, which it says was used,
// is a hole, and there is no space on the file system to look at a hole there.
TEST_F(WindowTest, OneLanesErrorLeavesTheOthersTheirs) {
  const testing::TempDir small;
  if (mount("tmpfs", small.root().c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "SKIPPED: mounting a small tmpfs is not permitted here";
  {
    const std::string full = small.path("w.canvas");
    Must(Canvas::Create(full, testing::SmallCanvas()));
    Canvas sut = testing::OpenForWriting(full);
    std::vector<LaneId> lanes;
    for (const char* name : {"a", "b"}) {
      lanes.push_back(Must(sut.AddLane({.name = name, .channels = 2, .rate = kClock})));
      Must(Must(sut.Writer(lanes.back())).Write(Frame(0), Samples(1, 0, 1000, 2)));
    }
    const auto geometry = Must(storage::CanvasFile::Open(full, {}))->geometry();
    testing::PokeWord(full,
                      geometry.Page(PageIndex(0)).value() + geometry.SlotControl({}) +
                          format::slot_control::kUndoVersion,
                      5);  // used
    std::ofstream(small.path("ballast")) << std::string(8 << 20, 'b');
    Window window = Must(sut.MakeWindow(lanes, {.clock = kClock, .max_seconds = 2}));
    const auto moved = window.MoveTo({Frame(0), Frame(kRate)});
    ASSERT_FALSE(moved.has_value());
    EXPECT_EQ(moved.error().code(), ErrorCode::kIo) << moved.error().Message();
    EXPECT_NE(moved.error().hint().find("full"), std::string::npos) << moved.error().Message();
    std::vector<float> out(2000);
    EXPECT_EQ(Must(window.Reader(lanes[1])).Read(Frame(0), out).status, ReadStatus::kOk);
    EXPECT_EQ(out, Samples(1, 0, 1000, 2));
  }
  umount2(small.root().c_str(), MNT_DETACH);
}

TEST_F(WindowTest, TheFeederFollowsForwardsBackwardsAndJumps) {
  Write(0, 20 * kRate);
  Window window = Make(4);
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = 1, .behind_seconds = 0.25}));
  Playhead playhead = Must(feeder.Follow(window));
  WindowReader reader = Must(window.Reader(lane));
  EXPECT_FALSE(playhead.WaitReady(std::chrono::milliseconds(1)));  // nowhere yet
  std::vector<float> out(2 * kBlock);
  const auto read_at = [&](std::int64_t at) {
    playhead.Publish(Frame(at));
    EXPECT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
    EXPECT_EQ(reader.Read(Frame(at), out).status, ReadStatus::kOk) << at;
    EXPECT_EQ(out, Samples(1, at, kBlock, 2)) << at;
  };
  for (std::int64_t at = 0; at < 3 * kRate; at += 500) read_at(at);
  for (std::int64_t at = 3 * kRate; at > 0; at -= 500) read_at(at);
  for (const std::int64_t at : {15 * kRate, std::int64_t{3}, 19 * kRate}) read_at(at);
  const FeederReport report = playhead.Report();
  EXPECT_GE(report.jumps, 4U);  // the first position is one
  EXPECT_EQ(report.error, "");
  EXPECT_GT(report.longest_look.count(), 0);
  // It stays bounded: no more than the longest stretch and one page's controls either side.
  EXPECT_LE(window.Report().resident_bytes, (4 * kRate * 8) + 5 * 16 * 1024U);
}

TEST_F(WindowTest, TheFeederFollowsALiveWriter) {
  Window window = Make(4);
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = 2}));
  Playhead playhead = Must(feeder.Follow(window));
  WindowReader reader = Must(window.Reader(lane));
  playhead.Publish(Frame(0));
  ASSERT_TRUE(playhead.WaitReady(std::chrono::seconds(30)));
  FrameWriter writer = Must(canvas.Writer(lane));
  std::vector<float> out(2 * kBlock);
  std::vector<double> lags;
  for (int i = 0; i < 50; ++i) {
    const std::int64_t at = i * kBlock;
    EXPECT_EQ(reader.Read(Frame(at), out).status, ReadStatus::kUnwritten);
    Must(writer.Write(Frame(at), Samples(1, at, kBlock, 2)));
    const auto written = std::chrono::steady_clock::now();
    const auto until = written + std::chrono::seconds(30);
    ReadStatus status = ReadStatus::kOutside;
    while (status == ReadStatus::kOutside && std::chrono::steady_clock::now() < until)
      status = reader.Read(Frame(at), out).status;
    ASSERT_EQ(status, ReadStatus::kOk);
    ASSERT_EQ(out, Samples(1, at, kBlock, 2));
    lags.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - written)
            .count());
  }
  std::ranges::sort(lags);
  std::printf(
      "a block written is readable in the window after %.1f ms (median), %.1f ms (worst of "
      "50), at a period of 5 ms\n",
      lags[lags.size() / 2], lags.back());
}

}  // namespace
}  // namespace canvas
