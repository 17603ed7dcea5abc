#include "canvas/storage/ownership.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canvas/format/control_words.h"
#include "canvas/format/owner_table.h"
#include "canvas/testing/small_file.h"

namespace canvas::storage {
namespace {

namespace field = format::owner_entry;
using testing::CodeOf;
using testing::InChild;
using testing::Must;
using testing::PeekWord;
using testing::PokeWord;
using testing::Process;

constexpr LaneId kLane(3);

PageRange Pages(std::uint32_t first, std::uint32_t end) {
  return {PageIndex(first), PageIndex(end)};
}

Result<bool> Repaired(const Intent&) { return true; }
Result<bool> NotRepaired(const Intent&) { return false; }

class OwnershipTest : public testing::SmallFileTest {
 protected:
  // A handle, as a process of its own has it.
  struct Handle {
    Handle(std::shared_ptr<CanvasFile> opened, const std::string& name)
        : file(std::move(opened)), owners(*file, name) {}
    Ownership Own(LaneId lane, PageRange pages, const RepairFunction& repair = Repaired) {
      return Must(owners.Own(lane, pages, repair));
    }
    ErrorCode Refused(LaneId lane, PageRange pages, const RepairFunction& repair = Repaired) {
      return CodeOf(owners.Own(lane, pages, repair));
    }
    std::vector<OwnerInfo> Living() const { return Must(owners.Living()); }

    std::shared_ptr<CanvasFile> file;
    OwnerTable owners;
  };

  std::uint64_t EntryWord(std::uint64_t entry, std::uint64_t at) const {
    return PeekWord(path_, format::kOwnerTableOffset + entry * format::kOwnerEntryBytes + at);
  }
  std::uint64_t Entries() const {
    return PeekWord(path_, format::kControlOffset + format::control::kOwnerEntries);
  }
  // An owner of kLane that is killed; while it holds an intent, if there is one.
  void Die(PageRange pages, std::optional<Intent> intent = std::nullopt,
           const std::string& name = "the dead", const RepairFunction& repair = Repaired) const {
    Process owner([&](const Process::Line& line) {
      Handle mine(Open(), name);
      const Ownership own = mine.Own(kLane, pages, repair);
      if (intent) own.Declare(*intent);
      line.Say('o');
      line.Hear();  // nothing, until it is killed
      return 1;
    });
    ASSERT_EQ(owner.Hear(), 'o');
    owner.Kill();
    ASSERT_EQ(owner.Wait(), 128 + SIGKILL);
  }

