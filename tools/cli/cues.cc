#include "tools/cli/cues.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <string_view>

#include "canvas/base/marker.h"
#include "canvas/base/utf8.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kLargestChunk = 16 * 1024 * 1024;

// Numbers of a chunk, as far as there are any: what lies outside is 0.
class Bytes {
 public:
  Bytes(std::string_view bytes, bool big) : bytes_(bytes), big_(big) {}
  std::size_t size() const { return bytes_.size(); }
  std::uint32_t Number(std::size_t at, std::size_t count) const {
    std::uint32_t number = 0;
    if (at > bytes_.size() || count > bytes_.size() - at) return 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t from = big_ ? at + i : at + count - 1 - i;
      number = number << 8 | static_cast<unsigned char>(bytes_[from]);
    }
    return number;
  }
  std::string_view Part(std::size_t at, std::size_t count) const {
    return at > bytes_.size() ? std::string_view() : bytes_.substr(at, count);
  }

 private:
  std::string_view bytes_;
  bool big_;
};

// All chunks of a name.
std::vector<std::string> ChunksNamed(SNDFILE* file, const char* name) {
  std::vector<std::string> chunks;
  SF_CHUNK_INFO wanted{};
  std::memcpy(wanted.id, name, 4);
  wanted.id_size = 4;
  for (SF_CHUNK_ITERATOR* it = sf_get_chunk_iterator(file, &wanted); it != nullptr;
       it = sf_next_chunk_iterator(it)) {
    SF_CHUNK_INFO chunk{};
    if (sf_get_chunk_size(it, &chunk) != SF_ERR_NO_ERROR || chunk.datalen > kLargestChunk) continue;
    std::string bytes(chunk.datalen, '\0');
    chunk.data = bytes.data();
    if (sf_get_chunk_data(it, &chunk) == SF_ERR_NO_ERROR) chunks.push_back(std::move(bytes));
  }
  return chunks;
}

struct Words {
  std::string label;
  std::uint32_t frames = 0;
};

// What LIST adtl says of each cue point.
std::map<std::uint32_t, Words> ReadAdtl(SNDFILE* file) {
  std::map<std::uint32_t, Words> words;
  for (const std::string& chunk : ChunksNamed(file, "LIST")) {
    const Bytes list(chunk, false);
    if (list.Part(0, 4) != "adtl") continue;
    for (std::size_t at = 4; at + 12 <= list.size();) {
      const std::string_view name = list.Part(at, 4);
      const std::size_t size = list.Number(at + 4, 4);
      const std::uint32_t id = list.Number(at + 8, 4);
      if (name == "labl" && size >= 4) {
        Words& of = words[id];
        if (of.label.empty()) of.label = TextOf(list.Part(at + 12, size - 4), kMaxMarkerNameBytes);
      } else if (name == "ltxt" && size >= 20) {
        Words& of = words[id];
        of.frames = list.Number(at + 12, 4);
        // Some say it here alone.
        if (of.label.empty()) of.label = TextOf(list.Part(at + 28, size - 20), kMaxMarkerNameBytes);
      }
      at += 8 + size + size % 2;
    }
  }
  return words;
}

void Put(std::string& to, std::uint64_t number, std::size_t count, bool big) {
  for (std::size_t i = 0; i < count; ++i)
    to += static_cast<char>(number >> 8 * (big ? count - 1 - i : i));
}

void PutChunk(std::string& to, std::string_view name, std::string_view bytes, bool big) {
  to += name;
  Put(to, bytes.size(), 4, big);
  to += bytes;
  if (bytes.size() % 2 != 0) to += '\0';
}

}  // namespace

