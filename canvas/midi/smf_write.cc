#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "canvas/midi/smf.h"
#include "canvas/midi/smf_habits.h"

namespace canvas::midi {
namespace {

// Bytes that grow, written through a pointer: a vector's push_back looks at its end each time.
class Out {
 public:
  // Room for `more` bytes, which At() points to, and Advance() takes.
  void Reserve(std::size_t more) {
    if (bytes_.size() - size_ < more) bytes_.resize(std::max(bytes_.size() * 2, size_ + more));
  }
  std::uint8_t* At() { return bytes_.data() + size_; }
  void AdvanceTo(const std::uint8_t* end) { size_ = static_cast<std::size_t>(end - bytes_.data()); }

  std::size_t size() const { return size_; }
  std::uint8_t& operator[](std::size_t at) { return bytes_[at]; }
  void Byte(std::uint8_t byte) {
    Reserve(1);
    bytes_[size_++] = byte;
  }
  void Append(Bytes bytes) {
    Reserve(bytes.size());
    std::copy(bytes.begin(), bytes.end(), At());
    size_ += bytes.size();
  }
  void Big(std::uint32_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) Byte(static_cast<std::uint8_t>(value >> 8 * i));
  }
  std::vector<std::uint8_t> Take() && {
    bytes_.resize(size_);
    return std::move(bytes_);
  }

 private:
  std::vector<std::uint8_t> bytes_;  // size_ of them are written
  std::size_t size_ = 0;
};

// The most that PutQuantity writes.
std::size_t MostBytes(std::uint32_t least) { return std::max(least, 4U); }

std::uint8_t* PutQuantity(std::uint8_t* at, std::uint32_t value, std::uint32_t least) {
  if (value < 0x80 && least <= 1) {
    *at = static_cast<std::uint8_t>(value);
    return at + 1;
  }
  const std::uint32_t shortest = QuantityBytes(value);
  for (; least > shortest; --least) *at++ = 0x80;
  for (std::uint32_t i = shortest - 1; i > 0; --i)
    *at++ = static_cast<std::uint8_t>((value >> 7 * i & 0x7FU) | 0x80U);
  *at++ = static_cast<std::uint8_t>(value & 0x7FU);
  return at;
}

std::uint8_t* Copy(std::uint8_t* at, Bytes bytes) {
  return std::copy(bytes.begin(), bytes.end(), at);
}

std::unexpected<Error> BadBlob(std::string_view whose) {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("the provenance of {} is damaged", whose),
              "write without it to get a canonical file");
}

struct TrackBlob {
  bool present = false;
  bool matches = false;     // the events are those it was made of
  bool same_count = false;  // or as many
  Habits habits;
  std::uint64_t change_count = 0;
  BlobReader changes{{}};
  bool lies = false;
  std::uint32_t declared = 0;
  Bytes tail;
};

Result<TrackBlob> ReadTrackBlob(const SmfTrackToWrite& track, std::size_t index) {
  TrackBlob blob;
  if (track.provenance.empty()) return blob;
  const auto bad = [&] { return BadBlob(fmt::format("track {}", index)); };
  BlobReader in(track.provenance);
  if (in.Byte() != kBlobVersion)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the provenance of track {} is of another version", index));
  const std::uint8_t flags = in.Byte();
  const std::uint64_t checksum = in.Fixed(8);
  const std::uint64_t count = in.Number();
  if ((flags & kTrackRunning) != 0) blob.habits.running = in.Byte();
  if ((flags & kTrackChanges) != 0) {
    blob.change_count = in.Number();
    if (blob.change_count > in.left()) return bad();
    blob.changes = in;
    for (std::uint64_t i = 0; i < blob.change_count; ++i) {
      const auto what = static_cast<std::uint8_t>(in.Number() & 15U);
      if (what >= kHabits) return bad();
      if (HabitHasValue(what) && in.Number() > kMaxQuantityBytes) return bad();
    }
  }
  if ((flags & kTrackDeclared) != 0) {
    blob.lies = true;
    blob.declared = static_cast<std::uint32_t>(in.Number());
  }
  if ((flags & kTrackTail) != 0) blob.tail = in.Block();
  if (!in.AtEnd() || flags > 15) return bad();
  blob.present = true;
  blob.same_count = count == track.events.size();
  if (blob.same_count) {
    EventHash hash;
    for (const Event& event : track.events) hash.Add(event.tick, event.bytes);
    blob.matches = hash.value() == checksum;
  }
  return blob;
}

