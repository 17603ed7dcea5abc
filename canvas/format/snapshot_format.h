// A snapshot place: a header that says which generation of the metadata it holds and vouches for
// its bytes, then the message.
//
//     0  magic       u64   "CNVSNAP1"
//     8  generation  u64
//    16  length      u64   bytes of the message, a multiple of 8
//    24  checksum    u64   XXH3-64 of the message, seeded with generation
//    32  zero, to 64
//    64  message     Cap'n Proto, one flat array (segment table and segments)
//
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace canvas::format {

inline constexpr std::uint64_t kSnapshotHeaderBytes = 64;
inline constexpr std::uint64_t kSnapshotMagic = 0x3150414E53564E43;  // "CNVSNAP1"

using SnapshotHeaderBytes = std::array<std::byte, kSnapshotHeaderBytes>;

struct SnapshotHeader {
  std::uint64_t generation = 0;
  std::uint64_t length = 0;
  std::uint64_t checksum = 0;
};

std::uint64_t SnapshotChecksum(std::span<const std::byte> message, std::uint64_t generation);

SnapshotHeaderBytes EncodeSnapshotHeader(const SnapshotHeader& header);

// Nothing, where these bytes are no header of a place that has `place_bytes` in all.
std::optional<SnapshotHeader> DecodeSnapshotHeader(
    std::span<const std::byte, kSnapshotHeaderBytes> bytes, std::uint64_t place_bytes);

}  // namespace canvas::format
