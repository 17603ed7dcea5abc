// One owner at a time: between handles, threads, processes, and across fork and death.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Process;
using testing::Samples;
using testing::SmallCanvas;

class Ownership : public testing::CanvasTest {
 protected:
  Ownership() {
    Must(Canvas::Create(path_, SmallCanvas()));
    lane_ =
        Must(OpenForWriting(path_).AddLane({.name = "strings", .channels = 1, .rate = {8000, 1}}));
  }
  Canvas Open(const std::string& name) {
    return Must(
        Canvas::Open(path_, {.access = Access::kReadWrite, .name = name, .sync_on_close = false}));
  }
  static PageRange Range(std::uint32_t first, std::uint32_t end) {
    return {PageIndex(first), PageIndex(end)};
  }
  LaneId lane_;
};

TEST_F(Ownership, ASecondOwnerIsToldWhoTheFirstIs) {
  Canvas first = Open("the generator");
  Canvas second = Open("the other");
  const LaneOwner owner = Must(first.Own(lane_));
  for (Canvas* canvas : {&second, &first}) {
    const auto refused = canvas->Own(lane_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), ErrorCode::kOwned);
    const std::string message = refused.error().Message();
    EXPECT_NE(message.find("strings"), std::string::npos) << message;
    EXPECT_NE(message.find("the generator (pid " + std::to_string(getpid()) + ", since 20"),
              std::string::npos)
        << message;
  }
}

TEST_F(Ownership, EndsWithTheOwner) {
  Canvas first = Open("first");
  Canvas second = Open("second");
  { const LaneOwner owner = Must(first.Own(lane_)); }
  { const LaneOwner owner = Must(second.Own(lane_)); }
  EXPECT_TRUE(Must(first.Owners()).empty());
}

