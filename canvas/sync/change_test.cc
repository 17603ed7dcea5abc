#include "canvas/sync/change.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canvas/sync/std_sync.h"

namespace canvas::sync {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

TEST(WakePolicy, WakesForTheFirstAndThenEveryTenMilliseconds) {
  WakePolicy<StdSync> sut;
  EXPECT_TRUE(sut.Due(1000 * kMs));
  EXPECT_FALSE(sut.Due(1001 * kMs));
  EXPECT_FALSE(sut.Due(1009 * kMs));
  EXPECT_TRUE(sut.Due(1010 * kMs));
}

TEST(WakePolicy, AFlushWakesForWhatIsPendingAndOnlyForThat) {
  WakePolicy<StdSync> sut;
  EXPECT_FALSE(sut.TakePending());
  EXPECT_TRUE(sut.Due(1000 * kMs));
  EXPECT_FALSE(sut.TakePending()) << "woken for";
  EXPECT_FALSE(sut.Due(1001 * kMs));
  EXPECT_TRUE(sut.TakePending());
  EXPECT_FALSE(sut.TakePending());
}

TEST(WakePolicy, AClockThatGoesBackLosesNothing) {
  WakePolicy<StdSync> sut;
  EXPECT_TRUE(sut.Due(1000 * kMs));
  EXPECT_FALSE(sut.Due(10 * kMs));
  EXPECT_TRUE(sut.TakePending()) << "to be woken for by a flush";
}

TEST(Change, AWaiterInAnotherProcessIsWokenThroughAReadOnlyMapping) {
  const int fd = memfd_create("change", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 4096), 0);
  auto& word =
      *static_cast<HalfWord*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  const pid_t waiter = fork();
  if (waiter == 0) {
    auto& mine = *static_cast<HalfWord*>(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
    // Sleeps for a minute, were it not woken, or had it not been told before.
    _exit(WaitChange<StdSync>(mine, 0, 60'000 * kMs) == 1 ? 0 : 1);
  }
  BumpChange<StdSync>(word);
  WakeAll<StdSync>(word);
  int status = 0;
  waitpid(waiter, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(WaitChange<StdSync>(word, 1, kMs), 1U) << "times out";
}

}  // namespace
}  // namespace canvas::sync
