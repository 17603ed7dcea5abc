// A window's place, model-checked: memory is never let go, nor a place's plain words rewritten,
// while a reader that found them shown is still reading (canvas/sync/window.h). The memory and the
// plain words are race-checked: whoever touches them beside the other fails the model.
#include "canvas/sync/window.h"
#include "model/search.h"  // last

namespace {

using model::RelacySync;

// The memory of page p: resident while it holds kResident + p.
constexpr int kResident = 7;

// Page p is shown in place p modulo their number.
template <int kPlaces = 1>
struct Shared {
  struct Place {
    model::Atomic<std::uint64_t> shown;
    model::Atomic<std::uint64_t> bits;
    rl::var<int> plain;  // which page the place's plain words are of
  };
  model::LockTable lock_table;
  Place places[kPlaces];
  model::Atomic<std::uint64_t> seat;
  rl::var<int> memory[2];

  void Clear() {
    lock_table.Clear();
    for (Place& place : places) {
      place.shown.store(0, std::memory_order::relaxed);
      place.bits.store(0, std::memory_order::relaxed);
      place.shown.Name("shown");
      place.bits.Name("bits");
      place.plain(RL_INFO) = -1;
    }
    seat.store(0, std::memory_order::relaxed);
    seat.Name("seat");
    for (auto& m : memory) m(RL_INFO) = 0;
  }
  Place& PlaceOf(int page) { return places[page % kPlaces]; }

  void Show(int page) {
    Place& place = PlaceOf(page);
    place.plain(RL_INFO) = page;
    canvas::sync::ShowPage(place.shown, static_cast<std::uint64_t>(page));
    memory[page](RL_INFO) = kResident + page;
    canvas::sync::ShowBlocks(place.bits, 2);
  }
  void Hide(int page, bool whole) {
    canvas::sync::HideBlocks(PlaceOf(page).bits, 2);
    if (whole) canvas::sync::HidePage(PlaceOf(page).shown);
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
    Place& place = PlaceOf(page);
    if (!canvas::sync::IsShown(place.shown, number)) return;
    RL_ASSERT(place.plain(RL_INFO) == page);
    if (!canvas::sync::IsShownBlock(&place.bits, 1)) return;
    RL_ASSERT(memory[page](RL_INFO) == kResident + page);
  }
  void Away() { canvas::sync::LookAway<RelacySync>(seat); }
};

// The window leaves page 0 and shows page 1 in its place; a reader of page 0.
struct MoveModel : rl::test_suite<MoveModel, 2>, Shared<> {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(0, true);
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
struct BlocksModel : rl::test_suite<BlocksModel, 2>, Shared<> {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(0, false);
      if (!Alone(0)) return;
      LetGo(0);
      memory[0](RL_INFO) = kResident;
      canvas::sync::ShowBlocks(PlaceOf(0).bits, 2);
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
struct AcrossModel : rl::test_suite<AcrossModel, 2>, Shared<> {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(0, true);
      if (!Alone(0)) return;
      LetGo(0);
      Show(1);
      Hide(1, true);
      if (!Alone(1)) return;
      LetGo(1);
    } else {
      Read(0);
      Read(1);
      Away();
    }
  }
};

// Two pages, each in a place of its own, both shown; one leaves, and comes back, while a reader
// goes to and fro between them and never looks away.
struct TwoPlacesModel : rl::test_suite<TwoPlacesModel, 2>, Shared<2> {
  void before() { Clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Show(1);
      Hide(0, true);
      if (!Alone(0)) return;
      LetGo(0);
      Show(0);
      Hide(1, true);
      if (!Alone(1)) return;
      LetGo(1);
    } else {
      Read(0);
      Read(1);
      Read(0);
      Away();
    }
  }
};

// A reader ends, and the next one gets its seat (WindowCore::Leave and Enter, under a mutex), while
// the feeder may be waiting for what that seat looked at.
constexpr model::LockRange kSeats{300, 1};
struct SeatModel : rl::test_suite<SeatModel, 3>, Shared<> {
  void before() {
    Clear();
    lock_table.Grant(kSeats, 1);
  }
  void thread(unsigned index) {
    if (index == 0) {
      Show(0);
      Hide(0, true);
      if (!Alone(0)) return;
      LetGo(0);
      Show(1);
      Hide(1, true);
      if (!Alone(1)) return;
      LetGo(1);
    } else if (index == 1) {
      Read(0);
      Away();
      lock_table.Unlock(kSeats);
    } else {
      lock_table.Wait(kSeats);
      // Where the one before it was, or behind it.
      Read(static_cast<int>(rl::rand(2)));
      Away();
      lock_table.Unlock(kSeats);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  using model::Fault;
  using model::Step;
  return model::Main(
      argc, argv, {"window.h"},
      {model::Full<MoveModel>("a page leaves, another takes its place"),
       model::Bound<BlocksModel>("blocks leave and come back", 3),
       model::Bound<AcrossModel>("a reader goes across", 3),
       model::Bound<TwoPlacesModel>("two places, a reader to and fro", 3),
       model::Bound<SeatModel>("a seat changes hands", 3),
       model::Random<BlocksModel>("blocks leave and come back"),
       model::Random<AcrossModel>("a reader goes across"),
       model::Random<TwoPlacesModel>("two places, a reader to and fro"),
       model::Random<SeatModel>("a seat changes hands")},
      {{"hides no block", Step::kStore, "HideBlocks", "bits", Fault::kSkip},
       {"hides no page", Step::kStore, "HidePage", "shown", Fault::kSkip},
       {"shows another page", Step::kStore, "ShowPage", "shown", Fault::kChange,
        [](std::uint64_t v) { return v ^ 3; }},
       {"looks without saying so", Step::kStore, "LookAt", "seat", Fault::kSkip},
       {"says it late", Step::kStore, "LookAt", "seat", Fault::kLate},
       {"says the first page wherever it looks", Step::kStore, "LookAt", "seat", Fault::kChange,
        [](std::uint64_t v) { return (v & ~canvas::sync::kSeatPageMask) + 1; }},
       {"looks away too early", Step::kStore, "LookAt", "seat", Fault::kChange,
        [](std::uint64_t v) { return v & ~canvas::sync::kSeatPageMask; }}});
}