struct FileBlob {
  struct Other {
    std::uint64_t tracks_before = 0;
    Bytes type;
    Bytes content;
  };
  SmfHeader header;
  std::uint64_t tracks = 0;
  bool has_header = false;
  Bytes raw_header;
  std::vector<Other> others;
  Bytes trailing;
  bool riff = false;
  Bytes riff_before;
  std::uint32_t riff_size = 0;
  Bytes riff_after;
};

Result<FileBlob> ReadFileBlob(Bytes bytes) {
  const auto bad = [] { return BadBlob("the file"); };
  FileBlob blob;
  BlobReader in(bytes);
  if (in.Byte() != kBlobVersion)
    return Fail(ErrorCode::kInvalidArgument, "the provenance of the file is of another version");
  const std::uint8_t flags = in.Byte();
  blob.header.format = static_cast<std::uint16_t>(in.Fixed(2));
  blob.header.division.word = static_cast<std::uint16_t>(in.Fixed(2));
  blob.tracks = in.Number();
  if ((flags & kFileHeader) != 0) {
    blob.has_header = true;
    blob.raw_header = in.Block();
  }
  if ((flags & kFileOthers) != 0) {
    const std::uint64_t count = in.Number();
    if (count > in.left()) return bad();
    std::uint64_t before = 0;
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
      before += in.Number();
      const Bytes type = in.Raw(4);
      blob.others.push_back({before, type, in.Block()});
    }
  }
  if ((flags & kFileTrailing) != 0) blob.trailing = in.Block();
  if ((flags & kFileRiff) != 0) {
    blob.riff = true;
    blob.riff_before = in.Block();
    blob.riff_size = static_cast<std::uint32_t>(in.Fixed(4));
    blob.riff_after = in.Block();
    if (in.ok() && blob.riff_before.size() < 20) return bad();
  }
  if (!in.AtEnd() || flags > 15) return bad();
  return blob;
}

// One track's events. `exact`: as they were read; else as a valid file may have them.
class TrackWriter {
 public:
  TrackWriter(Out& out, const TrackBlob& blob, std::size_t track, bool exact)
      : out_(out), blob_(blob), habits_(blob.habits), track_(track), exact_(exact) {
    // Where events came or went it is not known which are the old ones.
    if (blob.same_count) changes_left_ = blob.change_count;
    NextChange();
  }

  Result<void> Write(std::span<const Event> events) {
    for (index_ = 0; index_ < events.size(); ++index_) {
      const Event& event = events[index_];
      CANVAS_TRY(Check(event));
      while (has_change_ && change_event_ == index_) {
        habits_.Apply(change_what_, change_value_);
        NextChange();
      }
      if (!exact_ && IsEndOfTrack(event.bytes)) continue;
      Put(event.tick, event.bytes);
    }
    if (exact_) return {};
    static constexpr std::array<std::uint8_t, 2> kEnd = {0xFF, kMetaEndOfTrack};
    Put(events.empty() ? 0 : events.back().tick, kEnd);
    return {};
  }

