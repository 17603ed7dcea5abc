// An audio file to be written, through libsndfile. It gets its name when it is complete
// (new_file.h).
//
// Thread safety: one thread at a time.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/error.h"
#include "tools/cli/audio_format.h"
#include "tools/cli/cues.h"
#include "tools/cli/new_file.h"

namespace canvas::cli {

class AudioOutput {
 public:
  struct Content {
    std::uint32_t channels = 0;
    std::uint32_t rate = 0;
    std::uint64_t frames = 0;
    std::uint32_t speakers = 0;
    std::uint64_t first_frame = 0;  // where it lies on the timeline: for bext
    std::vector<Cue> cues = {};     // ascending
    std::vector<SourceTag> tags = {};
  };
  // `path` and `replace` as in NewFile::Make. A WAV that is too long for one becomes RF64 (EBU Tech
  // 3306).
  // Errors: those of NewFile::Make; kInvalidArgument too of a format that cannot hold this, saying
  // which can.
  static Result<AudioOutput> Open(const std::string& path, const OutputFormat& format,
                                  const Content& content, bool replace);
  AudioOutput(AudioOutput&&) noexcept = default;
  AudioOutput& operator=(AudioOutput&&) = delete;

  // Float is written bit for bit. PCM is rounded to the nearest step (1.0 is 2^15 or 2^23 steps)
  // and clipped; NaN becomes 0. Dither is the same every time: two exports are the same bytes.
  Result<void> Write(std::span<const float> samples);
  // Samples that PCM could not hold so far.
  std::uint64_t clipped() const { return clipped_; }
  // "WAV", "RF64", "FLAC, 24-bit": what it is.
  const std::string& description() const { return description_; }
  // Whether the file says where its channels sound, where that is known.
  bool says_speakers() const { return says_speakers_; }
  // How many other names the file has that was replaced: under them it is as it was. After Commit.
  std::uint64_t other_names() const { return new_file_.other_names(); }
  // How many of the cue points are not in the file: all, of a format for which nothing here writes
  // them.
  std::uint64_t cues_left_out() const { return cues_left_out_; }
  // Whether the file says the tags: of FLAC, Vorbis and Opus.
  bool says_tags() const { return says_tags_; }
  // Gives the file its name, or hands it to standard output.
  Result<void> Commit();

 private:
  struct Closer {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };
  // What libsndfile writes goes through here: its Ogg encoders do not say when a write failed.
  struct Sink {
    int fd = -1;
    sf_count_t at = 0;
    sf_count_t size = 0;
    int failure = 0;  // errno of the first write that did
  };
  static SF_VIRTUAL_IO Writing();
  explicit AudioOutput(NewFile file) : new_file_(std::move(file)) {}
  Result<void> Begin(SF_INFO info);
  Result<void> SayPlace(const OutputFormat& format, const Content& content);
  void SayTags(const OutputFormat& format, const Content& content);
  void SaySpeakers(const SF_INFO& info, const Content& content);
  void Describe(const SF_INFO& info, Container container);
  double Random();
  template <typename Int>
  void Quantize(std::span<const float> samples, double steps, int shift, std::span<Int> out);
  Result<void> AppendChunks();

  NewFile new_file_;
  std::unique_ptr<Sink> sink_;  // libsndfile keeps its address
  std::unique_ptr<SNDFILE, Closer> file_;
  Samples samples_ = Samples::kFloat;
  std::vector<std::uint8_t> order_;
  std::vector<float> ordered_;
  std::uint32_t channels_ = 0;
  std::string description_;
  bool says_speakers_ = true;
  std::uint64_t clipped_ = 0;
  std::string chunks_;  // to stand behind all that libsndfile writes
  std::uint64_t cues_left_out_ = 0;
  std::vector<SourceTag> tags_;  // to be put where their placeholder is
  bool says_tags_ = true;
  bool dither_ = false;
  std::uint64_t random_ = 0x9E3779B97F4A7C15;
};

}  // namespace canvas::cli
