// Pages and disk: allocated anywhere, paid for only where written, given back when punched.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::AllocatedBytes;
using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Samples;
using testing::SmallCanvas;
using testing::TempDir;

class Pages : public testing::CanvasTest {
 protected:
  void Create(const CreateOptions& options) { Must(Canvas::Create(path_, options)); }
};

TEST_F(Pages, AreReadyInAnyOrder) {
  Create(SmallCanvas());
  Canvas sut = OpenForWriting(path_);
  EXPECT_EQ(sut.Info().ready_pages, 0U);
  for (const std::uint32_t page : {0U, 1U, 2U, 57U, 99U, 12U, 0U})
    Must(sut.AllocatePage(PageIndex(page)));
  EXPECT_EQ(sut.Info().ready_pages, 6U);
  EXPECT_EQ(CodeOf(sut.AllocatePage(PageIndex(100))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.AllocatePage(PageIndex(0xFFFFFFFF))), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(Must(sut.Check()).ok());
}

TEST_F(Pages, ThreeThousandOfThem) {
  CreateOptions options = SmallCanvas();
  options.capacity_seconds = 3000;
  Create(options);
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  for (std::int64_t page = 0; page < 3000; ++page)
    Must(writer.Write(Frame(page * 8000 + 10), Samples(1, page * 8000 + 10, 3, 1)));
  EXPECT_EQ(sut.Info().ready_pages, 3000U);
  LaneReader reader = Must(sut.Reader(lane));
  for (std::int64_t page = 2999; page >= 0; --page) {
    std::vector<float> out(3);
    ASSERT_EQ(reader.Read(Frame(page * 8000 + 10), out).status, ReadStatus::kOk);
    ASSERT_EQ(out, Samples(1, page * 8000 + 10, 3, 1));
  }
  const CheckReport report = Must(sut.Check());
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.pages, 3000U);
}

