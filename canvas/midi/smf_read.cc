#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "canvas/midi/smf.h"
#include "canvas/midi/smf_habits.h"

namespace canvas::midi {
namespace {

constexpr std::size_t kMostBytes = 0xFFFFFFF0;
// The longest channel message that the fast path takes: two bytes of delta, three of message.
constexpr std::ptrdiff_t kFastBytes = 5;

std::uint32_t Big(const std::uint8_t* at, int bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | at[i];
  return value;
}
std::uint32_t Little(const std::uint8_t* at) {
  return at[0] | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 |
         std::uint32_t{at[3]} << 24;
}

bool Is(const std::uint8_t* at, const char* type) { return std::memcmp(at, type, 4) == 0; }

// A type, and room for a length.
bool LooksLikeChunk(const std::uint8_t* at, const std::uint8_t* end) {
  return end - at >= 8 &&
         std::all_of(at, at + 4, [](std::uint8_t byte) { return byte >= 0x20 && byte < 0x7F; });
}

// A chunk that is whole, or a track of any length, or the end.
bool ChunkFollows(const std::uint8_t* at, const std::uint8_t* end) {
  return at == end ||
         (LooksLikeChunk(at, end) &&
          (Is(at, "MTrk") || Big(at + 4, 4) <= static_cast<std::size_t>(end - at - 8)));
}

struct Quantity {
  std::uint32_t value = 0;
  std::uint32_t bytes = 0;  // 0: it is not whole, or too large
};

Quantity ReadQuantity(const std::uint8_t* at, const std::uint8_t* end) {
  std::uint32_t value = 0;
  if (end - at > kMaxQuantityBytes) end = at + kMaxQuantityBytes;
  for (const std::uint8_t* p = at; p < end; ++p) {
    if (value > kMaxQuantity >> 7) return {};
    value = value << 7 | (*p & 0x7FU);
    if (*p < 0x80) return {value, static_cast<std::uint32_t>(p + 1 - at)};
  }
  return {};
}

// The length that a meta event of a type has, or -1 for any.
int MetaLength(std::uint8_t type) {
  switch (type) {
    case 0x20:  // channel prefix
    case 0x21:  // port
      return 1;
    case kMetaEndOfTrack:
      return 0;
    case kMetaTempo:
      return 3;
    case 0x54:  // SMPTE offset
      return 5;
    case kMetaMeter:
      return 4;
    case kMetaKey:
      return 2;
    default:
      return -1;
  }
}

// Behind the first end-of-track from `p` on, or null where none can be reached.
const std::uint8_t* FindEndOfTrack(const std::uint8_t* p, const std::uint8_t* end) {
  std::uint8_t last = 0;
  while (p < end) {
    const Quantity delta = ReadQuantity(p, end);
    if (delta.bytes == 0) return nullptr;
    p += delta.bytes;
    if (p == end) return nullptr;
    std::uint8_t status = *p;
    if (status >= 0x80)
      ++p;
    else
      status = last;
    if (status == 0) return nullptr;
    std::size_t count = 0;
    if (status < 0xF0) {
      last = status;
      count = ChannelDataBytes(status);
    } else if (status == 0xF0 || status == 0xF7 || status == 0xFF) {
      if (p == end) return nullptr;
      const std::uint8_t type = *p;
      if (status == 0xFF) ++p;
      const Quantity length = ReadQuantity(p, end);
      if (length.bytes == 0) return nullptr;
      p += length.bytes;
      count = length.value;
      if (status == 0xFF && type == kMetaEndOfTrack)
        return count <= static_cast<std::size_t>(end - p) ? p + count : nullptr;
    } else {
      count = SystemDataBytes(status);
    }
    if (count > static_cast<std::size_t>(end - p)) return nullptr;
    p += count;
  }
  return nullptr;
}

}  // namespace

class SmfParser {
 public:
  SmfParser(Bytes file, const SmfOptions& options) : file_(file), options_(options) {}

