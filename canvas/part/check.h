// Looking a canvas over without changing it: everything that can contradict itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header_store.h"
#include "canvas/storage/ownership.h"

namespace canvas::part {

struct CheckReport {
  std::vector<std::string> findings;  // wrong: what, and where
  std::vector<std::string> notes;     // left half done; the next owner mends it
  std::uint64_t pages = 0;            // looked at, as the rest
  std::uint64_t parts = 0;
  std::uint64_t blocks = 0;
  std::uint64_t lanes = 0;
  bool ok() const { return findings.empty(); }
};

// Superblock copies, control words, header snapshots, owner table, page index, page and slot
// controls, versions against marks, and that every page lies inside the file. At most 100 findings
// are told one by one.
CheckReport CheckCanvas(const storage::CanvasFile& file, storage::HeaderStore& headers,
                        const storage::OwnerTable& owners);

}  // namespace canvas::part
