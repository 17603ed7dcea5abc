// Events, model-checked: a cursor sees a prefix of one edit's list, or is told that it raced, or
// that the part it reads is gone; also where the owner dies in the midst of an edit, and where the
// part is given back and goes to another lane (canvas/sync/events.h, canvas/sync/part_life.h).
#include "canvas/format/slot_words.h"
#include "canvas/sync/events.h"
#include "canvas/sync/part_life.h"
#include "model/search.h"
#include "model/shared_part.h"  // last

namespace {

using canvas::format::EventState;
using canvas::format::Life;
using canvas::format::PartState;
using canvas::sync::EventRead;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kOwner{100, 1};
constexpr std::uint32_t kCapacity = 2;
constexpr auto kReserved = [](std::uint32_t, std::uint32_t, std::uint32_t) { return true; };

// Events of one word: lane x 256 + generation x 16 + index. Lane 7 has the part at first, and no
// event; the list is of generation 1.
struct Shared : model::SharedPart<1> {
  model::Atomic<std::uint64_t> list[2 * kCapacity];

  void MakeFirst() {
    Clear();
    lock_table.Grant(kOwner, 0);
    for (auto& event : list) event.store(0, std::memory_order::relaxed);
    events.store(EventState{1, 0, 0}.ToWord(), std::memory_order::relaxed);
    lane_id.store(7, std::memory_order::relaxed);
    life.store(Life{1, PartState::kReady}.ToWord(), std::memory_order::relaxed);
  }
  canvas::sync::EventWords<RelacySync> Words() {
    return {&events, &life, model::SharedBytes(list, "events"), 8, kCapacity};
  }
  void Append(std::uint64_t lane, std::uint64_t generation, std::uint32_t index) {
    const std::uint64_t event = lane * 256 + generation * 16 + index;
    RL_ASSERT(canvas::sync::AppendEvents(Words(), &event, 1, kReserved) || model::Died());
  }
  void Edit(std::uint64_t lane, std::uint64_t generation) {
    const std::uint64_t first = lane * 256 + generation * 16;
    const std::uint64_t both[2] = {first, first + 1};
    RL_ASSERT(canvas::sync::ReplaceEvents(Words(), both, 2, kReserved));
  }
  // The part goes to lane 8: a hole, then a list of its own.
  void HandOver() {
    canvas::sync::BeginPunch(Part());
    const std::uint64_t hole[4] = {};
    RelacySync::CopyIn(model::SharedBytes(list, "hole"), hole, 32);
    canvas::sync::EndPunch(Part(), 1);
    canvas::sync::MakeReady(Part(), 8);
  }
  // Two batches of at most two; a list has grown, and not changed, between batches of one
  // generation.
  void Read() {
    canvas::sync::EventCursor cursor{Life{1, PartState::kReady}.ToWord(), 1, 0, 0};
    for (int batch = 0; batch < 2; ++batch) {
      const auto before = cursor;
      std::uint64_t out[2] = {};
      const auto read = canvas::sync::ReadEvents(Words(), cursor, out, 2);
      RL_ASSERT(read.outcome != EventRead::kGone);
      if (read.outcome == EventRead::kRaced) {
        RL_ASSERT(cursor.generation > before.generation && cursor.index == before.index);
        cursor.index = 0;  // resumes from the beginning of the new list
        continue;
      }
      RL_ASSERT(cursor.generation == before.generation);
      for (std::uint32_t i = 0; i < read.copied; ++i)
        RL_ASSERT(out[i] == 7 * 256 + before.generation * 16 + before.index + i);
      if (read.copied == 0) continue;
      // Bytes of the half that an event names, copied by themselves.
      std::uint64_t named = 0;
      RelacySync::CopyOut(&named, canvas::sync::EventPlace(Words(), cursor.half, before.index), 8);
      auto again = cursor;
      if (canvas::sync::EventsStand(Words(), again) == EventRead::kOk) RL_ASSERT(named == out[0]);
    }
  }
  // A cursor of either lane, fresh: what it gets is its own lane's, or it is told. Lane 7 has one
  // event from the beginning, lane 8 may have one.
  void ReadLife(std::uint64_t lane) {
    const std::uint64_t now = canvas::sync::ReadLife(Part());
    if (Life::FromWord(now).state != PartState::kReady) return;
    if (canvas::sync::ReadLane(Part()) != lane) return;
    auto cursor = canvas::sync::BeginEvents(Words(), now);
    for (int batch = 0; batch < 2; ++batch) {
      std::uint64_t out[2] = {};
      const auto read = canvas::sync::ReadEvents(Words(), cursor, out, 2);
      if (read.outcome == EventRead::kGone) return;
      if (read.outcome == EventRead::kRaced) continue;
      for (std::uint32_t i = 0; i < read.copied; ++i) RL_ASSERT(out[i] / 256 == lane);
      if (lane == 7) RL_ASSERT(cursor.index == 1);
    }
  }
};

// Appends, an edit, an append would not fit, two more edits: each half is used again.
template <int kReaders>
struct EditModel : rl::test_suite<EditModel<kReaders>, 1 + kReaders>, Shared {
  void before() { MakeFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      Append(7, 1, 0);
      Append(7, 1, 1);
      Edit(7, 2);
      Edit(7, 3);
    } else {
      Read();
    }
  }
};

struct DeathModel : rl::test_suite<DeathModel, 3>, Shared {
  void before() { MakeFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(6);
      Append(7, 1, 0);
      if (!model::Died()) Edit(7, 2);
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      const auto state = canvas::sync::ReadEventState(Words());
      if (state.generation == 1 && state.count < 2) Append(7, 1, state.count);
      Edit(7, state.generation + 1);
      lock_table.Unlock(kOwner);
    } else {
      Read();
    }
  }
};

// The part is given back and goes to another lane, beside a cursor of the one or of the other.
struct ReuseModel : rl::test_suite<ReuseModel, 2>, Shared {
  void before() {
    MakeFirst();
    list[0].store(7 * 256 + 16, std::memory_order::relaxed);
    events.store(EventState{1, 0, 1}.ToWord(), std::memory_order::relaxed);
  }
  void thread(unsigned index) {
    if (index == 0) {
      HandOver();
      Append(8, 2, 0);
    } else {
      ReadLife(7 + rl::rand(2));
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
       model::Full<EditModel<1>>("one cursor"),
       model::Bound<ReuseModel>("the part goes to another lane", 2),
       model::DeepBound<ReuseModel>("the part goes to another lane", 1),
       model::Bound<ReuseModel>("the part goes to another lane", 3),
       model::Random<EditModel<2>>("two cursors"),
       model::Random<DeathModel>("a death, a successor, a cursor")},
      {{"count an event before it is written", Step::kCopyIn, "AppendEvents", "events",
        Fault::kLate},
       {"publish an edit before it is written", Step::kCopyIn, "ReplaceEvents", "events",
        Fault::kLate},
       {"publish the half that was there", Step::kStore, "ReplaceEvents", "event word",
        Fault::kChange, [](std::uint64_t word) { return word & ~(std::uint64_t{1} << 23); }},
       {"forget the generation", Step::kStore, "ReplaceEvents", "event word", Fault::kChange,
        [](std::uint64_t word) { return word - (std::uint64_t{1} << 24); }},
       {"skip the re-check", Step::kLoad, "EventsStand", "event word", Fault::kSkip},
       {"keep the last life's list", Step::kStore, "EmptyEvents", "event word", Fault::kSkip},
       {"do not ask whether the part lives", Step::kLoad, "EventsStand", "life", Fault::kSkip}});
}