  Result<Smf> Parse() {
    if (file_.size() > kMostBytes)
      return Fail(ErrorCode::kLimit, fmt::format("a MIDI file of {} bytes", file_.size()),
                  "the most is 4 GiB");
    const std::uint8_t* begin = file_.data();
    const std::uint8_t* end = begin + file_.size();
    if (file_.size() >= 12 && Is(begin, "RIFF") && Is(begin + 8, "RMID"))
      CANVAS_TRY(Unwrap(begin, end));
    if (end - begin < 4 || !Is(begin, "MThd"))
      return Fail(ErrorCode::kInvalidArgument, "not a Standard MIDI File: no MThd at its start");
    smf_.arena_ = std::make_unique_for_overwrite<std::uint8_t[]>(file_.size() + 8);
    arena_ = smf_.arena_.get();
    end_ = end;
    const std::uint8_t* p = ReadHeader(begin + 4);
    for (chunk_ = 1; LooksLikeChunk(p, end); ++chunk_) {
      if (Is(p, "MTrk")) {
        p = ReadTrackChunk(p);
        continue;
      }
      const std::uint32_t size = Big(p + 4, 4);
      if (size > static_cast<std::size_t>(end - p - 8)) {
        Warn(SmfOddity::kChunkLength, p + 4);
        break;
      }
      Warn(Is(p, "MThd") ? SmfOddity::kStrayHeader : SmfOddity::kUnknownChunk, p);
      Smf::Other other{smf_.tracks_.size(), {}, Keep(p + 8, size), size};
      std::copy_n(p, 4, other.type.begin());
      smf_.others_.push_back(other);
      p += 8 + size;
    }
    if (p < end) Warn(SmfOddity::kTrailing, p);
    smf_.trailing_.assign(p, end);
    CheckHeader(begin);
    if (options_.strict && smf_.warning_count_ > 0)
      return Fail(ErrorCode::kCorrupt, first_.Message(), "read it without `strict` to keep that");
    return std::move(smf_);
  }

 private:
  enum class Step { kEvent, kEndOfTrack, kStop };

  // Where in a track reading is. Local to the loop, so that it lives in registers.
  struct Cursor {
    const std::uint8_t* p;
    const std::uint8_t* limit;
    std::uint8_t* arena;
    SmfEvent* event;
    std::int64_t tick = 0;
    std::uint8_t running = 0;  // what the rules allow; 0 for none
    std::uint8_t last = 0;     // the last channel status
    std::uint8_t seen = 0;     // types that had a choice
    Habits habits;
  };

  void Warn(SmfOddity oddity, const std::uint8_t* at) {
    const SmfWarning warning{oddity, chunk_, static_cast<std::uint64_t>(at - file_.data())};
    if (smf_.warning_count_++ == 0) first_ = warning;
    if (smf_.warnings_.size() < options_.max_warnings) smf_.warnings_.push_back(warning);
  }

  std::uint32_t Keep(const std::uint8_t* at, std::size_t size) {
    const auto offset = static_cast<std::uint32_t>(arena_ - smf_.arena_.get());
    if (size > 0) std::memcpy(arena_, at, size);
    arena_ += size;
    return offset;
  }

  // To the data chunk of a RIFF file.
  Result<void> Unwrap(const std::uint8_t*& begin, const std::uint8_t*& end) {
    const std::uint8_t* p = begin + 12;
    while (end - p >= 8) {
      const std::uint32_t size = Little(p + 4);
      const auto left = static_cast<std::size_t>(end - p - 8);
      if (Is(p, "data")) {
        smf_.riff_before_.assign(begin, p + 8);
        smf_.riff_size_ = size;
        begin = p + 8;
        const std::uint8_t* after = begin + std::min<std::size_t>(size, left);
        smf_.riff_after_.assign(after, end);
        end = after;
        return {};
      }
      if (std::size_t{size} + (size & 1U) > left) break;
      p += 8 + size + (size & 1U);
    }
    return Fail(ErrorCode::kInvalidArgument, "not a Standard MIDI File: RIFF without a data chunk");
  }

