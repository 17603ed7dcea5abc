// Realtime reads under the guard: while other processes append, overwrite, punch, edit the metadata
// and sync, and memory is short, a reader in a resident and locked window does
//   no syscall, no allocation, no lock, no page fault
// in --reads block reads over sixteen lanes: in order, backwards, at random, across the edges of
// blocks and pages, and as many views. No fault is allowed. Only where the kernel counts pages that
// it moved meanwhile is the verdict none, aloud: it may move a locked page of any program.
//
// Then a second reader, under a seccomp filter that kills at any syscall, reads and ends well; and
// with a planted getpid it is killed.
//
// Then a canvas that was read by read(2) before, as a backup does, so that the kernel keeps it in
// large folios, and a neighbour in every second slot that is given back and written all the time.
// Where the slots lie 4 KiB apart, folios lie across two of them, and the reader must fault: that
// shows that this machine has such folios. As canvases are made by default it must not.
//
//   realtime_stress [--reads=10000000] [--seed=N] [--balloon=1] [--align=BYTES]
//
// --align runs the last part alone, and demands no faults at that alignment: at 4096 it fails.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "canvas/testing/testing.h"
#include "stress/fault_log.h"
#include "stress/realtime/guarded_reader.h"
#include "stress/realtime/material.h"
#include "stress/realtime/memory_pressure.h"
#include "stress/realtime/neighbours.h"
#include "stress/realtime/others.h"
#include "stress/realtime/seccomp_reader.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

std::vector<std::string> Role(const Arguments& arguments, const std::string& name,
                              const std::string& path, std::uint32_t seed) {
  return {"--role=" + name, "--path=" + path, fmt::format("--seed={}", seed),
          "--reads=" + arguments.Text("reads")};
}

// Takes memory away, until it is killed.
Child StartBalloon(const Arguments& arguments, const testing::TempDir& directory,
                   std::uint32_t seed) {
  const std::string zeros = directory.path("zeros");
  close(open(zeros.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (truncate(zeros.c_str(), off_t{1} << 30) != 0) std::abort();
  Child balloon(Role(arguments, "balloon", zeros, seed));
  if (balloon.Hear() != 'b') Broken("the balloon did not begin");
  return balloon;
}

bool WasShort(const Unlocked& unlocked) {
  const std::size_t evicted = unlocked.Evicted();
  std::printf("balloon: took %zu of %zu pages of a mapping that is not locked\n", evicted,
              unlocked.pages());
  if (evicted >= unlocked.pages() / 2) return true;
  std::puts("memory was never short: the balloon shows nothing");
  return false;
}

bool ReadsUnderSeccomp(const std::vector<std::string>& good_role,
                       const std::vector<std::string>& planted_role) {
  if (testing::kSanitized) {
    std::puts("SKIPPED: seccomp: sanitizers call the kernel themselves");
    return true;
  }
  const int good = Child(good_role).Wait();
  const int planted = Child(planted_role).Wait();
  if (good == 77) {
    std::puts("SKIPPED: no seccomp filter may be set here");
    return true;
  }
  std::printf("under seccomp: %s; with a planted syscall: %s\n",
              good == 0 ? "read, and ended well" : fmt::format("ended with {}", good).c_str(),
              planted == 128 + SIGSYS ? "killed" : fmt::format("ended with {}", planted).c_str());
  return good == 0 && planted == 128 + SIGSYS;
}

bool EndAll(std::vector<Child>& others) {
  bool all_killed = true;
  for (const Child& child : others) child.Kill();
  for (Child& child : others)
    if (const int code = child.Wait(); code != 128 + SIGKILL) {
      std::printf("one of the others ended by itself, with %d\n", code);
      all_killed = false;
    }
  return all_killed;
}

// The readers, beside all others. In the group: the reader, whose window is charged to it, and the
// balloon.
bool RunReaders(const Arguments& arguments, const testing::TempDir& directory,
                const std::string& path, std::uint32_t seed, MemoryGroup* group) {
  bool good = true;
  std::vector<Child> others;
  std::optional<Unlocked> unlocked;
  if (group != nullptr) {
    unlocked.emplace(directory.path("unlocked"));
    others.push_back(StartBalloon(arguments, directory, seed));
  }
  Child reader(Role(arguments, "read", path, seed));
  if (reader.Hear() != 'b') Broken("the reader did not begin");
  if (group != nullptr) group->Leave();
  for (const char* name : {"overwrite", "append", "edit", "punch", "sync"}) {
    others.emplace_back(Role(arguments, name, path, seed));
    if (others.back().Hear() != 'b') Broken("a process did not begin");
  }
  reader.Tell('g');
  const std::string said = reader.HearAll();
  std::fputs(said.c_str(), stdout);
  if (const int code = reader.Wait(); code != 0) {
    std::printf("the guarded reader ended with %d\n", code);
    good = false;
  }
  if (unlocked) good = WasShort(*unlocked) && good;
  good = ReadsUnderSeccomp(Role(arguments, "seccomp", path, seed),
                           Role(arguments, "planted", path, seed)) &&
         good;
  return EndAll(others) && good;
}

int Run(const Arguments& arguments) {
  if (const std::int64_t align = arguments.Number("align"); align != 0) return RunNeighbours(align);
  const std::uint32_t seed = ChooseSeed(arguments);
  testing::TempDir directory;
  const std::string path = directory.path("realtime.canvas");
  Prepare(path);
  std::unique_ptr<MemoryGroup> group;
  if (arguments.Number("balloon") != 0) {
    // Pages are charged to the first process that reads them: the canvas's to the reader, which is
    // in the group, and the program's to nobody in it.
    WarmProgram();
    EvictFromCache(path);
    group = MemoryGroup::Make(std::uint64_t{192} << 20);
  }
  const bool good = RunReaders(arguments, directory, path, seed, group.get());
  group.reset();
  return (good ? 0 : 1) | RunNeighbours(0);
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(argc, argv,
                            {{"reads", "10000000"},
                             {"seed", "0"},
                             {"balloon", "1"},
                             {"align", "0"},
                             {"role", ""},
                             {"path", ""}});
  const std::string& role = arguments.Text("role");
  const std::string& path = arguments.Text("path");
  const auto seed = static_cast<std::uint32_t>(arguments.Number("seed"));
  const std::int64_t reads = arguments.Number("reads");
  if (role.empty()) return Run(arguments);
  if (role == "read") ReadUnderGuard(path, reads, seed);
  if (role == "seccomp" || role == "planted")
    ReadUnderSeccomp(path, std::min<std::int64_t>(reads, 200'000), role == "planted");
  if (role == "overwrite") Overwrite(path, seed);
  if (role == "append") Append(path);
  if (role == "edit") Edit(path);
  if (role == "punch") Punch(path);
  if (role == "sync") SyncAlways(path);
  if (role == "balloon") Balloon(path);
  if (role == "neighbour") Neighbour(path);
  if (role == "beside" || role == "count") ReadBesideNeighbours(path, role == "count");
  return 0;
}
