// A real callback: sixteen lanes mixed from windows by examples/jack_play through a JACK server
// (jackd2, dummy driver) that this test starts and stops; captured by another client, and compared
// sample for sample with the file. The callback runs under the realtime guard: no violation. Xruns
// are the host's, and printed.
//
//   jack_test PLAYER [SECONDS]      (30)
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <jack/jack.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

extern char** environ;

namespace canvas {
namespace {

using testing::Must;

constexpr std::uint32_t kLanes = 16;
constexpr std::int64_t kRate = 48000;
constexpr jack_nframes_t kPeriod = 1024;

std::string g_player;
int g_seconds = 30;

pid_t Spawn(const std::vector<std::string>& command, const std::string& output) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return failed == 0 ? pid : -1;
}

std::string Slurp(const std::string& path) {
  std::string text;
  if (FILE* file = std::fopen(path.c_str(), "r")) {
    char buffer[4096];
    for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
      text.append(buffer, got);
    std::fclose(file);
  }
  return text;
}

// Keeps what arrives at its two ports, period by period.
struct Capture {
  std::array<jack_port_t*, 2> ports{};
  std::vector<float> samples;  // interleaved; room for all of it
  std::atomic<std::size_t> frames{0};

  int Process(jack_nframes_t count) {
    const auto* left = static_cast<const float*>(jack_port_get_buffer(ports[0], count));
    const auto* right = static_cast<const float*>(jack_port_get_buffer(ports[1], count));
    const std::size_t at = frames.load(std::memory_order_relaxed);
    if ((at + count) * 2 > samples.size()) return 0;
    for (jack_nframes_t i = 0; i < count; ++i) {
      samples[(at + i) * 2] = left[i];
      samples[(at + i) * 2 + 1] = right[i];
    }
    frames.store(at + count, std::memory_order_release);
    return 0;
  }
};

TEST(Jack, ACallbackPlaysSixteenLanesUnderTheGuardAndEverySampleIsTheFiles) {
  testing::TempDir directory;
  const std::string path = directory.path("play.canvas");
  Must(Canvas::Create(
      path, {.capacity_seconds = 120, .layout = {.wide_slots = kLanes, .small_slots = 0}}));
  const std::int64_t frames = g_seconds * kRate / kPeriod * kPeriod;
  constexpr std::int64_t kFrom = 20 * kRate;  // so that a page's edge is crossed
  std::vector<float> expected(static_cast<std::size_t>(frames) * 2, 0.0F);
  {
    Canvas canvas = testing::OpenForWriting(path);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      const LaneId id = Must(canvas.AddLane({.name = fmt::format("{}", lane), .channels = 2}));
      FrameWriter writer = Must(canvas.Writer(id));
      constexpr std::int64_t kPiece = 65536;
      for (std::int64_t at = 0; at < frames; at += kPiece) {
        const auto count = static_cast<std::uint64_t>(std::min(kPiece, frames - at));
        const auto samples = testing::Samples(lane, kFrom + at, count, 2);
        Must(writer.Write(Frame(kFrom + at), samples));
        // As the player adds them, in the same order.
        for (std::size_t i = 0; i < samples.size(); ++i)
          expected[static_cast<std::size_t>(at) * 2 + i] += samples[i] * (1.0F / kLanes);
      }
    }
    Must(canvas.Close());
  }

  const std::string server = fmt::format("canvas-test-{}", getpid());
  setenv("JACK_DEFAULT_SERVER", server.c_str(), 1);
  setenv("JACK_NO_AUDIO_RESERVATION", "1", 1);
  const std::string log = directory.path("jackd.log");
  const pid_t jackd = Spawn({"jackd", "--no-realtime", "--name", server, "-S", "-d", "dummy", "-r",
                             std::to_string(kRate), "-p", std::to_string(kPeriod)},
                            log);
  ASSERT_GT(jackd, 0) << "jackd is not installed (tools/setup)";
  struct End {
    pid_t pid;
    ~End() {
      kill(pid, SIGTERM);
      waitpid(pid, nullptr, 0);
    }
  };
  std::optional<End> ends_jackd;
  ends_jackd.emplace(jackd);
  jack_set_error_function([](const char*) {});
  jack_set_info_function([](const char*) {});
  jack_client_t* client = nullptr;
  // Until it answers; a server that died is told by its log.
  for (int tries = 0; tries < 300 && client == nullptr; ++tries) {
    client = jack_client_open("capture", JackNoStartServer, nullptr);
    if (client == nullptr) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  if (client == nullptr) {
    std::puts(Slurp(log).c_str());
    GTEST_SKIP() << "SKIPPED: a JACK server does not run here";
  }
  Capture capture;
  capture.samples.resize((static_cast<std::size_t>(frames) + std::size_t{20} * kRate) * 2);
  capture.ports[0] =
      jack_port_register(client, "left", JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput, 0);
  capture.ports[1] =
      jack_port_register(client, "right", JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput, 0);
  jack_set_process_callback(
      client,
      [](jack_nframes_t count, void* me) { return static_cast<Capture*>(me)->Process(count); },
      &capture);
  ASSERT_EQ(jack_activate(client), 0);

  // First with a planted syscall, not captured: the guard counts in this very callback.
  const std::string planted_said = directory.path("planted.log");
  const pid_t planted =
      Spawn({g_player, path, "--from=20", "--seconds=1", "--guard=1", "--plant=1"}, planted_said);
  ASSERT_GT(planted, 0);
  int planted_status = 0;
  waitpid(planted, &planted_status, 0);
  const int planted_code = WIFEXITED(planted_status) ? WEXITSTATUS(planted_status) : -1;
  std::istringstream planted_lines(Slurp(planted_said));
  for (std::string line; std::getline(planted_lines, line);)
    std::printf("planted: %s\n", line.c_str());

  const std::string said = directory.path("player.log");
  const pid_t player = Spawn({g_player, path, "--from=20", fmt::format("--seconds={}", g_seconds),
                              "--guard=1", "--connect=capture:left", "--connect=capture:right"},
                             said);
  ASSERT_GT(player, 0);
  int status = 0;
  waitpid(player, &status, 0);
  jack_client_close(client);
  ends_jackd.reset();
  std::puts(Slurp(said).c_str());
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(planted_code, testing::kSanitized ? 0 : 4);

  // What was captured: silence, then the mix from its first sample to its last, in order. A period
  // that the server left out (an xrun) may be silent in between.
  const std::size_t captured = capture.frames.load();
  std::size_t position = 0;  // in `expected`, frames
  std::size_t silent = 0;
  std::size_t wrong = 0;
  for (std::size_t at = 0; at + kPeriod <= captured && position < static_cast<std::size_t>(frames);
       at += kPeriod) {
    const float* got = capture.samples.data() + at * 2;
    const bool nothing = std::all_of(got, got + 2 * kPeriod, [](float s) { return s == 0; });
    if (nothing) {
      silent += position != 0 ? 1 : 0;
      continue;
    }
    if (std::memcmp(got, expected.data() + position * 2, 2 * kPeriod * sizeof(float)) != 0) ++wrong;
    position += kPeriod;
  }
  fmt::print("captured {} of {} periods in order, {} silent between them, {} different\n",
             position / kPeriod, frames / kPeriod, silent, wrong);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(position, static_cast<std::size_t>(frames));
}

}  // namespace
}  // namespace canvas

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc < 2) return 2;
  canvas::g_player = argv[1];
  if (argc > 2) canvas::g_seconds = std::atoi(argv[2]);
  return RUN_ALL_TESTS();
}
