// The small shared words of a slot, where each lies in the slot's control, and how a life, a
// version and an event word are made up.
//
// Thread safety: constants and pure functions.
#pragma once

#include <cstdint>

#include "canvas/format/geometry.h"

namespace canvas::format {

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

}  // namespace canvas::format
