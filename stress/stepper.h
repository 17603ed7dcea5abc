// Runs a piece of this program one instruction at a time: the processor's trap flag raises SIGTRAP
// after each (Intel SDM vol. 3B, 18.3.1.4), and the handler calls back. Syscalls are one step.
//
// Thread safety: one thread at a time, one stepper at a time.
#pragma once

#include <cstdint>

// Under ThreadSanitizer the handler would interrupt its runtime anywhere, which that does not bear:
// rigs skip there, aloud.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CANVAS_STEPS_UNDER_TSAN 1
#endif
#endif
#ifdef CANVAS_STEPS_UNDER_TSAN
#define CANVAS_UNINSTRUMENTED \
  __attribute__((no_sanitize("thread"), disable_sanitizer_instrumentation))
#else
#define CANVAS_UNINSTRUMENTED
#endif

namespace canvas::stress {

class Stepper {
 public:
  // Whether this machine steps.
  static bool Supported();

  // Calls `on_step(context, n)` after the n-th instruction from Start on, counted from 1. It runs
  // in a signal handler, without being stepped itself.
  Stepper(void (*on_step)(void*, std::uint64_t), void* context);
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;
  ~Stepper();

  void Start();
  // Starts by itself at the first store to the 4 KiB at `page` of a writable mapping: everything
  // before runs unstepped.
  void StartAtStoreTo(void* page);
  // Answers how many steps there were.
  std::uint64_t Stop();
};

}  // namespace canvas::stress
