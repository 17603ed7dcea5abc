// Makes canvases for tools/read_canvas_test: lanes of 1 to 8 channels at 8 to 192 kHz, with gaps,
// rewrites, slots that were another lane's, and writers that died in the midst; and beside each
// lane what the library reads of it, for a reader that knows the format alone to be held against.
//
//   read_canvas_fixture DIRECTORY [SEED]
//
// For every lane: CANVAS.LANE.f32, all frames of [0, end), and CANVAS.LANE.ranges, what is written.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/geometry.h"
#include "canvas/format/slot_words.h"
#include "canvas/format/superblock_format.h"
#include "canvas/testing/must.h"

namespace {

namespace format = canvas::format;
using canvas::Canvas;
using canvas::Frame;
using canvas::testing::Must;

std::mt19937_64& Random() {
  static std::mt19937_64 random;
  return random;
}
std::uint64_t Below(std::uint64_t limit) { return Random()() % limit; }

std::vector<float> Noise(std::uint64_t samples) {
  std::vector<float> noise(samples);
  for (float& sample : noise) sample = static_cast<float>(Below(1 << 24)) / 8388608.0F - 1.0F;
  return noise;
}

Canvas OpenToWrite(const std::string& path) {
  return Must(Canvas::Open(path, {.access = canvas::Access::kReadWrite, .sync_on_close = false}));
}

void WriteSomewhere(canvas::FrameWriter& writer, std::uint64_t frames) {
  const auto first = static_cast<std::int64_t>(Below(frames));
  const std::uint64_t count = 1 + Below(frames / 3);
  Must(writer.Write(Frame(first), Noise(count * writer.lane().channels)));
}

// Small pages and blocks, so that there are many of each.
canvas::CreateOptions Small() {
  canvas::CreateOptions options;
  options.rate = {8000, 1};
  options.page_seconds = 1;
  options.layout.wide_slots = 40;
  options.layout.small_slots = 8;
  options.capacity_seconds = 20;
  options.layout.block_bytes = 512;
  options.layout.extent_bytes = 4096;
  options.layout.slot_align_bytes = 4096;
  options.layout.small_slot_bytes = 16 * 1024;
  options.layout.header_place_bytes = 64 * 1024;
  return options;
}

void MakeLanes(const std::string& path) {
  Must(Canvas::Create(path, Small()));
  Canvas canvas = OpenToWrite(path);
  const auto add = [&](const std::string& name, std::uint32_t channels, canvas::Rate rate,
                       canvas::LaneKind kind) {
    const auto lane =
        Must(canvas.AddLane({.name = name, .kind = kind, .channels = channels, .rate = rate}));
    canvas::FrameWriter writer = Must(canvas.Writer(lane));
    const std::uint64_t frames = 4 * rate.num / rate.den + 4;
    for (std::uint64_t n = 2 + Below(4); n > 0; --n) WriteSomewhere(writer, frames);
  };
  using canvas::LaneKind;
  for (std::uint32_t channels = 1; channels <= 8; ++channels)
    add(fmt::format("{} channels", channels), channels, {8000, 1}, LaneKind::kAudio);
  add("192 kHz", 1, {192000, 1}, LaneKind::kAudio);
  add("44.1 kHz", 1, {44100, 1}, LaneKind::kAudio);
  add("gone", 2, {8000, 1}, LaneKind::kAudio);
  add("latents", 8, {375, 16}, LaneKind::kSignal);
  add("slow", 1, {1, 3}, LaneKind::kSignal);
  // Its slot goes to another lane, which has other pages.
  Must(canvas.RemoveLane(Must(canvas.FindLane("gone")).id));
  add("in its place", 2, {8000, 1}, LaneKind::kAudio);
  // Points and ranges, of the canvas and of lanes.
  for (std::int64_t i = 0; i < 20; ++i) {
    const auto at = static_cast<std::int64_t>(Below(1'000'000));
    canvas::Marker marker{.start = {at, 48000}, .end = {at, 48000}};
    if (i % 3 == 0) marker.end = {at + 100, 44100};
    marker.lane = canvas::LaneId(static_cast<std::uint32_t>(Below(4)));
    if (i % 2 == 0) marker.name = fmt::format("marker {}", i);
    marker.color = static_cast<std::uint32_t>(Below(1 << 24));
    for (std::uint64_t n = Below(3); n > 0; --n) marker.tags.push_back(fmt::format("tag {}", n));
    if (i % 4 == 0) marker.json = fmt::format("[{}]", i);
    Must(canvas.AddMarker(marker));
  }
  Must(canvas.RemoveMarker(7));
  // A page given back, and written again.
  canvas::FrameWriter writer = Must(canvas.Writer(Must(canvas.FindLane("2 channels")).id));
  Must(writer.Erase({Frame(0), Frame(20 * 8000)}));
  WriteSomewhere(writer, 30000);
}

// The default geometry, and a writer that is killed while it writes over what it has written.
void MakeKilled(const std::string& path) {
  Must(Canvas::Create(path, {.capacity_seconds = 3600}));
  Must(OpenToWrite(path).AddLane({.name = "killed", .channels = 2}));
  int said[2];
  if (pipe(said) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    Canvas canvas = OpenToWrite(path);
    canvas::FrameWriter writer = Must(canvas.Writer(Must(canvas.FindLane("killed")).id));
    const auto some = Noise(2 * 200'000);
    for (std::int64_t at = 29 * 48000;; at += 100'000) {
      Must(writer.Write(Frame(29 * 48000 + at % 500'000), some));
      if (at > 29 * 48000 + 700'000) (void)!write(said[1], "x", 1);
    }
  }
  char byte = 0;
  if (read(said[0], &byte, 1) != 1) std::abort();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

// A block left changing by one who died half way: its old bytes are in the undo place.
void LeaveHalfRewritten(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  format::SuperblockBytes bytes;
  const auto read_at = [&](std::uint64_t at, void* to, std::size_t count) {
    if (pread(fd, to, count, static_cast<off_t>(at)) != static_cast<ssize_t>(count)) std::abort();
  };
  const auto write_at = [&](std::uint64_t at, const void* from, std::size_t count) {
    if (pwrite(fd, from, count, static_cast<off_t>(at)) != static_cast<ssize_t>(count))
      std::abort();
  };
  read_at(0, bytes.data(), bytes.size());
  const auto geometry =
      Must(format::Geometry::Make(Must(format::DecodeSuperblock(bytes, false)).geometry));
  const format::SlotRun run{format::SlotKind::kWide, 0, 1};  // of the lane of one channel
  for (std::uint32_t page = 0; page < 4; ++page) {
    const std::uint64_t start = geometry.Page(canvas::PageIndex(page)).value();
    for (std::uint64_t block = 0; block < geometry.Words(run); ++block) {
      const std::uint64_t version_at = start + geometry.Versions(run) + block * 8;
      std::uint64_t version = 0;
      read_at(version_at, &version, 8);
      if ((version & 1) == 0) continue;
      namespace slot = format::slot_control;
      const std::uint64_t control = start + geometry.SlotControl(run);
      std::vector<char> old(geometry.fields().block_bytes);
      read_at(start + geometry.Data(run) + block * old.size(), old.data(), old.size());
      write_at(start + geometry.UndoPlace(run), old.data(), old.size());
      const std::uint64_t words[] = {block + 1, version, XXH3_64bits(old.data(), old.size())};
      write_at(control + slot::kUndoBlock, words, sizeof words);
      const std::uint64_t odd = version + 2;
      write_at(version_at, &odd, 8);
      std::ranges::fill(old, 'x');
      write_at(start + geometry.Data(run) + block * old.size(), old.data(), old.size() / 2);
      break;  // the first of this page
    }
  }
  close(fd);
}

// What the library reads of every lane.
void Tell(const std::string& path) {
  const Canvas canvas = Must(Canvas::Open(path));
  std::ofstream markers(path + ".markers");
  for (const canvas::Marker& marker : Must(canvas.Markers()))
    markers << fmt::format("marker {}: {}/{} to {}/{} s, lane {}, {:06x}, {}, {}, {}\n", marker.id,
                           marker.start.num, marker.start.den, marker.end.num, marker.end.den,
                           marker.lane.value(), marker.color, fmt::join(marker.tags, ","),
                           marker.json, marker.name);
  markers.close();
  for (const canvas::LaneInfo& lane : Must(canvas.Lanes())) {
    canvas::LaneReader reader = Must(canvas.Reader(lane.id));
    const canvas::LaneExtent extent = reader.Extent();
    const std::string name = path + "." + std::to_string(lane.id.value());
    std::ofstream samples(name + ".f32", std::ios::binary);
    std::vector<float> block(std::size_t{5000} * lane.channels);
    for (std::int64_t at = 0; at < extent.end.value(); at += 5000) {
      const auto frames = std::min<std::int64_t>(5000, extent.end.value() - at);
      const auto out = std::span(block).first(static_cast<std::size_t>(frames) * lane.channels);
      if (reader.Read(Frame(at), out).status == canvas::ReadStatus::kRaced) std::abort();
      samples.write(reinterpret_cast<const char*>(out.data()),
                    static_cast<std::streamsize>(out.size_bytes()));
    }
    std::ofstream ranges(name + ".ranges");
    for (const canvas::FrameRange& range : Must(reader.WrittenRanges({Frame(0), extent.end})))
      ranges << range.first.value() << ' ' << range.end.value() << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string directory = argv[1];
  const std::uint64_t seed =
      argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  fmt::print("seed {}\n", seed);
  Random().seed(seed);
  MakeLanes(directory + "/lanes.canvas");
  Tell(directory + "/lanes.canvas");
  MakeLanes(directory + "/torn.canvas");
  LeaveHalfRewritten(directory + "/torn.canvas");
  Tell(directory + "/torn.canvas");
  MakeKilled(directory + "/killed.canvas");
  Tell(directory + "/killed.canvas");
  return 0;
}
