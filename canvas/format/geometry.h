// Where everything in a canvas lies. All addresses follow from the handful of numbers that are
// fixed at creation; nothing on the path to a sample is looked up.
//
//   0          superblock, copy 0                       4 KiB
//   4 KiB      superblock, copy 1                       4 KiB
//   8 KiB      control words                            8 KiB
//   64 KiB     owner table                              4,096 x 256 B
//   2 MiB      page index                               2^20 x 8 B
//   10 MiB     header snapshot places                   header_places x header_place_bytes
//   ...        page 0, page 1, ...                      page_stride each
//
//   page = page control | latent words | slot controls | block versions | durable entries x2 |
//          undo places | metadata snapshot places | wide slots | small slots | tail
//
// Within a page each table runs over all slots, wide before small, so that a lane that takes
// several slots in a row has its versions and durable entries in a row too.
//
// Invariants
//   I1  A Geometry is only ever made by Geometry::Make, which accepts nothing that overflows: every
//       page below its capacity ends below 2^58, and so below the lock offsets.
//   I2  Every table, and undo places of 4 KiB blocks and more, start on a 4 KiB boundary.
//   I3  Pages, and the slots in them, start on a multiple of slot_align_bytes and are whole numbers
//       of it. The kernel keeps a file in memory in folios of up to 2 MiB, each aligned to its
//       size, and what a punch takes of one it takes from the page tables of every process as a
//       whole, locked or not. So no folio is shared by two slots (at 2 MiB, the default; less is
//       for models of a canvas that are to be small).
//   I4  The last 4 KiB of a page are its tail. Nothing lies there: reserving it is what makes the
//       file grow, which never makes it shorter, whoever else grows it at the same time.
//
// Thread safety: immutable values and pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "canvas/base/error.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"

namespace canvas::format {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kFileBlock = 4 * kKiB;  // what the page cache and most disks work in

// Fixed regions.
inline constexpr std::uint64_t kSuperblockBytes = 4 * kKiB;
inline constexpr std::uint64_t kSuperblockCopies = 2;
inline constexpr std::uint64_t kControlOffset = 8 * kKiB;
inline constexpr std::uint64_t kControlBytes = 8 * kKiB;
inline constexpr std::uint64_t kOwnerTableOffset = 64 * kKiB;
inline constexpr std::uint64_t kOwnerEntryBytes = 256;
inline constexpr std::uint64_t kOwnerEntries = 4096;
inline constexpr std::uint64_t kPageIndexOffset = 2 * kMiB;
inline constexpr std::uint64_t kMaxPages = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kPageIndexBytes = kMaxPages * 8;
inline constexpr std::uint64_t kHeaderPlacesOffset = kPageIndexOffset + kPageIndexBytes;

// Per-page records.
inline constexpr std::uint64_t kPageControlBytes = 4 * kKiB;
inline constexpr std::uint64_t kLatentEntryBytes = 64;
inline constexpr std::uint64_t kLatentEntries = 1024;
inline constexpr std::uint64_t kSlotControlBytes = 1 * kKiB;
inline constexpr std::uint64_t kDurableEntryBytes = 16;
inline constexpr std::uint64_t kPageTailBytes = kFileBlock;

// Limits of the choices.
inline constexpr std::uint32_t kMaxPageSeconds = 3600;
inline constexpr std::uint32_t kMaxWideSlots = 1024;
inline constexpr std::uint32_t kMaxSmallSlots = 3072;
inline constexpr std::uint32_t kMinBlockBytes = 512;
inline constexpr std::uint32_t kMaxBlockBytes = 1024 * 1024;
inline constexpr std::uint32_t kMinExtentBytes = 4 * 1024;
inline constexpr std::uint32_t kMaxExtentBytes = 64 * 1024 * 1024;
inline constexpr std::uint32_t kMinSlotAlignBytes = 4 * 1024;
inline constexpr std::uint32_t kMaxSlotAlignBytes = 64 * 1024 * 1024;
inline constexpr std::uint64_t kMaxSlotBytes = std::uint64_t{1} << 36;
inline constexpr std::uint32_t kMinPlaces = 4;
inline constexpr std::uint32_t kMaxPlaces = 64;
inline constexpr std::uint32_t kMinPlaceBytes = 4 * 1024;
inline constexpr std::uint32_t kMaxPlaceBytes = 64 * 1024 * 1024;

// The numbers fixed at creation, as the superblock holds them. Plain data; unchecked.
struct GeometryFields {
  Rate rate{48000, 1};  // only sizes the wide slots
  std::uint32_t page_seconds = 30;
  std::uint32_t wide_slots = 64;
  std::uint32_t small_slots = 128;
  std::uint32_t block_bytes = 32 * 1024;             // a power of two
  std::uint32_t extent_bytes = 1024 * 1024;          // a power of two, at least block_bytes
  std::uint32_t slot_align_bytes = 2 * 1024 * 1024;  // a power of two; I3
  // Multiples of slot_align_bytes and of block_bytes; of a wide slot, of extent_bytes too.
  std::uint64_t wide_slot_bytes = 12 * kMiB;
  std::uint64_t small_slot_bytes = 2 * kMiB;
  std::uint64_t index_pages = kMaxPages;  // what the page index has room for
  std::uint64_t capacity_pages = 2880;    // at creation; can be raised later
  std::uint32_t header_places = 8;
  std::uint32_t header_place_bytes = 8 * 1024 * 1024;
  std::uint32_t page_meta_places = 8;
  std::uint32_t page_meta_place_bytes = 1024 * 1024;

