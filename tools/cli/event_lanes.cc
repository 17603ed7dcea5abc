#include "tools/cli/event_lanes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "tools/cli/cues.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string Quoted(midi::Bytes bytes) {
  constexpr std::size_t kMost = 200;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return fmt::format("'{}'", Clipped(Printable(TextOf(text, 4 * kMost)), kMost));
}

std::string_view TextMetaName(std::uint8_t type) {
  constexpr std::array<std::string_view, 16> kNames = {
      "",        "text",      "copyright", "track name", "instrument", "lyric",
      "marker",  "cue point", "program",   "device",     "text 0A",    "text 0B",
      "text 0C", "text 0D",   "text 0E",   "text 0F"};
  return type < kNames.size() ? kNames[type] : "";
}

std::string KeyName(std::uint8_t sharps, std::uint8_t minor) {
  // From seven flats to seven sharps.
  constexpr std::array<std::string_view, 15> kMajor = {"Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C",
                                                       "G",  "D",  "A",  "E",  "B",  "F#", "C#"};
  constexpr std::array<std::string_view, 15> kMinor = {"Ab", "Eb", "Bb", "F",  "C",  "G",  "D", "A",
                                                       "E",  "B",  "F#", "C#", "G#", "D#", "A#"};
  const int at = static_cast<std::int8_t>(sharps) + 7;
  if (at < 0 || at > 14 || minor > 1) return fmt::format("key {:02X} {:02X}", sharps, minor);
  const auto index = static_cast<std::size_t>(at);
  return minor != 0 ? fmt::format("key {} minor", kMinor[index])
                    : fmt::format("key {} major", kMajor[index]);
}

std::string MetaWords(midi::Bytes bytes, std::size_t size) {
  if (bytes.size() < 2) return "meta, not whole";
  const std::uint8_t type = bytes[1];
  const midi::Bytes data = bytes.subspan(2);
  if (const std::string_view name = TextMetaName(type); !name.empty())
    return fmt::format("{} {}", name, Quoted(data));
  if (type == midi::kMetaEndOfTrack && data.empty()) return "end of track";
  if (type == midi::kMetaTempo && data.size() == 3) {
    const int us = data[0] << 16 | data[1] << 8 | data[2];
    return us == 0 ? "tempo of 0" : fmt::format("tempo {:.3f} bpm ({} us)", 60e6 / us, us);
  }
  if (type == midi::kMetaMeter && data.size() == 4 && data[1] < 16)
    return fmt::format("meter {}/{}", data[0], 1 << data[1]);
  if (type == midi::kMetaKey && data.size() == 2) return KeyName(data[0], data[1]);
  if (type == midi::kMetaSequencer) return fmt::format("sequencer {}", Count(size - 2, "byte"));
  if (type == 0x20 && data.size() == 1) return fmt::format("channel {}", data[0] + 1);
  if (type == 0x21 && data.size() == 1) return fmt::format("port {}", data[0]);
  return fmt::format("meta {:02X} {}", type, Count(size - 2, "byte"));
}

std::string ChannelWords(midi::Bytes bytes) {
  const int channel = (bytes[0] & 15) + 1;
  if (bytes.size() != 1 + midi::ChannelDataBytes(bytes[0]))
    return fmt::format("ch {} message of {}", channel, Count(bytes.size(), "byte"));
  const std::uint8_t one = bytes[1];
  const std::uint8_t two = bytes.size() > 2 ? bytes[2] : std::uint8_t{0};
  switch (bytes[0] >> 4) {
    case 0x8:
      return fmt::format("ch {} note off {} vel {}", channel, PitchName(one), two);
    case 0x9:
      return fmt::format("ch {} note on {} vel {}", channel, PitchName(one), two);
    case 0xA:
      return fmt::format("ch {} key pressure {}={}", channel, PitchName(one), two);
    case 0xB:
      return fmt::format("ch {} CC {}={}", channel, one, two);
    case 0xC:
      return fmt::format("ch {} program {}", channel, one);
    case 0xD:
      return fmt::format("ch {} pressure {}", channel, one);
    default:
      return fmt::format("ch {} pitch bend {:+}", channel, (two << 7 | one) - 8192);
  }
}

std::string MidiWords(midi::Bytes bytes, std::size_t size) {
  if (bytes.empty()) return "nothing";
  const std::uint8_t status = bytes[0];
  if (midi::IsChannelStatus(status)) return ChannelWords(bytes);
  if (status == 0xFF) return MetaWords(bytes, size);
  if (status == 0xF0) return fmt::format("sysex {}", Count(size, "byte"));
  if (status == 0xF7) return fmt::format("sysex, further or escaped, {}", Count(size, "byte"));
  return fmt::format("system {:02X} {}", status, Count(size, "byte"));
}

template <typename Number>
bool TakeNumber(std::string_view& text, Number& number) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return true;
}

}  // namespace

bool HoldsEvents(const LaneInfo& lane) {
  return lane.kind == LaneKind::kMidi || lane.kind == LaneKind::kRecords;
}

