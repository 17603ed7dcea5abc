// Every memory a kill may leave, and what a successor makes of it: each writing protocol is run
// once with its stores recorded, every set of them that its memory orders permit is built
// (kill_sync.h), a reader looks at it, a successor recovers from it, and is killed at every step
// of that as well.
//
//   kill_states            the code as it is
//   kill_states --sweep    every order weakened, every step of the list left out
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "model/kill_enumeration.h"
#include "model/kill_scenario.h"
#include "model/kill_sync.h"
#include "model/mutation.h"

namespace {

using canvas::format::Life;
using canvas::format::PartState;
using canvas::sync::BlockRead;
using model::Fault;
using model::ForEachKill;
using model::kBlocks;
using model::Memory;
using model::Mutation;
using model::PartMemory;
using model::Recorder;
using model::Scenario;
using model::Step;

// What readers see of the parts: every block that reads.
std::vector<std::uint64_t> Visible(Memory& memory) {
  std::vector<std::uint64_t> seen;
  for (PartMemory& part : memory.parts) {
    const auto words = part.Words();
    const bool ready = Life::FromWord(canvas::sync::ReadLife(words)).state == PartState::kReady;
    const std::uint64_t mark = ready ? canvas::sync::ReadHighMark(words) : 0;
    for (std::uint64_t block = 0; block < kBlocks; ++block) {
      std::uint64_t value[2] = {};
      const bool reads = block < mark && block >= canvas::sync::ReadLowMark(words) &&
                         canvas::sync::ReadBlock(words, block, 0, 16, value) == BlockRead::kOk;
      seen.push_back(reads ? value[0] : 0);
    }
  }
  return seen;
}

struct Judgement {
  std::uint64_t states = 0;
  std::string wrong;
};

Judgement Judge(const Scenario& scenario) {
  Judgement judgement;
  const auto blame = [&](const char* when, const std::string& wrong) {
    if (!wrong.empty() && judgement.wrong.empty())
      judgement.wrong = std::string(when) + ": " + wrong;
  };
  const auto record = [](Memory& memory, const std::function<void(Memory&)>& act) {
    Recorder::Get().Begin(&memory);
    act(memory);
    return Recorder::Get().End();
  };
  Memory start{};
  scenario.prepare(start);
  Memory after = start;
  const auto stores = record(after, scenario.act);
  blame("without a death", scenario.read(after));
  ForEachKill(start, stores, [&](const Memory& killed) {
    ++judgement.states;
    Memory memory = killed;
    blame("after the kill", scenario.read(memory));
    Memory recovered = killed;
    const auto repairs = record(recovered, scenario.recover);
    if (scenario.repairs_only && Visible(recovered) != Visible(memory))
      blame("recovered", "the successor changed what readers see");
    blame("recovered", scenario.judge(recovered));
    ForEachKill(killed, repairs, [&](const Memory& again) {
      ++judgement.states;
      Memory twice = again;
      blame("after a kill of the successor", scenario.read(twice));
      scenario.recover(twice);
      blame("recovered from that", scenario.judge(twice));
    });
  });
  return judgement;
}

const std::vector<model::LogicMutant>& LogicMutants() {
  static const std::vector<model::LogicMutant> mutants = {
      {"kill: do the deed without saying so", Step::kStore, "DeclareIntent", "", Fault::kSkip},
      {"kill: skip the copy to the undo place", Step::kCopyIn, "BeginOverwrite", "", Fault::kSkip},
      {"kill: put nothing back", Step::kCopyIn, "RepairOverwrite", "", Fault::kSkip},
      {"kill: leave the dead owner's blocks written", Step::kStore, "AdoptPart", "", Fault::kSkip},
      {"kill: do not say that a punch has begun", Step::kStore, "BeginPunch", "", Fault::kSkip},
      {"kill: blocks stay written over the hole", Step::kStore, "EndPunch", "", Fault::kSkip},
      {"kill: blocks erased under the old sequence", Step::kStore, "EraseBlocks", "", Fault::kSkip},
      {"kill: leave an erasure unfinished", Step::kStore, "RepairErase", "", Fault::kSkip},
      {"kill: leave a repaired intent", Step::kStore, "ClearIntent", "", Fault::kSkip},
  };
  return mutants;
}

// Every order weakened, every step of the list left out: who catches it.
void Sweep(const std::vector<Scenario>& scenarios) {
  Mutation& mutation = Mutation::Get();
  const auto judge = [&](const std::string& name) {
    std::uint64_t states = 0;
    for (const Scenario& scenario : scenarios) {
      const Judgement judgement = Judge(scenario);
      states += judgement.states;
      if (judgement.wrong.empty()) continue;
      std::printf("mutant\t%s\tcaught\t%llu\tkill states, %s\n", name.c_str(),
                  static_cast<unsigned long long>(states), scenario.name);
      return;
    }
    std::printf("mutant\t%s\tsurvived\t%llu\tkill states\n", name.c_str(),
                static_cast<unsigned long long>(states));
  };
  const std::size_t sites = mutation.site_count();
  for (std::size_t i = 0; i < sites; ++i) {
    if (!model::Releases(mutation.site(i).order)) continue;
    mutation.Weaken(i);
    judge(mutation.site(i).Name());
  }
  for (const model::LogicMutant& mutant : LogicMutants()) {
    mutation.Plant(&mutant);
    judge(mutant.name);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Scenario> scenarios;
  for (const auto& some : {model::PartScenarios(), model::IntentScenarios(),
                           model::SnapshotScenarios(), model::EventScenarios()})
    scenarios.insert(scenarios.end(), some.begin(), some.end());
  bool good = true;
  const bool sweep = argc > 1 && std::string(argv[1]) == "--sweep";
  for (const Scenario& scenario : scenarios) {
    const Judgement judgement = Judge(scenario);
    if (!sweep)
      std::printf("%s: %llu memories after a kill, or two: %s\n", scenario.name,
                  static_cast<unsigned long long>(judgement.states),
                  judgement.wrong.empty() ? "nothing found" : judgement.wrong.c_str());
    good = good && judgement.wrong.empty();
  }
  if (sweep && good) Sweep(scenarios);
  return good ? 0 : 1;
}
