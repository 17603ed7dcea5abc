// Little-endian fields at fixed offsets of a byte array that is private to the caller. The file's
// own bytes are shared: they are first copied, or read word by word through canvas/sync.
//
// Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

namespace canvas::format {

static_assert(std::endian::native == std::endian::little,
              "the file is mapped and its words are used in place: a big-endian host would need a "
              "conversion at every access");

template <typename T>
T LoadField(std::span<const std::byte> bytes, std::size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename T>
void StoreField(std::span<std::byte> bytes, std::size_t offset, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace canvas::format
