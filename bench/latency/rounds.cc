#include "bench/latency/rounds.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace bench {

namespace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

std::mt19937& Random() {
  static std::mt19937 random(1);
  return random;
}

Outcomes RunRounds(std::vector<Contender>& contenders, int rounds) {
  constexpr double kSlice = 4e6;  // ns of one contender in a round
  std::vector<std::int64_t> reads;
  for (Contender& contender : contenders) {
    const double ns = std::max(contender.mean(200), 1.0);
    reads.push_back(std::clamp<std::int64_t>(static_cast<std::int64_t>(kSlice / ns), 16, 400'000));
    contender.mean(reads.back());
  }
  std::vector<std::vector<double>> times(contenders.size());
  std::vector<std::size_t> order(contenders.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(order, Random());
    for (const std::size_t i : order) times[i].push_back(contenders[i].mean(reads[i]));
  }
  Outcomes outcomes;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    std::vector<double> ratios;
    std::vector<double> above;
    for (int round = 0; round < rounds; ++round) {
      const auto r = static_cast<std::size_t>(round);
      ratios.push_back(times[i][r] / times[0][r]);
      above.push_back(times[i][r] - times[0][r]);
    }
    const double ratio = Median(ratios);
    outcomes[contenders[i].who] = {Median(times[i]), ratio, Median(above), ratio, ratio};
  }
  return outcomes;
}

Outcomes Together(const std::vector<Outcomes>& draws) {
  Outcomes together;
  for (const auto& [who, first] : draws.front()) {
    const auto over = [&](double Outcome::*what) {
      std::vector<double> values;
      for (const Outcomes& draw : draws) values.push_back(draw.at(who).*what);
      return values;
    };
    const auto ratios = over(&Outcome::ratio);
    together[who] = {Median(over(&Outcome::ns)), Median(ratios), Median(over(&Outcome::above)),
                     std::ranges::min(ratios), std::ranges::max(ratios)};
  }
  return together;
}

}  // namespace bench