  // From behind "MThd".
  const std::uint8_t* ReadHeader(const std::uint8_t* p) {
    const auto left = static_cast<std::size_t>(end_ - p);
    std::size_t taken = left;  // all there is, of a file that is cut short
    if (left >= 4) {
      const std::size_t room = left - 4;
      const std::size_t says = Big(p, 4);
      const bool fits = says >= 6 && says <= room && ChunkFollows(p + 4 + says, end_);
      const bool six = room == 6 || (room >= 10 && Is(p + 10, "MTrk"));  // whatever the length says
      std::size_t content = std::min(says, room);
      if (!fits && six) content = 6;
      if (content != 6 || says != 6) Warn(SmfOddity::kHeaderLength, p);
      taken = 4 + content;
    } else {
      Warn(SmfOddity::kHeaderLength, p);
    }
    const auto field = [&](std::size_t at) {
      return static_cast<std::uint16_t>(at + 2 <= taken ? Big(p + at, 2) : 0);
    };
    smf_.header_ = {field(4), {field(8)}};
    declared_tracks_ = field(6);
    smf_.raw_header_.assign(p, p + taken);
    return p + taken;
  }

  void CheckHeader(const std::uint8_t* begin) {
    chunk_ = 0;
    const SmfHeader& header = smf_.header_;
    if (header.format > 2) Warn(SmfOddity::kFormat, begin + 8);
    const int fps = header.division.frames_per_second();
    const bool smpte = fps == 24 || fps == 25 || fps == 29 || fps == 30;
    if (header.division.is_smpte() ? !smpte || header.division.ticks_per_frame() == 0
                                   : header.division.ticks_per_quarter() == 0)
      Warn(SmfOddity::kDivision, begin + 12);
    const std::size_t tracks = smf_.tracks_.size();
    if (tracks != declared_tracks_ || (header.format == 0 && tracks != 1))
      Warn(SmfOddity::kTrackCount, begin + 10);
    // What WriteSmf makes by itself is not kept.
    BlobWriter canonical;
    for (const std::uint32_t value :
         {0U, 6U, std::uint32_t{header.format}, static_cast<std::uint32_t>(tracks),
          std::uint32_t{header.division.word}}) {
      canonical.Byte(value >> 8);
      canonical.Byte(value & 0xFFU);
    }
    smf_.odd_header_ = tracks > 0xFFFF || std::move(canonical).Take() != smf_.raw_header_;
  }

  const std::uint8_t* ReadTrackChunk(const std::uint8_t* chunk) {
    const std::uint8_t* begin = chunk + 8;
    Smf::Track track;
    track.declared = Big(chunk + 4, 4);
    track.first_event = event_count_;
    track.first_change = smf_.changes_.size();
    const bool fits = track.declared <= static_cast<std::size_t>(end_ - begin);
    const std::uint8_t* content_end = fits ? begin + track.declared : end_;
    const auto ends_well = [&](const std::uint8_t* p) {
      return p == end_ || (end_ - p >= 8 && Is(p, "MTrk"));
    };
    // Too long; or too short, perhaps: no chunk follows, but an end-of-track does, and then one.
    if (!fits ||
        (!ChunkFollows(content_end, end_) && FindEndOfTrack(begin, content_end) == nullptr)) {
      const std::uint8_t* end_of_track = FindEndOfTrack(begin, end_);
      if (end_of_track != nullptr && ends_well(end_of_track)) content_end = end_of_track;
    }
    track.length = static_cast<std::uint32_t>(content_end - begin);
    if (track.length != track.declared) Warn(SmfOddity::kChunkLength, chunk + 4);
    const auto [p, step] = ReadEvents(begin, content_end, track);
    if (step == Step::kEndOfTrack) {
      if (p < content_end) Warn(SmfOddity::kAfterEndOfTrack, p);
    } else {
      if (step == Step::kStop) Warn(SmfOddity::kTrackCutShort, p);
      Warn(SmfOddity::kNoEndOfTrack, content_end);
    }
    track.tail_size = static_cast<std::uint32_t>(content_end - p);
    track.tail_offset = Keep(p, track.tail_size);
    track.event_count = event_count_ - track.first_event;
    track.change_count = smf_.changes_.size() - track.first_change;
    smf_.tracks_.push_back(track);
    return content_end;
  }