  friend bool operator==(const GeometryFields&, const GeometryFields&) = default;
};

// Bytes of a wide slot: one page of stereo float32 at `rate`, in whole units of `unit_bytes`, the
// larger of extent_bytes and slot_align_bytes.
// Errors: kInvalidArgument where that exceeds kMaxSlotBytes.
Result<std::uint64_t> WideSlotBytesFor(Rate rate, std::uint32_t page_seconds,
                                       std::uint32_t unit_bytes);

enum class SlotKind : std::uint8_t { kWide = 0, kSmall = 1 };

// A run of slots of one kind, as a lane takes it.
struct SlotRun {
  SlotKind kind = SlotKind::kWide;
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  friend bool operator==(const SlotRun&, const SlotRun&) = default;
};

// No canvas is larger: the lock offsets begin at twice that.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 58;

// Where a table begins and how far its entries lie apart: counted from the start of the file for
// the first ones, from the start of a page for those from kPageControl on.
struct Table {
  std::uint64_t offset = 0;
  std::uint64_t stride = 0;
  friend bool operator==(const Table&, const Table&) = default;
};

// The tables as the superblock names them, in its order.
enum class TableId : std::uint8_t {
  kControl,
  kOwners,
  kPageIndex,
  kHeaderPlaces,
  kPages,
  kPageControl,
  kLatent,
  kSlotControls,
  kWideVersions,  // an entry is a slot's
  kSmallVersions,
  kWideDurable0,
  kSmallDurable0,
  kWideDurable1,
  kSmallDurable1,
  kUndo,
  kMetadataPlaces,
  kWideSlots,
  kSmallSlots,
  kPageTail,
};
inline constexpr std::size_t kTables = 19;
using Tables = std::array<Table, kTables>;
// "wide version words".
std::string_view TableName(TableId id);

class Geometry {
 public:
  // Errors: kInvalidArgument naming the field that is out of range, and its range.
  static Result<Geometry> Make(const GeometryFields& fields);

  const GeometryFields& fields() const { return fields_; }
  Tables tables() const;
  std::uint64_t page_stride() const { return page_stride_; }
  std::uint64_t pages_offset() const { return pages_offset_; }

