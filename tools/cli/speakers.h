// Which channel of a file sounds where. Lanes keep their channels in the order of WAVE
// (WAVEFORMATEXTENSIBLE, dwChannelMask: ascending bits); Vorbis and Opus have another order, and
// libsndfile hands channels on as they lie in the file.
//
// Thread safety: pure functions.
#pragma once

#include <sndfile.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace canvas::cli {

struct Layout {
  std::uint32_t speakers = 0;  // dwChannelMask; 0: the file does not say
  // Channel i of a lane is channel order[i] of the file. Empty: the same.
  std::vector<std::uint8_t> order;
};

// Of a file that is open for reading.
Layout LayoutOf(SNDFILE* file, const SF_INFO& info);
// How a lane's channels are put into a file of this format (SF_FORMAT_TYPEMASK, SF_FORMAT_SUBMASK).
// Vorbis and Opus have an order for 1 to 8 channels of known places; elsewhere it is the same.
Layout LayoutFor(int format, std::uint32_t channels, std::uint32_t speakers);
// The channels as libsndfile names them (SFC_SET_CHANNEL_MAP_INFO). Empty: it has no name for one.
std::vector<int> ChannelMap(std::uint32_t speakers);
// Puts interleaved frames in order, in place.
void Reorder(std::span<float> samples, std::uint32_t channels, std::span<const std::uint8_t> order);
// "5.1", "stereo"; "FL FR FC" where it has no such name; "" for 0.
std::string SpeakersText(std::uint32_t speakers);

}  // namespace canvas::cli
