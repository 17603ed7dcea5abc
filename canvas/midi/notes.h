// From messages to notes: when each begins and ends.
//
// The rules, by which no message is lost:
//   - A note-on with a velocity above 0 begins a note. A note-off, or a note-on of velocity 0, ends
//     one of the same channel and pitch: of several that sound the one that began first (FIFO).
//   - A note that ends on the tick it began, behind it in the list, has no length and is a note.
//   - A note-off where none sounds is a stray one, and listed.
//   - A note that nothing ends hangs: its end is that of the list, and `ended` is false.
//   - Controllers end no notes (All Notes Off, All Sound Off, sustain): that is for who plays them.
//     See chase.h.
//
// Source: MIDI 1.0 Detailed Specification 4.2, Channel Voice Messages.
// Thread safety: pure functions. Realtime: they allocate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/midi/event.h"

namespace canvas::midi {

// The release velocity of a note-on of velocity 0, and of a note that hangs.
inline constexpr std::uint8_t kDefaultRelease = 64;
inline constexpr std::size_t kNoEvent = static_cast<std::size_t>(-1);

struct Note {
  std::int64_t on = 0;               // in the unit of the list: ticks or frames
  std::int64_t off = 0;              // not before `on`
  std::size_t on_event = 0;          // indices in the list
  std::size_t off_event = kNoEvent;  // kNoEvent where it hangs
  std::uint8_t channel = 0;          // 0 to 15
  std::uint8_t pitch = 0;
  std::uint8_t velocity = 0;               // 1 to 127
  std::uint8_t release = kDefaultRelease;  // 0 to 127
  bool ended = false;
  friend bool operator==(const Note&, const Note&) = default;
};

struct StrayNoteOff {
  std::int64_t tick = 0;
  std::size_t event = 0;
  std::uint8_t channel = 0;
  std::uint8_t pitch = 0;
  std::uint8_t release = kDefaultRelease;
  friend bool operator==(const StrayNoteOff&, const StrayNoteOff&) = default;
};

struct Notes {
  std::vector<Note> notes;  // in the order in which they begin
  std::vector<StrayNoteOff> stray_offs;
  std::size_t hanging = 0;
  std::size_t overlapping = 0;  // that began while one of their channel and pitch sounded
  std::size_t not_whole = 0;    // note messages of another size than 3, or with data above 127
};

// Notes of events in order. `end`: where hanging ones end, if it is later than the last event.
// Errors: kInvalidArgument: a tick is earlier than the one before; kNoMemory.
Result<Notes> NotesOf(std::span<const Event> events, std::int64_t end = 0);

}  // namespace canvas::midi
