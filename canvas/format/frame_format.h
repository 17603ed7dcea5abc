// How a lane's frames lie in its slots: interleaved, packed, in blocks of whole frames.
//
// A block holds as many whole frames as fit in block_bytes (an even number where a frame is not a
// multiple of eight bytes), and the next block follows at once: a part is one contiguous array of
// frames, and every block starts on an 8-byte word.
//
// Invariants
//   I1  block_stride <= block_bytes, a multiple of 8, and a multiple of frame_bytes.
//   I2  blocks x block_stride <= DataBytes(run) and blocks <= Words(run): whatever a part can hold
//       has its bytes and its version words inside its own slots.
//
// Thread safety: immutable values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"
#include "canvas/format/geometry.h"
#include "canvas/format/timeline.h"

namespace canvas::format {

inline constexpr std::uint32_t kMaxChannels = 1024;

class FrameShape : public Timeline {
 public:
  // Of float32 frames; takes as many slots of `kind` as one page of them needs.
  // Errors: kInvalidArgument where no number of slots would do.
  static Result<FrameShape> Make(const Geometry& geometry, Rate rate, std::uint32_t channels,
                                 SlotKind kind);

  std::uint32_t channels() const { return channels_; }
  std::uint32_t frame_bytes() const { return frame_bytes_; }
  std::uint32_t frames_per_block() const { return frames_per_block_; }
  std::uint32_t block_stride() const { return frames_per_block_ * frame_bytes_; }
  std::uint32_t slot_count() const { return slot_count_; }
  // Of the fullest page.
  std::uint64_t max_blocks() const { return max_blocks_; }

  // Bytes of a block that are a page's frames: all of it but in the last one, behind whose frames
  // nothing is ever looked at.
  std::uint64_t BlockBytes(std::uint64_t page, std::uint64_t block) const {
    const std::uint64_t bytes = FramesIn(page) * frame_bytes_;
    const std::uint64_t start = block * block_stride();
    return std::min(std::uint64_t{block_stride()}, bytes - std::min(bytes, start));
  }

 private:
  explicit FrameShape(const Timeline& timeline) : Timeline(timeline) {}
  std::uint32_t channels_ = 0;
  std::uint32_t frame_bytes_ = 0;
  std::uint32_t frames_per_block_ = 0;
  std::uint32_t slot_count_ = 0;
  std::uint64_t max_blocks_ = 0;
};

}  // namespace canvas::format
