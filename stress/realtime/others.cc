#include "stress/realtime/others.h"

#include <fmt/format.h>

#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/realtime/material.h"
#include "stress/rig.h"

namespace canvas::stress {

void Overwrite(const std::string& path, std::uint32_t seed) {
  Canvas canvas = Writable(path);
  std::vector<FrameWriter> writers;
  for (std::uint32_t lane = 0; lane < kLanes / 2; ++lane)
    writers.push_back(Must(canvas.Writer(Must(canvas.FindLane(LaneName(lane))).id)));
  Random random(seed);
  std::uint32_t epoch = 1;
  Say('b');
  for (;;) {
    const auto lane = static_cast<std::uint32_t>(random.Below(kLanes / 2));
    // Mostly part of a block, sometimes across several.
    const std::int64_t frames = random.OneIn(8) ? 3 * kBlock : 1 + random.Below(600);
    const std::int64_t first = kFirst + random.Below(kEnd - kFirst - frames);
    epoch = epoch % kMaxEpoch + 1;
    Must(writers[lane].Write(Frame(first),
                             Stamped(lane, first, static_cast<std::uint64_t>(frames), epoch)));
  }
}

void Append(const std::string& path) {
  Canvas canvas = Writable(path);
  FrameWriter own = Must(canvas.Writer(Must(canvas.FindLane("appended")).id));
  std::vector<FrameWriter> writers;
  for (std::uint32_t lane = kLanes / 2; lane < kLanes; ++lane)
    writers.push_back(Must(canvas.Writer(Must(canvas.FindLane(LaneName(lane))).id)));
  Say('b');
  for (std::int64_t at = 0;; at += 512) {
    if (at >= 2 * kPage) {
      Must(own.Erase({Frame(0), Frame(3 * kPage)}));
      at = 0;
    }
    Must(own.Write(Frame(at), Stamped(20, at, 512, 1)));
    for (std::uint32_t i = 0; i < writers.size(); ++i) {
      const std::int64_t end = writers[i].end().value();
      if (end + 512 < 2 * kPage)
        Must(writers[i].Write(Frame(end), Stamped(kLanes / 2 + i, end, 512, 1)));
    }
  }
}

void Edit(const std::string& path) {
  Canvas canvas = Writable(path);
  const LaneId lane = Must(canvas.FindLane("appended")).id;
  Say('b');
  for (int i = 0;; ++i) Must(canvas.DescribeLane(lane, fmt::format("edit {}", i)));
}

void Punch(const std::string& path) {
  Canvas canvas = Writable(path);
  FrameWriter own = Must(canvas.Writer(Must(canvas.FindLane("punched")).id));
  Say('b');
  for (;;) {
    Must(own.Write(Frame(0), Stamped(21, 0, 2 * kBlock, 1)));
    Must(own.Erase({Frame(0), Frame(kPage)}));
  }
}

void SyncAlways(const std::string& path) {
  Canvas canvas = Writable(path);
  Say('b');
  for (;;) Must(canvas.Sync());
}

}  // namespace canvas::stress
