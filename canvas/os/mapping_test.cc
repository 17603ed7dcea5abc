#include "canvas/os/mapping.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "canvas/testing/basics.h"

namespace canvas::os {
namespace {

using testing::CodeOf;
using testing::InChild;
using testing::Must;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPages = 64;  // of a mapping

class MappingTest : public ::testing::Test {
 protected:
  MappingTest() {
    std::fclose(std::fopen(path_.c_str(), "w"));
    fd_ = Must(OpenRegular(path_, Access::kReadWrite));
  }
  Mapping Map(Access access = Access::kReadOnly) const {
    return Must(Mapping::Map(fd_, kPages * kPage, access));
  }
  // The first bytes of `pages` pages are their numbers, from 1 on; the file ends behind them.
  void Fill(std::uint64_t pages) const {
    Must(SetSize(fd_, pages * kPage));
    for (std::uint64_t page = 0; page < pages; ++page) {
      const std::byte number{static_cast<unsigned char>(page + 1)};
      Must(WriteAt(fd_, page * kPage, std::span(&number, 1)));
    }
  }
  static bool Mapped(const std::byte* at) {
    unsigned char resident = 0;
    return mincore(const_cast<std::byte*>(at), kPage, &resident) == 0 || errno != ENOMEM;
  }
  // Whether a page is in this process's page table (/proc/self/pagemap, bit 63).
  static bool Present(const Mapping& mapping, std::uint64_t page) {
    const auto at = (reinterpret_cast<std::uintptr_t>(mapping.base()) / kPage + page) * 8;
    return testing::PeekWord("/proc/self/pagemap", at) >> 63 != 0;
  }
  // A line of the mapping's entry in /proc/self/smaps.
  static std::string Smaps(const Mapping& mapping, const std::string& name) {
    std::array<char, 32> start{};
    std::snprintf(start.data(), start.size(), "%lx-",
                  reinterpret_cast<unsigned long>(mapping.base()));
    std::ifstream smaps("/proc/self/smaps");
    bool here = false;
    for (std::string line; std::getline(smaps, line);) {
      here |= line.starts_with(start.data());
      if (here && line.starts_with(name + ":")) return line;
    }
    return "";
  }

