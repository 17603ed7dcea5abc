// The guard catches what it says: each kind of violation, planted, is counted, and trapped; and
// what is no violation is not. A guard that does not fire proves nothing.
#include "canvas/testing/realtime_guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

namespace canvas::testing {
namespace {

RealtimeCounts Guarded(const std::function<void()>& body) {
  RealtimeGuard guard;
  guard.Arm();
  body();
  guard.Disarm();
  return guard.counts();
}

struct RealtimeGuardTest : ::testing::Test {
  void SetUp() override {
    std::string why;
    if (!RealtimeGuard::Complete(&why)) GTEST_SKIP() << "SKIPPED: " << why;
  }
};

TEST_F(RealtimeGuardTest, ComputingIsNoViolation) {
  std::vector<float> from(4096, 0.5F);
  std::vector<float> to(4096);
  std::chrono::steady_clock::time_point now;
  RealtimeGuard guard;
  for (int i = 0; i < 1000; ++i) {
    guard.Arm();
    std::copy(from.begin(), from.end(), to.begin());
    now = std::chrono::steady_clock::now();  // the vDSO
    guard.Disarm();
  }
  EXPECT_EQ(guard.counts().total(), 0U) << guard.counts().ToString() << "; " << guard.First();
  EXPECT_GT(now.time_since_epoch().count(), 0);
}

TEST_F(RealtimeGuardTest, SyscallsAreCountedAndStillDone) {
  pid_t pid = 0;
  const auto counts = Guarded([&] {
    pid = static_cast<pid_t>(syscall(SYS_getpid));
    usleep(1);
    sched_yield();
  });
  EXPECT_EQ(counts.syscalls, 3U);
  EXPECT_EQ(pid, getpid());
  EXPECT_EQ(counts.allocations, 0U);
}

TEST_F(RealtimeGuardTest, EveryWayToAllocateIsCounted) {
  void* volatile memory = nullptr;
  const std::vector<std::pair<const char*, std::function<void()>>> ways = {
      {"malloc",
       [&] {
         memory = std::malloc(100);
         std::free(memory);
       }},
      {"calloc",
       [&] {
         memory = std::calloc(10, 10);
         std::free(memory);
       }},
      {"realloc",
       [&] {
         memory = std::realloc(nullptr, 50);
         std::free(memory);
       }},
      {"aligned_alloc",
       [&] {
         memory = std::aligned_alloc(64, 64);
         std::free(memory);
       }},
      {"posix_memalign",
       [&] {
         void* p = nullptr;
         (void)!posix_memalign(&p, 64, 64);
         std::free(p);
       }},
      {"new",
       [&] {
         auto* p = new int[20];
         memory = p;
         delete[] p;
       }},
      {"make_shared",
       [&] {
         const auto p = std::make_shared<int>(3);
         memory = p.get();
       }},
      {"mmap",
       [&] {
         void* p = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         munmap(p, 4096);
       }},
  };
  for (const auto& [name, way] : ways) EXPECT_EQ(Guarded(way).allocations, 2U) << name;
  EXPECT_GE(Guarded([] { (void)!sbrk(0); }).allocations, 1U);
}

TEST_F(RealtimeGuardTest, LocksAreCountedThoughUncontended) {
  std::mutex mutex;
  std::shared_mutex shared;
  pthread_spinlock_t spin{};
  pthread_spin_init(&spin, 0);
  sem_t semaphore{};
  sem_init(&semaphore, 0, 1);
  std::condition_variable condition;
  const auto mutex_counts = Guarded([&] { const std::lock_guard lock(mutex); });
  EXPECT_GE(mutex_counts.locks, 1U);
  EXPECT_EQ(mutex_counts.syscalls, 0U);  // so a trap for syscalls alone would not see it
  EXPECT_GE(Guarded([&] { const std::shared_lock lock(shared); }).locks, 1U);
  EXPECT_GE(Guarded([&] { const std::unique_lock lock(shared); }).locks, 1U);
  EXPECT_GE(Guarded([&] {
              pthread_spin_lock(&spin);
              pthread_spin_unlock(&spin);
            }).locks,
            1U);
  EXPECT_GE(Guarded([&] { sem_wait(&semaphore); }).locks, 1U);
  EXPECT_GE(Guarded([&] { condition.notify_one(); }).locks, 1U);
  EXPECT_GE(Guarded([&] {
              if (mutex.try_lock()) mutex.unlock();
            }).locks,
            1U);
}

TEST_F(RealtimeGuardTest, WaitingForALockIsASyscallToo) {
  std::mutex mutex;
  std::unique_lock held(mutex);
  RealtimeCounts counts;
  std::thread waiter([&] { counts = Guarded([&] { const std::lock_guard lock(mutex); }); });
  usleep(50'000);  // not to synchronise: without it the waiter may find the lock free
  held.unlock();
  waiter.join();
  EXPECT_GE(counts.locks, 1U);
  EXPECT_GE(counts.syscalls, 1U);  // futex
}

TEST_F(RealtimeGuardTest, PageFaultsAreCountedMinorAndMajor) {
  auto* fresh = static_cast<char*>(
      mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const auto minor = Guarded([&] {
    for (int at = 0; at < 1 << 20; at += 4096) fresh[at] = 1;
  });
  EXPECT_GE(minor.minor_faults, 1U);  // at least one: the kernel may map several at a time
  EXPECT_EQ(minor.syscalls + minor.allocations + minor.locks, 0U);
  munmap(fresh, 1 << 20);

  std::string path = ::testing::TempDir() + "/guard-XXXXXX";
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  const std::vector<char> bytes(1 << 20, 'x');
  ASSERT_EQ(write(fd, bytes.data(), bytes.size()), 1 << 20);
  fdatasync(fd);
  auto* mapped = static_cast<char*>(mmap(nullptr, 1 << 20, PROT_READ, MAP_SHARED, fd, 0));
  madvise(mapped, 1 << 20, MADV_RANDOM);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  volatile char sum = 0;
  const auto major = Guarded([&] {
    for (int at = 0; at < 1 << 20; at += 4096) sum = static_cast<char>(sum + mapped[at]);
  });
  EXPECT_GE(major.major_faults + major.minor_faults, 1U);
  if (major.major_faults == 0)
    std::puts("SKIPPED: no major fault to be had: the file system keeps its pages (tmpfs?)");
  munmap(mapped, 1 << 20);
  close(fd);
  unlink(path.c_str());
}

TEST_F(RealtimeGuardTest, TrapsOnDemandAndSaysWhat) {
  const auto trapped = [](const std::function<void()>& body) {
    RealtimeGuard guard(RealtimeGuard::Mode::kTrap);
    guard.Arm();
    body();
    guard.Disarm();
  };
  EXPECT_DEATH(trapped([] { syscall(SYS_getpid); }), "syscall 39 inside a realtime scope");
  void* volatile memory = nullptr;  // or the compiler leaves both out
  EXPECT_DEATH(trapped([&] {
                 memory = std::malloc(10);
                 std::free(memory);
               }),
               "malloc 0 inside a realtime scope");
  EXPECT_DEATH(trapped([] {
                 static std::mutex mutex;
                 const std::lock_guard lock(mutex);
               }),
               "pthread_mutex_lock 0 inside a realtime scope");
  trapped([] {});
}

TEST_F(RealtimeGuardTest, BelongsToItsThreadAndIsAskedByAny) {
  RealtimeGuard* made = nullptr;
  std::thread maker([&] {
    made = new RealtimeGuard;
    made->Arm();
    syscall(SYS_getpid);
    made->Disarm();
  });
  maker.join();
  EXPECT_EQ(made->counts().syscalls, 1U);
  EXPECT_TRUE(made->First().starts_with("syscall 39 from 0x")) << made->First();
  EXPECT_DEATH(made->Arm(), "another thread");
  delete made;
}

TEST_F(RealtimeGuardTest, OtherThreadsAreNotGuarded) {
  RealtimeGuard guard;
  std::thread other([&] { usleep(1000); });
  guard.Arm();
  volatile int sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum = sum + i;
  guard.Disarm();
  other.join();
  EXPECT_EQ(guard.counts().syscalls, 0U);
}

}  // namespace
}  // namespace canvas::testing
