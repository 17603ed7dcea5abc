// Append, model-checked: a reader that trusts the marks finds every block between them written and
// whole (canvas/sync/append.h, I1 to I3), also where the owner dies and another goes on.
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "model/search.h"
#include "model/shared_part.h"  // last

namespace {

using canvas::sync::BlockRead;
using model::RelacySync;

constexpr std::uint64_t kBlocks = 3;
// The order of writing: the part begins with its last block, is extended to its first, and then the
// gap between is filled, which moves no mark: the block's own version is all that publishes it.
constexpr std::uint64_t kLast = 2;
constexpr std::uint64_t kGap = 1;

using model::LockRange;

constexpr LockRange kOwner{100, 1};

// Blocks of two words and one frame; block b holds 10 + b twice.
struct Shared : model::SharedPart<kBlocks> {
  void WriteBlock(std::uint64_t block, std::uint64_t salt = 10) {
    const auto part = Part();
    const std::uint64_t value[2] = {salt + block, salt + block};
    RelacySync::CopyIn(part.data + block * kStride, value, 16);
    canvas::sync::PublishFirstWrite(part, block);
    canvas::sync::LowerLowMark(part, block);
    canvas::sync::RaiseHighMark(part, block + 1);
  }
};

template <int kReaders>
struct AppendModel : rl::test_suite<AppendModel<kReaders>, 1 + kReaders>, Shared {
  void before() { Clear(); }

  void thread(unsigned index) {
    if (index == 0) {
      WriteBlock(kLast);
      WriteBlock(0);
      WriteBlock(kGap);
      return;
    }
    const auto part = Part();
    const std::uint64_t end = canvas::sync::ReadHighMark(part);
    if (end == 0) return;
    RL_ASSERT(end == kLast + 1);
    const std::uint64_t begin = canvas::sync::ReadLowMark(part);
    RL_ASSERT(begin == 0 || begin == kLast);  // I3: stored before the first mark
    for (std::uint64_t block = begin; block < end; ++block) {
      std::uint64_t value[2] = {};
      const auto outcome = canvas::sync::ReadBlock(part, block, 0, 16, value);
      if (block == kGap && outcome == BlockRead::kUnwritten) continue;
      RL_ASSERT(outcome == BlockRead::kOk);
      RL_ASSERT(value[0] == 10 + block && value[1] == 10 + block);
    }
  }
};

// An owner writes blocks 0 and 1 and dies somewhere; the next one goes on behind the mark, with
// other bytes, leaving out a block: what the dead never published must not come to light there.
struct DeathModel : rl::test_suite<DeathModel, 3>, Shared {
  std::uint64_t adopted = 0;  // the mark that the successor found; for the reader's judgement only

  void before() {
    Clear();
    lock_table.Grant(kOwner, 0);
  }

  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(11);
      WriteBlock(0);
      WriteBlock(1);
      lock_table.Unlock(kOwner);
    } else if (index == 1) {
      lock_table.Wait(kOwner);
      model::Successor();
      const auto part = Part();
      canvas::sync::AdoptPart(part, 1, kBlocks);
      adopted = part.mark->load(std::memory_order::relaxed);
      WriteBlock(adopted == 0 ? 1 : 2, 20);
      lock_table.Unlock(kOwner);
    } else {
      const auto part = Part();
      const std::uint64_t end = canvas::sync::ReadHighMark(part);
      if (end == 0) return;
      const std::uint64_t begin = canvas::sync::ReadLowMark(part);
      for (std::uint64_t block = begin; block < end; ++block) {
        std::uint64_t value[2] = {};
        const auto outcome = canvas::sync::ReadBlock(part, block, 0, 16, value);
        // Block 1 is unwritten where the dead had published only block 0.
        if (outcome == BlockRead::kUnwritten && block == 1 && end == 3 && adopted == 1) continue;
        RL_ASSERT(outcome == BlockRead::kOk);
        RL_ASSERT(value[0] == value[1]);
        RL_ASSERT(value[0] == 10 + block || value[0] == 20 + block);
        // The successor's block 1 stands only where the dead had published nothing.
        RL_ASSERT(value[0] == 20 + block || block < 2);
      }
    }
  }
  void after() {
    // Whoever was last: nothing outside the marks says that it is written.
    const auto part = Part();
    const std::uint64_t mark = part.mark->load(std::memory_order::relaxed);
    const std::uint64_t low_mark = part.low->load(std::memory_order::relaxed);
    for (std::uint64_t block = 0; block < kBlocks; ++block) {
      const auto version = canvas::sync::ReadVersion(part, block);
      if (version.written) RL_ASSERT(block >= low_mark && block < mark);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"append.h"},
      {model::Bound<AppendModel<2>>("two readers", 1),
       model::Bound<AppendModel<2>>("two readers", 2),
       model::Bound<DeathModel>("a death, a successor, a reader", 2),
       model::DeepBound<DeathModel>("a death, a successor, a reader", 1),
       model::Full<AppendModel<1>>("one reader"), model::Random<AppendModel<2>>("two readers"),
       model::Random<DeathModel>("a death, a successor, a reader")},
      {{"publish a block before it is written", Step::kCopyIn, "WriteBlock", "data", Fault::kLate},
       {"raise the mark before the block is published", Step::kStore, "PublishFirstWrite",
        "version", Fault::kLate},
       {"raise the mark before the low-water mark", Step::kStore, "LowerLowMark", "low",
        Fault::kLate},
       {"never publish the block", Step::kStore, "PublishFirstWrite", "version", Fault::kSkip},
       {"never lower the low-water mark", Step::kStore, "LowerLowMark", "low", Fault::kSkip},
       {"lower the mark", Step::kStore, "RaiseHighMark", "mark", Fault::kChange,
        [](std::uint64_t mark) { return mark - 1; }},
       {"leave a dead owner's blocks as they are", Step::kStore, "AdoptPart", "version",
        Fault::kSkip}});
}
