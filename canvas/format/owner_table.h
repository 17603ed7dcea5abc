// An entry of the owner table: who owns a lane over some pages, and what it is in the midst of.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>

#include "canvas/format/geometry.h"

namespace canvas::format {

// Owner table entry. Whether its owner lives is told by the kernel's lock on it (lock_format.h).
//
//     0  lane id              u64   0: the entry is free
//     8  first page           u64
//    16  end page             u64   one past the last
//    24  pid                  u64
//    32  process start time   u64   clock ticks since boot, /proc/PID/stat field 22
//    40  since                i64   nanoseconds since 1970-01-01T00:00:00Z
//    64  intent: operation    u64   0 none, 1 overwrite, 2 punch, 3 erase blocks
//    72  intent: page         u64
//    80  intent: block        u64
//    88  intent: slot         u64   kind x 2^32 + first slot
//    96  intent: slot count   u64
//   128  name                 64 B  UTF-8, cut at a character, zero-filled
//   192  zero
namespace owner_entry {
inline constexpr std::uint64_t kLaneId = 0;
inline constexpr std::uint64_t kFirstPage = 8;
inline constexpr std::uint64_t kEndPage = 16;
inline constexpr std::uint64_t kPid = 24;
inline constexpr std::uint64_t kStartTime = 32;
inline constexpr std::uint64_t kSince = 40;
inline constexpr std::uint64_t kIntentOperation = 64;
inline constexpr std::uint64_t kIntentPage = 72;
inline constexpr std::uint64_t kIntentBlock = 80;
inline constexpr std::uint64_t kIntentSlot = 88;
inline constexpr std::uint64_t kIntentSlotCount = 96;
inline constexpr std::uint64_t kName = 128;
inline constexpr std::uint64_t kNameBytes = 64;
static_assert(kName + kNameBytes <= kOwnerEntryBytes);
}  // namespace owner_entry

enum class Operation : std::uint64_t { kNone = 0, kOverwrite = 1, kPunch = 2, kErase = 3 };

}  // namespace canvas::format
