#include "bench/latency/report.h"

#include <fmt/format.h>

#include <cstdio>

namespace bench {

namespace {

using nlohmann::json;

}  // namespace

void Report::Add(const std::string& kind, const std::string& name,
                 const std::vector<Contender>& contenders, const Outcomes& outcomes) {
  fmt::print("\n  {:<26}{:>12}{:>10}{:>16}{:>12}\n", name, "ns", "x first", "over the draws",
             "ns above");
  json rows = json::array();
  for (const Contender& contender : contenders) {
    const Outcome& o = outcomes.at(contender.who);
    fmt::print("    {:<24}{:>12.1f}{:>10.3f}{:>16}{:>12.1f}\n", contender.who, o.ns, o.ratio,
               o.least == o.most ? "" : fmt::format("{:.2f} to {:.2f}", o.least, o.most), o.above);
    rows.push_back({{"who", contender.who},
                    {"ns", o.ns},
                    {"ratio", o.ratio},
                    {"least", o.least},
                    {"most", o.most},
                    {"above_ns", o.above}});
  }
  all_[kind].push_back({{"case", name}, {"rows", rows}});
  std::fflush(stdout);
}

void Report::Finish() {
  fmt::print("\nTargets\n");
  json targets = json::array();
  for (const Verdict& v : verdicts_) {
    fmt::print("  {:<8} {:<46} {:<34} {}\n", v.met ? "met" : "NOT MET", v.what, v.measured,
               v.target);
    targets.push_back(
        {{"what", v.what}, {"measured", v.measured}, {"target", v.target}, {"met", v.met}});
  }
  all_["targets"] = targets;
}

}  // namespace bench