  std::pair<const std::uint8_t*, Step> ReadEvents(const std::uint8_t* begin,
                                                  const std::uint8_t* limit, Smf::Track& track) {
    first_event_ = event_count_;
    track_ = &track;
    Cursor c{.p = begin, .limit = limit, .arena = arena_, .event = nullptr, .habits = {}};
    Step step = Step::kEvent;
    while (step == Step::kEvent && c.p < limit) {
      Reserve(static_cast<std::size_t>(end_ - c.p));
      c.event = smf_.events_.get() + event_count_;
      const SmfEvent* room = smf_.events_.get() + capacity_;
      while (c.p < limit && c.event < room) {
        FastEvents(c, room);
        if (c.p == limit || c.event == room) break;
        step = OneEvent(c);
        if (step != Step::kEvent) break;
      }
      event_count_ = static_cast<std::size_t>(c.event - smf_.events_.get());
    }
    arena_ = c.arena;
    return {c.p, step};
  }

  // Room for one event at least; for all that are left, if they have three bytes as in most files.
  void Reserve(std::size_t bytes_left) {
    if (event_count_ < capacity_) return;
    const std::size_t capacity = event_count_ + std::max(bytes_left / 3, event_count_ / 2) + 16;
    auto events = std::make_unique_for_overwrite<SmfEvent[]>(capacity);
    if (event_count_ > 0)
      std::memcpy(events.get(), smf_.events_.get(), event_count_ * sizeof(SmfEvent));
    smf_.events_ = std::move(events);
    capacity_ = capacity;
  }

  // Channel messages with deltas of one or two bytes, as most are, up to something else. Without a
  // branch that depends on the message: which is next is not to be guessed.
  void FastEvents(Cursor& c, const SmfEvent* room) {
    const std::uint8_t* p = c.p;
    const std::uint8_t* const limit = c.limit;
    std::uint8_t* arena = c.arena;
    const std::uint8_t* const arena_start = smf_.arena_.get();
    SmfEvent* event = c.event;
    std::int64_t tick = c.tick;
    unsigned running = c.running;
    unsigned seen = c.seen;
    // Where these are not what they mostly are, every event goes the slow way.
    const bool usual = c.habits.delta_bytes == 1 && !(c.habits.across && running == 0);
    while (usual && limit - p >= kFastBytes && event < room) {
      const unsigned first = p[0];
      const unsigned two = first >> 7;
      const unsigned second = p[1];
      const unsigned delta = two != 0 ? (first & 0x7FU) << 7 | second : first;
      if (two != 0 && (second >= 0x80 || first == 0x80)) break;  // longer, or than needed
      const std::uint8_t* at = p + 1 + two;
      const unsigned byte = at[0];
      const bool runs = byte < 0x80;
      const unsigned status = runs ? running : byte;
      at += runs ? 0 : 1;
      if (status - 0x80U >= 0x70U) break;  // another event, or no status at all
      const unsigned one = (status & 0xE0U) == 0xC0U ? 1 : 0;
      const unsigned data0 = at[0];
      const unsigned data1 = at[1];
      if (((data0 | (one != 0 ? 0U : data1)) & 0x80U) != 0) break;
      const unsigned type = status >> 4 & 7U;
      const unsigned choice = status == running ? 1 : 0;
      if (choice != 0 && (((c.habits.running >> type & 1U) != 0) != runs)) {
        Chosen(c, type, seen, static_cast<std::size_t>(event - smf_.events_.get()));
      }
      seen |= choice << type;
      arena[0] = static_cast<std::uint8_t>(status);
      arena[1] = static_cast<std::uint8_t>(data0);
      arena[2] = static_cast<std::uint8_t>(data1);
      tick += delta;
      *event++ = {tick, static_cast<std::uint32_t>(arena - arena_start), 3 - one};
      arena += 3 - one;
      p = at + 2 - one;
      running = status;
    }
    c.p = p;
    c.arena = arena;
    c.event = event;
    c.tick = tick;
    c.seen = static_cast<std::uint8_t>(seen);
    if (running != 0) c.running = c.last = static_cast<std::uint8_t>(running);
  }

