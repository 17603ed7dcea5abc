#include "canvas/testing/realtime_guard.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CANVAS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CANVAS_SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && !defined(CANVAS_SANITIZED)
#define CANVAS_FULL_GUARD 1
#endif

namespace canvas::testing {
namespace {

// One thread's. Initial-exec: looking at it never allocates.
struct PerThread {
  // What the kernel looks at, at every syscall: SYSCALL_DISPATCH_FILTER_ALLOW or _BLOCK.
  char selector = 0;
  bool armed = false;
  bool trap = false;
  RealtimeCounts counts;
  const char* first = nullptr;
  long first_number = -1;
  const void* first_from = nullptr;
};
constinit thread_local PerThread t_thread __attribute__((tls_model("initial-exec")));

}  // namespace

#ifdef CANVAS_FULL_GUARD

namespace {

void Note(const char* what, long number, const void* from) {
  if (t_thread.first == nullptr) {
    t_thread.first = what;
    t_thread.first_number = number;
    t_thread.first_from = from;
  }
  if (!t_thread.trap) return;
  t_thread.armed = false;
  t_thread.selector = 0;
  char text[160];
  const int length =
      std::snprintf(text, sizeof text, "realtime guard: %s %ld inside a realtime scope, from %p\n",
                    what, number, from);
  (void)!write(STDERR_FILENO, text, static_cast<std::size_t>(length));
  void* frames[32];
  backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
  std::abort();
}

}  // namespace

// For the interposed functions, which are outside the namespace.
void NoteAllocation(const char* what, const void* from) {
  if (!t_thread.armed) [[likely]]
    return;
  ++t_thread.counts.allocations;
  Note(what, 0, from);
}
void NoteLock(const char* what, const void* from) {
  if (!t_thread.armed) [[likely]]
    return;
  ++t_thread.counts.locks;
  Note(what, 0, from);
}

namespace {

// Where a handler returns to. The only place from which an armed thread may call the kernel.
extern "C" void canvas_guard_restorer();
asm(".text\n\t"
    ".p2align 4\n"
    ".type canvas_guard_restorer, @function\n"
    "canvas_guard_restorer:\n\t"
    "mov $15, %eax\n\t"  // rt_sigreturn
    "syscall\n\t"
    ".p2align 4\n\t"
    ".size canvas_guard_restorer, . - canvas_guard_restorer");
constexpr unsigned long kRestorerBytes = 16;

// As the kernel takes it (asm/signal.h).
struct KernelSigaction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  std::uint64_t mask;
};

long RawSyscall(const greg_t* regs) {
  long result = 0;
  register long r10 asm("r10") = regs[REG_R10];
  register long r8 asm("r8") = regs[REG_R8];
  register long r9 asm("r9") = regs[REG_R9];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(regs[REG_RAX]), "D"(regs[REG_RDI]), "S"(regs[REG_RSI]), "d"(regs[REG_RDX]),
                 "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

void OnSyscall(int /*signal*/, siginfo_t* info, void* context) {
  t_thread.selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  greg_t* regs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const bool armed = t_thread.armed;
  if (armed) {
    ++t_thread.counts.syscalls;
    Note("syscall", info->si_syscall, info->si_call_addr);
  }
  // A new thread or process would start in the middle of this handler.
  if (info->si_syscall == SYS_clone || info->si_syscall == SYS_fork ||
      info->si_syscall == SYS_vfork || info->si_syscall == SYS_clone3) {
    regs[REG_RAX] = -ENOSYS;
  } else {
    regs[REG_RAX] = info->si_syscall;
    regs[REG_RAX] = RawSyscall(regs);
  }
  if (armed && t_thread.armed) t_thread.selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

void InstallHandler() {
  KernelSigaction action{};
  action.handler = &OnSyscall;
  action.flags = SA_SIGINFO | 0x04000000UL;  // SA_RESTORER
  action.restorer = &canvas_guard_restorer;
  syscall(SYS_rt_sigaction, SIGSYS, &action, nullptr, sizeof action.mask);
}

bool Dispatch(bool on) {
  if (on)
    return prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
                 reinterpret_cast<unsigned long>(&canvas_guard_restorer), kRestorerBytes,
                 &t_thread.selector) == 0;
  return prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0UL, 0UL, 0UL) == 0;
}

}  // namespace

#endif

bool RealtimeGuard::Complete(std::string* why) {
#ifdef CANVAS_FULL_GUARD
  static const bool works = [] {
    const bool on = Dispatch(true);
    if (on) Dispatch(false);
    return on;
  }();
  if (!works && why != nullptr)
    *why = "the kernel has no Syscall User Dispatch (Linux 5.11), or does not permit it";
  return works;
#else
  if (why != nullptr)
    *why = "under sanitizers and on other processors only page faults are counted";
  return false;
#endif
}