  // Whole-file offsets.
  ByteOffset Page(PageIndex page) const {
    return ByteOffset(pages_offset_ + std::uint64_t{page.value()} * page_stride_);
  }
  ByteOffset PageEnd(PageIndex page) const { return Page(page) + page_stride_; }
  ByteOffset PageTail(PageIndex page) const { return Page(page) + (page_stride_ - kPageTailBytes); }
  ByteOffset HeaderPlace(std::uint32_t place) const {
    return ByteOffset(kHeaderPlacesOffset + std::uint64_t{place} * fields_.header_place_bytes);
  }

  // Offsets from the start of a page.
  std::uint64_t page_control() const { return 0; }
  std::uint64_t latent_words() const { return kPageControlBytes; }
  std::uint64_t SlotControl(SlotRun run) const {
    return slot_controls_ + SlotNumber(run) * kSlotControlBytes;
  }
  std::uint64_t Versions(SlotRun run) const { return versions_ + FirstWord(run) * 8; }
  // Of durable record 0 or 1.
  std::uint64_t DurableEntries(SlotRun run, std::uint32_t record) const {
    return durable_[record] + FirstWord(run) * kDurableEntryBytes;
  }
  std::uint64_t UndoPlace(SlotRun run) const {
    return undo_ + SlotNumber(run) * fields_.block_bytes;
  }
  std::uint64_t MetadataPlace(std::uint32_t place) const {
    return metadata_ + std::uint64_t{place} * fields_.page_meta_place_bytes;
  }
  std::uint64_t Data(SlotRun run) const {
    return run.kind == SlotKind::kWide
               ? wide_ + std::uint64_t{run.first} * fields_.wide_slot_bytes
               : small_ + std::uint64_t{run.first} * fields_.small_slot_bytes;
  }

  // Sizes that go with a run of slots.
  std::uint64_t DataBytes(SlotRun run) const { return SlotBytes(run.kind) * run.count; }
  std::uint64_t SlotBytes(SlotKind kind) const {
    return kind == SlotKind::kWide ? fields_.wide_slot_bytes : fields_.small_slot_bytes;
  }
  // Version words a slot of this kind has room for: its blocks, rounded up to whole 128 B.
  std::uint64_t WordsPerSlot(SlotKind kind) const {
    return kind == SlotKind::kWide ? wide_words_ : small_words_;
  }
  std::uint64_t Words(SlotRun run) const { return WordsPerSlot(run.kind) * run.count; }
  std::uint32_t Slots(SlotKind kind) const {
    return kind == SlotKind::kWide ? fields_.wide_slots : fields_.small_slots;
  }
  // Position of the run's first slot in the tables that run over all slots.
  std::uint64_t SlotNumber(SlotRun run) const {
    return run.kind == SlotKind::kWide ? run.first : std::uint64_t{fields_.wide_slots} + run.first;
  }
  // Whether the run exists in this geometry.
  bool Holds(SlotRun run) const {
    return run.count > 0 && run.first < Slots(run.kind) &&
           run.count <= Slots(run.kind) - run.first &&
           (run.kind == SlotKind::kWide || run.count == 1);
  }

 private:
  explicit Geometry(const GeometryFields& fields) : fields_(fields) {}
  std::uint64_t FirstWord(SlotRun run) const {
    return run.kind == SlotKind::kWide
               ? run.first * wide_words_
               : fields_.wide_slots * wide_words_ + run.first * small_words_;
  }

  GeometryFields fields_;
  std::uint64_t wide_words_ = 0;
  std::uint64_t small_words_ = 0;
  std::uint64_t slot_controls_ = 0;
  std::uint64_t versions_ = 0;
  std::uint64_t durable_[2] = {0, 0};
  std::uint64_t undo_ = 0;
  std::uint64_t metadata_ = 0;
  std::uint64_t wide_ = 0;
  std::uint64_t small_ = 0;
  std::uint64_t page_stride_ = 0;
  std::uint64_t pages_offset_ = 0;
};

}  // namespace canvas::format
