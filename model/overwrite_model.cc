// Overwrite, model-checked: a reader gets one version of a block, whole, or is told that it raced;
// time does not run backwards; also where the owner dies in the midst and another takes it back
// (canvas/sync/overwrite.h).
#include "canvas/format/slot_words.h"
#include "canvas/sync/overwrite.h"
#include "model/search.h"
#include "model/shared_part.h"  // last

namespace {

using canvas::sync::BlockRead;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kOwner{100, 1};

std::uint64_t Sum(const void* bytes) {
  std::uint64_t words[2];
  std::memcpy(words, bytes, 16);
  return words[0] * 3 + words[1];
}

// One block, whose two words are the number of its epoch.
struct Shared : model::SharedPart<1> {
  void WriteFirst() {
    Clear();
    lock_table.Grant(kOwner, 0);
    for (auto& word : data) word.store(1, std::memory_order::relaxed);
    versions[0].store(canvas::format::Version{2, true}.ToWord(), std::memory_order::relaxed);
  }
  void Overwrite(std::uint64_t epoch) {
    const auto part = Part();
    std::uint64_t scratch[2] = {};
    canvas::sync::BeginOverwrite(part, 0, scratch, Sum);
    const std::uint64_t value[2] = {epoch, epoch};
    RelacySync::CopyIn(part.data, value, 16);
    canvas::sync::EndOverwrite(part, 0);
  }
  void Repair() {
    std::uint64_t scratch[2] = {};
    const auto repaired = canvas::sync::RepairOverwrite(Part(), 1, scratch, Sum);
    RL_ASSERT(repaired != canvas::sync::Repair::kDamaged);
  }
  // A view in place: words read without any order, vouched for afterwards.
  void ReadInPlace(std::uint64_t latest) {
    const auto part = Part();
    const std::uint64_t sequence = canvas::sync::ViewSequence(part);
    const auto version = canvas::sync::ReadVersion(part, 0);
    if (version.changing()) return;
    const std::uint64_t value[2] = {data[0].load(std::memory_order::relaxed),
                                    data[1].load(std::memory_order::relaxed)};
    if (!canvas::sync::ViewStillValid(canvas::sync::ViewWords<RelacySync>{part.sequence, part.life},
                                      sequence, 0))
      return;
    RL_ASSERT(value[0] == value[1] && value[0] <= latest);
  }
  // Answers the epoch read, never below `newest`; `newest` where the read raced.
  std::uint64_t Read(std::uint64_t newest, std::uint64_t latest) {
    std::uint64_t value[2] = {};
    const auto outcome = canvas::sync::ReadBlock(Part(), 0, 0, 16, value);
    RL_ASSERT(outcome != BlockRead::kUnwritten);
    if (outcome == BlockRead::kRaced) return newest;
    RL_ASSERT(value[0] == value[1]);
    RL_ASSERT(value[0] >= newest && value[0] <= latest);
    return value[0];
  }
};

// One owner overwrites twice, so that the undo place is used again.
template <int kReaders, int kReads>
struct OverwriteModel : rl::test_suite<OverwriteModel<kReaders, kReads>, 1 + kReaders>, Shared {
  void before() { WriteFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      Overwrite(2);
      Overwrite(3);
      return;
    }
    std::uint64_t newest = 1;
    for (int i = 0; i < kReads; ++i) newest = Read(newest, 3);
  }
};

// The same owner, and a reader in place.
struct ViewModel : rl::test_suite<ViewModel, 2>, Shared {
  void before() { WriteFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      Overwrite(2);
      Overwrite(3);
    } else {
      ReadInPlace(3);
    }
  }
};

// Two blocks, rewritten by turns, and a reader that copies both at once.
template <int kReads>
struct TwoBlocksModel : rl::test_suite<TwoBlocksModel<kReads>, 2>, model::SharedPart<2> {
  void before() {
    Clear();
    lock_table.Grant(kOwner, 0);
    for (auto& word : data) word.store(1, std::memory_order::relaxed);
    for (auto& word : versions)
      word.store(canvas::format::Version{2, true}.ToWord(), std::memory_order::relaxed);
    versions[1].Name("second version");
  }
  void Overwrite(std::uint64_t block, std::uint64_t epoch) {
    const auto part = Part();
    std::uint64_t scratch[2] = {};
    canvas::sync::BeginOverwrite(part, block, scratch, Sum);
    const std::uint64_t value[2] = {epoch, epoch};
    RelacySync::CopyIn(part.data + block * kStride, value, kStride);
    canvas::sync::EndOverwrite(part, block);
  }
  void thread(unsigned index) {
    if (index == 0) {
      Overwrite(0, 2);
      Overwrite(1, 2);
      return;
    }
    std::uint64_t newest[2] = {1, 1};
    for (int i = 0; i < kReads; ++i) {
      std::uint64_t value[4] = {};
      if (!canvas::sync::ReadTwoBlocks(Part(), 0, 0, 2 * kStride, value)) continue;
      for (int block = 0; block < 2; ++block) {
        RL_ASSERT(value[2 * block] == value[2 * block + 1]);
        RL_ASSERT(value[2 * block] >= newest[block] && value[2 * block] <= 2);
        newest[block] = value[2 * block];
      }
    }
  }
};