  testing::TempDir dir_;
  std::string path_ = dir_.path("sut");
  UniqueFd fd_;
};

TEST_F(MappingTest, BytesAppearAsTheFileGrows) {
  Fill(1);
  const Mapping sut = Map();
  Fill(kPages);
  EXPECT_EQ(std::to_integer<int>(sut.base()[0]), 1);
  EXPECT_EQ(std::to_integer<int>(sut.base()[(kPages - 1) * kPage]), kPages);
}

TEST_F(MappingTest, WhatIsStoredIsInTheFile) {
  Fill(2);
  const Mapping sut = Map(Access::kReadWrite);
  sut.base()[kPage] = std::byte{42};
  std::byte there{};
  Must(ReadAt(fd_, kPage, std::span(&there, 1)));
  EXPECT_EQ(there, std::byte{42});
}

TEST_F(MappingTest, ThroughOneForReadingNothingIsStored) {
  Fill(1);
  EXPECT_NE(InChild([&] {
              const Mapping sut = Map(Access::kReadOnly);
              sut.base()[0] = std::byte{42};
              return 0;
            }),
            0);
}

TEST_F(MappingTest, OfMoreThanTheAddressSpaceHoldsIsAnError) {
  EXPECT_EQ(CodeOf(Mapping::Map(fd_, std::uint64_t{1} << 60, Access::kReadOnly)),
            ErrorCode::kNoMemory);
}

TEST_F(MappingTest, OfNoFileIsAnError) {
  EXPECT_EQ(CodeOf(Mapping::Map(UniqueFd(), kPage, Access::kReadOnly)), ErrorCode::kIo);
}

TEST_F(MappingTest, ForWritingOfAFileThatIsOpenForReadingIsAnError) {
  const UniqueFd reader = Must(OpenRegular(path_, Access::kReadOnly));
  EXPECT_EQ(CodeOf(Mapping::Map(reader, kPage, Access::kReadWrite)), ErrorCode::kPermission);
}

TEST_F(MappingTest, HasRoomSaysWhatTheAddressSpaceHolds) {
  EXPECT_TRUE(Mapping::HasRoom(kPage).has_value());
  EXPECT_EQ(CodeOf(Mapping::HasRoom(std::uint64_t{1} << 60)), ErrorCode::kNoMemory);
}

TEST_F(MappingTest, HasRoomTakesNone) {
  if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: no limit on address space under a sanitizer";
  EXPECT_EQ(InChild([] {
              const rlimit limits{4UL << 30, 4UL << 30};
              setrlimit(RLIMIT_AS, &limits);
              for (int i = 0; i < 10; ++i) Must(Mapping::HasRoom(1 << 30));
              return 0;
            }),
            0);
}

TEST_F(MappingTest, IsUnmappedAtItsEnd) {
  Fill(1);
  std::optional sut = Map();
  const std::byte* const at = sut->base();
  ASSERT_TRUE(Mapped(at));
  sut.reset();
  EXPECT_FALSE(Mapped(at));
}

TEST_F(MappingTest, OneThatMovesIsUnmappedWithTheLast) {
  Fill(1);
  std::optional first = Map();
  const std::byte* const at = first->base();
  {
    const Mapping second = std::move(*first);
    EXPECT_FALSE(static_cast<bool>(*first));
    EXPECT_EQ(second.base(), at);
    first.reset();
    EXPECT_TRUE(Mapped(at));
  }
  EXPECT_FALSE(Mapped(at));
}

TEST_F(MappingTest, OneThatIsAssignedToLosesNothing) {
  Fill(1);
  Mapping first = Map();
  const std::byte* const old = first.base();
  {
    Mapping second = Map();
    const std::byte* const fresh = second.base();
    first = std::move(second);
    EXPECT_EQ(first.base(), fresh);
  }
  EXPECT_FALSE(Mapped(old)) << "it went with the other";
  EXPECT_EQ(std::to_integer<int>(first.base()[0]), 1);
}

// Of the kernel's names for what a mapping is (proc(5), VmFlags).
TEST_F(MappingTest, IsNotForkedNorDumpedNorReadAroundNorOfHugePages) {
  const Mapping sut = Map();
  const std::string flags = Smaps(sut, "VmFlags") + " ";
  for (const char* flag : {" dc ", " dd ", " rr "})
    EXPECT_NE(flags.find(flag), std::string::npos) << flag << " of " << flags;
  if (std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").good()) {
    EXPECT_NE(flags.find(" nh "), std::string::npos) << flags;
  }
}

TEST_F(MappingTest, AForkedChildDoesNotHaveIt) {
  Fill(1);
  const Mapping sut = Map();
  EXPECT_EQ(InChild([&] { return Mapped(sut.base()) ? 1 : 0; }), 0);
}

TEST_F(MappingTest, InAForkedChildThatPoisonsItItIsZeros) {
  Fill(kPages);
  Mapping sut = Map();
  EXPECT_EQ(InChild([&] {
              sut.Poison();
              for (std::uint64_t at = 0; at < kPages * kPage; ++at)
                if (sut.base()[at] != std::byte{0}) return 1;
              return 0;
            }),
            0);
  EXPECT_EQ(std::to_integer<int>(sut.base()[0]), 1) << "and the parent's is as it was";
}

TEST_F(MappingTest, PoisonTakesThePlaceOfWhatIsThere) {
  Fill(1);
  Mapping sut = Map();
  sut.Poison();
  EXPECT_EQ(sut.base()[0], std::byte{0});
}

TEST_F(MappingTest, PopulateBringsPagesIntoThePageTable) {
  Fill(8);
  const Mapping sut = Map();
  ASSERT_FALSE(Present(sut, 2));
  Must(sut.Populate(2 * kPage, 3 * kPage));
  for (const std::uint64_t page : {2U, 3U, 4U}) EXPECT_TRUE(Present(sut, page)) << page;
}

TEST_F(MappingTest, PopulateBeyondTheEndOfTheFileIsAnError) {
  Fill(2);
  const Mapping sut = Map();
  const auto populated = sut.Populate(kPage, 2 * kPage);
  ASSERT_EQ(CodeOf(populated), ErrorCode::kIo);
  EXPECT_EQ(populated.error().what(), "memory of the file cannot be read in");
}

TEST_F(MappingTest, ForgetTakesThesePagesAndNoOthersOutOfThePageTable) {
  Fill(8);
  const Mapping sut = Map();
  Must(sut.Populate(0, 8 * kPage));
  sut.Forget(2 * kPage, 3 * kPage);
  for (std::uint64_t page = 0; page < 8; ++page)
    EXPECT_EQ(Present(sut, page), page < 2 || page >= 5) << page;
  EXPECT_EQ(std::to_integer<int>(sut.base()[3 * kPage]), 4) << "and they come back";
}

TEST_F(MappingTest, ForgetEndsWithTheMapping) {
  Fill(kPages);
  // The kernel lays one mapping below the other: in the place of the upper one comes memory of
  // ours.
  Mapping upper = Map();
  Mapping sut = Map();
  for (int i = 0; i < 100 && sut.base() + kPages * kPage != upper.base(); ++i) {
    upper = std::move(sut);
    sut = Map();
  }
  std::byte* const behind = upper.base();
  ASSERT_EQ(sut.base() + kPages * kPage, behind);
  ASSERT_EQ(mmap(behind, kPages * kPage, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
            behind);
  behind[0] = behind[kPage] = std::byte{42};
  Must(sut.Populate((kPages - 1) * kPage, kPage));
  sut.Forget((kPages - 1) * kPage, 10 * kPage);
  sut.Forget((kPages + 1) * kPage, kPage);
  EXPECT_FALSE(Present(sut, kPages - 1));
  EXPECT_EQ(behind[0], std::byte{42});
  EXPECT_EQ(behind[kPage], std::byte{42});
}

class MappingLocks : public MappingTest {
 protected:
  // In a child that may lock so many bytes, over a mapping of its own.
  template <typename Body>
  int WithLockLimit(std::uint64_t limit, Body body) {
    Fill(8);
    return InChild([&] {
      const rlimit limits{limit, limit};
      setrlimit(RLIMIT_MEMLOCK, &limits);
      // Root may lock as much as it likes: give that up.
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      const __user_cap_data_struct none[2] = {};
      if (syscall(SYS_capset, &header, none) != 0) return 90;
      const Mapping sut = Map();
      body(sut);
      return 0;
    });
  }
  static std::uint64_t LockedKib() {
    std::ifstream status("/proc/self/status");
    std::uint64_t kib = 0;
    for (std::string word; status >> word;)
      if (word == "VmLck:" && status >> kib) return kib;
    return ~std::uint64_t{0};
  }
};

TEST_F(MappingLocks, KeepPagesAgainstForget) {
  EXPECT_EQ(WithLockLimit(8 * kPage,
                          [](const Mapping& sut) {
                            ASSERT_TRUE(sut.Lock(2 * kPage, 3 * kPage));
                            EXPECT_EQ(LockedKib(), 12U);
                            sut.Forget(2 * kPage, 3 * kPage);
                            for (std::uint64_t page = 0; page < 8; ++page)
                              EXPECT_EQ(Present(sut, page), page >= 2 && page < 5) << page;
                          }),
            0);
}

TEST_F(MappingLocks, BeyondTheLimitFailAndErrnoSaysWhy) {
  EXPECT_EQ(WithLockLimit(2 * kPage,
                          [](const Mapping& sut) {
                            ASSERT_TRUE(sut.Lock(0, 2 * kPage));
                            EXPECT_FALSE(sut.Lock(2 * kPage, kPage));
                            EXPECT_EQ(errno, ENOMEM);
                          }),
            0);
}

TEST_F(MappingLocks, AreLetGoWithTheirPages) {
  EXPECT_EQ(WithLockLimit(8 * kPage,
                          [](const Mapping& sut) {
                            ASSERT_TRUE(sut.Lock(0, 4 * kPage));
                            sut.LetGo(kPage, 2 * kPage);
                            EXPECT_EQ(LockedKib(), 8U);
                            for (std::uint64_t page = 0; page < 4; ++page)
                              EXPECT_EQ(Present(sut, page), page == 0 || page == 3) << page;
                            EXPECT_EQ(std::to_integer<int>(sut.base()[kPage]), 2);
                          }),
            0);
}

// Without waiting, so it is waited for here.
TEST_F(MappingTest, WillNeedHasTheKernelReadThesePages) {
  Fill(kPages);
  const Mapping sut = Map();
  const auto in_memory = [&](std::uint64_t page) {
    unsigned char resident = 0;
    EXPECT_EQ(mincore(sut.base() + page * kPage, kPage, &resident), 0);
    return (resident & 1) != 0;
  };
  ASSERT_EQ(fsync(fd_.get()), 0);
  ASSERT_EQ(posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  if (in_memory(20)) GTEST_SKIP() << "SKIPPED: files stay in memory here";
  sut.WillNeed(20 * kPage + 100, 2 * kPage);
  for (const std::uint64_t page : {20U, 21U, 22U})
    while (!in_memory(page)) std::this_thread::yield();
  EXPECT_FALSE(in_memory(19));
}

}  // namespace
}  // namespace canvas::os
