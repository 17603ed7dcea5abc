// Cue points of audio files: the chunks `cue ` and `LIST adtl` of WAV (labl, ltxt) and MARK of
// AIFF. Through libsndfile's chunks, and not by its SFC_GET_CUE: that has no ranges, and writes no
// labels into WAV.
//
// Thread safety: pure functions, but for the file that is read: one thread at a time.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace canvas::cli {

struct Cue {
  std::uint64_t frame = 0;   // from the file's first
  std::uint64_t frames = 0;  // 0: a point
  std::string label;         // UTF-8
  friend bool operator==(const Cue&, const Cue&) = default;
};

// Text of a file that does not say how it is encoded: UTF-8 where it is that, or else taken for
// Latin-1; at most `most` bytes of it, whole characters, up to the first zero.
std::string TextOf(std::string_view bytes, std::size_t most);

// The cue points of a WAV, RF64 or AIFF that is open for reading, ascending; none of another file,
// nor of chunks that are none. At most kMaxMarkers.
std::vector<Cue> ReadCues(SNDFILE* file, int format);

// The chunks that say them, to be put behind all others: of a WAV or RF64 (offsets and lengths of
// 32 bits), or of an AIFF (points alone, at most 32,767). What they cannot say is left out, and
// `left_out` counts it.
std::string WavChunks(std::span<const Cue> cues, std::uint64_t& left_out);
std::string AiffChunk(std::span<const Cue> cues, std::uint64_t& left_out);

}  // namespace canvas::cli
