// Sorting what compares equal in the order it had. (std::stable_sort of libstdc++ 12 is built on
// what C++17 deprecated, and clang refuses that.)
//
// Thread safety: as the vector's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace canvas::cli {

template <typename T, typename Projection>
void SortStably(std::vector<T>& all, Projection projection) {
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const auto& left = std::invoke(projection, all[a]);
    const auto& right = std::invoke(projection, all[b]);
    return left < right || (left == right && a < b);
  });
  std::vector<T> sorted;
  sorted.reserve(all.size());
  for (const std::size_t at : order) sorted.push_back(std::move(all[at]));
  all = std::move(sorted);
}

}  // namespace canvas::cli
