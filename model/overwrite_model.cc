// Overwrite, model-checked: a reader gets one version of a block, whole, or is told that it raced;
// time does not run backwards (canvas/sync/overwrite.h).
#include "canvas/sync/overwrite.h"
#include "model/relacy_sync.h"  // last

namespace {

using canvas::sync::BlockRead;
using model::RelacySync;

// One block, whose two words are the number of its epoch.
struct Shared : model::SharedPart<1> {
  void WriteFirst() {
    Clear();
    for (auto& word : data) word.store(1, std::memory_order::relaxed);
    versions[0].store(canvas::format::Version{2, true}.ToWord(), std::memory_order::relaxed);
  }
  void Overwrite(std::uint64_t epoch) {
    const auto part = Part();
    std::uint64_t scratch[2];
    canvas::sync::BeginOverwrite(part, 0, scratch, [](const void*) { return std::uint64_t{0}; });
    const std::uint64_t value[2] = {epoch, epoch};
    RelacySync::CopyIn(part.data, value, 16);
    canvas::sync::EndOverwrite(part, 0);
  }
  // A view in place: words read without any order, vouched for afterwards.
  void ReadInPlace(std::uint64_t latest) {
    const auto part = Part();
    const std::uint64_t sequence = canvas::sync::ViewSequence(part);
    const auto version =
        canvas::format::Version::FromWord(versions[0].load(std::memory_order::acquire));
    if (version.changing()) return;
    const std::uint64_t value[2] = {data[0].load(std::memory_order::relaxed),
                                    data[1].load(std::memory_order::relaxed)};
    if (!canvas::sync::ViewStillValid(part, sequence, 0)) return;
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

}  // namespace

// A full search does not end in reasonable time here: the reader's retries multiply.
int main() {
  bool good = model::Search<OverwriteModel<1, 1>>("one reader", rl::sched_bound, 3, 3'000'000);
  good = model::Search<OverwriteModel<2, 1>>("two readers", rl::sched_bound, 2, 2'000'000) && good;
  good =
      model::Search<OverwriteModel<2, 2>>("two readers, two reads", rl::sched_random, 0, 200'000) &&
      good;
  good = model::Search<ViewModel>("a view", rl::sched_bound, 3, 3'000'000) && good;
  return good ? 0 : 1;
}
