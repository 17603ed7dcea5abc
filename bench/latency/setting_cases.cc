// The same reads elsewhere: in place, of many lanes, in a long canvas, beside writers.
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/latency/cases.h"
#include "bench/latency/contenders.h"
#include "bench/latency/rounds.h"

namespace bench {

void Views(Report& report, Material& material, int rounds) {
  if (!report.Wants("views")) return;
  std::vector<Contender> contenders;
  const SharedWalk walk = MakeWalk(4, 4096, kHot * 4);
  contenders.push_back(FloorRead(material, walk, 4096));
  contenders.back().who = "copy one block";
  for (const std::int64_t frames : {32, 4096, 8192, 16384, 32768}) {
    auto view = CanvasView(material, MakeWalk(4, frames, kHot * 4), frames);
    view.who = fmt::format("view of {} frames", frames);
    contenders.push_back(std::move(view));
  }
  const Outcomes outcomes = RunRounds(contenders, rounds);
  report.Add("views", "views, by frames", contenders, outcomes);
  const Outcome& one = outcomes.at("view of 4096 frames");
  report.Judge("opening a view of one block", fmt::format("{:.2f} x copying it", one.ratio),
               "at most 0.5 x", one.ratio <= 0.5);
  const double each = (outcomes.at("view of 32768 frames").ns - one.ns) / 7;
  report.Judge("a block more in a view", fmt::format("{:.1f} ns", each), "less than the first",
               each < one.ns);
}

void Lanes(Report& report, Material& material, Material& long_one, int rounds) {
  if (report.Wants("lanes")) {
    // Each beside its own floor, in the same rounds: the cache does what it does to both.
    std::vector<Contender> contenders;
    for (const int lanes : {1, 4, 16, 64}) {
      const SharedWalk walk = MakeWalk(lanes, 256, kAll);
      contenders.push_back(FloorRead(material, walk, 256));
      contenders.back().who = fmt::format("floor, {} lanes", lanes);
      contenders.push_back(CanvasRead(material, walk, 256, fmt::format("canvas, {} lanes", lanes)));
    }
    const Outcomes outcomes = RunRounds(contenders, rounds);
    report.Add("lanes", "RAM 256 frames, by lanes", contenders, outcomes);
    const double growth = (outcomes.at("canvas, 64 lanes").ns / outcomes.at("canvas, 1 lanes").ns) /
                          (outcomes.at("floor, 64 lanes").ns / outcomes.at("floor, 1 lanes").ns);
    report.Judge("64 lanes against one, beside the floor's", fmt::format("{:.3f} x", growth),
                 "at most 1.05 x", growth <= 1.05);
  }
  if (report.Wants("length")) {
    const SharedWalk walk = MakeWalk(4, 256, kHot);
    std::vector<Contender> contenders = {
        FloorRead(material, walk, 256), CanvasRead(material, walk, 256, "canvas, 45 minutes"),
        FloorRead(long_one, walk, 256), CanvasRead(long_one, walk, 256, "canvas, 24 hours")};
    contenders[0].who = "floor, 45 minutes";
    contenders[2].who = "floor, 24 hours";
    const Outcomes outcomes = RunRounds(contenders, rounds);
    report.Add("length", "L2 256 frames, by length", contenders, outcomes);
    const double growth =
        (outcomes.at("canvas, 24 hours").ns / outcomes.at("canvas, 45 minutes").ns) /
        (outcomes.at("floor, 24 hours").ns / outcomes.at("floor, 45 minutes").ns);
    report.Judge("24 hours against 45 minutes, beside the floor's", fmt::format("{:.3f} x", growth),
                 "at most 1.05 x", growth <= 1.05);
  }
}

void BesideWriters(Report& report, Material& material, Beside& beside, int rounds) {
  if (!report.Wants("beside")) return;
  const SharedWalk walk = MakeWalk(4, 256, kHot);
  std::vector<Contender> contenders;
  const std::array<const char*, 3> names = {"alone", "beside an appender", "beside an overwriter"};
  for (int what = 0; what < 3; ++what) {
    auto read = CanvasRead(material, walk, 256, names[static_cast<std::size_t>(what)]);
    read.mean = [&beside, what, mean = read.mean](std::int64_t reads) {
      beside.Do(what);
      const double ns = mean(reads);
      beside.Do(0);
      return ns;
    };
    contenders.push_back(std::move(read));
  }
  const Outcomes outcomes = RunRounds(contenders, rounds);
  report.Add("beside", "L2 256 frames, beside", contenders, outcomes);
  const double ratio = outcomes.at(names[1]).ratio;
  report.Judge("beside an appending process", fmt::format("{:.2f} x alone", ratio), "at most 1.2 x",
               ratio <= 1.2);
}

}  // namespace bench
