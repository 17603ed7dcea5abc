// What a successor finds after a death in the middle of something, made by hand with the same steps
// an owner takes: readers go on seeing old blocks, check calls it a note, and the next owner mends
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/owner_table.h"
#include "canvas/part/frames/frame_part.h"
#include "canvas/part/frames/part_writer.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header_store.h"
#include "canvas/storage/ownership.h"
#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/testing/open_lane.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::AllocatedBytes;
using testing::Must;
using testing::OpenForWriting;
using testing::OpenLane;
using testing::Samples;

std::uint64_t Sum(const void* bytes) { return part::frames::UndoChecksum(bytes, 512); }

constexpr std::int64_t kBlock = 64;  // frames of stereo in 512 B

// An overwrite of block 3, up to the middle of its new bytes.
void HalfOverwrite(const storage::PartWords& part) {
  std::vector<std::byte> scratch(512);
  sync::BeginOverwrite(part, 3, scratch.data(), Sum);
  const auto half = Samples(9, 0, kBlock / 2, 2);
  sync::CopyIn(part.data + 3 * 512, half.data(), half.size() * 4);
}

class RepairAfterDeath : public testing::CanvasTest {
 protected:
  RepairAfterDeath() {
    Canvas canvas = Make();
    lane_ = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
    FrameWriter writer = Must(canvas.Writer(lane_));
    Must(writer.Write(Frame(0), Samples(1, 0, 1000, 2)));
    Must(writer.Write(Frame(0), Samples(1, 0, 1, 2)));  // so that the undo place is reserved
  }

  // Lets `act` begin something as the owner of the lane, who then is gone.
  template <typename Act>
  void Die(const storage::Intent& intent, Act act) {
    OpenLane opened(path_, lane_, "the dead");
    storage::Intent whole = intent;
    whole.run = opened.place.slots;
    const auto owner = opened.Own();
    if (intent.operation != format::Operation::kNone) owner.Declare(whole);
    act(opened.Part(PageIndex(0)));
    // Goes out of scope without clearing its intent.
  }

  std::vector<float> ReadBlock(std::int64_t block, ReadStatus expected) {
    const Canvas canvas = Must(Canvas::Open(path_));
    LaneReader reader = Must(canvas.Reader(lane_));
    std::vector<float> out(kBlock * 2);
    EXPECT_EQ(reader.Read(Frame(block * kBlock), out).status, expected);
    return out;
  }
  std::size_t Notes() {
    const CheckReport report = Must(Must(Canvas::Open(path_)).Check());
    EXPECT_TRUE(report.ok()) << report.findings[0];
    return report.notes.size();
  }
  void TakeOver() { Must(OpenForWriting(path_).Own(lane_)); }

  LaneId lane_;
  const storage::Intent overwrite_{format::Operation::kOverwrite, PageIndex(0), 3, {}};
  const storage::Intent punch_{format::Operation::kPunch, PageIndex(0), 0, {}};
};

TEST_F(RepairAfterDeath, AHalfOverwrittenBlockReadsOldAndIsTakenBack) {
  const auto old = Samples(1, 3 * kBlock, kBlock, 2);
  Die(overwrite_, HalfOverwrite);
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), old) << "from the undo place";
  EXPECT_EQ(Notes(), 2U) << "the owner's intent and the block";
  TakeOver();
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), old);
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterDeath, AnOverwriteThatWasPublishedStays) {
  const auto fresh = Samples(9, 0, kBlock, 2);
  Die(overwrite_, [&](const storage::PartWords& part) {
    std::vector<std::byte> scratch(512);
    sync::BeginOverwrite(part, 3, scratch.data(), Sum);
    sync::CopyIn(part.data + 3 * 512, fresh.data(), fresh.size() * 4);
    const std::uint64_t undo = part.undo_block->load();
    sync::EndOverwrite(part, 3);
    part.undo_block->store(undo);  // died before it emptied the undo place
  });
  TakeOver();
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), fresh);
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterDeath, AViewFromBeforeTheRollbackIsNotValidAfterIt) {
  const Canvas canvas = Must(Canvas::Open(path_));
  LaneReader reader = Must(canvas.Reader(lane_));
  const View before = reader.ViewAt(Frame(3 * kBlock), kBlock);
  Die(overwrite_, [](const storage::PartWords& part) {
    std::vector<std::byte> scratch(512);
    sync::BeginOverwrite(part, 3, scratch.data(), Sum);
  });
  EXPECT_FALSE(before.StillValid());
  EXPECT_EQ(reader.ViewAt(Frame(0), 1000).frames(), 3U * kBlock) << "ends at the block in question";
  TakeOver();
  EXPECT_FALSE(before.StillValid());
  EXPECT_EQ(reader.ViewAt(Frame(0), 1000).frames(), 1000U);
}