TEST_F(Ownership, IsByPages) {
  Canvas first = Open("first");
  Canvas second = Open("second");
  FrameWriter early = Must(first.Writer(lane_, {.pages = Range(0, 10)}));
  FrameWriter late = Must(second.Writer(lane_, {.pages = Range(10, 20)}));
  FrameWriter later = Must(first.Writer(lane_, {.pages = Range(20, 21)}));
  EXPECT_EQ(CodeOf(second.Writer(lane_, {.pages = Range(9, 11)})), ErrorCode::kOwned);
  EXPECT_EQ(CodeOf(first.Writer(lane_, {.pages = Range(9, 10)})), ErrorCode::kOwned);
  EXPECT_EQ(CodeOf(first.Writer(lane_, {.pages = Range(20, 30)})), ErrorCode::kOwned);
  EXPECT_EQ(CodeOf(first.Writer(lane_, {.pages = Range(5, 5)})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Must(second.Owners()).size(), 3U);
  Must(early.Write(Frame(10 * 8000 - 1), Samples(1, 0, 1, 1)));
  Must(late.Write(Frame(10 * 8000), Samples(1, 0, 1, 1)));
  EXPECT_EQ(CodeOf(early.Write(Frame(10 * 8000 - 1), Samples(1, 0, 2, 1))),
            ErrorCode::kInvalidArgument);
}

TEST_F(Ownership, AWriterHoldsTheOwnerAndGivesItBack) {
  Canvas sut = Open("sut");
  Canvas other = Open("other");
  FrameWriter writer = Must(FrameWriter::Make(Must(sut.Own(lane_, {.pages = Range(0, 10)}))));
  Must(writer.Append(Samples(1, 0, 3 * 8000, 1)));
  LaneOwner owner = std::move(writer).Release();
  EXPECT_EQ(owner.lane().name, "strings");
  EXPECT_EQ(owner.pages(), Range(0, 10));
  EXPECT_EQ(CodeOf(other.Own(lane_)), ErrorCode::kOwned);
  EXPECT_EQ(CodeOf(writer.Append(Samples(1, 0, 1, 1))), ErrorCode::kClosed);
  EXPECT_EQ(Must(owner.Erase({Frame(8000), Frame(3 * 8000)})).erased_frames, 2U * 8000U);
  owner.Flush();
  // What was erased through the owner is known to the next writer.
  FrameWriter next = Must(FrameWriter::Make(std::move(owner)));
  EXPECT_EQ(Must(next.Append(Samples(1, 8000, 100, 1))), Frame(8000));
  // And so is what is erased through the writer itself.
  EXPECT_EQ(Must(next.Erase({Frame(0), Frame(2 * 8000)})).erased_frames, 8100U);
  EXPECT_EQ(next.end(), Frame(0));
  EXPECT_EQ(CodeOf(FrameWriter::Make(std::move(owner))), ErrorCode::kClosed);
}

TEST_F(Ownership, MovesBetweenThreads) {
  Canvas sut = Open("sut");
  FrameWriter writer = Must(sut.Writer(lane_));
  std::thread([moved = std::move(writer)]() mutable {
    Must(moved.Write(Frame(0), Samples(1, 0, 100, 1)));
  }).join();
  const LaneOwner again = Must(sut.Own(lane_));
}

TEST_F(Ownership, OutlivesTheCanvasItCameFrom) {
  auto canvas = std::make_unique<Canvas>(Open("sut"));
  FrameWriter writer = Must(canvas->Writer(lane_));
  LaneReader reader = Must(canvas->Reader(lane_));
  canvas.reset();
  Must(writer.Write(Frame(0), Samples(1, 0, 100, 1)));
  std::vector<float> out(100);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
}

TEST_F(Ownership, AnotherProcessIsRefusedAndAKilledOneFreesTheLane) {
  Process child([&](const Process::Line& line) {
    Canvas canvas = Must(Canvas::Open(path_, {.access = Access::kReadWrite, .name = "child"}));
    const LaneOwner owner = Must(canvas.Own(lane_));
    line.Say('x');
    line.Hear();  // nothing, until it is killed
    return 1;
  });
  ASSERT_EQ(child.Hear(), 'x');
  Canvas sut = Open("parent");
  const auto refused = sut.Writer(lane_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().Message().find("child (pid " + std::to_string(child.pid())),
            std::string::npos)
      << refused.error().Message();
  EXPECT_EQ(Must(sut.Owners()).size(), 1U);
  child.Kill();
  ASSERT_EQ(child.Wait(), 128 + SIGKILL);
  const LaneOwner owner = Must(sut.Own(lane_));
  const auto owners = Must(sut.Owners());
  ASSERT_EQ(owners.size(), 1U);
  EXPECT_EQ(owners[0].name, "parent");
}

TEST_F(Ownership, AForkedChildNeitherWritesNorHoldsOnNorCrashes) {
  auto canvas = std::make_unique<Canvas>(Open("parent"));
  auto writer = std::make_unique<FrameWriter>(Must(canvas->Writer(lane_)));
  Must(writer->Write(Frame(0), Samples(1, 0, 100, 1)));
  LaneReader reader = Must(canvas->Reader(lane_));
  std::vector<float> out(100);
  ASSERT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);

  Process child([&](const Process::Line& line) {
    const auto write_result = writer->Write(Frame(100), Samples(1, 0, 1, 1));
    if (write_result || write_result.error().code() != ErrorCode::kClosed) return 1;
    if (canvas->Writer(lane_, {.pages = Range(50, 60)}).error().code() != ErrorCode::kClosed)
      return 2;
    if (canvas->Lanes().has_value()) return 3;
    if (reader.Read(Frame(0), out).status != ReadStatus::kClosed) return 4;
    Canvas own = Must(Canvas::Open(path_));  // its own handle works
    LaneReader own_reader = Must(own.Reader(lane_));
    if (own_reader.Read(Frame(0), out).status != ReadStatus::kOk) return 5;
    writer.reset();
    canvas.reset();
    line.Hear();  // lives on while the parent lets go: it must not hold the lane
    return 0;
  });
  EXPECT_EQ(CodeOf(Open("third").Writer(lane_)), ErrorCode::kOwned) << "the parent still owns";
  Must(writer->Write(Frame(100), Samples(1, 100, 1, 1)));
  writer.reset();
  { const LaneOwner next = Must(Open("third").Own(lane_)); }
  child.Tell('g');
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(Ownership, MoreOwnersThanOneBlockOfTheTableHolds) {
  Canvas sut = Open("sut");
  std::vector<LaneOwner> owners;
  for (std::uint32_t page = 0; page < 40; ++page)
    owners.push_back(Must(sut.Own(lane_, {.pages = Range(page, page + 1)})));
  EXPECT_EQ(Must(sut.Owners()).size(), 40U);
  owners.clear();
  EXPECT_TRUE(Must(sut.Owners()).empty());
  EXPECT_TRUE(Must(sut.Check()).ok());
}

}  // namespace
}  // namespace canvas
