#include "tools/cli/audio_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <mpg123.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "tools/cli/comments.h"
#include "tools/cli/signals.h"
#include "tools/cli/speakers.h"

namespace canvas::cli {
namespace {

std::string LogOf(SNDFILE* file) {
  std::string log(64 * 1024, '\0');
  const int length = sf_command(file, SFC_GET_LOG_INFO, log.data(), static_cast<int>(log.size()));
  log.resize(static_cast<std::size_t>(std::max(length, 0)));
  return log;
}

std::unexpected<Error> NotAudio(const std::string& path, std::string_view why) {
  if (why.ends_with('.')) why.remove_suffix(1);
  return std::unexpected(Error(ErrorCode::kInvalidArgument,
                               fmt::format("not audio that libsndfile reads: {}", why),
                               "give a WAV, FLAC, Ogg, AIFF or similar file")
                             .About(path));
}

// "  Data Size   : 576000 (should be 345587)": what a header says of a chunk, and what there is.
struct Sizes {
  std::uint64_t said = 0;
  std::uint64_t there = 0;
};
std::optional<Sizes> SizesIn(std::string_view log, std::string_view chunk) {
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    std::string_view line = log.substr(at, end - at);
    at = end + 1;
    while (line.starts_with(' ')) line.remove_prefix(1);
    const auto colon = line.find(':');
    const auto should = line.find("(should be ");
    if (!line.starts_with(chunk) || colon == std::string_view::npos ||
        should == std::string_view::npos)
      continue;
    return Sizes{std::strtoull(std::string(line.substr(colon + 1)).c_str(), nullptr, 10),
                 std::strtoull(std::string(line.substr(should + 11)).c_str(), nullptr, 10)};
  }
  return std::nullopt;
}

// What programs write for a length that they do not know, in 32 bits: as much as there can be,
// signed or unsigned, or a little less, for a header of which they do not know how long it will be.
bool IsUnknown(std::uint64_t bytes) {
  return bytes >= 0xFFFFFF00 || (bytes >= 0x7F000000 && bytes <= 0x7FFFFFFF);
}

std::uint64_t BytesPerSample(int format) {
  switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
      return 1;
    case SF_FORMAT_PCM_16:
      return 2;
    case SF_FORMAT_PCM_24:
      return 3;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
      return 4;
    case SF_FORMAT_DOUBLE:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

namespace {

// An ID3 tag, but not before a FLAC; or the eleven bits that an MPEG audio frame begins with.
bool IsMpeg(int fd) {
  std::array<unsigned char, 4> start{};
  const std::int64_t tag = Id3Bytes(fd);
  const ssize_t got = pread(fd, start.data(), start.size(), tag);
  if (tag != 0) return got != 4 || std::memcmp(start.data(), "fLaC", 4) != 0;
  return got == 4 && start[0] == 0xFF && (start[1] & 0xE0) == 0xE0;
}

// What an MPEG file says of its length, in its first frame (the tag that Xing made and LAME uses).
// Without it libsndfile estimates, by the rate of the first frames, and reads no further than that.
struct MpegTag {
  bool there = false;
  std::int64_t end = 0;  // of the stream, in bytes; 0: it does not say
};
MpegTag LookForTag(int fd) {
  const std::int64_t at = Id3Bytes(fd);
  std::array<unsigned char, 64> frame{};
  const ssize_t got = pread(fd, frame.data(), frame.size(), at);
  for (std::size_t i = 4; got == std::ssize(frame) && i + 16 <= frame.size(); ++i) {
    if (std::memcmp(&frame[i], "Xing", 4) != 0 && std::memcmp(&frame[i], "Info", 4) != 0) continue;
    const auto word = [&](std::size_t k) {
      return std::int64_t{frame[i + k]} << 24 | frame[i + k + 1] << 16 | frame[i + k + 2] << 8 |
             frame[i + k + 3];
    };
    const bool frames = (frame[i + 7] & 1) != 0;
    const bool bytes = (frame[i + 7] & 2) != 0;
    return {frames, bytes ? at + word(frames ? 12 : 8) : 0};
  }
  return {};
}

// mpg123, below libsndfile, prints what it thinks of a file; what is to be said of it is said here.
// Several inputs may be opened at a time.
class QuietStandardError {
 public:
  QuietStandardError() : before_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
    const Descriptor nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (before_ && nowhere) dup2(nowhere.get(), STDERR_FILENO);
  }
  QuietStandardError(const QuietStandardError&) = delete;
  QuietStandardError& operator=(const QuietStandardError&) = delete;
  ~QuietStandardError() {
    if (before_) dup2(before_.get(), STDERR_FILENO);
  }

 private:
  static std::mutex& Mutex() {
    static std::mutex mutex;
    return mutex;
  }
  std::lock_guard<std::mutex> lock_{Mutex()};  // before the others
  Descriptor before_;
};

}  // namespace

// By libmpg123 itself, which libsndfile would ask too.
Result<void> AudioInput::OpenMpeg() {
  int error = mpg123_init();
  mpeg_stream_.reset(mpg123_new(nullptr, &error));
  mpg123_handle* const handle = mpeg_stream_.get();
  if (handle == nullptr) return NotAudio(path_, mpg123_plain_strerror(error));
  mpg123_param(handle, MPG123_ADD_FLAGS, MPG123_QUIET | MPG123_FORCE_FLOAT, 0);
  lseek(fd_.get(), 0, SEEK_SET);
  long rate = 0;
  int encoding = 0;
  if (mpg123_open_fd(handle, fd_.get()) != MPG123_OK ||
      mpg123_getformat(handle, &rate, &info_.channels, &encoding) != MPG123_OK)
    return NotAudio(path_, mpg123_strerror(handle));
  info_.samplerate = static_cast<int>(rate);
  // Whatever comes later is an error, and not another kind of samples.
  mpg123_format_none(handle);
  mpg123_format(handle, rate, info_.channels, MPG123_ENC_FLOAT_32);
  return {};
}

void AudioInput::MpegCloser::operator()(mpg123_handle* handle) const { mpg123_delete(handle); }

Result<std::size_t> AudioInput::ReadMpeg(std::span<float> samples) {
  std::size_t bytes = 0;
  const int status = mpg123_read(mpeg_stream_.get(), samples.data(),
                                 samples.size() / channels() * channels() * sizeof(float), &bytes);
  if (bytes != 0 || status == MPG123_DONE) return bytes / sizeof(float) / channels();
  if (status == MPG123_OK || status == MPG123_NEW_FORMAT) return ReadMpeg(samples);
  return std::unexpected(
      Error(ErrorCode::kIo, fmt::format("reading failed: {}", mpg123_strerror(mpeg_stream_.get())))
          .About(path_));
}

Result<AudioInput> AudioInput::Open(const std::string& path) {
  AudioInput input;
  input.path_ = path;
  input.fd_ = Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!input.fd_ || fstat(input.fd_.get(), &status) != 0)
    return std::unexpected(Error::FromErrno(errno, "open").About(path));
  if (!S_ISREG(status.st_mode))
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "not a regular file", "give an audio file").About(path));
  const int fd = input.fd_.get();
  Streams streams = FindStreams(fd, status.st_size);
  input.streams_ = std::move(streams.list);
  input.is_file_ = streams.is_file;
  input.mpeg_ = IsMpeg(fd);
  if (input.mpeg_) {
    const MpegTag tag = LookForTag(fd);
    input.untagged_ = !tag.there;
    constexpr std::int64_t kTrailer = 64 * 1024;  // tags stand behind, and pictures in them
    input.goes_on_ = tag.end != 0 && status.st_size > tag.end + kTrailer;
  }
  if (input.mpeg_) input.tags_ = ReadId3(fd);
  if (input.untagged_) {
    CANVAS_TRY(input.OpenMpeg());
    input.speakers_ = input.channels() == 1 ? 0x4 : 0x3;
    return input;
  }
  CANVAS_TRY(input.OpenStream(0));
  const Layout layout = LayoutOf(input.file_.get(), input.info_);
  // What libsndfile says where it cannot tell: the largest number there is.
  const auto said = [](sf_count_t frames) { return frames >= 0 && frames < SF_COUNT_MAX; };
  sf_count_t frames = input.info_.frames;
  // What cannot be one lane is refused before any of it is read.
  if (input.streams_.size() > 1) {
    const bool flac = (input.info_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC;
    if (!flac) frames = SF_COUNT_MAX;  // Ogg streams from the midst of others say too much
    for (std::size_t i = 1; i < input.streams_.size(); ++i) {
      CANVAS_ASSIGN(const sf_count_t more, input.OpenStream(i));
      frames = said(frames) && said(more) ? frames + more : SF_COUNT_MAX;
    }
    CANVAS_TRY(input.OpenStream(0));
  }
  input.speakers_ = layout.speakers;
  input.order_ = layout.order;
  if (said(frames)) input.frames_ = static_cast<std::uint64_t>(frames);
  input.cut_short_ = !streams.ended;
  input.LookForCut();
  input.LookForWords();
  SF_BROADCAST_INFO bext{};
  if (sf_command(input.file_.get(), SFC_GET_BROADCAST_INFO, &bext, sizeof bext) == SF_TRUE)
    input.time_reference_ = std::uint64_t{bext.time_reference_high} << 32 | bext.time_reference_low;
  switch (input.info_.format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_ALAC_32:
      input.rounded_from_ = "32-bit integer";
      break;
    case SF_FORMAT_DOUBLE:
      input.rounded_from_ = "64-bit float";
      break;
    default:
      break;
  }
  return input;
}