RealtimeGuard::RealtimeGuard(Mode mode) : thread_(&t_thread) {
  t_thread = PerThread{};
  t_thread.trap = mode == Mode::kTrap;
  if (!Complete()) return;
#ifdef CANVAS_FULL_GUARD
  InstallHandler();
  Dispatch(true);
  // Once round, so that nothing of it is new when it counts: the handler's pages, the clock's.
  const bool trap = std::exchange(t_thread.trap, false);
  Arm();
  syscall(SYS_getppid);
  Disarm();
  t_thread.trap = trap;
#endif
  counts_ = {};
  t_thread.counts = {};
  t_thread.first = nullptr;
  first_ = nullptr;
}

RealtimeGuard::~RealtimeGuard() {
  if (thread_ != &t_thread) return;  // its thread is gone, and with it what was set there
  t_thread.armed = false;
  t_thread.selector = 0;
#ifdef CANVAS_FULL_GUARD
  if (Complete()) Dispatch(false);
#endif
}

void RealtimeGuard::Arm() {
  if (thread_ != &t_thread) {
    std::fputs("realtime guard: armed in another thread than it was made in\n", stderr);
    std::abort();
  }
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  minor_before_ = static_cast<std::uint64_t>(usage.ru_minflt);
  major_before_ = static_cast<std::uint64_t>(usage.ru_majflt);
  t_thread.armed = true;
#ifdef CANVAS_FULL_GUARD
  t_thread.selector = SYSCALL_DISPATCH_FILTER_BLOCK;
#endif
  // The compiler keeps what is guarded between these two.
  asm volatile("" ::: "memory");
}

void RealtimeGuard::Disarm() {
  asm volatile("" ::: "memory");
  t_thread.selector = 0;
  t_thread.armed = false;
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  RealtimeCounts scope = t_thread.counts;
  t_thread.counts = {};
  scope.minor_faults = static_cast<std::uint64_t>(usage.ru_minflt) - minor_before_;
  scope.major_faults = static_cast<std::uint64_t>(usage.ru_majflt) - major_before_;
  counts_ += scope;
  if (first_ == nullptr && t_thread.first != nullptr) {
    first_ = t_thread.first;
    first_number_ = t_thread.first_number;
    first_from_ = t_thread.first_from;
  }
}

std::string RealtimeGuard::First() const {
  if (first_ == nullptr) return {};
  return fmt::format("{} {} from {}", first_, first_number_, first_from_);
}

RealtimeCounts& RealtimeCounts::operator+=(const RealtimeCounts& other) {
  syscalls += other.syscalls;
  allocations += other.allocations;
  locks += other.locks;
  minor_faults += other.minor_faults;
  major_faults += other.major_faults;
  return *this;
}

std::string RealtimeCounts::ToString() const {
  return fmt::format("{} syscalls, {} allocations, {} locks, {} minor and {} major page faults",
                     syscalls, allocations, locks, minor_faults, major_faults);
}

}  // namespace canvas::testing

#ifdef CANVAS_FULL_GUARD

// Interposed: what the program calls instead of libc's, by symbol resolution order.
namespace {

using canvas::testing::NoteAllocation;
using canvas::testing::NoteLock;

// libc's function of this name, which the one here stands before.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#define CANVAS_FROM __builtin_return_address(0)

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) {
  NoteAllocation("malloc", CANVAS_FROM);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  NoteAllocation("calloc", CANVAS_FROM);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  NoteAllocation("realloc", CANVAS_FROM);
  return __libc_realloc(old, bytes);
}
void* reallocarray(void* old, std::size_t count, std::size_t bytes) {
  NoteAllocation("reallocarray", CANVAS_FROM);
  std::size_t all = 0;
  if (__builtin_mul_overflow(count, bytes, &all)) {
    errno = ENOMEM;
    return nullptr;
  }
  return __libc_realloc(old, all);
}
void free(void* memory) {
  NoteAllocation("free", CANVAS_FROM);
  __libc_free(memory);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  NoteAllocation("memalign", CANVAS_FROM);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  NoteAllocation("aligned_alloc", CANVAS_FROM);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  NoteAllocation("posix_memalign", CANVAS_FROM);
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
void* valloc(std::size_t bytes) {
  NoteAllocation("valloc", CANVAS_FROM);
  return __libc_memalign(4096, bytes);
}

// These are also syscalls, and counted as both.
void* mmap(void* address, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
  NoteAllocation("mmap", CANVAS_FROM);
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
}
void* mmap64(void* address, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
  NoteAllocation("mmap", CANVAS_FROM);
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
}
int munmap(void* address, std::size_t bytes) {
  NoteAllocation("munmap", CANVAS_FROM);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}
void* mremap(void* old, std::size_t old_bytes, std::size_t bytes, int flags, ...) {
  NoteAllocation("mremap", CANVAS_FROM);
  va_list rest;
  va_start(rest, flags);
  void* to = va_arg(rest, void*);
  va_end(rest);
  return reinterpret_cast<void*>(syscall(SYS_mremap, old, old_bytes, bytes, flags, to));
}
int brk(void* end) {
  static auto* const next = Next<int(void*)>("brk");
  NoteAllocation("brk", CANVAS_FROM);
  return next(end);
}
void* sbrk(std::intptr_t step) {
  static auto* const next = Next<void*(std::intptr_t)>("sbrk");
  NoteAllocation("sbrk", CANVAS_FROM);
  return next(step);
}

}  // extern "C"