  // Running status was not used as predicted. The first choice of a type is how the track starts.
  void Chosen(Cursor& c, unsigned type, unsigned seen, std::size_t event) {
    if ((seen >> type & 1U) == 0)
      track_->running = static_cast<std::uint8_t>(track_->running ^ 1U << type);
    else
      Note(event, static_cast<std::uint8_t>(type), 0);
    c.habits.Apply(static_cast<std::uint8_t>(type), 0);
  }

  void Note(std::size_t event, std::uint8_t what, std::uint32_t value) {
    smf_.changes_.push_back({static_cast<std::uint32_t>(event - first_event_), value, what});
  }

  // Any event, every byte of it checked. What is not whole leaves the cursor before it.
  Step OneEvent(Cursor& c) {
    const auto index = static_cast<std::size_t>(c.event - smf_.events_.get());
    const std::uint8_t* p = c.p;
    const Quantity delta = ReadQuantity(p, c.limit);
    if (delta.bytes == 0) return Step::kStop;
    p += delta.bytes;
    if (p == c.limit) return Step::kStop;
    const std::uint8_t* start = p;
    const bool runs = *p < 0x80;
    const std::uint8_t status = runs ? c.last : *p++;
    if (status == 0) return Step::kStop;
    const bool packet = status == 0xF0 || status == 0xF7 || status == 0xFF;
    std::uint8_t type = 0;
    Quantity length;
    const std::uint8_t* length_at = p;
    std::size_t count = 0;
    if (packet) {
      if (status == 0xFF) {
        if (p == c.limit) return Step::kStop;
        type = *p++;
      }
      length_at = p;
      length = ReadQuantity(p, c.limit);
      if (length.bytes == 0) return Step::kStop;
      p += length.bytes;
      count = length.value;
    } else {
      count = status < 0xF0 ? ChannelDataBytes(status) : SystemDataBytes(status);
    }
    if (count > static_cast<std::size_t>(c.limit - p)) return Step::kStop;

    // It is whole. How was it written?
    Stretched(c, index, delta, kHabitDelta, c.habits.delta_bytes, c.p);
    if (packet) Stretched(c, index, length, kHabitLength, c.habits.length_bytes, length_at);
    if (status < 0xF0) {
      if (c.running == status) {
        if (runs || *p < 0x80) {  // or its status had to be written
          const unsigned bit = RunningType(status);
          if (c.habits.Runs(status) != runs) Chosen(c, bit, c.seen, index);
          c.seen = static_cast<std::uint8_t>(c.seen | 1U << bit);
        }
      } else if (c.running == 0 && c.last == status && (runs || *p < 0x80)) {
        if (runs) Warn(SmfOddity::kRunningStatus, start);
        if (c.habits.across != runs) {
          c.habits.Apply(kHabitAcross, 0);
          Note(index, kHabitAcross, 0);
        }
      }
      c.running = c.last = status;
    } else {
      c.running = 0;
      if (!packet) {
        Warn(SmfOddity::kSystemStatus, start);
        if (!c.habits.raw) {
          c.habits.Apply(kHabitRaw, 0);
          Note(index, kHabitRaw, 0);
        }
      }
    }
    if (!packet && std::any_of(p, p + count, [](std::uint8_t byte) { return byte >= 0x80; }))
      Warn(SmfOddity::kDataByte, p);
    if (status == 0xFF) CheckMeta(type, {p, count}, start);

    c.tick += delta.value;
    std::uint8_t* arena = c.arena;
    *arena++ = status;
    if (status == 0xFF) *arena++ = type;
    if (count > 0) std::memcpy(arena, p, count);
    arena += count;
    *c.event++ = {c.tick, static_cast<std::uint32_t>(c.arena - smf_.arena_.get()),
                  static_cast<std::uint32_t>(arena - c.arena)};
    c.arena = arena;
    c.p = p + count;
    return status == 0xFF && type == kMetaEndOfTrack ? Step::kEndOfTrack : Step::kEvent;
  }

