#include "stress/step/kills.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "canvas/api/canvas.h"
#include "canvas/format/geometry.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"
#include "stress/stepper.h"

namespace canvas::stress {

namespace {

// Where this process has the owner table of a file mapped for writing: an owner's first store of an
// overwrite, its intent, goes there.
void* OwnerTablePage(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    if (line.find(" rw-s 00000000 ") == std::string::npos || !line.ends_with(path)) continue;
    return reinterpret_cast<void*>(std::strtoull(line.c_str(), nullptr, 16) +
                                   format::kOwnerTableOffset);
  }
  Broken("the canvas is not mapped");
}

// A real kill: a child does `act` and is killed after `n` steps from its first store to the owner
// table on; 0: counts them. Before, it does `warm_up`, so that no step is the dynamic linker's.
std::uint64_t KillAt(const Bench& bench, std::uint64_t n,
                     const std::function<void(FrameWriter&)>& warm_up,
                     const std::function<void(FrameWriter&)>& act) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    Canvas canvas = Bench::Open(bench.path);
    FrameWriter writer = Must(canvas.Writer(kLane, {.pages = kFirstPages}));
    warm_up(writer);
    std::uint64_t limit = n;
    Stepper stepper(
        [](void* at, std::uint64_t step) CANVAS_UNINSTRUMENTED {
          if (step == *static_cast<std::uint64_t*>(at)) syscall(SYS_kill, getpid(), SIGKILL);
        },
        &limit);
    stepper.StartAtStoreTo(OwnerTablePage(bench.path));
    act(writer);
    const std::uint64_t steps = stepper.Stop();
    (void)!write(pipe_ends[1], &steps, sizeof steps);
    _exit(0);
  }
  close(pipe_ends[1]);
  std::uint64_t steps = 0;
  (void)!read(pipe_ends[0], &steps, sizeof steps);
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (n != 0 && steps == 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
    Broken("the child ended in another way");
  return steps;
}

}  // namespace

void KillThrough(const char* name, const Bench& bench, std::uint64_t most, Totals& totals) {
  std::uint32_t epoch = LookAt(bench.path, bench).epochs[2];
  std::vector<float> old_samples;
  std::vector<float> samples;
  const auto warm_up = [&](FrameWriter& writer) {
    Must(writer.Write(Frame(2 * bench.block), old_samples));
  };
  const auto overwrite = [&](FrameWriter& writer) {
    Must(writer.Write(Frame(2 * bench.block), samples));
  };
  const auto next_epoch = [&] {
    old_samples =
        Stamped(kLaneNumber, 2 * bench.block, static_cast<std::uint64_t>(bench.block), epoch);
    samples =
        Stamped(kLaneNumber, 2 * bench.block, static_cast<std::uint64_t>(bench.block), epoch + 1);
  };
  next_epoch();
  const std::uint64_t steps = KillAt(bench, 0, warm_up, overwrite);
  if (steps == 0) Broken(std::string(name) + ": nothing was stepped");
  ++epoch;
  const std::uint64_t stride = most == 0 ? 1 : std::max<std::uint64_t>(steps / most, 1);
  std::uint64_t kills = 0;
  std::uint64_t old = 0;
  for (std::uint64_t n = 1; n <= steps; n += stride) {
    const Look before = LookAt(bench.path, bench);
    next_epoch();
    KillAt(bench, n, warm_up, overwrite);
    ++kills;
    const Look dead = LookAt(bench.path, bench);
    Look expected = before;
    if (dead.epochs[2] == epoch + 1)
      expected.epochs[2] = ++epoch;
    else
      ++old;
    if (!(dead == expected)) Broken(fmt::format("{}: killed at {}: another content", name, n));
    Canvas successor = Bench::Open(bench.path);
    { LaneOwner next = Must(successor.Own(kLane, {.pages = kFirstPages})); }
    if (!(LookAt(bench.path, bench) == dead))
      Broken(fmt::format("{}: killed at {}: the takeover changed what readers see", name, n));
  }
  if (most == 0 && (old == 0 || old == kills))
    Broken(std::string(name) + ": only one content was ever seen");
  const CheckReport report = Must(Must(Canvas::Open(bench.path)).Check());
  if (!report.ok() || !report.notes.empty()) Broken(std::string(name) + ": something is left over");
  std::printf("  %-34s %8lu points, %6lu SIGKILLs: %lu old, %lu new\n", name, steps, kills, old,
              kills - old);
  totals.points += kills;
}

void StepRepair(const Bench& bench, const std::vector<std::uint64_t>& tenths, Totals& totals) {
  const std::int64_t block = bench.block;
  const auto frames = static_cast<std::uint64_t>(block);
  const auto old = Stamped(kLaneNumber, 0, frames, 4);
  const auto fresh = Stamped(kLaneNumber, 0, frames, 9);
  const auto overwrite = [&](FrameWriter& writer) { Must(writer.Write(Frame(0), fresh)); };
  const std::uint64_t steps = KillAt(bench, 0, overwrite, overwrite);
  const auto restore = [&](FrameWriter& writer) { Must(writer.Write(Frame(0), old)); };
  for (const std::uint64_t tenth : tenths) {
    KillAt(bench, 0, restore, restore);
    KillAt(bench, steps * tenth / 10, restore, overwrite);
    const std::string name = fmt::format("taking over from {}0% of one", tenth);
    StepThrough(
        bench,
        {name.c_str(),
         [](Canvas& canvas, FrameWriter*) { Must(canvas.Own(kLane, {.pages = kFirstPages})); },
         false, 1},
        totals);
  }
}

}  // namespace canvas::stress