TEST_F(RepairAfterDeath, AnErasureIsFinishedAndItsSpaceGivenBackWithTheNext) {
  const Canvas canvas = Must(Canvas::Open(path_));
  LaneReader reader = Must(canvas.Reader(lane_));
  const View before = reader.ViewAt(Frame(8 * kBlock), kBlock);
  Die({format::Operation::kErase, PageIndex(0), 8, {}}, [](const storage::PartWords& part) {
    sync::EraseBlocks(part, 8, 16);
    part.sequence->store(part.sequence->load() - 1);  // killed before it was even
  });
  EXPECT_FALSE(before.StillValid());
  ReadBlock(8, ReadStatus::kUnwritten);
  EXPECT_EQ(Notes(), 1U) << "the owner's intent";
  const std::uint64_t allocated = AllocatedBytes(path_);
  TakeOver();
  EXPECT_EQ(Notes(), 0U);
  ReadBlock(7, ReadStatus::kOk);
  ReadBlock(8, ReadStatus::kUnwritten);
  EXPECT_EQ(AllocatedBytes(path_), allocated) << "nothing is lost by that but space";
  FrameWriter writer = Must(OpenForWriting(path_).Writer(lane_));
  Must(writer.Erase({Frame(8 * kBlock), Frame(16 * kBlock)}));
  EXPECT_EQ(AllocatedBytes(path_), allocated - 4096);
  // Written in part, the rest of it is zeros and not what was there.
  Must(writer.Write(Frame(9 * kBlock + 1), Samples(5, 0, 1, 2)));
  auto expected = std::vector<float>(kBlock * 2, 0.0F);
  std::ranges::copy(Samples(5, 0, 1, 2), expected.begin() + 2);
  EXPECT_EQ(ReadBlock(9, ReadStatus::kOk), expected);
}

TEST_F(RepairAfterDeath, APunchIsFinished) {
  const std::uint64_t allocated = AllocatedBytes(path_);
  Die(punch_, [](const storage::PartWords& part) { sync::BeginPunch(part); });
  ReadBlock(3, ReadStatus::kUnwritten);
  EXPECT_EQ(AllocatedBytes(path_), allocated);
  EXPECT_EQ(Notes(), 2U) << "the owner's intent and the part";
  TakeOver();
  EXPECT_LT(AllocatedBytes(path_), allocated);
  EXPECT_EQ(Notes(), 0U);
  Must(
      Must(OpenForWriting(path_).Writer(lane_)).Write(Frame(3 * kBlock), Samples(5, 0, kBlock, 2)));
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), Samples(5, 0, kBlock, 2));
  ReadBlock(2, ReadStatus::kUnwritten);
}

