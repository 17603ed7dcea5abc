#include "stress/realtime/material.h"

#include <fmt/format.h>

#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {

std::string LaneName(std::uint32_t lane) { return fmt::format("lane {}", lane); }

Canvas Writable(const std::string& path) {
  return Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
}

void Prepare(const std::string& path) {
  Must(Canvas::Create(path,
                      {.capacity_seconds = 3600, .layout = {.wide_slots = 24, .small_slots = 0}}));
  Canvas canvas = Writable(path);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const LaneId id = Must(canvas.AddLane({.name = LaneName(lane), .channels = 2}));
    Must(Must(canvas.Writer(id)).Write(Frame(kFirst), Stamped(lane, kFirst, kEnd - kFirst, 1)));
  }
  for (const char* name : {"appended", "punched"})
    Must(canvas.AddLane({.name = name, .channels = 2}));
  Must(canvas.Close());
}

Material::Material(const std::string& path, std::uint32_t lanes)
    : canvas(Must(Canvas::Open(path))) {
  std::vector<LaneId> ids;
  for (std::uint32_t lane = 0; lane < lanes; ++lane)
    ids.push_back(Must(canvas.FindLane(LaneName(lane))).id);
  window.emplace(Must(canvas.MakeWindow(ids, {.max_seconds = 1})));
  for (const LaneId id : ids) readers.push_back(Must(window->Reader(id)));
}

bool Right(const float* samples, std::uint32_t lane, std::int64_t frame) {
  const auto stamp = ReadStamp(samples);
  return stamp && stamp->lane == lane && stamp->frame == (frame & 0xFFFFFF);
}

}  // namespace canvas::stress
