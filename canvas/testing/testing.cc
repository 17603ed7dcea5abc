#include "canvas/testing/testing.h"

namespace canvas::testing {
namespace {

std::uint64_t Mix(
    std::uint64_t x) {  // splitmix64's finalizer: every input bit reaches every output bit
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9;
  x ^= x >> 27;
  x *= 0x94D049BB133111EB;
  return x ^ x >> 31;
}

}  // namespace

CreateOptions SmallCanvas() {
  CreateOptions options;
  options.rate = Rate{8000, 1};
  options.page_seconds = 1;
  options.layout.wide_slots = 8;
  options.layout.small_slots = 4;
  options.capacity_seconds = 100;
  options.layout.block_bytes = 512;
  options.layout.extent_bytes = 4096;
  options.layout.slot_align_bytes = 4096;
  options.layout.small_slot_bytes = 16 * 1024;
  options.layout.header_place_bytes = 64 * 1024;
  return options;
}

float Sample(std::uint32_t lane, std::int64_t frame, std::uint32_t channel, std::uint32_t epoch) {
  const std::uint64_t key = static_cast<std::uint64_t>(frame) * 1024 + channel;
  const std::uint64_t mixed = Mix(Mix(key + 1) ^ (std::uint64_t{lane} << 32 | epoch));
  // 23 bits in (0, 1]: never zero, so silence is never mistaken for a payload.
  return static_cast<float>((mixed >> 41) + 1) / 8388608.0F;
}

std::vector<float> Samples(std::uint32_t lane, std::int64_t first, std::uint64_t frames,
                           std::uint32_t channels, std::uint32_t epoch) {
  std::vector<float> samples;
  samples.reserve(frames * channels);
  for (std::uint64_t frame = 0; frame < frames; ++frame)
    for (std::uint32_t channel = 0; channel < channels; ++channel)
      samples.push_back(Sample(lane, first + static_cast<std::int64_t>(frame), channel, epoch));
  return samples;
}

Canvas OpenForWriting(const std::string& path) {
  return Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
}

}  // namespace canvas::testing
