// What a window shows its readers, within one process: one ordinary thread, the feeder, makes
// memory resident and later lets it go; realtime threads read it in between, and never meet memory
// that was let go under them.
//
//   feeder                                    reader
//   1 memory resident                         a says which page it looks at (its seat)
//   2 shows the page, then its blocks         b light fence
//   3 hides blocks, or the page               c is the page shown, and the block? if not: outside
//   4 heavy fence                             d reads
//   5 is a seat looking at that page?         e says that it looks at nothing
//     then not yet: until that seat has
//     changed
//   6 lets the memory go, or shows another
//     page in this place
//
// Either the reader's a comes before the feeder's 5, which then sees it; or 3 comes before c, which
// then finds nothing shown. That is Dekker's argument, and needs a full fence on both sides. Reads
// are many and moves of the window few, so the reader's fence only keeps the compiler from
// reordering, and the feeder's runs a full one on every processor that runs a thread of this
// process (membarrier(2), PRIVATE_EXPEDITED: "pairing barrier() with membarrier()").
//
// A seat's word is never the same again: a turn is counted up whenever a reader looks. So one look
// tells a reader that comes back to the same page all the time from one that never left, and a busy
// reader holds nothing up.
//
// Invariants
//   I1  Memory is let go, and the plain words of a place rewritten, only after every seat that was
//       looking at its page when it was hidden has changed.
//
// Concurrency: one feeder at a time, any number of seats, one reader each.
// Realtime: the reader's side is wait-free: a few words of this process; no syscalls. The feeder's
// fence is a syscall.
#pragma once

#include <atomic>
#include <cstdint>

namespace canvas::sync {

// A place, where pages of a lane are shown by turns, is a word that says which one is (page + 1; 0:
// none), and bits, one a block.

inline constexpr int kSeatPageBits = 21;  // pages are below 2^20
inline constexpr std::uint64_t kSeatPageMask = (std::uint64_t{1} << kSeatPageBits) - 1;

// Reader. Steps a and b. `seat` is this reader's own.
template <typename Sync>
void LookAt(typename Sync::template Atomic<std::uint64_t>& seat, std::uint64_t page) noexcept {
  // Relaxed: stored by this reader alone.
  const std::uint64_t turn = (seat.load(std::memory_order_relaxed) | kSeatPageMask) + 1;
  // SYNC(seat): what was read before, of another page or of a view, is over.
  seat.store(turn + page + 1, std::memory_order_release);
  Sync::LightFence();
}

// Reader. Step e.
template <typename Sync>
void LookAway(typename Sync::template Atomic<std::uint64_t>& seat) noexcept {
  // Relaxed: stored by this reader alone.
  const std::uint64_t turn = seat.load(std::memory_order_relaxed) & ~kSeatPageMask;
  // SYNC(seat): what was read is over.
  seat.store(turn, std::memory_order_release);
}

// Reader, after LookAt. Step c: whether the page is shown, and with it the plain words of its
// place.
template <typename Word>
bool IsShown(const Word& shown, std::uint64_t page) noexcept {
  // SYNC(page): sees the place's plain words.
  return shown.load(std::memory_order_acquire) == page + 1;
}

// Reader, of a page that is shown. Whether the block's bit is set: its bytes are resident, and stay
// so until this reader looks away.
template <typename Word>
bool IsShownBlock(const Word* bits, std::uint64_t block) noexcept {
  // SYNC(block): sees the memory as it was made resident, and the marks as they were.
  return (bits[block / 64].load(std::memory_order_acquire) >> block % 64 & 1) != 0;
}

// Feeder. Step 2; no block is shown yet.
template <typename Word>
void ShowPage(Word& shown, std::uint64_t page) noexcept {
  // SYNC(page): publishes the place's plain words.
  shown.store(page + 1, std::memory_order_release);
}

// Feeder. Step 2, for a word of bits.
template <typename Word>
void ShowBlocks(Word& word, std::uint64_t bits) noexcept {
  // Relaxed: stored by the feeder alone.
  const std::uint64_t old = word.load(std::memory_order_relaxed);
  // SYNC(block): publishes the memory as resident.
  word.store(old | bits, std::memory_order_release);
}

// Feeder. Step 3; the heavy fence comes after all that is hidden at a time.
template <typename Word>
void HideBlocks(Word& word, std::uint64_t bits) noexcept {
  // Relaxed, load and store: the fence puts it before step 5.
  const std::uint64_t old = word.load(std::memory_order_relaxed);
  word.store(old & ~bits, std::memory_order_relaxed);
}
template <typename Word>
void HidePage(Word& shown) noexcept {
  // Relaxed: as above.
  shown.store(0, std::memory_order_relaxed);
}

// Feeder. Step 4. False where the kernel refuses: then nothing may be let go this time.
template <typename Sync>
bool FenceReaders() noexcept {
  return Sync::HeavyFence();
}

// Feeder, after the fence. Step 5: the seat's word, to be compared with later; and whether that
// word looks at `page`.
template <typename Sync>
std::uint64_t ReadSeat(const typename Sync::template Atomic<std::uint64_t>& seat) noexcept {
  // SYNC(seat): what this reader read before it changed its seat is over.
  return seat.load(std::memory_order_acquire);
}
inline bool LooksAt(std::uint64_t seat, std::uint64_t page) noexcept {
  return (seat & kSeatPageMask) == page + 1;
}

}  // namespace canvas::sync
