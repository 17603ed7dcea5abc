// A mapped file that someone else cuts short faults when it is read. This turns the fault into one
// line that names the file, and exit 1.
#pragma once

#include <string_view>

namespace canvas::cli {

// From now on; `path` is the canvas this process works on.
void InstallBusGuard(std::string_view path);

}  // namespace canvas::cli
