#include "tools/cli/audio_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "canvas/api/canvas.h"
#include "tools/cli/comments.h"
#include "tools/cli/signals.h"
#include "tools/cli/speakers.h"

namespace canvas::cli {
namespace {

struct Kind {
  Container container;
  std::string_view name;  // for --format
  std::string_view extensions;
  int format;
  Samples usual;  // where nobody says: the nearest to float that it has
};
constexpr std::array<Kind, 9> kKinds = {{
    {Container::kWav, "wav", ".wav .wave", SF_FORMAT_WAV, Samples::kFloat},
    {Container::kRf64, "rf64", ".rf64", SF_FORMAT_RF64, Samples::kFloat},
    {Container::kW64, "w64", ".w64", SF_FORMAT_W64, Samples::kFloat},
    {Container::kFlac, "flac", ".flac", SF_FORMAT_FLAC, Samples::kPcm24},
    {Container::kAiff, "aiff", ".aiff .aif .aifc", SF_FORMAT_AIFF, Samples::kFloat},
    {Container::kCaf, "caf", ".caf", SF_FORMAT_CAF, Samples::kFloat},
    {Container::kAu, "au", ".au .snd", SF_FORMAT_AU, Samples::kFloat},
    {Container::kOgg, "ogg", ".ogg .oga", SF_FORMAT_OGG | SF_FORMAT_VORBIS, Samples::kFloat},
    {Container::kOpus, "opus", ".opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, Samples::kFloat},
}};

const Kind& KindOf(Container container) {
  return *std::ranges::find(kKinds, container, &Kind::container);
}

bool IsLossy(Container container) {
  return container == Container::kOgg || container == Container::kOpus;
}

std::unexpected<Error> Refuse(const std::string& path, std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what), std::move(hint)).About(path));
}

// What libsndfile is to write. Errors: kInvalidArgument.
Result<SF_INFO> InfoFor(const std::string& path, const OutputFormat& format, Samples samples,
                        const AudioOutput::Content& content, std::uint64_t behind) {
  constexpr std::uint64_t kHeaderRoom = 4096;
  const Kind& kind = KindOf(format.container);
  SF_INFO info{};
  info.channels = static_cast<int>(content.channels);
  info.samplerate = static_cast<int>(content.rate);
  info.format = kind.format;
  if (IsLossy(format.container)) {
    if (format.samples)
      return Refuse(path, fmt::format("{} has no sample format of its own", kind.name),
                    "leave float, pcm16 and pcm24 out");
  } else {
    info.format |= samples == Samples::kFloat   ? SF_FORMAT_FLOAT
                   : samples == Samples::kPcm16 ? SF_FORMAT_PCM_16
                                                : SF_FORMAT_PCM_24;
  }
  const std::uint64_t bytes = content.frames * content.channels *
                              (samples == Samples::kFloat   ? 4U
                               : samples == Samples::kPcm16 ? 2U
                                                            : 3U);
  const bool large = bytes + behind > UINT32_MAX - kHeaderRoom;
  if (format.container == Container::kWav && large)
    info.format = SF_FORMAT_RF64 | (info.format & SF_FORMAT_SUBMASK);
  if ((format.container == Container::kAiff || format.container == Container::kAu) && large)
    return Refuse(path, fmt::format("{} bytes are too many for {}", bytes, kind.name),
                  "give --format rf64, w64 or caf, or a part of the lane");
  // A WAV with a place for each channel is an extensible one.
  if ((info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_WAV && content.channels > 2 &&
      content.speakers != 0)
    info.format = SF_FORMAT_WAVEX | (info.format & SF_FORMAT_SUBMASK);
  if (format.container == Container::kOpus &&
      (content.rate != 48000 && content.rate != 24000 && content.rate != 16000 &&
       content.rate != 12000 && content.rate != 8000))
    return Refuse(path, fmt::format("Opus has no rate of {} Hz", content.rate),
                  "it has 48000, 24000, 16000, 12000 and 8000; this tool does not resample");
  if (sf_format_check(&info) != SF_TRUE)
    return Refuse(path,
                  fmt::format("{} cannot hold {} channels at {} Hz{}", kind.name, content.channels,
                              content.rate, format.samples == Samples::kFloat ? " as float" : ""),
                  "give --format wav, w64 or caf");
  return info;
}

// A file without a name in the directory, or, where the file system has none such, with one.
Result<Descriptor> MakeFile(const std::string& path, const std::string& directory,
                            std::string& named) {
  Descriptor fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return std::unexpected(Error::FromErrno(errno, "creating the file").About(path));
  named = directory + "/.canvas-export-XXXXXX";
  const SignalHold hold;
  fd = Descriptor(mkostemp(named.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(Error::FromErrno(errno, "creating the file").About(path));
  RemoveAtSignal(named);
  return fd;
}

}  // namespace

std::optional<Container> ContainerNamed(std::string_view name) {
  const auto kind = std::ranges::find(kKinds, name, &Kind::name);
  if (kind == kKinds.end()) return std::nullopt;
  return kind->container;
}

std::optional<Container> ContainerOf(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension.empty()) return std::nullopt;
  for (const Kind& kind : kKinds)
    for (std::string_view rest = kind.extensions; !rest.empty();) {
      const auto space = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, space) == extension) return kind.container;
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
  return std::nullopt;
}

