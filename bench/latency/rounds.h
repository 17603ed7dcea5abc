// Contenders take turns in random order; ratios are taken within a round.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "bench/latency/contenders.h"

namespace bench {

// What came of a contender in a case: medians over the rounds.
struct Outcome {
  double ns = 0;
  double ratio = 0;  // to the case's first
  double above = 0;  // ns above it
  double least = 0;  // of the ratio, over the draws
  double most = 0;
};
using Outcomes = std::map<std::string, Outcome>;

std::mt19937& Random();

// The first contender is the one that others are divided by.
Outcomes RunRounds(std::vector<Contender>& contenders, int rounds);

// Of the same contenders in several draws.
Outcomes Together(const std::vector<Outcomes>& draws);

}  // namespace bench
