// Positions, counts and names of things as types of their own, so that a frame is never passed
// where a byte offset is meant. Constructors are explicit; arithmetic exists only where it means
// something.
//
// Thread safety: plain values.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace canvas {

// A quantity of unit `Tag`: ordered, steppable by plain counts, never mixed with others. A signed
// one takes unsigned counts too, such as a size(), whatever their width: what does not fit is the
// last, or first, that does.
template <typename Tag, typename Rep = std::int64_t>
class Quantity {
 public:
  using rep = Rep;
  constexpr Quantity() = default;
  constexpr explicit Quantity(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(Quantity, Quantity) = default;

  // A position moved by a count, and the count between two positions.
  friend constexpr Quantity operator+(Quantity a, Rep count) {
    return Quantity(static_cast<Rep>(a.value_ + count));
  }
  friend constexpr Quantity operator-(Quantity a, Rep count) {
    return Quantity(static_cast<Rep>(a.value_ - count));
  }
  template <std::unsigned_integral Count>
  requires std::signed_integral<Rep>
  friend constexpr Quantity operator+(Quantity a, Count count) {
    const std::make_unsigned_t<Rep> room = Distance(a.value_, std::numeric_limits<Rep>::max());
    return count > room ? Quantity(std::numeric_limits<Rep>::max()) : Stepped(a.value_, count);
  }
  template <std::unsigned_integral Count>
  requires std::signed_integral<Rep>
  friend constexpr Quantity operator-(Quantity a, Count count) {
    const std::make_unsigned_t<Rep> room = Distance(std::numeric_limits<Rep>::min(), a.value_);
    return count > room ? Quantity(std::numeric_limits<Rep>::min())
                        : Stepped(a.value_, std::make_unsigned_t<Rep>{0} - count);
  }
  friend constexpr Rep operator-(Quantity a, Quantity b) {
    return static_cast<Rep>(a.value_ - b.value_);
  }
  constexpr Quantity& operator++() {
    ++value_;
    return *this;
  }

 private:
  // Modulo 2^bits, which is exact where the outcome fits.
  using Unsigned = std::make_unsigned_t<Rep>;
  static constexpr Unsigned Distance(Rep from, Rep to) {
    return static_cast<Unsigned>(static_cast<Unsigned>(to) - static_cast<Unsigned>(from));
  }
  static constexpr Quantity Stepped(Rep value, Unsigned count) {
    return Quantity(static_cast<Rep>(static_cast<Unsigned>(value) + count));
  }

  Rep value_ = 0;
};

using Frame = Quantity<struct FrameTag>;                    // of one lane, at its own rate
using Tick = Quantity<struct TickTag>;                      // 960 to the quarter note
using PageIndex = Quantity<struct PageTag, std::uint32_t>;  // page p covers [p, p+1) page times
using LaneId = Quantity<struct LaneTag, std::uint32_t>;     // never reused; 0 is no lane
using ByteOffset = Quantity<struct ByteOffsetTag, std::uint64_t>;  // from the start of the file

// Half-open: [first, end).
template <typename T>
struct Range {
  T first{};
  T end{};

  constexpr bool empty() const { return !(first < end); }
  // How many there are.
  constexpr std::uint64_t size() const {
    return empty() ? 0
                   : static_cast<std::uint64_t>(end.value()) -
                         static_cast<std::uint64_t>(first.value());
  }
  constexpr bool Contains(T value) const { return first <= value && value < end; }
  constexpr bool Overlaps(const Range& other) const {
    return first < other.end && other.first < end;
  }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

using FrameRange = Range<Frame>;
using PageRange = Range<PageIndex>;

}  // namespace canvas
