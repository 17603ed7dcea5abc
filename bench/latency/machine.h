// What the figures were measured on.
#pragma once

#include <string>

namespace bench {

// Of the first line of `file` that begins with `key`, what lies behind the colon; "?" where there
// is none.
std::string FirstLine(const std::string& file, const std::string& key);

// Processor, caches, kernel, the file system of `directory`, compiler.
std::string Machine(const std::string& directory);

}  // namespace bench
