// Importing an audio file: what the tool does, beside a plain loop of libsndfile read, fallocate
// and pwrite of the same file. Without waiting for the disk on either side, and with.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "bench/ratio.h"
#include "canvas/api/canvas.h"
#include "tools/cli/audio_input.h"
#include "tools/cli/commands.h"

namespace {

constexpr std::uint64_t kFrames = 48000 * 120;
constexpr std::size_t kChunk = 2 * 1024 * 1024;

void Check(bool ok) {
  if (!ok) {
    fmt::print(stderr, "import_bench: something failed: {}\n", std::strerror(errno));
    std::exit(1);
  }
}

struct Files {
  std::string directory, wav, flac;
};

const Files& Get() {
  static const Files& files = *[] {
    auto* made = new Files;
    made->directory = (std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string();
    Check(mkdtemp(made->directory.data()) != nullptr);
    made->wav = made->directory + "/input.wav";
    made->flac = made->directory + "/input.flac";
    std::mt19937 random(1);
    std::vector<short> samples(kFrames * 2);
    int value = 0;
    for (short& sample : samples) {  // a random walk: neither silence nor noise to the encoder
      value = std::clamp(value + static_cast<int>(random() % 401) - 200, -30000, 30000);
      sample = static_cast<short>(value);
    }
    for (const auto& [path, format] :
         {std::pair(made->wav, SF_FORMAT_WAV), std::pair(made->flac, SF_FORMAT_FLAC)}) {
      SF_INFO info{};
      info.channels = 2;
      info.samplerate = 48000;
      info.format = format | SF_FORMAT_PCM_16;
      SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
      Check(file != nullptr && sf_writef_short(file, samples.data(), kFrames) == kFrames);
      sf_close(file);
    }
    return made;
  }();
  return files;
}

void PlainLoop(benchmark::State& state, const std::string& input, bool sync) {
  const std::string path = Get().directory + "/plain";
  for (auto _ : state) {
    auto audio = canvas::cli::AudioInput::Open(input);
    Check(audio.has_value());
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    Check(fd >= 0);
    std::vector<float> samples(kChunk / 4);
    off_t at = 0;
    for (;;) {
      const auto frames = audio->Read(samples);
      Check(frames.has_value());
      if (*frames == 0) break;
      const auto bytes = static_cast<off_t>(*frames * 8);
      Check(fallocate(fd, 0, at, bytes) == 0);
      Check(pwrite(fd, samples.data(), static_cast<std::size_t>(bytes), at) == bytes);
      at += bytes;
    }
    if (sync) Check(fdatasync(fd) == 0);
    close(fd);
    state.PauseTiming();
    unlink(path.c_str());
    state.ResumeTiming();
  }
}

void Import(benchmark::State& state, const std::string& input, bool sync) {
  const std::string path = Get().directory + "/import.canvas";
  for (auto _ : state) {
    state.PauseTiming();
    Check(canvas::Canvas::Create(path).has_value());
    state.ResumeTiming();
    auto audio = canvas::cli::AudioInput::Open(input);
    Check(audio.has_value());
    auto sut =
        canvas::Canvas::Open(path, {.access = canvas::Access::kReadWrite, .sync_on_close = sync});
    Check(sut.has_value());
    {
      auto lane = sut->AddLane({.name = "a", .channels = 2});
      auto writer = sut->Writer(*lane);
      Check(writer.has_value());
      std::vector<float> samples(kChunk / 4);
      std::int64_t at = 0;
      for (;;) {
        const auto frames = audio->Read(
            std::span(samples).first(writer->PreferredFrames(canvas::Frame(at), kChunk / 8) * 2));
        Check(frames.has_value());
        if (*frames == 0) break;
        Check(writer->Write(canvas::Frame(at), std::span(samples).first(*frames * 2)).has_value());
        at += static_cast<std::int64_t>(*frames);
      }
    }
    Check(sut->Close().has_value());
    state.PauseTiming();
    unlink(path.c_str());
    state.ResumeTiming();
  }
}

// Sixteen inputs into a lane each, by the tool itself, so many at a time.
void ImportMany(benchmark::State& state, std::uint32_t jobs) {
  static const std::vector<std::string>& inputs = *[] {
    auto* made = new std::vector<std::string>;
    for (int i = 0; i < 16; ++i) {
      made->push_back(fmt::format("{}/take{}.flac", Get().directory, i));
      std::filesystem::copy_file(Get().flac, made->back());
    }
    return made;
  }();
  const std::string path = Get().directory + "/many.canvas";
  canvas::cli::TheGlobals().quiet = true;
  for (auto _ : state) {
    state.PauseTiming();
    Check(canvas::Canvas::Create(path).has_value());
    state.ResumeTiming();
    canvas::cli::ImportArguments arguments;
    arguments.file = path;
    arguments.inputs = inputs;
    arguments.jobs = jobs;
    Check(canvas::cli::RunImport(arguments).has_value());
    state.PauseTiming();
    unlink(path.c_str());
    state.ResumeTiming();
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const bool sync : {false, true})
    for (const char* kind : {"wav", "flac"}) {
      const std::string input = std::string(kind) == "wav" ? Get().wav : Get().flac;
      const std::string name = fmt::format("{}{}", kind, sync ? " synced" : "");
      bench::Add("plain_loop", name, 1,
                 [=](benchmark::State& state) { PlainLoop(state, input, sync); });
      bench::Add("canvas_import", name, 1,
                 [=](benchmark::State& state) { Import(state, input, sync); });
    }
  bench::Add("plain_loop", "16 FLACs: one at a time, then two", 1,
             [](benchmark::State& state) { ImportMany(state, 1); });
  bench::Add("two at a time", "16 FLACs: one at a time, then two", 1,
             [](benchmark::State& state) { ImportMany(state, 2); });
  const int code = bench::RunWithRatios(
      argc, argv,
      {.title = "Importing 120 s of stereo", .rounds = 21, .floor = "plain_loop", .unit = "ms"});
  std::filesystem::remove_all(Get().directory);
  return code;
}
