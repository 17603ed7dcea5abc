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
// Long copies out are one `rep movsb` where it is fast also when short (FSRM) and was measured to
// win: on AMD. What is weaker about a string operation is its stores. They may be done out of order
// among themselves (Intel SDM vol. 3A, 9.2.4, and the only exception but for non-temporal stores
// that 9.2.2 makes), and not against stores before and after it. Here they go to the caller's own
// memory. Loads have no such exception: "reads are not reordered with other reads" (9.2.2); AMD's
// manual orders loads likewise (APM vol. 2, 7.2), and neither takes those of a string operation
// out; so the version word, loaded after it, is loaded after every byte. In which order the bytes
// are loaded, and how many at a time, no protocol asks. An interrupt in the midst goes on where it
// stopped. shared_copy_test hammers it, and the protocol's stresses run over it. Copies in stay
// vectors: their stores are what others look at, and the protocols are stepped through and killed
// at every instruction (stress/step_stress.cc), which a string operation is not made of.
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

// "avx", "sse2", "words", or "avx, rep movsb from 2 KiB": how this process copies.
const char* CopyKind() noexcept;

#ifndef CANVAS_WORD_COPY

using CopyFunction = void(void*, const void*, std::size_t) noexcept;

namespace internal {
// Usable from the first instruction; the best ones after static initialisation.
extern CopyFunction* copy_out;
extern CopyFunction* copy_in;
extern std::size_t string_from;  // bytes
}  // namespace internal

inline void CopyOut(void* to, const std::byte* from, std::size_t bytes) noexcept {
  internal::copy_out(to, from, bytes);
}
inline void CopyIn(std::byte* to, const void* from, std::size_t bytes) noexcept {
  internal::copy_in(to, from, bytes);
}

// Whether a copy out of so many bytes is a string operation. The processor itself runs ahead in
// one: what lies behind it is not worth a prefetch.
inline bool IsStringCopy(std::size_t bytes) noexcept { return bytes >= internal::string_from; }

#else

constexpr bool IsStringCopy(std::size_t /*bytes*/) noexcept { return false; }

#endif

}  // namespace canvas::sync
