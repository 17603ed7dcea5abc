// Reading a block of stereo frames: canvas beside a plain memcpy of the same bytes of the same
// populated mapping. "hot" goes round in 256 KiB, "ram" round-robin through four lanes of 60 s.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/ratio.h"
#include "canvas/api/canvas.h"
#include "canvas/sync/shared_copy.h"

namespace {

using canvas::Frame;

constexpr int kLanes = 4;
constexpr std::int64_t kRate = 48000;
constexpr std::int64_t kLaneFrames = 60 * kRate;
constexpr std::int64_t kHotFrames = 256 * 1024 / 8 / kLanes;

[[noreturn]] void Die(const canvas::Error& error) {
  fmt::print(stderr, "{}\n", error.Message());
  std::exit(1);
}
template <typename T>
T Must(canvas::Result<T> result) {
  if (!result) Die(result.error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

struct Lane {
  canvas::LaneReader reader;
};

class Material {
 public:
  Material() {
    std::string directory =
        (std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string();
    if (mkdtemp(directory.data()) == nullptr) std::exit(1);
    const std::string path = directory + "/bench.canvas";
    Must(canvas::Canvas::Create(path, {.capacity_seconds = 3600}));
    canvas::Canvas sut = Must(
        canvas::Canvas::Open(path, {.access = canvas::Access::kReadWrite, .sync_on_close = false}));
    for (int i = 0; i < kLanes; ++i) {
      std::vector<float> samples(static_cast<std::size_t>(kLaneFrames) * 2);
      for (std::size_t s = 0; s < samples.size(); ++s)
        samples[s] = static_cast<float>(s % 1000) / 1000.0F;
      const canvas::LaneId id = Must(sut.AddLane({.name = std::to_string(i), .channels = 2}));
      Must(Must(sut.Own(id)).Write(Frame(0), samples));
      lanes.push_back({Must(sut.Reader(id))});
    }
    // Populated: every page touched once.
    std::vector<float> out(2 * 4096);
    for (Lane& lane : lanes)
      for (std::int64_t at = 0; at + 4096 <= kLaneFrames; at += 4096) {
        if (lane.reader.Read(Frame(at), out).status != canvas::ReadStatus::kOk) std::exit(1);
        benchmark::DoNotOptimize(out.data());
      }
    std::filesystem::remove_all(directory);
  }
  std::vector<Lane> lanes;
};

Material& Get() {
  static Material& material = *new Material;
  return material;
}

// Where the samples of each lane's pages lie in the mapping: the floor reads the very same bytes,
// from addresses it knows beforehand.
class Floor {
 public:
  Floor() {
    for (Lane& lane : Get().lanes) {
      std::array<const float*, kPages> pages{};
      for (std::int64_t page = 0; page < kPages; ++page)
        pages[static_cast<std::size_t>(page)] =
            lane.reader.ViewAt(Frame(page * kPageFrames), 1).samples().data();
      pages_.push_back(pages);
    }
  }
  void Copy(std::size_t lane, std::int64_t at, std::int64_t frames, float* out) const {
    while (frames > 0) {
      const std::int64_t page = at / kPageFrames;
      const std::int64_t offset = at - page * kPageFrames;
      const std::int64_t count = std::min(frames, kPageFrames - offset);
      std::memcpy(out, pages_[lane][static_cast<std::size_t>(page)] + offset * 2,
                  static_cast<std::size_t>(count) * 8);
      at += count;
      out += count * 2;
      frames -= count;
    }
  }

 private:
  static constexpr std::int64_t kPageFrames = 30 * kRate;
  static constexpr std::int64_t kPages = kLaneFrames / kPageFrames;
  std::vector<std::array<const float*, kPages>> pages_;
};

const Floor& GetFloor() {
  static const Floor& floor = *new Floor;
  return floor;
}

// Calls read(lane, frame) for one block after the other, round-robin over the lanes; goes on where
// the last round ended.
class Walk {
 public:
  Walk(std::int64_t frames, bool hot) : frames_(frames), span_(hot ? kHotFrames : kLaneFrames) {}

  template <typename Read>
  void operator()(benchmark::State& state, Read read) {
    for (auto _ : state) {
      read(lane_, at_);
      if (++lane_ == kLanes) {
        lane_ = 0;
        at_ += frames_;
        if (at_ + frames_ > span_) at_ = 0;
      }
    }
  }

 private:
  std::int64_t frames_;
  std::int64_t span_;
  std::int64_t at_ = 0;
  std::size_t lane_ = 0;
};

// Where the contenders put what they read.
struct alignas(64) Output {
  std::array<float, 2 * 4096> samples;
};
std::span<float> OutputFor(std::int64_t frames) {
  static Output& output = *new Output;
  return std::span(output.samples).first(static_cast<std::size_t>(frames) * 2);
}

using Contender = std::function<void(benchmark::State&)>;

Contender FloorRead(std::int64_t frames, bool hot) {
  return [frames, walk = Walk(frames, hot)](benchmark::State& state) mutable {
    const auto out = OutputFor(frames);
    const Floor& floor = GetFloor();
    walk(state, [&](std::size_t lane, std::int64_t at) {
      floor.Copy(lane, at, frames, out.data());
      benchmark::DoNotOptimize(out.data());
      benchmark::ClobberMemory();
    });
  };
}

Contender CanvasRead(std::int64_t frames, bool hot) {
  return [frames, walk = Walk(frames, hot)](benchmark::State& state) mutable {
    const auto out = OutputFor(frames);
    auto& lanes = Get().lanes;
    walk(state, [&](std::size_t lane, std::int64_t at) {
      benchmark::DoNotOptimize(lanes[lane].reader.Read(Frame(at), out));
      benchmark::ClobberMemory();
    });
  };
}

Contender CanvasView(std::int64_t frames, bool hot) {
  return [frames, walk = Walk(frames, hot)](benchmark::State& state) mutable {
    auto& lanes = Get().lanes;
    walk(state, [&](std::size_t lane, std::int64_t at) {
      const canvas::View view =
          lanes[lane].reader.ViewAt(Frame(at), static_cast<std::uint64_t>(frames));
      benchmark::DoNotOptimize(view.samples().data());
      benchmark::DoNotOptimize(view.StillValid());
    });
  };
}

}  // namespace

int main(int argc, char** argv) {
  for (const bool hot : {true, false})
    for (const std::int64_t frames : {32, 256, 1024, 4096}) {
      const std::string name = fmt::format("{} {} frames", hot ? "hot" : "ram", frames);
      const benchmark::IterationCount iterations = 5'000'000 / frames;
      bench::Add("floor", name, iterations, FloorRead(frames, hot));
      bench::Add("canvas_read", name, iterations, CanvasRead(frames, hot));
      bench::Add("canvas_view", name, iterations, CanvasView(frames, hot));
    }
  return bench::RunWithRatios(
      argc, argv,
      {.title = fmt::format("Reading blocks of stereo frames; the floor is a memcpy of the same "
                            "bytes from the populated mapping (copy loop: {})",
                            canvas::sync::CopyKind())});
}
