#include "canvas/os/range_lock.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "canvas/testing/basics.h"

namespace canvas::os {
namespace {

using format::LockRange;
using sync::LockTry;
using testing::Must;
using testing::Process;

constexpr std::uint64_t kBase = format::kOwnershipLocks;
constexpr LockRange Bytes(std::uint64_t first, std::uint64_t end) {
  return {kBase + first, end - first};
}
constexpr LockRange kRange = Bytes(0, 10);

// Of a failure; a test failure where it succeeded.
template <typename T>
int ErrnoOf(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? 0 : result.error().errno_value();
}

class RangeLock : public ::testing::Test {
 protected:
  RangeLock() {
    testing::PokeWord(path_, 0, 1);
    sut_ = Describe();
    other_ = Describe();
  }
  // A description of the file with locks of its own.
  std::unique_ptr<LockFile> Describe(Access access = Access::kReadWrite) const {
    return std::make_unique<LockFile>(Must(OpenRegular(path_, access)));
  }
  bool OtherGets(LockRange range) const {
    const bool taken = Must(other_->TryExclusive(range));
    if (taken) other_->Unlock(range);
    return taken;
  }

  testing::TempDir dir_;
  std::string path_ = [this] {
    const std::string path = dir_.path("sut");
    std::fclose(std::fopen(path.c_str(), "w"));
    return path;
  }();
  std::unique_ptr<LockFile> sut_;
  std::unique_ptr<LockFile> other_;
};

TEST_F(RangeLock, AnExclusiveLockKeepsOtherDescriptionsOffUntilItIsLetGo) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  EXPECT_FALSE(Must(other_->TryExclusive(Bytes(9, 12)))) << "its last byte";
  EXPECT_EQ(other_->kernel().TryShared(kRange), LockTry::kHeld);
  sut_->Unlock(kRange);
  EXPECT_TRUE(Must(other_->TryExclusive(kRange)));
}

TEST_F(RangeLock, NeighboursDoNotMeet) {
  ASSERT_TRUE(Must(sut_->TryExclusive(Bytes(10, 20))));
  EXPECT_TRUE(Must(other_->TryExclusive(Bytes(0, 10))));
  EXPECT_TRUE(Must(other_->TryExclusive(Bytes(20, 30))));
}

TEST_F(RangeLock, LocksOfOneDescriptionDoNotConflict) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  EXPECT_TRUE(Must(sut_->TryExclusive(kRange)));
  sut_->Unlock(kRange);
  EXPECT_TRUE(OtherGets(kRange)) << "and are not counted";
}

TEST_F(RangeLock, APartOfARangeIsLetGoAlone) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  sut_->Unlock(Bytes(4, 6));
  EXPECT_FALSE(OtherGets(Bytes(3, 4)));
  EXPECT_TRUE(OtherGets(Bytes(4, 6)));
  EXPECT_FALSE(OtherGets(Bytes(6, 7)));
}

TEST_F(RangeLock, SharedLocksAdmitEachOtherAndNoExclusiveOne) {
  ASSERT_EQ(sut_->kernel().TryShared(kRange), LockTry::kTaken);
  EXPECT_EQ(other_->kernel().TryShared(kRange), LockTry::kTaken);
  const auto third = Describe();
  EXPECT_FALSE(Must(third->TryExclusive(kRange)));
  sut_->Unlock(kRange);
  EXPECT_FALSE(Must(third->TryExclusive(kRange))) << "one is left";
  other_->Unlock(kRange);
  EXPECT_TRUE(Must(third->TryExclusive(kRange)));
}

TEST_F(RangeLock, ADescriptionForReadingSharesAndIsRefusedMore) {
  const auto reader = Describe(Access::kReadOnly);
  EXPECT_EQ(reader->kernel().TryShared(kRange), LockTry::kTaken);
  EXPECT_EQ(ErrnoOf(reader->TryExclusive(kRange)), EBADF);
}

