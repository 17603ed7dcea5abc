// What lanes cost on the disk, held against what was written: at all rates, for one frame, for
// short pages; by the bytes that stat(2) counts.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::AllocatedBytes;
using testing::Must;
using testing::OpenForWriting;
using testing::Samples;
using testing::TempDir;

// Not for the tests' payloads: these are hundreds of megabytes.
std::vector<float> Tone(std::uint64_t frames, std::uint32_t channels) {
  return std::vector<float>(frames * channels, 0.25F);
}

class DiskCost : public testing::CanvasTest {
 protected:
  // Bytes that `act` adds to the disk.
  template <typename Act>
  std::uint64_t Added(Act act) const {
    const std::uint64_t before = AllocatedBytes(path_);
    act();
    return AllocatedBytes(path_) - before;
  }
  // Whole pages of a new lane, `at_once` frames a call.
  static void Fill(Canvas& canvas, const LaneSpec& spec, std::int64_t frames,
                   std::int64_t at_once) {
    FrameWriter writer = Must(canvas.Writer(Must(canvas.AddLane(spec))));
    const auto piece = Tone(static_cast<std::uint64_t>(at_once), spec.channels);
    for (std::int64_t at = 0; at < frames; at += at_once)
      Must(writer.Write(Frame(at), std::span(piece).first(
                                       static_cast<std::size_t>(std::min(at_once, frames - at)) *
                                       spec.channels)));
  }
};

struct RateCase {
  std::uint64_t rate;
  std::uint32_t channels;
  std::int64_t pages;
  double most;  // times what was written
};

class DiskCostOfRate : public DiskCost, public ::testing::WithParamInterface<RateCase> {};

// A page with one part takes 4 KiB each for its control, the slot's control, the version words and
// the page's tail, and as much at the least for the frames. Below 2 kHz that is more than a tenth
// of 30 s of them.
INSTANTIATE_TEST_SUITE_P(
    Of, DiskCostOfRate,
    ::testing::Values(RateCase{1, 1, 100, 174.0}, RateCase{10, 1, 100, 17.4},
                      RateCase{100, 1, 100, 2.42}, RateCase{1000, 1, 100, 1.17},
                      RateCase{2000, 1, 100, 1.1}, RateCase{8000, 1, 10, 1.03},
                      RateCase{48000, 1, 3, 1.01}, RateCase{48000, 2, 3, 1.01},
                      RateCase{192000, 1, 2, 1.01}, RateCase{192000, 8, 1, 1.01}),
    [](const auto& rate) {
      return fmt::format(
          "{}Hz{}", rate.param.rate,
          rate.param.channels == 1 ? "" : fmt::format("{}Channels", rate.param.channels));
    });

TEST_P(DiskCostOfRate, OfAFullLaneIsCloseToWhatWasWritten) {
  const auto [rate, channels, pages, most] = GetParam();
  const std::int64_t frames = pages * 30 * static_cast<std::int64_t>(rate);
  const std::uint64_t written = static_cast<std::uint64_t>(frames) * channels * sizeof(float);
  // In one go; as a recorder does; and little by little, no number of blocks at a time.
  for (const std::int64_t at_once :
       {frames, std::max<std::int64_t>(1, static_cast<std::int64_t>(rate) / 4),
        std::max<std::int64_t>(1, static_cast<std::int64_t>(rate) / 100 * 7)}) {
    std::filesystem::remove(path_);
    Must(Canvas::Create(path_));
    Canvas sut = OpenForWriting(path_);
    const std::uint64_t added = Added([&] {
      Fill(sut, {.name = "a", .channels = channels, .rate = {rate, 1}}, frames, at_once);
    });
    const double times = static_cast<double>(added) / static_cast<double>(written);
    std::printf("%lu Hz, %u channels, %ld pages, %ld frames a call: %.3f x what was written\n",
                rate, channels, pages, at_once, times);
    EXPECT_LE(times, most) << at_once << " frames a call";
    EXPECT_EQ(Must(sut.Usage()).written_bytes, written);
    EXPECT_TRUE(Must(sut.Check()).ok());
  }
}

TEST_F(DiskCost, FiveSlowLanesShareThePagesTheyTake) {
  Must(Canvas::Create(path_));
  Canvas sut = OpenForWriting(path_);
  constexpr std::int64_t kFrames = 100 * 3600;
  const std::uint64_t added = Added([&] {
    for (const char* name : {"a", "b", "c", "d", "e"})
      Fill(sut, {.name = name, .channels = 1, .rate = {100, 1}}, kFrames, 100);
  });
  const double times = static_cast<double>(added) / (5 * kFrames * 4.0);
  std::printf("five lanes of 100 Hz, an hour: %.3f x what was written\n", times);
  EXPECT_LE(times, 1.4);
}

