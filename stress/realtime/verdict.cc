#include "stress/realtime/verdict.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "stress/rig.h"

namespace canvas::stress {

using testing::RealtimeCounts;
using testing::RealtimeGuard;

bool MayLock() {
  constexpr std::size_t kEnough = 6 << 20;
  void* memory = mmap(nullptr, kEnough, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool may = memory != MAP_FAILED && syscall(SYS_mlock, memory, kEnough) == 0;
  munmap(memory, kEnough);
  return may;
}

void Judge(const RealtimeGuard& guard, const FaultLog& log, std::uint64_t moved,
           const WindowReport& window, bool may_lock) {
  const RealtimeCounts& counts = guard.counts();
  fmt::print("guard: {}\n", counts.ToString());
  std::string why;
  if (!RealtimeGuard::Complete(&why)) {
    fmt::print("SKIPPED: the guard: {}\n", why);
    return;
  }
  if (counts.syscalls + counts.allocations + counts.locks != 0)
    Broken("the guard counted, first " + guard.First());
  if (!window.locked && may_lock)
    Broken("a window that may be locked, and is not: " + window.message);
  if (!window.locked) {
    fmt::print("SKIPPED: page faults: the claim is for windows that are locked, and {}\n",
               window.message);
    return;
  }
  if (counts.minor_faults + counts.major_faults == 0) return;
  if (moved == 0) Broken("page faults under the guard; " + log.ToString());
  fmt::print("SKIPPED: page faults: the kernel moved {} pages meanwhile, locked ones perhaps; {}\n",
             moved, log.ToString());
}

}  // namespace canvas::stress