  void Stretched(Cursor& c, std::size_t index, Quantity quantity, std::uint8_t habit,
                 std::uint32_t least, const std::uint8_t* at) {
    const std::uint32_t shortest = QuantityBytes(quantity.value);
    if (quantity.bytes > shortest) Warn(SmfOddity::kQuantity, at);
    if (quantity.bytes == std::max(shortest, least)) return;
    const std::uint32_t value = quantity.bytes > shortest ? quantity.bytes : 1;
    c.habits.Apply(habit, value);
    Note(index, habit, value);
  }

  void CheckMeta(std::uint8_t type, Bytes data, const std::uint8_t* start) {
    if (type >= 0x80) Warn(SmfOddity::kMetaType, start);
    const int length = MetaLength(type);
    if ((length >= 0 && data.size() != static_cast<std::size_t>(length)) ||
        (type == 0x00 && data.size() != 0 && data.size() != 2)) {
      Warn(SmfOddity::kMetaLength, start);
      return;
    }
    if (type == kMetaTempo && Big(data.data(), 3) == 0) Warn(SmfOddity::kTempo, start);
    if (type == kMetaMeter && (data[0] == 0 || data[1] > 15)) Warn(SmfOddity::kMeter, start);
    if (type == kMetaKey) {
      const auto sharps = static_cast<std::int8_t>(data[0]);
      if (sharps < -7 || sharps > 7 || data[1] > 1) Warn(SmfOddity::kKey, start);
    }
  }