Result<sf_count_t> AudioInput::OpenStream(std::size_t index) {
  file_.reset();
  SF_INFO info{};
  {
    std::optional<QuietStandardError> quiet;
    if (mpeg_) quiet.emplace();
    if (is_file_) {  // faster, by some percent
      lseek(fd_.get(), 0, SEEK_SET);
      file_.reset(sf_open_fd(fd_.get(), SFM_READ, &info, SF_FALSE));
    } else {
      open_ = std::make_unique<Stream>(streams_[index]);
      SF_VIRTUAL_IO io = ReadingStream();
      file_.reset(sf_open_virtual(&io, SFM_READ, &info, open_.get()));
    }
  }
  if (file_ == nullptr) return NotAudio(path_, sf_strerror(nullptr));
  stream_ = index;
  if (index == 0) {
    info_ = info;
    return info.frames;
  }
  if (info.channels == info_.channels && info.samplerate == info_.samplerate) return info.frames;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            fmt::format("a chain of {} streams, of which the first has {} channels at {} Hz and "
                        "number {} has {} at {} Hz",
                        streams_.size(), info_.channels, info_.samplerate, index + 1, info.channels,
                        info.samplerate),
            "cut it into files, and give each a lane of its own")
          .About(path_));
}

void AudioInput::LookForWords() {
  const std::vector<SourceTag> comments = ReadComments(fd_.get());
  for (SourceTag& tag : TempoAndKey(comments)) tags_.push_back(std::move(tag));
  cues_ = Chapters(comments, rate());
  if (streams_.size() > 1) return;
  for (Cue& cue : ReadCues(file_.get(), info_.format)) cues_.push_back(std::move(cue));
  SF_LOOP_INFO loop{};
  if (sf_command(file_.get(), SFC_GET_LOOP_INFO, &loop, sizeof loop) == SF_TRUE &&
      std::isfinite(loop.bpm) && loop.bpm > 0)
    tags_.push_back({"BPM", fmt::format("{}", loop.bpm)});
}

