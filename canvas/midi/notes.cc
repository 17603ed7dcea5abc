#include "canvas/midi/notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace canvas::midi {
namespace {

// The notes of one channel and pitch that sound, first to last.
struct Queue {
  std::size_t first = kNoEvent;
  std::size_t last = kNoEvent;
};

Result<Notes> Find(std::span<const Event> events, std::int64_t end) {
  Notes found;
  std::vector<Queue> sounding(std::size_t{16} * 128);
  std::vector<std::size_t> next;  // of each note: the one behind it in its queue
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& [tick, bytes] = events[i];
    if (i > 0 && tick < events[i - 1].tick)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("event {} is earlier than the one before", i), "sort by tick");
    if (bytes.empty() || (bytes[0] & 0xE0U) != 0x80U) continue;
    if (bytes.size() != 3 || bytes[1] >= 0x80 || bytes[2] >= 0x80) {
      ++found.not_whole;
      continue;
    }
    const auto channel = static_cast<std::uint8_t>(bytes[0] & 15U);
    const std::uint8_t pitch = bytes[1];
    Queue& queue = sounding[channel * std::size_t{128} + pitch];
    const bool is_on_status = (bytes[0] & 0x10U) != 0;
    if (is_on_status && bytes[2] != 0) {
      const std::size_t note = found.notes.size();
      found.notes.push_back({.on = tick,
                             .off = tick,
                             .on_event = i,
                             .channel = channel,
                             .pitch = pitch,
                             .velocity = bytes[2]});
      next.push_back(kNoEvent);
      if (queue.first == kNoEvent) {
        queue.first = note;
      } else {
        next[queue.last] = note;
        ++found.overlapping;
      }
      queue.last = note;
      continue;
    }
    const std::uint8_t release = is_on_status ? kDefaultRelease : bytes[2];
    if (queue.first == kNoEvent) {
      found.stray_offs.push_back({tick, i, channel, pitch, release});
      continue;
    }
    Note& note = found.notes[queue.first];
    note.off = tick;
    note.off_event = i;
    note.release = release;
    note.ended = true;
    queue.first = next[queue.first];
  }
  if (!events.empty()) end = std::max(end, events.back().tick);
  for (Note& note : found.notes) {
    if (note.ended) continue;
    note.off = end;
    ++found.hanging;
  }
  return found;
}

}  // namespace

Result<Notes> NotesOf(std::span<const Event> events, std::int64_t end) {
  return NoThrow([&] { return Find(events, end); });
}

}  // namespace canvas::midi
