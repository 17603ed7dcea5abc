// Audio files through libsndfile, with errors as Results. libsndfile: https://libsndfile.github.io
//
// Thread safety: one thread at a time.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "canvas/base/error.h"

namespace canvas::cli {

class AudioInput {
 public:
  // Errors: kNotFound, kPermission, kInvalidArgument (no audio file that libsndfile reads).
  static Result<AudioInput> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::uint32_t channels() const { return static_cast<std::uint32_t>(info_.channels); }
  std::uint64_t rate() const { return static_cast<std::uint64_t>(info_.samplerate); }
  // As the file's header has it, cut to what is there.
  std::uint64_t frames() const { return static_cast<std::uint64_t>(info_.frames); }
  // Whether float32 does not hold every sample of its format exactly, and that format's name.
  bool rounds() const { return !rounded_from_.empty(); }
  const std::string& rounded_from() const { return rounded_from_; }
  // Whether the header promises more than the file holds.
  bool truncated() const { return truncated_; }

  // Fills as much of `samples` (whole frames, interleaved) as there is; 0 at the end.
  Result<std::size_t> Read(std::span<float> samples);

 private:
  struct Closer {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };
  std::string path_;
  SF_INFO info_{};
  std::unique_ptr<SNDFILE, Closer> file_;
  std::string rounded_from_;
  bool truncated_ = false;
};

enum class SampleFormat : std::uint8_t { kFloat, kPcm16, kPcm24 };

// A WAV file that appears under its name only when it is complete.
class WavOutput {
 public:
  // RF64 where `frames` do not fit a WAV (EBU Tech 3306).
  static Result<WavOutput> Open(const std::string& path, SampleFormat format,
                                std::uint32_t channels, std::uint32_t rate, std::uint64_t frames);
  WavOutput(WavOutput&&) noexcept;
  WavOutput& operator=(WavOutput&&) = delete;
  ~WavOutput();

  // Float is written bit for bit. PCM is rounded to the nearest step (1.0 is 2^15 or 2^23 steps)
  // and clipped; NaN becomes 0.
  Result<void> Write(std::span<const float> samples);
  // Samples that PCM could not hold so far.
  std::uint64_t clipped() const { return clipped_; }
  bool rf64() const { return rf64_; }
  // Gives the file its name.
  Result<void> Commit();

 private:
  WavOutput() = default;
  template <typename Int>
  void Quantize(std::span<const float> samples, double steps, int shift, std::span<Int> out);

  std::string path_;
  std::string temporary_;
  SNDFILE* file_ = nullptr;
  SampleFormat format_ = SampleFormat::kFloat;
  bool rf64_ = false;
  std::uint64_t clipped_ = 0;
};

}  // namespace canvas::cli
