// What a canvas costs in memory and on disk.
//
//   memory_stress [--minutes=2] [--step_ms=250]
//
// Sixteen stereo lanes at 48 kHz, fully written (45 minutes are 16.6 GB; less where the disk does
// not allow, aloud), are played through by another process with a window and a feeder, and
// /proc/self/smaps_rollup is read all the way:
//   - beyond its windows the process has at most 8 MiB of its own
//   - what is resident is bounded by the windows
//   - both are flat: nothing is left behind
// And the disk: an empty canvas of 24 hours, three pages in 8 hours, and what a punch gives back.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

constexpr std::uint32_t kLanes = 16;
constexpr std::int64_t kRate = 48000;
constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kOwnLimit = 8 * kMiB;
constexpr std::int64_t kPiece = 524288;  // frames written at a time

double Mebi(std::uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(kMiB); }

// Of this process, in bytes.
struct Memory {
  std::uint64_t resident = 0;
  std::uint64_t own = 0;  // anonymous, and what nobody else maps
  std::uint64_t locked = 0;
};
Memory Now() {
  std::ifstream in("/proc/self/smaps_rollup");
  std::string line;
  Memory memory;
  while (std::getline(in, line)) {
    char name[64];
    std::uint64_t kib = 0;
    if (std::sscanf(line.c_str(), "%63[^:]: %" SCNu64 " kB", name, &kib) != 2) continue;
    const std::string key = name;
    if (key == "Rss") memory.resident = kib * 1024;
    if (key == "Private_Clean" || key == "Private_Dirty") memory.own += kib * 1024;
    if (key == "Locked") memory.locked = kib * 1024;
  }
  if (memory.resident == 0) Broken("/proc/self/smaps_rollup says nothing");
  return memory;
}

std::string LaneName(std::uint32_t lane) { return fmt::format("lane {}", lane); }

void WriteAll(const std::string& path, std::int64_t seconds) {
  Must(Canvas::Create(path, {.capacity_seconds = static_cast<std::uint64_t>(seconds),
                             .layout = {.wide_slots = kLanes, .small_slots = 0}}));
  Canvas canvas = Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    FrameWriter writer =
        Must(canvas.Writer(Must(canvas.AddLane({.name = LaneName(lane), .channels = 2}))));
    // Stamped once, and stamped frame for frame where it is checked.
    std::vector<float> piece = Stamped(lane, 0, kPiece, 1);
    for (std::int64_t at = 0; at < seconds * kRate; at += kPiece) {
      const std::int64_t frames = std::min(kPiece, seconds * kRate - at);
      for (std::int64_t i = 0; i < frames; ++i)
        piece[static_cast<std::size_t>(2 * i)] = static_cast<float>((at + i) & 0xFFFFFF);
      Must(writer.Write(Frame(at), std::span(piece).first(static_cast<std::size_t>(frames) * 2)));
    }
  }
  Must(canvas.Close());
}

// Plays all of it, as fast as the feeder follows.
void Play(const std::string& path, std::int64_t seconds, std::int64_t step_ms) {
  std::vector<float> block(2 * 1024);
  const Memory before = Now();
  const Canvas canvas = Must(Canvas::Open(path));
  std::vector<LaneId> ids;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane)
    ids.push_back(Must(canvas.FindLane(LaneName(lane))).id);
  const Window window = Must(canvas.MakeWindow(ids, {.max_seconds = 4}));
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = 2, .behind_seconds = 0.25}));
  Playhead playhead = Must(feeder.Follow(window));
  std::vector<WindowReader> readers;
  for (const LaneId id : ids) readers.push_back(Must(window.Reader(id)));

  std::uint64_t most_beyond = 0;
  std::uint64_t most_resident = 0;
  std::uint64_t most_window = 0;
  std::uint64_t most_locked = 0;
  std::vector<std::uint64_t> beyond;  // of every look, in order: resident and not the windows'
  std::uint64_t frames = 0;
  const std::int64_t step = kRate * step_ms / 1000;
  for (std::int64_t at = 0; at + step <= seconds * kRate; at += step) {
    playhead.Publish(Frame(at));
    if (!playhead.WaitReady(std::chrono::seconds(60))) Broken("the feeder does not follow");
    for (std::uint32_t lane = 0; lane < kLanes; ++lane)
      for (std::int64_t f = at; f + 1024 <= at + step; f += 1024) {
        const auto got = readers[lane].Read(Frame(f), block);
        if (got.status != ReadStatus::kOk) Broken(fmt::format("frame {} of lane {}", f, lane));
        const auto stamp = ReadStamp(block.data());
        if (!stamp || *stamp != Stamp{f & 0xFFFFFF, lane, 1})
          Broken("another frame than asked for");
        frames += 1024;
      }
    // The feeder may move the window meanwhile.
    std::uint64_t covered = window.Report().resident_bytes;
    const Memory now = Now();
    covered = std::max(covered, window.Report().resident_bytes);
    most_resident = std::max(most_resident, now.resident);
    most_window = std::max(most_window, covered);
    most_locked = std::max(most_locked, now.locked);
    most_beyond = std::max(most_beyond, now.own - std::min(now.own, covered));
    beyond.push_back(now.resident - std::min(now.resident, covered));
  }
  const auto half = beyond.begin() + static_cast<std::ptrdiff_t>(beyond.size() / 2);
  const std::uint64_t early = *std::max_element(beyond.begin(), half);
  const std::uint64_t late = *std::max_element(half, beyond.end());
  const std::string locked = window.Report().message;
  fmt::print("played {} frames of {} lanes; {}\n", frames / kLanes, kLanes, locked);
  fmt::print("windows: at most {:.1f} MiB; locked: at most {:.1f} MiB\n", Mebi(most_window),
             Mebi(most_locked));
  fmt::print("own memory beyond its windows: at most {:.1f} MiB (limit 8.0)\n", Mebi(most_beyond));
  fmt::print(
      "resident: {:.1f} MiB before, at most {:.1f} MiB; beyond its windows {:.1f} MiB in the "
      "first half, {:.1f} MiB in the second\n",
      Mebi(before.resident), Mebi(most_resident), Mebi(early), Mebi(late));
  if (most_beyond > kOwnLimit) Broken("more memory of its own than 8 MiB beyond the windows");
  if (most_resident > before.resident + most_window + kOwnLimit)
    Broken("more resident than the windows explain");
  if (late > early + kMiB) Broken("it grows while it plays");
}

