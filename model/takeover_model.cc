// Takeover, model-checked: an owner dies anywhere in an overwrite, and the next one finds by its
// intent, and by nothing else, what there is to repair, while readers read
// (canvas/sync/takeover.h).
#include "canvas/format/owner_table.h"
#include "canvas/format/slot_words.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/takeover.h"
#include "model/search.h"
#include "model/shared_part.h"  // last

namespace {

using canvas::format::Operation;
using canvas::sync::BlockRead;
using model::LockRange;
using model::RelacySync;

constexpr LockRange kLane{100, 1};
constexpr LockRange kEntry{200, 1};
constexpr std::uint64_t kLaneId = 7;
constexpr std::uint64_t kPage = 3;

std::uint64_t Sum(const void* bytes) {
  std::uint64_t words[2];
  std::memcpy(words, bytes, 16);
  return words[0] * 3 + words[1];
}

struct Shared : model::SharedPart<1> {
  model::Atomic<std::uint64_t> owner[8];

  void MakeFirst() {
    Clear();
    lock_table.Grant(kLane, 0);
    lock_table.Grant(kEntry, 0);
    for (auto& word : data) word.store(1, std::memory_order::relaxed);
    versions[0].store(canvas::format::Version{2, true}.ToWord(), std::memory_order::relaxed);
    for (auto& word : owner) word.store(0, std::memory_order::relaxed);
    owner[1].store(99, std::memory_order::relaxed);
    owner[2].store(99, std::memory_order::relaxed);
    owner[0].Name("lane id");
    owner[3].Name("operation");
    owner[4].Name("page");
  }
  canvas::sync::OwnerWords<RelacySync> Entry() {
    return {&owner[0], &owner[1], &owner[2], &owner[3], &owner[4], &owner[5], &owner[6], &owner[7]};
  }
  void Overwrite(std::uint64_t epoch) {
    const auto part = Part();
    std::uint64_t scratch[2] = {};
    canvas::sync::DeclareIntent(Entry(), {Operation::kOverwrite, kPage, 0, 5, 1});
    canvas::sync::BeginOverwrite(part, 0, scratch, Sum);
    const std::uint64_t value[2] = {epoch, epoch};
    RelacySync::CopyIn(part.data, value, 16);
    canvas::sync::EndOverwrite(part, 0);
    canvas::sync::ClearIntent(Entry());
  }
  // What storage::OwnerTable does for the one entry there is. Whether it was repaired.
  void TakeOver() {
    if (!canvas::sync::IntentConcerns(Entry(), kLaneId, 0, 10)) return;
    if (Locks().TryExclusive(kEntry) != canvas::sync::LockTry::kTaken) return;  // alive after all
    const auto intent = canvas::sync::ReadIntent(Entry());
    RL_ASSERT(intent.page == kPage && intent.slot == 5 && intent.slot_count == 1);
    std::uint64_t scratch[2] = {};
    canvas::sync::RepairOverwrite(Part(), 1, scratch, Sum);
    canvas::sync::MarkRepaired(Entry());
    Locks().Unlock(kEntry);
  }
  void Read() {
    std::uint64_t value[2] = {};
    const auto outcome = canvas::sync::ReadBlock(Part(), 0, 0, 16, value);
    RL_ASSERT(outcome != BlockRead::kUnwritten);
    if (outcome == BlockRead::kOk) RL_ASSERT(value[0] == value[1] && value[0] >= 1);
  }
};

// Who else there is, beside an owner who dies, a reader, and a successor.
enum class Fourth { kNobody, kReader, kSuccessor };

// With a second successor the first may die too.
template <Fourth kFourth>
struct DeathModel : rl::test_suite<DeathModel<kFourth>, kFourth == Fourth::kNobody ? 3 : 4>,
                    Shared {
  void before() { MakeFirst(); }
  void thread(unsigned index) {
    if (index == 0) {
      model::Mortal(26);
      canvas::sync::Announce(Entry(), kLaneId, 0, 10);
      Overwrite(2);
      canvas::sync::Withdraw(Entry());
      Locks().Unlock(kEntry);
      Locks().Unlock(kLane);
      return;
    }
    if (index == 1 || (index == 3 && kFourth == Fourth::kReader)) {
      Read();
      // As the owner of other pages looks: an intent that has just been declared is of its page.
      const auto intent = canvas::sync::ReadIntent(Entry());
      if (intent.operation != Operation::kNone)
        RL_ASSERT(intent.page == kPage && intent.slot == 5 && intent.slot_count == 1);
      // As a person looks: who sees whose it is sees which pages.
      if (canvas::sync::ReadOwnerLane(Entry()) == kLaneId)
        RL_ASSERT(owner[1].load(std::memory_order::relaxed) == 0 &&
                  owner[2].load(std::memory_order::relaxed) == 10);
      return;
    }
    lock_table.Wait(kLane);
    model::Successor();
    if (kFourth == Fourth::kSuccessor && index == 2) model::Mortal(9);
    TakeOver();
    // Mended: nothing of the dead is in the way.
    if (!model::Died()) {
      const auto version = canvas::sync::ReadVersion(Part(), 0);
      RL_ASSERT(version.written && !version.changing());
      RL_ASSERT((sequence.load(std::memory_order::relaxed) & 1) == 0);
      RL_ASSERT(owner[3].load(std::memory_order::relaxed) == 0);
      RL_ASSERT(data[0].load(std::memory_order::relaxed) ==
                data[1].load(std::memory_order::relaxed));
    }
    Locks().Unlock(kLane);
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"takeover.h"},
      {model::Bound<DeathModel<Fourth::kNobody>>("a death, a reader, a successor", 1),
       model::Bound<DeathModel<Fourth::kNobody>>("a death, a reader, a successor", 2),
       model::Bound<DeathModel<Fourth::kSuccessor>>("two deaths, a reader, a successor", 1),
       model::Bound<DeathModel<Fourth::kReader>>("a death, two readers, a successor", 1),
       model::Random<DeathModel<Fourth::kNobody>>("a death, a reader, a successor"),
       model::Random<DeathModel<Fourth::kSuccessor>>("two deaths, a reader, a successor")},
      {{"declare after the deed", Step::kStore, "DeclareIntent", "operation", Fault::kLast},
       {"never declare", Step::kStore, "DeclareIntent", "operation", Fault::kSkip},
       {"never say what it is about", Step::kStore, "DeclareIntent", "page", Fault::kSkip},
       {"never say whose the entry is", Step::kStore, "Announce", "lane id", Fault::kSkip},
       {"leave the version odd", Step::kStore, "RepairOverwrite", "version", Fault::kSkip}});
}