 private:
  Result<void> Check(const Event& event) {
    const auto fail = [&](std::string_view what, std::string_view hint) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("event {} of track {} {}", index_, track_, what), std::string(hint));
    };
    if (event.tick < checked_tick_) return fail("is earlier than the one before", "sort by tick");
    // Those before it that are left out make a gap longer, but end-of-track alone is.
    if (static_cast<std::uint64_t>(event.tick) - static_cast<std::uint64_t>(tick_) > kMaxQuantity)
      return fail("is 2^28 ticks or more after the one before",
                  "an empty text event between the two bridges that");
    checked_tick_ = event.tick;
    const Bytes bytes = event.bytes;
    if (bytes.empty() || bytes[0] < 0x80)
      return fail("has no status", "the first byte is 80 to FF");
    const std::uint8_t status = bytes[0];
    if (IsChannelStatus(status)) {
      if (bytes.size() != 1 + ChannelDataBytes(status)) return fail("is not whole", "");
    } else if (status == 0xF0 || status == 0xF7 || status == 0xFF) {
      const std::size_t head = status == 0xFF ? 2 : 1;
      if (bytes.size() < head) return fail("is not whole", "");
      if (bytes.size() - head > kMaxQuantity)
        return Fail(ErrorCode::kLimit,
                    fmt::format("event {} of track {} is too long", index_, track_),
                    "the most is 2^28 - 1 bytes; a SysEx may be cut into packets");
    } else if (bytes.size() != 1 + SystemDataBytes(status)) {
      return fail("is not whole", "");
    }
    return {};
  }

  void Put(std::int64_t tick, Bytes bytes) {
    const std::uint32_t delta_bytes = Least(habits_.delta_bytes);
    const std::uint32_t length_bytes = Least(habits_.length_bytes);
    // A status to escape besides.
    out_.Reserve(bytes.size() + MostBytes(delta_bytes) + MostBytes(length_bytes) + 1);
    std::uint8_t* at =
        PutQuantity(out_.At(), static_cast<std::uint32_t>(tick - tick_), delta_bytes);
    tick_ = tick;
    const std::uint8_t status = bytes[0];
    if (IsChannelStatus(status)) {
      bool omit = false;
      if (bytes[1] < 0x80) {
        if (running_ == status)
          omit = habits_.Runs(status);
        else if (running_ == 0 && last_ == status)
          omit = exact_ && habits_.across;
      }
      if (!omit) *at++ = status;
      *at++ = bytes[1];
      if (bytes.size() > 2) *at++ = bytes[2];
      running_ = last_ = status;
      out_.AdvanceTo(at);
      return;
    }
    running_ = 0;
    if (status == 0xF0 || status == 0xF7 || status == 0xFF) {
      const std::size_t head = status == 0xFF ? 2 : 1;
      at = Copy(at, bytes.first(head));
      at = PutQuantity(at, static_cast<std::uint32_t>(bytes.size() - head), length_bytes);
      at = Copy(at, bytes.subspan(head));
    } else {
      if (!exact_ || !habits_.raw) {
        *at++ = 0xF7;
        at = PutQuantity(at, static_cast<std::uint32_t>(bytes.size()), length_bytes);
      }
      at = Copy(at, bytes);
    }
    out_.AdvanceTo(at);
  }

  // Four is the most that the rules allow.
  std::uint32_t Least(std::uint32_t bytes) const { return exact_ ? bytes : std::min(bytes, 4U); }

  void NextChange() {
    has_change_ = changes_left_ > 0;
    if (!has_change_) return;
    --changes_left_;
    const std::uint64_t word = blob_.changes.Number();
    change_event_ += word >> 4;
    change_what_ = static_cast<std::uint8_t>(word & 15U);
    change_value_ =
        HabitHasValue(change_what_) ? static_cast<std::uint32_t>(blob_.changes.Number()) : 0;
  }

  Out& out_;
  TrackBlob blob_;
  Habits habits_;
  std::size_t track_;
  bool exact_;
  std::size_t index_ = 0;
  std::int64_t tick_ = 0;
  std::int64_t checked_tick_ = 0;
  std::uint8_t running_ = 0;
  std::uint8_t last_ = 0;
  std::uint64_t changes_left_ = 0;
  bool has_change_ = false;
  std::uint64_t change_event_ = 0;
  std::uint8_t change_what_ = 0;
  std::uint32_t change_value_ = 0;
};

