#include "canvas/os/residency.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "canvas/os/os_file.h"
#include "canvas/testing/basics.h"

namespace canvas::os {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPages = 256;

class ResidencyTest : public ::testing::Test {
 protected:
  ResidencyTest() : fd_(memfd_create("residency", MFD_CLOEXEC)) {
    EXPECT_TRUE(SetSize(fd_, kPages * kPage).has_value());
    EXPECT_TRUE(Reserve(fd_, 0, kPages * kPage, true).has_value());
    mapping_ = std::move(*Mapping::Map(fd_, kPages * kPage, Access::kReadOnly));
  }
  // Whether the page is in this process's page table (/proc/self/pagemap, bit 63).
  bool Present(std::uint64_t page) const {
    const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    std::uint64_t entry = 0;
    const auto at = (reinterpret_cast<std::uintptr_t>(mapping_.base()) / kPage + page) * 8;
    EXPECT_EQ(pread(pagemap, &entry, 8, static_cast<off_t>(at)), 8);
    close(pagemap);
    return entry >> 63 != 0;
  }
  static ByteRange Pages(std::uint64_t first, std::uint64_t end) {
    return {first * kPage, (end - first) * kPage};
  }
  UniqueFd fd_;
  Mapping mapping_;
  Residency sut_{[](std::uint64_t, std::uint64_t) {}};
};

// Ranges that lie side by side are one piece inside; some of them are let go at once.
TEST_F(ResidencyTest, WhatIsLetGoTakesNoNeighbourWithIt) {
  const std::vector<ByteRange> all{Pages(0, 2), Pages(2, 4), Pages(4, 6), Pages(6, 8)};
  ASSERT_TRUE(sut_.Want(mapping_, all).has_value());
  EXPECT_TRUE(sut_.Unwant(mapping_, std::span(all).first(2)));
  EXPECT_EQ(sut_.Get().resident_bytes, 4 * kPage);
  for (std::uint64_t page = 0; page < 8; ++page) EXPECT_EQ(Present(page), page >= 4) << page;
}

TEST_F(ResidencyTest, WhatIsWantedIsReadAheadInWholePages) {
  std::vector<ByteRange> asked;
  Residency sut([&](std::uint64_t offset, std::uint64_t bytes) {
    asked.push_back({offset, bytes});
  });
  ASSERT_TRUE(sut.Want(mapping_, std::vector<ByteRange>{{kPage + 100, kPage}}).has_value());
  EXPECT_EQ(asked, std::vector{Pages(1, 3)});
}

TEST_F(ResidencyTest, WhatIsWantedAlreadyIsNotReadAheadAgain) {
  std::vector<ByteRange> asked;
  Residency sut([&](std::uint64_t offset, std::uint64_t bytes) {
    asked.push_back({offset, bytes});
  });
  ASSERT_TRUE(sut.Want(mapping_, std::vector{Pages(1, 3)}).has_value());
  asked.clear();
  ASSERT_TRUE(sut.Want(mapping_, std::vector{Pages(0, 4)}).has_value());
  EXPECT_EQ(asked, (std::vector{Pages(0, 1), Pages(3, 4)}));
}

TEST_F(ResidencyTest, RangesOfNoBytesAreNothing) {
  const std::vector<ByteRange> none{{kPage, 0}, {kPage + 100, 0}};
  ASSERT_TRUE(sut_.Want(mapping_, none).has_value());
  EXPECT_EQ(sut_.Get().resident_bytes, 0U);
  ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(1, 2)}).has_value());
  ASSERT_TRUE(sut_.Want(mapping_, none).has_value());
  EXPECT_TRUE(sut_.Unwant(mapping_, std::vector{Pages(1, 2)}));
  EXPECT_EQ(sut_.Get().resident_bytes, 0U) << "nobody else wanted it";
}

TEST_F(ResidencyTest, AWantThatFailsLeavesWhatWasWantedBeforeAndNoMore) {
  ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(0, 2)}).has_value());
  ASSERT_TRUE(SetSize(fd_, 8 * kPage).has_value());
  const auto wanted = sut_.Want(mapping_, std::vector{Pages(1, 4), Pages(7, 9)});
  EXPECT_EQ(testing::CodeOf(wanted), ErrorCode::kIo);
  EXPECT_EQ(sut_.Get().resident_bytes, 2 * kPage);
  for (std::uint64_t page = 0; page < 8; ++page) EXPECT_EQ(Present(page), page < 2) << page;
}

