#include "canvas/os/locked_array.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "canvas/testing/basics.h"

namespace canvas::os {
namespace {

using testing::CodeOf;
using testing::InChild;
using testing::Must;

constexpr std::size_t kPage = 4096;

// A number of KiB from /proc/self/status.
std::uint64_t StatusKib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kib = 0;
  while (status >> word)
    if (word == name + ":" && status >> kib) return kib;
  ADD_FAILURE() << "no " << name;
  return 0;
}

// In a child that may lock `soft` bytes, and raise that to `hard`.
template <typename Body>
int WithLockLimit(rlim_t soft, rlim_t hard, Body body) {
  return InChild([&] {
    const rlimit limits{soft, hard};
    setrlimit(RLIMIT_MEMLOCK, &limits);
    // Root may lock as much as it likes: give that up.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2] = {};
    if (syscall(SYS_capset, &header, none) != 0) return 90;
    return body();
  });
}

bool Mapped(void* page) {
  unsigned char resident = 0;
  return mincore(page, kPage, &resident) == 0 || errno != ENOMEM;
}

struct Word {
  std::uint64_t value = 7;
};

TEST(LockedArrayTest, ItsElementsAreMadeAsTheirTypeSays) {
  const auto sut = Must(LockedArray<Word>::Make(1000));
  EXPECT_EQ(sut.end() - sut.begin(), 1000);
  EXPECT_TRUE(std::ranges::all_of(sut, [](const Word& word) { return word.value == 7; }));
}

TEST(LockedArrayTest, NumbersBeginAsZeros) {
  const auto sut = Must(LockedArray<std::uint64_t>::Make(1000));
  EXPECT_TRUE(std::ranges::all_of(sut, [](std::uint64_t word) { return word == 0; }));
}

TEST(LockedArrayTest, ItBeginsAPageThatItSharesWithNothing) {
  const auto sut = Must(LockedArray<char>::Make(1));
  const auto other = Must(LockedArray<char>::Make(1));
  const auto at = reinterpret_cast<std::uintptr_t>(sut.data());
  EXPECT_EQ(at % kPage, 0U);
  EXPECT_NE(at / kPage, reinterpret_cast<std::uintptr_t>(other.data()) / kPage);
}

TEST(LockedArrayTest, NoElementsAreNone) {
  const auto sut = Must(LockedArray<char>::Make(0));
  EXPECT_EQ(sut.begin(), sut.end());
}

TEST(LockedArrayTest, IsLockedInWholePagesForAsLongAsItLives) {
  EXPECT_EQ(WithLockLimit(1 << 20, 1 << 20,
                          [] {
                            const std::uint64_t before = StatusKib("VmLck");
                            {
                              const auto sut = Must(LockedArray<char>::Make(kPage + 1));
                              EXPECT_TRUE(sut.locked());
                              EXPECT_EQ(StatusKib("VmLck"), before + 8);
                            }
                            EXPECT_EQ(StatusKib("VmLck"), before);
                            return 0;
                          }),
            0);
}

TEST(LockedArrayTest, BeyondTheLimitItIsThereAndNotLocked) {
  EXPECT_EQ(WithLockLimit(0, 0,
                          [] {
                            auto sut = Must(LockedArray<Word>::Make(1000));
                            EXPECT_FALSE(sut.locked());
                            EXPECT_FALSE(sut.Lock());
                            EXPECT_EQ(sut[999].value, 7U);
                            return 0;
                          }),
            0);
}

TEST(LockedArrayTest, IsLockedLaterWhereTheLimitIsRaised) {
  EXPECT_EQ(WithLockLimit(0, 1 << 20,
                          [] {
                            auto sut = Must(LockedArray<char>::Make(1));
                            EXPECT_FALSE(sut.locked());
                            const rlimit limits{1 << 20, 1 << 20};
                            setrlimit(RLIMIT_MEMLOCK, &limits);
                            EXPECT_TRUE(sut.Lock());
                            EXPECT_TRUE(sut.locked());
                            EXPECT_EQ(StatusKib("VmLck"), 4U);
                            return 0;
                          }),
            0);
}

// Unlocked memory too: the first touch of it is a realtime thread's.
TEST(LockedArrayTest, IsInMemoryFromTheBeginning) {
  EXPECT_EQ(WithLockLimit(0, 0,
                          [] {
                            const auto sut = Must(LockedMemory::Make(4 * kPage));
                            unsigned char resident[4] = {};
                            if (mincore(sut.base(), sizeof resident * kPage, resident) != 0)
                              return 1;
                            for (const unsigned char page : resident) EXPECT_EQ(page & 1, 1);
                            return 0;
                          }),
            0);
}

TEST(LockedArrayTest, ThatMovesStaysWhereItIs) {
  std::optional first = Must(LockedArray<Word>::Make(10));
  Word* const at = first->data();
  at[9].value = 11;
  const LockedArray<Word> second = std::move(*first);
  first.reset();
  EXPECT_EQ(second.data(), at);
  EXPECT_EQ(second[9].value, 11U);
}

TEST(LockedArrayTest, IsUnmappedAtItsEnd) {
  std::optional sut = Must(LockedArray<char>::Make(1));
  char* const at = sut->data();
  ASSERT_TRUE(Mapped(at));
  sut.reset();
  EXPECT_FALSE(Mapped(at));
}

TEST(LockedArrayTest, OfMoreThanThereIsIsAnError) {
  if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: no limit on address space under a sanitizer";
  EXPECT_EQ(InChild([] {
              const rlimit limits{1 << 30, 1 << 30};
              setrlimit(RLIMIT_AS, &limits);
              EXPECT_EQ(CodeOf(LockedArray<char>::Make(std::size_t{2} << 30)),
                        ErrorCode::kNoMemory);
              return 0;
            }),
            0);
}

TEST(LockedArrayTest, ACountThatNoSizeHoldsIsAnError) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(CodeOf(LockedArray<Word>::Make(kMost)), ErrorCode::kNoMemory);
  EXPECT_EQ(CodeOf(LockedArray<Word>::Make(kMost / sizeof(Word) + 2)), ErrorCode::kNoMemory);
}

}  // namespace
}  // namespace canvas::os
