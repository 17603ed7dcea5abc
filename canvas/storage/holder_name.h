// The names that holders of locks leave in the file for people: 64 bytes of UTF-8, cut at a
// character, zero-filled (canvas/format/owner_table.h, editor_record.h). They decide
// nothing.
//
// Thread safety: pure functions over shared bytes, which may change meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace canvas::storage {

inline constexpr std::size_t kHolderNameBytes = 64;

void WriteName(std::byte* at, std::string_view name) noexcept;
// What stands there, fit for a terminal.
std::string ReadName(const std::byte* at);

// When a process of this machine began, in clock ticks since boot (/proc/PID/stat, field 22): with
// the pid it names one process of this boot. 0 where there is no such process, or none to be seen.
std::uint64_t StartTimeOf(std::uint64_t pid) noexcept;

// "2026-11-24 06:00:00", in the local time zone.
std::string LocalTime(std::int64_t unix_ns);

}  // namespace canvas::storage
