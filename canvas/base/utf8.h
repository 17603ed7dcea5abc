// UTF-8 (RFC 3629), as far as it must be told from what is none.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace canvas {

// The bytes of the sequence at the front of `text`, which is not empty: in its shortest form, no
// surrogate, up to U+10FFFF; 0 where there is none.
std::size_t Utf8Length(std::string_view text);

// Whether all of it is such sequences. Of "" it is.
bool IsUtf8(std::string_view text);

}  // namespace canvas
