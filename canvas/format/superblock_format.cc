#include "canvas/format/superblock_format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "canvas/format/byte_io.h"

namespace canvas::format {
namespace {

constexpr std::size_t kReserve = 160;
constexpr std::size_t kChecksum = kSuperblockBytes - 8;

// Calls visit(offset, field) for every field a decoded superblock has, so that reading and writing
// cannot disagree about where one lies.
template <typename S, typename Visit>
void ForEachField(S& s, Visit visit) {
  auto& g = s.geometry;
  visit(12, s.major_version);
  visit(14, s.minor_version);
  visit(16, s.incompatible);
  visit(24, s.read_only_compatible);
  visit(32, s.compatible);
  visit(48, s.uuid);
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
  visit(128, g.wide_slot_bytes);
  visit(136, g.small_slot_bytes);
  visit(144, g.index_pages);
  visit(152, g.capacity_pages);
}

std::uint64_t Checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), kChecksum);
}

constexpr const char* kOtherProgram = "use the version of canvas that made it";

}  // namespace

void SealSuperblock(SuperblockBytes& bytes) { StoreField(bytes, kChecksum, Checksum(bytes)); }

SuperblockBytes EncodeSuperblock(const Superblock& superblock) {
  SuperblockBytes bytes{};
  StoreField(bytes, 0, kMagic);
  StoreField(bytes, 8, kByteOrder);
  StoreField(bytes, 40, kLayoutFingerprint);
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
  if ((s.incompatible & ~kKnownIncompatible) != 0)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the canvas needs features {:#x} that this program does not have",
                            s.incompatible & ~kKnownIncompatible),
                kOtherProgram);
  if (writable && (s.read_only_compatible & ~kKnownReadOnlyCompatible) != 0)
    return Fail(ErrorCode::kUnsupported,
                fmt::format("writing needs features {:#x} that this program does not have",
                            s.read_only_compatible & ~kKnownReadOnlyCompatible),
                "open it read-only, or use the version of canvas that made it");
  if (LoadField<std::uint64_t>(bytes, 40) != kLayoutFingerprint)
    return Fail(ErrorCode::kUnsupported, "the canvas is laid out differently", kOtherProgram);
  const auto zero = [](std::byte b) { return b == std::byte{0}; };
  if (LoadField<std::uint32_t>(bytes, 124) != 0 ||
      !std::all_of(bytes.begin() + kReserve, bytes.begin() + kChecksum, zero))
    return Fail(ErrorCode::kCorrupt, "the superblock's reserved bytes are not zero");
  if (auto geometry = Geometry::Make(s.geometry); !geometry)
    return Fail(ErrorCode::kCorrupt, "the superblock is out of range: " + geometry.error().what(),
                geometry.error().hint());
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
