// Events: things at positions of a lane's time, with bytes of their own.
//
// Thread safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "canvas/base/units.h"

namespace canvas {

enum class EventKind : std::uint32_t {
  // One MIDI 1.0 event, as a MIDI file has it, but for its length: a channel message from its
  // status byte on; F0 or F7 and what follows; FF, the type of a meta event, and its data.
  kMidi = 1,
  kUmp = 2,          // one Universal MIDI Packet: 1 to 4 words of 4 bytes, little-endian
  kApplication = 3,  // whatever a program keeps there; Event::tag says of what type
};

// An event that does not say where it is in the music.
inline constexpr std::int64_t kNoTick = std::numeric_limits<std::int64_t>::min();

struct Event {
  Frame frame;                  // of the lane
  std::int64_t tick = kNoTick;  // in the music, in the unit that the lane's source had
  EventKind kind = EventKind::kMidi;
  std::uint32_t tag = 0;                  // the type of an application's event
  std::span<const std::byte> bytes = {};  // of whoever made this; not the event's own
};

// Events that own their bytes, in a row. The events that it gives out live until it is changed.
class EventList {
 public:
  void Add(const Event& event) {
    records_.push_back(
        {event.frame, event.tick, event.kind, event.tag, bytes_.size(), event.bytes.size()});
    bytes_.insert(bytes_.end(), event.bytes.begin(), event.bytes.end());
  }
  std::size_t size() const { return records_.size(); }
  bool empty() const { return records_.empty(); }
  Event operator[](std::size_t index) const {
    const Record& record = records_[index];
    return {record.frame, record.tick, record.kind, record.tag,
            std::span(bytes_).subspan(record.first, record.count)};
  }
  // All of them, for calls that take several.
  std::vector<Event> All() const {
    std::vector<Event> events;
    events.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) events.push_back((*this)[i]);
    return events;
  }

 private:
  struct Record {
    Frame frame;
    std::int64_t tick;
    EventKind kind;
    std::uint32_t tag;
    std::size_t first;
    std::size_t count;
  };
  std::vector<Record> records_;
  std::vector<std::byte> bytes_;
};

}  // namespace canvas