void Disk(const testing::TempDir& directory) {
  const std::string empty = directory.path("empty.canvas");
  Must(Canvas::Create(empty, {.capacity_seconds = 24 * 3600}));
  const std::uint64_t empty_bytes = testing::AllocatedBytes(empty);
  fmt::print("empty canvas of 24 hours: {:.0f} KiB on disk (limit 64)\n",
             static_cast<double>(empty_bytes) / 1024);
  const std::string sparse = directory.path("sparse.canvas");
  Must(Canvas::Create(sparse, {.capacity_seconds = 8 * 3600}));
  Canvas canvas = testing::OpenForWriting(sparse);
  FrameWriter writer = Must(canvas.Writer(Must(canvas.AddLane({.name = "a", .channels = 2}))));
  const std::vector<float> page(2 * 30 * kRate, 0.5F);
  for (const std::int64_t at : {0, 400, 900}) Must(writer.Write(Frame(at * 30 * kRate), page));
  const std::uint64_t full = testing::AllocatedBytes(sparse);
  const std::uint64_t payload = 3 * page.size() * sizeof(float);
  const double ratio = static_cast<double>(full) / static_cast<double>(payload);
  fmt::print("three pages in 8 hours: {:.4f} x payload (limit 1.02)\n", ratio);
  Must(writer.Erase({Frame(400 * 30 * kRate), Frame(401 * 30 * kRate)}));
  const std::uint64_t back = full - testing::AllocatedBytes(sparse);
  fmt::print("a page punched: {:.3f} x its payload came back\n",
             static_cast<double>(back) / static_cast<double>(payload / 3));
  if (empty_bytes > 64 * 1024) Broken("an empty canvas is too large");
  if (ratio > 1.02) Broken("a sparse canvas is too large");
  if (back < payload / 3) Broken("a punch gives too little back");
}

int Run(const Arguments& arguments) {
  testing::TempDir directory;
  std::int64_t seconds = arguments.Number("minutes") * 60;
  const auto needs = [](std::int64_t s) {
    return static_cast<std::uintmax_t>(s * kRate * 8 * kLanes) * 102 / 100;
  };
  const std::uintmax_t room = std::filesystem::space(directory.root()).available;
  while (seconds > 60 && needs(seconds) > room / 2) seconds /= 2;
  fmt::print("{:.1f} minutes x {} stereo lanes, fully written: {:.2f} GB of samples\n",
             static_cast<double>(seconds) / 60, kLanes,
             static_cast<double>(seconds * kRate * 8 * kLanes) / 1e9);
  if (seconds < arguments.Number("minutes") * 60)
    fmt::print("SKIPPED: {} minutes, for which the disk has no room\n",
               arguments.Number("minutes"));
  if (seconds < 45 * 60)
    fmt::print("smaller than the 45 minutes (16.6 GB) it stands for: --minutes=45\n");
  std::fflush(stdout);
  const std::string path = directory.path("full.canvas");
  const auto role = [&](const char* name) {
    return Child({fmt::format("--role={}", name), "--path=" + path,
                  fmt::format("--seconds={}", seconds), "--step_ms=" + arguments.Text("step_ms")});
  };
  if (testing::kSanitized) {
    fmt::print("SKIPPED: memory: under a sanitizer, whose own memory it would count\n");
    Disk(directory);
    return 0;
  }
  if (role("write").Wait() != 0) return 1;
  Child player = role("play");
  std::fputs(player.HearAll().c_str(), stdout);
  if (const int code = player.Wait(); code != 0) return code;
  std::filesystem::remove(path);
  Disk(directory);
  return 0;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(
      argc, argv,
      {{"minutes", "2"}, {"step_ms", "250"}, {"role", ""}, {"path", ""}, {"seconds", "0"}});
  const std::string& role = arguments.Text("role");
  if (role == "write") {
    WriteAll(arguments.Text("path"), arguments.Number("seconds"));
    return 0;
  }
  if (role == "play") {
    Play(arguments.Text("path"), arguments.Number("seconds"), arguments.Number("step_ms"));
    return 0;
  }
  return Run(arguments);
}
