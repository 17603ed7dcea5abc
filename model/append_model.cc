// Append, model-checked: a reader that trusts the marks finds every block between them written and
// whole (canvas/sync/append.h, I1 to I3).
#include "canvas/sync/append.h"
#include "canvas/sync/block.h"
#include "model/relacy_sync.h"  // last

namespace {

using canvas::sync::BlockRead;
using model::RelacySync;

constexpr std::uint64_t kBlocks = 2;
constexpr std::uint64_t kFirst = 1;  // the lane begins in block 1, and is then extended to block 0

// Blocks of two words and one frame; block b holds 10 + b twice.
template <int kReaders>
struct AppendModel : rl::test_suite<AppendModel<kReaders>, 1 + kReaders> {
  model::Atomic<std::uint64_t> lane_id, life, mark, low, sequence, undo_block, undo_version,
      undo_checksum;
  model::Atomic<std::uint64_t> versions[kBlocks];
  model::Atomic<std::uint64_t> data[kBlocks * 2];
  model::Atomic<std::uint64_t> undo[2];

  canvas::sync::PartWords<RelacySync> Part() {
    return {&lane_id,
            &life,
            &mark,
            &low,
            &sequence,
            &undo_block,
            &undo_version,
            &undo_checksum,
            versions,
            model::SharedBytes(data),
            model::SharedBytes(undo),
            16};
  }

  void before() { low.store(~std::uint64_t{0}, std::memory_order::relaxed); }

  void WriteBlock(std::uint64_t block) {
    const auto part = Part();
    const std::uint64_t value[2] = {10 + block, 10 + block};
    RelacySync::CopyIn(part.data + block * 16, value, 16);
    canvas::sync::PublishFirstWrite(part, block);
    canvas::sync::LowerLow(part, block);
    canvas::sync::RaiseMark(part, block + 1);
  }

  void thread(unsigned index) {
    if (index == 0) {
      WriteBlock(kFirst);
      WriteBlock(0);
      return;
    }
    const auto part = Part();
    const std::uint64_t end = canvas::sync::ReadMark(part);
    if (end == 0) return;
    RL_ASSERT(end == kFirst + 1);
    const std::uint64_t begin = canvas::sync::ReadLow(part);
    RL_ASSERT(begin <= kFirst);  // I3: stored before the first mark
    for (std::uint64_t block = begin; block < end; ++block) {
      std::uint64_t value[2] = {};
      RL_ASSERT(canvas::sync::ReadBlock(part, block, 0, 16, value) == BlockRead::kOk);
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
