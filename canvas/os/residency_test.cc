#include "canvas/os/residency.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <vector>

#include "canvas/os/os_file.h"

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
