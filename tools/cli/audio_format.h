// The formats that an audio file can be written in, and what each can hold.
//
// Thread safety: pure functions.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "canvas/base/error.h"

namespace canvas::cli {

enum class Container : std::uint8_t { kWav, kRf64, kW64, kFlac, kAiff, kCaf, kAu, kOgg, kOpus };
enum class Samples : std::uint8_t { kFloat, kPcm16, kPcm24 };

// "wav", "rf64", ...; nothing for any other text.
std::optional<Container> ContainerNamed(std::string_view name);
// By the end of a file's name: "x.flac". Nothing where it has none, or one that says nothing here.
std::optional<Container> ContainerOf(const std::string& path);
std::string_view NameOf(Container container);

struct OutputFormat {
  Container container = Container::kWav;
  std::optional<Samples> samples;  // default: float, or what the container has instead
  bool dither = false;             // triangular, of two steps, before PCM is rounded
  bool bext = false;               // says where its first frame lies (EBU Tech 3285)
};

// Vorbis and Opus.
bool IsLossy(Container container);
// What is written where nobody says: the nearest to float that the container has.
Samples UsualSamples(Container container);

// What is to be put into a file.
struct AudioShape {
  std::uint32_t channels = 0;
  std::uint32_t rate = 0;
  std::uint64_t frames = 0;
  std::uint32_t speakers = 0;
};
// What libsndfile is to write, with so many bytes behind it. Errors: kInvalidArgument.
Result<SF_INFO> InfoFor(const std::string& path, const OutputFormat& format, Samples samples,
                        const AudioShape& content, std::uint64_t behind);

}  // namespace canvas::cli
