// Creation, with real processes: several creators of one path, and creators that are killed at
// random moments. Either there is no canvas or a good one, and never any litter.
//
//   bazel run //stress:create_stress -- --races=10000 --kills=100000
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

extern char** environ;

namespace canvas {
namespace {

namespace fs = std::filesystem;
using testing::Must;
using testing::TempDir;

int g_races = 100;
int g_kills = 300;

constexpr int kCreated = 0;
constexpr int kExists = 3;

int Creator(const char* path) {
  const auto created = Canvas::Create(path, testing::SmallCanvas());
  if (created) return kCreated;
  if (created.error().code() == ErrorCode::kExists) return kExists;
  std::fprintf(stderr, "%s\n", created.error().Message().c_str());
  return 1;
}

pid_t Spawn(const std::string& path) {
  std::string self = "/proc/self/exe";
  std::string flag = "--creator";
  std::string target = path;
  char* argv[] = {self.data(), flag.data(), target.data(), nullptr};
  pid_t pid = 0;
  if (posix_spawn(&pid, self.c_str(), nullptr, nullptr, argv, environ) != 0) std::abort();
  return pid;
}

int Wait(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::size_t Files(const TempDir& dir) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(dir.root()), fs::directory_iterator()));
}

void ExpectGood(const std::string& path) {
  const Canvas canvas = Must(Canvas::Open(path));
  const CheckReport report = Must(canvas.Check());
  EXPECT_TRUE(report.ok()) << report.findings[0];
}

TEST(CreateStress, OfSeveralCreatorsOneWinsAndTheOthersAreTold) {
  const TempDir dir;
  const std::string path = dir.path("sut.canvas");
  for (int round = 0; round < g_races; ++round) {
    std::vector<pid_t> creators;
    for (int i = 0; i < 4; ++i) creators.push_back(Spawn(path));
    int created = 0;
    int told = 0;
    for (const pid_t creator : creators) {
      const int code = Wait(creator);
      created += code == kCreated ? 1 : 0;
      told += code == kExists ? 1 : 0;
    }
    ASSERT_EQ(created, 1) << "round " << round;
    ASSERT_EQ(told, 3) << "round " << round;
    ASSERT_EQ(Files(dir), 1U) << "litter";
    ExpectGood(path);
    fs::remove(path);
  }
  std::printf("%d races of 4 creators\n", g_races);
}

TEST(CreateStress, AKilledCreatorLeavesNoCanvasOrAGoodOne) {
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const TempDir dir;
  const std::string path = dir.path("sut.canvas");
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  ASSERT_EQ(Wait(Spawn(path)), kCreated);
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
  fs::remove(path);
  int good = 0;
  int died = 0;
  for (int round = 0; round < g_kills; ++round) {
    const pid_t creator = Spawn(path);
    // A random moment of its life; the pause is the experiment, nothing waits on it.
    std::this_thread::sleep_for(std::chrono::microseconds(
        random() % static_cast<unsigned long>(whole.count() * 3 / 2 + 1)));
    kill(creator, SIGKILL);
    if (Wait(creator) == 128 + SIGKILL) ++died;
    if (fs::exists(path)) {
      ++good;
      ExpectGood(path);
      fs::remove(path);
    }
    ASSERT_EQ(Files(dir), 0U) << "litter after round " << round << ", seed " << seed;
  }
  std::printf("%d kills, %d while it ran; %d good canvases, %d times none\n", g_kills, died, good,
              g_kills - good);
  EXPECT_GT(died, 0) << "no creator was ever killed: the test shows nothing";
}

bool Number(std::string_view argument, std::string_view flag, int& value) {
  if (!argument.starts_with(flag)) return false;
  argument.remove_prefix(flag.size());
  return std::from_chars(argument.data(), argument.data() + argument.size(), value).ec ==
         std::errc();
}

}  // namespace
}  // namespace canvas

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--creator") == 0) return canvas::Creator(argv[2]);
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i)
    if (!canvas::Number(argv[i], "--races=", canvas::g_races) &&
        !canvas::Number(argv[i], "--kills=", canvas::g_kills)) {
      std::fprintf(stderr, "usage: create_stress [--races=N] [--kills=N]\n");
      return 2;
    }
  return RUN_ALL_TESTS();
}
