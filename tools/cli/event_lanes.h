// What the tool knows of lanes of events: how much they hold, what their events are in words, and
// what is kept with a lane that came from a MIDI file, so that the file can be written again.
//
// Thread safety: pure functions; a canvas is read from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/midi/event.h"
#include "canvas/midi/smf.h"

namespace canvas::cli {

bool HoldsEvents(const LaneInfo& lane);

// Of lanes of frames and of events alike; of other kinds, nothing.
Result<LaneExtent> ExtentOf(const Canvas& canvas, const LaneInfo& lane);
// The same of what is written in a range: of events, one stretch from the first to the last.
Result<std::vector<FrameRange>> WrittenOf(const Canvas& canvas, const LaneInfo& lane,
                                          FrameRange range);
// All frames that a lane can have.
FrameRange WholeOf(const Canvas& canvas, const LaneInfo& lane);

inline midi::Bytes MidiBytes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

// "C4" is 60.
std::string PitchName(std::uint8_t pitch);
// What an event is: "ch 1 note on C4 vel 100". Texts go through Printable. `size`: how many bytes
// it has, where not all are there.
std::string EventWords(const Event& event, std::size_t size);
std::string_view EventKindName(EventKind kind);
std::string HexOf(std::span<const std::byte> bytes);

// The tags of a lane that came from a MIDI file.
inline constexpr std::string_view kMidiSourceTag = "midi.source";  // MidiSource, as a text
inline constexpr std::string_view kMidiTrackTag = "midi.track";  // Smf::TrackProvenance, in base64
inline constexpr std::string_view kMidiFileTag = "midi.file";    // Smf::FileProvenance, in base64
// The frame of tick 0, where that is not 0: below it, where the beginning was cut off.
inline constexpr std::string_view kMidiAtTag = "midi.at";
// Whether a tag is for programs, and nothing to read.
bool IsForPrograms(const SourceTag& tag);

// Which track of which file.
struct MidiSource {
  std::string file;  // a checksum of its bytes, in hexadecimal
  std::size_t track = 0;
  std::size_t tracks = 0;
  midi::SmfHeader header;
};
std::string ToText(const MidiSource& source);
std::optional<MidiSource> MidiSourceOf(const LaneInfo& lane);
std::string_view TagOf(const LaneInfo& lane, std::string_view name);
Frame TickZeroOf(const LaneInfo& lane);
// The tags of a lane whose frames are moved.
std::vector<SourceTag> MovedTags(const LaneInfo& lane, std::int64_t shift);

std::string ToBase64(midi::Bytes bytes);
// Nothing where it is none.
std::optional<std::vector<std::uint8_t>> FromBase64(std::string_view text);

}  // namespace canvas::cli
