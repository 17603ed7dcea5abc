// Reads by their size, beside the floor and beside the peers.
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bench/latency/cases.h"
#include "bench/latency/contenders.h"
#include "bench/latency/rounds.h"

namespace bench {

namespace {

void JudgeSize(Report& report, const std::string& name, const Outcome& read) {
  report.Judge(name,
               fmt::format("{:.2f} x ({:.2f} to {:.2f}), {:+.1f} ns", read.ratio, read.least,
                           read.most, read.above),
               "at most 1.10 x or 15 ns above", read.ratio <= 1.10 || read.above <= 15);
}

void JudgePeers(Report& report, const Outcomes& outcomes) {
  const auto faster = [&](const std::string& who, double times) {
    if (!outcomes.contains(who)) return;
    const double ratio = outcomes.at(who).ns / outcomes.at("canvas read").ns;
    report.Judge("256 frames against " + who, fmt::format("{:.1f} x faster", ratio),
                 fmt::format("at least {:g} x", times), ratio >= times);
  };
  faster("LMDB, open txn", 3);
  faster("libsndfile, in order", 5);
  faster("libsndfile, seek + read", 5);
}

void ShowBars(const std::vector<Contender>& contenders, const Outcomes& outcomes,
              std::vector<Bar>& bars) {
  for (const Contender& c : contenders)
    bars.push_back(
        {c.who == "floor" ? "memcpy (floor)" : c.who, outcomes.at(c.who).ns,
         fmt::format("{:.0f} ns, {:.2f} x", outcomes.at(c.who).ns, outcomes.at(c.who).ratio),
         c.who == "canvas read" || c.who == "canvas view"});
}

void OneSize(Report& report, const Draws& draws, Peers& peers, int rounds, bool hot,
             std::int64_t frames, std::vector<Bar>& bars) {
  const std::string name = fmt::format("{} {} frames", hot ? "L2" : "RAM", frames);
  if (!report.Wants(name)) return;
  const SharedWalk walk = MakeWalk(4, frames, hot ? kHot : kAll);
  const bool with_peers =
      !hot && (frames == 32 || frames == 256 || frames == 1024 || frames == 4096);
  std::vector<Contender> contenders;
  std::vector<Outcomes> each;
  for (const auto& material : draws) {
    contenders = {FloorRead(*material, walk, frames), CanvasRead(*material, walk, frames),
                  CanvasView(*material, walk, frames)};
    if (!hot) contenders.push_back(PlainRead(*material, walk, frames));
    if (with_peers)
      for (auto& peer : peers) contenders.push_back(PeerRead(*peer, walk, frames));
    each.push_back(RunRounds(contenders, rounds));
  }
  const Outcomes outcomes = Together(each);
  report.Add("sizes", name, contenders, outcomes);
  const Outcome& read = outcomes.at("canvas read");
  JudgeSize(report, name, read);
  if (with_peers && frames == 256) {
    JudgePeers(report, outcomes);
    ShowBars(contenders, outcomes, bars);
  }
}

void AtRandom(Report& report, const Draws& draws, int rounds) {
  const std::string name = "RAM 256 frames at random";
  if (!report.Wants(name)) return;
  const SharedWalk walk = MakeWalk(4, 256, kAll, true);
  std::vector<Contender> contenders;
  std::vector<Outcomes> each;
  for (const auto& material : draws) {
    contenders = {FloorRead(*material, walk, 256), CanvasRead(*material, walk, 256)};
    each.push_back(RunRounds(contenders, rounds));
  }
  const Outcomes outcomes = Together(each);
  report.Add("sizes", name, contenders, outcomes);
  JudgeSize(report, name, outcomes.at("canvas read"));
}

}  // namespace

void Sizes(Report& report, const Draws& draws, Peers& peers, int rounds, std::vector<Bar>& bars) {
  for (const bool hot : {true, false})
    for (const std::int64_t frames : {32, 64, 128, 256, 512, 1024, 2048, 4096})
      OneSize(report, draws, peers, rounds, hot, frames, bars);
  AtRandom(report, draws, rounds);
}

}  // namespace bench
