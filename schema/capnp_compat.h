// Lets Cap'n Proto 0.9's headers compile as C++20 and later. The build includes it
// before anything else where capnp headers are used (tools/bazel/capnp.bzl).
//
// <capnp/blob.h> compares `const char*` with `kj::StringPtr`; C++20's rewritten comparisons make
// that ambiguous on newer compilers. Declaring both operators for exactly that pair resolves it.
#pragma once

#include <kj/string.h>

namespace kj {

inline bool operator==(const char* a, const StringPtr& b) { return b == StringPtr(a); }
inline bool operator!=(const char* a, const StringPtr& b) { return !(b == StringPtr(a)); }

}  // namespace kj
