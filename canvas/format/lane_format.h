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

#include "canvas/base/divider.h"
#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"
#include "canvas/format/geometry.h"

namespace canvas::format {

inline constexpr std::uint32_t kMaxChannels = 1024;

class LaneShape {
 public:
  // A lane of float32 frames; takes as many slots of `kind` as one page of it needs.
  // Errors: kInvalidArgument where no number of slots would do.
  static Result<LaneShape> Make(const Geometry& geometry, Rate rate, std::uint32_t channels,
                                SlotKind kind);

  Rate rate() const { return rate_; }
  std::uint32_t page_seconds() const { return page_seconds_; }
  std::uint32_t channels() const { return channels_; }
  std::uint32_t frame_bytes() const { return frame_bytes_; }
  std::uint32_t frames_per_block() const { return frames_per_block_; }
  std::uint32_t block_stride() const { return frames_per_block_ * frame_bytes_; }
  std::uint32_t slot_count() const { return slot_count_; }
  SlotKind slot_kind() const { return slot_kind_; }
  // Of the fullest page.
  std::uint64_t max_blocks() const { return max_blocks_; }

  Frame FirstFrame(std::uint64_t page) const {
    if (page_frames_.divisor() != 1)
      return Frame(static_cast<std::int64_t>(page * page_frames_.divisor()));
    return FirstFrameOfPage(page, rate_, page_seconds_);
  }
  // Of a frame >= 0. No division where every page holds the same number of frames, which is so at
  // every rate of whole hertz.
  std::uint64_t PageOf(Frame frame) const {
    if (page_frames_.divisor() != 1) return page_frames_(static_cast<std::uint64_t>(frame.value()));
    return PageOfFrame(frame, rate_, page_seconds_);
  }
  std::uint64_t FramesIn(std::uint64_t page) const {
    return static_cast<std::uint64_t>(FirstFrame(page + 1) - FirstFrame(page));
  }
  // Bytes of a block that are a page's frames: all of it but in the last one, behind whose frames
  // nothing is ever looked at.
  std::uint64_t BlockBytes(std::uint64_t page, std::uint64_t block) const {
    const std::uint64_t bytes = FramesIn(page) * frame_bytes_;
    const std::uint64_t start = block * block_stride();
    return std::min(std::uint64_t{block_stride()}, bytes - std::min(bytes, start));
  }

 private:
  LaneShape() = default;
  Rate rate_;
  std::uint32_t page_seconds_ = 0;
  std::uint32_t channels_ = 0;
  std::uint32_t frame_bytes_ = 0;
  std::uint32_t frames_per_block_ = 0;
  std::uint32_t slot_count_ = 0;
  SlotKind slot_kind_ = SlotKind::kWide;
  std::uint64_t max_blocks_ = 0;
  Divider page_frames_;  // frames in every page; 1 where they differ, or are one
};

}  // namespace canvas::format