// Locks go on to libc's own. They are looked up before main: looking up takes a lock itself.
#define CANVAS_LOCKS(X)                                                                        \
  X(int, pthread_mutex_lock, (pthread_mutex_t * a), (a))                                       \
  X(int, pthread_mutex_trylock, (pthread_mutex_t * a), (a))                                    \
  X(int, pthread_mutex_timedlock, (pthread_mutex_t * a, const timespec* b), (a, b))            \
  X(int, pthread_mutex_unlock, (pthread_mutex_t * a), (a))                                     \
  X(int, pthread_rwlock_rdlock, (pthread_rwlock_t * a), (a))                                   \
  X(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * a), (a))                                \
  X(int, pthread_rwlock_wrlock, (pthread_rwlock_t * a), (a))                                   \
  X(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * a), (a))                                \
  X(int, pthread_rwlock_unlock, (pthread_rwlock_t * a), (a))                                   \
  X(int, pthread_spin_lock, (pthread_spinlock_t * a), (a))                                     \
  X(int, pthread_spin_trylock, (pthread_spinlock_t * a), (a))                                  \
  X(int, pthread_cond_wait, (pthread_cond_t * a, pthread_mutex_t * b), (a, b))                 \
  X(int, pthread_cond_timedwait, (pthread_cond_t * a, pthread_mutex_t * b, const timespec* c), \
    (a, b, c))                                                                                 \
  X(int, pthread_cond_clockwait,                                                               \
    (pthread_cond_t * a, pthread_mutex_t * b, clockid_t c, const timespec* d), (a, b, c, d))   \
  X(int, pthread_cond_signal, (pthread_cond_t * a), (a))                                       \
  X(int, pthread_cond_broadcast, (pthread_cond_t * a), (a))                                    \
  X(int, sem_wait, (sem_t * a), (a))                                                           \
  X(int, sem_trywait, (sem_t * a), (a))                                                        \
  X(int, sem_post, (sem_t * a), (a))

#define CANVAS_DEFINE(result, name, parameters, arguments)                        \
  namespace {                                                                     \
  result(*g_next_##name) parameters = Next<result parameters>(#name);             \
  }                                                                               \
  extern "C" result name parameters CANVAS_THROWS_##name {                        \
    NoteLock(#name, CANVAS_FROM);                                                 \
    if (g_next_##name == nullptr) g_next_##name = Next<result parameters>(#name); \
    return g_next_##name arguments;                                               \
  }

// Cancellation points may unwind; glibc declares the others as throwing nothing.
#define CANVAS_THROWS_pthread_mutex_lock noexcept
#define CANVAS_THROWS_pthread_mutex_trylock noexcept
#define CANVAS_THROWS_pthread_mutex_timedlock noexcept
#define CANVAS_THROWS_pthread_mutex_unlock noexcept
#define CANVAS_THROWS_pthread_rwlock_rdlock noexcept
#define CANVAS_THROWS_pthread_rwlock_tryrdlock noexcept
#define CANVAS_THROWS_pthread_rwlock_wrlock noexcept
#define CANVAS_THROWS_pthread_rwlock_trywrlock noexcept
#define CANVAS_THROWS_pthread_rwlock_unlock noexcept
#define CANVAS_THROWS_pthread_spin_lock noexcept
#define CANVAS_THROWS_pthread_spin_trylock noexcept
#define CANVAS_THROWS_pthread_cond_wait
#define CANVAS_THROWS_pthread_cond_timedwait
#define CANVAS_THROWS_pthread_cond_clockwait
#define CANVAS_THROWS_pthread_cond_signal noexcept
#define CANVAS_THROWS_pthread_cond_broadcast noexcept
#define CANVAS_THROWS_sem_wait
#define CANVAS_THROWS_sem_trywait noexcept
#define CANVAS_THROWS_sem_post noexcept

CANVAS_LOCKS(CANVAS_DEFINE)

#endif
