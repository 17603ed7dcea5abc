#include "tools/cli/speakers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <utility>

namespace canvas::cli {
namespace {

// By bit of dwChannelMask: what people call it, and libsndfile.
struct Speaker {
  std::string_view name;
  int sndfile;
};
constexpr std::array<Speaker, 18> kSpeakers = {{
    {"FL", SF_CHANNEL_MAP_LEFT},
    {"FR", SF_CHANNEL_MAP_RIGHT},
    {"FC", SF_CHANNEL_MAP_CENTER},
    {"LFE", SF_CHANNEL_MAP_LFE},
    {"BL", SF_CHANNEL_MAP_REAR_LEFT},
    {"BR", SF_CHANNEL_MAP_REAR_RIGHT},
    {"FLC", SF_CHANNEL_MAP_FRONT_LEFT_OF_CENTER},
    {"FRC", SF_CHANNEL_MAP_FRONT_RIGHT_OF_CENTER},
    {"BC", SF_CHANNEL_MAP_REAR_CENTER},
    {"SL", SF_CHANNEL_MAP_SIDE_LEFT},
    {"SR", SF_CHANNEL_MAP_SIDE_RIGHT},
    {"TC", SF_CHANNEL_MAP_TOP_CENTER},
    {"TFL", SF_CHANNEL_MAP_TOP_FRONT_LEFT},
    {"TFC", SF_CHANNEL_MAP_TOP_FRONT_CENTER},
    {"TFR", SF_CHANNEL_MAP_TOP_FRONT_RIGHT},
    {"TBL", SF_CHANNEL_MAP_TOP_REAR_LEFT},
    {"TBC", SF_CHANNEL_MAP_TOP_REAR_CENTER},
    {"TBR", SF_CHANNEL_MAP_TOP_REAR_RIGHT},
}};
enum Bit : std::uint8_t { kFL, kFR, kFC, kLFE, kBL, kBR, kFLC, kFRC, kBC, kSL, kSR };

// libsndfile has two names for some places.
int BitOf(int sndfile) {
  switch (sndfile) {
    case SF_CHANNEL_MAP_MONO:
    case SF_CHANNEL_MAP_FRONT_CENTER:
      return kFC;
    case SF_CHANNEL_MAP_FRONT_LEFT:
      return kFL;
    case SF_CHANNEL_MAP_FRONT_RIGHT:
      return kFR;
    default:
      break;
  }
  for (std::size_t bit = 0; bit < kSpeakers.size(); ++bit)
    if (kSpeakers[bit].sndfile == sndfile) return static_cast<int>(bit);
  return -1;
}

using Places = std::vector<Bit>;

// By the number of channels, from 1 on: RFC 7845, 5.1.1.2 (Opus) and the Vorbis I specification,
// 4.3.9.
const std::array<Places, 8> kVorbis = {{{kFC},
                                        {kFL, kFR},
                                        {kFL, kFC, kFR},
                                        {kFL, kFR, kBL, kBR},
                                        {kFL, kFC, kFR, kBL, kBR},
                                        {kFL, kFC, kFR, kBL, kBR, kLFE},
                                        {kFL, kFC, kFR, kSL, kSR, kBC, kLFE},
                                        {kFL, kFC, kFR, kSL, kSR, kBL, kBR, kLFE}}};
// RFC 9639, 9.1.3.
const std::array<Places, 8> kFlac = {{{kFC},
                                      {kFL, kFR},
                                      {kFL, kFR, kFC},
                                      {kFL, kFR, kBL, kBR},
                                      {kFL, kFR, kFC, kBL, kBR},
                                      {kFL, kFR, kFC, kLFE, kBL, kBR},
                                      {kFL, kFR, kFC, kLFE, kBC, kSL, kSR},
                                      {kFL, kFR, kFC, kLFE, kBL, kBR, kSL, kSR}}};

bool IsVorbisOrder(int format) {
  const int coding = format & SF_FORMAT_SUBMASK;
  return (format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG &&
         (coding == SF_FORMAT_VORBIS || coding == SF_FORMAT_OPUS);
}

const Places* PlacesOf(int format, std::uint32_t channels) {
  if (channels == 0) return nullptr;
  if (IsVorbisOrder(format)) return channels <= kVorbis.size() ? &kVorbis[channels - 1] : nullptr;
  if ((format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC)
    return channels <= kFlac.size() ? &kFlac[channels - 1] : nullptr;
  return channels <= 2 ? &kFlac[channels - 1] : nullptr;  // one, or left and right
}

std::uint32_t MaskOf(const Places& places) {
  std::uint32_t mask = 0;
  for (const Bit bit : places) mask |= std::uint32_t{1} << bit;
  return mask;
}

// The order in which places, as they lie in a file, ascend.
Layout Ascending(const Places& places) {
  Layout layout{MaskOf(places), {}};
  if (std::popcount(layout.speakers) != static_cast<int>(places.size())) return {};
  if (std::ranges::is_sorted(places)) return layout;
  for (std::size_t i = 0; i < places.size(); ++i)
    layout.order.push_back(static_cast<std::uint8_t>(i));
  std::ranges::sort(layout.order, {}, [&](std::uint8_t i) { return places[i]; });
  return layout;
}

}  // namespace

Layout LayoutOf(SNDFILE* file, const SF_INFO& info) {
  std::vector<int> map(static_cast<std::size_t>(info.channels));
  const int bytes = static_cast<int>(map.size() * sizeof(int));
  if (sf_command(file, SFC_GET_CHANNEL_MAP_INFO, map.data(), bytes) == SF_TRUE) {
    Places places;
    for (const int name : map) {
      const int bit = BitOf(name);
      if (bit >= 0) places.push_back(static_cast<Bit>(bit));
    }
    return places.size() == map.size() ? Ascending(places) : Layout{};
  }
  const Places* places = PlacesOf(info.format, static_cast<std::uint32_t>(info.channels));
  return places == nullptr ? Layout{} : Ascending(*places);
}

Layout LayoutFor(int format, std::uint32_t channels, std::uint32_t speakers) {
  const Places* places = IsVorbisOrder(format) ? PlacesOf(format, channels) : nullptr;
  if (places == nullptr || MaskOf(*places) != speakers) return {speakers, {}};
  const Layout in = Ascending(*places);
  Layout out{speakers, std::vector<std::uint8_t>(in.order.size())};
  for (std::size_t i = 0; i < in.order.size(); ++i)
    out.order[in.order[i]] = static_cast<std::uint8_t>(i);
  return out;
}

std::vector<int> ChannelMap(std::uint32_t speakers) {
  std::vector<int> map;
  for (std::uint32_t bits = speakers; bits != 0; bits &= bits - 1) {
    const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
    if (bit >= kSpeakers.size()) return {};
    map.push_back(kSpeakers[bit].sndfile);
  }
  return map;
}

void Reorder(std::span<float> samples, std::uint32_t channels,
             std::span<const std::uint8_t> order) {
  if (order.empty()) return;
  std::array<float, 256> frame{};
  for (std::size_t at = 0; at + channels <= samples.size(); at += channels) {
    std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(at), channels, frame.begin());
    for (std::size_t i = 0; i < order.size(); ++i) samples[at + i] = frame[order[i]];
  }
}

std::string SpeakersText(std::uint32_t speakers) {
  static constexpr std::array<std::pair<std::uint32_t, std::string_view>, 9> kNames = {{
      {0x4, "mono"},
      {0x3, "stereo"},
      {0x7, "3.0"},
      {0x33, "quad"},
      {0x37, "5.0"},
      {0x3F, "5.1"},
      {0x60F, "5.1 (side)"},
      {0x70F, "6.1"},
      {0x63F, "7.1"},
  }};
  for (const auto& [mask, name] : kNames)
    if (mask == speakers) return std::string(name);
  std::string text;
  for (std::uint32_t bits = speakers; bits != 0; bits &= bits - 1) {
    const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
    if (!text.empty()) text += ' ';
    text += bit < kSpeakers.size() ? std::string(kSpeakers[bit].name) : std::to_string(bit);
  }
  return text;
}

}  // namespace canvas::cli
