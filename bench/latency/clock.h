// The time, for means and for single reads.
#pragma once

#include <chrono>
#include <cstdint>

namespace bench {

inline std::int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// The cycle counter where there is one, for single reads: what reading it costs is told by the
// control.
inline std::uint64_t Ticks() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
  const std::uint64_t ticks = __builtin_ia32_rdtsc();
  __builtin_ia32_lfence();
  return ticks;
#else
  return static_cast<std::uint64_t>(Now());
#endif
}
inline double NsPerTick() {
  static const double ns = [] {
    const std::int64_t begin = Now();
    const std::uint64_t from = Ticks();
    while (Now() - begin < 50'000'000) {
    }
    return static_cast<double>(Now() - begin) / static_cast<double>(Ticks() - from);
  }();
  return ns;
}

// What was read is wanted, for all the compiler knows.
template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace bench
