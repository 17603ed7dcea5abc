#include "canvas/sync/shared_copy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace canvas::sync {
namespace {

#ifdef CANVAS_WORD_COPY

constexpr std::size_t kWord = sizeof(std::uint64_t);

// Calls visit(word, first, count, done) for every aligned word that [bytes, bytes + size) touches:
// `first` and `count` say which bytes of it, `done` how many bytes came before.
template <typename Byte, typename Visit>
void ForEachWord(Byte* bytes, std::size_t size, Visit visit) {
  std::size_t done = 0;
  while (done < size) {
    Byte* at = bytes + done;
    const std::size_t first = reinterpret_cast<std::uintptr_t>(at) % kWord;
    const std::size_t count = std::min(kWord - first, size - done);
    visit(reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(at - first)), first, count, done);
    done += count;
  }
}

template <typename Fill>
void StoreWords(std::byte* to, std::size_t bytes, Fill fill) {
  ForEachWord(to, bytes,
              [&](std::uint64_t* word, std::size_t first, std::size_t count, std::size_t done) {
                std::atomic_ref<std::uint64_t> shared(*word);
                // Relaxed: only this writer changes the word, so it reads what it wrote itself.
                std::uint64_t value = count == kWord ? 0 : shared.load(std::memory_order_relaxed);
                fill(reinterpret_cast<std::byte*>(&value) + first, count, done);
                shared.store(value, std::memory_order_release);
              });
}

#else

// Copies shorter than a vector: words of 8 and at most one of 4.
inline void CopyWords(void* to, const void* from, std::size_t bytes) noexcept {
  std::size_t words = bytes / 8;
  std::uint64_t temporary;
  if (words != 0) {
    asm volatile(
        "1:\n\t"
        "mov (%[from]), %[t]\n\t"
        "mov %[t], (%[to])\n\t"
        "add $8, %[from]\n\t"
        "add $8, %[to]\n\t"
        "dec %[n]\n\t"
        "jnz 1b"
        : [from] "+r"(from), [to] "+r"(to), [n] "+r"(words), [t] "=&r"(temporary)
        :
        : "memory", "cc");
  }
  if ((bytes & 4) != 0) {
    asm volatile(
        "movl (%[from]), %k[t]\n\t"
        "movl %k[t], (%[to])"
        : [t] "=&r"(temporary)
        : [from] "r"(from), [to] "r"(to)
        : "memory");
  }
}

// Both vector loops store one vector wherever the destination begins, go on where it is aligned (a
// store across a cache line costs twice), and end with a vector that may overlap what came before:
// the same bytes again, which is harmless.
//
// Bytes to go on by, so that `to` is aligned to `vector`: 1 to `vector`.
inline std::size_t ToAligned(const std::byte* to, std::size_t vector) noexcept {
  return vector - reinterpret_cast<std::uintptr_t>(to) % vector;
}

inline void CopyVectorAvx(std::byte* to, const std::byte* from) noexcept {
  asm volatile(
      "vmovdqu (%[from]), %%ymm0\n\t"
      "vmovdqu %%ymm0, (%[to])"
      :
      : [from] "r"(from), [to] "r"(to)
      : "memory", "xmm0");
}