std::string_view NameOf(Container container) { return KindOf(container).name; }

Result<AudioOutput> AudioOutput::Open(const std::string& path, const OutputFormat& format,
                                      const Content& content, bool replace) {
  AudioOutput output;
  output.path_ = path;
  output.replace_ = replace;
  output.channels_ = content.channels;
  output.dither_ = format.dither;
  output.samples_ = format.samples.value_or(KindOf(format.container).usual);
  switch (format.container) {
    case Container::kWav:
    case Container::kRf64:
      output.chunks_ = WavChunks(content.cues, output.cues_left_out_);
      break;
    case Container::kAiff:
      output.chunks_ = AiffChunk(content.cues, output.cues_left_out_);
      break;
    default:
      output.cues_left_out_ = content.cues.size();
      break;
  }
  CANVAS_ASSIGN(SF_INFO info,
                InfoFor(path, format, output.samples_, content, output.chunks_.size()));
  if (format.dither && (output.samples_ == Samples::kFloat))
    return Refuse(path, "--dither is for whole numbers, and this is written as float",
                  "give --format pcm16 or pcm24 too");
  struct stat status {};
  bool exists = false;
  std::string directory = "/tmp";
  if (path != "-") {
    // Through a link, to what it points at; in the mode that is there.
    std::error_code missing;
    const std::filesystem::path real = std::filesystem::canonical(path, missing);
    output.target_ = missing ? path : real.string();
    // One that points at nothing yet.
    if (missing && std::filesystem::is_symlink(path, missing))
      output.target_ =
          (std::filesystem::path(path).parent_path() / std::filesystem::read_symlink(path, missing))
              .string();
    exists = stat(output.target_.c_str(), &status) == 0;
    if (exists && !S_ISREG(status.st_mode))
      return Refuse(path, "not a regular file",
                    "give the path of a file to write, or - for a pipe");
    if (exists && LooksLikeCanvas(output.target_))
      return Refuse(path, "there is a canvas of this name, and an export never replaces one",
                    "choose another path");
    if (exists && !replace)
      return std::unexpected(Error(ErrorCode::kExists, "it exists already",
                                   "choose another path, or give --force to replace it")
                                 .About(path));
    if (exists && access(output.target_.c_str(), W_OK) != 0)
      return std::unexpected(Error::FromErrno(errno, "writing").About(path));
    directory = std::filesystem::path(output.target_).parent_path().string();
    if (directory.empty()) directory = ".";
  } else if (const char* set = std::getenv("TMPDIR"); set != nullptr && *set != '\0') {
    directory = set;
  }
  CANVAS_ASSIGN(output.fd_, MakeFile(path, directory, output.named_));
  const mode_t mask = umask(0);
  umask(mask);
  // At worst it stays private.
  mode_t mode = 0666 & ~mask;
  if (exists) {
    // The one who has it keeps it, where that is permitted; and nobody gets a right whom it was not
    // given.
    mode = status.st_mode & 0777;
    if (fchown(output.fd_.get(), status.st_uid, status.st_gid) != 0 &&
        fchown(output.fd_.get(), static_cast<uid_t>(-1), status.st_gid) != 0)
      mode = (mode & 0707) | (mode & (mode << 3) & 0070);
  }
  (void)!fchmod(output.fd_.get(), mode);
  output.sink_ = std::make_unique<Sink>(Sink{.fd = output.fd_.get()});
  SF_VIRTUAL_IO io = Writing();
  output.file_.reset(sf_open_virtual(&io, SFM_WRITE, &info, output.sink_.get()));
  if (output.file_ == nullptr)
    return Refuse(path, fmt::format("libsndfile cannot write this: {}", sf_strerror(nullptr)),
                  "choose another --format");
  // The peak chunk carries the time of writing: two exports of one lane shall be the same bytes.
  sf_command(output.file_.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);
  if (format.bext) {
    SF_BROADCAST_INFO bext{};
    std::strncpy(bext.originator, "canvas", sizeof bext.originator);
    bext.time_reference_low = static_cast<std::uint32_t>(content.first_frame);
    bext.time_reference_high = static_cast<std::uint32_t>(content.first_frame >> 32);
    bext.version = 1;
    if (sf_command(output.file_.get(), SFC_SET_BROADCAST_INFO, &bext, sizeof bext) != SF_TRUE)
      return Refuse(path, fmt::format("{} has no bext chunk", NameOf(format.container)),
                    "give --format wav or rf64, or leave --bext out");
  }
  if (!content.tags.empty()) {
    const bool comments = format.container == Container::kFlac || IsLossy(format.container);
    const std::string placeholder = Placeholder(content.tags);
    // Of Opus with very long comments libsndfile 1.2.0 makes files that nobody reads.
    constexpr std::size_t kMostOfOpus = 8192;
    output.says_tags_ =
        comments && (format.container != Container::kOpus || placeholder.size() <= kMostOfOpus) &&
        sf_set_string(output.file_.get(), SF_STR_COMMENT, placeholder.c_str()) == SF_ERR_NO_ERROR;
    if (output.says_tags_) output.tags_ = content.tags;
  }
  // The best there is, of what loses something.
  double quality = 1.0;
  if (IsLossy(format.container))
    sf_command(output.file_.get(), SFC_SET_VBR_ENCODING_QUALITY, &quality, sizeof quality);
  const Layout layout = LayoutFor(info.format, content.channels, content.speakers);
  output.order_ = layout.order;
  if (content.speakers != 0 && content.channels > 2) {
    std::vector<int> map = ChannelMap(content.speakers);
    const bool by_itself =
        !output.order_.empty() || (info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC;
    output.says_speakers_ =
        by_itself || (map.size() == content.channels &&
                      sf_command(output.file_.get(), SFC_SET_CHANNEL_MAP_INFO, map.data(),
                                 static_cast<int>(map.size() * sizeof(int))) == SF_TRUE);
  }
  const int type = info.format & SF_FORMAT_TYPEMASK;
  output.description_ = type == SF_FORMAT_RF64 ? "RF64" : std::string(NameOf(format.container));
  for (char& c : output.description_)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (output.samples_ != Samples::kFloat)
    output.description_ += output.samples_ == Samples::kPcm16 ? ", 16-bit" : ", 24-bit";
  return output;
}

SF_VIRTUAL_IO AudioOutput::Writing() {
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) -> sf_count_t { return static_cast<Sink*>(user)->size; };
  io.seek = [](sf_count_t offset, int whence, void* user) -> sf_count_t {
    auto& sink = *static_cast<Sink*>(user);
    sink.at = offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? sink.at : sink.size);
    return sink.at;
  };
  // A header is read again before it is written anew.
  io.read = [](void* to, sf_count_t count, void* user) -> sf_count_t {
    auto& sink = *static_cast<Sink*>(user);
    const ssize_t got = pread(sink.fd, to, static_cast<std::size_t>(count), sink.at);
    if (got > 0) sink.at += got;
    return std::max<ssize_t>(got, 0);
  };
  io.write = [](const void* from, sf_count_t count, void* user) -> sf_count_t {
    auto& sink = *static_cast<Sink*>(user);
    sf_count_t done = 0;
    while (done < count) {
      const ssize_t put = pwrite(sink.fd, static_cast<const char*>(from) + done,
                                 static_cast<std::size_t>(count - done), sink.at + done);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) {
        if (sink.failure == 0) sink.failure = put < 0 ? errno : EIO;
        break;
      }
      done += put;
    }
    sink.at += done;
    sink.size = std::max(sink.size, sink.at);
    return done;
  };
  io.tell = [](void* user) -> sf_count_t { return static_cast<Sink*>(user)->at; };
  return io;
}

