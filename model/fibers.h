// The threads of a model as fibers, instead of those that Relacy brings: include it before Relacy.
//
// Relacy goes through a switch at every operation on a word, and its own is a setjmp and a longjmp,
// also where the same thread goes on. A longjmp leaves calls that never return, after which the
// processor predicts the returns wrongly. Here a thread that goes on is not switched at all, and
// another is reached by one exchange of stacks.
//
// Elsewhere than on x86-64 Relacy's own are used.
#pragma once

#if defined(__x86_64__)
#define RL_PLATFORM_HPP  // what relacy/platform.hpp would define follows

#include <sys/times.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#define RL_INLINE inline __attribute__((always_inline))
#define RL_NOINLINE __attribute__((noinline))
#define RL_STRINGIZE_I(text) #text
#define RL_STRINGIZE(text) RL_STRINGIZE_I(text)
#define RL_STDCALL
#define RL_THROW_SPEC(ex) noexcept(false)
#define RL_RESTRICT

inline unsigned get_tick_count() {
  tms unused;
  return static_cast<unsigned>(times(&unused) * (1000 / sysconf(_SC_CLK_TCK)));
}
inline void set_low_thread_prio() {}

struct fiber_t {
  void* stack_pointer = nullptr;  // while it does not run
  void* stack = nullptr;
};

namespace model {

// Keeps what a call must not change on the stack it leaves, and takes it from the one it enters.
__attribute__((naked, noinline)) inline void SwitchStacks(void** /*left*/, void* /*entered*/) {
  asm("pushq %rbp\n\t"
      "pushq %rbx\n\t"
      "pushq %r12\n\t"
      "pushq %r13\n\t"
      "pushq %r14\n\t"
      "pushq %r15\n\t"
      "movq %rsp, (%rdi)\n\t"
      "movq %rsi, %rsp\n\t"
      "popq %r15\n\t"
      "popq %r14\n\t"
      "popq %r13\n\t"
      "popq %r12\n\t"
      "popq %rbx\n\t"
      "popq %rbp\n\t"
      "ret");
}
// Where a fiber begins: its function in rbx, the argument in r12. The function never returns.
__attribute__((naked, noinline)) inline void BeginFiber() {
  asm("movq %r12, %rdi\n\t"
      "call *%rbx\n\t"
      "ud2");
}

}  // namespace model

inline void create_main_fiber(fiber_t& fiber) { fiber = {}; }
inline void delete_main_fiber(fiber_t& /*fiber*/) {}

inline void create_fiber(fiber_t& fiber, void (*function)(void*), void* argument) {
  constexpr std::size_t kWords = 8192;
  fiber.stack = std::malloc(kWords * sizeof(std::uintptr_t));
  if (fiber.stack == nullptr) std::abort();
  // As SwitchStacks leaves a stack: r15, r14, r13, r12, rbx, rbp, where to go on. Above it, it is
  // aligned as a call wants it.
  auto* top = static_cast<std::uintptr_t*>(fiber.stack) + kWords - 2;
  *--top = reinterpret_cast<std::uintptr_t>(&model::BeginFiber);
  *--top = 0;
  *--top = reinterpret_cast<std::uintptr_t>(function);
  *--top = reinterpret_cast<std::uintptr_t>(argument);
  for (int i = 0; i < 3; ++i) *--top = 0;
  fiber.stack_pointer = top;
}
inline void delete_fiber(fiber_t& fiber) { std::free(fiber.stack); }

inline void switch_to_fiber(fiber_t& entered, fiber_t& left) {
  if (&entered != &left) model::SwitchStacks(&left.stack_pointer, entered.stack_pointer);
}
#endif