TEST_F(RepairAfterDeath, BlocksPublishedBeyondTheMarkNeverComeToLight) {
  Die({}, [](const storage::PartWords& part) {
    const auto never = Samples(9, 0, kBlock, 2);
    for (const std::uint64_t block : {20U, 21U}) {
      sync::CopyIn(part.data + block * 512, never.data(), never.size() * 4);
      sync::PublishFirstWrite(part, block);  // and died before it raised the mark
    }
    // And stored frames behind the mark of its own block (1000 is in the middle of block 15).
    sync::CopyIn(part.data + 1000 * 8, never.data(), 16);
  });
  EXPECT_EQ(Notes(), 2U);
  Must(Must(OpenForWriting(path_).Writer(lane_))
           .Write(Frame(30 * kBlock), Samples(5, 0, kBlock, 2)));
  ReadBlock(20, ReadStatus::kUnwritten);
  ReadBlock(21, ReadStatus::kUnwritten);
  const Canvas canvas = Must(Canvas::Open(path_));
  LaneReader reader = Must(canvas.Reader(lane_));
  std::vector<float> out(4);
  EXPECT_EQ(reader.Read(Frame(1000), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, std::vector<float>(4, 0.0F));
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterDeath, IntentsOfOtherPagesWaitForTheirOwner) {
  Die(overwrite_, [](const storage::PartWords& part) {
    std::vector<std::byte> scratch(512);
    sync::BeginOverwrite(part, 3, scratch.data(), Sum);
  });
  {
    Canvas canvas = OpenForWriting(path_);
    Must(canvas.Writer(lane_, {.pages = {PageIndex(5), PageIndex(6)}}));
    EXPECT_EQ(Notes(), 2U);
  }
  TakeOver();
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterDeath, AHandleThatDoesNotReachThePageLeavesTheIntentToOneThatDoes) {
  const auto old = Samples(1, 3 * kBlock, kBlock, 2);
  Die(overwrite_, HalfOverwrite);
  {
    // Reaches the header and no page.
    Canvas canvas = Must(
        Canvas::Open(path_, {.access = Access::kReadWrite, .max_map_bytes = 16 * 1024 * 1024}));
    Must(canvas.Writer(lane_));
  }
  EXPECT_EQ(Notes(), 2U) << "still to be mended";
  TakeOver();
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), old);
}

TEST_F(RepairAfterDeath, APunchThatFailedIsFinishedBeforeItsPageIsWrittenAgain) {
  // As a failing fallocate leaves it: punched, the intent standing, the owner alive and going on.
  Die(punch_, [](const storage::PartWords& part) { sync::BeginPunch(part); });
  const auto fresh = Samples(5, 0, kBlock, 2);
  {
    OpenLane opened(path_, lane_, "the same");
    const auto owner = opened.Own(false);
    auto writer =
        Must(part::frames::PartWriter::Open(*opened.file, opened.place, PageIndex(0), owner));
    Must(writer.Write(3 * kBlock, fresh));
  }
  TakeOver();  // the old intent still stands, and must not take the new frames
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), fresh);
  ReadBlock(2, ReadStatus::kUnwritten);
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterDeath, PunchingThePageAgainGivesBackWhatAFailedPunchDidNot) {
  const std::uint64_t allocated = AllocatedBytes(path_);
  Die(punch_, [](const storage::PartWords& part) { sync::BeginPunch(part); });
  Must(OpenForWriting(path_).PunchPage(PageIndex(0)));
  EXPECT_LT(AllocatedBytes(path_), allocated);
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterDeath, AnUndoPlaceThatDoesNotHoldTheOldBytesIsNotBelieved) {
  Die(overwrite_, [](const storage::PartWords& part) {
    std::vector<std::byte> scratch(512);
    sync::BeginOverwrite(part, 3, scratch.data(), Sum);
    const float other = 7;
    sync::CopyIn(part.undo + 8, &other, 4);  // as a power loss may leave it
  });
  TakeOver();
  ReadBlock(3, ReadStatus::kUnwritten);
  ReadBlock(2, ReadStatus::kOk);
  EXPECT_EQ(Notes(), 0U);
}

// What a power loss may leave and no death can: an odd version without the intent that goes with
// it.
class RepairAfterPowerLoss : public RepairAfterDeath {
 protected:
  // Of block 3, which reads as raced, and which check names.
  void Torn() {
    ReadBlock(3, ReadStatus::kRaced);
    const CheckReport report = Must(Must(Canvas::Open(path_)).Check());
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_NE(report.findings[0].find("page 0, block 3"), std::string::npos) << report.findings[0];
  }
  void Write(Frame first, std::span<const float> samples) {
    Canvas canvas = OpenForWriting(path_);
    Must(Must(canvas.Writer(lane_)).Write(first, samples));
  }
};

