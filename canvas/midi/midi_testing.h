// What the tests of MIDI share: bytes by hand, and the real songs of Debian's openttd-openmsx.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "canvas/midi/event.h"

namespace canvas::midi::testing {

using Data = std::vector<std::uint8_t>;

inline Data operator+(Data a, const Data& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Data Text(std::string_view text) { return {text.begin(), text.end()}; }

// `type`, the length of the content or another one, the content.
inline Data Chunk(std::string_view type, const Data& content, std::int64_t says = -1) {
  const auto size = static_cast<std::uint32_t>(says < 0 ? std::int64_t(content.size()) : says);
  Data length;
  for (int i = 3; i >= 0; --i) length.push_back(static_cast<std::uint8_t>(size >> 8 * i));
  return Text(type) + length + content;
}

inline Data Header(int format, int tracks, int division) {
  Data content;
  for (const int field : {format, tracks, division}) {
    content.push_back(static_cast<std::uint8_t>(field >> 8));
    content.push_back(static_cast<std::uint8_t>(field));
  }
  return Chunk("MThd", content);
}

// A file of format 0 with one track, of 96 ticks a quarter.
inline Data OneTrack(const Data& events) { return Header(0, 1, 96) + Chunk("MTrk", events); }

inline const Data kEnd = {0x00, 0xFF, 0x2F, 0x00};

inline Data Slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The songs, sorted by name; none where the package is not installed.
inline std::vector<std::filesystem::path> Songs() {
  std::vector<std::filesystem::path> songs;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/usr/share/games/openttd/baseset/openmsx", error))
    if (entry.path().extension() == ".mid") songs.push_back(entry.path());
  std::ranges::sort(songs);
  return songs;
}

// "903c40".
inline std::string Hex(Bytes bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace canvas::midi::testing