TEST_F(Pages, AMappingLimitIsAnErrorBeyondItAndNothingElse) {
  Create(SmallCanvas());
  const std::uint64_t whole = [&] {
    Canvas canvas = OpenForWriting(path_);
    const LaneId lane = Must(canvas.AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
    Must(Must(canvas.Writer(lane)).Write(Frame(0), Samples(1, 0, 16000, 1)));
    return Must(canvas.Usage()).apparent_bytes;  // ends with page 1
  }();
  EXPECT_EQ(CodeOf(Canvas::Open(path_, {.max_map_bytes = 4096})), ErrorCode::kInvalidArgument);
  Canvas sut = Must(Canvas::Open(path_, {.access = Access::kReadWrite, .max_map_bytes = whole}));
  const LaneId lane = Must(sut.FindLane("a")).id;
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(10);
  EXPECT_EQ(reader.Read(Frame(15990), out).status, ReadStatus::kOk);
  EXPECT_EQ(reader.Read(Frame(16000), out).status, ReadStatus::kEnd);
  FrameWriter writer = Must(sut.Writer(lane));
  EXPECT_EQ(CodeOf(writer.Write(Frame(16000), out)), ErrorCode::kLimit);
  Must(writer.Write(Frame(100), out));
}

TEST_F(Pages, AnEmptyCanvasCosts64KiBAtMost) {
  Create({});
  EXPECT_LE(AllocatedBytes(path_), 64U * 1024);
  { Canvas reader = Must(Canvas::Open(path_)); }
  { Canvas writer = OpenForWriting(path_); }
  EXPECT_LE(AllocatedBytes(path_), 64U * 1024) << "opening costs nothing";
}

TEST_F(Pages, ThreePagesInEightHoursCostTheirPayloadAndTwoPercent) {
  Create({.capacity_seconds = 8 * 3600});
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  constexpr std::uint64_t kPageFrames = 30 * 48000;
  const std::vector<float> page(kPageFrames * 2, 0.25F);
  for (const std::int64_t seconds : {0, 4 * 3600, 8 * 3600 - 30})
    Must(writer.Write(Frame(seconds * 48000), page));
  const std::uint64_t payload = 3 * kPageFrames * 8;
  const std::uint64_t allocated = AllocatedBytes(path_);
  std::printf("allocated %.4f x the payload of %lu bytes\n",
              static_cast<double>(allocated) / static_cast<double>(payload), payload);
  EXPECT_LE(allocated, payload * 102 / 100);
  EXPECT_EQ(Must(sut.Usage()).written_bytes, payload);
}

// Slots of whole folios cost address space, and no disk: nothing is reserved of what lies between.
TEST_F(Pages, WholeFoliosCostNoDisk) {
  std::uint64_t allocated[2] = {};
  std::uint64_t apparent[2] = {};
  for (const int whole : {0, 1}) {
    const std::string path = dir_.path(whole == 1 ? "whole" : "packed");
    CreateOptions options{.capacity_seconds = 3600};
    if (whole == 0) {
      options.layout.slot_align_bytes = 4096;
      options.layout.small_slot_bytes = 1024 * 1024;
    }
    Must(Canvas::Create(path, options));
    Canvas sut = OpenForWriting(path);
    for (const char* name : {"a", "b", "c"}) {
      const LaneId lane = Must(sut.AddLane({.name = name, .channels = 2, .rate = {48000, 1}}));
      FrameWriter writer = Must(sut.Writer(lane));
      for (std::int64_t at = 0; at < 48000 * 70; at += 48000)
        Must(writer.Write(Frame(at), Samples(1, at, 48000, 2)));
    }
    allocated[whole] = AllocatedBytes(path);
    apparent[whole] = Must(sut.Usage()).apparent_bytes;
  }
  std::printf("slots of whole folios: %.4f x the disk, %.2f x the address space\n",
              static_cast<double>(allocated[1]) / static_cast<double>(allocated[0]),
              static_cast<double>(apparent[1]) / static_cast<double>(apparent[0]));
  EXPECT_LE(allocated[1], allocated[0] + 64 * 1024);
}

TEST_F(Pages, ReadingAllocatesNothing) {
  Create({.capacity_seconds = 3600});
  LaneId lane;
  {
    Canvas writer = OpenForWriting(path_);
    lane = Must(writer.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
    Must(Must(writer.Writer(lane)).Write(Frame(48000 * 45), Samples(1, 0, 5000, 2)));
  }
  const std::uint64_t before = AllocatedBytes(path_);
  Canvas sut = Must(Canvas::Open(path_));
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(2 * 48000);
  for (std::int64_t second = 0; second < 3600; second += 7) {
    (void)reader.Read(Frame(second * 48000), out);
    (void)reader.ViewAt(Frame(second * 48000), 100000);
  }
  Must(sut.Check());
  EXPECT_EQ(AllocatedBytes(path_), before);
}

// On tmpfs even the reading of a hole allocates a page.
TEST_F(Pages, ReadingAllocatesNothingOnTmpfsEither) {
  struct stat status {};
  if (stat("/dev/shm", &status) != 0 || access("/dev/shm", W_OK) != 0)
    GTEST_SKIP() << "SKIPPED: no writable /dev/shm here, so no tmpfs to read from";
  const TempDir shm(std::filesystem::path("/dev/shm"));
  path_ = shm.path("sut.canvas");
  Create({.capacity_seconds = 3600});
  LaneId lane;
  {
    Canvas writer = OpenForWriting(path_);
    lane = Must(writer.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
    FrameWriter owner = Must(writer.Writer(lane));
    Must(owner.Write(Frame(48000 * 45), Samples(1, 0, 50, 2)));
    Must(owner.Write(Frame(48000 * 58), Samples(1, 0, 50, 2)));  // blocks between stay holes
    Must(writer.AllocatePage(PageIndex(100)));
  }
  const std::uint64_t before = AllocatedBytes(path_);
  Canvas sut = Must(Canvas::Open(path_));
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(2 * 48000);
  for (std::int64_t second = 0; second < 3600; second += 1) {
    (void)reader.Read(Frame(second * 48000), out);
    (void)reader.ViewAt(Frame(second * 48000), 100000);
  }
  Must(sut.Check());
  EXPECT_EQ(AllocatedBytes(path_), before);
}

TEST_F(Pages, PunchingGivesBackAPartARangeAndAPage) {
  Create({.capacity_seconds = 600});
  Canvas sut = OpenForWriting(path_);
  const LaneId a = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
  const LaneId b = Must(sut.AddLane({.name = "b", .channels = 6, .rate = {48000, 1}}));
  const std::vector<float> minute(2 * 48000 * 60, 0.5F);
  const std::vector<float> wide(6 * 48000 * 60, 0.5F);
  {
    FrameWriter owner_a = Must(sut.Writer(a));
    Must(owner_a.Write(Frame(0), minute));
    Must(owner_a.Write(Frame(48000 * 60), minute));
    Must(Must(sut.Writer(b)).Write(Frame(0), wide));
  }
  // A page of stereo, and of six channels, to the whole 4 KiB.
  constexpr std::uint64_t kPart = 2813 * 4096;
  constexpr std::uint64_t kWidePart = 8438 * 4096;
  std::uint64_t allocated = AllocatedBytes(path_);
  const auto given_back = [&] {
    const std::uint64_t now = AllocatedBytes(path_);
    const std::uint64_t difference = allocated - now;
    allocated = now;
    return difference;
  };
  LaneReader reader_a = Must(sut.Reader(a));
  LaneReader reader_b = Must(sut.Reader(b));
  std::vector<float> out(12);
  {
    FrameWriter owner = Must(sut.Writer(a, {.pages = {PageIndex(1), PageIndex(4)}}));
    const EraseReport part = Must(owner.Erase({Frame(48000 * 30), Frame(48000 * 60)}));
    EXPECT_EQ(part.erased_frames, 48000U * 30);
    EXPECT_EQ(given_back(), kPart);
    EXPECT_EQ(reader_a.Read(Frame(48000 * 30), out).status, ReadStatus::kUnwritten);
    EXPECT_EQ(reader_a.Read(Frame(48000 * 30 - 6), out).status, ReadStatus::kOk);
    const EraseReport range = Must(owner.Erase({Frame(48000 * 30), Frame(48000 * 100)}));
    // The page from 90 s reaches beyond the range: 117 whole blocks, and a part of one.
    EXPECT_EQ(range.erased_frames, 48000U * 30 + 117 * 4096);
    EXPECT_EQ(range.zeroed_frames, 48000U * 10 - 117 * 4096);
    EXPECT_EQ(given_back(), kPart + std::uint64_t{117} * 32768 - 32768) << "the undo place is new";
    EXPECT_EQ(reader_a.Read(Frame(48000 * 95), out).status, ReadStatus::kUnwritten);
    EXPECT_EQ(reader_a.Read(Frame(48000 * 100 - 6), out).status, ReadStatus::kOk);
    EXPECT_EQ(out, std::vector<float>(12, 0.0F));
    EXPECT_EQ(reader_a.Read(Frame(48000 * 100), out).status, ReadStatus::kOk);
    EXPECT_EQ(out, std::vector<float>(12, 0.5F));
    const EraseReport again = Must(owner.Erase({Frame(48000 * 90), Frame(48000 * 99)}));
    EXPECT_EQ(again.erased_frames, 0U);
    EXPECT_EQ(again.zeroed_frames, 0U);
  }
  Must(sut.PunchPage(PageIndex(0)));
  EXPECT_EQ(given_back(), kPart + kWidePart) << "both lanes' parts of page 0";
  EXPECT_EQ(reader_a.Read(Frame(0), out).status, ReadStatus::kUnwritten);
  EXPECT_EQ(reader_b.Read(Frame(0), out).status, ReadStatus::kUnwritten);
  EXPECT_EQ(reader_b.Read(Frame(48000 * 30), out).status, ReadStatus::kOk);
  EXPECT_TRUE(Must(sut.Check()).ok());
  // And what was given back can be written again.
  Must(Must(sut.Writer(a)).Write(Frame(0), Samples(7, 0, 6, 2)));
  EXPECT_EQ(reader_a.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(7, 0, 6, 2));
}

TEST_F(Pages, AHandleOpenedBeforeTheFileGrewReadsBeyondItsOldEnd) {
  Create(SmallCanvas());
  Canvas sut = Must(Canvas::Open(path_));
  Canvas writer = OpenForWriting(path_);
  const LaneId lane = Must(writer.AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
  LaneReader reader = Must(sut.Reader(lane));
  Must(Must(writer.Writer(lane)).Write(Frame(99 * 8000), Samples(1, 0, 100, 1)));
  std::vector<float> out(100);
  EXPECT_EQ(reader.Read(Frame(99 * 8000), out).status, ReadStatus::kOk);
}

TEST_F(Pages, TheTimelineGrowsForThoseWhoOpenItAnew) {
  const Frame late(std::int64_t{3600} * 48000);
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas before = OpenForWriting(path_);
  const std::uint64_t pages = before.capacity_pages();
  const LaneId lane = Must(before.AddLane({.name = "late", .channels = 1}));
  const std::vector<float> samples(100, 0.5F);
  EXPECT_EQ(CodeOf(Must(before.Writer(lane)).Write(late, samples)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(before.RaiseCapacity(1)), ErrorCode::kInvalidArgument) << "it never shrinks";
  EXPECT_EQ(CodeOf(before.RaiseCapacity(~std::uint64_t{0})), ErrorCode::kLimit);
  EXPECT_EQ(before.capacity_pages(), pages);
  Must(before.RaiseCapacity(3601));
  EXPECT_GE(before.capacity_pages() * before.Info().page_seconds, 3601U);
  EXPECT_EQ(CodeOf(Must(before.Writer(lane)).Write(late, samples)), ErrorCode::kLimit)
      << "this handle's mapping ends where it did";
  {
    Canvas after = OpenForWriting(path_);
    Must(Must(after.Writer(lane)).Write(late, samples));
    Must(after.Close());
  }
  const Canvas reader = Must(Canvas::Open(path_));
  EXPECT_TRUE(Must(reader.Check()).ok());
  std::vector<float> back(100);
  EXPECT_EQ(Must(reader.Reader(lane)).Read(late, back).status, ReadStatus::kOk);
  EXPECT_EQ(back, samples);
  Canvas readonly = Must(Canvas::Open(path_));
  EXPECT_EQ(CodeOf(readonly.RaiseCapacity(7200)), ErrorCode::kReadOnly);
}

}  // namespace
}  // namespace canvas
