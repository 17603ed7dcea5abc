#include "canvas/sync/shared_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "canvas/sync/std_sync.h"

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

// Longer ones, around where a copy out becomes another one.
TEST(SharedCopy, MovesLongCopiesExactly) {
  constexpr std::size_t kLong = 40000;
  const auto pattern = Pattern(kLong);
  std::vector<std::byte> local(kLong + 256);
  for (const std::size_t bytes : {2040U, 2044U, 2048U, 2052U, 2116U, 4096U, 8188U, 32768U, 32772U})
    for (const std::size_t from : {0U, 4U, 28U, 60U, 64U})
      for (const std::size_t to : {0U, 4U, 12U, 60U}) {
        std::fill(local.begin(), local.end(), kGuard);
        CopyOut(local.data() + 64 + to, pattern.data() + from, bytes);
        ASSERT_EQ(std::memcmp(local.data() + 64 + to, pattern.data() + from, bytes), 0) << bytes;
        ASSERT_EQ(local[63 + to], kGuard);
        ASSERT_EQ(local[64 + to + bytes], kGuard);
        std::fill(local.begin(), local.end(), kGuard);
        CopyIn(local.data() + 64 + to, pattern.data() + from, bytes);
        ASSERT_EQ(std::memcmp(local.data() + 64 + to, pattern.data() + from, bytes), 0) << bytes;
        ASSERT_EQ(local[63 + to], kGuard);
        ASSERT_EQ(local[64 + to + bytes], kGuard);
      }
}

// What the protocols ask of both copies: who reads a version, copies, and reads the same version
// again has that version's bytes and no other's. A writer turns the version odd, stores, and turns
// it even, as fast as it can.
TEST(SharedCopy, ACopyBetweenTwoEqualVersionsIsOfThatVersion) {
  constexpr std::size_t kBytes = 32768;
  alignas(64) static std::byte shared[kBytes];
  static std::atomic<std::uint64_t> version{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    std::vector<std::uint32_t> bytes(kBytes / 4);
    for (std::uint64_t turn = 2; !stop; turn += 2) {
      std::fill(bytes.begin(), bytes.end(), static_cast<std::uint32_t>(turn));
      version.store(turn - 1, std::memory_order_release);
      CopyIn(shared, bytes.data(), kBytes);
      version.store(turn, std::memory_order_release);
      // Long enough for some copies to fit in between, of the short ones.
      for (int i = 0; i < 2000 && turn % 8 == 0; ++i) StdSync::Pause();
    }
  });
  std::vector<std::uint32_t> out(kBytes / 4);
  std::size_t same = 0;
  std::size_t changed = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < end || same < 1000)
    for (const std::size_t bytes : {512U, 2048U, 4096U, 8192U, 32768U}) {
      const std::size_t from = (same * 68 + changed * 4) % (kBytes - bytes + 4) / 4 * 4;
      const std::uint64_t before = version.load(std::memory_order_acquire);
      CopyOut(out.data(), shared + from, bytes);
      if (before % 2 != 0 || version.load(std::memory_order_relaxed) != before) {
        ++changed;
        continue;
      }
      ++same;
      for (std::size_t i = 0; i < bytes / 4; ++i)
        if (out[i] != static_cast<std::uint32_t>(before)) {
          stop = true;
          writer.join();
          FAIL() << "version " << before << ", byte " << i * 4 << " of " << bytes << ": " << out[i];
        }
    }
  stop = true;
  writer.join();
  std::printf("%zu copies of one version, %zu thrown away\n", same, changed);
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
