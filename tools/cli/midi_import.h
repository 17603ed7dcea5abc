// import, of MIDI files: a lane of events for each track, the tempo map beside them.
//
// Thread safety: one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/midi/smf.h"
#include "tools/cli/commands.h"
#include "tools/cli/import_plan.h"
#include "tools/cli/signals.h"

namespace canvas::cli::importing {

// Whether a file begins as MIDI files do, whatever its name: MThd, or RIFF with RMID.
bool LooksLikeMidi(const std::string& path);

// A file that was read, and where its tracks go.
struct MidiJob {
  Source source;
  midi::Smf smf;
  std::string checksum;
  Rate rate;
  Frame at;                        // of tick 0
  std::vector<std::string> names;  // of the lanes, one a track
  std::vector<TempoMap> maps;      // one, or in a file of format 2 one a track
  std::vector<EventList> events;   // one list a track
};

// Reads all of them, and looks whether they can go where they are to. Errors: kInvalidArgument,
// kCorrupt (an odd file, and --strict), kExists.
Result<std::vector<MidiJob>> PlanMidi(const Canvas& canvas, const ImportArguments& arguments,
                                      const std::vector<Source>& sources);

// All of a file, or nothing: after an error, or a signal, its lanes are gone again.
Result<void> ImportMidi(Canvas& canvas, const ImportArguments& arguments, const MidiJob& job,
                        const StopFlag& stop);

}  // namespace canvas::cli::importing
