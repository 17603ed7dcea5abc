// Audio files to be read, through libsndfile (https://libsndfile.github.io), with errors as
// Results. Chained Ogg and FLAC files, of which libsndfile reads the first stream alone, are read
// stream by stream; lengths that a header does not say are put in (audio_streams.h).
//
// Thread safety: one thread at a time.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "tools/cli/audio_streams.h"
#include "tools/cli/cues.h"
#include "tools/cli/descriptor.h"

struct mpg123_handle_struct;
using mpg123_handle = mpg123_handle_struct;

namespace canvas::cli {

// Most through libsndfile; MPEG streams that do not say how long they are through libmpg123
// (https://mpg123.org), as libsndfile would end where it estimates that they do.
class AudioInput {
 public:
  // Errors: kNotFound, kPermission, kInvalidArgument (no audio file that libsndfile reads).
  static Result<AudioInput> Open(const std::string& path);

  std::uint32_t channels() const { return static_cast<std::uint32_t>(info_.channels); }
  std::uint64_t rate() const { return static_cast<std::uint64_t>(info_.samplerate); }
  // Where its channels sound, in the order that Read gives them in; 0: the file does not say.
  std::uint32_t speakers() const { return speakers_; }
  // Where its first frame lies, as the recorder said: frames since midnight (bext; EBU Tech 3285).
  std::optional<std::uint64_t> time_reference() const { return time_reference_; }
  // How many there will be, where the file says: as its header has it, cut to what is there. A file
  // that was written into a pipe does not say, nor a stream that has no end.
  std::optional<std::uint64_t> frames() const { return frames_; }
  // Its cue points (WAV, RF64, AIFF) or chapters (Vorbis comments), ascending.
  const std::vector<Cue>& cues() const { return cues_; }
  // What it says of its tempo and key: Vorbis comments, ID3, the acid chunk of a WAV.
  const std::vector<SourceTag>& tags() const { return tags_; }
  // The name of its format, where float32 does not hold every sample of that exactly.
  const std::string& rounded_from() const { return rounded_from_; }

  // Whether there is more of the file than could be read: another stream behind the first.
  bool goes_on() const { return goes_on_; }
  // Whether it ends before it should: known when it is opened, or not before it was read to its
  // end.
  bool cut_short() const { return cut_short_; }
  // How many frames there should have been, where that is known.
  std::optional<std::uint64_t> promised() const { return promised_; }

  // Fills as much of `samples` (whole frames, interleaved) as there is; 0 at the end.
  Result<std::size_t> Read(std::span<float> samples);

 private:
  struct Closer {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };

  struct MpegCloser {
    void operator()(mpg123_handle* handle) const;
  };
  // Answers how many frames it says it has.
  Result<sf_count_t> OpenStream(std::size_t index);
  Result<void> OpenMpeg();
  Result<std::size_t> ReadMpeg(std::span<float> samples);
  void LookForCut();
  void LookForWords();

  std::string path_;
  Descriptor fd_;
  std::vector<Stream> streams_;
  bool is_file_ = true;  // the one stream there is, is the file as it is
  std::unique_ptr<mpg123_handle, MpegCloser> mpeg_stream_;
  bool mpeg_ = false;
  bool untagged_ = false;                  // an MPEG stream that does not say how long it is
  bool goes_on_ = false;                   // behind the end of what can be read of it
  std::size_t stream_ = 0;                 // the one that is being read
  std::unique_ptr<Stream> open_;           // of it; libsndfile keeps its address
  std::unique_ptr<SNDFILE, Closer> file_;  // closed before the others
  SF_INFO info_{};                         // of the first
  std::uint32_t speakers_ = 0;
  std::vector<std::uint8_t> order_;
  std::optional<std::uint64_t> frames_;
  std::optional<std::uint64_t> promised_;
  std::optional<std::uint64_t> time_reference_;
  std::vector<Cue> cues_;
  std::vector<SourceTag> tags_;
  std::string rounded_from_;
  bool cut_short_ = false;
  std::uint64_t read_ = 0;
};

// Copies what standard input, or a pipe, gives into a file without a name, and answers a path under
// which it can be opened while `keeper` lives. Errors: kIo, kNoSpace.
Result<std::string> Spool(int from, Descriptor& keeper);

}  // namespace canvas::cli
