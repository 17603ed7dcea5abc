// A disk that fills up is an error value: nothing that was written suffers, and writing goes on
// when there is room again. On a small tmpfs of the test's own.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Samples;
using testing::TempDir;

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (mount("tmpfs", dir_.root().c_str(), "tmpfs", 0, "size=24m") != 0)
      GTEST_SKIP() << "SKIPPED: mounting a small tmpfs is not permitted here: "
                   << std::strerror(errno);
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) umount2(dir_.root().c_str(), MNT_DETACH);
  }
  TempDir dir_;
  bool mounted_ = false;
  std::string path_ = dir_.path("sut.canvas");
};

TEST_F(FullDisk, AppendingFailsWithAnErrorAndGoesOnWhenThereIsRoom) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
  LaneWriter writer = Must(sut.Own(lane));
  // Something else on the disk, to be removed later.
  std::ofstream(dir_.path("ballast")) << std::string(4 << 20, 'b');

  constexpr std::int64_t kChunk = 48000;
  std::int64_t at = 0;
  Result<void> written;
  for (; at < 48000 * 600; at += kChunk) {
    written = writer.Write(Frame(at), Samples(1, at, kChunk, 2));
    if (!written) break;
  }
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kNoSpace);
  EXPECT_NE(written.error().Message().find(path_), std::string::npos);
  ASSERT_GT(at, 48000 * 30);

  LaneReader reader = Must(sut.Reader(lane));
  const auto intact = [&](std::int64_t until) {
    std::vector<float> out(kChunk * 2);
    for (std::int64_t from = 0; from < until; from += kChunk) {
      ASSERT_EQ(reader.Read(Frame(from), out), (ReadResult{ReadStatus::kOk, kChunk}));
      ASSERT_EQ(out, Samples(1, from, kChunk, 2)) << from;
    }
  };
  intact(at);
  EXPECT_EQ(CodeOf(writer.Write(Frame(at), Samples(1, at, kChunk, 2))), ErrorCode::kNoSpace);
  std::vector<float> out(kChunk * 2);
  for (std::int64_t from = 0; from < 48000 * 3600; from += 48000 * 10)
    (void)reader.Read(Frame(from), out);  // reading a full disk faults nowhere
  EXPECT_TRUE(Must(sut.Check()).ok());

  std::filesystem::remove(dir_.path("ballast"));
  Must(writer.Write(Frame(at), Samples(1, at, kChunk, 2)));
  intact(at + kChunk);
}

TEST_F(FullDisk, CreatingLeavesNothing) {
  std::ofstream ballast(dir_.path("ballast"));
  ballast << std::string(24 << 20, 'b');
  ballast.close();
  EXPECT_EQ(CodeOf(Canvas::Create(path_)), ErrorCode::kNoSpace);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(FullDisk, EveryCallSaysSoAndNoneIsKilled) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
  LaneWriter writer = Must(sut.Own(lane));
  Must(writer.Write(Frame(0), Samples(1, 0, 5000, 2)));
  std::ofstream ballast(dir_.path("ballast"));
  ballast << std::string(24 << 20, 'b');
  ballast.close();
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 2, .rate = {48000, 1}})),
            ErrorCode::kNoSpace);
  EXPECT_EQ(CodeOf(sut.AllocatePage(PageIndex(7))), ErrorCode::kNoSpace);
  EXPECT_EQ(CodeOf(writer.Write(Frame(100), Samples(1, 0, 10, 2))), ErrorCode::kNoSpace)
      << "the undo place has to be reserved";
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(10000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 5000, 2));
  Must(writer.Erase({Frame(0), Frame(48000 * 30)}));
  Must(writer.Write(Frame(0), Samples(1, 0, 10, 2)));
}

}  // namespace
}  // namespace canvas