AudioOutput::~AudioOutput() {
  if (named_.empty()) return;
  unlink(named_.c_str());
  RemoveAtSignal("");
}

// Uniform in [0, 1): xorshift64* (Vigna 2016).
double AudioOutput::Random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return static_cast<double>((random_ * 0x2545F4914F6CDD1D) >> 11) * 0x1p-53;
}

template <typename Int>
void AudioOutput::Quantize(std::span<const float> samples, double steps, int shift,
                           std::span<Int> out) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    double exact = static_cast<double>(samples[i]) * steps;
    if (dither_) exact += Random() - Random();
    const double scaled = std::nearbyint(exact);
    const double held = std::isnan(scaled) ? 0.0 : std::clamp(scaled, -steps, steps - 1);
    if (!(held == scaled)) ++clipped_;
    out[i] = static_cast<Int>(static_cast<std::int32_t>(held) * (1 << shift));
  }
}

Result<void> AudioOutput::Write(std::span<const float> samples) {
  if (!order_.empty()) {
    ordered_.assign(samples.begin(), samples.end());
    Reorder(ordered_, channels_, order_);
    samples = ordered_;
  }
  const auto count = static_cast<sf_count_t>(samples.size());
  sf_count_t done = 0;
  if (samples_ == Samples::kFloat) {
    done = sf_write_float(file_.get(), samples.data(), count);
  } else if (samples_ == Samples::kPcm16) {
    std::vector<short> steps(samples.size());
    Quantize<short>(samples, 32768.0, 0, steps);
    done = sf_write_short(file_.get(), steps.data(), count);
  } else {
    std::vector<int> steps(samples.size());
    Quantize<int>(samples, 8388608.0, 8, steps);
    done = sf_write_int(file_.get(), steps.data(), count);
  }
  if (done == count && sink_->failure == 0) return {};
  if (sink_->failure != 0)
    return std::unexpected(Error::FromErrno(sink_->failure, "writing").About(path_));
  return Refuse(path_, fmt::format("libsndfile cannot write this: {}", sf_strerror(file_.get())),
                "choose another --format");
}

