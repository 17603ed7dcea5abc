// Runs benchmarks in rounds, each contender of a case once a round and close to the others, and
// prints the median time and the median over the rounds of the ratio to the floor. What disturbs a
// shared machine for longer than a round disturbs both sides of a ratio. Only the ratios travel.
//
// Google Benchmark does the measuring: https://github.com/google/benchmark
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

namespace bench {

struct RatioOptions {
  std::string title;
  int rounds = 51;
  std::string floor = "floor";  // the contender that the others of a case are divided by
  std::string unit = "ns";      // "ns", "us" or "ms", an iteration
};

// Registers contender `who` of a case, to run `iterations` at a time: some milliseconds' worth.
void Add(const std::string& who, const std::string& name, benchmark::IterationCount iterations,
         std::function<void(benchmark::State&)> function);

// For main(): runs what was added. Takes --rounds=N and --case=SUBSTRING. Returns the exit code.
int RunWithRatios(int argc, char** argv, RatioOptions options);

}  // namespace bench
