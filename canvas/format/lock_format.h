// The kernel locks processes keep out of each other's way with: byte ranges of the file itself, far
// above its data, locked as open file descriptions (fcntl(2), F_OFD_SETLK). Nothing is ever stored
// at these offsets.
//
//   2^62 + lane x 2^32 + page          ownership of a lane over pages    exclusive
//   2^61 + lane x 2^32 + page          windows over a lane's pages       shared; exclusive to punch
//   2^60 + 0                           not used
//   2^60 + 1                           the header's metadata             exclusive
//   2^60 + 2^32 + page                 a page's metadata                 exclusive
//   2^60 + 2^33 + entry                an owner table entry              exclusive while its owner
//                                                                        lives
//   2^60 + 2^34 + place                a header snapshot place           shared: pinned; exclusive:
//                                                                        reuse
//   2^60 + 2^40 + page x 2^8 + place   a page's snapshot place           likewise
//   2^59 + page x 2^16 + entry         a latent span's claim             exclusive
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "canvas/base/units.h"

namespace canvas::format {

// A run of lock bytes.
struct LockRange {
  std::uint64_t start = 0;
  std::uint64_t length = 1;
  friend bool operator==(const LockRange&, const LockRange&) = default;
};

inline constexpr std::uint32_t kMaxLaneId = (std::uint32_t{1} << 28) - 1;
inline constexpr std::uint64_t kOwnershipLocks = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kHoldLocks = std::uint64_t{1} << 61;
inline constexpr std::uint64_t kSmallLocks = std::uint64_t{1} << 60;
inline constexpr std::uint64_t kClaimLocks = std::uint64_t{1} << 59;

constexpr LockRange OwnershipLock(LaneId lane, PageRange pages) {
  return {kOwnershipLocks + (std::uint64_t{lane.value()} << 32) + pages.first.value(),
          std::uint64_t{pages.end.value()} - pages.first.value()};
}
constexpr LockRange HoldLock(LaneId lane, PageRange pages) {
  return {kHoldLocks + (std::uint64_t{lane.value()} << 32) + pages.first.value(),
          std::uint64_t{pages.end.value()} - pages.first.value()};
}
constexpr LockRange HeaderLock() { return {kSmallLocks + 1, 1}; }
constexpr LockRange PageMetadataLock(PageIndex page) {
  return {kSmallLocks + (std::uint64_t{1} << 32) + page.value(), 1};
}
constexpr LockRange OwnerEntryLock(std::uint64_t entry) {
  return {kSmallLocks + (std::uint64_t{1} << 33) + entry, 1};
}
constexpr LockRange HeaderPlaceLock(std::uint32_t place) {
  return {kSmallLocks + (std::uint64_t{1} << 34) + place, 1};
}
constexpr LockRange PagePlaceLock(PageIndex page, std::uint32_t place) {
  return {kSmallLocks + (std::uint64_t{1} << 40) + (std::uint64_t{page.value()} << 8) + place, 1};
}

static_assert((std::uint64_t{kMaxLaneId} << 32) + (std::uint64_t{1} << 32) <= kSmallLocks,
              "lane spaces stay apart");

}  // namespace canvas::format
