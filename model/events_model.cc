// Events, model-checked: a cursor sees a prefix of one edit's list, or is told that it raced; also
// where the owner dies in the midst of an edit (canvas/sync/events.h).
#include "canvas/sync/events.h"
#include "model/search.h"  // last

namespace {

using canvas::format::EventState;
using canvas::sync::EventRead;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kOwner{100, 1};
constexpr std::uint32_t kCapacity = 2;

// Events of one word: generation x 16 + index.
struct Shared {
  model::LockTable lock_table;
  model::Atomic<std::uint64_t> word, events[2 * kCapacity];

  void Clear() {
    lock_table.Clear();
    lock_table.Grant(kOwner, 0);
    word.Name("word");
    for (auto& event : events) event.store(0, std::memory_order::relaxed);
    word.store(EventState{1, 0, 0}.ToWord(), std::memory_order::relaxed);
  }
  canvas::sync::EventWords<RelacySync> Words() {
    return {&word, model::SharedBytes(events, "events"), 8, kCapacity};
  }
  void Append(std::uint64_t generation, std::uint32_t index) {
    const std::uint64_t event = generation * 16 + index;
    RL_ASSERT(canvas::sync::AppendEvents(Words(), &event, 1) || model::Died());
  }
  void Edit(std::uint64_t generation) {
    const std::uint64_t list[2] = {generation * 16, generation * 16 + 1};
    RL_ASSERT(canvas::sync::ReplaceEvents(Words(), list, 2));
  }
  // Two batches of at most two; a list has grown, and not changed, between batches of one
  // generation.
  void Read() {
    canvas::sync::EventCursor cursor{1, 0};
    for (int batch = 0; batch < 2; ++batch) {
      const auto before = cursor;
      std::uint64_t out[2] = {};
      const auto read = canvas::sync::ReadEvents(Words(), cursor, out, 2);
      if (read.outcome == EventRead::kRaced) {
        RL_ASSERT(cursor.generation > before.generation && cursor.index == before.index);
        cursor.index = 0;  // resumes from the beginning of the new list
        continue;
      }
      RL_ASSERT(cursor.generation == before.generation);
      for (std::uint32_t i = 0; i < read.copied; ++i)
        RL_ASSERT(out[i] == before.generation * 16 + before.index + i);
    }
  }
};

// Appends, an edit, an append would not fit, two more edits: each half is used again.
template <int kReaders>
struct EditModel : rl::test_suite<EditModel<kReaders>, 1 + kReaders>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Append(1, 0);
      Append(1, 1);
      Edit(2);
      Edit(3);
    } else {
      Read();
    }
  }
};

struct DeathModel : rl::test_suite<DeathModel, 3>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(6);
      Append(1, 0);
      if (!model::Died()) Edit(2);
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      const auto state = canvas::sync::ReadEventState(Words());
      if (state.generation == 1 && state.count < 2) Append(1, state.count);
      Edit(state.generation + 1);
      lock_table.Unlock(kOwner);
    } else {
      Read();
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"events.h"},
      {model::Bound<EditModel<1>>("one cursor", 2), model::Bound<EditModel<2>>("two cursors", 1),
       model::Bound<DeathModel>("a death, a successor, a cursor", 2),
       model::DeepBound<DeathModel>("a death, a successor, a cursor", 1),
       model::Bound<EditModel<2>>("two cursors", 2, 3'000'000),
       model::Full<EditModel<1>>("one cursor", 5'000'000),
       model::Random<EditModel<2>>("two cursors"),
       model::Random<DeathModel>("a death, a successor, a cursor")},
      {{"count an event before it is written", Step::kCopyIn, "AppendEvents", "events",
        Fault::kLate},
       {"publish an edit before it is written", Step::kCopyIn, "ReplaceEvents", "events",
        Fault::kLate},
       {"publish the half that was there", Step::kStore, "ReplaceEvents", "word", Fault::kChange,
        [](std::uint64_t word) { return word & ~(std::uint64_t{1} << 23); }},
       {"forget the generation", Step::kStore, "ReplaceEvents", "word", Fault::kChange,
        [](std::uint64_t word) { return word - (std::uint64_t{1} << 24); }},
       {"skip the re-check", Step::kLoad, "ReadEvents", "word", Fault::kSkip}});
}
