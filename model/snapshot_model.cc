// Snapshots, model-checked: what is copied under a root, and what is read in place under a pin, is
// that version, whole; also where an editor dies in the midst of one (canvas/sync/snapshot.h).
#include "canvas/format/root.h"
#include "canvas/sync/snapshot.h"
#include "model/search.h"  // last

namespace {

using canvas::format::Root;
using canvas::sync::LockTry;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kMetadata{1, 1};
constexpr LockRange PlaceLock(std::uint32_t place) { return {10 + place, 1}; }

// Three places of two words, each the generation. Place 0 is the durable one, and place 1 the
// root: so the second edit reuses place 1.
struct Shared {
  model::LockTable lock_table;
  model::Atomic<std::uint64_t> root, durable, places[6];

  void Clear() {
    lock_table.Clear();
    root.Name("root");
    durable.Name("durable");
    for (auto& word : places) word.store(4, std::memory_order::relaxed);
    for (int i = 0; i < 2; ++i) places[2 + i].store(5, std::memory_order::relaxed);
    root.store(Root{5, 1}.ToWord(), std::memory_order::relaxed);
    durable.store(Root{4, 0}.ToWord(), std::memory_order::relaxed);
  }
  canvas::sync::SnapshotWords<RelacySync> Words() { return {&root, &durable, 3}; }
  RelacySync::Locks Locks() { return RelacySync::Locks(lock_table); }
  model::SharedBytes Place(std::uint32_t place) {
    return model::SharedBytes(places, "place") + place * 16;
  }

  // False where every other place is pinned.
  bool Edit() {
    const auto now = canvas::sync::ReadRoot(Words());
    const auto free = canvas::sync::ChoosePlace(Words(), Locks(), now, PlaceLock);
    if (free.outcome != LockTry::kTaken) return model::Died();
    const Root next{now.generation + 1, free.place};
    const std::uint64_t content[2] = {next.generation, next.generation};
    RelacySync::CopyIn(Place(free.place), content, 16);
    Locks().Unlock(PlaceLock(free.place));
    RL_ASSERT(canvas::sync::PublishRoot(Words(), now, next));
    return true;
  }
  void ReadCopy() {
    const Root seen = canvas::sync::ReadRoot(Words());
    std::uint64_t content[2] = {};
    RelacySync::CopyOut(content, Place(seen.place), 16);
    if (!canvas::sync::RootStands(Words(), seen)) return;
    RL_ASSERT(content[0] == seen.generation && content[1] == seen.generation);
  }
  void ReadPinned() {
    auto locks = Locks();
    const auto pin = canvas::sync::PinRoot(Words(), locks, PlaceLock);
    if (pin.outcome != LockTry::kTaken) return;
    // In place, in any order.
    const std::uint32_t first = pin.root.place * 2;
    for (const std::uint32_t word : {first + 1, first})
      RL_ASSERT(places[word].load(std::memory_order::relaxed) == pin.root.generation);
    locks.Unlock(PlaceLock(pin.root.place));
  }
};

// A sync of one process: what the root names goes to disk while it is pinned, and is called durable
// then (storage/canvas_file.cc). What a power loss would leave at any moment after: the durable
// root, over a place that holds it. Another process looks, as it might after the power came back.
struct SyncModel : rl::test_suite<SyncModel, 3>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Edit();
      Edit();
    } else if (index == 1) {
      auto locks = Locks();
      const auto pin = canvas::sync::PinRoot(Words(), locks, PlaceLock);
      if (pin.outcome != LockTry::kTaken) return;
      canvas::sync::AdvanceDurable(Words(), pin.root);
      locks.Unlock(PlaceLock(pin.root.place));
      HoldsDurable();
    } else {
      HoldsDurable();
    }
  }
  // Nobody may write the durable one's place while it is that. The look is the disk's: it is at
  // what is newest of both.
  void HoldsDurable() {
    const auto now = [](model::Atomic<std::uint64_t>& word) {
      return word.fetch_add(0, std::memory_order::acq_rel);
    };
    const auto before = Root::FromWord(now(durable));
    const std::uint64_t words[2] = {now(places[before.place * 2]),
                                    now(places[before.place * 2 + 1])};
    if (Root::FromWord(now(durable)) != before) return;
    RL_ASSERT(words[0] == before.generation && words[1] == before.generation);
  }
};

// One editor, who edits twice.
template <bool kPinned, int kReaders>
struct EditModel : rl::test_suite<EditModel<kPinned, kReaders>, 1 + kReaders>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Edit();
      Edit();
    } else if (kPinned && index == 1) {
      ReadPinned();
    } else {
      ReadCopy();
    }
  }
};

// An editor dies somewhere; the next one, another process, edits on.
template <bool kPinned>
struct DeathModel : rl::test_suite<DeathModel<kPinned>, 3>, Shared {
  void before() {
    Clear();
    lock_table.Grant(kMetadata, 0);
  }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(9);
      Edit();
      if (!model::Died()) Edit();
      lock_table.Unlock(kMetadata);
    } else if (index == 1) {
      lock_table.Wait(kMetadata);
      model::Successor();
      Edit();
      lock_table.Unlock(kMetadata);
    } else if (kPinned) {
      ReadPinned();
    } else {
      ReadCopy();
    }
  }
};

// While one place is pinned there is another to edit into: a pin delays the reuse of its own place.
struct DelayModel : rl::test_suite<DelayModel, 2>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      RL_ASSERT(Edit());
    } else {
      ReadPinned();
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"snapshot.h"},
      {model::Full<EditModel<false, 1>>("a copying reader"),
       model::Bound<EditModel<true, 1>>("a pin", 3),
       model::Bound<EditModel<true, 2>>("a pin and a copying reader", 2),
       model::Bound<DeathModel<false>>("a death, a successor, a copying reader", 2),
       model::Bound<DeathModel<true>>("a death, a successor, a pin", 2),
       model::Full<DelayModel>("one edit beside a pin", 3'000'000),
       model::DeepBound<DeathModel<false>>("a death, a successor, a copying reader", 1),
       model::DeepBound<DeathModel<true>>("a death, a successor, a pin", 1),
       model::Bound<SyncModel>("a sync beside two edits", 2),
       model::Random<EditModel<true, 2>>("a pin and a copying reader"),
       model::Random<DeathModel<true>>("a death, a successor, a pin")},
      {{"publish before the place is written", Step::kCopyIn, "Edit", "place", Fault::kLate},
       {"skip the reader's re-check", Step::kLoad, "RootStands", "root", Fault::kSkip},
       {"skip the pin's re-check", Step::kLoad, "PinRoot", "root", Fault::kSkip},
       {"reuse the durable one's place", Step::kLoad, "ReadDurable", "durable", Fault::kSkip},
       {"call another place durable", Step::kExchange, "AdvanceDurable", "durable", Fault::kChange,
        [](std::uint64_t word) { return word ^ 1; }},
       {"pin without the lock", Step::kLock, "shared", "", Fault::kSkip},
       {"reuse a place without its lock", Step::kLock, "exclusive", "", Fault::kSkip},
       {"forget the generation", Step::kExchange, "PublishRoot", "root", Fault::kChange,
        [](std::uint64_t word) { return word - 0x100; }}});
}
