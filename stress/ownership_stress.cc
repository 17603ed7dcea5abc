// Ownership: two processes race for a lane and exactly one gets it, every time; a forked child of
// an owner neither writes nor holds on; a stopped owner keeps its lane; a killed one frees it at
// once.
//
//   bazel run -c opt //stress:ownership_stress -- --races=100000
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

constexpr LaneId kLane(1);
constexpr PageRange kAll{PageIndex(0), PageIndex(100)};

Canvas Open(const std::string& path, const std::string& name) {
  return Must(
      Canvas::Open(path, {.access = Access::kReadWrite, .name = name, .sync_on_close = false}));
}

// Told 'o', tries to own and says 'w' or 'l'; told 'r', lets go and says 'r'; told 'f', forks a
// child that tries to write and lives on; ends with its input.
int Racer(const std::string& path, const std::string& name) {
  Canvas canvas = Open(path, name);
  std::optional<FrameWriter> writer;
  std::optional<pid_t> child;
  std::array<int, 2> life{};  // the child lives until this is closed
  if (pipe(life.data()) != 0) return 1;
  while (const auto told = Listen()) {
    if (*told == 'o') {
      auto owned = canvas.Writer(kLane, {.pages = kAll});
      if (owned)
        writer.emplace(*std::move(owned));
      else if (owned.error().code() != ErrorCode::kOwned)
        Broken(owned.error().Message());
      Say(owned ? 'w' : 'l');
    } else if (*told == 'r') {
      writer.reset();
      Say('r');
    } else if (*told == 'f') {
      child = fork();
      if (*child == 0) {
        close(life[1]);
        const auto written = writer->Write(Frame(0), Stamped(1, 0, 64, 1));
        Say(!written && written.error().code() == ErrorCode::kClosed ? 'c' : 'x');
        char byte = 0;
        (void)!read(life[0], &byte, 1);
        _exit(0);
      }
    }
  }
  close(life[1]);
  if (child) waitpid(*child, nullptr, 0);
  return 0;
}

std::vector<std::string> RacerArguments(const std::string& path, const std::string& name) {
  return {"--role=racer", "--path=" + path, "--name=" + name};
}

void Expect(const Child& child, char what, const char* when) {
  const auto said = child.Hear();
  if (!said || *said != what)
    Broken(fmt::format("{}: '{}' and not '{}'", when, said.value_or('-'), what));
}

void Race(const std::string& path, std::int64_t races) {
  const Child first(RacerArguments(path, "first"));
  const Child second(RacerArguments(path, "second"));
  std::array<std::int64_t, 2> won{};
  for (std::int64_t i = 0; i < races; ++i) {
    // Either may be told first.
    (i % 2 == 0 ? first : second).Tell('o');
    (i % 2 == 0 ? second : first).Tell('o');
    const char a = first.Hear().value_or('-');
    const char b = second.Hear().value_or('-');
    if ((a == 'w') == (b == 'w')) Broken(fmt::format("race {}: '{}' and '{}'", i, a, b));
    ++won[a == 'w' ? 0 : 1];
    const Child& winner = a == 'w' ? first : second;
    winner.Tell('r');
    Expect(winner, 'r', "letting go");
  }
  std::printf("%lld races: %lld won by one, %lld by the other\n", static_cast<long long>(races),
              static_cast<long long>(won[0]), static_cast<long long>(won[1]));
}

void Forked(const std::string& path) {
  const Child owner(RacerArguments(path, "owner"));
  owner.Tell('o');
  Expect(owner, 'w', "owning");
  owner.Tell('f');
  Expect(owner, 'c', "a forked child's write");
  Canvas canvas = Open(path, "rig");
  if (canvas.Writer(kLane, {.pages = kAll})) Broken("the parent's lane was given away");
  owner.Tell('r');
  Expect(owner, 'r', "letting go beside the child");
  Must(canvas.Writer(kLane, {.pages = kAll}));  // though the child lives
  std::printf("a forked child neither wrote nor held on\n");
}

void StoppedAndKilled(const std::string& path, std::int64_t rounds) {
  Canvas canvas = Open(path, "rig");
  for (std::int64_t i = 0; i < rounds; ++i) {
    Child owner(RacerArguments(path, "owner"));
    owner.Tell('o');
    Expect(owner, 'w', "owning");
    kill(owner.pid(), SIGSTOP);
    int status = 0;
    waitpid(owner.pid(), &status, WUNTRACED);
    const auto refused = canvas.Writer(kLane, {.pages = kAll});
    if (refused || refused.error().code() != ErrorCode::kOwned)
      Broken("a stopped owner lost its lane");
    if (refused.error().Message().find(fmt::format("owner (pid {}", owner.pid())) ==
        std::string::npos)
      Broken("the error does not name the owner: " + refused.error().Message());
    if (i % 2 == 0) {
      kill(owner.pid(), SIGCONT);
      owner.Tell('r');
      Expect(owner, 'r', "letting go after a stop");
    } else {
      owner.Kill();
      owner.Wait();
    }
    Must(canvas.Writer(kLane, {.pages = kAll}));  // at once
  }
  const std::size_t left = Must(canvas.Owners()).size();
  if (left != 0) Broken(fmt::format("{} owners are left", left));
  std::printf("%lld stopped owners kept their lane; those killed then freed it at once\n",
              static_cast<long long>(rounds));
}

int Run(const Arguments& arguments) {
  const testing::TempDir dir;
  const std::string path = dir.path("sut.canvas");
  Must(Canvas::Create(path, testing::SmallCanvas()));
  Must(Open(path, "rig").AddLane({.name = "sut", .channels = 2, .rate = {8000, 1}}));
  Race(path, arguments.Number("races"));
  Forked(path);
  StoppedAndKilled(path, arguments.Number("stops"));
  return 0;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(
      argc, argv, {{"races", "1000"}, {"stops", "40"}, {"role", ""}, {"path", ""}, {"name", ""}});
  if (arguments.Text("role") == "racer")
    return Racer(arguments.Text("path"), arguments.Text("name"));
  return Run(arguments);
}
