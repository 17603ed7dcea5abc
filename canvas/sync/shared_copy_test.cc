#include "canvas/sync/shared_copy.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

namespace canvas::sync {
namespace {

constexpr std::size_t kRoom = 1024;
constexpr std::byte kGuard{0xEE};

std::vector<std::byte> Pattern(std::size_t bytes) {
  std::vector<std::byte> pattern(bytes);
  for (std::size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<std::byte>(i * 37 % 251);
  return pattern;
}

// Every length and both alignments that samples can have; the bytes around stay as they were.
TEST(SharedCopy, MovesExactlyTheBytesAskedFor) {
  std::printf("copy loop: %s\n", CopyKind());
  const auto pattern = Pattern(kRoom);
  alignas(64) std::byte shared[kRoom];
  alignas(64) std::byte local[kRoom];
  for (std::size_t bytes = 0; bytes <= 600; bytes += 4)
    for (std::size_t from = 0; from < 40; from += 4)
      for (std::size_t to = 0; to < 12; to += 4) {
        std::memcpy(shared, pattern.data(), kRoom);
        std::memset(local, static_cast<int>(kGuard), kRoom);
        CopyOut(local + 64 + to, shared + from, bytes);
        ASSERT_EQ(std::memcmp(local + 64 + to, pattern.data() + from, bytes), 0) << bytes;
        ASSERT_EQ(local[63 + to], kGuard);
        ASSERT_EQ(local[64 + to + bytes], kGuard);

        std::memset(shared, static_cast<int>(kGuard), kRoom);
        CopyIn(shared + 64 + to, pattern.data() + from, bytes);
        ASSERT_EQ(std::memcmp(shared + 64 + to, pattern.data() + from, bytes), 0) << bytes;
        ASSERT_EQ(shared[63 + to], kGuard);
        ASSERT_EQ(shared[64 + to + bytes], kGuard);
      }
}

TEST(SharedCopy, ZeroInStoresZerosAndNothingElse) {
  std::vector<std::byte> shared(20000, kGuard);
  for (const std::size_t bytes : {0U, 4U, 8U, 100U, 4096U, 4100U, 12288U, 15000U}) {
    std::fill(shared.begin(), shared.end(), kGuard);
    ZeroIn(shared.data() + 8, bytes);
    for (std::size_t i = 0; i < shared.size(); ++i)
      ASSERT_EQ(shared[i], i >= 8 && i < 8 + bytes ? std::byte{0} : kGuard) << i;
  }
}

}  // namespace
}  // namespace canvas::sync
