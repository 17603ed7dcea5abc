// The small shared words between the samples: where each lies within its table, and how a word is
// made up. These offsets are the whole of it; the words themselves are only touched through
// canvas/sync.
//
// Words that different parties write, or that readers poll, stand 128 B apart (adjacent cache lines
// are prefetched in pairs).
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "canvas/format/geometry.h"

namespace canvas::format {

// Control words, from kControlOffset.
//
//     0  capacity pages      u64   only grows
//   128  header root         root word, see below
//   256  durable header root root word: the newest header known to be on disk
//   384  change              u32   grows by one at every publish; sized for a futex
//   512  owner entries       u64   of the owner table, reserved so far; only grows
//   640  durable bytes       u64   size of the file that a sync has put on disk; only grows. It is
//                                  stored after the sync, so a shorter file was cut by a stranger
//   768  incompatible        u64   feature bits that were set after creation, to be read together
//   776  ro-compatible       u64   with the superblock's (superblock_format.h); only set, and on
//   784  compatible          u64   disk before anything relies on them
//  1024  index chunks        2,048 bits: whether a 4 KiB chunk of the page index is reserved
//  1280  header editor       who edits the header, see below
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
}  // namespace control

// Who holds a metadata lock, for people who are told that it is held. It decides nothing.
//
//     0  pid       u64   0: nobody
//     8  since     i64   nanoseconds since 1970-01-01T00:00:00Z
//    16  start     u64   of the process: clock ticks since boot, /proc/PID/stat field 22
//    64  name      64 B  UTF-8, cut at a character, zero-filled
namespace editor {
inline constexpr std::uint64_t kPid = 0;
inline constexpr std::uint64_t kSince = 8;
inline constexpr std::uint64_t kStartTime = 16;
inline constexpr std::uint64_t kName = 64;
inline constexpr std::uint64_t kNameBytes = 64;
inline constexpr std::uint64_t kBytes = 128;
static_assert(control::kHeaderEditor + kBytes <= kControlBytes);
}  // namespace editor

// A root names a snapshot: generation x 256 + place. 0: there is none yet.
struct Root {
  static constexpr std::uint64_t kMaxGeneration = (std::uint64_t{1} << 56) - 1;
  std::uint64_t generation = 0;
  std::uint32_t place = 0;

  static constexpr Root FromWord(std::uint64_t word) {
    return {word >> 8, static_cast<std::uint32_t>(word & 0xFF)};
  }
  constexpr std::uint64_t ToWord() const { return generation << 8 | place; }
  friend constexpr bool operator==(const Root&, const Root&) = default;
};
static_assert(kMaxPlaces <= 256);

// A page index entry: 0, or kPageReady once the page's controls are reserved. It stays ready: the
// controls of a page are never given back, its parts are.
inline constexpr std::uint64_t kPageReady = 1;

// Page control, from the start of a page.
//
//     0  metadata root         root word
//   128  durable metadata root root word
//   256  page number + 1       u64   so that a page knows which it is
//   512  slot bits             4,096 bits: whether a slot's control and versions are reserved
//  1024  metadata editor       as the header's; laid out, not yet used
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
//    16  claim     u64   token of who works on it
namespace latent_entry {
inline constexpr std::uint64_t kStatus = 0;
inline constexpr std::uint64_t kProgress = 8;
inline constexpr std::uint64_t kClaim = 16;
}  // namespace latent_entry

// Slot control: of a run of slots only the first one's is used.
//
//     0  lane id            u64   whose part this is, or was last
//     8  life               u64   generation x 4 + state
//   128  high-water mark    u64   frames of the part: last written frame + 1
//   136  low-water mark     u64   first written frame; means nothing while the other mark is 0
//   256  sequence           u64   grows by one before and after every overwrite, erasure and punch
//   384  events             u64   generation x 2^24 + half x 2^23 + count of an event part; the
//                                 next generation, and empty, before each life of the part
//   512  undo block + 1     u64   0: the undo place is empty
//   520  undo version       u64   version word of that block before the overwrite
//   528  undo checksum      u64   XXH3-64 of the old bytes
//   640  durable record 0         sequence, life, mark, block count, XXH3-64; not yet used
//   768  durable record 1
namespace slot_control {
inline constexpr std::uint64_t kLaneId = 0;
inline constexpr std::uint64_t kLife = 8;
inline constexpr std::uint64_t kMark = 128;
inline constexpr std::uint64_t kLow = 136;
inline constexpr std::uint64_t kSequence = 256;
inline constexpr std::uint64_t kEvents = 384;
inline constexpr std::uint64_t kUndoBlock = 512;
inline constexpr std::uint64_t kUndoVersion = 520;
inline constexpr std::uint64_t kUndoChecksum = 528;
inline constexpr std::uint64_t kDurableRecord = 640;
inline constexpr std::uint64_t kDurableRecordBytes = 128;
static_assert(kDurableRecord + 2 * kDurableRecordBytes <= kSlotControlBytes);
}  // namespace slot_control

