#include "canvas/midi/clip.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "canvas/midi/smf_habits.h"

namespace canvas::midi {
namespace {

constexpr std::size_t kMostBytes = 0xFFFFFFF0;
constexpr std::string_view kMagic = "SMF2CLIP";
constexpr std::uint32_t kStamp = 0x00400000;      // Delta Clockstamp
constexpr std::uint32_t kMostTicks = 0x000FFFFF;  // of a clockstamp
constexpr std::int64_t kMostEditedTicks = std::int64_t{1} << 44;
constexpr std::array<std::uint8_t, 16> kStart = {0xF0, 0x20};
constexpr std::array<std::uint8_t, 16> kEnd = {0xF0, 0x21};

// A blob: version 1, flags (1 each), checksum (8), number of events
//   flag 1  number of changes; each: (events since the last change) x 2 + 1, from where on
//           clockstamps of no ticks are left out, or no longer; or x 2, number of clockstamps,
//           those, for one event alone
//   flag 2  what follows the last event, with its length
constexpr std::uint8_t kClipChanges = 1;
constexpr std::uint8_t kClipTail = 2;

std::uint32_t Word(Bytes bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

void PutWord(std::vector<std::uint8_t>& out, std::uint32_t word) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(word >> shift));
}

// Of MT 0, whatever its reserved bits are.
bool IsUtility(Bytes ump, unsigned status) {
  return ump.size() >= 4 && ump[0] >> 4 == 0 && ump[1] >> 4 == status;
}
// Of MT F: form 0, status of ten bits.
bool IsStream(Bytes ump, unsigned status) {
  return ump.size() >= 4 && ump[0] >> 4 == 15 && (Word(ump) >> 16 & 0xFFFU) == status;
}

}  // namespace

bool IsDeltaClockstamp(Bytes ump) { return IsUtility(ump, 4); }
bool IsTicksPerQuarter(Bytes ump) { return IsUtility(ump, 3); }
bool IsStartOfClip(Bytes ump) { return IsStream(ump, 0x20); }
bool IsEndOfClip(Bytes ump) { return IsStream(ump, 0x21); }

std::string_view ClipOddityName(ClipOddity oddity) {
  switch (oddity) {
    case ClipOddity::kNoTicksPerQuarter:
      return "no ticks of a quarter before the start";
    case ClipOddity::kNoStart:
      return "no Start of Clip";
    case ClipOddity::kNoEnd:
      return "no End of Clip";
    case ClipOddity::kAfterEnd:
      return "bytes after the End of Clip";
    case ClipOddity::kCutShort:
      return "a message that is cut short or missing";
    case ClipOddity::kClockstamp:
      return "a message without one plain clockstamp before it";
  }
  return "something odd";
}

std::string ClipWarning::Message() const {
  return fmt::format("byte {}: {}", offset, ClipOddityName(oddity));
}

class ClipParser {
 public:
  static Result<Clip> Parse(Bytes file, const ClipOptions& options) {
    if (file.size() > kMostBytes)
      return Fail(ErrorCode::kLimit, fmt::format("a MIDI clip of {} bytes", file.size()),
                  "the most is 4 GiB");
    if (file.size() < kMagic.size() || !std::equal(kMagic.begin(), kMagic.end(), file.begin()))
      return Fail(ErrorCode::kInvalidArgument,
                  "not a MIDI Clip File: it does not begin with SMF2CLIP");
    ClipParser parser(options);
    parser.clip_.file_.assign(file.begin(), file.end());
    parser.Read(file);
    if (options.strict && parser.clip_.warning_count_ > 0)
      return Fail(ErrorCode::kCorrupt, parser.first_.Message(),
                  "read it without `strict` to keep that");
    return std::move(parser.clip_);
  }

 private:
  explicit ClipParser(const ClipOptions& options) : options_(options) {}

  void Warn(ClipOddity oddity, std::size_t at) {
    const ClipWarning warning{oddity, at};
    if (clip_.warning_count_++ == 0) first_ = warning;
    if (clip_.warnings_.size() < options_.max_warnings) clip_.warnings_.push_back(warning);
  }

