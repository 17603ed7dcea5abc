#include "tools/cli/audio_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "tools/cli/new_file.h"

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

bool IsLossy(Container container) {
  return container == Container::kOgg || container == Container::kOpus;
}

Samples UsualSamples(Container container) { return KindOf(container).usual; }

Result<SF_INFO> InfoFor(const std::string& path, const OutputFormat& format, Samples samples,
                        const AudioShape& content, std::uint64_t behind) {
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

}  // namespace canvas::cli
