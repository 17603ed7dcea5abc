// Division by a number that is known beforehand: two multiplications and a comparison, about a
// fifth of a 64-bit division. (Granlund and Montgomery, "Division by Invariant Integers using
// Multiplication", PLDI 1994; here with a reciprocal that is rounded down and a correction.)
//
// Thread safety: immutable values. Realtime: yes.
#pragma once

#include <cstdint>

namespace canvas {

class Divider {
 public:
  constexpr Divider() = default;
  // `divisor` > 0.
  constexpr explicit Divider(std::uint64_t divisor)
      : divisor_(divisor), reciprocal_(~std::uint64_t{0} / divisor) {}

  constexpr std::uint64_t divisor() const { return divisor_; }

  // floor(value / divisor), for every value: the estimate is at most one too small.
  constexpr std::uint64_t operator()(std::uint64_t value) const {
    __extension__ using Uint128 = unsigned __int128;
    const auto estimate = static_cast<std::uint64_t>((Uint128{value} * reciprocal_) >> 64);
    return estimate + (value - estimate * divisor_ >= divisor_ ? 1 : 0);
  }

 private:
  std::uint64_t divisor_ = 1;
  std::uint64_t reciprocal_ = ~std::uint64_t{0};
};

}  // namespace canvas