// The life of a lane's part of a page.
enum class PartState : std::uint8_t { kAbsent = 0, kReady = 1, kPunched = 2 };

struct Life {
  std::uint64_t generation = 0;  // grows at every change of state
  PartState state = PartState::kAbsent;

  static constexpr Life FromWord(std::uint64_t word) {
    return {word >> 2, static_cast<PartState>(word & 3)};
  }
  constexpr std::uint64_t ToWord() const {
    return generation << 2 | static_cast<std::uint64_t>(state);
  }
  constexpr Life Next(PartState next) const { return {generation + 1, next}; }
  constexpr bool valid() const { return static_cast<std::uint8_t>(state) <= 2; }
  friend constexpr bool operator==(const Life&, const Life&) = default;
};

// A block's version word: sequence x 2 + written. The sequence is odd while the block's bytes are
// being replaced. It only ever grows, so no reader can take one content of a block for another.
struct Version {
  std::uint64_t sequence = 0;
  bool written = false;

  static constexpr Version FromWord(std::uint64_t word) { return {word >> 1, (word & 1) != 0}; }
  constexpr std::uint64_t ToWord() const { return sequence << 1 | (written ? 1U : 0U); }
  constexpr bool changing() const { return (sequence & 1) != 0; }
  // The states around a change: odd, still saying what the block was; then even.
  constexpr Version Changing() const { return {sequence + 1, written}; }
  constexpr Version Settled(bool now_written) const {
    return {(sequence + 2) & ~std::uint64_t{1}, now_written};
  }
  friend constexpr bool operator==(const Version&, const Version&) = default;
};

// An event part's word: which half of the slot counts, how many events it holds, and of which edit.
struct EventState {
  std::uint64_t generation = 0;  // grows at every edit; 40 bits
  std::uint32_t half = 0;        // 0 or 1
  std::uint32_t count = 0;       // 23 bits
  static constexpr std::uint32_t kMaxCount = (std::uint32_t{1} << 23) - 1;

  static constexpr EventState FromWord(std::uint64_t word) {
    return {word >> 24, static_cast<std::uint32_t>(word >> 23 & 1),
            static_cast<std::uint32_t>(word & kMaxCount)};
  }
  constexpr std::uint64_t ToWord() const {
    return generation << 24 | std::uint64_t{half} << 23 | count;
  }
  friend constexpr bool operator==(const EventState&, const EventState&) = default;
};

// Owner table entry. Whether its owner lives is told by the kernel's lock on it (lock_format.h).
//
//     0  lane id              u64   0: the entry is free
//     8  first page           u64
//    16  end page             u64   one past the last
//    24  pid                  u64
//    32  process start time   u64   clock ticks since boot, /proc/PID/stat field 22
//    40  since                i64   nanoseconds since 1970-01-01T00:00:00Z
//    64  intent: operation    u64   0 none, 1 overwrite, 2 punch, 3 erase blocks
//    72  intent: page         u64
//    80  intent: block        u64
//    88  intent: slot         u64   kind x 2^32 + first slot
//    96  intent: slot count   u64
//   128  name                 64 B  UTF-8, cut at a character, zero-filled
//   192  zero
namespace owner_entry {
inline constexpr std::uint64_t kLaneId = 0;
inline constexpr std::uint64_t kFirstPage = 8;
inline constexpr std::uint64_t kEndPage = 16;
inline constexpr std::uint64_t kPid = 24;
inline constexpr std::uint64_t kStartTime = 32;
inline constexpr std::uint64_t kSince = 40;
inline constexpr std::uint64_t kIntentOperation = 64;
inline constexpr std::uint64_t kIntentPage = 72;
inline constexpr std::uint64_t kIntentBlock = 80;
inline constexpr std::uint64_t kIntentSlot = 88;
inline constexpr std::uint64_t kIntentSlotCount = 96;
inline constexpr std::uint64_t kName = 128;
inline constexpr std::uint64_t kNameBytes = 64;
static_assert(kName + kNameBytes <= kOwnerEntryBytes);
}  // namespace owner_entry

enum class Operation : std::uint64_t { kNone = 0, kOverwrite = 1, kPunch = 2, kErase = 3 };

}  // namespace canvas::format