void CopyAvx(void* to_start, const void* from_start, std::size_t bytes) noexcept {
  constexpr std::size_t kVector = 32;
  if (bytes < kVector) return CopyWords(to_start, from_start, bytes);
  auto* to = static_cast<std::byte*>(to_start);
  const auto* from = static_cast<const std::byte*>(from_start);
  std::byte* const last = to + bytes - kVector;
  const std::byte* const from_last = from + bytes - kVector;
  CopyVectorAvx(to, from);
  const std::size_t skip = ToAligned(to, kVector);
  to += skip;
  from += skip;
  std::size_t left = bytes > skip ? bytes - skip : 0;
  std::size_t quads = left / (4 * kVector);
  left %= 4 * kVector;
  if (quads != 0) {
    asm volatile(
        ".p2align 5\n"
        "1:\n\t"
        "vmovdqu (%[from]), %%ymm0\n\t"
        "vmovdqu 32(%[from]), %%ymm1\n\t"
        "vmovdqu 64(%[from]), %%ymm2\n\t"
        "vmovdqu 96(%[from]), %%ymm3\n\t"
        "sub $-128, %[from]\n\t"
        "vmovdqa %%ymm0, (%[to])\n\t"
        "vmovdqa %%ymm1, 32(%[to])\n\t"
        "vmovdqa %%ymm2, 64(%[to])\n\t"
        "vmovdqa %%ymm3, 96(%[to])\n\t"
        "sub $-128, %[to]\n\t"
        "dec %[n]\n\t"
        "jnz 1b"
        : [from] "+r"(from), [to] "+r"(to), [n] "+r"(quads)
        :
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3");
  }
  for (; left >= kVector; left -= kVector) {
    CopyVectorAvx(to, from);
    to += kVector;
    from += kVector;
  }
  CopyVectorAvx(last, from_last);
  asm volatile("vzeroupper" ::: "memory");
}

inline void CopyVectorSse2(std::byte* to, const std::byte* from) noexcept {
  asm volatile(
      "movdqu (%[from]), %%xmm0\n\t"
      "movdqu %%xmm0, (%[to])"
      :
      : [from] "r"(from), [to] "r"(to)
      : "memory", "xmm0");
}

void CopySse2(void* to_start, const void* from_start, std::size_t bytes) noexcept {
  constexpr std::size_t kVector = 16;
  if (bytes < kVector) return CopyWords(to_start, from_start, bytes);
  auto* to = static_cast<std::byte*>(to_start);
  const auto* from = static_cast<const std::byte*>(from_start);
  std::byte* const last = to + bytes - kVector;
  const std::byte* const from_last = from + bytes - kVector;
  CopyVectorSse2(to, from);
  const std::size_t skip = ToAligned(to, kVector);
  to += skip;
  from += skip;
  std::size_t left = bytes > skip ? bytes - skip : 0;
  std::size_t quads = left / (4 * kVector);
  left %= 4 * kVector;
  if (quads != 0) {
    asm volatile(
        ".p2align 5\n"
        "1:\n\t"
        "movdqu (%[from]), %%xmm0\n\t"
        "movdqu 16(%[from]), %%xmm1\n\t"
        "movdqu 32(%[from]), %%xmm2\n\t"
        "movdqu 48(%[from]), %%xmm3\n\t"
        "add $64, %[from]\n\t"
        "movdqa %%xmm0, (%[to])\n\t"
        "movdqa %%xmm1, 16(%[to])\n\t"
        "movdqa %%xmm2, 32(%[to])\n\t"
        "movdqa %%xmm3, 48(%[to])\n\t"
        "add $64, %[to]\n\t"
        "dec %[n]\n\t"
        "jnz 1b"
        : [from] "+r"(from), [to] "+r"(to), [n] "+r"(quads)
        :
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3");
  }
  for (; left >= kVector; left -= kVector) {
    CopyVectorSse2(to, from);
    to += kVector;
    from += kVector;
  }
  CopyVectorSse2(last, from_last);
}

CopyFunction* ChooseCopy() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx") ? &CopyAvx : &CopySse2;
}

#endif

}  // namespace

#ifdef CANVAS_WORD_COPY

void CopyOut(void* to, const std::byte* from, std::size_t bytes) noexcept {
  ForEachWord(from, bytes,
              [&](std::uint64_t* word, std::size_t first, std::size_t count, std::size_t done) {
                const std::uint64_t value = std::atomic_ref(*word).load(std::memory_order_acquire);
                std::memcpy(static_cast<std::byte*>(to) + done,
                            reinterpret_cast<const std::byte*>(&value) + first, count);
              });
}

void CopyIn(std::byte* to, const void* from, std::size_t bytes) noexcept {
  StoreWords(to, bytes, [&](std::byte* part, std::size_t count, std::size_t done) {
    std::memcpy(part, static_cast<const std::byte*>(from) + done, count);
  });
}

void ZeroIn(std::byte* to, std::size_t bytes) noexcept {
  StoreWords(to, bytes,
             [](std::byte* part, std::size_t count, std::size_t) { std::memset(part, 0, count); });
}

const char* CopyKind() noexcept { return "words"; }

#else

constinit CopyFunction* internal::copy = &CopySse2;

namespace {
[[maybe_unused]] const bool g_chosen = (internal::copy = ChooseCopy(), true);
}  // namespace

void ZeroIn(std::byte* to, std::size_t bytes) noexcept {
  static constexpr std::array<std::byte, 4096> kZeros{};
  while (bytes > 0) {
    const std::size_t count = std::min(bytes, kZeros.size());
    internal::copy(to, kZeros.data(), count);
    to += count;
    bytes -= count;
  }
}

const char* CopyKind() noexcept { return internal::copy == &CopyAvx ? "avx" : "sse2"; }

#endif

}  // namespace canvas::sync
