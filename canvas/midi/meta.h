// What the meta events of a MIDI file mean: names, texts, markers; tempo and meter as a TempoMap,
// and back.
//
// Time. A TempoMap has 960 ticks a quarter. A file has its own division:
//   ticks a quarter  exact where the division divides 960 x tick; else rounded to the nearest tick,
//                    halves up (ScaleOf says the ratio; IsExact whether a tick is one)
//   SMPTE            the file's ticks are time and not music: 24, 25 and 30 frames a second, and
//                    30000/1001 for 29. The map has one tempo of 120 to the minute, where a quarter
//                    is half a second, and the file's tempi say nothing.
//
// Sources: Standard MIDI Files 1.0 (RP-001), meta events 01 to 0F, 51, 58; RP-017 for lyrics.
// Thread safety: pure functions.
// Realtime: ToCanvasTick, FromCanvasTick and IsExact are fit for a realtime thread; the others
// allocate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/tempo.h"
#include "canvas/base/units.h"
#include "canvas/midi/event.h"
#include "canvas/midi/smf.h"

namespace canvas::midi {

// A meta event of type 01 to 0F. Its bytes are as in the file, in whatever encoding it has; they
// are of the Smf.
struct MetaText {
  std::size_t track = 0;
  std::int64_t tick = 0;  // of the file
  std::uint8_t type = 0;  // kMetaTrackName, kMetaMarker, kMetaCuePoint, kMetaLyric, ...
  std::string_view text;
};

// All texts of a file, by track and in order; or those of one type. Errors: kNoMemory.
Result<std::vector<MetaText>> Texts(const Smf& smf);
Result<std::vector<MetaText>> Texts(const Smf& smf, std::uint8_t type);

// The first track name of a track, or nothing: in a file of format 0 or of the first track of
// format 1 that is the song's.
std::string_view TrackName(const Smf& smf, std::size_t track);

// A tick of the TempoMap is `num / den` of a file's.
struct TickScale {
  std::int64_t num = 1;
  std::int64_t den = 1;
  friend bool operator==(const TickScale&, const TickScale&) = default;
};

// In lowest terms. Errors: kInvalidArgument: a division of 0 ticks, or of frames that there are
// not.
Result<TickScale> ScaleOf(SmfDivision division);

// The nearest tick, halves up; for ticks from 0 to 2^59. What does not fit is the last tick that
// does.
Tick ToCanvasTick(TickScale scale, std::int64_t tick);
std::int64_t FromCanvasTick(TickScale scale, Tick tick);
// Whether the two above give the same tick again and no time was lost.
bool IsExact(TickScale scale, std::int64_t tick);

struct SmfTempoMap {
  TempoMap map;              // with no id and no name; valid
  std::size_t rounded = 0;   // changes that do not lie on a tick of the map
  std::size_t left_out = 0;  // that mean nothing (a tempo of 0, a meter of no beats), that another
                             // on the same tick came after, or that lie beyond 2^40 ticks
};

// The tempi and meters of a file. Where it says none at its start: 120 to the minute, 4/4. Of
// several on a tick the last counts; of several tracks, the last of the highest. A tempo is whole
// microseconds a quarter in the file and whole nanoseconds in the map: exact. Format 2 has songs of
// their own: give the track. In others every track's are taken, though the first should have them
// all. Errors: kInvalidArgument as ScaleOf, or where there is no such track; kNoMemory.
Result<SmfTempoMap> TempoMapOf(const Smf& smf);
Result<SmfTempoMap> TempoMapOf(const Smf& smf, std::size_t track);

// A meta event that was made, with its bytes.
struct MadeEvent {
  std::int64_t tick = 0;
  std::array<std::uint8_t, 6> data{};
  std::uint8_t size = 0;
  Bytes bytes() const { return {data.data(), size}; }
};

// A map as meta events for a file, in order; meters before tempi on a tick. Ticks are rounded as
// above, a tempo to the nearest microsecond, halves up. The metronome of a meter clicks once a
// beat: 24 clocks a quarter. Errors: kInvalidArgument: the map is not valid, a tempo is not 1 to
// 16,777,215 us, a meter has a numerator above 255, the division as ScaleOf; kUnsupported: SMPTE,
// which has no tempo; kNoMemory.
Result<std::vector<MadeEvent>> MetaEventsOf(const TempoMap& map, SmfDivision division);

}  // namespace canvas::midi
