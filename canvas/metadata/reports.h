// What is told of a canvas: who owns what, and what a check found.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/base/units.h"

namespace canvas::metadata {

// By its own word, for people; which process may write is decided by the kernel's lock.
struct OwnerInfo {
  LaneId lane;
  PageRange pages;
  std::string name;
  std::uint64_t pid = 0;
  std::int64_t since_unix_ns = 0;
};

struct CheckReport {
  std::vector<std::string> findings;  // wrong: what, and where
  std::vector<std::string> notes;     // left half done; the next owner mends it
  std::uint64_t pages = 0;            // looked at, as the rest
  std::uint64_t parts = 0;
  std::uint64_t blocks = 0;
  std::uint64_t lanes = 0;
  bool ok() const { return findings.empty(); }
};

}  // namespace canvas::metadata
