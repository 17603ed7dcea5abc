#include "bench/ratio.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {
namespace {

using Key = std::pair<std::string, std::string>;  // case, who

struct Series {
  std::vector<double> seconds;  // an iteration, one a round
  std::vector<double> ratios;
};

std::vector<Key>& Contenders() {
  static auto& contenders = *new std::vector<Key>;
  return contenders;
}

std::string Name(const Key& key) { return key.second + "/" + key.first; }

class LastTime : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      failed = failed || run.error_occurred;
      seconds = run.real_accumulated_time / static_cast<double>(run.iterations);
    }
  }
  double seconds = 0;
  bool failed = false;
};

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

void Print(const RatioOptions& options, const std::vector<Key>& keys, std::map<Key, Series>& all) {
  const double scale = options.unit == "ms" ? 1e3 : options.unit == "us" ? 1e6 : 1e9;
  fmt::print("{}\nmedians of {} rounds\n\n", options.title, options.rounds);
  fmt::print("  {:<18} {:<20} {:>10} {:>10}\n", "", "", options.unit, "x " + options.floor);
  std::string previous;
  for (const Key& key : keys) {
    if (!previous.empty() && previous != key.first) fmt::print("\n");
    previous = key.first;
    const Series& series = all[key];
    fmt::print("  {:<18} {:<20} {:>10.1f} {:>10}\n", key.first, key.second,
               Median(series.seconds) * scale,
               series.ratios.empty() ? "-" : fmt::format("{:.3f}", Median(series.ratios)));
  }
}

bool TakeFlags(int argc, char** argv, RatioOptions& options, std::string& only) {
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument.starts_with("--case=")) {
      only = argument.substr(7);
    } else if (argument.starts_with("--rounds=")) {
      argument.remove_prefix(9);
      std::from_chars(argument.data(), argument.data() + argument.size(), options.rounds);
    } else {
      fmt::print(stderr, "usage: {} [--rounds=N] [--case=SUBSTRING]\n", argv[0]);
      return false;
    }
  }
  return options.rounds > 0;
}

}  // namespace

void Add(const std::string& who, const std::string& name, benchmark::IterationCount iterations,
         std::function<void(benchmark::State&)> function) {
  const Key key{name, who};
  Contenders().push_back(key);
  benchmark::RegisterBenchmark(Name(key).c_str(), std::move(function))
      ->Iterations(iterations)
      ->UseRealTime();
}

int RunWithRatios(int argc, char** argv, RatioOptions options) {
  std::string only;
  if (!TakeFlags(argc, argv, options, only)) return 2;
  std::vector<Key> keys;
  std::ranges::copy_if(Contenders(), std::back_inserter(keys),
                       [&](const Key& key) { return key.first.find(only) != std::string::npos; });
  std::map<std::string, std::vector<Key>> cases;
  for (const Key& key : keys) cases[key.first].push_back(key);
  std::map<Key, Series> all;
  std::mt19937 random(1);
  LastTime reporter;
  for (int round = -1; round < options.rounds; ++round) {  // one to warm up
    for (auto& [name, contenders] : cases) {
      std::ranges::shuffle(contenders, random);
      std::map<Key, double> times;
      for (const Key& key : contenders) {
        // The name Google Benchmark gives has the iterations behind it.
        if (benchmark::RunSpecifiedBenchmarks(&reporter, "^" + Name(key) + "/iterations:.*$") !=
                1 ||
            reporter.failed) {
          fmt::print(stderr, "{} did not run\n", Name(key));
          return 1;
        }
        times[key] = reporter.seconds;
      }
      if (round < 0) continue;
      const auto floor = times.find({name, options.floor});
      for (const auto& [key, seconds] : times) {
        all[key].seconds.push_back(seconds);
        if (floor != times.end()) all[key].ratios.push_back(seconds / floor->second);
      }
    }
  }
  Print(options, keys, all);
  return 0;
}

}  // namespace bench
