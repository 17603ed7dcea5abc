#include "canvas/format/snapshot_format.h"

#include <xxhash.h>

#include <algorithm>

#include "canvas/format/byte_io.h"

namespace canvas::format {

std::uint64_t SnapshotChecksum(std::span<const std::byte> message, std::uint64_t generation) {
  return XXH3_64bits_withSeed(message.data(), message.size(), generation);
}

SnapshotHeaderBytes EncodeSnapshotHeader(const SnapshotHeader& header) {
  SnapshotHeaderBytes bytes{};
  StoreField(bytes, 0, kSnapshotMagic);
  StoreField(bytes, 8, header.generation);
  StoreField(bytes, 16, header.length);
  StoreField(bytes, 24, header.checksum);
  return bytes;
}

std::optional<SnapshotHeader> DecodeSnapshotHeader(
    std::span<const std::byte, kSnapshotHeaderBytes> bytes, std::uint64_t place_bytes) {
  const SnapshotHeader header{LoadField<std::uint64_t>(bytes, 8),
                              LoadField<std::uint64_t>(bytes, 16),
                              LoadField<std::uint64_t>(bytes, 24)};
  const auto zero = [](std::byte b) { return b == std::byte{0}; };
  if (LoadField<std::uint64_t>(bytes, 0) != kSnapshotMagic ||
      !std::all_of(bytes.begin() + 32, bytes.end(), zero) || header.generation == 0 ||
      header.length == 0 || header.length % 8 != 0 ||
      header.length > place_bytes - kSnapshotHeaderBytes)
    return std::nullopt;
  return header;
}

}  // namespace canvas::format