std::string TextOf(std::string_view bytes, std::size_t most) {
  bytes = bytes.substr(0, bytes.find('\0'));
  std::string text;
  if (IsUtf8(bytes)) {
    text = bytes;
  } else {
    for (const char c : bytes) {
      const auto code = static_cast<unsigned char>(c);
      if (code >= 0x80) text += static_cast<char>(0xC0 | code >> 6);
      text += code < 0x80 ? c : static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  if (text.size() > most) {
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
    text.resize(most);
  }
  return text;
}

std::vector<Cue> ReadCues(SNDFILE* file, int format) {
  std::vector<Cue> cues;
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
    case SF_FORMAT_RF64: {
      const auto chunks = ChunksNamed(file, "cue ");
      if (chunks.empty()) break;
      const auto words = ReadAdtl(file);
      const Bytes chunk(chunks.front(), false);
      constexpr std::size_t kPoint = 24;
      for (std::size_t i = 0; i < chunk.Number(0, 4) && 4 + (i + 1) * kPoint <= chunk.size(); ++i) {
        const std::size_t at = 4 + i * kPoint;
        Cue cue{chunk.Number(at + 20, 4), 0, {}};
        const auto said = words.find(chunk.Number(at, 4));
        if (said != words.end()) {
          cue.label = said->second.label;
          cue.frames = said->second.frames;
        }
        cues.push_back(std::move(cue));
      }
      break;
    }
    case SF_FORMAT_AIFF: {
      const auto chunks = ChunksNamed(file, "MARK");
      if (chunks.empty()) break;
      const Bytes chunk(chunks.front(), true);
      std::size_t at = 2;
      for (std::size_t i = 0; i < chunk.Number(0, 2) && at + 7 <= chunk.size(); ++i) {
        const std::size_t length = chunk.Number(at + 6, 1);
        cues.push_back(
            {chunk.Number(at + 2, 4), 0, TextOf(chunk.Part(at + 7, length), kMaxMarkerNameBytes)});
        at += 7 + length + (length + 1) % 2;
      }
      break;
    }
    default:
      break;
  }
  std::ranges::sort(cues, {}, &Cue::frame);
  if (cues.size() > kMaxMarkers) cues.resize(kMaxMarkers);
  return cues;
}

std::string WavChunks(std::span<const Cue> cues, std::uint64_t& left_out) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  std::string points;
  std::string list = "adtl";
  std::uint32_t count = 0;
  for (const Cue& cue : cues) {
    if (cue.frame > kMost || cue.frames > kMost) {
      ++left_out;
      continue;
    }
    ++count;
    Put(points, count, 4, false);
    Put(points, cue.frame, 4, false);
    points += "data";
    Put(points, 0, 8, false);
    Put(points, cue.frame, 4, false);
    std::string words;
    Put(words, count, 4, false);
    if (!cue.label.empty()) PutChunk(list, "labl", words + cue.label + '\0', false);
    if (cue.frames == 0) continue;
    Put(words, cue.frames, 4, false);
    words += "rgn ";
    Put(words, 0, 8, false);
    PutChunk(list, "ltxt", words, false);
  }
  std::string chunks;
  if (count == 0) return chunks;
  std::string head;
  Put(head, count, 4, false);
  PutChunk(chunks, "cue ", head + points, false);
  if (list.size() > 4) PutChunk(chunks, "LIST", list, false);
  return chunks;
}

std::string AiffChunk(std::span<const Cue> cues, std::uint64_t& left_out) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  constexpr std::uint32_t kMostMarks = 32767;
  constexpr std::size_t kLongest = 255;
  std::string marks;
  std::uint32_t count = 0;
  for (const Cue& cue : cues) {
    if (cue.frame > kMost || count == kMostMarks) {
      ++left_out;
      continue;
    }
    ++count;
    const std::string label = TextOf(cue.label, kLongest);
    Put(marks, count, 2, true);
    Put(marks, cue.frame, 4, true);
    Put(marks, label.size(), 1, true);
    marks += label;
    if (label.size() % 2 == 0) marks += '\0';
  }
  std::string chunk;
  if (count == 0) return chunk;
  std::string head;
  Put(head, count, 2, true);
  PutChunk(chunk, "MARK", head + marks, true);
  return chunk;
}

}  // namespace canvas::cli
