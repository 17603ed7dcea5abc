// The reader under the guard, while the other processes are at work.
#pragma once

#include <cstdint>
#include <string>

namespace canvas::stress {

void ReadUnderGuard(const std::string& path, std::int64_t reads, std::uint32_t seed);

}  // namespace canvas::stress
