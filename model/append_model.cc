// Append, model-checked: a reader that trusts the marks finds every block between them written and
// whole (canvas/sync/append.h, I1 to I3).
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "model/relacy_sync.h"  // last

namespace {

using canvas::sync::BlockRead;
using model::RelacySync;

constexpr std::uint64_t kBlocks = 3;
// The order of writing: the part begins with its last block, is extended to its first, and then the
// gap between is filled, which moves no mark: the block's own version is all that publishes it.
constexpr std::uint64_t kLast = 2;
constexpr std::uint64_t kGap = 1;

// Blocks of two words and one frame; block b holds 10 + b twice.
template <int kReaders>
struct AppendModel : rl::test_suite<AppendModel<kReaders>, 1 + kReaders>,
                     model::SharedPart<kBlocks> {
  void before() { this->Clear(); }

  void WriteBlock(std::uint64_t block) {
    const auto part = this->Part();
    const std::uint64_t value[2] = {10 + block, 10 + block};
    RelacySync::CopyIn(part.data + block * this->kStride, value, 16);
    canvas::sync::PublishFirstWrite(part, block);
    canvas::sync::LowerLow(part, block);
    canvas::sync::RaiseMark(part, block + 1);
  }

  void thread(unsigned index) {
    if (index == 0) {
      WriteBlock(kLast);
      WriteBlock(0);
      WriteBlock(kGap);
      return;
    }
    const auto part = this->Part();
    const std::uint64_t end = canvas::sync::ReadMark(part);
    if (end == 0) return;
    RL_ASSERT(end == kLast + 1);
    const std::uint64_t begin = canvas::sync::ReadLow(part);
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

}  // namespace

int main() {
  bool good = model::Search<AppendModel<1>>("one reader", rl::sched_full, 0, 10'000'000);
  good = model::Search<AppendModel<2>>("two readers", rl::sched_bound, 1, 10'000'000) && good;
  good = model::Search<AppendModel<2>>("two readers", rl::sched_bound, 2, 10'000'000) && good;
  good = model::Search<AppendModel<2>>("two readers", rl::sched_random, 0, 100'000) && good;
  return good ? 0 : 1;
}