  Handle sut_{Open(), "sut"};
  Handle other_{Open(), "other"};
  const Intent intent_{
      format::Operation::kOverwrite, PageIndex(1), 5, {format::SlotKind::kSmall, 2, 1}};
};

// ---- who may own what

TEST_F(OwnershipTest, AnOwnerKeepsOthersOffItsPages) {
  const Ownership own = sut_.Own(kLane, Pages(1, 3));
  EXPECT_EQ(other_.Refused(kLane, Pages(2, 4)), ErrorCode::kOwned) << "its last page";
  EXPECT_EQ(other_.Refused(kLane, Pages(0, 2)), ErrorCode::kOwned) << "its first page";
}

TEST_F(OwnershipTest, AnOwnerOfTheSameHandleIsKeptOffToo) {
  const Ownership own = sut_.Own(kLane, Pages(1, 3));
  EXPECT_EQ(sut_.Refused(kLane, Pages(2, 4)), ErrorCode::kOwned);
}

TEST_F(OwnershipTest, NeighbouringPagesHaveOwnersOfTheirOwn) {
  const Ownership own = sut_.Own(kLane, Pages(1, 3));
  const Ownership before = other_.Own(kLane, Pages(0, 1));
  const Ownership behind = sut_.Own(kLane, Pages(3, 4));
  EXPECT_EQ(sut_.Living().size(), 3U);
}

TEST_F(OwnershipTest, LanesHaveOwnersOfTheirOwn) {
  const Ownership own = sut_.Own(kLane, Pages(0, 4));
  const Ownership next = other_.Own(LaneId(4), Pages(0, 4));
  EXPECT_EQ(next.lane(), LaneId(4));
  EXPECT_EQ(next.pages(), Pages(0, 4));
}

TEST_F(OwnershipTest, EndsWithTheObject) {
  { const Ownership own = sut_.Own(kLane, Pages(0, 4)); }
  const Ownership next = other_.Own(kLane, Pages(0, 4));
  EXPECT_EQ(sut_.Refused(kLane, Pages(0, 4)), ErrorCode::kOwned);
}

TEST_F(OwnershipTest, OneThatMovesEndsWithTheLastObject) {
  std::optional<Ownership> first = sut_.Own(kLane, Pages(0, 4));
  {
    const Ownership second = std::move(*first);
    first.reset();
    EXPECT_EQ(other_.Refused(kLane, Pages(0, 4)), ErrorCode::kOwned);
  }
  const Ownership next = other_.Own(kLane, Pages(0, 4));
}

TEST_F(OwnershipTest, WhatEndsLeavesTheNeighboursTheirs) {
  const Ownership before = sut_.Own(kLane, Pages(0, 1));
  { const Ownership own = sut_.Own(kLane, Pages(1, 2)); }
  EXPECT_EQ(other_.Refused(kLane, Pages(0, 1)), ErrorCode::kOwned);
  EXPECT_EQ(sut_.Refused(kLane, Pages(0, 1)), ErrorCode::kOwned) << "its own handle knows too";
  ASSERT_EQ(sut_.Living().size(), 1U);
  EXPECT_EQ(sut_.Living()[0].pages, Pages(0, 1));
}

TEST_F(OwnershipTest, OfNoPagesIsRefused) {
  EXPECT_EQ(sut_.Refused(kLane, Pages(2, 2)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(sut_.Refused(kLane, Pages(3, 2)), ErrorCode::kInvalidArgument);
}

TEST_F(OwnershipTest, AHandleForReadingOwnsNothing) {
  Handle reader(Open({}), "reader");
  EXPECT_EQ(reader.Refused(kLane, Pages(0, 1)), ErrorCode::kReadOnly);
}

TEST_F(OwnershipTest, WhoIsRefusedIsToldByWhomAndHoldsNothing) {
  const Ownership own = sut_.Own(kLane, Pages(1, 3));
  const auto refused = other_.owners.Own(kLane, Pages(0, 4), Repaired);
  ASSERT_EQ(CodeOf(refused), ErrorCode::kOwned);
  EXPECT_TRUE(refused.error().what().starts_with("owned by sut (pid " + std::to_string(getpid())))
      << refused.error().what();
  EXPECT_EQ(testing::KernelLocks(path_), 2U) << "the owner's lane and its entry";
}

TEST_F(OwnershipTest, AHolderThatDoesNotSayItsNameIsSaidToBeThat) {
  const os::LockFile stranger(Must(os::OpenRegular(path_, os::Access::kReadWrite)));
  ASSERT_TRUE(Must(stranger.TryExclusive(format::OwnershipLock(kLane, Pages(0, 1)))));
  const auto refused = sut_.owners.Own(kLane, Pages(0, 1), Repaired);
  ASSERT_EQ(CodeOf(refused), ErrorCode::kOwned);
  EXPECT_NE(refused.error().what().find("does not say its name"), std::string::npos)
      << refused.error().what();
}

TEST_F(OwnershipTest, AForkedChildsCopyOwnsNothingAndEndsNothing) {
  std::optional<Ownership> own = sut_.Own(kLane, Pages(0, 1));
  EXPECT_EQ(InChild([&] {
              EXPECT_EQ(sut_.Refused(kLane, Pages(2, 3)), ErrorCode::kClosed);
              EXPECT_EQ(CodeOf(sut_.owners.Living()), ErrorCode::kClosed);
              EXPECT_EQ(CodeOf(sut_.owners.Unrepaired()), ErrorCode::kClosed);
              own.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(other_.Refused(kLane, Pages(0, 1)), ErrorCode::kOwned);
  EXPECT_EQ(other_.Living().size(), 1U);
}

// ---- what the table says

TEST_F(OwnershipTest, TheTableSaysWhoOwnsWhatSinceWhen) {
  const std::int64_t before = os::NowUnixNs();
  const Ownership own = sut_.Own(kLane, Pages(1, 3));
  const std::int64_t after = os::NowUnixNs();
  const auto living = sut_.Living();
  ASSERT_EQ(living.size(), 1U);
  EXPECT_EQ(living[0].lane, kLane);
  EXPECT_EQ(living[0].pages, Pages(1, 3));
  EXPECT_EQ(living[0].name, "sut");
  EXPECT_EQ(living[0].pid, static_cast<std::uint64_t>(getpid()));
  EXPECT_GE(living[0].since_unix_ns, before);
  EXPECT_LE(living[0].since_unix_ns, after);
}

TEST_F(OwnershipTest, TheTableIsReadWithoutWriteAccess) {
  const Ownership own = sut_.Own(kLane, Pages(1, 3));
  const Handle reader(Open({}), "reader");
  ASSERT_EQ(reader.Living().size(), 1U);
  EXPECT_EQ(reader.Living()[0].name, "sut");
}

TEST_F(OwnershipTest, TheLivingAreToldInTheOrderOfTheTable) {
  const Ownership first = sut_.Own(LaneId(9), Pages(0, 1));
  const Ownership second = other_.Own(LaneId(5), Pages(0, 1));
  const Ownership third = sut_.Own(LaneId(7), Pages(0, 1));
  std::vector<LaneId> lanes;
  for (const OwnerInfo& info : other_.Living()) lanes.push_back(info.lane);
  EXPECT_EQ(lanes, (std::vector{LaneId(9), LaneId(5), LaneId(7)}));
}

TEST_F(OwnershipTest, WhoEndedIsNotAmongTheLiving) {
  { const Ownership own = sut_.Own(kLane, Pages(0, 1)); }
  EXPECT_TRUE(sut_.Living().empty());
  EXPECT_TRUE(other_.Living().empty());
}

TEST_F(OwnershipTest, TheKilledAreNotAmongTheLiving) {
  Die(Pages(0, 1));
  ASSERT_EQ(EntryWord(0, field::kLaneId), kLane.value()) << "the table still says so";
  EXPECT_TRUE(sut_.Living().empty());
}

TEST_F(OwnershipTest, ANameIsCutAtACharacter) {
  const std::string sixty_two(62, 'x');
  Handle cut(Open(), sixty_two + "\xC3\xA4");  // whose second byte would be the 64th
  Handle fits(Open(), sixty_two.substr(1) + "\xC3\xA4");
  const Ownership first = cut.Own(kLane, Pages(0, 1));
  const Ownership second = fits.Own(kLane, Pages(1, 2));
  const auto living = sut_.Living();
  ASSERT_EQ(living.size(), 2U);
  EXPECT_EQ(living[0].name, sixty_two);
  EXPECT_EQ(living[1].name, sixty_two.substr(1) + "\xC3\xA4");
}

TEST_F(OwnershipTest, AShorterNameLeavesNothingOfALongerOne) {
  {
    Handle longer(Open(), "a longer name than the other");
    const Ownership own = longer.Own(kLane, Pages(0, 1));
  }
  const Ownership own = sut_.Own(kLane, Pages(0, 1));
  EXPECT_EQ(other_.Living()[0].name, "sut");
}

TEST_F(OwnershipTest, WhatIsNoTextForATerminalIsNotShown) {
  Handle odd(Open(), "a\x1B[2Jb\n\x7F");
  const Ownership own = odd.Own(kLane, Pages(0, 1));
  EXPECT_EQ(sut_.Living()[0].name, "a?[2Jb??");
}

// ---- entries of the table

TEST_F(OwnershipTest, TheTableGrowsByABlockOfEntries) {
  constexpr std::uint64_t kPerBlock = format::kFileBlock / format::kOwnerEntryBytes;
  EXPECT_EQ(Entries(), 0U);
  std::vector<Ownership> owners;
  for (std::uint32_t lane = 1; lane <= kPerBlock; ++lane)
    owners.push_back(sut_.Own(LaneId(lane), Pages(0, 1)));
  EXPECT_EQ(Entries(), kPerBlock);
  owners.push_back(other_.Own(LaneId(99), Pages(0, 1)));
  EXPECT_EQ(Entries(), 2 * kPerBlock);
  EXPECT_EQ(sut_.Living().size(), kPerBlock + 1);
}

TEST_F(OwnershipTest, TheEntryOfOneThatEndedIsUsedAgain) {
  { const Ownership own = sut_.Own(LaneId(9), Pages(0, 1)); }
  EXPECT_EQ(EntryWord(0, field::kLaneId), 0U) << "it is nobody's meanwhile";
  const Ownership own = other_.Own(kLane, Pages(0, 1));
  EXPECT_EQ(EntryWord(0, field::kLaneId), kLane.value());
}

TEST_F(OwnershipTest, TheEntryOfADeadOneIsUsedAgain) {
  Die(Pages(0, 1));
  const Ownership own = sut_.Own(LaneId(9), Pages(0, 1));
  EXPECT_EQ(EntryWord(0, field::kLaneId), 9U);
}

TEST_F(OwnershipTest, AnEntryWithAnIntentIsNotUsedAgainUntilThatIsRepaired) {
  Die(Pages(0, 2), intent_);
  {
    const Ownership another = sut_.Own(LaneId(9), Pages(0, 1));
    EXPECT_EQ(EntryWord(0, field::kLaneId), kLane.value());
    EXPECT_EQ(EntryWord(1, field::kLaneId), 9U);
  }
  const Ownership own = sut_.Own(kLane, Pages(0, 2));
  EXPECT_EQ(EntryWord(0, field::kPid), static_cast<std::uint64_t>(getpid()));
}

TEST_F(OwnershipTest, AFullTableRefusesAnotherOwnerWhoHoldsNothingThen) {
  // All of it is somebody's.
  PokeWord(path_, format::kControlOffset + format::control::kOwnerEntries, format::kOwnerEntries);
  format::LockRange all = format::OwnerEntryLock(0);
  all.length = format::kOwnerEntries;
  {
    const os::LockFile owners(Must(os::OpenRegular(path_, os::Access::kReadWrite)));
    ASSERT_TRUE(Must(owners.TryExclusive(all)));
    const auto refused = sut_.owners.Own(kLane, Pages(0, 1), Repaired);
    ASSERT_EQ(CodeOf(refused), ErrorCode::kLimit);
    EXPECT_EQ(refused.error().what(), "all 4096 places for owners are taken");
    EXPECT_EQ(testing::KernelLocks(path_), 1U) << "all of theirs";
  }
  const Ownership own = sut_.Own(kLane, Pages(0, 1));
}

// ---- what the dead intended

TEST_F(OwnershipTest, AnIntentIsUnrepairedAfterADeath) {
  Die(Pages(0, 2), intent_);
  const auto unrepaired = Must(sut_.owners.Unrepaired());
  ASSERT_EQ(unrepaired.size(), 1U);
  const auto& [info, intent] = unrepaired[0];
  EXPECT_EQ(info.name, "the dead");
  EXPECT_EQ(info.lane, kLane);
  EXPECT_EQ(info.pages, Pages(0, 2));
  EXPECT_EQ(intent.operation, intent_.operation);
  EXPECT_EQ(intent.page, intent_.page);
  EXPECT_EQ(intent.block, intent_.block);
  EXPECT_EQ(intent.run, intent_.run);
}

TEST_F(OwnershipTest, ADeathWithNoIntentLeavesNothingToRepair) {
  Die(Pages(0, 2));
  EXPECT_TRUE(Must(sut_.owners.Unrepaired()).empty());
  bool asked = false;
  const Ownership own = sut_.Own(kLane, Pages(0, 2), [&](const Intent&) -> Result<bool> {
    asked = true;
    return true;
  });
  EXPECT_FALSE(asked);
}

TEST_F(OwnershipTest, AnIntentOfTheLivingIsNotUnrepaired) {
  const Ownership own = sut_.Own(kLane, Pages(0, 2));
  own.Declare(intent_);
  EXPECT_TRUE(Must(sut_.owners.Unrepaired()).empty());
  EXPECT_TRUE(Must(other_.owners.Unrepaired()).empty());
}

TEST_F(OwnershipTest, AnIntentThatWasClearedIsNone) {
  {
    const Ownership own = sut_.Own(kLane, Pages(0, 2));
    own.Declare(intent_);
    own.Clear();
  }
  EXPECT_TRUE(Must(other_.owners.Unrepaired()).empty());
}

TEST_F(OwnershipTest, AnIntentThatStandsOutlivesItsOwner) {
  {
    const Ownership own = sut_.Own(kLane, Pages(0, 2));
    own.Declare(intent_);
  }
  EXPECT_TRUE(sut_.Living().empty());
  const auto unrepaired = Must(sut_.owners.Unrepaired());
  ASSERT_EQ(unrepaired.size(), 1U);
  EXPECT_EQ(unrepaired[0].first.lane, kLane);
}

TEST_F(OwnershipTest, OnlyAnIntentToPunchThatPageIsClearedAsOne) {
  const Ownership own = sut_.Own(kLane, Pages(0, 4));
  const auto stands = [&] { return EntryWord(0, field::kIntentOperation) != 0; };
  own.Declare(intent_);
  own.ClearPunchOf(intent_.page);
  EXPECT_TRUE(stands()) << "an overwrite";
  own.Declare({format::Operation::kPunch, PageIndex(2), 0, {}});
  own.ClearPunchOf(PageIndex(1));
  EXPECT_TRUE(stands()) << "another page's";
  own.ClearPunchOf(PageIndex(2));
  EXPECT_FALSE(stands());
}

TEST_F(OwnershipTest, TheNextOwnerRepairsWithTheLaneInItsHands) {
  Die(Pages(0, 2), intent_);
  std::vector<Intent> repaired;
  const Ownership own = sut_.Own(kLane, Pages(1, 4), [&](const Intent& intent) -> Result<bool> {
    repaired.push_back(intent);
    EXPECT_EQ(other_.Refused(kLane, Pages(1, 2)), ErrorCode::kOwned);
    return true;
  });
  ASSERT_EQ(repaired.size(), 1U);
  EXPECT_EQ(repaired[0].operation, intent_.operation);
  EXPECT_EQ(repaired[0].page, intent_.page);
  EXPECT_EQ(repaired[0].block, intent_.block);
  EXPECT_EQ(repaired[0].run, intent_.run);
  EXPECT_TRUE(Must(sut_.owners.Unrepaired()).empty());
}

TEST_F(OwnershipTest, IntentsOfOtherLanesAndPagesAreLeftToOthers) {
  Die(Pages(0, 2), intent_);
  const auto never = [](const Intent&) -> Result<bool> {
    ADD_FAILURE() << "not this owner's to repair";
    return true;
  };
  const Ownership lane = sut_.Own(LaneId(9), Pages(0, 4), never);
  const Ownership before = sut_.Own(kLane, Pages(0, 1), never);
  const Ownership behind = sut_.Own(kLane, Pages(2, 4), never);
  EXPECT_EQ(Must(sut_.owners.Unrepaired()).size(), 1U);
}

TEST_F(OwnershipTest, EveryDeadOwnersIntentIsRepaired) {
  for (int i = 0; i < 3; ++i) Die(Pages(0, 2), intent_, "the dead", NotRepaired);
  ASSERT_EQ(Must(sut_.owners.Unrepaired()).size(), 3U);
  int repaired = 0;
  const Ownership own = sut_.Own(kLane, Pages(0, 2), [&](const Intent&) -> Result<bool> {
    ++repaired;
    return true;
  });
  EXPECT_EQ(repaired, 3);
}

TEST_F(OwnershipTest, AnIntentThatCouldNotBeRepairedStaysForAnother) {
  Die(Pages(0, 2), intent_);
  { const Ownership own = sut_.Own(kLane, Pages(0, 2), NotRepaired); }
  EXPECT_EQ(Must(sut_.owners.Unrepaired()).size(), 1U);
}

TEST_F(OwnershipTest, ARepairThatFailsIsTheAnswerAndNothingIsHeld) {
  Die(Pages(0, 2), intent_);
  const auto fails = [](const Intent&) -> Result<bool> {
    return Fail(ErrorCode::kNoSpace, "full");
  };
  EXPECT_EQ(sut_.Refused(kLane, Pages(0, 2), fails), ErrorCode::kNoSpace);
  EXPECT_EQ(testing::KernelLocks(path_), 0U);
  EXPECT_EQ(Must(sut_.owners.Unrepaired()).size(), 1U);
}

TEST_F(OwnershipTest, AnIntentThatAStrangerKeepsFromBeingLookedAtIsSaidToBeBusy) {
  Die(Pages(0, 2), intent_);
  const os::LockFile stranger(Must(os::OpenRegular(path_, os::Access::kReadWrite)));
  ASSERT_TRUE(Must(stranger.TryExclusive(format::OwnerEntryLock(0))));
  EXPECT_EQ(sut_.Refused(kLane, Pages(0, 2)), ErrorCode::kBusy);
}

}  // namespace
}  // namespace canvas::storage
