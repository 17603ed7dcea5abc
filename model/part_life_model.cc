// The life of a part, model-checked: what a reader copies, reads in place or holds belongs to the
// generation it saw, though the part is punched and goes to another lane; also where the owner
// dies in the midst of a punch (canvas/sync/part_life.h).
#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "model/search.h"
#include "model/shared_part.h"  // last

namespace {

using canvas::format::Life;
using canvas::format::PartState;
using canvas::sync::BlockRead;
using canvas::sync::LockTry;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kOwner{100, 1};
constexpr LockRange kWindow{200, 1};

// One block of two words, each the id of the lane whose it is. Lane 7 has it at first.
struct Shared : model::SharedPart<1> {
  void MakeFirst() {
    Clear();
    lock_table.Grant(kOwner, 0);
    lane_id.store(7, std::memory_order::relaxed);
    life.store(Life{1, PartState::kReady}.ToWord(), std::memory_order::relaxed);
    for (auto& word : data) word.store(7, std::memory_order::relaxed);
    versions[0].store(canvas::format::Version{2, true}.ToWord(), std::memory_order::relaxed);
    low.store(0, std::memory_order::relaxed);
    mark.store(1, std::memory_order::relaxed);
  }
  // Steps 1 to 5, whoever began them. The hole is the kernel's: it orders.
  void PunchSteps() {
    canvas::sync::BeginPunch(Part());
    const std::uint64_t hole[2] = {};
    RelacySync::CopyIn(model::SharedBytes(data, "hole"), hole, 16);
    canvas::sync::EndPunch(Part(), 1);
  }
  void Punch() {
    // Under the window's lock, exclusive: tried, not waited for.
    if (Locks().TryExclusive(kWindow) != LockTry::kTaken) return;
    PunchSteps();
    Locks().Unlock(kWindow);
  }
  void WriteAs(std::uint64_t lane) {
    const auto part = Part();
    if (Life::FromWord(canvas::sync::ReadLife(part)).state == PartState::kReady) return;
    canvas::sync::MakeReady(part, lane);
    const std::uint64_t value[2] = {lane, lane};
    RelacySync::CopyIn(part.data, value, 16);
    canvas::sync::PublishFirstWrite(part, 0);
    canvas::sync::LowerLowMark(part, 0);
    canvas::sync::RaiseHighMark(part, 1);
  }
  // What LaneReader does: life and lane before, life after.
  void ReadCopy(std::uint64_t lane) {
    const auto part = Part();
    const std::uint64_t before = canvas::sync::ReadLife(part);
    if (Life::FromWord(before).state != PartState::kReady) return;
    if (canvas::sync::ReadLane(part) != lane) return;
    if (canvas::sync::ReadHighMark(part) == 0 || canvas::sync::ReadLowMark(part) != 0) return;
    std::uint64_t value[2] = {};
    if (canvas::sync::ReadBlock(part, 0, 0, 16, value) != BlockRead::kOk) return;
    if (!canvas::sync::LifeStands(part, before)) return;
    RL_ASSERT(value[0] == lane && value[1] == lane);
  }
  void ReadInPlace(std::uint64_t lane) {
    const auto part = Part();
    const std::uint64_t before = canvas::sync::ReadLife(part);
    if (Life::FromWord(before).state != PartState::kReady) return;
    if (canvas::sync::ReadLane(part) != lane) return;
    const std::uint64_t sequence_before = canvas::sync::ViewSequence(part);
    if (canvas::sync::ReadHighMark(part) == 0) return;
    const auto version = canvas::sync::ReadVersion(part, 0);
    if (version.changing() || !version.written) return;
    const std::uint64_t value[2] = {data[0].load(std::memory_order::relaxed),
                                    data[1].load(std::memory_order::relaxed)};
    if (!canvas::sync::ViewStillValid(canvas::sync::ViewWords<RelacySync>{part.sequence, part.life},
                                      sequence_before, before))
      return;
    RL_ASSERT(value[0] == lane && value[1] == lane);
  }
  // A window stands: what is ready under it stays.
  void ReadHeld(std::uint64_t lane) {
    if (Locks().TryShared(kWindow) != LockTry::kTaken) return;
    const auto part = Part();
    const bool ready = Life::FromWord(canvas::sync::ReadLife(part)).state == PartState::kReady &&
                       canvas::sync::ReadLane(part) == lane &&
                       canvas::sync::ReadHighMark(part) == 1;
    if (ready)
      for (auto& word : data) RL_ASSERT(word.load(std::memory_order::relaxed) == lane);
    Locks().Unlock(kWindow);
  }
};

enum class Reader { kCopy, kInPlace, kHeld };

template <Reader kFirst, Reader kSecond, int kReaders>
struct PunchModel : rl::test_suite<PunchModel<kFirst, kSecond, kReaders>, 1 + kReaders>, Shared {
  void before() { MakeFirst(); }
  void Read(Reader reader) {
    // The old lane's reader, or the new one's.
    const std::uint64_t lane = 7 + rl::rand(2);
    if (reader == Reader::kCopy) ReadCopy(lane);
    if (reader == Reader::kInPlace) ReadInPlace(lane);
    if (reader == Reader::kHeld) ReadHeld(lane);
  }
  void thread(unsigned index) {
    if (index == 0) {
      Punch();
      WriteAs(8);
    } else {
      Read(index == 1 ? kFirst : kSecond);
    }
  }
};

// The owner dies in the midst; the next one finishes the punch before anything else.
template <Reader kReader>
struct DeathModel : rl::test_suite<DeathModel<kReader>, 3>, Shared {
  void before() { MakeFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(10);
      Punch();
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      if (canvas::sync::PunchUnfinished(Part())) PunchSteps();
      // As part/part_ref.cc: evens the sequence of a punch that had said nothing yet.
      std::uint64_t scratch[2] = {};
      canvas::sync::RepairOverwrite(Part(), 1, scratch,
                                    [](const void*) { return std::uint64_t{0}; });
      WriteAs(8);
      lock_table.Unlock(kOwner);
    } else {
      const std::uint64_t lane = 7 + rl::rand(2);
      if (kReader == Reader::kCopy) ReadCopy(lane);
      if (kReader == Reader::kInPlace) ReadInPlace(lane);
    }
  }
  void after() {
    const auto part = Part();
    RL_ASSERT(!canvas::sync::PunchUnfinished(part));
    RL_ASSERT((sequence.load(std::memory_order::relaxed) & 1) == 0);
    const auto now = Life::FromWord(canvas::sync::ReadLife(part));
    const auto version = canvas::sync::ReadVersion(part, 0);
    RL_ASSERT(now.state == PartState::kReady && version.written && !version.changing());
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"part_life.h"},
      {model::Bound<PunchModel<Reader::kCopy, Reader::kCopy, 1>>("a copying reader", 2),
       model::Bound<PunchModel<Reader::kInPlace, Reader::kInPlace, 1>>("a view", 2),
       model::Bound<PunchModel<Reader::kHeld, Reader::kHeld, 1>>("a window", 2),
       model::DeepBound<PunchModel<Reader::kInPlace, Reader::kInPlace, 1>>("a view", 1),
       model::DeepBound<PunchModel<Reader::kCopy, Reader::kCopy, 1>>("a copying reader", 1),
       model::Bound<DeathModel<Reader::kCopy>>("a death, a successor, a copying reader", 1),
       model::DeepBound<DeathModel<Reader::kCopy>>("a death, a successor, a copying reader", 1),
       model::DeepBound<DeathModel<Reader::kInPlace>>("a death, a successor, a view", 1),
       model::Bound<DeathModel<Reader::kCopy>>("a death, a successor, a copying reader", 2,
                                               2'000'000),
       model::Bound<PunchModel<Reader::kCopy, Reader::kHeld, 2>>("a copying reader, a window", 1),
       model::Bound<PunchModel<Reader::kCopy, Reader::kInPlace, 2>>("a copying reader, a view", 2,
                                                                    2'000'000),
       model::Random<PunchModel<Reader::kCopy, Reader::kInPlace, 2>>("a copying reader, a view"),
       model::Random<DeathModel<Reader::kInPlace>>("a death, a successor, a view")},
      {{"punch without the window's lock", Step::kLock, "exclusive", "", Fault::kSkip},
       {"never say that it is punched", Step::kStore, "BeginPunch", "life", Fault::kSkip},
       {"punch before the life word says so", Step::kStore, "BeginPunch", "life", Fault::kLate},
       {"ready under the last lane's name", Step::kStore, "MakeReady", "lane id", Fault::kSkip},
       {"ready with the marks of the dead", Step::kStore, "MakeReady", "mark", Fault::kSkip},
       {"skip the re-check of the life word", Step::kLoad, "LifeStands", "life", Fault::kSkip}});
}
