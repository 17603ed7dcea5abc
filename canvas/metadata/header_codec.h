// The header between memory and its Cap'n Proto message. Nothing of kj leaves this file, exceptions
// least of all.
//
// A header that is edited is the one before, copied as it lies, and changed where it differs: what
// a newer program put there (fields, pointers, members of unions that are not known here) survives.
// Of a lane, a tempo map or a marker it is known by the id whose it is; it goes with the lane, and,
// of a list within one (tempi, meters, tags, provenance of ranges), when that list is changed.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/metadata/header.h"

namespace canvas::metadata {

// One flat array, a multiple of 8 bytes. `before` is the message of the version that `header` was
// made from, or empty. Errors: kNoMemory, kLimit (no message is that long), kCorrupt (`before`).
Result<std::vector<std::byte>> EncodeHeader(const Header& header,
                                            std::span<const std::byte> before);

// Errors: kCorrupt where the bytes are not such a message, kNoMemory. What it says is not yet
// validated.
Result<Header> DecodeHeader(std::span<const std::byte> message);

}  // namespace canvas::metadata