  void Read(Bytes file) {
    std::size_t at = kMagic.size();
    std::size_t first_stamp = at;  // of those before the next message
    std::int64_t tick = 0;
    std::int64_t tick_before = 0;
    bool has_start = false;
    bool has_end = false;
    while (!has_end && file.size() - at >= 4) {
      const Bytes left = file.subspan(at);
      if (IsDeltaClockstamp(left)) {
        tick += Word(left) & kMostTicks;
        at += 4;
        continue;
      }
      const std::size_t size = UmpBytes(left[0]);
      if (size > left.size()) break;
      const Bytes message = left.first(size);
      See(file.subspan(first_stamp, at - first_stamp), first_stamp, tick - tick_before, at);
      if (IsTicksPerQuarter(message) && clip_.ticks_per_quarter_ == 0 && !has_start)
        clip_.ticks_per_quarter_ = static_cast<std::uint16_t>(Word(message) & 0xFFFFU);
      if (IsStartOfClip(message) && !has_start) {
        has_start = true;
        clip_.start_ = clip_.events_.size();
      }
      has_end = IsEndOfClip(message);
      clip_.events_.push_back(
          {tick, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size)});
      tick_before = tick;
      at += size;
      first_stamp = at;
    }
    clip_.tail_ = first_stamp;
    if (!has_start) clip_.start_ = clip_.events_.size();
    if (first_stamp < file.size())
      Warn(has_end ? ClipOddity::kAfterEnd : ClipOddity::kCutShort, first_stamp);
    if (clip_.ticks_per_quarter_ == 0) Warn(ClipOddity::kNoTicksPerQuarter, kMagic.size());
    if (!has_start) Warn(ClipOddity::kNoStart, kMagic.size());
    if (!has_end) Warn(ClipOddity::kNoEnd, file.size());
  }

  // Whether the clockstamps are those that WriteClip would make.
  static bool IsCanonical(Bytes stamps, std::int64_t delta) {
    while (!stamps.empty()) {
      const bool last = stamps.size() == 4;
      const std::int64_t ticks = last ? delta : std::int64_t{kMostTicks};
      if (ticks > kMostTicks || Word(stamps) != (kStamp | static_cast<std::uint32_t>(ticks)))
        return false;
      delta -= ticks;
      stamps = stamps.subspan(4);
      // The last one is needed: the others alone would not do.
      if (!last && delta == 0) return false;
    }
    return delta == 0;
  }

  void See(Bytes stamps, std::size_t stamps_at, std::int64_t delta, std::size_t at) {
    const std::size_t index = clip_.events_.size();
    const bool none = stamps.empty();  // of no ticks, then
    if (none || !IsCanonical(stamps, delta)) Warn(ClipOddity::kClockstamp, none ? at : stamps_at);
    if (none || (delta == 0 && IsCanonical(stamps, 0))) {
      if (none == leaves_out_) return;
      leaves_out_ = none;
      clip_.changes_.push_back({index, true, 0, 0});
    } else if (!IsCanonical(stamps, delta)) {
      clip_.changes_.push_back({index, false, static_cast<std::uint32_t>(stamps_at),
                                static_cast<std::uint32_t>(stamps.size() / 4)});
    }
  }

  ClipOptions options_;
  Clip clip_;
  ClipWarning first_;
  bool leaves_out_ = false;
};

Result<Clip> ParseClip(Bytes file, const ClipOptions& options) {
  return NoThrow([&] { return ClipParser::Parse(file, options); });
}

Result<std::vector<Event>> Clip::Events() const {
  return NoThrow([&]() -> Result<std::vector<Event>> {
    std::vector<Event> all;
    all.reserve(events_.size());
    for (const ClipEvent& event : events_) all.push_back({event.tick, bytes(event)});
    return all;
  });
}

Result<std::vector<std::uint8_t>> Clip::Provenance() const {
  return NoThrow([&]() -> Result<std::vector<std::uint8_t>> {
    EventHash hash;
    for (const ClipEvent& event : events_) hash.Add(event.tick, bytes(event));
    BlobWriter blob;
    blob.Byte(kBlobVersion);
    blob.Byte((changes_.empty() ? 0U : kClipChanges) | (tail_ < file_.size() ? kClipTail : 0U));
    blob.Fixed(hash.value(), 8);
    blob.Number(events_.size());
    if (!changes_.empty()) {
      blob.Number(changes_.size());
      std::uint64_t last = 0;
      for (const Change& change : changes_) {
        blob.Number((change.event - last) << 1 | (change.toggle ? 1U : 0U));
        last = change.event;
        if (!change.toggle)
          blob.Block(Bytes(file_).subspan(change.offset, std::size_t{change.words} * 4));
      }
    }
    if (tail_ < file_.size()) blob.Block(Bytes(file_).subspan(tail_));
    return std::move(blob).Take();
  });
}

