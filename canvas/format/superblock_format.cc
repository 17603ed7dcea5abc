#include "canvas/format/superblock_format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "canvas/format/byte_io.h"
#include "canvas/format/control_words.h"
#include "canvas/format/editor_record.h"
#include "canvas/format/owner_table.h"
#include "canvas/format/page_words.h"
#include "canvas/format/slot_words.h"
#include "canvas/format/snapshot_format.h"

namespace canvas::format {
namespace {

constexpr std::size_t kTablesAt = 160;
constexpr std::size_t kTableBytes = 16;
constexpr std::size_t kReserve = kTablesAt + kTables * kTableBytes;
constexpr std::size_t kChecksum = kSuperblockBytes - 8;

// Calls visit(offset, field) for every field a decoded superblock has, so that reading and writing
// cannot disagree about where one lies.
template <typename S, typename Visit>
void ForEachField(S& s, Visit visit) {
  auto& g = s.geometry;
  visit(12, s.major_version);
  visit(14, s.minor_version);
  visit(16, s.features.incompatible);
  visit(24, s.features.read_only_compatible);
  visit(32, s.features.compatible);
  visit(kSuperblockUuidOffset, s.uuid);
  visit(64, s.created_unix_ns);
  visit(72, g.rate.num);
  visit(80, g.rate.den);
  visit(88, g.page_seconds);
  visit(92, g.wide_slots);
  visit(96, g.small_slots);
  visit(100, g.block_bytes);
  visit(104, g.extent_bytes);
  visit(108, g.header_places);
  visit(112, g.header_place_bytes);
  visit(116, g.page_meta_places);
  visit(120, g.page_meta_place_bytes);
  visit(124, g.slot_align_bytes);
  visit(128, g.wide_slot_bytes);
  visit(136, g.small_slot_bytes);
  visit(144, g.index_pages);
  visit(152, g.capacity_pages);
}

std::uint64_t Checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), kChecksum);
}

constexpr const char* kOtherProgram = "use the version of canvas that made it";

// The fields of the records that lie in the tables, record by record.
constexpr std::uint64_t kRecordFields[] = {
    control::kCapacityPages,
    control::kHeaderRoot,
    control::kDurableHeaderRoot,
    control::kChange,
    control::kOwnerEntries,
    control::kDurableBytes,
    control::kIncompatible,
    control::kReadOnlyCompatible,
    control::kCompatible,
    control::kIndexChunks,
    control::kHeaderEditor,
    editor::kPid,
    editor::kSince,
    editor::kStartTime,
    editor::kName,
    page_control::kMetadataRoot,
    page_control::kDurableMetadataRoot,
    page_control::kPageNumber,
    page_control::kSlotBits,
    page_control::kEditor,
    latent_entry::kStatus,
    latent_entry::kProgress,
    latent_entry::kClaim,
    slot_control::kLaneId,
    slot_control::kLife,
    slot_control::kMark,
    slot_control::kLow,
    slot_control::kSequence,
    slot_control::kEvents,
    slot_control::kUndoBlock,
    slot_control::kUndoVersion,
    slot_control::kUndoChecksum,
    slot_control::kDurableRecord,
    slot_control::kDurableRecordBytes,
    owner_entry::kLaneId,
    owner_entry::kFirstPage,
    owner_entry::kEndPage,
    owner_entry::kPid,
    owner_entry::kStartTime,
    owner_entry::kSince,
    owner_entry::kIntentOperation,
    owner_entry::kIntentPage,
    owner_entry::kIntentBlock,
    owner_entry::kIntentSlot,
    owner_entry::kIntentSlotCount,
    owner_entry::kName,
    kSnapshotHeaderBytes,
};

void PutTables(std::span<std::byte> bytes, const Tables& tables) {
  for (std::size_t i = 0; i < kTables; ++i) {
    StoreField(bytes, i * kTableBytes, tables[i].offset);
    StoreField(bytes, i * kTableBytes + 8, tables[i].stride);
  }
}

// Whether the file says of its tables what the formulas do.
Result<void> CompareTables(std::span<const std::byte> bytes, const Tables& tables) {
  for (std::size_t i = 0; i < kTables; ++i) {
    const std::size_t at = kTablesAt + i * kTableBytes;
    const Table said{LoadField<std::uint64_t>(bytes, at), LoadField<std::uint64_t>(bytes, at + 8)};
    if (said == tables[i]) continue;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the canvas is laid out differently: it has the {} at {} and every {} "
                            "bytes, and this program looks at {} and every {}",
                            TableName(static_cast<TableId>(i)), said.offset, said.stride,
                            tables[i].offset, tables[i].stride),
                kOtherProgram);
  }
  return {};
}

}  // namespace

