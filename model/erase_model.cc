// Erasing blocks, model-checked: a block that is given back, and written again, is read whole or as
// unwritten, and a view does not keep a byte of the hole (canvas/sync/erase.h).
#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "model/search.h"
#include "model/shared_part.h"  // last

namespace {

using canvas::sync::BlockRead;
using canvas::sync::LockTry;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kOwner{100, 1};
constexpr LockRange kWindow{200, 1};

// Two blocks, whose words are the number of their epoch. The first is erased, the second stays.
struct Shared : model::SharedPart<2> {
  void WriteFirst() {
    Clear();
    lock_table.Grant(kOwner, 0);
    for (auto& word : data) word.store(1, std::memory_order::relaxed);
    for (auto& word : versions)
      word.store(canvas::format::Version{2, true}.ToWord(), std::memory_order::relaxed);
    versions[1].Name("second version");
    low.store(0, std::memory_order::relaxed);
    mark.store(2, std::memory_order::relaxed);
  }
  // Steps 1 to 4. The hole is the kernel's: it orders.
  void Erase() {
    if (Locks().TryExclusive(kWindow) != LockTry::kTaken) return;
    canvas::sync::EraseBlocks(Part(), 0, 1);
    const std::uint64_t hole[2] = {};
    RelacySync::CopyIn(model::SharedBytes(data, "hole"), hole, kStride);
    Locks().Unlock(kWindow);
  }
  void WriteAgain(std::uint64_t epoch) {
    const auto part = Part();
    // A window was in the way: nothing was erased.
    if (canvas::sync::ReadVersion(part, 0).written) return;
    const std::uint64_t value[2] = {epoch, epoch};
    RelacySync::CopyIn(part.data, value, kStride);
    canvas::sync::PublishFirstWrite(part, 0);
  }
  void Overwrite(std::uint64_t epoch) {
    const auto part = Part();
    if (!canvas::sync::ReadVersion(part, 0).written) return;
    std::uint64_t scratch[2] = {};
    canvas::sync::BeginOverwrite(part, 0, scratch, [](const void*) { return std::uint64_t{0}; });
    const std::uint64_t value[2] = {epoch, epoch};
    RelacySync::CopyIn(part.data, value, kStride);
    canvas::sync::EndOverwrite(part, 0);
  }
  // Answers the epoch read; `newest` where it is unwritten, or raced.
  std::uint64_t Read(std::uint64_t newest) {
    std::uint64_t value[2] = {};
    const auto outcome = canvas::sync::ReadBlock(Part(), 0, 0, kStride, value);
    if (outcome != BlockRead::kOk) return newest;
    RL_ASSERT(value[0] == value[1]);
    RL_ASSERT(value[0] >= newest && value[0] <= 3);
    return value[0];
  }
  void ReadBoth() {
    std::uint64_t value[4] = {};
    if (!canvas::sync::ReadTwoBlocks(Part(), 0, 0, 2 * kStride, value)) return;
    RL_ASSERT(value[0] == value[1] && value[0] >= 1);
    RL_ASSERT(value[2] == 1 && value[3] == 1);
  }
  void ReadInPlace() {
    const auto part = Part();
    const std::uint64_t before = canvas::sync::ViewSequence(part);
    const auto version = canvas::sync::ReadVersion(part, 0);
    if (version.changing() || !version.written) return;
    const std::uint64_t value[2] = {data[0].load(std::memory_order::relaxed),
                                    data[1].load(std::memory_order::relaxed)};
    if (!canvas::sync::ViewStillValid(canvas::sync::ViewWords<RelacySync>{part.sequence, part.life},
                                      before, 0))
      return;
    RL_ASSERT(value[0] == value[1] && value[0] >= 1);
  }
  // A window stands: what is written under it stays.
  void ReadHeld() {
    if (Locks().TryShared(kWindow) != LockTry::kTaken) return;
    if (canvas::sync::ReadVersion(Part(), 0).written)
      for (std::size_t i = 0; i < 2; ++i) RL_ASSERT(data[i].load(std::memory_order::relaxed) != 0);
    Locks().Unlock(kWindow);
  }
};

enum class Reader { kCopy, kBoth, kInPlace, kHeld };

// One owner erases a block, writes it anew, and overwrites it.
template <Reader kReader, int kReads = 1>
struct EraseModel : rl::test_suite<EraseModel<kReader, kReads>, 2>, Shared {
  void before() { WriteFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      Erase();
      WriteAgain(2);
      if (kReader == Reader::kCopy) Overwrite(3);
      return;
    }
    std::uint64_t newest = 1;
    for (int i = 0; i < kReads; ++i) {
      if (kReader == Reader::kCopy) newest = Read(newest);
      if (kReader == Reader::kBoth) ReadBoth();
      if (kReader == Reader::kInPlace) ReadInPlace();
      if (kReader == Reader::kHeld) ReadHeld();
    }
  }
};

// The owner dies in the midst; the next one erases again, or writes.
template <Reader kReader>
struct DeathModel : rl::test_suite<DeathModel<kReader>, 3>, Shared {
  void before() { WriteFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(8);
      Erase();
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      canvas::sync::RepairErase(Part(), 2);
      canvas::sync::AdoptPart(Part(), 1, 2);
      if (rl::rand(2) != 0) Erase();
      WriteAgain(2);
      lock_table.Unlock(kOwner);
    } else {
      if (kReader == Reader::kCopy) Read(1);
      if (kReader == Reader::kInPlace) ReadInPlace();
    }
  }
  void after() {
    RL_ASSERT((sequence.load(std::memory_order::relaxed) & 1) == 0);
    const auto version = canvas::sync::ReadVersion(Part(), 0);
    RL_ASSERT(version.written && !version.changing());
    RL_ASSERT(data[0].load(std::memory_order::relaxed) != 0);
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"erase.h", "append.h"},
      {model::Bound<EraseModel<Reader::kInPlace>>("a view", 2),
       model::DeepBound<EraseModel<Reader::kInPlace>>("a view", 2),
       model::Bound<EraseModel<Reader::kCopy>>("a copying reader", 2),
       model::Bound<EraseModel<Reader::kBoth>>("two blocks in one copy", 2),
       model::Bound<EraseModel<Reader::kHeld>>("a window", 2),
       model::Bound<DeathModel<Reader::kCopy>>("a death, a successor, a copying reader", 1),
       model::Bound<DeathModel<Reader::kInPlace>>("a death, a successor, a view", 1),
       model::DeepBound<DeathModel<Reader::kInPlace>>("a death, a successor, a view", 1),
       model::Bound<DeathModel<Reader::kInPlace>>("a death, a successor, a view", 2, 2'000'000),
       model::Bound<DeathModel<Reader::kCopy>>("a death, a successor, a copying reader", 2,
                                               2'000'000),
       model::Random<EraseModel<Reader::kCopy, 2>>("a copying reader, two reads"),
       model::Random<DeathModel<Reader::kInPlace>>("a death, a successor, a view")},
      {{"erase without the window's lock", Step::kLock, "exclusive", "", Fault::kSkip},
       {"give the bytes back of a block that stays written", Step::kStore, "EraseBlocks", "version",
        Fault::kSkip},
       {"unwritten after the hole", Step::kStore, "EraseBlocks", "version", Fault::kLate},
       {"do not look at what the dead one erased", Step::kLoad, "RepairErase", "version",
        Fault::kSkip},
       {"no word to the views", Step::kStore, "EraseBlocks", "sequence", Fault::kSkip},
       {"the views hear of it after the hole", Step::kStore, "EraseBlocks", "sequence",
        Fault::kLate}});
}
