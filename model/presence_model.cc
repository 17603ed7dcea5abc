// Presence, model-checked: who sees it said that bytes are there sees their first values,
// whichever of the three ways it is said (canvas/sync/presence.h).
#include "canvas/sync/presence.h"
#include "model/search.h"  // last

namespace {

struct Shared {
  model::LockTable lock_table;
  model::Atomic<std::uint64_t> bits, entry, count, first_values[3];

  void Clear() {
    lock_table.Clear();
    for (auto* word : {&bits, &entry, &count}) word->store(0, std::memory_order::relaxed);
    for (auto& word : first_values) word.store(0, std::memory_order::relaxed);
    bits.Name("bits");
    entry.Name("entry");
    count.Name("count");
    for (auto& word : first_values) word.Name("value");
  }
  // By several at once: the same values, the same bit.
  void Say() {
    for (auto& word : first_values) word.store(1, std::memory_order::relaxed);
    canvas::sync::PublishBit(&bits, 3);
    canvas::sync::Publish(entry, std::uint64_t{1});
    canvas::sync::PublishCount(count, std::uint64_t{0}, std::uint64_t{16});
  }
  bool There(int i) const { return first_values[i].load(std::memory_order::relaxed) == 1; }
  void Look() const {
    if (canvas::sync::Observe(count) != 0) RL_ASSERT(There(2));
    if (canvas::sync::Observe(entry) != 0) RL_ASSERT(There(1));
    if (canvas::sync::ReadBit(&bits, 3)) RL_ASSERT(There(0));
  }
};

// A writer that may die, a second one that does the same, two readers.
struct PresenceModel : rl::test_suite<PresenceModel, 4>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) model::Mortal(6);
    if (index < 2)
      Say();
    else
      Look();
  }
};

// One thing said, and one who looks at it alone.
template <int kWay>
struct OneModel : rl::test_suite<OneModel<kWay>, 2>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      first_values[0].store(1, std::memory_order::relaxed);
      if (kWay == 0) canvas::sync::PublishBit(&bits, 3);
      if (kWay == 1) canvas::sync::Publish(entry, std::uint64_t{1});
      if (kWay == 2) canvas::sync::PublishCount(count, std::uint64_t{0}, std::uint64_t{16});
    } else {
      const bool said = kWay == 0   ? canvas::sync::ReadBit(&bits, 3)
                        : kWay == 1 ? canvas::sync::Observe(entry) != 0
                                    : canvas::sync::Observe(count) != 0;
      if (said) RL_ASSERT(There(0));
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(argc, argv, {"presence.h"},
                     {model::Full<OneModel<0>>("a bit"), model::Full<OneModel<1>>("an entry"),
                      model::Full<OneModel<2>>("a count"),
                      model::Bound<PresenceModel>("two writers, one dies, two readers", 1),
                      model::Random<PresenceModel>("two writers, one dies, two readers")},
                     {{"say it before it is there", Step::kStore, "Say", "value", Fault::kLate},
                      {"say it and never do it", Step::kStore, "Say", "value", Fault::kSkip}});
}
