#include "canvas/format/geometry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "canvas/format/frame_format.h"
#include "canvas/format/lock_format.h"

namespace canvas::format {
namespace {

GeometryFields Fields(std::uint64_t rate, std::uint32_t page_seconds, std::uint32_t block_bytes,
                      std::uint32_t extent_bytes, std::uint32_t slot_align_bytes = 2 * kMiB) {
  GeometryFields fields;
  fields.rate = {rate, 1};
  fields.page_seconds = page_seconds;
  fields.block_bytes = block_bytes;
  fields.extent_bytes = extent_bytes;
  fields.slot_align_bytes = slot_align_bytes;
  fields.wide_slot_bytes =
      *WideSlotBytesFor(fields.rate, page_seconds, std::max(extent_bytes, slot_align_bytes));
  fields.capacity_pages = 100;
  return fields;
}

const std::vector<GeometryFields>& Geometries() {
  static const auto& all = *new std::vector<GeometryFields>{GeometryFields{},
                                                            Fields(8000, 1, 512, 4096, 4096),
                                                            Fields(192000, 30, 32768, 1 << 20),
                                                            Fields(44100, 7, 4096, 65536, 8192),
                                                            Fields(44100, 7, 4096, 65536),
                                                            Fields(48000, 3600, 1 << 20, 1 << 20)};
  return all;
}

TEST(Geometry, AStereoPageAt48kFitsElevenExtentsOfTwelve) {
  EXPECT_EQ(*WideSlotBytesFor({48000, 1}, 30, 1 << 20), 11 * kMiB);
  EXPECT_EQ(*WideSlotBytesFor({48000, 1}, 30, 2 << 20), 12 * kMiB);
  EXPECT_EQ(GeometryFields{}.wide_slot_bytes, 12 * kMiB);
  EXPECT_GE(11 * kMiB, 48000 * 30 * 8);
  EXPECT_LT(10 * kMiB, 48000 * 30 * 8);
}

TEST(Geometry, NoTwoThingsOfAPageShareAByte) {
  for (const auto& fields : Geometries()) {
    const Geometry g = *Geometry::Make(fields);
    struct Piece {
      std::uint64_t start, end;
      std::string what;
    };
    std::vector<Piece> pieces = {
        {g.page_control(), g.page_control() + kPageControlBytes, "control"},
        {g.latent_words(), g.latent_words() + kLatentEntries * kLatentEntryBytes, "latent"}};
    for (const SlotKind kind : {SlotKind::kWide, SlotKind::kSmall})
      for (std::uint32_t slot = 0; slot < g.Slots(kind); ++slot) {
        const SlotRun run{kind, slot, 1};
        const auto name = [&](const char* what) { return what + std::to_string(slot); };
        const auto add = [&](const char* what, std::uint64_t start, std::uint64_t bytes) {
          pieces.push_back({start, start + bytes, name(what)});
        };
        add("slot control ", g.SlotControl(run), kSlotControlBytes);
        add("versions ", g.Versions(run), g.Words(run) * 8);
        add("durable 0 ", g.DurableEntries(run, 0), g.Words(run) * kDurableEntryBytes);
        add("durable 1 ", g.DurableEntries(run, 1), g.Words(run) * kDurableEntryBytes);
        add("undo ", g.UndoPlace(run), fields.block_bytes);
        add("data ", g.Data(run), g.DataBytes(run));
      }
    for (std::uint32_t place = 0; place < fields.page_meta_places; ++place)
      pieces.push_back({g.MetadataPlace(place),
                        g.MetadataPlace(place) + fields.page_meta_place_bytes, "metadata"});
    std::ranges::sort(pieces, {}, &Piece::start);
    for (std::size_t i = 1; i < pieces.size(); ++i)
      ASSERT_LE(pieces[i - 1].end, pieces[i].start)
          << pieces[i - 1].what << " and " << pieces[i].what;
    EXPECT_LE(pieces.back().end, g.page_stride() - kPageTailBytes);
    EXPECT_GE(g.pages_offset(), g.HeaderPlace(fields.header_places).value());
  }
}

// A folio is aligned to its size, so two slots that begin and end on multiples of the largest share
// none.
TEST(Geometry, NoFolioIsSharedByTwoSlots) {
  constexpr std::uint64_t kLargestFolio = 2 * kMiB;
  for (const auto& fields : Geometries()) {
    const Geometry g = *Geometry::Make(fields);
    const std::uint64_t unit = fields.slot_align_bytes;
    EXPECT_EQ(g.pages_offset() % unit, 0U);
    EXPECT_EQ(g.page_stride() % unit, 0U);
    for (const SlotKind kind : {SlotKind::kWide, SlotKind::kSmall}) {
      EXPECT_EQ(g.Data({kind, 0, 1}) % unit, 0U);
      EXPECT_EQ(g.SlotBytes(kind) % unit, 0U);
    }
  }
  EXPECT_EQ(GeometryFields{}.slot_align_bytes, kLargestFolio);
}

TEST(Geometry, ItsTablesAreWhatTheAddressesAreMadeOf) {
  for (const auto& fields : Geometries()) {
    const Geometry g = *Geometry::Make(fields);
    const Tables tables = g.tables();
    const auto at = [&](TableId id, std::uint64_t entry) {
      const Table& table = tables[static_cast<std::size_t>(id)];
      return table.offset + entry * table.stride;
    };
    const SlotRun wide{SlotKind::kWide, 3, 1};
    const SlotRun small{SlotKind::kSmall, 2, 1};
    EXPECT_EQ(at(TableId::kPages, 5), g.Page(PageIndex(5)).value());
    EXPECT_EQ(at(TableId::kHeaderPlaces, 2), g.HeaderPlace(2).value());
    EXPECT_EQ(at(TableId::kSlotControls, fields.wide_slots + 2), g.SlotControl(small));
    EXPECT_EQ(at(TableId::kWideVersions, 3), g.Versions(wide));
    EXPECT_EQ(at(TableId::kSmallVersions, 2), g.Versions(small));
    EXPECT_EQ(at(TableId::kWideDurable0, 3), g.DurableEntries(wide, 0));
    EXPECT_EQ(at(TableId::kSmallDurable0, 2), g.DurableEntries(small, 0));
    EXPECT_EQ(at(TableId::kWideDurable1, 3), g.DurableEntries(wide, 1));
    EXPECT_EQ(at(TableId::kSmallDurable1, 2), g.DurableEntries(small, 1));
    EXPECT_EQ(at(TableId::kUndo, 3), g.UndoPlace(wide));
    EXPECT_EQ(at(TableId::kMetadataPlaces, 1), g.MetadataPlace(1));
    EXPECT_EQ(at(TableId::kWideSlots, 3), g.Data(wide));
    EXPECT_EQ(at(TableId::kSmallSlots, 2), g.Data(small));
    EXPECT_EQ(g.Page(PageIndex(4)) + at(TableId::kPageTail, 0), g.PageTail(PageIndex(4)));
  }
}

TEST(Geometry, ARunOfSlotsIsContiguousInEveryTable) {
  const Geometry g = *Geometry::Make({});
  const SlotRun run{SlotKind::kWide, 5, 3};
  const SlotRun next{SlotKind::kWide, 8, 1};
  EXPECT_EQ(g.Versions(run) + g.Words(run) * 8, g.Versions(next));
  EXPECT_EQ(g.DurableEntries(run, 1) + g.Words(run) * kDurableEntryBytes,
            g.DurableEntries(next, 1));
  EXPECT_EQ(g.Data(run) + g.DataBytes(run), g.Data(next));
}

TEST(Geometry, RefusesACapacityThatNoFileHolds) {
  GeometryFields fields;
  fields.wide_slots = kMaxWideSlots;
  fields.wide_slot_bytes = kMaxSlotBytes;
  fields.capacity_pages = kMaxPages;
  EXPECT_EQ(Geometry::Make(fields).error().code(), ErrorCode::kInvalidArgument);
}

TEST(FrameShape, EveryPartFitsItsSlotsAndItsVersionWords) {
  for (const auto& fields : Geometries()) {
    const Geometry g = *Geometry::Make(fields);
    for (std::uint32_t channels = 1; channels <= 32; ++channels)
      for (const Rate rate : {Rate{8000, 1}, Rate{44100, 1}, Rate{48000, 1}, Rate{96000, 1},
                              Rate{192000, 1}, Rate{375, 16}, Rate{48000000, 1001}}) {
        const auto shape = FrameShape::Make(g, rate, channels, SlotKind::kWide);
        if (!shape) continue;  // too wide for this canvas
        const SlotRun run{SlotKind::kWide, 0, shape->slot_count()};
        ASSERT_TRUE(g.Holds(run));
        ASSERT_LE(shape->block_stride(), fields.block_bytes);
        ASSERT_EQ(shape->block_stride() % 8, 0U);
        ASSERT_EQ(shape->block_stride() % shape->frame_bytes(), 0U);
        ASSERT_LE(shape->max_blocks() * shape->block_stride(), g.DataBytes(run));
        ASSERT_LE(shape->max_blocks(), g.Words(run));
        for (std::uint64_t page = 0; page < 40; ++page)
          ASSERT_LE(shape->FramesIn(page), shape->max_blocks() * shape->frames_per_block());
        if (shape->slot_count() > 1) {  // and no slot more than it needs
          const SlotRun fewer{SlotKind::kWide, 0, shape->slot_count() - 1};
          ASSERT_TRUE(shape->max_blocks() * shape->block_stride() > g.DataBytes(fewer) ||
                      shape->max_blocks() > g.Words(fewer));
        }
      }
  }
}

TEST(FrameShape, NamesWhatDoesNotFit) {
  const Geometry g = *Geometry::Make({});
  EXPECT_FALSE(FrameShape::Make(g, {48000, 1}, 0, SlotKind::kWide).has_value());
  EXPECT_FALSE(FrameShape::Make(g, {48000, 1}, 1025, SlotKind::kWide).has_value());
  EXPECT_FALSE(FrameShape::Make(g, {192000, 1}, 64, SlotKind::kWide).has_value()) << "128 slots";
  EXPECT_FALSE(FrameShape::Make(g, {48000, 1}, 1, SlotKind::kSmall).has_value()) << "6 MiB a page";
  EXPECT_FALSE(FrameShape::Make(g, {4294967295, 1}, 1024, SlotKind::kWide).has_value());
  EXPECT_EQ(FrameShape::Make(g, {48000, 1}, 8, SlotKind::kWide)->slot_count(), 4U);
  EXPECT_EQ(FrameShape::Make(g, {96000, 1}, 2, SlotKind::kWide)->slot_count(), 2U);
}

TEST(LockRanges, SpacesDoNotMeet) {
  const PageRange all{PageIndex(0), PageIndex(static_cast<std::uint32_t>(kMaxPages))};
  const LaneId last(kMaxLaneId);
  const PageIndex last_page(static_cast<std::uint32_t>(kMaxPages - 1));
  const auto end = [](LockRange range) { return range.start + range.length; };
  EXPECT_LE(end(PagePlaceLock(last_page, 255)), kHoldLocks);
  EXPECT_LE(end(HeaderPlaceLock(255)), PagePlaceLock(PageIndex(0), 0).start);
  EXPECT_LE(end(OwnerEntryLock(kOwnerEntries - 1)), HeaderPlaceLock(0).start);
  EXPECT_LE(end(PageMetadataLock(last_page)), OwnerEntryLock(0).start);
  EXPECT_LE(end(HoldLock(last, all)), kOwnershipLocks);
  EXPECT_LE(end(OwnershipLock(last, all)), std::uint64_t{1} << 63) << "off_t is signed";
  EXPECT_LE(end(OwnershipLock(LaneId(1), all)), OwnershipLock(LaneId(2), all).start);
}

}  // namespace
}  // namespace canvas::format
