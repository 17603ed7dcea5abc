// Standard MIDI Files: from bytes to tracks of events, and from events to bytes. No file is opened
// here and the kernel is not asked for anything.
//
// A file that nobody edited is written byte for byte as it was read. What events do not say, which
// is how they were written, is kept beside them as provenance: one small opaque blob for each track
// and one for the file. The events and the blobs may be stored apart and for years; WriteSmf takes
// both.
//
// What a blob holds: a checksum of the track's events, and where the file differs from the
// canonical way of writing them. That is: running status wherever the rules allow it, the shortest
// variable-length quantities, one end-of-track as the last event, true lengths and counts. Habits
// are predicted: a track that never uses running status costs one byte for that, and so does one
// that uses it for notes alone. An ordinary track's blob is 11 to 14 bytes.
//
// Invariants
//   I1  WriteSmf of what ParseSmf gave, with its provenance, is the input, for every input that
//       ParseSmf takes.
//   I2  A track's arena is no longer than its source: each event's delta makes room for its status.
//
// Source: Standard MIDI Files 1.0 (RP-001), with RP-029 for RIFF.
// Thread safety: an Smf is a plain value; reading one from several threads at once is fine.
// Realtime: accessors of Smf only read memory and are fit for a realtime thread; whatever returns a
// Result or a vector allocates and is not. Nothing waits.
#pragma once

#include <array>
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

// The most that a variable-length quantity holds: a delta in ticks, a length in bytes.
inline constexpr std::uint32_t kMaxQuantity = 0x0FFFFFFF;

// What a tick lasts, as the header has it: ticks a quarter (1 to 32,767), or, with the upper bit
// set, minus the frames a second (24, 25, 29 for 30 drop, 30) in the upper byte and ticks a frame
// in the lower.
struct SmfDivision {
  std::uint16_t word = 480;

  constexpr bool is_smpte() const { return (word & 0x8000U) != 0; }
  constexpr int ticks_per_quarter() const { return is_smpte() ? 0 : word; }
  constexpr int frames_per_second() const { return is_smpte() ? 256 - (word >> 8) : 0; }
  constexpr int ticks_per_frame() const { return is_smpte() ? word & 0xFF : 0; }
  static constexpr SmfDivision Smpte(int frames_per_second, int ticks_per_frame) {
    return {static_cast<std::uint16_t>((256 - frames_per_second) << 8 | ticks_per_frame)};
  }
  friend constexpr bool operator==(SmfDivision, SmfDivision) = default;
};

struct SmfHeader {
  std::uint16_t format = 1;  // 0: one track; 1: tracks at once; 2: tracks of their own
  SmfDivision division;
  friend constexpr bool operator==(const SmfHeader&, const SmfHeader&) = default;
};

// What is odd about a file, and was kept.
enum class SmfOddity : std::uint8_t {
  kHeaderLength,     // the header is not 6 bytes long, or says so
  kFormat,           // neither 0, 1 nor 2
  kDivision,         // of 0 ticks, or of frames a second that there are not
  kTrackCount,       // the header says another number of tracks, or format 0 has not one
  kStrayHeader,      // a further MThd
  kUnknownChunk,     // neither MThd nor MTrk: to be skipped, says the specification
  kChunkLength,      // a chunk's length goes beyond the file, or is not that of its content
  kTrackCutShort,    // the last event is not whole, or is none: kept, not read
  kNoEndOfTrack,     // the track ends without one
  kAfterEndOfTrack,  // bytes between a track's end and its chunk's: kept, not read
  kTrailing,         // bytes after the last chunk
  kDataByte,         // a channel or system message with a data byte above 127
  kRunningStatus,    // running status across a meta event, a SysEx or a system message
  kSystemStatus,     // F1 to F6 or F8 to FE, which a file may not have
  kQuantity,         // a variable-length quantity longer than it needs to be, up to 16 bytes
  kMetaType,         // a meta event of a type above 127
  kMetaLength,       // a meta event whose length is not that of its type
  kTempo,            // a tempo of 0
  kMeter,            // a meter of no beats, or of a beat that there is not
  kKey,              // a key of more than 7 sharps or flats, or neither major nor minor
};

// In words: "running status across a meta event, a SysEx or a system message".
std::string_view SmfOddityName(SmfOddity oddity);

struct SmfWarning {
  SmfOddity oddity{};
  std::uint32_t chunk = 0;   // in file order, the header's is 0
  std::uint64_t offset = 0;  // of the byte at fault, from the start of the input
  // "byte 1234, chunk 2: a tempo of 0".
  std::string Message() const;
  friend bool operator==(const SmfWarning&, const SmfWarning&) = default;
};

struct SmfOptions {
  bool strict = false;             // the first oddity is an error
  std::size_t max_warnings = 100;  // that are listed; all are counted
};

// An event of an Smf: where its bytes are. See Smf::bytes.
struct SmfEvent {
  std::int64_t tick;  // from the start of the track
  std::uint32_t offset;
  std::uint32_t size;
};

// A file that was read. It keeps nothing of the input, and may be moved.
class Smf {
 public:
  const SmfHeader& header() const { return header_; }
  std::size_t track_count() const { return tracks_.size(); }

