// What a canvas is opened for.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>

namespace canvas {

enum class Access : std::uint8_t { kReadOnly, kReadWrite };

}  // namespace canvas
