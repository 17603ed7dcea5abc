#include "canvas/format/geometry.h"

#include <fmt/format.h>

#include <algorithm>
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
  CANVAS_TRY(
      InRange("slot_align_bytes", f.slot_align_bytes, kMinSlotAlignBytes, kMaxSlotAlignBytes));
  CANVAS_TRY(PowerOfTwo("slot_align_bytes", f.slot_align_bytes));
  CANVAS_TRY(InRange("wide_slot_bytes", f.wide_slot_bytes, f.extent_bytes, kMaxSlotBytes));
  CANVAS_TRY(MultipleOf("wide_slot_bytes", f.wide_slot_bytes, f.extent_bytes));
  CANVAS_TRY(MultipleOf("wide_slot_bytes", f.wide_slot_bytes, f.slot_align_bytes));
  CANVAS_TRY(InRange("small_slot_bytes", f.small_slot_bytes, f.block_bytes, kMaxSlotBytes));
  CANVAS_TRY(MultipleOf("small_slot_bytes", f.small_slot_bytes, f.slot_align_bytes));
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
                                       std::uint32_t unit_bytes) {
  constexpr std::uint64_t kStereoFrameBytes = 8;
  const std::uint64_t frames = MaxFramesPerPage(rate, page_seconds);
  if (frames > kMaxSlotBytes / kStereoFrameBytes - unit_bytes)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("pages of {} s at {} Hz are too large", page_seconds, ToString(rate)),
                "choose a lower rate or shorter pages");
  return RoundUp(frames * kStereoFrameBytes, unit_bytes);
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
  const std::uint64_t unit = std::max(fields.extent_bytes, fields.slot_align_bytes);
  at = RoundUp(at, unit);
  g.wide_ = take(fields.wide_slots * fields.wide_slot_bytes);
  g.small_ = take(fields.small_slots * fields.small_slot_bytes);
  g.page_stride_ = RoundUp(at + kPageTailBytes, unit);
  g.pages_offset_ = RoundUp(
      kHeaderPlacesOffset + std::uint64_t{fields.header_places} * fields.header_place_bytes, unit);
  if (g.page_stride_ > (kMaxFileBytes - g.pages_offset_) / fields.capacity_pages)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("capacity_pages of {} x {} bytes exceed the largest file",
                            fields.capacity_pages, g.page_stride_),
                "choose fewer hours, slots or a lower rate");
  return g;
}

Tables Geometry::tables() const {
  const std::uint64_t wide_words = fields_.wide_slots * wide_words_;
  return {{
      {kControlOffset, kControlBytes},
      {kOwnerTableOffset, kOwnerEntryBytes},
      {kPageIndexOffset, 8},
      {kHeaderPlacesOffset, fields_.header_place_bytes},
      {pages_offset_, page_stride_},
      {0, kPageControlBytes},
      {kPageControlBytes, kLatentEntryBytes},
      {slot_controls_, kSlotControlBytes},
      {versions_, wide_words_ * 8},
      {versions_ + wide_words * 8, small_words_ * 8},
      {durable_[0], wide_words_ * kDurableEntryBytes},
      {durable_[0] + wide_words * kDurableEntryBytes, small_words_ * kDurableEntryBytes},
      {durable_[1], wide_words_ * kDurableEntryBytes},
      {durable_[1] + wide_words * kDurableEntryBytes, small_words_ * kDurableEntryBytes},
      {undo_, fields_.block_bytes},
      {metadata_, fields_.page_meta_place_bytes},
      {wide_, fields_.wide_slot_bytes},
      {small_, fields_.small_slot_bytes},
      {page_stride_ - kPageTailBytes, kPageTailBytes},
  }};
}

std::string_view TableName(TableId id) {
  constexpr std::array<std::string_view, kTables> kNames = {"control words",
                                                            "owner table",
                                                            "page index",
                                                            "header places",
                                                            "pages",
                                                            "page control",
                                                            "latent words",
                                                            "slot controls",
                                                            "wide version words",
                                                            "small version words",
                                                            "wide durable entries 0",
                                                            "small durable entries 0",
                                                            "wide durable entries 1",
                                                            "small durable entries 1",
                                                            "undo places",
                                                            "metadata places",
                                                            "wide slots",
                                                            "small slots",
                                                            "page tail"};
  return kNames[static_cast<std::size_t>(id)];
}

}  // namespace canvas::format