namespace {

struct ClipBlob {
  bool matches = false;
  std::uint64_t change_count = 0;
  BlobReader changes{{}};
  Bytes tail;
};

Result<ClipBlob> ReadBlob(Bytes provenance, std::span<const Event> events) {
  ClipBlob blob;
  if (provenance.empty()) return blob;
  const auto bad = [] {
    return Fail(ErrorCode::kInvalidArgument, "the provenance of the clip is damaged",
                "write without it to get a canonical file");
  };
  BlobReader in(provenance);
  if (in.Byte() != kBlobVersion)
    return Fail(ErrorCode::kInvalidArgument, "the provenance of the clip is of another version");
  const std::uint8_t flags = in.Byte();
  const std::uint64_t checksum = in.Fixed(8);
  const std::uint64_t count = in.Number();
  if ((flags & kClipChanges) != 0) {
    blob.change_count = in.Number();
    if (blob.change_count > in.left()) return bad();
    blob.changes = in;
    for (std::uint64_t i = 0; i < blob.change_count; ++i)
      if ((in.Number() & 1U) == 0) (void)in.Block();
  }
  if ((flags & kClipTail) != 0) blob.tail = in.Block();
  if (!in.AtEnd() || flags > 3) return bad();
  if (count == events.size()) {
    EventHash hash;
    for (const Event& event : events) hash.Add(event.tick, event.bytes);
    blob.matches = hash.value() == checksum;
  }
  return blob;
}

Result<void> Check(std::span<const Event> events) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto fail = [&](std::string_view what) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("event {} {}", i, what));
    };
    const Bytes bytes = events[i].bytes;
    if (events[i].tick < (i == 0 ? 0 : events[i - 1].tick))
      return fail("is earlier than the one before");
    if (bytes.empty() || bytes.size() != UmpBytes(bytes[0]))
      return fail("is not one whole message");
    if (IsDeltaClockstamp(bytes)) return fail("is a clockstamp, which events do not have");
  }
  return {};
}

void PutStamps(std::vector<std::uint8_t>& out, std::uint64_t delta) {
  for (; delta > kMostTicks; delta -= kMostTicks) PutWord(out, kStamp | kMostTicks);
  PutWord(out, kStamp | static_cast<std::uint32_t>(delta));
}

void Append(std::vector<std::uint8_t>& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Result<ClipWritten> Write(std::span<const Event> events, Bytes provenance,
                          std::uint16_t ticks_per_quarter) {
  CANVAS_TRY(Check(events));
  CANVAS_ASSIGN(ClipBlob blob, ReadBlob(provenance, events));
  ClipWritten written;
  written.as_read = blob.matches;
  std::vector<std::uint8_t>& out = written.bytes;
  out.assign(kMagic.begin(), kMagic.end());
  std::int64_t tick = 0;
  const auto put = [&](const Event& event) {
    PutStamps(out, static_cast<std::uint64_t>(event.tick - tick));
    tick = event.tick;
    Append(out, event.bytes);
  };

  if (!blob.matches) {
    // Each 2^20 ticks of a long time take a word: a bound for what is asked for by mistake.
    if (!events.empty() && events.back().tick > kMostEditedTicks)
      return Fail(ErrorCode::kLimit, fmt::format("a clip of {} ticks", events.back().tick),
                  "the most is 2^44");
    written.left_out_bytes = blob.tail.size();
    const auto start = std::ranges::find_if(events, IsStartOfClip, &Event::bytes);
    const bool has_ticks = std::any_of(events.begin(), start,
                                       [](const Event& e) { return IsTicksPerQuarter(e.bytes); });
    if (!has_ticks && ticks_per_quarter == 0)
      return Fail(ErrorCode::kInvalidArgument, "a clip without ticks of a quarter");
    const std::array<std::uint8_t, 4> ticks = {0x00, 0x30,
                                               static_cast<std::uint8_t>(ticks_per_quarter >> 8),
                                               static_cast<std::uint8_t>(ticks_per_quarter)};
    if (!has_ticks) put({0, ticks});
    // Where nobody said where the music begins: at once, behind the ticks.
    bool started = start != events.end();
    for (const Event& event : events) {
      if (IsEndOfClip(event.bytes)) continue;
      if (!started && !IsTicksPerQuarter(event.bytes)) {
        put({tick, kStart});
        started = true;
      }
      put(event);
    }
    if (!started) put({tick, kStart});
    put({events.empty() ? 0 : events.back().tick, kEnd});
    return written;
  }

  bool leaves_out = false;
  std::uint64_t left = blob.change_count;
  std::uint64_t next = 0;  // the event of the next change
  std::uint64_t word = 0;
  const auto advance = [&] {
    if (left == 0) return;
    word = blob.changes.Number();
    next += word >> 1;
  };
  advance();
  for (std::size_t i = 0; i < events.size(); ++i) {
    bool done = false;
    while (left > 0 && next == i) {
      if ((word & 1U) != 0) {
        leaves_out = !leaves_out;
      } else {
        Append(out, blob.changes.Block());
        done = true;
      }
      --left;
      advance();
    }
    const auto delta = static_cast<std::uint64_t>(events[i].tick - tick);
    if (!done && (delta != 0 || !leaves_out)) PutStamps(out, delta);
    tick = events[i].tick;
    Append(out, events[i].bytes);
  }
  Append(out, blob.tail);
  return written;
}

}  // namespace

Result<ClipWritten> WriteClip(std::span<const Event> events, Bytes provenance,
                              std::uint16_t ticks_per_quarter) {
  return NoThrow([&] { return Write(events, provenance, ticks_per_quarter); });
}

}  // namespace canvas::midi
