// What files of music say of themselves, beside their samples: Vorbis comments (FLAC, Ogg Vorbis, Opus and
// Ogg FLAC) and ID3. libsndfile gives the ones it has a name for, and neither tempo, key nor chapters.
//
// Thread safety: pure functions of what the file holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/api/lane.h"
#include "tools/cli/cues.h"

namespace canvas::cli {

// The Vorbis comments of a file, in their order, names in capitals; of a chain, of its first stream. None of
// another file, nor where they are damaged. Moves no file position.
std::vector<SourceTag> ReadComments(int fd);

// Those that ID3 has of tempo and key (TBPM, TKEY), named as Vorbis comments are: BPM, INITIALKEY. Moves the
// file position.
std::vector<SourceTag> ReadId3(int fd);

// Those of tempo and key among comments: what a lane keeps.
std::vector<SourceTag> TempoAndKey(const std::vector<SourceTag>& comments);

// CHAPTER000=HH:MM:SS.mmm and CHAPTER000NAME (https://wiki.xiph.org/Chapter_Extension), as points,
// ascending.
std::vector<Cue> Chapters(const std::vector<SourceTag>& comments, std::uint64_t rate);

}  // namespace canvas::cli
