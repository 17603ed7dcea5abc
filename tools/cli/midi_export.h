// export, of lanes of events: one MIDI file of them all.
//
// Thread safety: one thread at a time.
#pragma once

#include "canvas/api/canvas.h"
#include "tools/cli/commands.h"

namespace canvas::cli {

// Whether a MIDI file is meant: by --format mid, or as the name ends.
bool IsMidiExport(const ExportArguments& arguments);
// Whether what was asked for beside makes sense for a MIDI file. Errors: kInvalidArgument.
Result<void> CheckMidiExport(const ExportArguments& arguments);

// Lanes that came from one file and hold what it held are that file again, byte for byte. Others
// become a file of format 1 of the same events, with the canvas's tempo map.
Result<void> ExportMidi(const Canvas& canvas, const ExportArguments& arguments);

}  // namespace canvas::cli