class ResidencyUnderALimit : public ResidencyTest {
 protected:
  // In a child that may lock so many pages, and raise that.
  template <typename Body>
  int WithLockLimit(std::uint64_t pages, Body body) {
    return testing::InChild([&] {
      SetLimit(pages);
      // Root may lock as much as it likes: give that up.
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      const __user_cap_data_struct none[2] = {};
      if (syscall(SYS_capset, &header, none) != 0) return 90;
      mapping_.Poison();  // its place is free, and must not become another's
      mapping_ = std::move(*Mapping::Map(fd_, kPages * kPage, Access::kReadOnly));
      body();
      return 0;
    });
  }
  static void SetLimit(std::uint64_t pages) {
    const rlimit limits{pages * kPage, kPages * kPage};
    setrlimit(RLIMIT_MEMLOCK, &limits);
  }
};

TEST_F(ResidencyUnderALimit, WhatCannotBeLockedIsInMemoryAndErrnoSaysWhyItIsNot) {
  EXPECT_EQ(WithLockLimit(4,
                          [&] {
                            ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(0, 4)}).has_value());
                            EXPECT_EQ(sut_.Get().lock_errno, 0);
                            ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(8, 10)}).has_value());
                            EXPECT_EQ(sut_.Get().locked_bytes, 4 * kPage);
                            EXPECT_EQ(sut_.Get().resident_bytes, 6 * kPage);
                            EXPECT_EQ(sut_.Get().lock_errno, ENOMEM);
                            EXPECT_TRUE(Present(8));
                          }),
            0);
}

TEST_F(ResidencyUnderALimit, TheRestIsLockedWhenSomethingWasLetGo) {
  EXPECT_EQ(WithLockLimit(4,
                          [&] {
                            ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(0, 4)}).has_value());
                            ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(8, 10)}).has_value());
                            ASSERT_TRUE(sut_.Unwant(mapping_, std::vector{Pages(0, 2)}));
                            sut_.LockTheRest(mapping_);
                            EXPECT_EQ(sut_.Get().locked_bytes, 4 * kPage);
                            EXPECT_EQ(sut_.Get().lock_errno, 0);
                          }),
            0);
}

// A try for every window that moves would be a system call for nothing.
TEST_F(ResidencyUnderALimit, TheRestIsNotTriedWhereNothingWasLetGo) {
  EXPECT_EQ(WithLockLimit(4,
                          [&] {
                            ASSERT_TRUE(sut_.Want(mapping_, std::vector{Pages(0, 8)}).has_value());
                            SetLimit(8);
                            sut_.LockTheRest(mapping_);
                            EXPECT_EQ(sut_.Get().locked_bytes, 0U);
                          }),
            0);
}

// Against a plain count for each page.
TEST_F(ResidencyTest, EachPageStaysForAsLongAsSomebodyWantsIt) {
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::vector<std::vector<ByteRange>> wanted;
  std::vector<int> counts(kPages, 0);
  const auto count = [&](const std::vector<ByteRange>& ranges, int by) {
    for (const ByteRange& range : ranges)
      for (std::uint64_t page = range.offset / kPage; page * kPage < range.offset + range.bytes;
           ++page)
        counts[page] += by;
  };
  for (int round = 0; round < 2000; ++round) {
    if (wanted.empty() || (random() % 2 == 0 && wanted.size() < 20)) {
      // Blocks in a row, of a length that is no multiple of a page, as a window wants them.
      std::vector<ByteRange> ranges;
      const std::uint64_t bytes = 512 * (1 + random() % 40);
      std::uint64_t at = random() % (kPages * kPage / 2);
      for (std::uint64_t n = random() % 6 + 1; n > 0; --n, at += bytes)
        ranges.push_back({at, bytes});
      ASSERT_TRUE(sut_.Want(mapping_, ranges).has_value());
      count(ranges, 1);
      wanted.push_back(std::move(ranges));
    } else {
      std::swap(wanted[random() % wanted.size()], wanted.back());
      ASSERT_TRUE(sut_.Unwant(mapping_, wanted.back()));
      count(wanted.back(), -1);
      wanted.pop_back();
    }
    std::uint64_t resident = 0;
    for (std::uint64_t page = 0; page < kPages; ++page) resident += counts[page] > 0 ? kPage : 0;
    ASSERT_EQ(sut_.Get().resident_bytes, resident) << "round " << round;
    if (round % 50 != 0) continue;
    for (std::uint64_t page = 0; page < kPages; ++page)
      ASSERT_EQ(Present(page), counts[page] > 0) << "round " << round << ", page " << page;
  }
}

}  // namespace
}  // namespace canvas::os
