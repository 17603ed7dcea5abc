// The canvas that realtime_stress reads, and its lanes as a realtime thread has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"

namespace canvas::stress {

// Stereo at 48 kHz, pages of 30 s, blocks of 32 KiB: what people use.
inline constexpr std::uint32_t kLanes = 16;
inline constexpr std::int64_t kRate = 48000;
inline constexpr std::int64_t kPage = 30 * kRate;
inline constexpr std::int64_t kBlock = 4096;
inline constexpr std::uint64_t kFrames = 256;  // a read
// What is written: around the edge between two pages, which the playhead goes to and fro across.
inline constexpr std::int64_t kFirst = kPage - 3 * kRate;
inline constexpr std::int64_t kEnd = kPage + 3 * kRate;
// Below 8 MiB for sixteen lanes: what an ordinary user may lock.
inline constexpr double kAhead = 0.3;
inline constexpr double kBehind = 0.2;
inline constexpr auto kAheadFrames = static_cast<std::int64_t>(kAhead * kRate);
inline constexpr auto kBehindFrames = static_cast<std::int64_t>(kBehind * kRate);

std::string LaneName(std::uint32_t lane);
Canvas Writable(const std::string& path);
void Prepare(const std::string& path);

// The lanes as a realtime thread has them.
struct Material {
  Material(const std::string& path, std::uint32_t lanes);
  Canvas canvas;
  std::optional<Window> window;
  std::vector<WindowReader> readers;
};

// Whether a frame's stamp is the frame's own. Inside the guard: allocates nothing.
bool Right(const float* samples, std::uint32_t lane, std::int64_t frame);

}  // namespace canvas::stress