  // Of a track below track_count(): in the order of the file, with end-of-track where there is one:
  // it is the last. Ticks do not descend; deltas up to 2^28 - 1 are summed in 64 bits.
  std::span<const SmfEvent> events(std::size_t track) const {
    return {events_.get() + tracks_[track].first_event, tracks_[track].event_count};
  }
  // As event.h says: whole, with its status, and without a length.
  Bytes bytes(const SmfEvent& event) const { return {arena_.get() + event.offset, event.size}; }
  // The same as values that WriteSmf, notes and chase take; valid as long as this.
  Result<std::vector<Event>> Events(std::size_t track) const;

  // The first oddities in the order they were met, and how many there were.
  const std::vector<SmfWarning>& warnings() const { return warnings_; }
  std::uint64_t warning_count() const { return warning_count_; }

  // How the track, and what is not in tracks, was written. To be stored beside the events, and
  // handed back to WriteSmf. Errors: kNoMemory.
  Result<std::vector<std::uint8_t>> TrackProvenance(std::size_t track) const;
  Result<std::vector<std::uint8_t>> FileProvenance() const;

 private:
  friend class SmfParser;

  // From event `event` on, habit `what` has another value.
  struct Change {
    std::uint32_t event;
    std::uint32_t value;
    std::uint8_t what;
  };
  struct Track {
    std::size_t first_event = 0;
    std::size_t event_count = 0;
    std::size_t first_change = 0;
    std::size_t change_count = 0;
    std::uint8_t running = 0x7F;  // types 8 to E: whether it is used, at the start
    std::uint32_t declared = 0;   // length of the chunk, as it says and
    std::uint32_t length = 0;     // as it is
    std::uint32_t tail_offset = 0;
    std::uint32_t tail_size = 0;
  };
  struct Other {
    std::size_t tracks_before = 0;
    std::array<std::uint8_t, 4> type{};
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };

  SmfHeader header_;
  std::vector<Track> tracks_;
  std::vector<Other> others_;
  std::vector<Change> changes_;
  std::vector<std::uint8_t> raw_header_;  // after "MThd"
  bool odd_header_ = false;               // it is not the canonical one
  std::vector<std::uint8_t> trailing_;
  std::vector<std::uint8_t> riff_before_;
  std::vector<std::uint8_t> riff_after_;
  std::uint32_t riff_size_ = 0;  // of the data chunk, as it says
  std::vector<SmfWarning> warnings_;
  std::uint64_t warning_count_ = 0;
  std::unique_ptr<SmfEvent[]> events_;
  std::unique_ptr<std::uint8_t[]> arena_;  // events' bytes, tails, other chunks
};

// Reads a file: MThd, or the same in RIFF (RMID). Odd files are read as far as they make sense;
// what does not is kept, and told in warnings(). A track ends at its end-of-track. Where a chunk's
// length is wrong, and the track's end-of-track is right before the next MTrk or the end of the
// file, that is taken for its end. Errors: kInvalidArgument where the bytes do not begin as a MIDI
// file, kLimit from 2^32 - 16 bytes on, kNoMemory; with `strict` kCorrupt, naming the first oddity.
Result<Smf> ParseSmf(Bytes file, const SmfOptions& options = {});

struct SmfTrackToWrite {
  std::span<const Event> events;  // ticks do not descend
  Bytes provenance;               // of Smf::TrackProvenance; or empty
};

struct SmfWritten {
  std::vector<std::uint8_t> bytes;
  // Everything was as it was read, and so are the bytes.
  bool as_read = false;
  // Tracks without provenance, or with other events than it was made of.
  std::size_t edited_tracks = 0;
  // What has no place in a valid file and was left out: bytes after an end-of-track or after the
  // last chunk, stray headers. 0 if as_read.
  std::uint64_t left_out_bytes = 0;
};

// Writes a file. If the header, the number of tracks and the events of each are what the provenance
// was made of, it is the file that was read. If anything else, it is a valid file of the same
// events at the same ticks: of a track that was not edited, or has as many events as before, each
// event is written as it was, as far as the rules allow; of another one its use of running status
// is kept; unknown chunks and further bytes of the header are kept; lengths, counts and ends of
// tracks are put right.
//   End-of-track: one, last, at the tick of the last event; those of the list are left out.
//   System messages (F1 to F6, F8 to FE), which a file may not have: as an escape (F7).
// Errors: kInvalidArgument naming track and event: a message that is none or not whole, ticks that
// descend or are 2^28 or more apart; an unknown or damaged blob. kLimit for a message, track or
// file that is too long; kNoMemory.
Result<SmfWritten> WriteSmf(const SmfHeader& header, std::span<const SmfTrackToWrite> tracks,
                            Bytes file_provenance = {});

// The header that a file's provenance was made of. Errors: kInvalidArgument: it is none.
Result<SmfHeader> HeaderOfProvenance(Bytes file_provenance);

// A file that was read, written again: the input, byte for byte.
Result<std::vector<std::uint8_t>> WriteSmf(const Smf& smf);

}  // namespace canvas::midi