Result<LaneExtent> ExtentOf(const Canvas& canvas, const LaneInfo& lane) {
  if (HoldsEvents(lane)) {
    CANVAS_ASSIGN(const EventReader reader, canvas.Events(lane.id));
    return reader.Extent();
  }
  CANVAS_ASSIGN(const LaneReader reader, canvas.Reader(lane.id));
  return reader.Extent();
}

Result<std::vector<FrameRange>> WrittenOf(const Canvas& canvas, const LaneInfo& lane,
                                          FrameRange range) {
  if (!HoldsEvents(lane)) {
    CANVAS_ASSIGN(const LaneReader reader, canvas.Reader(lane.id));
    return reader.WrittenRanges(range);
  }
  CANVAS_ASSIGN(const EventReader reader, canvas.Events(lane.id));
  CANVAS_ASSIGN(const EventList events, reader.Read(range));
  std::vector<FrameRange> written;
  if (!events.empty()) written.push_back({events[0].frame, events[events.size() - 1].frame + 1});
  return written;
}

FrameRange WholeOf(const Canvas& canvas, const LaneInfo& lane) {
  return {Frame(0),
          FirstFrameOfPage(canvas.capacity_pages(), lane.rate, canvas.Info().page_seconds)};
}

std::string PitchName(std::uint8_t pitch) {
  constexpr std::array<std::string_view, 12> kNames = {"C",  "C#", "D",  "D#", "E",  "F",
                                                       "F#", "G",  "G#", "A",  "A#", "B"};
  return fmt::format("{}{}", kNames[pitch % 12U], pitch / 12 - 1);
}

std::string EventWords(const Event& event, std::size_t size) {
  switch (event.kind) {
    case EventKind::kMidi:
      return MidiWords(MidiBytes(event.bytes), size);
    case EventKind::kUmp: {
      std::string words = "ump";
      const midi::Bytes bytes = MidiBytes(event.bytes);
      for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4)
        words += fmt::format(" {:02x}{:02x}{:02x}{:02x}", bytes[i + 3], bytes[i + 2], bytes[i + 1],
                             bytes[i]);
      return words;
    }
    case EventKind::kApplication:
      return fmt::format("application {} {}", event.tag, Count(size, "byte"));
  }
  return "of a kind that is not known here";
}

std::string_view EventKindName(EventKind kind) {
  switch (kind) {
    case EventKind::kMidi:
      return "midi";
    case EventKind::kUmp:
      return "ump";
    case EventKind::kApplication:
      return "application";
  }
  return "unknown";
}

std::string HexOf(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes)
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned>(byte));
  return text;
}

bool IsForPrograms(const SourceTag& tag) { return tag.name.starts_with("midi."); }

std::string ToText(const MidiSource& source) {
  return fmt::format("{} {} {} {} {}", source.file, source.track, source.tracks,
                     source.header.format, source.header.division.word);
}

std::string_view TagOf(const LaneInfo& lane, std::string_view name) {
  const auto tag = std::ranges::find(lane.tags, name, &SourceTag::name);
  return tag == lane.tags.end() ? std::string_view() : std::string_view(tag->value);
}

std::optional<MidiSource> MidiSourceOf(const LaneInfo& lane) {
  std::string_view text = TagOf(lane, kMidiSourceTag);
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  MidiSource source;
  source.file = text.substr(0, space);
  text.remove_prefix(space + 1);
  if (!TakeNumber(text, source.track) || !TakeNumber(text, source.tracks) ||
      !TakeNumber(text, source.header.format) || !TakeNumber(text, source.header.division.word) ||
      !text.empty() || source.track >= source.tracks)
    return std::nullopt;
  return source;
}

Frame TickZeroOf(const LaneInfo& lane) {
  std::string_view text = TagOf(lane, kMidiAtTag);
  std::int64_t frame = 0;
  return TakeNumber(text, frame) && text.empty() ? Frame(frame) : Frame(0);
}

std::vector<SourceTag> MovedTags(const LaneInfo& lane, std::int64_t shift) {
  std::vector<SourceTag> tags = lane.tags;
  if (shift == 0 || (lane.tempo_map_id == 0 && TagOf(lane, kMidiSourceTag).empty())) return tags;
  const Frame at = TickZeroOf(lane) + shift;
  std::erase_if(tags, [](const SourceTag& tag) { return tag.name == kMidiAtTag; });
  if (at != Frame(0) && tags.size() < kMaxSourceTags)
    tags.push_back({std::string(kMidiAtTag), std::to_string(at.value())});
  return tags;
}

std::string ToBase64(midi::Bytes bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(bytes.size() - i, 3);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < count ? bytes[i + k] : std::uint8_t{0});
    for (std::size_t k = 0; k < 4; ++k)
      text += k <= count ? kBase64[word >> (18 - 6 * k) & 63U] : '=';
  }
  return text;
}

std::optional<std::vector<std::uint8_t>> FromBase64(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  if (text.size() % 4 != 0) return std::nullopt;
  while (text.ends_with('=')) text.remove_suffix(1);
  std::uint32_t word = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const auto value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    word = word << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(word >> bits));
  }
  return bytes;
}

}  // namespace canvas::cli