// An owner dies somewhere in an overwrite; the next one repairs, and overwrites again.
template <int kReaders, bool kInPlace>
struct DeathModel : rl::test_suite<DeathModel<kReaders, kInPlace>, 2 + kReaders>, Shared {
  void before() { WriteFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(15);
      Overwrite(2);
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      Repair();
      Overwrite(3);
      lock_table.Unlock(kOwner);
    } else if (kInPlace) {
      ReadInPlace(3);
    } else {
      Read(1, 3);
    }
  }
  void after() {
    const auto version = canvas::sync::ReadVersion(Part(), 0);
    RL_ASSERT(version.written && !version.changing());
    RL_ASSERT((sequence.load(std::memory_order::relaxed) & 1) == 0);
    RL_ASSERT(data[0].load(std::memory_order::relaxed) == 3);
  }
};

// The same, but nobody overwrites again: the block stays as the repair left it, and a reader that
// saw the old version number before the death must not match it after.
template <bool kInPlace>
struct RollbackModel : rl::test_suite<RollbackModel<kInPlace>, 3>, Shared {
  void before() { WriteFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(15);
      Overwrite(2);
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      Repair();
      lock_table.Unlock(kOwner);
    } else if (kInPlace) {
      ReadInPlace(2);
    } else {
      Read(Read(1, 2), 2);  // what was read once is not taken back
    }
  }
};

}  // namespace

// A full search does not end in reasonable time here: the reader's retries multiply.
int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"overwrite.h", "shared_copy.h"},
      {model::Bound<OverwriteModel<1, 1>>("one reader", 2), model::Bound<ViewModel>("a view", 2),
       model::DeepBound<ViewModel>("a view", 2),
       model::Bound<TwoBlocksModel<1>>("two blocks in one copy", 2),
       model::DeepBound<RollbackModel<true>>("a death, a repair, a view", 1),
       model::Bound<RollbackModel<false>>("a death, a repair, a reader", 2),
       model::Bound<RollbackModel<true>>("a death, a repair, a view", 2),
       model::Bound<DeathModel<1, false>>("a death, a successor, a reader", 2),
       model::Bound<DeathModel<1, true>>("a death, a successor, a view", 2),
       model::Bound<OverwriteModel<2, 1>>("two readers", 1),
       model::Bound<OverwriteModel<2, 1>>("two readers", 2, 3'000'000),
       model::Bound<OverwriteModel<1, 1>>("one reader", 3, 3'000'000),
       model::Bound<ViewModel>("a view", 3, 3'000'000),
       model::Random<OverwriteModel<2, 2>>("two readers, two reads"),
       model::Random<TwoBlocksModel<2>>("two blocks in one copy, two reads"),
       model::Random<DeathModel<2, false>>("a death, a successor, two readers"),
       model::Random<DeathModel<1, true>>("a death, a successor, a view")},
      {{"skip the copy to the undo place", Step::kCopyIn, "BeginOverwrite", "undo", Fault::kSkip},
       {"skip the re-check", Step::kLoad, "ReadBlock", "version", Fault::kSkip},
       {"skip the re-check of the first of two", Step::kLoad, "ReadTwoBlocks", "version",
        Fault::kSkip},
       {"skip the re-check of the second of two", Step::kLoad, "ReadTwoBlocks", "second version",
        Fault::kSkip},
       {"turn the version odd after the new bytes", Step::kStore, "BeginOverwrite", "version",
        Fault::kLate},
       {"never turn the version odd", Step::kStore, "BeginOverwrite", "version", Fault::kSkip},
       {"never turn the sequence odd", Step::kStore, "BeginOverwrite", "sequence", Fault::kSkip},
       {"publish before the new bytes", Step::kCopyIn, "Overwrite", "data", Fault::kLate},
       {"roll back to the old version number", Step::kStore, "RepairOverwrite", "version",
        Fault::kChange, [](std::uint64_t word) { return word - 4; }},
       {"roll back without the old bytes", Step::kCopyIn, "RepairOverwrite", "data", Fault::kSkip},
       {"leave the sequence odd", Step::kStore, "RepairOverwrite", "sequence", Fault::kSkip},
       {"say the undo place holds another block", Step::kStore, "BeginOverwrite", "undo block",
        Fault::kChange, [](std::uint64_t block) { return block + 1; }},
       {"do not look at the sequence again", Step::kLoad, "ViewStillValid", "sequence",
        Fault::kSkip}});
}
