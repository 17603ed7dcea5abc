// Where a thread's page faults were: the kernel notes the address of each (perf_event_open(2),
// PERF_COUNT_SW_PAGE_FAULTS), so that a fault in a window is told from one in the program's own
// text.
//
// Thread safety: of the thread that made it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace canvas::stress {

class FaultLog {
 public:
  FaultLog();
  FaultLog(const FaultLog&) = delete;
  FaultLog& operator=(const FaultLog&) = delete;
  ~FaultLog();

  // Each is a syscall. Between them every fault of this thread is noted.
  void Start() const;
  void Stop() const;
  // Those so far; the oldest few thousand where there were more. None where the kernel does not
  // tell.
  std::vector<std::uint64_t> Addresses() const;
  // "3 faults: 0x7f1200001000 in /tmp/x.canvas at 0x1000, ..."; what it may, where the kernel does
  // not tell.
  std::string ToString() const;

 private:
  int fd_ = -1;
  void* ring_ = nullptr;
};

// Every page of this program and its libraries is in memory and in the page tables afterwards, and
// locked where that is permitted. A realtime program does the same: a window locks what is the
// canvas's.
void LockProgram();

// Reads all of what this program has mapped of files, so that a memory group that is made
// afterwards is not charged with it, and cannot take it away.
void WarmProgram();

// Pages that the kernel has moved since it booted, to make room for larger ones or from one node to
// another: each is a fault for whoever has it mapped, locked or not.
std::uint64_t MovedPages();

}  // namespace canvas::stress
