#include "canvas/format/geometry.h"

#include <fmt/format.h>

#include <bit>
#include <string_view>

namespace canvas::format {
namespace {

constexpr std::uint64_t RoundUp(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

constexpr std::uint64_t kWordsPerLine = 16;  // 128 B: two lines, as prefetched together

Result<void> InRange(std::string_view name, std::uint64_t value, std::uint64_t low,
                     std::uint64_t high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is {}", name, value),
              fmt::format("it is {} to {}", low, high));
}

Result<void> PowerOfTwo(std::string_view name, std::uint64_t value) {
  if (std::has_single_bit(value)) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is {}", name, value),
              "it is a power of two");
}

Result<void> MultipleOf(std::string_view name, std::uint64_t value, std::uint64_t unit) {
  if (value % unit == 0) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is {}", name, value),
              fmt::format("it is a multiple of {}", unit));
}

Result<void> Validate(const GeometryFields& f) {
  CANVAS_ASSIGN(const Rate rate, Rate::Make(f.rate.num, f.rate.den));
  if (rate != f.rate) return Fail(ErrorCode::kInvalidArgument, "the rate is not in lowest terms");
  CANVAS_TRY(InRange("page_seconds", f.page_seconds, 1, kMaxPageSeconds));
  CANVAS_TRY(InRange("slots", f.wide_slots, 1, kMaxWideSlots));
  CANVAS_TRY(InRange("small_slots", f.small_slots, 0, kMaxSmallSlots));
  CANVAS_TRY(InRange("block_bytes", f.block_bytes, kMinBlockBytes, kMaxBlockBytes));
  CANVAS_TRY(PowerOfTwo("block_bytes", f.block_bytes));
  CANVAS_TRY(InRange("extent_bytes", f.extent_bytes, kMinExtentBytes, kMaxExtentBytes));
  CANVAS_TRY(PowerOfTwo("extent_bytes", f.extent_bytes));
  CANVAS_TRY(InRange("extent_bytes", f.extent_bytes, f.block_bytes, kMaxExtentBytes));
  CANVAS_TRY(InRange("wide_slot_bytes", f.wide_slot_bytes, f.extent_bytes, kMaxSlotBytes));
  CANVAS_TRY(MultipleOf("wide_slot_bytes", f.wide_slot_bytes, f.extent_bytes));
  CANVAS_TRY(InRange("small_slot_bytes", f.small_slot_bytes, f.block_bytes, kMaxSlotBytes));
  CANVAS_TRY(MultipleOf("small_slot_bytes", f.small_slot_bytes, kFileBlock));
  CANVAS_TRY(MultipleOf("small_slot_bytes", f.small_slot_bytes, f.block_bytes));
  CANVAS_TRY(InRange("index_pages", f.index_pages, kMaxPages, kMaxPages));
  CANVAS_TRY(InRange("capacity_pages", f.capacity_pages, 1, f.index_pages));
  CANVAS_TRY(InRange("header_places", f.header_places, kMinPlaces, kMaxPlaces));
  CANVAS_TRY(InRange("header_place_bytes", f.header_place_bytes, kMinPlaceBytes, kMaxPlaceBytes));
  CANVAS_TRY(MultipleOf("header_place_bytes", f.header_place_bytes, kFileBlock));
  CANVAS_TRY(InRange("page_meta_places", f.page_meta_places, kMinPlaces, kMaxPlaces));
  CANVAS_TRY(
      InRange("page_meta_place_bytes", f.page_meta_place_bytes, kMinPlaceBytes, kMaxPlaceBytes));
  return MultipleOf("page_meta_place_bytes", f.page_meta_place_bytes, kFileBlock);
}

}  // namespace

Result<std::uint64_t> WideSlotBytesFor(Rate rate, std::uint32_t page_seconds,
                                       std::uint32_t extent_bytes) {
  constexpr std::uint64_t kStereoFrameBytes = 8;
  const std::uint64_t frames = MaxFramesPerPage(rate, page_seconds);
  if (frames > kMaxSlotBytes / kStereoFrameBytes - extent_bytes)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("pages of {} s at {} Hz are too large", page_seconds, ToString(rate)),
                "choose a lower rate or shorter pages");
  return RoundUp(frames * kStereoFrameBytes, extent_bytes);
}

Result<Geometry> Geometry::Make(const GeometryFields& fields) {
  CANVAS_TRY(Validate(fields));
  Geometry g(fields);
  const std::uint64_t slots = std::uint64_t{fields.wide_slots} + fields.small_slots;
  g.wide_words_ = RoundUp(fields.wide_slot_bytes / fields.block_bytes, kWordsPerLine);
  g.small_words_ = RoundUp(fields.small_slot_bytes / fields.block_bytes, kWordsPerLine);
  const std::uint64_t words =
      fields.wide_slots * g.wide_words_ + fields.small_slots * g.small_words_;

  // No sum or product below can overflow: at most 2^12 slots of 2^36 B, 2^27 words each, and 64
  // places of 2^26 B.
  std::uint64_t at = kPageControlBytes + kLatentEntries * kLatentEntryBytes;
  auto take = [&at](std::uint64_t bytes) {
    const std::uint64_t start = at;
    at = RoundUp(at + bytes, kFileBlock);
    return start;
  };
  g.slot_controls_ = take(slots * kSlotControlBytes);
  g.versions_ = take(words * 8);
  g.durable_[0] = take(words * kDurableEntryBytes);
  g.durable_[1] = take(words * kDurableEntryBytes);
  g.undo_ = take(slots * fields.block_bytes);
  g.metadata_ = take(std::uint64_t{fields.page_meta_places} * fields.page_meta_place_bytes);
  at = RoundUp(at, fields.extent_bytes);
  g.wide_ = take(fields.wide_slots * fields.wide_slot_bytes);
  g.small_ = take(fields.small_slots * fields.small_slot_bytes);
  g.page_stride_ = RoundUp(at, fields.extent_bytes);
  g.pages_offset_ =
      RoundUp(kHeaderPlacesOffset + std::uint64_t{fields.header_places} * fields.header_place_bytes,
              fields.extent_bytes);
  if (g.page_stride_ > (kMaxFileBytes - g.pages_offset_) / fields.capacity_pages)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("capacity_pages of {} x {} bytes exceed the largest file",
                            fields.capacity_pages, g.page_stride_),
                "choose fewer hours, slots or a lower rate");
  return g;
}

}  // namespace canvas::format