// Not in SF_INFO: libsndfile cuts the count to what is there and only its log tells.
void AudioInput::LookForCut() {
  if (!frames_) return;
  const std::string log = LogOf(file_.get());
  const std::uint64_t frame = BytesPerSample(info_.format) * channels();
  for (const std::string_view chunk : {"data", "SSND", "Data Size"}) {
    const auto sizes = SizesIn(log, chunk);
    // A header that was written into a pipe says the most there can be, or nothing.
    if (!sizes || IsUnknown(sizes->said) || sizes->said <= sizes->there) continue;
    cut_short_ = true;
    if (frame != 0)
      promised_ = *frames_ + (sizes->said - sizes->there) / frame;
    else if (sizes->there != 0)
      promised_ = *frames_ * sizes->said / sizes->there;
    return;
  }
  // These formats say how long the whole file is.
  for (const std::string_view chunk : {"riff", "Riff size"}) {
    const auto sizes = SizesIn(log, chunk);
    if (!sizes || sizes->said <= sizes->there || sizes->said >= std::uint64_t{1} << 62) continue;
    cut_short_ = true;
    if (frame != 0) promised_ = *frames_ + (sizes->said - sizes->there) / frame;
    return;
  }
}

Result<std::size_t> AudioInput::Read(std::span<float> samples) {
  if (untagged_) return ReadMpeg(samples);
  const auto frames = static_cast<sf_count_t>(samples.size() / channels());
  for (;;) {
    const sf_count_t count = sf_readf_float(file_.get(), samples.data(), frames);
    if (count < 0 || (count == 0 && sf_error(file_.get()) != SF_ERR_NO_ERROR))
      return std::unexpected(
          Error(ErrorCode::kIo, fmt::format("reading failed: {}", sf_strerror(file_.get())))
              .About(path_));
    if (count > 0) {
      read_ += static_cast<std::uint64_t>(count);
      Reorder(samples.first(static_cast<std::size_t>(count) * channels()), channels(), order_);
      return static_cast<std::size_t>(count);
    }
    if (stream_ + 1 >= streams_.size()) break;
    CANVAS_TRY(OpenStream(stream_ + 1));
  }
  // Of a compressed file nothing is known of what is missing before its end is met.
  if (frames_ && read_ < *frames_) {
    cut_short_ = true;
    if (!promised_) promised_ = frames_;
  }
  return 0;
}

