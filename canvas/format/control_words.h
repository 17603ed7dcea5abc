// The file's own small shared words: where each lies, from kControlOffset. The words themselves are
// only touched through canvas/sync.
//
// Words that different parties write, or that readers poll, stand 128 B apart (adjacent cache lines
// are prefetched in pairs); so do those of every other table.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>

#include "canvas/format/editor_record.h"
#include "canvas/format/geometry.h"

namespace canvas::format {

// Control words, from kControlOffset.
//
//     0  capacity pages      u64   only grows
//   128  header root         root word, see root.h
//   256  durable header root root word: the newest header known to be on disk
//   384  change              u32   grows by one at every publish; sized for a futex
//   512  owner entries       u64   of the owner table, reserved so far; only grows
//   640  durable bytes       u64   size of the file that a sync has put on disk; only grows. It is
//                                  stored after the sync, so a shorter file was cut by a stranger
//   768  incompatible        u64   feature bits that were set after creation, to be read together
//   776  ro-compatible       u64   with the superblock's (superblock_format.h); only set, and on
//   784  compatible          u64   disk before anything relies on them
//  1024  index chunks        2,048 bits: whether a 4 KiB chunk of the page index is reserved
//  1280  header editor       who edits the header, see editor_record.h
//  1536  zero, to 8192
namespace control {
inline constexpr std::uint64_t kCapacityPages = 0;
inline constexpr std::uint64_t kHeaderRoot = 128;
inline constexpr std::uint64_t kDurableHeaderRoot = 256;
inline constexpr std::uint64_t kChange = 384;
inline constexpr std::uint64_t kOwnerEntries = 512;
inline constexpr std::uint64_t kDurableBytes = 640;
inline constexpr std::uint64_t kIncompatible = 768;
inline constexpr std::uint64_t kReadOnlyCompatible = 776;
inline constexpr std::uint64_t kCompatible = 784;
inline constexpr std::uint64_t kIndexChunks = 1024;
inline constexpr std::uint64_t kIndexChunkWords = kPageIndexBytes / kFileBlock / 64;
inline constexpr std::uint64_t kHeaderEditor = 1280;
static_assert(kIndexChunks + kIndexChunkWords * 8 <= kHeaderEditor);
static_assert(kHeaderEditor + editor::kBytes <= kControlBytes);
}  // namespace control

}  // namespace canvas::format