TEST_F(RepairAfterPowerLoss, ABlockWhoseUndoIsLostCanBeWrittenAgain) {
  // The version was written back; the undo word, and half of the bytes, were not.
  Die({}, [](const storage::PartWords& part) {
    HalfOverwrite(part);
    part.undo_block->store(0);
    part.sequence->store(part.sequence->load() + 1);
  });
  Torn();
  TakeOver();
  Torn();
  const auto fresh = Samples(5, 3 * kBlock, kBlock, 2);
  Write(Frame(3 * kBlock), fresh);
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), fresh);
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterPowerLoss, OfABlockWhoseUndoIsLostOnlyWhatIsWrittenAgainIsThere) {
  Die({}, [](const storage::PartWords& part) {
    HalfOverwrite(part);
    part.undo_checksum->store(1);
  });
  const auto fresh = Samples(5, 3 * kBlock + 10, 20, 2);
  Write(Frame(3 * kBlock + 10), fresh);
  std::vector<float> expected(2 * kBlock, 0.0F);
  std::copy(fresh.begin(), fresh.end(), expected.begin() + 2 * 10);
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), expected) << "and nothing of two versions";
  EXPECT_EQ(ReadBlock(2, ReadStatus::kOk), Samples(1, 2 * kBlock, kBlock, 2));
  EXPECT_EQ(Notes(), 0U);
}

TEST_F(RepairAfterPowerLoss, ABlockWhoseUndoIsThereIsPutBackBeforeItIsWrittenAgain) {
  Die({}, [](const storage::PartWords& part) { HalfOverwrite(part); });
  EXPECT_EQ(Notes(), 1U) << "told, and no damage: it reads";
  ReadBlock(3, ReadStatus::kOk);
  const auto fresh = Samples(5, 3 * kBlock, 10, 2);
  Write(Frame(3 * kBlock), fresh);
  auto expected = Samples(1, 3 * kBlock, kBlock, 2);
  std::copy(fresh.begin(), fresh.end(), expected.begin());
  EXPECT_EQ(ReadBlock(3, ReadStatus::kOk), expected);
  EXPECT_EQ(Notes(), 0U);
}

// The undo place of a part that was never overwritten is not resident in its windows: it is perhaps
// not even on the disk.
TEST_F(RepairAfterDeath, TheFirstOverwriteOfAPartIsOutsideUntilTheWindowHasLookedAgain) {
  Canvas canvas = OpenForWriting(path_);
  lane_ = Must(canvas.AddLane({.name = "b", .channels = 2, .rate = {8000, 1}}));
  Must(Must(canvas.Writer(lane_)).Write(Frame(0), Samples(2, 0, 1000, 2)));
  Window window =
      Must(canvas.MakeWindow(std::span(&lane_, 1), {.clock = {8000, 1}, .max_seconds = 2}));
  Must(window.MoveTo({Frame(0), Frame(1000)}));
  const std::uint64_t before = window.Report().resident_bytes;
  WindowReader reader = Must(window.Reader(lane_));
  Die(overwrite_, HalfOverwrite);
  std::vector<float> out(kBlock * 2);
  EXPECT_EQ(reader.Read(Frame(3 * kBlock), out).status, ReadStatus::kOutside);
  EXPECT_EQ(reader.Read(Frame(2 * kBlock), out).status, ReadStatus::kOk);
  Must(window.MoveTo({Frame(0), Frame(1000)}));
  EXPECT_EQ(window.Report().resident_bytes, before + 512);
  EXPECT_EQ(reader.Read(Frame(3 * kBlock), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(2, 3 * kBlock, kBlock, 2)) << "the old version";
}

// The step between the odd version and the odd sequence, and the one after.
TEST_F(RepairAfterDeath, AViewNeverTakesABlockThatIsBeingRewritten) {
  const Canvas canvas = Must(Canvas::Open(path_));
  LaneReader reader = Must(canvas.Reader(lane_));
  Die(overwrite_, [&](const storage::PartWords& part) {
    std::vector<std::byte> scratch(512);
    sync::BeginOverwrite(part, 3, scratch.data(), Sum);
    const std::uint64_t sequence = part.sequence->load();
    part.sequence->store(sequence - 1);  // not there yet
    const View before = reader.ViewAt(Frame(0), 1000);
    EXPECT_EQ(before.frames(), 3U * kBlock);
    part.sequence->store(sequence);
    const View after = reader.ViewAt(Frame(0), 1000);
    EXPECT_EQ(after.frames(), 3U * kBlock);
    EXPECT_FALSE(before.StillValid());
    EXPECT_TRUE(after.StillValid());
  });
}

}  // namespace
}  // namespace canvas