Result<void> AudioOutput::Commit() {
  if (sf_close(file_.release()) != 0 || sink_->failure != 0) {
    const int failure = sink_->failure;
    return std::unexpected(Error::FromErrno(failure != 0 ? failure : EIO, "writing").About(path_));
  }
  if (!chunks_.empty()) CANVAS_TRY(AppendChunks());
  if (!tags_.empty()) {
    const Replaced replaced = ReplacePlaceholder(fd_.get(), tags_);
    if (replaced == Replaced::kFailed)
      return std::unexpected(
          Error(ErrorCode::kIo, "writing the lane's tags failed", "look at the disk; try again")
              .About(path_));
    says_tags_ = replaced == Replaced::kDone;
  }
  return path_ == "-" ? HandOver() : Name();
}

// libsndfile would put them into the header, of which it makes no more than 100 KB.
Result<void> AudioOutput::AppendChunks() {
  SF_VIRTUAL_IO io = Writing();
  const auto put = [&](sf_count_t at, std::string_view bytes) {
    sink_->at = at;
    io.write(bytes.data(), static_cast<sf_count_t>(bytes.size()), sink_.get());
  };
  if (sink_->size % 2 != 0) put(sink_->size, std::string_view("", 1));
  put(sink_->size, chunks_);
  // What the first chunk says of its length: all behind its first eight bytes.
  std::array<char, 4> magic{};
  sink_->at = 0;
  io.read(magic.data(), magic.size(), sink_.get());
  const std::string_view form(magic.data(), magic.size());
  const bool big = form == "FORM";
  const std::size_t bytes = form == "RF64" ? 8 : 4;
  const auto length = static_cast<std::uint64_t>(sink_->size - 8);
  std::string size;
  for (std::size_t i = 0; i < bytes; ++i)
    size += static_cast<char>(length >> 8 * (big ? bytes - 1 - i : i));
  put(form == "RF64" ? 20 : 4, size);  // of RF64, in its chunk ds64
  if (sink_->failure == 0) return {};
  return std::unexpected(Error::FromErrno(sink_->failure, "writing").About(path_));
}

