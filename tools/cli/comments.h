// What files of music say of themselves, beside their samples: Vorbis comments (FLAC, Ogg Vorbis,
// Opus and Ogg FLAC) and ID3. libsndfile gives the ones it has a name for, and neither tempo, key
// nor chapters.
//
// Thread safety: pure functions of what the file holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/api/lane.h"
#include "tools/cli/cues.h"

namespace canvas::cli {

// The Vorbis comments of a file, in their order, names in capitals; of a chain, of its first
// stream. None of another file, nor where they are damaged. Moves no file position.
std::vector<SourceTag> ReadComments(int fd);

// Those that ID3 has of tempo and key (TBPM, TKEY), named as Vorbis comments are: BPM, INITIALKEY.
// Moves the file position.
std::vector<SourceTag> ReadId3(int fd);

// Those of tempo and key among comments: what a lane keeps.
std::vector<SourceTag> TempoAndKey(const std::vector<SourceTag>& comments);

// libsndfile writes comments, but none of a name that it has not. So it is given a COMMENT of this
// text, as long as `tags` are together and a little longer; once it has closed the file (FLAC, Ogg
// Vorbis, Opus), they are put in its place, and what is left of it becomes padding.
std::string Placeholder(const std::vector<SourceTag>& tags);
enum class Replaced : std::uint8_t { kDone, kNotThere, kFailed };
Replaced ReplacePlaceholder(int fd, const std::vector<SourceTag>& tags);

// CHAPTER000=HH:MM:SS.mmm and CHAPTER000NAME (https://wiki.xiph.org/Chapter_Extension), as points,
// ascending.
std::vector<Cue> Chapters(const std::vector<SourceTag>& comments, std::uint64_t rate);

}  // namespace canvas::cli