// Of which 32 KiB are its block, and 4 KiB, on ext4, the file's own table of where its bytes lie.
// From 96 kHz in stereo on a page has two slots, and four, whose version words take 8 KiB, and 12.
TEST_F(DiskCost, OfALaneOfOneFrameIsAtMost64KiBWhereverItLies) {
  for (const auto& [rate, most] :
       {std::pair(1U, 64U), std::pair(100U, 64U), std::pair(8000U, 64U), std::pair(48000U, 64U),
        std::pair(96000U, 68U), std::pair(192000U, 72U)})
    for (const std::int64_t second : {0, 13, 3600}) {
      std::filesystem::remove(path_);
      Must(Canvas::Create(path_));
      Canvas sut = OpenForWriting(path_);
      const std::uint64_t added = Added([&] {
        FrameWriter writer =
            Must(sut.Writer(Must(sut.AddLane({.name = "a", .channels = 2, .rate = {rate, 1}}))));
        Must(writer.Write(Frame(second * static_cast<std::int64_t>(rate) + 1), Tone(1, 2)));
      });
      EXPECT_LE(added, most * 1024) << rate << " Hz, at " << second << " s";
    }
}

TEST_F(DiskCost, OfPagesOfOneSecondIsAtMost1Point2TimesWhatWasWritten) {
  CreateOptions options{.page_seconds = 1, .capacity_seconds = 3600};
  for (const bool small : {true, false}) {
    std::filesystem::remove(path_);
    if (!small) options.layout.small_slots = 0;
    Must(Canvas::Create(path_, options));
    Canvas sut = OpenForWriting(path_);
    constexpr std::int64_t kFrames = 60 * 48000;
    const std::uint64_t added = Added([&] {
      Fill(sut, {.name = "a", .channels = 2, .rate = {48000, 1}}, kFrames, 4800);
    });
    const double times = static_cast<double>(added) / (kFrames * 8.0);
    std::printf("pages of 1 s, %s slots: %.3f x what was written\n", small ? "small" : "wide",
                times);
    EXPECT_LE(times, 1.2);
  }
}

// What is reserved ahead of a writer is at most as much as it wrote, and an extent; and it is
// reserved in few steps.
TEST_F(DiskCost, OfWhatIsReservedAheadGrowsWithWhatIsAppended) {
  Must(Canvas::Create(path_));
  Canvas sut = OpenForWriting(path_);
  FrameWriter writer = Must(sut.Writer(Must(sut.AddLane({.name = "a", .channels = 2}))));
  constexpr std::uint64_t kBlock = 32 * 1024;
  constexpr std::uint64_t kExtent = 1024 * 1024;
  Must(writer.Write(Frame(0), Tone(1, 2)));
  const std::uint64_t empty = AllocatedBytes(path_) - kBlock;
  std::uint64_t reserved = kBlock;
  int steps = 0;
  for (std::uint64_t written = 8; written < 20 * kExtent / 3; written += 8000) {
    Must(writer.Append(Tone(1000, 2)));
    const std::uint64_t now = AllocatedBytes(path_) - empty;
    steps += now != reserved ? 1 : 0;
    reserved = now;
    const std::uint64_t there = written + 8000;
    ASSERT_LE(now, 2 * there + 2 * kBlock);
    ASSERT_LE(now, there + kExtent + kBlock);
  }
  EXPECT_LE(steps, 6 + 6) << "32 KiB to an extent, and extents";
}

// An overwrite that is taken back puts the whole block back: to its last byte it has its space.
TEST_F(DiskCost, TheLastBlockOfAPageIsReservedWholeWhenItIsWrittenOver) {
  Must(Canvas::Create(path_));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1, .rate = {10, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  Must(writer.Write(Frame(0), Samples(1, 0, 300, 1)));
  const std::uint64_t added = Added([&] { Must(writer.Write(Frame(7), Samples(2, 7, 100, 1))); });
  EXPECT_EQ(added, 32U * 1024 - 4096 + 32 * 1024) << "the rest of the block, and the undo place";
  std::vector<float> out(300);
  LaneReader reader = Must(sut.Reader(lane));
  ASSERT_EQ(reader.Read(Frame(0), out), (ReadResult{ReadStatus::kOk, 300}));
  auto expected = Samples(1, 0, 300, 1);
  std::ranges::copy(Samples(2, 7, 100, 1), expected.begin() + 7);
  EXPECT_EQ(out, expected);
}

// On tmpfs even the reading of a hole allocates a page: a window over a page's last block takes
// none.
TEST_F(DiskCost, AWindowOverTheLastBlockOfAPageTakesNoSpaceOnTmpfs) {
  if (access("/dev/shm", W_OK) != 0)
    GTEST_SKIP() << "SKIPPED: no writable /dev/shm here, so no tmpfs to read from";
  const TempDir shm(std::filesystem::path("/dev/shm"));
  path_ = shm.path("sut.canvas");
  Must(Canvas::Create(path_));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1, .rate = {10, 1}}));
  Must(Must(sut.Writer(lane)).Write(Frame(0), Samples(1, 0, 300, 1)));
  Window window = Must(sut.MakeWindow({{lane}}, {.max_seconds = 40}));
  EXPECT_EQ(Added([&] { Must(window.MoveTo({Frame(0), Frame(30 * 48000)})); }), 0U);
  WindowReader reader = Must(window.Reader(lane));
  std::vector<float> out(300);
  ASSERT_EQ(reader.Read(Frame(0), out), (ReadResult{ReadStatus::kOk, 300}));
  EXPECT_EQ(out, Samples(1, 0, 300, 1));
}

}  // namespace
}  // namespace canvas
