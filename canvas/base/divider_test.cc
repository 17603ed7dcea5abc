#include "canvas/base/divider.h"

#include <gtest/gtest.h>

#include <random>

namespace canvas {
namespace {

TEST(Divider, IsDivision) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> divisors = {1,         2,       3,         5,         4096, 8191,
                                         1'440'000, 703'125, kMost / 2, kMost - 1, kMost};
  for (int i = 0; i < 2000; ++i) divisors.push_back((random() >> random() % 64) | 1);
  for (const std::uint64_t divisor : divisors) {
    const Divider divide(divisor);
    std::vector<std::uint64_t> values = {0, 1, divisor - 1, divisor, kMost - 1, kMost};
    // Around multiples, where an estimate is wrong first.
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t multiple = random() / divisor * divisor;
      values.insert(values.end(),
                    {multiple, multiple - 1, multiple + 1, random() >> random() % 64});
    }
    values.push_back(kMost / divisor * divisor);
    values.push_back(kMost / divisor * divisor - 1);
    for (const std::uint64_t value : values)
      ASSERT_EQ(divide(value), value / divisor) << value << " / " << divisor;
  }
}

}  // namespace
}  // namespace canvas
