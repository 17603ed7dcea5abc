// The superblock: the immutable first block of a canvas, written twice, that says what the file is
// and gives the numbers all addresses are computed from.
//
//     0  magic                8 B   89 'C' 'N' 'V' 0D 0A 1A 0A
//     8  byte order           u32   0x01020304 as the writer stores it
//    12  major version        u16   1; another one is not read
//    14  minor version        u16   informs
//    16  incompatible         u64   feature bits: an unknown one forbids opening
//    24  ro-compatible        u64   an unknown one forbids writing
//    32  compatible           u64   an unknown one is ignored
//    40  layout fingerprint   u64   a digest, see LayoutFingerprint
//    48  uuid                16 B   RFC 4122 version 4
//    64  created              i64   nanoseconds since 1970-01-01T00:00:00Z
//    72  rate                 u64 x 2  numerator, denominator
//    88  page seconds         u32
//    92  wide slots           u32
//    96  small slots          u32
//   100  block bytes          u32
//   104  extent bytes         u32
//   108  header places        u32
//   112  header place bytes   u32
//   116  page metadata places u32
//   120  page metadata place bytes u32
//   124  slot align bytes     u32
//   128  wide slot bytes      u64
//   136  small slot bytes     u64
//   144  index pages          u64
//   152  capacity pages       u64   at creation; the control words hold the current one
//   160  tables               19 x { offset u64, stride u64 }, in the order of TableId
//                             (geometry.h): what the formulas give, so that a reader may take
//                             either
//   464  zero, to 4088; a feature that is set may say otherwise of some of it
//  4088  checksum             u64   XXH3-64 of bytes 0 to 4087
//
// The checksum is compared before any field but magic, byte order and version is believed. The
// feature words hold what was set at creation; the control words hold what was set since, and a bit
// of either counts. A program that meets a compatible or read-only-compatible bit it does not know
// does not look at the reserve: that bit licenses its use.
//
// Thread safety: values and pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "canvas/base/error.h"
#include "canvas/format/geometry.h"

namespace canvas::format {

using SuperblockBytes = std::array<std::byte, kSuperblockBytes>;
using Uuid = std::array<std::uint8_t, 16>;

inline constexpr std::array<std::uint8_t, 8> kMagic = {0x89, 'C', 'N', 'V', 0x0D, 0x0A, 0x1A, 0x0A};
inline constexpr std::size_t kSuperblockUuidOffset = 48;
inline constexpr std::uint32_t kByteOrder = 0x01020304;
inline constexpr std::uint16_t kMajorVersion = 1;
inline constexpr std::uint16_t kMinorVersion = 0;
inline constexpr std::uint64_t kKnownIncompatible = 0;
inline constexpr std::uint64_t kKnownReadOnlyCompatible = 0;
inline constexpr std::uint64_t kKnownCompatible = 0;

// What a program must know to read or write the file, a bit each.
struct Features {
  std::uint64_t incompatible = 0;          // an unknown one forbids opening
  std::uint64_t read_only_compatible = 0;  // an unknown one forbids writing
  std::uint64_t compatible = 0;            // an unknown one is ignored

  friend constexpr Features operator|(const Features& a, const Features& b) {
    return {a.incompatible | b.incompatible, a.read_only_compatible | b.read_only_compatible,
            a.compatible | b.compatible};
  }
  friend bool operator==(const Features&, const Features&) = default;
};

// Errors: kUnsupported, naming the bits.
Result<void> CheckFeatures(const Features& features, bool writable);

// XXH3-64 of the bytes of the superblock's tables (160 to 463), then the offsets, u64 each, of the
// fields of the records in them, in the order of FORMAT.md: so it changes when any of them moves.
std::uint64_t LayoutFingerprint(const Geometry& geometry);

struct Superblock {
  std::uint16_t major_version = kMajorVersion;
  std::uint16_t minor_version = kMinorVersion;
  Features features;
  Uuid uuid{};
  std::int64_t created_unix_ns = 0;
  GeometryFields geometry;

  friend bool operator==(const Superblock&, const Superblock&) = default;
};

// The geometry is one that Geometry::Make accepts.
SuperblockBytes EncodeSuperblock(const Superblock& superblock);

// Errors: kNotACanvas (wrong magic), kUnsupported (byte order, version, features, tables that lie
// elsewhere, fingerprint), kCorrupt (checksum, a field out of range, a reserve that is not zero).
// `writable` also applies the read-only-compatible features. The geometry of what is returned is
// valid.
Result<Superblock> DecodeSuperblock(std::span<const std::byte, kSuperblockBytes> bytes,
                                    bool writable);

// Stores the checksum that belongs to the other bytes. For EncodeSuperblock, and for tests that
// change a field.
void SealSuperblock(SuperblockBytes& bytes);

// "8-4-4-4-12" lowercase hexadecimal digits.
std::string ToString(const Uuid& uuid);

}  // namespace canvas::format
