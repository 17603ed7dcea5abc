// Ways into fresh disk space, 1 MiB at a time, and canvas's own: why bulk writes go through pwrite.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/ratio.h"
#include "canvas/api/canvas.h"

namespace {

constexpr std::size_t kChunk = 1 << 20;
constexpr std::size_t kChunks = 44;  // four pages of stereo
constexpr std::size_t kBytes = kChunk * kChunks;

const std::vector<float>& Source() {
  static const auto& samples = *new std::vector<float>(kBytes / 4, 0.25F);
  return samples;
}
const std::byte* SourceAt(std::size_t chunk) {
  return reinterpret_cast<const std::byte*>(Source().data()) + chunk * kChunk;
}

std::string Directory() {
  static const std::string& directory = *[] {
    auto* made =
        new std::string((std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string());
    if (mkdtemp(made->data()) == nullptr) std::exit(1);
    return made;
  }();
  return directory;
}

void Check(bool ok) {
  if (!ok) {
    fmt::print(stderr, "bulk_write_bench: a system call failed: {}\n", std::strerror(errno));
    std::exit(1);
  }
}

// Runs write(fd, mapping, chunk) for every chunk of a new sparse file.
template <typename Write>
void FreshFile(benchmark::State& state, Write write) {
  for (auto _ : state) {
    state.PauseTiming();
    const std::string path = Directory() + "/fresh";
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    Check(fd >= 0 && ftruncate(fd, kBytes) == 0);
    auto* base =
        static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    Check(base != MAP_FAILED && madvise(base, kBytes, MADV_RANDOM) == 0);
    state.ResumeTiming();
    for (std::size_t chunk = 0; chunk < kChunks; ++chunk) write(fd, base, chunk);
    state.PauseTiming();
    munmap(base, kBytes);
    close(fd);
    unlink(path.c_str());
    state.ResumeTiming();
  }
}

void Reserve(int fd, std::size_t chunk) {
  Check(fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(chunk * kChunk), kChunk) == 0);
}

void Pwrite(benchmark::State& state) {
  FreshFile(state, [](int fd, std::byte*, std::size_t chunk) {
    Reserve(fd, chunk);
    Check(pwrite(fd, SourceAt(chunk), kChunk, static_cast<off_t>(chunk * kChunk)) == kChunk);
  });
}

void PopulateAndCopy(benchmark::State& state) {
  FreshFile(state, [](int fd, std::byte* base, std::size_t chunk) {
    Reserve(fd, chunk);
    Check(madvise(base + chunk * kChunk, kChunk, MADV_POPULATE_WRITE) == 0);
    std::memcpy(base + chunk * kChunk, SourceAt(chunk), kChunk);
  });
}

void FaultAndCopy(benchmark::State& state) {
  FreshFile(state, [](int fd, std::byte* base, std::size_t chunk) {
    Reserve(fd, chunk);
    std::memcpy(base + chunk * kChunk, SourceAt(chunk), kChunk);
  });
}

void CanvasWrite(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    const std::string path = Directory() + "/fresh.canvas";
    Check(canvas::Canvas::Create(path).has_value());
    {
      auto sut = canvas::Canvas::Open(
          path, {.access = canvas::Access::kReadWrite, .sync_on_close = false});
      auto lane = sut->AddLane({.name = "a", .channels = 2});
      auto writer = sut->Writer(*lane);
      Check(writer.has_value());
      state.ResumeTiming();
      for (std::size_t chunk = 0; chunk < kChunks; ++chunk)
        Check(writer
                  ->Write(canvas::Frame(static_cast<std::int64_t>(chunk * kChunk / 8)),
                          std::span(Source()).subspan(chunk * kChunk / 4, kChunk / 4))
                  .has_value());
      state.PauseTiming();
    }
    std::filesystem::remove(path);
    state.ResumeTiming();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = "44 MiB";
  bench::Add("pwrite", name, 1, Pwrite);
  bench::Add("populate_and_copy", name, 1, PopulateAndCopy);
  bench::Add("fault_and_copy", name, 1, FaultAndCopy);
  bench::Add("canvas_write", name, 1, CanvasWrite);
  const int code =
      bench::RunWithRatios(argc, argv,
                           {.title = "1 MiB at a time into fresh space, each after fallocate",
                            .floor = "pwrite",
                            .unit = "ms"});
  std::filesystem::remove_all(Directory());
  return code;
}
