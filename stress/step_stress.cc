// Step: what an owner does is run one instruction at a time, and after every instruction the file
// is as a kill there would leave it. Each of these files is handed to a reader and to a successor,
// and judged. Beside it, real SIGKILLs: at every instruction on a canvas of 512-byte blocks, at
// some on a real one.
//
//   bazel run -c opt //stress:step_stress -- --samples=1000 --all=1
//
// A file is copied as what changed in it since the last instruction (what is stored is in the
// shared mapping, which is all a kill leaves), with the size that it had and the space that was
// reserved for it; many instructions store nothing, so there are fewer different files than
// instructions. And nothing may be stored where no space was reserved before.
#include <cstdint>
#include <cstdio>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"
#include "stress/step/cases.h"
#include "stress/step/kills.h"
#include "stress/step/stepped.h"
#include "stress/step/subject.h"
#include "stress/stepper.h"

namespace canvas::stress {
namespace {

int Run(const Arguments& arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
#ifdef CANVAS_STEPS_UNDER_TSAN
  std::printf("SKIPPED: ThreadSanitizer's runtime does not bear being interrupted everywhere\n");
  return 0;
#endif
  if (!Stepper::Supported()) {
    std::printf("SKIPPED: this machine does not step by the trap flag: nothing was shown\n");
    return 0;
  }
  Totals totals;
  const std::int64_t scale = arguments.Number("scale");
  if (scale == 0) {
    CreateOptions real;
    real.layout.wide_slots = 2;
    real.layout.small_slots = 0;
    real.capacity_seconds = 180;
    std::printf("blocks of 32 KiB:\n");
    const Bench bench(real);
    for (const Case& test : Cases(bench))
      if (!test.longer || arguments.Number("all") != 0) StepThrough(bench, test, totals);
    StepRepair(bench, {5}, totals);
    KillThrough("overwrite, killed", bench, static_cast<std::uint64_t>(arguments.Number("samples")),
                totals);
  }
  std::printf("blocks of 512 B:\n");
  const Bench small(testing::SmallCanvas());
  for (const Case& test : Cases(small)) StepThrough(small, test, totals);
  StepRepair(small, {2, 3, 4, 5, 6, 7, 8, 9}, totals);
  KillThrough("overwrite, killed", small, static_cast<std::uint64_t>(scale), totals);
  std::printf("%lu points, %lu different files, each repaired and judged\n", totals.points,
              totals.files);
  if (!totals.spaced)
    std::printf("SKIPPED: reserved space: this file system does not tell what it reserved\n");
  return 0;
}

}  // namespace
}  // namespace canvas::stress

// --scale=N: in miniature, for sanitizers: small blocks only, and N kills.
int main(int argc, char** argv) {
  const canvas::stress::Arguments arguments(argc, argv,
                                            {{"samples", "8"}, {"scale", "0"}, {"all", "0"}});
  return canvas::stress::Run(arguments);
}
