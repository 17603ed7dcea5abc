// The word that says which snapshot of the metadata counts.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>

#include "canvas/format/geometry.h"

namespace canvas::format {

// A root names a snapshot: generation x 256 + place. 0: there is none yet.
struct Root {
  static constexpr std::uint64_t kMaxGeneration = (std::uint64_t{1} << 56) - 1;
  std::uint64_t generation = 0;
  std::uint32_t place = 0;

  static constexpr Root FromWord(std::uint64_t word) {
    return {word >> 8, static_cast<std::uint32_t>(word & 0xFF)};
  }
  constexpr std::uint64_t ToWord() const { return generation << 8 | place; }
  friend constexpr bool operator==(const Root&, const Root&) = default;
};
static_assert(kMaxPlaces <= 256);

}  // namespace canvas::format
