// Single reads and callbacks, timed each.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/latency/cases.h"
#include "bench/latency/clock.h"
#include "bench/latency/contenders.h"
#include "bench/latency/rounds.h"

namespace bench {

namespace {

using nlohmann::json;

constexpr std::array<double, 4> kShares = {0.5, 0.99, 0.999, 0.9999};
constexpr std::array<const char*, 4> kShareNames = {"p50", "p99", "p99.9", "p99.99"};

// Prints, and keeps as JSON; answers the percentiles in ns.
std::vector<double> Tell(Report& report, const std::string& kind, const std::string& who,
                         const Histogram& histogram) {
  std::vector<double> values;
  json row = {{"who", who}, {"reads", histogram.total()}};
  fmt::print("    {:<24}", who);
  for (std::size_t i = 0; i < kShares.size(); ++i) {
    values.push_back(histogram.Percentile(kShares[i]) * NsPerTick());
    fmt::print("{:>10.0f}", values.back());
    row[kShareNames[i]] = values.back();
  }
  const double most = static_cast<double>(histogram.max()) * NsPerTick();
  fmt::print("{:>12.0f}\n", most);
  row["max"] = most;
  report.of(kind).push_back(row);
  return values;
}
void TellHead(const std::string& title) {
  fmt::print("\n  {:<26}{:>10}{:>10}{:>10}{:>10}{:>12}\n", title, "p50", "p99", "p99.9", "p99.99",
             "max");
}

}  // namespace

void Tails(Report& report, Material& material, Peers& peers, int rounds, Panel& panel) {
  if (!report.Wants("tails")) return;
  constexpr std::int64_t kFrames = 256;
  const SharedWalk walk = MakeWalk(4, kFrames, kAll);
  std::vector<Contender> contenders;
  contenders.push_back(
      Make("control, reads nothing", walk, [](int, std::int64_t at) { Keep(at); }));
  contenders.push_back(FloorRead(material, walk, kFrames));
  contenders.push_back(CanvasRead(material, walk, kFrames));
  contenders.push_back(CanvasView(material, walk, kFrames));
  for (auto& peer : peers) contenders.push_back(PeerRead(*peer, walk, kFrames));
  std::vector<Histogram> histograms(contenders.size());
  std::vector<std::size_t> order(contenders.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<double> ratios;
  for (int round = 0; round < rounds * 10; ++round) {
    std::ranges::shuffle(order, Random());
    for (const std::size_t i : order) contenders[i].each(1000, histograms[i]);
  }
  TellHead("RAM 256 frames, each, ns");
  std::map<std::string, std::vector<double>> told;
  for (std::size_t i = 0; i < contenders.size(); ++i)
    told[contenders[i].who] = Tell(report, "tails", contenders[i].who, histograms[i]);
  const double ratio = told.at("canvas read")[2] / told.at("floor")[2];
  report.Judge("p99.9 of a read against the floor's", fmt::format("{:.2f} x", ratio),
               "at most 1.5 x", ratio <= 1.5);
  panel.ticks.assign(kShareNames.begin(), kShareNames.end());
  for (const Contender& c : contenders) {
    if (c.who == "control, reads nothing" || c.who == "canvas view") continue;
    panel.lines.push_back(
        {c.who == "floor" ? "memcpy" : c.who, told.at(c.who), c.who == "canvas read"});
  }
}

void OpenLoop(Report& report, Material& material, int rounds) {
  if (!report.Wants("open")) return;
  constexpr std::int64_t kFrames = 128;
  constexpr int kLanes = 16;
  constexpr std::int64_t kPeriod = 2'666'667;
  // Each its own third of the material: what one has read is not in another's cache.
  const SharedWalk walk = MakeWalk(kLanes, kFrames, kAll);
  const auto third = [&](std::int64_t i) { return std::make_shared<Walk>(walk->From(i, 3)); };
  std::vector<Contender> contenders = {FloorRead(material, third(0), kFrames),
                                       CanvasRead(material, third(1), kFrames),
                                       CanvasTogether(material, third(2), kLanes, kFrames)};
  std::vector<Histogram> histograms(contenders.size());
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  for (int callback = 0; callback < rounds * 60; ++callback) {
    at.tv_nsec += kPeriod;
    if (at.tv_nsec >= 1'000'000'000) {
      at.tv_nsec -= 1'000'000'000;
      ++at.tv_sec;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    const auto who = static_cast<std::size_t>(callback) % contenders.size();
    const std::uint64_t begin = Ticks();
    contenders[who].mean(kLanes);
    histograms[who].Add(Ticks() - begin);
  }
  TellHead("callbacks of 16 lanes, ns");
  const auto floor = Tell(report, "open_loop", "floor", histograms[0]);
  const auto read = Tell(report, "open_loop", "canvas read", histograms[1]);
  const auto together = Tell(report, "open_loop", "canvas, together", histograms[2]);
  fmt::print("    every 2.67 ms, 128 frames of each; p50 {:.2f} x, p99 {:.2f} x the floor's\n",
             read[0] / floor[0], read[1] / floor[1]);
  fmt::print("    together: p50 {:.2f} x, p99 {:.2f} x\n", together[0] / floor[0],
             together[1] / floor[1]);
  const double ratio = together[0] / floor[0];
  report.Judge("a cold callback of 16 lanes, read together, against the floor's",
               fmt::format("{:.2f} x", ratio), "at most 1.0 x", ratio <= 1.0);
}

}  // namespace bench
