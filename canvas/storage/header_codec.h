// The header between memory and its Cap'n Proto message. Nothing of kj leaves this file, exceptions
// least of all.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/storage/header.h"

namespace canvas::storage {

// One flat array, a multiple of 8 bytes.
std::vector<std::byte> EncodeHeader(const Header& header);

// Errors: kCorrupt where the bytes are not such a message. What it says is not yet validated.
Result<Header> DecodeHeader(std::span<const std::byte> message);

}  // namespace canvas::storage
