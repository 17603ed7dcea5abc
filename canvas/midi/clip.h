// MIDI Clip Files (.midi2): one sequence of Universal MIDI Packets with times. From bytes to events
// and back; byte for byte where nobody edited, as smf.h has it, with one blob of provenance.
//
// A file is "SMF2CLIP", then words of 32 bits, the highest byte first. Before each message stands a
// Delta Clockstamp: ticks since the one before. The first messages are the configuration, with the
// ticks of a quarter (DCTPQ); Start of Clip begins the music, End of Clip ends the file.
//
// Events are the messages but the clockstamps, each as its words have it in the file: 4, 8, 12 or
// 16 bytes. DCTPQ, Start of Clip and End of Clip are among them.
//
// The canonical way of writing: one clockstamp before each message; of 2^20 ticks or more several
// in a row, as long as they can be but for the last. The latter is our reading, and not checked
// against the text of the specification; readers that add up clockstamps agree.
//
// Invariant: WriteClip of what ParseClip gave, with its provenance, is the input.
//
// Source: MIDI Clip File Specification (M2-116-U); UMP Format (M2-104-UM) for the sizes of
// messages.
// Thread safety: a Clip is a plain value.
// Realtime: accessors only read memory; whatever returns a Result allocates. Nothing waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/midi/event.h"

namespace canvas::midi {

// Bytes of the message whose first word begins with `first`: 4, 8, 12 or 16.
constexpr std::size_t UmpBytes(std::uint8_t first) {
  constexpr std::uint64_t kWords = 0x4443322211422111;  // by message type, the lowest first
  return static_cast<std::size_t>(kWords >> 4 * (first >> 4) & 15U) * 4;
}

bool IsDeltaClockstamp(Bytes ump);
bool IsTicksPerQuarter(Bytes ump);  // DCTPQ
bool IsStartOfClip(Bytes ump);
bool IsEndOfClip(Bytes ump);

// What is odd about a clip, and was kept.
enum class ClipOddity : std::uint8_t {
  kNoTicksPerQuarter,  // none before the start, or 0
  kNoStart,            // no Start of Clip
  kNoEnd,              // no End of Clip
  kAfterEnd,           // bytes after it: kept, not read
  kCutShort,           // the last message is not whole, or has a time and is missing
  kClockstamp,         // a message without a clockstamp, or with one that is not the canonical one
};

// In words: "no Start of Clip".
std::string_view ClipOddityName(ClipOddity oddity);

struct ClipWarning {
  ClipOddity oddity{};
  std::uint64_t offset = 0;  // of the byte at fault
  std::string Message() const;
  friend bool operator==(const ClipWarning&, const ClipWarning&) = default;
};

struct ClipOptions {
  bool strict = false;             // the first oddity is an error
  std::size_t max_warnings = 100;  // that are listed; all are counted
};

struct ClipEvent {
  std::int64_t tick;  // since the first clockstamp of the file
  std::uint32_t offset;
  std::uint32_t size;
};

// A clip that was read. It keeps nothing of the input, and may be moved.
class Clip {
 public:
  std::span<const ClipEvent> events() const { return events_; }
  Bytes bytes(const ClipEvent& event) const {
    return Bytes(file_).subspan(event.offset, event.size);
  }
  // The same as values that WriteClip takes; valid as long as this. Errors: kNoMemory.
  Result<std::vector<Event>> Events() const;

  // Of the first DCTPQ; 0 where there is none.
  std::uint16_t ticks_per_quarter() const { return ticks_per_quarter_; }
  // The index of Start of Clip, where the music begins; that of the end where there is none.
  std::size_t start() const { return start_; }

  const std::vector<ClipWarning>& warnings() const { return warnings_; }
  std::uint64_t warning_count() const { return warning_count_; }

  // How the clip was written, to be stored beside its events: 11 to 13 bytes where it is canonical.
  // Errors: kNoMemory.
  Result<std::vector<std::uint8_t>> Provenance() const;

 private:
  friend class ClipParser;

  // Before event `event`: clockstamps as they stand at `offset`, or, with `toggle`, from here on
  // those of no ticks are left out, or no longer.
  struct Change {
    std::size_t event;
    bool toggle;
    std::uint32_t offset;
    std::uint32_t words;
  };

  std::vector<std::uint8_t> file_;
  std::vector<ClipEvent> events_;
  std::vector<Change> changes_;
  std::size_t tail_ = 0;  // where what is not read begins
  std::uint16_t ticks_per_quarter_ = 0;
  std::size_t start_ = 0;
  std::vector<ClipWarning> warnings_;
  std::uint64_t warning_count_ = 0;
};

// Reads a clip. Odd ones are read as far as they make sense; the rest is kept.
// Errors: kInvalidArgument where the bytes do not begin with "SMF2CLIP", kLimit from 2^32 - 16
// bytes on, kNoMemory; with `strict` kCorrupt, naming the first oddity.
Result<Clip> ParseClip(Bytes file, const ClipOptions& options = {});

struct ClipWritten {
  std::vector<std::uint8_t> bytes;
  bool as_read = false;              // nothing was edited, and the bytes are those that were read
  std::uint64_t left_out_bytes = 0;  // what followed the end, of a clip that was edited
};

// Writes a clip. If the events are what the provenance was made of, it is the file that was read.
// If not, a valid one of the same events at the same ticks: where there is none, DCTPQ with
// `ticks_per_quarter`, Start of Clip and End of Clip are added; End of Clip is last.
// Errors: kInvalidArgument naming the event: not one whole message, a clockstamp, ticks that
// descend; damaged provenance; no DCTPQ, and `ticks_per_quarter` 0. kLimit: more than 2^44 ticks.
// kNoMemory.
Result<ClipWritten> WriteClip(std::span<const Event> events, Bytes provenance = {},
                              std::uint16_t ticks_per_quarter = 960);

}  // namespace canvas::midi
