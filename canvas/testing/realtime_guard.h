// A guard for scopes of a thread that must do nothing but compute: it counts, and on demand traps,
// what a realtime thread must not do.
//
//   syscalls      every one, by Syscall User Dispatch (prctl(2), PR_SET_SYSCALL_USER_DISPATCH): the
//                 kernel raises SIGSYS instead, the handler counts, does it, and goes on. The
//                 vDSO's clock is no syscall. Blocking calls (futex and all others) are caught by
//                 this
//   allocations   malloc, calloc, realloc, free and their kin, and through them new and delete;
//                 mmap, munmap, mremap, brk, sbrk: by interposed functions
//   locks         pthread mutexes, read-write locks, spin locks, condition variables, semaphores:
//                 interposed too, for an uncontended lock makes no syscall
//   page faults   minor and major, by getrusage(2), RUSAGE_THREAD, before and after
//
// A program that links this has its malloc and pthread functions interposed: a few instructions
// each. Under sanitizers, which interpose them themselves, and on other processors the guard counts
// page faults alone, and says so.
//
// Thread safety: a guard belongs to the thread that made it; at most one a thread.
#pragma once

#include <cstdint>
#include <string>

namespace canvas::testing {

struct RealtimeCounts {
  std::uint64_t syscalls = 0;
  std::uint64_t allocations = 0;
  std::uint64_t locks = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;

  std::uint64_t total() const {
    return syscalls + allocations + locks + minor_faults + major_faults;
  }
  RealtimeCounts& operator+=(const RealtimeCounts& other);
  // "0 syscalls, 0 allocations, 0 locks, 0 minor and 0 major page faults"
  std::string ToString() const;
};

class RealtimeGuard {
 public:
  enum class Mode : std::uint8_t {
    kCount,
    kTrap,  // the first violation but a page fault ends the program, saying what it was, and where
  };
  // Whether everything is counted here; why not.
  static bool Complete(std::string* why = nullptr);

  explicit RealtimeGuard(Mode mode = Mode::kCount);
  RealtimeGuard(const RealtimeGuard&) = delete;
  RealtimeGuard& operator=(const RealtimeGuard&) = delete;
  ~RealtimeGuard();

  // Begins and ends a guarded scope. Each costs a syscall, outside of it. In another thread than
  // the maker's they end the program: nothing would be counted.
  void Arm();
  void Disarm();

  // Of all scopes so far.
  const RealtimeCounts& counts() const { return counts_; }
  // The first violation but a page fault: what, and from which address; empty where there was none.
  // Any thread, when no scope is armed.
  std::string First() const;

 private:
  RealtimeCounts counts_;
  const void* thread_ = nullptr;  // the maker's
  const char* first_ = nullptr;
  long first_number_ = -1;
  const void* first_from_ = nullptr;
  std::uint64_t minor_before_ = 0;
  std::uint64_t major_before_ = 0;
};

}  // namespace canvas::testing
