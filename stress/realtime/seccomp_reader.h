// The reader whom the kernel kills at any syscall.
#pragma once

#include <cstdint>
#include <string>

namespace canvas::stress {

// Under a filter that kills at whatever is not exit_group.
void ReadUnderSeccomp(const std::string& path, std::int64_t reads, bool plant);

}  // namespace canvas::stress
