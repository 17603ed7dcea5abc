// A window's place, model-checked: memory is never let go, nor a place's plain words rewritten, while
// a reader that found them shown is still reading (canvas/sync/window.h). The memory and the plain
// words are race-checked: whoever touches them beside the other fails the model.
#include "canvas/sync/window.h"
#include "model/search.h"  // last

namespace {

using model::RelacySync;

// The memory of page p: resident while it holds kResident + p.
constexpr int kResident = 7;

struct Shared {
  model::LockTable lock_table;
  canvas::sync::WindowPage<RelacySync> place;
  model::Atomic<std::uint64_t> bits, seat;
  rl::var<int> memory[2];
  rl::var<int> plain;  // which page the place's plain words are of

  void Clear() {
    lock_table.Clear();
    place.resident = &bits;
    place.shown.store(0, std::memory_order::relaxed);
    bits.store(0, std::memory_order::relaxed);
    seat.store(0, std::memory_order::relaxed);
    place.shown.Name("shown");
    bits.Name("bits");
    seat.Name("seat");
    for (auto& m : memory) m(RL_INFO) = 0;
    plain(RL_INFO) = -1;
  }

  void Show(int page) {
    plain(RL_INFO) = page;
    canvas::sync::ShowPage(place, static_cast<std::uint64_t>(page));
    memory[page](RL_INFO) = kResident + page;
    canvas::sync::ShowBlocks(bits, 2);
  }
  void Hide(bool whole) {
    canvas::sync::HideBlocks(bits, 2);
    if (whole) canvas::sync::HidePage(place);
  }
  // Whether nobody is left who found the page shown. Asks a bounded number of times.
  bool Alone(int page) {
    if (!canvas::sync::FenceReaders<RelacySync>()) return false;
    const std::uint64_t first = canvas::sync::ReadSeat<RelacySync>(seat);
    if (!canvas::sync::LooksAt(first, static_cast<std::uint64_t>(page))) return true;
    return canvas::sync::ReadSeat<RelacySync>(seat) != first;
  }
  void LetGo(int page) { memory[page](RL_INFO) = 0; }

  void Read(int page) {
    const auto number = static_cast<std::uint64_t>(page);
    canvas::sync::LookAt<RelacySync>(seat, number);
    if (!canvas::sync::IsShown(place, number)) return;
    RL_ASSERT(plain(RL_INFO) == page);
    if (!canvas::sync::IsShownBlock(place.resident, 1)) return;
    RL_ASSERT(memory[page](RL_INFO) == kResident + page);
  }
  void Away() { canvas::sync::LookAway<RelacySync>(seat); }
};

// The window leaves page 0 and shows page 1 in its place; a reader of page 0.
struct MoveModel : rl::test_suite<MoveModel, 2>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(true);
      if (!Alone(0)) return;
      LetGo(0);
      Show(1);
    } else {
      Read(0);
      Away();
    }
  }
};

// Blocks are let go, and come back, while the page stays shown; a reader that comes twice.
struct BlocksModel : rl::test_suite<BlocksModel, 2>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(false);
      if (!Alone(0)) return;
      LetGo(0);
      memory[0](RL_INFO) = kResident;
      canvas::sync::ShowBlocks(bits, 2);
    } else {
      Read(0);
      Away();
      Read(0);
      Away();
    }
  }
};

// A reader that goes from one page to the next without looking away between, as one that reads
// across the edge, or leaves a view behind.
struct AcrossModel : rl::test_suite<AcrossModel, 2>, Shared {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(true);
      if (!Alone(0)) return;
      LetGo(0);
      Show(1);
      Hide(true);
      if (!Alone(1)) return;
      LetGo(1);
    } else {
      Read(0);
      Read(1);
      Away();
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(argc, argv, {"window.h"},
                     {model::Full<MoveModel>("a page leaves, another takes its place"),
                      model::Bound<BlocksModel>("blocks leave and come back", 3),
                      model::Bound<AcrossModel>("a reader goes across", 3),
                      model::Random<BlocksModel>("blocks leave and come back"),
                      model::Random<AcrossModel>("a reader goes across")},
                     {{"hides no block", Step::kStore, "HideBlocks", "bits", Fault::kSkip},
                      {"hides no page", Step::kStore, "HidePage", "shown", Fault::kSkip},
                      {"shows another page", Step::kStore, "ShowPage", "shown", Fault::kChange,
                       [](std::uint64_t v) { return v ^ 3; }},
                      {"looks without saying so", Step::kStore, "LookAt", "seat", Fault::kSkip},
                      {"says it late", Step::kStore, "LookAt", "seat", Fault::kLate},
                      {"looks away too early", Step::kStore, "LookAt", "seat", Fault::kChange,
                       [](std::uint64_t v) { return v & ~canvas::sync::kSeatPageMask; }}});
}
