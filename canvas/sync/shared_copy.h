// Copies between private memory and bytes that other processes may be reading or writing at the
// same time. The compiler may not see through these copies, and each has an order:
//
//   CopyOut  every byte is loaded with acquire: nothing after the copy moves before its loads.
//   CopyIn   every byte is stored with release: nothing before the copy moves after its stores.
//
// A copy as a whole is not atomic. What is read is vouched for by a version word that is checked
// before and after (canvas/sync/overwrite.h); what is torn or stale is then thrown away.
//
// On x86-64 both are AVX loops (SSE2 without it), chosen once at start. Ordinary loads and stores
// of write-back memory, vector ones too, are neither reordered among loads nor among stores there
// (Intel SDM vol. 3A, 9.2.2; AMD APM vol. 2, 7.2), which is acquire and release; the assembler
// block keeps the compiler from reordering or inventing accesses. Elsewhere, and under sanitizers,
// they are loops of aligned 8-byte atomic words; the edges load, merge and store a whole word,
// which is right because a block has one writer.
//
// Concurrency: any number of CopyOut beside one CopyIn on the same bytes.
// Realtime: wait-free; no syscall; faults only where the shared bytes are not resident.
#pragma once

#include <cstddef>

// Sanitizers see no assembler; their builds, and other processors, copy by words.
#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CANVAS_WORD_COPY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CANVAS_WORD_COPY 1
#endif
#endif

namespace canvas::sync {

// `to`, `from` and `bytes` are multiples of 4; otherwise any alignment will do.
void CopyOut(void* to, const std::byte* from, std::size_t bytes) noexcept;
void CopyIn(std::byte* to, const void* from, std::size_t bytes) noexcept;

// Stores zeros, as CopyIn would.
void ZeroIn(std::byte* to, std::size_t bytes) noexcept;

// "avx", "sse2" or "words": which loop this process uses.
const char* CopyKind() noexcept;

#ifndef CANVAS_WORD_COPY

using CopyFunction = void(void*, const void*, std::size_t) noexcept;

namespace internal {
extern CopyFunction*
    copy;  // usable from the first instruction; the best one after static initialisation
}

inline void CopyOut(void* to, const std::byte* from, std::size_t bytes) noexcept {
  internal::copy(to, from, bytes);
}
inline void CopyIn(std::byte* to, const void* from, std::size_t bytes) noexcept {
  internal::copy(to, from, bytes);
}

#endif

}  // namespace canvas::sync