void PatchLittle(Out& out, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) out[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

Result<SmfWritten> Write(const SmfHeader& header, std::span<const SmfTrackToWrite> tracks,
                         Bytes file_provenance) {
  SmfWritten written;
  std::vector<TrackBlob> blobs;
  blobs.reserve(tracks.size());
  std::size_t room = 64 + file_provenance.size();
  for (const SmfTrackToWrite& track : tracks) {
    CANVAS_ASSIGN(TrackBlob blob, ReadTrackBlob(track, blobs.size()));
    if (!blob.matches) ++written.edited_tracks;
    blobs.push_back(blob);
    room += 16 + track.provenance.size();
    for (const Event& event : track.events) room += event.bytes.size() + 2;
  }
  FileBlob file;
  file.header = header;
  if (!file_provenance.empty()) {
    CANVAS_ASSIGN(file, ReadFileBlob(file_provenance));
    written.as_read =
        written.edited_tracks == 0 && file.tracks == tracks.size() && file.header == header;
  }
  const bool exact = written.as_read;
  if (!exact && tracks.size() > 0xFFFF)
    return Fail(ErrorCode::kLimit, fmt::format("{} tracks", tracks.size()), "the most is 65,535");

  Out out;
  out.Reserve(room);
  out.Append(file.riff_before);
  const std::size_t start = out.size();
  out.Append(kHeaderType);
  if (exact && file.has_header) {
    out.Append(file.raw_header);
  } else {
    const Bytes more = file.raw_header.size() > 10 ? file.raw_header.subspan(10) : Bytes();
    out.Big(static_cast<std::uint32_t>(6 + more.size()), 4);
    out.Big(header.format, 2);
    out.Big(static_cast<std::uint32_t>(tracks.size()), 2);
    out.Big(header.division.word, 2);
    out.Append(more);
  }
  auto other = file.others.begin();
  const auto put_others = [&](std::uint64_t until) {
    for (; other != file.others.end() && other->tracks_before <= until; ++other) {
      if (!exact && std::ranges::equal(other->type, kHeaderType)) {
        written.left_out_bytes += 8 + other->content.size();
        continue;
      }
      out.Append(other->type);
      out.Big(static_cast<std::uint32_t>(other->content.size()), 4);
      out.Append(other->content);
    }
  };
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    put_others(i);
    out.Append(kTrackType);
    const std::size_t length_at = out.size();
    out.Big(0, 4);
    CANVAS_TRY(TrackWriter(out, blobs[i], i, exact).Write(tracks[i].events));
    if (exact)
      out.Append(blobs[i].tail);
    else
      written.left_out_bytes += blobs[i].tail.size();
    const std::uint64_t length = out.size() - length_at - 4;
    if (length > std::numeric_limits<std::uint32_t>::max())
      return Fail(ErrorCode::kLimit, fmt::format("track {} is {} bytes long", i, length),
                  "the most is 4 GiB");
    const std::uint32_t says =
        exact && blobs[i].lies ? blobs[i].declared : static_cast<std::uint32_t>(length);
    for (std::size_t k = 0; k < 4; ++k)
      out[length_at + k] = static_cast<std::uint8_t>(says >> 8 * (3 - k));
  }
  put_others(std::numeric_limits<std::uint64_t>::max());
  if (exact)
    out.Append(file.trailing);
  else
    written.left_out_bytes += file.trailing.size();

  if (!file.riff || exact) {
    out.Append(file.riff_after);
    written.bytes = std::move(out).Take();
    return written;
  }
  // The data has another length; an odd one is followed by a byte that pads it.
  const std::uint64_t length = out.size() - start;
  Bytes after = file.riff_after;
  if ((file.riff_size & 1U) != 0 && !after.empty()) after = after.subspan(1);
  if ((length & 1U) != 0) out.Byte(0);
  out.Append(after);
  if (out.size() > std::numeric_limits<std::uint32_t>::max())
    return Fail(ErrorCode::kLimit, fmt::format("a RIFF file of {} bytes", out.size()),
                "the most is 4 GiB");
  PatchLittle(out, 4, static_cast<std::uint32_t>(out.size() - 8));
  PatchLittle(out, start - 4, static_cast<std::uint32_t>(length));
  written.bytes = std::move(out).Take();
  return written;
}

}  // namespace

Result<SmfWritten> WriteSmf(const SmfHeader& header, std::span<const SmfTrackToWrite> tracks,
                            Bytes file_provenance) {
  return NoThrow([&] { return Write(header, tracks, file_provenance); });
}

Result<SmfHeader> HeaderOfProvenance(Bytes file_provenance) {
  return NoThrow([&]() -> Result<SmfHeader> {
    CANVAS_ASSIGN(const FileBlob blob, ReadFileBlob(file_provenance));
    return blob.header;
  });
}

Result<std::vector<std::uint8_t>> WriteSmf(const Smf& smf) {
  return NoThrow([&]() -> Result<std::vector<std::uint8_t>> {
    std::vector<std::vector<Event>> events;
    std::vector<std::vector<std::uint8_t>> blobs;
    std::vector<SmfTrackToWrite> tracks;
    tracks.reserve(smf.track_count());
    for (std::size_t i = 0; i < smf.track_count(); ++i) {
      CANVAS_ASSIGN(events.emplace_back(), smf.Events(i));
      CANVAS_ASSIGN(blobs.emplace_back(), smf.TrackProvenance(i));
    }
    for (std::size_t i = 0; i < smf.track_count(); ++i) tracks.push_back({events[i], blobs[i]});
    CANVAS_ASSIGN(const std::vector<std::uint8_t> file, smf.FileProvenance());
    CANVAS_ASSIGN(SmfWritten written, Write(smf.header(), tracks, file));
    return std::move(written.bytes);
  });
}

}  // namespace canvas::midi