TEST_F(RangeLock, WhatOthersHoldIsSeenFromADescriptionForReading) {
  const auto reader = Describe(Access::kReadOnly);
  EXPECT_FALSE(Must(reader->HeldElsewhere(kRange)));
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  EXPECT_TRUE(Must(reader->HeldElsewhere(Bytes(9, 30))));
  EXPECT_FALSE(Must(reader->HeldElsewhere(Bytes(10, 30))));
}

TEST_F(RangeLock, ASharedLockIsSeenElsewhere) {
  ASSERT_EQ(sut_->kernel().TryShared(kRange), LockTry::kTaken);
  EXPECT_TRUE(Must(other_->HeldElsewhere(kRange)));
}

TEST_F(RangeLock, ItsOwnIsNotHeldElsewhere) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  EXPECT_FALSE(Must(sut_->HeldElsewhere(kRange)));
}

TEST_F(RangeLock, IsGoneWithItsDescription) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  sut_.reset();
  EXPECT_TRUE(OtherGets(kRange));
}

TEST_F(RangeLock, OfAnotherProcessIsInTheWayUntilThatIsKilled) {
  Process holder([&](const Process::Line& line) {
    const auto mine = Describe();
    if (!Must(mine->TryExclusive(kRange))) return 1;
    line.Say('l');
    line.Hear();  // nothing, until it is killed
    return 2;
  });
  ASSERT_EQ(holder.Hear(), 'l');
  EXPECT_FALSE(OtherGets(kRange));
  EXPECT_TRUE(Must(other_->HeldElsewhere(kRange)));
  holder.Kill();
  ASSERT_EQ(holder.Wait(), 128 + SIGKILL);
  EXPECT_FALSE(Must(other_->HeldElsewhere(kRange)));
  EXPECT_TRUE(OtherGets(kRange));
}

// A child has a share in the description, and the lock lasts for as long as anybody has.
TEST_F(RangeLock, AChildThatAbandonsItsShareNeitherEndsTheLockNorKeepsIt) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  Process child([&](const Process::Line& line) {
    sut_->Abandon();
    line.Say('a');
    line.Hear();
    return 0;
  });
  ASSERT_EQ(child.Hear(), 'a');
  EXPECT_FALSE(OtherGets(kRange)) << "the parent still has it";
  sut_.reset();
  EXPECT_TRUE(OtherGets(kRange)) << "the child still lives";
  child.Tell('g');
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(RangeLock, OfNoDescriptionIsAnError) {
  const LockFile none;
  EXPECT_EQ(ErrnoOf(none.TryExclusive(kRange)), EBADF);
  EXPECT_EQ(ErrnoOf(none.HeldElsewhere(kRange)), EBADF);
  EXPECT_EQ(ErrnoOf(ScopedLock::Try(none, kRange)), EBADF);
}

TEST_F(RangeLock, AScopedOneEndsWithItsScope) {
  {
    const auto lock = Must(ScopedLock::Try(*sut_, kRange));
    ASSERT_TRUE(lock.has_value());
    EXPECT_FALSE(OtherGets(kRange));
  }
  EXPECT_TRUE(OtherGets(kRange));
}

TEST_F(RangeLock, AScopedOneIsNothingWhereAnotherIsInTheWay) {
  ASSERT_TRUE(Must(other_->TryExclusive(kRange)));
  EXPECT_FALSE(Must(ScopedLock::Try(*sut_, kRange)).has_value());
  EXPECT_TRUE(Must(sut_->HeldElsewhere(kRange))) << "and does not end the other's";
}

TEST_F(RangeLock, AScopedOneThatMovesEndsWithTheLastScope) {
  auto first = Must(ScopedLock::Try(*sut_, kRange));
  {
    const ScopedLock second = std::move(*first);
    first.reset();
    EXPECT_FALSE(OtherGets(kRange));
  }
  EXPECT_TRUE(OtherGets(kRange));
}

TEST_F(RangeLock, AScopedOneThatIsKeptOutlivesItsScope) {
  Must(ScopedLock::Try(*sut_, kRange))->Keep();
  EXPECT_FALSE(OtherGets(kRange));
}

TEST_F(RangeLock, OneThatWasTakenAlreadyIsAdopted) {
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  { const ScopedLock adopted = ScopedLock::Adopt(*sut_, kRange); }
  EXPECT_TRUE(OtherGets(kRange));
}

