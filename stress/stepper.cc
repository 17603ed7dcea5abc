#include "stress/stepper.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <csignal>

// libc's own, past a sanitizer's: it would call the handler later, or from code of its own.
extern "C" int __sigaction(int signal, const struct sigaction* action, struct sigaction* before);

namespace canvas::stress {
namespace {

void (*g_on_step)(void*, std::uint64_t) = nullptr;
void* g_context = nullptr;
volatile std::uint64_t g_steps = 0;
volatile bool g_stepping = false;
void* g_page = nullptr;
struct sigaction g_before {};
struct sigaction g_before_segv {};
constexpr std::size_t kPageBytes = 4096;

#if defined(__x86_64__)

constexpr long long kTrapFlag = 0x100;

CANVAS_UNINSTRUMENTED void OnTrap(int /*signal*/, siginfo_t* /*info*/, void* raw) {
  auto* context = static_cast<ucontext_t*>(raw);
  if (!g_stepping) {
    context->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    return;
  }
  g_steps = g_steps + 1;
  g_on_step(g_context, g_steps);
}

// The awaited store: from here on every instruction is stepped, the store first.
CANVAS_UNINSTRUMENTED void OnStore(int /*signal*/, siginfo_t* info, void* raw) {
  auto* at = static_cast<char*>(info->si_addr);
  auto* page = static_cast<char*>(g_page);
  if (page == nullptr || at < page || at >= page + kPageBytes) _exit(4);
  syscall(SYS_mprotect, page, kPageBytes, PROT_READ | PROT_WRITE);
  g_page = nullptr;
  g_stepping = true;
  static_cast<ucontext_t*>(raw)->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

// The 128 bytes below the stack pointer belong to whoever was compiled to use them.
CANVAS_UNINSTRUMENTED void SetTrapFlag() {
  __asm__ volatile(
      "lea -128(%%rsp), %%rsp\n\t"
      "pushfq\n\t"
      "orq $0x100, (%%rsp)\n\t"
      "popfq\n\t"
      "lea 128(%%rsp), %%rsp" ::
          : "memory", "cc");
}

#endif

}  // namespace

bool Stepper::Supported() {
#if defined(__x86_64__)
  std::uint64_t steps = 0;
  Stepper probe([](void* count, std::uint64_t n) { *static_cast<std::uint64_t*>(count) = n; },
                &steps);
  probe.Start();
  probe.Stop();
  return steps > 0;
#else
  return false;
#endif
}

Stepper::Stepper(void (*on_step)(void*, std::uint64_t), void* context) {
  g_on_step = on_step;
  g_context = context;
#if defined(__x86_64__)
  struct sigaction action {};
  action.sa_sigaction = OnTrap;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  __sigaction(SIGTRAP, &action, &g_before);
  action.sa_sigaction = OnStore;
  __sigaction(SIGSEGV, &action, &g_before_segv);
#endif
}

Stepper::~Stepper() {
  Stop();
  __sigaction(SIGTRAP, &g_before, nullptr);
  __sigaction(SIGSEGV, &g_before_segv, nullptr);
}

void Stepper::Start() {
  g_steps = 0;
  g_stepping = true;
#if defined(__x86_64__)
  SetTrapFlag();
#endif
}

void Stepper::StartAtStoreTo(void* page) {
  g_steps = 0;
  g_stepping = false;
  g_page = page;
  mprotect(page, kPageBytes, PROT_READ);
}

std::uint64_t Stepper::Stop() {
  g_stepping = false;  // the next trap clears the flag
  return g_steps;
}

}  // namespace canvas::stress
