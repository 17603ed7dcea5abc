// The record of an editor, of which the header has one and each page.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>

namespace canvas::format {

// The process that holds a metadata lock, for people who are told that it is held. It decides
// nothing.
//
//     0  pid       u64   0: nobody
//     8  since     i64   nanoseconds since 1970-01-01T00:00:00Z
//    16  start     u64   of the process: clock ticks since boot, /proc/PID/stat field 22
//    64  name      64 B  UTF-8, cut at a character, zero-filled
namespace editor {
inline constexpr std::uint64_t kPid = 0;
inline constexpr std::uint64_t kSince = 8;
inline constexpr std::uint64_t kStartTime = 16;
inline constexpr std::uint64_t kName = 64;
inline constexpr std::uint64_t kNameBytes = 64;
inline constexpr std::uint64_t kBytes = 128;
}  // namespace editor

}  // namespace canvas::format
