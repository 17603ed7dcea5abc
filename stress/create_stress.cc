// Creation, with real processes: several creators of one path, and creators that are killed. Either
// there is no canvas or a good one, and never any litter.
//
//   bazel run //stress:create_stress -- --races=10000 --kills=100000
//
// The moments are chosen by ptrace(2), which stops a creator where it enters and leaves a syscall:
// what it has done to the disk is done by those. So it does not depend on luck that kills come
// before and after the file has its name, and that each creator of several comes first.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

int ExitCodeOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Wait(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return ExitCodeOf(status);
}

// A creator that runs from one edge of a syscall to the next, as it is told to.
class Stepped {
 public:
  explicit Stepped(const std::string& path) {
    pid_ = fork();
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      execl("/proc/self/exe", "create_stress", "--creator", path.c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    waitpid(pid_, &status, 0);  // at its first instruction
    if (!WIFSTOPPED(status)) {
      code_ = ExitCodeOf(status);
      return;
    }
    traced_ = ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACESYSGOOD) == 0;
  }
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;
  ~Stepped() {
    if (!code_) Kill();
  }

  // Whether this machine lets one process follow another.
  bool traced() const { return traced_; }

  // Runs until the next syscall is entered or left. False where it has ended.
  bool Step() {
    for (int deliver = 0;;) {
      if (ptrace(PTRACE_SYSCALL, pid_, nullptr, deliver) != 0) return Ended();
      int status = 0;
      if (waitpid(pid_, &status, 0) != pid_) std::abort();
      if (!WIFSTOPPED(status)) {
        code_ = ExitCodeOf(status);
        return false;
      }
      const int signal = WSTOPSIG(status);
      if (signal == (SIGTRAP | 0x80)) break;
      deliver = signal == SIGTRAP ? 0 : signal;  // an exec, or its own affair
    }
    ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof info_, &info_);
    return true;
  }
  bool Entering(std::uint64_t number) const {
    return info_.op == PTRACE_SYSCALL_INFO_ENTRY && info_.entry.nr == number;
  }
  // Where it makes its file, that has no name yet.
  bool EnteringTheFile() const {
    return Entering(SYS_openat) && (info_.entry.args[2] & O_TMPFILE) == O_TMPFILE;
  }
  bool RunTo(bool (*where)(const Stepped&)) {
    while (Step())
      if (where(*this)) return true;
    return false;
  }
  // From here on by itself.
  void LetGo() { ptrace(PTRACE_DETACH, pid_, nullptr, nullptr); }
  void Kill() {
    kill(pid_, SIGKILL);
    Ended();
  }
  // Its exit code, or 128 + signal.
  int Code() {
    if (!code_) Ended();
    return *code_;
  }

 private:
  bool Ended() {
    int status = 0;
    do waitpid(pid_, &status, 0);
    while (WIFSTOPPED(status));
    code_ = ExitCodeOf(status);
    return false;
  }
  pid_t pid_ = -1;
  bool traced_ = false;
  __ptrace_syscall_info info_{};
  std::optional<int> code_;
};

bool AtTheFile(const Stepped& creator) { return creator.EnteringTheFile(); }
bool AtTheName(const Stepped& creator) { return creator.Entering(SYS_linkat); }

#define SKIP_UNLESS_TRACED()                                       \
  if (const TempDir probe; !Stepped(probe.path("probe")).traced()) \
  GTEST_SKIP() << "SKIPPED: ptrace is not permitted here: moments cannot be chosen"

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

// All have seen that there is nothing at the path, and are about to name their files.
TEST(CreateStress, WhicheverOfThemNamesItsFileFirstWins) {
  SKIP_UNLESS_TRACED();
  constexpr std::size_t kCreators = 4;
  const TempDir dir;
  const std::string path = dir.path("sut.canvas");
  std::array<int, kCreators> wins{};
  for (std::size_t round = 0; round < 2 * kCreators; ++round) {
    std::vector<std::unique_ptr<Stepped>> creators;
    for (std::size_t i = 0; i < kCreators; ++i) {
      creators.push_back(std::make_unique<Stepped>(path));
      ASSERT_TRUE(creators.back()->RunTo(AtTheName)) << "ended with " << creators.back()->Code();
    }
    ASSERT_EQ(Files(dir), 0U) << "a file without a name is no litter";
    // One names its file; then all the others go at once.
    Stepped& first = *creators[round % kCreators];
    ASSERT_TRUE(first.Step());
    for (auto& creator : creators) creator->LetGo();
    for (std::size_t i = 0; i < kCreators; ++i) {
      const int code = creators[i]->Code();
      if (code == kCreated) ++wins[i];
      EXPECT_EQ(code, i == round % kCreators ? kCreated : kExists) << "creator " << i;
    }
    ASSERT_EQ(Files(dir), 1U) << "litter";
    ExpectGood(path);
    fs::remove(path);
  }
  std::printf("wins: %d, %d, %d, %d\n", wins[0], wins[1], wins[2], wins[3]);
  for (const int won : wins) EXPECT_EQ(won, 2) << "each was to come first as often";
}

TEST(CreateStress, AKilledCreatorLeavesNoCanvasOrAGoodOne) {
  SKIP_UNLESS_TRACED();
  const TempDir dir;
  const std::string path = dir.path("sut.canvas");
  // How many edges of syscalls there are from the file on, and at which it is about to be named.
  int edges = 0;
  int naming = 0;
  {
    Stepped whole(path);
    ASSERT_TRUE(whole.RunTo(AtTheFile));
    for (edges = 1; whole.Step(); ++edges)
      if (AtTheName(whole)) naming = edges;
    ASSERT_EQ(whole.Code(), kCreated);
    ASSERT_GT(naming, 0) << "it was never named";
    fs::remove(path);
  }
  int good = 0;
  const auto kill_at = [&](int edge) {
    Stepped creator(path);
    ASSERT_TRUE(creator.RunTo(AtTheFile));
    for (int at = 0; at < edge; ++at) ASSERT_TRUE(creator.Step()) << "edge " << at;
    creator.Kill();
    ASSERT_EQ(creator.Code(), 128 + SIGKILL);
    const bool there = fs::exists(path);
    if (edge != naming) {
      ASSERT_EQ(there, edge > naming) << "edge " << edge;
    }
    if (there) {
      ++good;
      ExpectGood(path);
      fs::remove(path);
    }
    ASSERT_EQ(Files(dir), 0U) << "litter after edge " << edge;
  };
  // Always those around the name, and as many more as were asked for, all in turn.
  for (const int edge : {0, naming - 1, naming, naming + 1, edges - 1}) kill_at(edge);
  const int stride = std::max(edges / std::max(g_kills, 1), 1);
  for (int round = 0; round < g_kills && !HasFatalFailure(); ++round)
    kill_at(round * stride % edges);
  const int kills = g_kills + 5;
  std::printf("%d edges, named at %d; %d kills: %d good canvases, %d times none\n", edges, naming,
              kills, good, kills - good);
  EXPECT_GT(good, 0) << "no kill came after the file was named";
  EXPECT_GT(kills - good, 0) << "no kill came before the file was named";
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
  if (argc == 3 && std::strcmp(argv[1], "--creator") == 0) _exit(canvas::Creator(argv[2]));
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i)
    if (!canvas::Number(argv[i], "--races=", canvas::g_races) &&
        !canvas::Number(argv[i], "--kills=", canvas::g_kills)) {
      std::fprintf(stderr, "usage: create_stress [--races=N] [--kills=N]\n");
      return 2;
    }
  return RUN_ALL_TESTS();
}
