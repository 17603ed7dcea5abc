// What reading and writing a Standard MIDI File share: how an event may be written, how the next
// choice is predicted, and the encoding of provenance. Within this folder.
//
// Thread safety: plain values and pure functions.
#pragma once

#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/midi/event.h"
#include "canvas/midi/smf.h"

namespace canvas::midi {

// Habits, and the number of each in a blob. A change gives one of them another value, from an event
// on. Numbers are forever.
//   0 to 6  running status of messages of type 8 to E, where the rules allow it: 1 used
//   7       running status across a meta event, a SysEx or a system message: 1 used
//   8       system messages: 1 as they are, 0 as an escape
//   9, 10   the least bytes of a delta, of a length: the shortest form is stretched to that
inline constexpr std::uint8_t kHabitAcross = 7;
inline constexpr std::uint8_t kHabitRaw = 8;
inline constexpr std::uint8_t kHabitDelta = 9;
inline constexpr std::uint8_t kHabitLength = 10;
inline constexpr std::uint8_t kHabits = 11;

// A longer quantity is taken for none. So that a damaged blob does not ask for a gigabyte.
inline constexpr std::uint32_t kMaxQuantityBytes = 16;

constexpr bool HabitHasValue(std::uint8_t what) { return what >= kHabitDelta; }
constexpr unsigned RunningType(std::uint8_t status) { return (status >> 4U) & 7U; }

struct Habits {
  std::uint8_t running = 0x7F;
  bool across = false;
  bool raw = false;
  std::uint32_t delta_bytes = 1;
  std::uint32_t length_bytes = 1;

  bool Runs(std::uint8_t status) const { return (running >> RunningType(status) & 1U) != 0; }
  // Of 7, 8 and below the value is toggled.
  void Apply(std::uint8_t what, std::uint32_t value) {
    if (what < kHabitAcross)
      running = static_cast<std::uint8_t>(running ^ 1U << what);
    else if (what == kHabitAcross)
      across = !across;
    else if (what == kHabitRaw)
      raw = !raw;
    else if (what == kHabitDelta)
      delta_bytes = value;
    else
      length_bytes = value;
  }
};

constexpr std::uint32_t QuantityBytes(std::uint32_t value) {
  return 1U + (value >= 0x80 ? 1U : 0U) + (value >= 0x4000 ? 1U : 0U) +
         (value >= 0x200000 ? 1U : 0U);
}

// The checksum of a track's events, one after the other.
class EventHash {
 public:
  void Add(std::int64_t tick, Bytes bytes) {
    const auto delta = static_cast<std::uint64_t>(tick) - static_cast<std::uint64_t>(tick_);
    tick_ = tick;
    std::uint64_t word = bytes.size() << 24U ^ delta << 32U ^ delta >> 32U;
    if (bytes.size() <= 3) {
      for (std::size_t i = 0; i < bytes.size(); ++i) word ^= std::uint64_t{bytes[i]} << 8U * i;
      Mix(word);
    } else {
      Mix(word);
      Mix(XXH3_64bits(bytes.data(), bytes.size()));
    }
  }
  std::uint64_t value() const { return hash_; }

 private:
  void Mix(std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15U;
    hash_ ^= hash_ >> 29U;
  }
  std::uint64_t hash_ = 0x6D69646943616E76U;
  std::int64_t tick_ = 0;
};

// Blobs: numbers in 7 bits a byte, the lowest first; fixed words little-endian.
class BlobWriter {
 public:
  void Byte(std::uint64_t value) { bytes_.push_back(static_cast<std::uint8_t>(value)); }
  void Fixed(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) Byte(value >> 8 * i & 0xFFU);
  }
  void Number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) Byte(value | 0x80U);
    Byte(value);
  }
  void Raw(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void Block(Bytes bytes) {
    Number(bytes.size());
    Raw(bytes);
  }
  std::vector<std::uint8_t> Take() && { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

// Past the end everything is 0 and ok() is false.
class BlobReader {
 public:
  explicit BlobReader(Bytes bytes) : bytes_(bytes) {}
  std::uint8_t Byte() {
    const Bytes one = Raw(1);
    return one.empty() ? std::uint8_t{0} : one[0];
  }
  std::uint64_t Fixed(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint64_t{Byte()} << 8 * i;
    return value;
  }
  std::uint64_t Number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = Byte();
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  Bytes Raw(std::uint64_t count) {
    if (count > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const Bytes front = bytes_.first(static_cast<std::size_t>(count));
    bytes_ = bytes_.subspan(static_cast<std::size_t>(count));
    return front;
  }
  Bytes Block() { return Raw(Number()); }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && bytes_.empty(); }
  std::size_t left() const { return bytes_.size(); }

 private:
  Bytes bytes_;
  bool ok_ = true;
};

// A track's blob:
//   version 1, flags (1 each), checksum (8), number of events
//   flag 1  running status at the start, where it is not used everywhere (1)
//   flag 2  number of changes; each: (events since the last change) x 16 + habit, and a value if
//           the habit has one
//   flag 4  the chunk's length as it says, where it is another than its content's
//   flag 8  what follows the last event, with its length
// The file's:
//   version 1, flags (1 each), format (2), division (2), number of tracks
//   flag 1  what follows "MThd" of a header that is not the canonical one
//   flag 2  number of other chunks; each: tracks since the last one, type (4), content
//   flag 4  what follows the last chunk
//   flag 8  RIFF: what is before the data, the data's length as it says (4), what is after
// Contents have their length in front.
inline constexpr std::uint8_t kBlobVersion = 1;
inline constexpr std::uint8_t kTrackRunning = 1;
inline constexpr std::uint8_t kTrackChanges = 2;
inline constexpr std::uint8_t kTrackDeclared = 4;
inline constexpr std::uint8_t kTrackTail = 8;
inline constexpr std::uint8_t kFileHeader = 1;
inline constexpr std::uint8_t kFileOthers = 2;
inline constexpr std::uint8_t kFileTrailing = 4;
inline constexpr std::uint8_t kFileRiff = 8;

inline constexpr std::array<std::uint8_t, 4> kHeaderType = {'M', 'T', 'h', 'd'};
inline constexpr std::array<std::uint8_t, 4> kTrackType = {'M', 'T', 'r', 'k'};

}  // namespace canvas::midi