TEST_F(RangeLock, AScopedOneThatIsLetGoEarlyDoesNotEndTheNext) {
  auto lock = Must(ScopedLock::Try(*sut_, kRange));
  lock->Unlock();
  EXPECT_TRUE(OtherGets(kRange));
  ASSERT_TRUE(Must(sut_->TryExclusive(kRange)));
  lock.reset();
  EXPECT_FALSE(OtherGets(kRange));
}

class SharedLocksTest : public RangeLock {
 protected:
  SharedLocks shared_{*sut_};
};

TEST_F(SharedLocksTest, GoWithTheLastHolder) {
  ASSERT_EQ(shared_.TryShared(kRange), LockTry::kTaken);
  ASSERT_EQ(shared_.TryShared(kRange), LockTry::kTaken);
  shared_.Unlock(kRange);
  EXPECT_FALSE(OtherGets(kRange));
  shared_.Unlock(kRange);
  EXPECT_TRUE(OtherGets(kRange));
}

TEST_F(SharedLocksTest, OfOtherHoldersKeepTheBytesTheyHave) {
  ASSERT_EQ(shared_.TryShared(Bytes(0, 30)), LockTry::kTaken);
  ASSERT_EQ(shared_.TryShared(Bytes(10, 20)), LockTry::kTaken);
  shared_.Unlock(Bytes(0, 30));
  EXPECT_TRUE(OtherGets(Bytes(0, 10)));
  EXPECT_FALSE(OtherGets(Bytes(10, 11)));
  EXPECT_FALSE(OtherGets(Bytes(19, 20)));
  EXPECT_TRUE(OtherGets(Bytes(20, 30)));
}

TEST_F(SharedLocksTest, ThatWereNotTakenAreNotLetGo) {
  ASSERT_EQ(shared_.TryShared(kRange), LockTry::kTaken);
  shared_.Unlock(Bytes(0, 5));
  EXPECT_FALSE(OtherGets(Bytes(0, 5)));
}

TEST_F(SharedLocksTest, ThatAreRefusedAreNotCounted) {
  ASSERT_TRUE(Must(other_->TryExclusive(kRange)));
  EXPECT_EQ(shared_.TryShared(kRange), LockTry::kHeld);
  other_->Unlock(kRange);
  ASSERT_EQ(shared_.TryShared(kRange), LockTry::kTaken);
  shared_.Unlock(kRange);
  EXPECT_TRUE(OtherGets(kRange));
}

TEST_F(SharedLocksTest, OfNoDescriptionFailAndErrnoSaysWhy) {
  const LockFile none;
  SharedLocks sut(none);
  errno = 0;
  EXPECT_EQ(sut.TryShared(kRange), LockTry::kFailed);
  EXPECT_EQ(errno, EBADF);
}

// Against a plain count for each byte.
TEST_F(SharedLocksTest, HoldEachByteForAsLongAsAHolderHasIt) {
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  constexpr std::uint64_t kBytes = 24;
  std::array<int, kBytes> counts{};
  std::vector<LockRange> held;
  const auto count = [&](LockRange range, int by) {
    for (std::uint64_t i = 0; i < range.length; ++i) counts[range.start - kBase + i] += by;
  };
  for (int round = 0; round < 1000; ++round) {
    if (held.empty() || (held.size() < 8 && random() % 2 == 0)) {
      const std::uint64_t first = random() % kBytes;
      held.push_back(Bytes(first, first + 1 + random() % (kBytes - first)));
      ASSERT_EQ(shared_.TryShared(held.back()), LockTry::kTaken);
      count(held.back(), 1);
    } else {
      std::swap(held[random() % held.size()], held.back());
      shared_.Unlock(held.back());
      count(held.back(), -1);
      held.pop_back();
    }
    for (std::uint64_t i = 0; i < kBytes; ++i)
      ASSERT_EQ(Must(other_->HeldElsewhere(Bytes(i, i + 1))), counts[i] > 0)
          << "seed " << seed << ", round " << round << ", byte " << i;
  }
}

}  // namespace
}  // namespace canvas::os
