#include "canvas/part/content.h"

#include <algorithm>

namespace canvas::part {

std::uint64_t PartTrace::Version(std::uint64_t block) const {
  const auto found = std::ranges::lower_bound(blocks, block, {}, &Block::number);
  return found != blocks.end() && found->number == block ? found->version : 0;
}

std::string NameOf(const PartRef& part) {
  return fmt::format("lane {}, page {}", part.lane().id.value(), part.page().value());
}

Result<void> Content::Repair(const PartRef& part, const storage::Intent& intent) const {
  CANVAS_ASSIGN(const bool concerned, part.BeginRepair(intent));
  if (!concerned) return {};
  CANVAS_TRY(PutRight(part, intent));
  part.file().Notify();
  return {};
}

}  // namespace canvas::part
