// Events: a part's list of fixed-size events in two halves. One word says which half counts, how
// many events it holds, and of which edit (generation) they are.
//
//   owner, in order                            owner, an edit
//   1 event -> behind the last                 1 the whole new list -> the other half
//   2 word: count + n                          2 word: other half, next generation, its count
//
//   cursor, a batch
//   a word; its generation is not the cursor's: raced
//   b copies events out, and other bytes of the half that they name
//   c word again: another generation is raced; life again: another one is gone; otherwise done
//
// What does not fit an event stands elsewhere in its half: it is there before the event is, and
// belongs to the list as the event does.
//
// A death before step 2 leaves events that nobody looks at; the next owner writes over them. The
// half that an edit goes to was left by the edit before: a reader that is still there finds the
// generation changed. Whatever step 1 stores into is reserved on disk first.
//
// The word outlives the part: with each life the list begins empty, under the next generation
// (part_life.h). So a cursor carries the life it was made in, and is told when that is over: what
// it copied meanwhile may be a hole, or the next lane's.
//
// Invariants
//   I1  The generation only grows. Within one, the count only grows and no event changes.
//   I2  The half that counts is written only beyond its count.
//
// Concurrency: one owner, any number of cursors, in any processes.
// Realtime: cursors are wait-free (one copy a batch); no syscalls.
#pragma once

#include <atomic>
#include <cstdint>

#include "canvas/format/slot_words.h"