// Under a name that is free; over another file only where that was asked for.
Result<void> AudioOutput::Name() {
  const auto link_to = [&](const std::string& name) {
    const std::string source = named_.empty() ? fmt::format("/proc/self/fd/{}", fd_.get()) : named_;
    return linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  const auto failed = [&](int failure) {
    return std::unexpected(Error::FromErrno(failure, "writing").About(path_));
  };
  // What is there may go, and come again, meanwhile.
  for (int tries = 0; tries < 10; ++tries) {
    if (link_to(target_)) return {};
    // A file system without links.
    if (errno != EEXIST && !named_.empty() &&
        renameat2(AT_FDCWD, named_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0)
      return {};
    if (errno != EEXIST) return failed(errno);
    if (!replace_)
      return std::unexpected(Error(ErrorCode::kExists, "somebody else has made it meanwhile",
                                   "choose another path, or give --force to replace it")
                                 .About(path_));
    // After a crash there is the old file or the new one, whole.
    if (fsync(fd_.get()) != 0) return failed(errno);
    // A name for a moment, at which no signal ends the process.
    const SignalHold hold;
    RemoveAtSignal("");
    if (named_.empty()) {
      const std::filesystem::path folder = std::filesystem::path(target_).parent_path();
      std::string between;
      for (int i = 0; i < 100; ++i) {
        between = (folder / fmt::format(".canvas-export-{}-{}", getpid(), i)).string();
        if (link_to(between)) named_ = between;
        // One that exists was left by a process that was killed: it may be what that replaced.
        if (!named_.empty() || errno != EEXIST) break;
      }
      if (named_.empty()) return failed(errno);
    }
    CANVAS_ASSIGN(const bool done, Replace());
    if (done) return {};
    RemoveAtSignal(named_);
  }
  return failed(EBUSY);
}

// Puts the file that is called `named_` in the place of another, which is looked at when it is out
// of that place: by then nobody can make a canvas of that name any more, and a canvas is put back.
// While it is looked at, it is not to be found under its name. False: nothing was there.
Result<bool> AudioOutput::Replace() {
  const auto exchange = [&] {
    return renameat2(AT_FDCWD, named_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0;
  };
  const auto refuse = [&] {
    return Refuse(path_, "there is a canvas of this name, and an export never replaces one",
                  "choose another path");
  };
  if (LooksLikeCanvas(target_)) return refuse();
  const auto sync_folder = [&] {
    const std::string folder = std::filesystem::path(target_).parent_path().string();
    const Descriptor fd(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd) fsync(fd.get());
  };
  if (!exchange()) {
    if (errno == ENOENT) return false;
    // A file system that cannot exchange: there a moment remains between the look and this.
    if (errno != EINVAL || rename(named_.c_str(), target_.c_str()) != 0)
      return std::unexpected(Error::FromErrno(errno, "writing").About(path_));
    named_.clear();
    sync_folder();
    return true;
  }
  struct stat old {};
  const bool is_file = lstat(named_.c_str(), &old) == 0 && S_ISREG(old.st_mode);
  if (is_file && !LooksLikeCanvas(named_)) {
    other_names_ = old.st_nlink - 1;
    unlink(named_.c_str());
    named_.clear();
    sync_folder();
    return true;
  }
  struct stat ours {};
  struct stat back {};
  if (exchange() && fstat(fd_.get(), &ours) == 0 && lstat(named_.c_str(), &back) == 0 &&
      ours.st_dev == back.st_dev && ours.st_ino == back.st_ino)
    return refuse();
  // Someone else is at work on these names too: nothing of theirs is removed.
  const std::string kept = std::exchange(named_, {});
  return Refuse(path_,
                fmt::format("it was replaced by somebody else meanwhile, and lies in {}", kept),
                "look at both, and move it back");
}

Result<void> AudioOutput::HandOver() {
  std::vector<char> piece(1 << 20);
  for (off_t at = 0;;) {
    const ssize_t got = pread(fd_.get(), piece.data(), piece.size(), at);
    if (got < 0) return FailErrno(errno, "reading what was to be written");
    if (got == 0) return {};
    for (ssize_t done = 0; done < got;) {
      const ssize_t put =
          write(STDOUT_FILENO, piece.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return FailErrno(errno, "writing to standard output");
      done += put;
    }
    at += got;
  }
}

}  // namespace canvas::cli
