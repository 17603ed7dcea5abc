// What libsndfile does not see in an audio file, found by looking at its bytes: streams that stand
// one behind the other, of which it reads the first alone; an end in the midst of a page or a
// frame; and headers that were written into a pipe and do not say how long the file became.
//
// Thread safety: one thread at a time.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <string>
#include <vector>

namespace canvas::cli {

// What libsndfile is to read as a file of its own.
struct Stream {
  int fd = -1;
  std::string head;        // stands before the rest, in place of what the file has there
  std::int64_t begin = 0;  // of the rest, in the file
  std::int64_t size = 0;   // of both
  std::int64_t at = 0;     // where libsndfile reads
};

struct Streams {
  std::vector<Stream> list;  // at least one
  bool is_file = true;       // the one there is, is the file as it is
  bool ended = true;  // whether the last page or frame of each is whole, as far as bytes tell
};

// Ogg: a chain (RFC 3533, 6). FLAC: files put one behind the other. W64, RF64, CAF: a length that
// is not known is put in. Any other file is one stream.
Streams FindStreams(int fd, std::int64_t size);

// libsndfile's way of reading a Stream, which is its user data.
SF_VIRTUAL_IO ReadingStream();

// The bytes of an ID3v2 tag that the file begins with; 0: none.
std::int64_t Id3Bytes(int fd);

}  // namespace canvas::cli
