// The change signal, model-checked: who sees the number sees what changed; nobody sleeps through a
// change whose writer lives; whose writer dies, until the timeout (canvas/sync/change.h).
#include "canvas/sync/change.h"
#include "model/search.h"  // last

namespace {

using model::RelacySync;

struct Shared {
  model::LockTable lock_table;
  rl::waitset<model::kMaxThreads> sleepers;
  model::Atomic<std::uint32_t> change;
  model::Atomic<std::uint64_t> published[2];

  void Clear() {
    lock_table.Clear();
    model::Sleepers() = &sleepers;
    change.store(0, std::memory_order::relaxed);
    change.Name("change");
    for (auto& word : published) word.store(0, std::memory_order::relaxed);
  }
  // What is published here has no order of its own: the signal's is all there is.
  void Publish(unsigned i) {
    published[i].store(1, std::memory_order::relaxed);
    canvas::sync::BumpChange<RelacySync>(change);
  }
  void Wake() { canvas::sync::WakeAll<RelacySync>(change); }
};

// Two publishes, woken for together; waiters without a timeout, who must all come to see both. One
// that sleeps for ever is a deadlock, which the search reports.
template <int kWaiters>
struct WakeModel : rl::test_suite<WakeModel<kWaiters>, 1 + kWaiters>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Publish(0);
      Publish(1);
      Wake();
      return;
    }
    for (;;) {
      const std::uint32_t seen = canvas::sync::ReadChange<RelacySync>(change);
      unsigned count = 0;
      for (auto& word : published)
        count += static_cast<unsigned>(word.load(std::memory_order::relaxed));
      RL_ASSERT(count >= seen);
      if (seen == 2) return;
      canvas::sync::WaitChange<RelacySync>(change, seen, RelacySync::kForever);
    }
  }
};

// The writer dies somewhere. A waiter with a timeout goes on, sees the change if there was one, and
// finds out by other means that nobody will wake it.
struct DeathModel : rl::test_suite<DeathModel, 3>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(5);
      Publish(0);
      Publish(1);
      Wake();
      return;
    }
    const std::uint32_t seen = canvas::sync::ReadChange<RelacySync>(change);
    const std::uint32_t now = canvas::sync::WaitChange<RelacySync>(change, seen, 1);
    unsigned count = 0;
    for (auto& word : published)
      count += static_cast<unsigned>(word.load(std::memory_order::relaxed));
    RL_ASSERT(now >= seen && count >= now);
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"change.h"},
      {model::Bound<WakeModel<1>>("one waiter", 3), model::Bound<WakeModel<2>>("two waiters", 1),
       model::Bound<WakeModel<2>>("two waiters", 2, 2'000'000),
       model::Bound<DeathModel>("a death, two waiters", 2, 2'000'000),
       model::Random<WakeModel<2>>("two waiters"),
       model::Random<DeathModel>("a death, two waiters")},
      {{"sleep without looking at the word again", Step::kLoad, "Wait", "change", Fault::kSkip},
       {"never wake", Step::kWake, "Wake", "", Fault::kSkip},
       {"count a change before it is published", Step::kStore, "Publish", "", Fault::kLate}});
}
