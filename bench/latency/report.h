// What the latency bench tells.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/latency/rounds.h"

namespace bench {

// What is printed and kept of all cases, and whether it reaches the targets.
class Report {
 public:
  explicit Report(std::string only) : only_(std::move(only)) {}
  bool Wants(const std::string& name) const { return name.find(only_) != std::string::npos; }

  void Add(const std::string& kind, const std::string& name,
           const std::vector<Contender>& contenders, const Outcomes& outcomes);
  bool empty() const { return all_.empty(); }
  nlohmann::json& of(const std::string& kind) { return all_[kind]; }
  std::string Text() const { return all_.dump(2); }

  void Judge(const std::string& what, const std::string& measured, const std::string& target,
             bool met) {
    verdicts_.push_back({what, measured, target, met});
  }
  void Finish();

 private:
  struct Verdict {
    std::string what;
    std::string measured;
    std::string target;
    bool met = false;
  };
  std::string only_;
  nlohmann::json all_;
  std::vector<Verdict> verdicts_;
};

}  // namespace bench
