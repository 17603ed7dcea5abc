#include "tools/cli/audio_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "tools/cli/comments.h"
#include "tools/cli/speakers.h"

namespace canvas::cli {
namespace {

// What stands behind the samples, for the cue points; counts those it leaves out.
std::string ChunksOf(Container container, const std::vector<Cue>& cues, std::uint64_t& left_out) {
  switch (container) {
    case Container::kWav:
    case Container::kRf64:
      return WavChunks(cues, left_out);
    case Container::kAiff:
      return AiffChunk(cues, left_out);
    default:
      left_out = cues.size();
      return {};
  }
}

}  // namespace

Result<AudioOutput> AudioOutput::Open(const std::string& path, const OutputFormat& format,
                                      const Content& content, bool replace) {
  const Samples samples = format.samples.value_or(UsualSamples(format.container));
  std::uint64_t cues_left_out = 0;
  std::string chunks = ChunksOf(format.container, content.cues, cues_left_out);
  CANVAS_ASSIGN(
      SF_INFO info,
      InfoFor(path, format, samples,
              {content.channels, content.rate, content.frames, content.speakers}, chunks.size()));
  if (format.dither && samples == Samples::kFloat)
    return Refuse(path, "--dither is for whole numbers, and this is written as float",
                  "give --format pcm16 or pcm24 too");
  CANVAS_ASSIGN(NewFile file, NewFile::Make(path, replace));
  AudioOutput output(std::move(file));
  output.channels_ = content.channels;
  output.dither_ = format.dither;
  output.samples_ = samples;
  output.chunks_ = std::move(chunks);
  output.cues_left_out_ = cues_left_out;
  CANVAS_TRY(output.Begin(info));
  if (format.bext) CANVAS_TRY(output.SayPlace(format, content));
  if (!content.tags.empty()) output.SayTags(format, content);
  // The best there is, of what loses something.
  double quality = 1.0;
  if (IsLossy(format.container))
    sf_command(output.file_.get(), SFC_SET_VBR_ENCODING_QUALITY, &quality, sizeof quality);
  output.SaySpeakers(info, content);
  output.Describe(info, format.container);
  return output;
}

Result<void> AudioOutput::Begin(SF_INFO info) {
  sink_ = std::make_unique<Sink>(Sink{.fd = new_file_.fd()});
  SF_VIRTUAL_IO io = Writing();
  file_.reset(sf_open_virtual(&io, SFM_WRITE, &info, sink_.get()));
  if (file_ == nullptr)
    return Refuse(new_file_.path(),
                  fmt::format("libsndfile cannot write this: {}", sf_strerror(nullptr)),
                  "choose another --format");
  // The peak chunk carries the time of writing: two exports of one lane shall be the same bytes.
  sf_command(file_.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);
  return {};
}

Result<void> AudioOutput::SayPlace(const OutputFormat& format, const Content& content) {
  SF_BROADCAST_INFO bext{};
  std::strncpy(bext.originator, "canvas", sizeof bext.originator);
  bext.time_reference_low = static_cast<std::uint32_t>(content.first_frame);
  bext.time_reference_high = static_cast<std::uint32_t>(content.first_frame >> 32);
  bext.version = 1;
  if (sf_command(file_.get(), SFC_SET_BROADCAST_INFO, &bext, sizeof bext) != SF_TRUE)
    return Refuse(new_file_.path(), fmt::format("{} has no bext chunk", NameOf(format.container)),
                  "give --format wav or rf64, or leave --bext out");
  return {};
}

void AudioOutput::SayTags(const OutputFormat& format, const Content& content) {
  const bool comments = format.container == Container::kFlac || IsLossy(format.container);
  const std::string placeholder = Placeholder(content.tags);
  // Of Opus with very long comments libsndfile 1.2.0 makes files that nobody reads.
  constexpr std::size_t kMostOfOpus = 8192;
  says_tags_ = comments &&
               (format.container != Container::kOpus || placeholder.size() <= kMostOfOpus) &&
               sf_set_string(file_.get(), SF_STR_COMMENT, placeholder.c_str()) == SF_ERR_NO_ERROR;
  if (says_tags_) tags_ = content.tags;
}

void AudioOutput::SaySpeakers(const SF_INFO& info, const Content& content) {
  const Layout layout = LayoutFor(info.format, content.channels, content.speakers);
  order_ = layout.order;
  if (content.speakers != 0 && content.channels > 2) {
    std::vector<int> map = ChannelMap(content.speakers);
    const bool by_itself = !order_.empty() || (info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC;
    says_speakers_ =
        by_itself || (map.size() == content.channels &&
                      sf_command(file_.get(), SFC_SET_CHANNEL_MAP_INFO, map.data(),
                                 static_cast<int>(map.size() * sizeof(int))) == SF_TRUE);
  }
}

void AudioOutput::Describe(const SF_INFO& info, Container container) {
  const int type = info.format & SF_FORMAT_TYPEMASK;
  description_ = type == SF_FORMAT_RF64 ? "RF64" : std::string(NameOf(container));
  for (char& c : description_) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (samples_ != Samples::kFloat)
    description_ += samples_ == Samples::kPcm16 ? ", 16-bit" : ", 24-bit";
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
    return std::unexpected(Error::FromErrno(sink_->failure, "writing").About(new_file_.path()));
  return Refuse(new_file_.path(),
                fmt::format("libsndfile cannot write this: {}", sf_strerror(file_.get())),
                "choose another --format");
}

Result<void> AudioOutput::Commit() {
  if (sf_close(file_.release()) != 0 || sink_->failure != 0) {
    const int failure = sink_->failure;
    return std::unexpected(
        Error::FromErrno(failure != 0 ? failure : EIO, "writing").About(new_file_.path()));
  }
  if (!chunks_.empty()) CANVAS_TRY(AppendChunks());
  if (!tags_.empty()) {
    const Replaced replaced = ReplacePlaceholder(new_file_.fd(), tags_);
    if (replaced == Replaced::kFailed)
      return std::unexpected(
          Error(ErrorCode::kIo, "writing the lane's tags failed", "look at the disk; try again")
              .About(new_file_.path()));
    says_tags_ = replaced == Replaced::kDone;
  }
  return new_file_.Finish();
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
  return std::unexpected(Error::FromErrno(sink_->failure, "writing").About(new_file_.path()));
}

}  // namespace canvas::cli
