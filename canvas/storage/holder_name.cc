#include "canvas/storage/holder_name.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "canvas/sync/std_sync.h"

namespace canvas::storage {

void WriteName(std::byte* at, std::string_view name) noexcept {
  std::array<char, kHolderNameBytes> bytes{};
  std::size_t length = std::min(name.size(), bytes.size() - 1);
  while (length > 0 && length < name.size() && (name[length] & 0xC0) == 0x80) --length;
  std::copy_n(name.begin(), length, bytes.begin());
  sync::StdSync::CopyIn(at, bytes.data(), bytes.size());
}

std::string ReadName(const std::byte* at) {
  std::array<char, kHolderNameBytes> bytes{};
  sync::StdSync::CopyOut(bytes.data(), at, bytes.size());
  std::string name(bytes.data(), std::ranges::find(bytes, '\0'));
  // It came out of a file: what is no text for a terminal is not shown as one.
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return name;
}

std::string LocalTime(std::int64_t unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

}  // namespace canvas::storage
