#include "canvas/sync/shared_copy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CANVAS_WORD_COPY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define CANVAS_WORD_COPY 1
#endif
#endif
#if !defined(__x86_64__)
#define CANVAS_WORD_COPY 1
#endif

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

using CopyFunction = void (*)(void*, const void*, std::size_t) noexcept;

// The last bytes of a copy, fewer than a vector's worth: words of 8 and at most one of 4.
inline void CopyTail(void* to, const void* from, std::size_t bytes) noexcept {
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

void CopyAvx(void* to, const void* from, std::size_t bytes) noexcept {
  std::size_t quads = bytes / 128;
  if (quads != 0) {
    asm volatile(
        "1:\n\t"
        "vmovdqu (%[from]), %%ymm0\n\t"
        "vmovdqu 32(%[from]), %%ymm1\n\t"
        "vmovdqu 64(%[from]), %%ymm2\n\t"
        "vmovdqu 96(%[from]), %%ymm3\n\t"
        "vmovdqu %%ymm0, (%[to])\n\t"
        "vmovdqu %%ymm1, 32(%[to])\n\t"
        "vmovdqu %%ymm2, 64(%[to])\n\t"
        "vmovdqu %%ymm3, 96(%[to])\n\t"
        "sub $-128, %[from]\n\t"
        "sub $-128, %[to]\n\t"
        "dec %[n]\n\t"
        "jnz 1b"
        : [from] "+r"(from), [to] "+r"(to), [n] "+r"(quads)
        :
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3");
  }
  std::size_t vectors = bytes % 128 / 32;
  if (vectors != 0) {
    asm volatile(
        "1:\n\t"
        "vmovdqu (%[from]), %%ymm0\n\t"
        "vmovdqu %%ymm0, (%[to])\n\t"
        "add $32, %[from]\n\t"
        "add $32, %[to]\n\t"
        "dec %[n]\n\t"
        "jnz 1b"
        : [from] "+r"(from), [to] "+r"(to), [n] "+r"(vectors)
        :
        : "memory", "cc", "xmm0");
  }
  asm volatile("vzeroupper" ::: "memory");
  CopyTail(to, from, bytes % 32);
}

void CopySse2(void* to, const void* from, std::size_t bytes) noexcept {
  std::size_t quads = bytes / 64;
  if (quads != 0) {
    asm volatile(
        "1:\n\t"
        "movdqu (%[from]), %%xmm0\n\t"
        "movdqu 16(%[from]), %%xmm1\n\t"
        "movdqu 32(%[from]), %%xmm2\n\t"
        "movdqu 48(%[from]), %%xmm3\n\t"
        "movdqu %%xmm0, (%[to])\n\t"
        "movdqu %%xmm1, 16(%[to])\n\t"
        "movdqu %%xmm2, 32(%[to])\n\t"
        "movdqu %%xmm3, 48(%[to])\n\t"
        "add $64, %[from]\n\t"
        "add $64, %[to]\n\t"
        "dec %[n]\n\t"
        "jnz 1b"
        : [from] "+r"(from), [to] "+r"(to), [n] "+r"(quads)
        :
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3");
  }
  CopyTail(to, from, bytes % 64);
}

CopyFunction ChooseCopy() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx") ? &CopyAvx : &CopySse2;
}

const CopyFunction kCopy = ChooseCopy();

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

void CopyOut(void* to, const std::byte* from, std::size_t bytes) noexcept {
  kCopy(to, from, bytes);
}

void CopyIn(std::byte* to, const void* from, std::size_t bytes) noexcept { kCopy(to, from, bytes); }

void ZeroIn(std::byte* to, std::size_t bytes) noexcept {
  static constexpr std::array<std::byte, 4096> kZeros{};
  while (bytes > 0) {
    const std::size_t count = std::min(bytes, kZeros.size());
    kCopy(to, kZeros.data(), count);
    to += count;
    bytes -= count;
  }
}

const char* CopyKind() noexcept { return kCopy == &CopyAvx ? "avx" : "sse2"; }

#endif

}  // namespace canvas::sync
