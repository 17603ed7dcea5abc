#include "tools/cli/audio_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tools/cli/signals.h"

namespace canvas::cli {
namespace {

std::string LogOf(SNDFILE* file) {
  std::array<char, 4096> log{};
  const int length = sf_command(file, SFC_GET_LOG_INFO, log.data(), static_cast<int>(log.size()));
  return std::string(log.data(), static_cast<std::size_t>(std::max(length, 0)));
}

// libsndfile answers most failures with its own text, and "System error" where the kernel refused.
std::unexpected<Error> OpenFailure(const std::string& path, SNDFILE* file) {
  const int failure = errno;
  if (sf_error(file) == SF_ERR_SYSTEM && failure != 0)
    return std::unexpected(Error::FromErrno(failure, "open").About(path));
  std::string_view why = sf_strerror(file);
  if (why.ends_with('.')) why.remove_suffix(1);
  return std::unexpected(Error(ErrorCode::kInvalidArgument,
                               fmt::format("not audio that libsndfile reads: {}", why),
                               "give a WAV, FLAC, Ogg, AIFF or similar file")
                             .About(path));
}

}  // namespace

Result<AudioInput> AudioInput::Open(const std::string& path) {
  // libsndfile waits at a FIFO and calls a directory a system error.
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    return std::unexpected(Error::FromErrno(errno, "open").About(path));
  if (!S_ISREG(status.st_mode))
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "not a regular file", "give an audio file").About(path));
  AudioInput input;
  input.path_ = path;
  errno = 0;
  input.file_.reset(sf_open(path.c_str(), SFM_READ, &input.info_));
  if (input.file_ == nullptr) return OpenFailure(path, nullptr);
  switch (input.info_.format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_32:
      input.rounded_from_ = "32-bit integer";
      break;
    case SF_FORMAT_DOUBLE:
      input.rounded_from_ = "64-bit float";
      break;
    default:
      break;
  }
  // Not in SF_INFO: libsndfile cuts the count to what is there and only its log tells.
  const std::string log = LogOf(input.file_.get());
  const auto data = log.find("\ndata : ");
  input.truncated_ =
      data != std::string::npos && std::string_view(log)
                                           .substr(data + 1, log.find('\n', data + 1) - data - 1)
                                           .find("should be") != std::string_view::npos;
  return input;
}

Result<std::size_t> AudioInput::Read(std::span<float> samples) {
  const auto frames = static_cast<sf_count_t>(samples.size() / channels());
  const sf_count_t count = sf_readf_float(file_.get(), samples.data(), frames);
  if (count < 0 || (count == 0 && sf_error(file_.get()) != SF_ERR_NO_ERROR))
    return std::unexpected(
        Error(ErrorCode::kIo, fmt::format("reading failed: {}", sf_strerror(file_.get())))
            .About(path_));
  return static_cast<std::size_t>(count);
}