Result<void> CheckFeatures(const Features& features, bool writable) {
  const std::uint64_t needed = features.incompatible & ~kKnownIncompatible;
  if (needed != 0)
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("the canvas needs features {:#x} that this program does not have", needed),
        kOtherProgram);
  const std::uint64_t to_write = features.read_only_compatible & ~kKnownReadOnlyCompatible;
  if (writable && to_write != 0)
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("writing needs features {:#x} that this program does not have", to_write),
        "open it read-only, or use the version of canvas that made it");
  return {};
}

std::uint64_t LayoutFingerprint(const Geometry& geometry) {
  std::array<std::byte, kTables * kTableBytes + sizeof kRecordFields> bytes{};
  PutTables(bytes, geometry.tables());
  std::memcpy(bytes.data() + kTables * kTableBytes, kRecordFields, sizeof kRecordFields);
  return XXH3_64bits(bytes.data(), bytes.size());
}

void SealSuperblock(SuperblockBytes& bytes) { StoreField(bytes, kChecksum, Checksum(bytes)); }

SuperblockBytes EncodeSuperblock(const Superblock& superblock) {
  SuperblockBytes bytes{};
  StoreField(bytes, 0, kMagic);
  StoreField(bytes, 8, kByteOrder);
  if (const auto geometry = Geometry::Make(superblock.geometry)) {
    StoreField(bytes, 40, LayoutFingerprint(*geometry));
    PutTables(std::span(bytes).subspan(kTablesAt), geometry->tables());
  }
  ForEachField(superblock,
               [&](std::size_t at, const auto& field) { StoreField(bytes, at, field); });
  SealSuperblock(bytes);
  return bytes;
}

Result<Superblock> DecodeSuperblock(std::span<const std::byte, kSuperblockBytes> bytes,
                                    bool writable) {
  if (LoadField<std::array<std::uint8_t, 8>>(bytes, 0) != kMagic)
    return Fail(ErrorCode::kNotACanvas, "not a canvas: it does not begin as one",
                "check the path; `canvas create` makes one");
  const auto order = LoadField<std::uint32_t>(bytes, 8);
  if (order == __builtin_bswap32(kByteOrder))
    return Fail(ErrorCode::kUnsupported, "the canvas has the other byte order",
                "canvases are little-endian");
  if (order != kByteOrder)
    return Fail(ErrorCode::kCorrupt, "the superblock's byte order mark is damaged");
  Superblock s;
  ForEachField(s, [&](std::size_t at, auto& field) {
    field = LoadField<std::remove_reference_t<decltype(field)>>(bytes, at);
  });
  if (s.major_version != kMajorVersion)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the canvas has format version {}, and this program reads {}",
                            s.major_version, kMajorVersion),
                kOtherProgram);
  if (LoadField<std::uint64_t>(bytes, kChecksum) != Checksum(bytes))
    return Fail(ErrorCode::kCorrupt, "the superblock's checksum does not match");
  CANVAS_TRY(CheckFeatures(s.features, writable));
  // What a feature that is not known here says of the reserve is not known either.
  const bool licensed = (s.features.compatible & ~kKnownCompatible) != 0 ||
                        (s.features.read_only_compatible & ~kKnownReadOnlyCompatible) != 0;
  const auto zero = [](std::byte b) { return b == std::byte{0}; };
  if (!licensed && !std::all_of(bytes.begin() + kReserve, bytes.begin() + kChecksum, zero))
    return Fail(ErrorCode::kCorrupt, "the superblock's reserved bytes are not zero");
  const auto geometry = Geometry::Make(s.geometry);
  if (!geometry)
    return Fail(ErrorCode::kCorrupt, "the superblock is out of range: " + geometry.error().what(),
                geometry.error().hint());
  CANVAS_TRY(CompareTables(bytes, geometry->tables()));
  if (LoadField<std::uint64_t>(bytes, 40) != LayoutFingerprint(*geometry))
    return Fail(ErrorCode::kUnsupported, "the canvas's records are laid out differently",
                kOtherProgram);
  return s;
}

std::string ToString(const Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

}  // namespace canvas::format
