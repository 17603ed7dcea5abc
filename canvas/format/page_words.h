// The small shared words of a page: its entry in the index, its control, its latent spans.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>

#include "canvas/format/editor_record.h"
#include "canvas/format/geometry.h"

namespace canvas::format {

// A page index entry: 0, or kPageReady once the page's controls are reserved. It stays ready: the
// controls of a page are never given back, its parts are.
inline constexpr std::uint64_t kPageReady = 1;

// Page control, from the start of a page.
//
//     0  metadata root         root word
//   128  durable metadata root root word
//   256  page number + 1       u64   so that a page knows which it is
//   512  slot bits             4,096 bits: whether a slot's control and versions are reserved
//  1024  metadata editor       editor_record.h; laid out, not yet used
//  1152  zero, to 4096
namespace page_control {
inline constexpr std::uint64_t kMetadataRoot = 0;
inline constexpr std::uint64_t kDurableMetadataRoot = 128;
inline constexpr std::uint64_t kPageNumber = 256;
inline constexpr std::uint64_t kSlotBits = 512;
inline constexpr std::uint64_t kSlotBitWords = (kMaxWideSlots + kMaxSmallSlots) / 64;
inline constexpr std::uint64_t kEditor = 1024;
static_assert(kSlotBits + kSlotBitWords * 8 <= kEditor);
static_assert(kEditor + editor::kBytes <= kPageControlBytes);
}  // namespace page_control

// Latent span words, kLatentEntries entries of 64 B a page: laid out, not yet used.
//
//     0  status    u64   generation x 8 + status: 0 free, 1 pending, 2 running, 3 resolved,
//                        4 approved, 5 rejected, 6 failed
//     8  progress  u64   in 1/65536
//    16  claim     u64   token of the process that works on it
namespace latent_entry {
inline constexpr std::uint64_t kStatus = 0;
inline constexpr std::uint64_t kProgress = 8;
inline constexpr std::uint64_t kClaim = 16;
}  // namespace latent_entry

}  // namespace canvas::format