Result<WavOutput> WavOutput::Open(const std::string& path, SampleFormat format,
                                  std::uint32_t channels, std::uint32_t rate,
                                  std::uint64_t frames) {
  // Through a link, to what it points at; in the mode that is there.
  std::error_code missing;
  const std::filesystem::path real = std::filesystem::canonical(path, missing);
  const std::string target = missing ? path : real.string();
  struct stat status {};
  const bool exists = stat(target.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode))
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "not a regular file",
                                 "give the path of a WAV file to write")
                               .About(path));
  if (exists && access(target.c_str(), W_OK) != 0)
    return std::unexpected(Error::FromErrno(errno, "writing").About(path));
  constexpr std::uint64_t kHeaderRoom = 4096;
  const std::uint64_t sample_bytes = format == SampleFormat::kFloat   ? 4
                                     : format == SampleFormat::kPcm16 ? 2
                                                                      : 3;
  const std::uint64_t bytes = frames * channels * sample_bytes;
  WavOutput output;
  output.path_ = target;
  output.temporary_ =
      (std::filesystem::path(target).parent_path() / ".canvas-export-XXXXXX").string();
  output.format_ = format;
  output.rf64_ = bytes > UINT32_MAX - kHeaderRoom;
  SF_INFO info{};
  info.channels = static_cast<int>(channels);
  info.samplerate = static_cast<int>(rate);
  info.format = (output.rf64_ ? SF_FORMAT_RF64 : SF_FORMAT_WAV) |
                (format == SampleFormat::kFloat   ? SF_FORMAT_FLOAT
                 : format == SampleFormat::kPcm16 ? SF_FORMAT_PCM_16
                                                  : SF_FORMAT_PCM_24);
  errno = 0;
  int fd = -1;
  {
    const SignalHold hold;
    fd = mkostemp(output.temporary_.data(), O_CLOEXEC);
    if (fd < 0) return std::unexpected(Error::FromErrno(errno, "creating the file").About(path));
    RemoveAtSignal(output.temporary_);
  }
  const mode_t mask = umask(0);
  umask(mask);
  (void)!fchmod(fd, exists ? status.st_mode & 0777 : 0666 & ~mask);  // at worst it stays private
  output.file_ = sf_open_fd(fd, SFM_WRITE, &info, SF_TRUE);
  if (output.file_ == nullptr) {
    const std::string why = sf_strerror(nullptr);
    unlink(output.temporary_.c_str());
    RemoveAtSignal("");
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("libsndfile cannot write this: {}", why))
            .About(path));
  }
  // The peak chunk carries the time of writing: two exports of one lane shall be the same bytes.
  sf_command(output.file_, SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);
  return output;
}

WavOutput::WavOutput(WavOutput&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      file_(std::exchange(other.file_, nullptr)),
      format_(other.format_),
      rf64_(other.rf64_),
      clipped_(other.clipped_) {}

WavOutput::~WavOutput() {
  if (file_ == nullptr) return;
  sf_close(file_);
  unlink(temporary_.c_str());
  RemoveAtSignal("");
}

template <typename Int>
void WavOutput::Quantize(std::span<const float> samples, double steps, int shift,
                         std::span<Int> out) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double scaled = std::nearbyint(static_cast<double>(samples[i]) * steps);
    const double held = std::isnan(scaled) ? 0.0 : std::clamp(scaled, -steps, steps - 1);
    if (!(held == scaled)) ++clipped_;
    out[i] = static_cast<Int>(static_cast<std::int32_t>(held) * (1 << shift));
  }
}

Result<void> WavOutput::Write(std::span<const float> samples) {
  const auto count = static_cast<sf_count_t>(samples.size());
  sf_count_t done = 0;
  errno = 0;
  if (format_ == SampleFormat::kFloat) {
    done = sf_write_float(file_, samples.data(), count);
  } else if (format_ == SampleFormat::kPcm16) {
    std::vector<short> steps(samples.size());
    Quantize<short>(samples, 32768.0, 0, steps);
    done = sf_write_short(file_, steps.data(), count);
  } else {
    std::vector<int> steps(samples.size());
    Quantize<int>(samples, 8388608.0, 8, steps);
    done = sf_write_int(file_, steps.data(), count);
  }
  if (done != count) {
    const int failure = errno;
    return std::unexpected(Error::FromErrno(failure != 0 ? failure : EIO, "writing").About(path_));
  }
  return {};
}

Result<void> WavOutput::Commit() {
  errno = 0;
  const bool closed = sf_close(std::exchange(file_, nullptr)) == 0;
  if (closed && rename(temporary_.c_str(), path_.c_str()) == 0) {
    RemoveAtSignal("");
    return {};
  }
  const int failure = errno;
  unlink(temporary_.c_str());
  return std::unexpected(Error::FromErrno(failure != 0 ? failure : EIO, "writing").About(path_));
}

}  // namespace canvas::cli