  Bytes file_;
  SmfOptions options_;
  Smf smf_;
  const std::uint8_t* end_ = nullptr;  // of the chunks
  std::uint8_t* arena_ = nullptr;
  std::size_t event_count_ = 0;
  std::size_t capacity_ = 0;
  std::size_t first_event_ = 0;  // of the track that is read
  Smf::Track* track_ = nullptr;
  std::uint32_t chunk_ = 0;
  std::size_t declared_tracks_ = 0;
  SmfWarning first_;
};

Result<Smf> ParseSmf(Bytes file, const SmfOptions& options) {
  return NoThrow([&]() -> Result<Smf> { return SmfParser(file, options).Parse(); });
}

Result<std::vector<Event>> Smf::Events(std::size_t track) const {
  return NoThrow([&]() -> Result<std::vector<Event>> {
    std::vector<Event> all;
    all.reserve(events(track).size());
    for (const SmfEvent& event : events(track)) all.push_back({event.tick, bytes(event)});
    return all;
  });
}

Result<std::vector<std::uint8_t>> Smf::TrackProvenance(std::size_t index) const {
  return NoThrow([&]() -> Result<std::vector<std::uint8_t>> {
    const Track& track = tracks_[index];
    EventHash hash;
    for (const SmfEvent& event : events(index)) hash.Add(event.tick, bytes(event));
    const bool lies = track.declared != track.length;
    BlobWriter blob;
    blob.Byte(kBlobVersion);
    blob.Byte((track.running != 0x7F ? kTrackRunning : 0U) |
              (track.change_count > 0 ? kTrackChanges : 0U) | (lies ? kTrackDeclared : 0U) |
              (track.tail_size > 0 ? kTrackTail : 0U));
    blob.Fixed(hash.value(), 8);
    blob.Number(track.event_count);
    if (track.running != 0x7F) blob.Byte(track.running);
    if (track.change_count > 0) {
      blob.Number(track.change_count);
      std::uint64_t last = 0;
      for (std::size_t i = 0; i < track.change_count; ++i) {
        const Change& change = changes_[track.first_change + i];
        blob.Number((change.event - last) << 4 | change.what);
        if (HabitHasValue(change.what)) blob.Number(change.value);
        last = change.event;
      }
    }
    if (lies) blob.Number(track.declared);
    if (track.tail_size > 0) blob.Block({arena_.get() + track.tail_offset, track.tail_size});
    return std::move(blob).Take();
  });
}

Result<std::vector<std::uint8_t>> Smf::FileProvenance() const {
  return NoThrow([&]() -> Result<std::vector<std::uint8_t>> {
    BlobWriter blob;
    blob.Byte(kBlobVersion);
    blob.Byte((odd_header_ ? kFileHeader : 0U) | (others_.empty() ? 0U : kFileOthers) |
              (trailing_.empty() ? 0U : kFileTrailing) | (riff_before_.empty() ? 0U : kFileRiff));
    blob.Fixed(header_.format, 2);
    blob.Fixed(header_.division.word, 2);
    blob.Number(tracks_.size());
    if (odd_header_) blob.Block(raw_header_);
    if (!others_.empty()) {
      blob.Number(others_.size());
      std::size_t last = 0;
      for (const Other& other : others_) {
        blob.Number(other.tracks_before - last);
        blob.Raw(other.type);
        blob.Block({arena_.get() + other.offset, other.size});
        last = other.tracks_before;
      }
    }
    if (!trailing_.empty()) blob.Block(trailing_);
    if (!riff_before_.empty()) {
      blob.Block(riff_before_);
      blob.Fixed(riff_size_, 4);
      blob.Block(riff_after_);
    }
    return std::move(blob).Take();
  });
}

std::string_view SmfOddityName(SmfOddity oddity) {
  switch (oddity) {
    case SmfOddity::kHeaderLength:
      return "a header that is not 6 bytes long";
    case SmfOddity::kFormat:
      return "a format that is neither 0, 1 nor 2";
    case SmfOddity::kDivision:
      return "a division of no ticks, or of a frame rate that there is not";
    case SmfOddity::kTrackCount:
      return "another number of tracks than the header says";
    case SmfOddity::kStrayHeader:
      return "a further header";
    case SmfOddity::kUnknownChunk:
      return "an unknown chunk";
    case SmfOddity::kChunkLength:
      return "a chunk length that is not its content's, or goes beyond the file";
    case SmfOddity::kTrackCutShort:
      return "a track that is cut short, or goes on with what is no event";
    case SmfOddity::kNoEndOfTrack:
      return "a track without an end-of-track";
    case SmfOddity::kAfterEndOfTrack:
      return "bytes after an end-of-track";
    case SmfOddity::kTrailing:
      return "bytes after the last chunk";
    case SmfOddity::kDataByte:
      return "a data byte above 127";
    case SmfOddity::kRunningStatus:
      return "running status across a meta event, a SysEx or a system message";
    case SmfOddity::kSystemStatus:
      return "a system message that a file may not have";
    case SmfOddity::kQuantity:
      return "a variable-length quantity that is longer than it needs to be";
    case SmfOddity::kMetaType:
      return "a meta event of a type above 127";
    case SmfOddity::kMetaLength:
      return "a meta event of another length than its type has";
    case SmfOddity::kTempo:
      return "a tempo of 0";
    case SmfOddity::kMeter:
      return "a meter that is none";
    case SmfOddity::kKey:
      return "a key signature that is none";
  }
  return "something odd";
}

std::string SmfWarning::Message() const {
  return fmt::format("byte {}, chunk {}: {}", offset, chunk, SmfOddityName(oddity));
}

}  // namespace canvas::midi
