// Every memory that a kill may leave.
#pragma once

#include <cstddef>
#include <cstring>
#include <set>
#include <vector>

#include "model/kill_scenario.h"
#include "model/kill_sync.h"

namespace model {

// Calls visit(memory) for every memory that a kill during `stores` may leave.
template <typename Visit>
void ForEachKill(const Memory& start, const std::vector<RecordedStore>& stores, Visit visit) {
  const auto apply = [](Memory& memory, const RecordedStore& store) {
    std::memcpy(reinterpret_cast<std::byte*>(&memory) + store.offset, &store.value, 8);
  };
  Memory prefix = start;
  for (std::size_t k = 0; k <= stores.size(); ++k) {
    // Store k is the first that is missing. Which later ones may be there?
    std::vector<std::size_t> movable;
    std::set<std::size_t> missing_words;
    if (k < stores.size()) missing_words.insert(stores[k].offset);
    for (std::size_t i = k + 1; i < stores.size(); ++i) {
      if (stores[i].stretch != stores[k].stretch) break;
      if (!stores[i].release && !missing_words.contains(stores[i].offset))
        movable.push_back(i);
      else
        missing_words.insert(stores[i].offset);
    }
    constexpr std::size_t kMost = 10;  // 2^10 sets; beyond, the first ones
    if (movable.size() > kMost) movable.resize(kMost);
    for (std::size_t set = 0; set < std::size_t{1} << movable.size(); ++set) {
      Memory memory = prefix;
      bool in_order = true;
      std::set<std::size_t> left_out;
      for (std::size_t i = 0; i < movable.size(); ++i) {
        const RecordedStore& store = stores[movable[i]];
        if ((set >> i & 1) == 0) {
          left_out.insert(store.offset);
          continue;
        }
        in_order = in_order && !left_out.contains(store.offset);
        apply(memory, store);
      }
      if (in_order) visit(memory);
    }
    if (k < stores.size()) apply(prefix, stores[k]);
  }
}

}  // namespace model
