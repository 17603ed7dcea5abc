#include "canvas/storage/holder_name.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

std::uint64_t StartTimeOf(std::uint64_t pid) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%llu/stat", static_cast<unsigned long long>(pid));
  const int fd = open(path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 1024> line{};
  const ssize_t count = read(fd, line.data(), line.size() - 1);
  close(fd);
  if (count <= 0) return 0;
  const char* at = std::strrchr(line.data(), ')');  // the program's name may hold anything
  for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
  return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}

std::string LocalTime(std::int64_t unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

}  // namespace canvas::storage
