// Running a model: the searches of its state space, and the sweep of its mutants.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "model/mutation.h"
#include "model/relacy_sync.h"  // last

namespace model {

// A search of a model, to be run once as the code is, and once for every mutant.
struct Search {
  std::string name;
  rl::scheduler_type_e how = rl::sched_full;
  unsigned bound = 0;
  bool deep = false;  // stale loads go back two values
  rl::iteration_t most = 0;
  std::function<bool(rl::test_params&)> run;
};

template <unsigned kThreads>
void EndReleaseSequence(rl::atomic_data* data) {
  auto& word = *static_cast<rl::atomic_data_impl<kThreads>*>(data);
  auto& me = *static_cast<rl::thread_info<kThreads>*>(rl::ctx().threadx_);
  auto& record = word.history_[word.current_index_ % rl::atomic_history_size];
  rl::foreach<kThreads>(record.acq_rel_order_, me.release_fence_order_, rl::assign);
}

// A tree search that ends after so many executions: left to itself, only Relacy's random one does.
template <typename Scheduler>
struct Ending : Scheduler {
  using Scheduler::Scheduler;
  bool iteration_end() {
    return Scheduler::iteration_end() || this->iter_ >= this->params_.iteration_count;
  }
};

// rl::simulate, with searches that end.
template <typename Model>
bool Simulate(rl::test_params& params) {
  constexpr auto kThreads = Model::params::thread_count;
  const auto run = [&params](std::ostream& state, bool again) {
    switch (params.search_type) {
      case rl::sched_full:
        return rl::run_test<Model, Ending<rl::full_search_scheduler<kThreads>>>(params, state,
                                                                                again);
      case rl::sched_bound:
        return rl::run_test<Model, Ending<rl::context_bound_scheduler<kThreads>>>(params, state,
                                                                                  again);
      default:
        return rl::run_test<Model, rl::random_scheduler<kThreads>>(params, state, again);
    }
  };
  rl::ostringstream state;
  const rl::test_result_e result = run(state, false);
  if (result == rl::test_result_success) return true;
  if (!params.output_history) {
    // Once more from where it failed, to tell its history.
    params.initial_state = state.str();
    params.collect_history = true;
    rl::ostringstream unused;
    RL_VERIFY(run(unused, true) == result);
  }
  return false;
}

template <typename Model>
Search Make(const char* name, rl::scheduler_type_e how, unsigned bound, bool deep,
            rl::iteration_t most) {
  return {name, how, bound, deep, most, [deep](rl::test_params& params) {
            World::Get().deep = deep;
            World::Get().end_release_sequence =
                EndReleaseSequence<Model::params::static_thread_count>;
            return Simulate<Model>(params);
          }};
}
template <typename Model>
Search Full(const char* name, rl::iteration_t most = 20'000'000) {
  return Make<Model>(name, rl::sched_full, 0, false, most);
}
template <typename Model>
Search Bound(const char* name, unsigned bound, rl::iteration_t most = 20'000'000) {
  return Make<Model>(name, rl::sched_bound, bound, false, most);
}
template <typename Model>
Search DeepBound(const char* name, unsigned bound, rl::iteration_t most = 20'000'000) {
  return Make<Model>(name, rl::sched_bound, bound, true, most);
}
template <typename Model>
Search Random(const char* name, rl::iteration_t most = 100'000) {
  return Make<Model>(name, rl::sched_random, 0, false, most);
}

struct Found {
  bool good = true;
  unsigned long long executions = 0;
  bool exhausted = false;
};

// A failure is run again to tell its history, where that is wanted.
inline Found Run(const Search& search, rl::iteration_t most, bool tell = false) {
  rl::test_params params;
  params.search_type = search.how;
  params.context_bound = search.bound;
  params.iteration_count = most;
  params.execution_depth_limit = 5000;
  struct NullBuffer : std::streambuf {
  } nothing;
  std::ostream quiet(&nothing);
  params.progress_stream = &quiet;
  params.output_stream = tell ? &std::cout : &quiet;
  params.output_history = !tell;  // Relacy: no second run for it
  Found found;
  found.good = search.run(params);
  found.executions = params.stop_iteration;
  found.exhausted = found.good && search.how != rl::sched_random && params.stop_iteration < most;
  return found;
}

inline const char* HowName(const Search& search) {
  if (search.how == rl::sched_full) return "full search";
  if (search.how == rl::sched_random) return "random search";
  if (search.deep) return search.bound == 1 ? "bound 1, deep" : "bound 2, deep";
  return search.bound == 1 ? "bound 1" : search.bound == 2 ? "bound 2" : "bound 3";
}

// The main of a model: its searches, or (--sweep) every order of `headers` weakened and every logic
// mutant planted, each against the searches in turn, a line of tab-separated fields a mutant:
//   mutant  <name>  caught|survived  <executions>  <search>
// Further arguments name mutants that need no judging.
// --campaign: random searches of a million and more.
inline int Main(int argc, char** argv, const std::vector<std::string>& headers,
                const std::vector<Search>& searches, const std::vector<LogicMutant>& mutants) {
  bool sweep = false;
  bool campaign = false;
  Mutation& mutation = Mutation::Get();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--sweep")
      sweep = true;
    else if (argument == "--campaign")
      campaign = true;
    else
      mutation.Skip(argument);
  }
  // For a mutant a search is as long as it takes to find it, or this.
  constexpr rl::iteration_t kSweepMost = 300'000;
  constexpr rl::iteration_t kCampaignMost = 2'000'000;
  bool good = true;
  for (const Search& search : searches) {
    if (sweep) {
      Run(search, 20'000);  // to find the sites
      continue;
    }
    const bool more = campaign && search.how == rl::sched_random;
    Found found = Run(search, more ? kCampaignMost : search.most);
    if (!found.good) found = Run(search, more ? kCampaignMost : search.most, true);
    std::printf("%s: %s: %llu executions%s: %s\n", search.name.c_str(), HowName(search),
                found.executions,
                search.how == rl::sched_random ? ""
                : found.exhausted              ? ", exhausted"
                                               : ", not exhausted",
                found.good ? "nothing found" : "FAILED");
    good = good && found.good;
  }
  if (!sweep) return good ? 0 : 1;
  const auto judge = [&](const std::string& name) {
    if (mutation.Skips(name)) return;
    for (const Search& search : searches) {
      const Found found = Run(search, std::min<rl::iteration_t>(search.most, kSweepMost));
      if (found.good) continue;
      std::printf("mutant\t%s\tcaught\t%llu\t%s, %s\n", name.c_str(), found.executions + 1,
                  search.name.c_str(), HowName(search));
      std::fflush(stdout);
      return;
    }
    std::printf("mutant\t%s\tsurvived\t%llu\t%s\n", name.c_str(),
                static_cast<unsigned long long>(mutation.hits()),
                mutation.hits() == 0 ? "never met" : "");
    std::fflush(stdout);
  };
  for (std::size_t i = 0; i < mutation.site_count(); ++i) {
    const Site& site = mutation.site(i);
    if (std::ranges::find(headers, site.File()) == headers.end()) continue;
    mutation.Weaken(i);
    judge(site.Name());
  }
  for (const LogicMutant& mutant : mutants) {
    mutation.Plant(&mutant);
    judge(headers.front() + ": " + mutant.name);
  }
  return 0;
}
}  // namespace model