namespace {

// Ctrl-C ends a recording, and what was recorded is to be had. Signals come while this waits for
// the pipe and at no other time, so that none is missed.
class InterruptibleInput {
 public:
  explicit InterruptibleInput(int fd) : fd_(fd) {
    sigset_t held;
    sigemptyset(&held);
    for (const int number : {SIGINT, SIGTERM}) sigaddset(&held, number);
    sigprocmask(SIG_BLOCK, &held, &before_);
  }
  InterruptibleInput(const InterruptibleInput&) = delete;
  InterruptibleInput& operator=(const InterruptibleInput&) = delete;
  ~InterruptibleInput() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  // Whether there is something to read, or the end; false once a signal came.
  bool Wait() const {
    pollfd pipe{.fd = fd_, .events = POLLIN, .revents = 0};
    while (!stop_.raised())
      if (ppoll(&pipe, 1, nullptr, &before_) > 0) return true;
    return false;
  }

 private:
  int fd_;
  StopFlag stop_;
  sigset_t before_{};
};

}  // namespace

Result<std::string> Spool(int from, Descriptor& keeper) {
  const char* directory = std::getenv("TMPDIR");
  if (directory == nullptr || *directory == '\0') directory = "/tmp";
  keeper = Descriptor(open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!keeper) return std::unexpected(Error::FromErrno(errno, "creating a file").About(directory));
  std::vector<char> piece(1 << 20);
  const InterruptibleInput input(from);
  while (input.Wait()) {
    const ssize_t got = read(from, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailErrno(errno, "reading standard input");
    if (got == 0) break;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put =
          write(keeper.get(), piece.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0)
        return std::unexpected(Error::FromErrno(errno, "keeping standard input").About(directory));
      done += put;
    }
  }
  return fmt::format("/proc/self/fd/{}", keeper.get());
}

}  // namespace canvas::cli
