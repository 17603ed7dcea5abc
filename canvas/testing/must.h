// The value of what must not fail, in programs that only try things out: tests, benchmarks, tools
// of the project.
//
// Thread safety: pure functions.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <type_traits>

#include "canvas/base/error.h"

namespace canvas::testing {

// The value, or an abort of the process that says where and why.
template <typename T>
T Must(Result<T> result, std::source_location at = std::source_location::current()) {
  if (!result) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s:%u: %s\n", at.file_name(), static_cast<unsigned>(at.line()),
                 result.error().Message().c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace canvas::testing
