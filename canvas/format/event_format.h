// How a lane's events lie in its slots: two halves, of which the slot control's event word says
// which one counts (sync/events.h). In a half the events stand in a row from its start, in the
// order of their positions; what does not fit an event stands from the half's end downwards.
//
//     0  frame      i64   where it is, a frame of the lane, within the page
//     8  tick       i64   where it is in the music; kNoTick: not said
//    16  kind       u32   1 MIDI 1.0, 2 a Universal MIDI Packet, 3 an application's (base/event.h)
//    20  tag        u32   the type of an application's event
//    24  bytes      u32   how many bytes it has
//    28  place      u32   of its bytes, where they are more than kInlineBytes: in units of 8 from
//                         the half's start; else 0
//    32  inline     32 B  its bytes, where they fit; zeros behind them
//
// Invariants
//   I1  The events of a half and its other bytes do not overlap, and lie within the half.
//   I2  Frames do not fall.
//
// Thread safety: immutable values and pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "canvas/base/event.h"
#include "canvas/format/geometry.h"
#include "canvas/format/slot_words.h"

namespace canvas::format {

inline constexpr std::uint32_t kInlineBytes = 32;
inline constexpr std::uint32_t kPlaceUnit = 8;

// As it lies in the file, little-endian.
struct EventRecord {
  std::int64_t frame = 0;
  std::int64_t tick = kNoTick;
  std::uint32_t kind = 0;
  std::uint32_t tag = 0;
  std::uint32_t bytes = 0;
  std::uint32_t place = 0;
  std::array<std::byte, kInlineBytes> inlined{};
  bool fits() const { return bytes <= kInlineBytes; }
};
static_assert(sizeof(EventRecord) == 64 && alignof(EventRecord) == 8);

// What the bytes behind an event take of a half.
constexpr std::uint64_t BytesBehind(std::uint64_t bytes) {
  return bytes <= kInlineBytes ? 0 : (bytes + kPlaceUnit - 1) / kPlaceUnit * kPlaceUnit;
}

class EventShape {
 public:
  EventShape(const Geometry& geometry, SlotRun run)
      : half_bytes_(geometry.DataBytes(run) / 2 / kFileBlock * kFileBlock) {}

  std::uint64_t half_bytes() const { return half_bytes_; }
  // Events that a half holds where none has bytes behind it.
  std::uint32_t capacity() const {
    const std::uint64_t events = half_bytes_ / sizeof(EventRecord);
    return events < EventState::kMaxCount ? static_cast<std::uint32_t>(events)
                                          : EventState::kMaxCount;
  }

 private:
  std::uint64_t half_bytes_;
};

}  // namespace canvas::format
