#include "canvas/format/frame_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace canvas::format {
namespace {

constexpr std::uint64_t CeilDiv(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

}  // namespace

Result<FrameShape> FrameShape::Make(const Geometry& geometry, Rate rate, std::uint32_t channels,
                                    SlotKind kind) {
  const auto fail = [&](std::string what, std::string hint) {
    return Fail(ErrorCode::kInvalidArgument, std::move(what), std::move(hint));
  };
  if (channels == 0 || channels > kMaxChannels)
    return fail(fmt::format("{} channels", channels), fmt::format("1 to {}", kMaxChannels));
  const std::uint32_t block_bytes = geometry.fields().block_bytes;
  CANVAS_ASSIGN(const Timeline timeline, Timeline::Make(rate, geometry.fields().page_seconds));
  FrameShape shape(timeline);
  shape.channels_ = channels;
  shape.frame_bytes_ = channels * static_cast<std::uint32_t>(sizeof(float));
  shape.frames_per_block_ = block_bytes / shape.frame_bytes_;
  if (shape.frame_bytes_ % 8 != 0) shape.frames_per_block_ &= ~std::uint32_t{1};
  if (shape.frames_per_block_ == 0)
    return fail(fmt::format("a frame of {} channels does not fit a block of {} bytes", channels,
                            block_bytes),
                "create the canvas with larger blocks");
  const std::uint64_t blocks = CeilDiv(timeline.max_frames(), shape.frames_per_block_);
  const std::uint64_t slots =
      std::max(CeilDiv(blocks * shape.block_stride(), geometry.SlotBytes(kind)),
               CeilDiv(blocks, geometry.WordsPerSlot(kind)));
  const std::uint64_t limit = kind == SlotKind::kWide ? geometry.Slots(kind) : 1;
  if (slots > limit || geometry.Slots(kind) == 0)
    return fail(
        fmt::format("{} channels at {} Hz need {} {} slots, and the canvas has {}", channels,
                    ToString(rate), slots, kind == SlotKind::kWide ? "wide" : "small",
                    kind == SlotKind::kWide ? geometry.Slots(kind) : limit),
        "create the canvas for a higher rate or with more slots");
  shape.slot_count_ = static_cast<std::uint32_t>(std::max<std::uint64_t>(slots, 1));
  shape.max_blocks_ = blocks;
  return shape;
}

}  // namespace canvas::format