namespace canvas::sync {

template <typename Sync>
struct EventWords {
  using Word = typename Sync::template Atomic<std::uint64_t>;
  using Bytes = typename Sync::SharedBytes;
  Word* word = nullptr;  // format::EventState
  Word* life = nullptr;  // format::Life, of the part
  Bytes events{};        // half h at events + h x capacity x event_bytes
  std::uint32_t event_bytes = 0;
  std::uint32_t capacity = 0;  // events a half holds
};

template <typename Sync>
typename Sync::SharedBytes EventPlace(const EventWords<Sync>& part, std::uint32_t half,
                                      std::uint64_t index) noexcept {
  return part.events + (half * std::uint64_t{part.capacity} + index) * part.event_bytes;
}

// Events a half holds, of those the word can count.
template <typename Sync>
std::uint32_t EventCapacity(const EventWords<Sync>& part) noexcept {
  return part.capacity < format::EventState::kMaxCount ? part.capacity
                                                       : format::EventState::kMaxCount;
}

// Owner, before the part becomes ready: the empty list of its next life.
template <typename Sync>
void EmptyEvents(typename Sync::template Atomic<std::uint64_t>& word) noexcept {
  // Relaxed: stored by the owner alone.
  const auto last = format::EventState::FromWord(word.load(std::memory_order_relaxed));
  // SYNC(events): a cursor of the last life that meets the empty list finds that life over.
  word.store(format::EventState{last.generation + 1, 0, 0}.ToWord(), std::memory_order_release);
}

// Owner. The word as it is; before the first append or edit of an ownership.
template <typename Sync>
format::EventState ReadEventState(const EventWords<Sync>& part) noexcept {
  // SYNC(events): sees the events it counts. For an owner: the edit of a predecessor, who may be
  // dead, is carried on by what this one publishes.
  return format::EventState::FromWord(part.word->load(std::memory_order_acquire));
}

// Owner. `count` events behind the last. `reserve(half, first, count)` sees to it that the bytes of
// those events are on disk, and says whether they are; it is asked before any is stored. False
// where that fails, or they do not fit: nothing is stored then.
template <typename Sync, typename Reserve>
bool AppendEvents(const EventWords<Sync>& part, const void* events, std::uint32_t count,
                  Reserve reserve) noexcept {
  format::EventState state = ReadEventState(part);
  const std::uint32_t capacity = EventCapacity(part);
  if (state.count > capacity || count > capacity - state.count) return false;
  if (!reserve(state.half, state.count, count)) return false;
  Sync::CopyIn(EventPlace(part, state.half, state.count), events,
               std::uint64_t{count} * part.event_bytes);
  state.count += count;
  // SYNC(events): publishes the new events.
  part.word->store(state.ToWord(), std::memory_order_release);
  return true;
}

// Owner. These events instead of all there are. False as AppendEvents.
template <typename Sync, typename Reserve>
bool ReplaceEvents(const EventWords<Sync>& part, const void* events, std::uint32_t count,
                   Reserve reserve) noexcept {
  if (count > EventCapacity(part)) return false;
  const format::EventState state = ReadEventState(part);
  const format::EventState next{state.generation + 1, state.half ^ 1U, count};
  if (!reserve(next.half, std::uint32_t{0}, count)) return false;
  Sync::CopyIn(EventPlace(part, next.half, 0), events, std::uint64_t{count} * part.event_bytes);
  // SYNC(events): publishes the new list.
  part.word->store(next.ToWord(), std::memory_order_release);
  return true;
}

// Where a reader is: the next event it wants, of which generation, in which life of the part.
struct EventCursor {
  std::uint64_t life = 0;
  std::uint64_t generation = 0;
  std::uint32_t half = 0;  // that the generation stands in
  std::uint32_t index = 0;
};

// Reader, of a part that it found ready in `life`. At its first event.
template <typename Sync>
EventCursor BeginEvents(const EventWords<Sync>& part, std::uint64_t life) noexcept {
  const format::EventState state = ReadEventState(part);
  return {life, state.generation, state.half, 0};
}

enum class EventRead : std::uint8_t {
  kOk,  // `copied` events, none where there are no more yet
  // The list was edited; the cursor stands at the new generation, and its index where it was.
  kRaced,
  kGone,  // the part was given back, or is another lane's: the cursor has come to its end
};

struct EventBatch {
  EventRead outcome = EventRead::kOk;
  std::uint32_t copied = 0;
};

// Reader, after it copied (CopyOut) bytes of its cursor's half: whether they are the list's that
// the cursor is of.
template <typename Sync>
EventRead EventsStand(const EventWords<Sync>& part, EventCursor& cursor) noexcept {
  // Relaxed: the copy's loads are acquires, so this one is not made before them.
  const auto after = format::EventState::FromWord(part.word->load(std::memory_order_relaxed));
  // Relaxed: after the copy, and after the word. A cursor that saw a byte of the hole or of the
  // next lane, or the next life's empty list, sees that the life is over.
  if (part.life->load(std::memory_order_relaxed) != cursor.life) return EventRead::kGone;
  if (after.generation == cursor.generation) return EventRead::kOk;
  cursor.generation = after.generation;
  cursor.half = after.half;
  return EventRead::kRaced;
}

// Reader. Copies at most `most` events from the cursor on, and moves it behind them. After kRaced
// the reader decides where in the new list it goes on, and calls again.
template <typename Sync>
EventBatch ReadEvents(const EventWords<Sync>& part, EventCursor& cursor, void* out,
                      std::uint32_t most) noexcept {
  const format::EventState state = ReadEventState(part);
  std::uint32_t copied = 0;
  // Relaxed, and before the copy: not to look at what was given back, where that is known.
  if (part.life->load(std::memory_order_relaxed) != cursor.life) return {EventRead::kGone, 0};
  if (state.generation == cursor.generation) {
    // A count beyond the half is a lie of the file's; what lies there is not the list's.
    const std::uint32_t capacity = EventCapacity(part);
    const std::uint32_t count = state.count < capacity ? state.count : capacity;
    const std::uint32_t left = cursor.index < count ? count - cursor.index : 0;
    copied = left < most ? left : most;
    if (copied != 0)
      Sync::CopyOut(out, EventPlace(part, state.half, cursor.index),
                    std::uint64_t{copied} * part.event_bytes);
  }
  const EventRead outcome = EventsStand(part, cursor);
  if (outcome != EventRead::kOk) return {outcome, 0};
  cursor.index += copied;
  return {EventRead::kOk, copied};
}

}  // namespace canvas::sync
