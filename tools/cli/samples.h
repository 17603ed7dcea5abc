// Reading samples beside whoever writes.
//
// Thread safety: a reader belongs to one thread.
#pragma once

#include <span>

#include "canvas/api/canvas.h"

namespace canvas::cli {

// Reads until no block is caught in the middle of a change. Errors: kBusy (one never settles),
// kInvalidArgument (outside the canvas).
Result<ReadResult> ReadSettled(LaneReader& reader, Frame at, std::span<float> samples);
// The same; behind the canvas's end there is silence.
Result<ReadResult> ReadOrSilence(LaneReader& reader, Frame at, std::span<float> samples);

}  // namespace canvas::cli
