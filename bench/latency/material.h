// The frames that the latency bench reads, and where they lie.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"

namespace bench {

inline constexpr std::int64_t kRate = 48000;
inline constexpr std::int64_t kPage = 30 * kRate;
inline constexpr std::int64_t kMinute = 44 * 65536;   // frames: a little over 60 s
inline constexpr std::int64_t kAll = 4 * kMinute;     // of a walk from RAM, over all its lanes
inline constexpr std::int64_t kHot = 256 * 1024 / 8;  // of a walk in L2, likewise
inline constexpr int kMaxLanes = 64;
inline constexpr std::int64_t kMaxFrames = 32768;  // of a read or a view

// How long lane `lane` of the material is: one lane of all, four of a quarter, sixteen of a
// sixteenth.
std::int64_t LengthOf(int lane);

// A canvas, its lanes in a window, and where each page's samples lie: the floor reads the very same
// bytes from addresses it knows beforehand.
class Material {
 public:
  // Of `lanes` lanes from frame `origin` on, in a canvas of so many seconds.
  Material(const std::string& path, std::uint64_t seconds, std::int64_t origin, int lanes);

  canvas::Canvas Writable() const;
  // The samples of a lane from frame `at` of the material on.
  static void Fill(int lane, std::int64_t at, std::span<float> out);

  canvas::WindowReader& At(int lane) { return readers[static_cast<std::size_t>(lane)]; }
  canvas::LaneId id(int lane) const { return ids_[static_cast<std::size_t>(lane)]; }
  std::int64_t origin() const { return origin_; }
  canvas::WindowReport window() const { return window_->Report(); }

  void Copy(int lane, std::int64_t at, std::int64_t frames, float* out) const {
    const auto& pages = pages_[static_cast<std::size_t>(lane)];
    while (frames > 0) {
      const std::int64_t page = at / kPage;
      const std::int64_t offset = at - page * kPage;
      const std::int64_t count = std::min(frames, kPage - offset);
      std::memcpy(out, pages[static_cast<std::size_t>(page)] + offset * 2,
                  static_cast<std::size_t>(count) * 8);
      at += count;
      out += count * 2;
      frames -= count;
    }
  }

  std::vector<canvas::WindowReader> readers;  // in the window
  std::vector<canvas::LaneReader> plain;      // everywhere
  std::optional<canvas::WindowReaders> together;

 private:
  void WriteLanes(int lanes);
  void FindPages(int lanes);

  std::string path_;
  std::int64_t origin_;
  std::optional<canvas::Canvas> canvas_;
  std::optional<canvas::Window> window_;
  std::vector<canvas::LaneId> ids_;
  std::vector<std::vector<const float*>> pages_;
};

}  // namespace bench
