// The canvas whose owner is stepped and killed, and what a reader finds in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/step/space.h"

namespace canvas::stress {

inline constexpr LaneId kLane(1);
inline constexpr std::uint32_t kLaneNumber = 1;
inline constexpr PageRange kFirstPages{PageIndex(0), PageIndex(4)};
// Page 3 is ready: so the file covers page 2, which is not, and ends before page 4.
inline constexpr PageIndex kCoveredPage(2);
inline constexpr PageIndex kLastPage(3);
inline constexpr PageIndex kNewPage(4);
// Lanes that come and go in the cases below, in the slot behind: of frames, then of events.
inline constexpr LaneId kSecond(2);
inline constexpr LaneId kEvents(3);

// One canvas of a geometry, with a stereo lane, and what is needed to know where its bytes are.
struct Bench {
  explicit Bench(const CreateOptions& options);
  static Canvas Open(const std::string& path);
  // Written at first: four blocks and a half.
  std::uint64_t frames() const { return static_cast<std::uint64_t>(4 * block + block / 2); }
  // What of the file changes in the cases.
  std::vector<Span> Spans() const;

  testing::TempDir dir;
  std::string path = dir.path("sut.canvas");
  std::int64_t block = 0;  // frames
  std::int64_t page_frames = 0;
  Rate rate;
};

// What a reader finds: the epoch of each stretch of the lane that has one, and the description.
struct Look {
  std::vector<std::uint32_t> epochs;   // of blocks 0 to 5 of page 0, then of page 1; 0: unwritten
  std::vector<std::uint64_t> written;  // frames of those blocks
  std::string description;
  std::map<std::string, std::uint64_t> others;  // lanes: frames that can be read
  std::uint64_t ready_pages = 0;
  friend bool operator==(const Look&, const Look&) = default;
};

Look LookAt(const std::string& path, const Bench& bench);

}  // namespace canvas::stress
