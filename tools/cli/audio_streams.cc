#include "tools/cli/audio_streams.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace canvas::cli {
namespace {

// Fills `bytes`, or makes it as short as what there is.
void ReadAt(int fd, std::int64_t at, std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        pread(fd, bytes.data() + done, bytes.size() - done, at + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
}

std::string BytesAt(int fd, std::int64_t at, std::int64_t count) {
  std::string bytes(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), '\0');
  ReadAt(fd, at, bytes);
  return bytes;
}

std::uint64_t LittleEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::uint64_t BigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::string EightBytes(std::uint64_t value, bool big_endian) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i)
    bytes[big_endian ? 7 - i : i] = static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// The streams that begin at these places, the last of which reaches to the end of the file.
std::vector<Stream> Between(int fd, const std::vector<std::int64_t>& begins, std::int64_t size) {
  std::vector<Stream> streams;
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const std::int64_t end = i + 1 < begins.size() ? begins[i + 1] : size;
    streams.push_back({.fd = fd, .head = {}, .begin = begins[i], .size = end - begins[i], .at = 0});
  }
  return streams;
}

// Where the streams of an Ogg file begin, and whether the last one ends (RFC 3533, 6: pages; a
// chain is streams one after the other, each of which begins with pages that say so).
Streams OggStreams(int fd, std::int64_t size) {
  constexpr std::uint8_t kBegins = 2;
  constexpr std::uint8_t kEnds = 4;
  constexpr std::int64_t kHeader = 27;
  std::vector<std::int64_t> begins;
  bool began = false;
  bool ended = false;
  std::int64_t at = 0;
  while (at + kHeader <= size) {
    std::array<unsigned char, kHeader + 255> page{};
    const ssize_t got = pread(fd, page.data(), page.size(), at);
    if (got < kHeader || std::memcmp(page.data(), "OggS", 4) != 0) break;
    const std::int64_t segments = page[26];
    if (got < kHeader + segments) break;
    std::int64_t bytes = kHeader + segments;
    for (std::int64_t i = 0; i < segments; ++i)
      bytes += page[static_cast<std::size_t>(kHeader + i)];
    if (at + bytes > size) break;
    const std::uint8_t flags = page[5];
    // Streams that are multiplexed begin together.
    if ((flags & kBegins) != 0 && !began) begins.push_back(at);
    began = (flags & kBegins) != 0;
    ended = (flags & kEnds) != 0;
    at += bytes;
  }
  Streams streams;
  streams.ended = ended && at == size;
  if (begins.size() > 1) streams.list = Between(fd, begins, size);
  return streams;
}

// What stands before the frames of a FLAC stream (RFC 9639, 8).
struct FlacHeader {
  std::int64_t frames_begin = 0;
  std::int64_t largest_frame = 0;  // bytes; a bound
  bool says_length = false;
};

constexpr std::string_view kFlac = "fLaC";
constexpr std::int64_t kStreamInfo = 34;

// "fLaC", and the header of the block that comes first, always of one size.
bool IsFlac(std::string_view bytes) {
  return bytes.size() >= 8 && bytes.starts_with(kFlac) && (bytes[4] & 0x7F) == 0 && bytes[5] == 0 &&
         bytes[6] == 0 && bytes[7] == kStreamInfo;
}

std::optional<FlacHeader> FlacHeaderAt(int fd, std::int64_t begin, std::int64_t size) {
  const std::string start = BytesAt(fd, begin, 8 + kStreamInfo);
  if (std::ssize(start) < 8 + kStreamInfo || !IsFlac(start)) return std::nullopt;
  const std::string_view info = std::string_view(start).substr(8);
  FlacHeader header;
  const std::uint64_t packed = BigEndian(info.substr(10, 8));
  const auto channels = static_cast<std::int64_t>((packed >> 41 & 7) + 1);
  const auto bits = static_cast<std::int64_t>((packed >> 36 & 31) + 1);
  const auto block = static_cast<std::int64_t>(BigEndian(info.substr(2, 2)));
  header.says_length = (packed & 0xFFFFFFFFF) != 0;
  header.largest_frame = static_cast<std::int64_t>(BigEndian(info.substr(7, 3)));
  // Verbatim, and what stands around that.
  if (header.largest_frame == 0) header.largest_frame = block * channels * (bits + 1) / 8 + 256;
  for (std::int64_t at = begin + 4;;) {
    const std::string block_header = BytesAt(fd, at, 4);
    if (block_header.size() < 4) break;
    at += 4 + static_cast<std::int64_t>(BigEndian(std::string_view(block_header).substr(1)));
    header.frames_begin = std::min(at, size);
    if ((block_header[0] & 0x80) != 0 || at >= size) break;
  }
  return header;
}

// Polynomial x^16 + x^15 + x^2 + 1. Over a whole frame, with its own at the end, it is 0.
std::uint16_t Crc16(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<std::uint16_t, 256> table{};
    for (unsigned i = 0; i < 256; ++i) {
      unsigned crc = i << 8;
      for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x8005U : 0U);
      table[i] = static_cast<std::uint16_t>(crc);
    }
    return table;
  }();
  unsigned crc = 0;
  for (const char byte : bytes)
    crc = (crc << 8 & 0xFFFF) ^ kTable[(crc >> 8) ^ static_cast<unsigned char>(byte)];
  return static_cast<std::uint16_t>(crc);
}

// Whether a whole frame ends where the stream does. A stream that is cut between two frames, and
// does not say how long it is, looks whole.
bool EndsWithAFrame(int fd, const FlacHeader& header, std::int64_t end) {
  constexpr std::int64_t kId3v1 = 128;
  if (BytesAt(fd, end - kId3v1, 3) == "TAG") end -= kId3v1;
  const std::int64_t from = std::max(header.frames_begin, end - header.largest_frame);
  if (from >= end) return end == header.frames_begin;  // without any
  const std::string tail = BytesAt(fd, from, end - from);
  int left = 256;  // far more than there are by chance, and no work for anyone who makes such files
  for (std::size_t at = tail.size(); at-- > 0 && left > 0;) {
    if (tail.size() - at < 8 || tail[at] != '\xFF') continue;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(tail[at + i]); };
    const bool header_like = (byte(1) & 0xFE) == 0xF8 && byte(2) >> 4 != 0 &&
                             (byte(2) & 15) != 15 && byte(3) >> 4 < 11 && (byte(3) & 1) == 0;
    if (!header_like) continue;
    if (Crc16(std::string_view(tail).substr(at)) == 0) return true;
    --left;
  }
  return false;
}

// Where the next stream begins, from `at` on; `size` where there is none.
std::int64_t NextFlac(int fd, std::int64_t at, std::int64_t size) {
  constexpr std::int64_t kPiece = 64 * 1024;
  constexpr std::int64_t kStart = 8;  // what IsFlac looks at
  std::string piece;
  for (; at + kStart <= size; at += kPiece) {
    piece.resize(static_cast<std::size_t>(std::min(kPiece + kStart - 1, size - at)));
    ReadAt(fd, at, piece);
    for (std::size_t i = 0;;) {
      const void* const found =
          memmem(piece.data() + i, piece.size() - i, kFlac.data(), kFlac.size());
      if (found == nullptr) break;
      i = static_cast<std::size_t>(static_cast<const char*>(found) - piece.data());
      if (IsFlac(std::string_view(piece).substr(i))) return at + static_cast<std::int64_t>(i);
      ++i;
    }
  }
  return size;
}

Streams FlacStreams(int fd, std::int64_t first, std::int64_t size) {
  Streams streams;
  std::vector<std::int64_t> begins;
  for (std::int64_t at = first; at < size;) {
    const auto header = FlacHeaderAt(fd, at, size);
    if (!header) break;
    begins.push_back(at);
    at = NextFlac(fd, header->frames_begin, size);
    if (!header->says_length && !EndsWithAFrame(fd, *header, at)) streams.ended = false;
  }
  if (begins.size() > 1) streams.list = Between(fd, begins, size);
  return streams;
}

// A header that was written before the length was known: where in it lengths stand, and what they
// would be.
struct OpenHeader {
  std::string bytes;  // up to the first sample
  struct Length {
    std::size_t at = 0;
    std::int64_t before = 0;  // bytes that it does not count
    std::int64_t unit = 1;    // bytes
  };
  std::vector<Length> lengths;  // of 64 bits
  bool big_endian = false;
};

// In signed 64 bits: nothing, or more than there can be.
bool IsNoLength(std::uint64_t bytes, std::uint64_t least) {
  return bytes < least || bytes >= std::uint64_t{1} << 62;
}

constexpr std::int64_t kLongestHeader = 1 << 20;

// Sony Wave64: chunks have GUIDs, and sizes that count their headers.
std::optional<OpenHeader> OpenW64(std::string_view bytes) {
  constexpr std::size_t kChunk = 24;
  if (bytes.size() < 40 || !bytes.starts_with("riff")) return std::nullopt;
  for (std::size_t at = 40; at + kChunk <= bytes.size();) {
    const std::uint64_t chunk = LittleEndian(bytes.substr(at + 16, 8));
    if (bytes.substr(at, 4) == "data") {
      if (!IsNoLength(chunk, kChunk + 1) ||
          !IsNoLength(LittleEndian(bytes.substr(16, 8)), at + kChunk))
        return std::nullopt;
      return OpenHeader{std::string(bytes.substr(0, at + kChunk)),
                        {{.at = 16}, {.at = at + 16, .before = static_cast<std::int64_t>(at)}},
                        false};
    }
    if (chunk < kChunk || chunk > bytes.size()) return std::nullopt;
    at += (chunk + 7) / 8 * 8;
  }
  return std::nullopt;
}

// EBU Tech 3306: the sizes stand in the chunk "ds64".
std::optional<OpenHeader> OpenRf64(std::string_view bytes) {
  if (bytes.size() < 48 || !bytes.starts_with("RF64") || bytes.substr(12, 4) != "ds64")
    return std::nullopt;
  std::int64_t frame = 0;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::uint64_t chunk = LittleEndian(bytes.substr(at + 4, 4));
    if (bytes.substr(at, 4) == "fmt " && at + 22 <= bytes.size())
      frame = static_cast<std::int64_t>(LittleEndian(bytes.substr(at + 20, 2)));
    if (bytes.substr(at, 4) == "data") {
      if (frame == 0 || !IsNoLength(LittleEndian(bytes.substr(28, 8)), 1) ||
          !IsNoLength(LittleEndian(bytes.substr(20, 8)), at))
        return std::nullopt;
      const auto samples = static_cast<std::int64_t>(at + 8);
      OpenHeader header{std::string(bytes.substr(0, at + 8)),
                        {{.at = 20, .before = 8},
                         {.at = 28, .before = samples},
                         {.at = 36, .before = samples, .unit = frame}},
                        false};
      header.bytes.replace(at + 4, 4, "\xFF\xFF\xFF\xFF");
      return header;
    }
    if (chunk > bytes.size()) return std::nullopt;
    at += 8 + (chunk + 1) / 2 * 2;
  }
  return std::nullopt;
}

// Whether chunks fill a CAF from `at` to its end.
bool CafChunksFollow(int fd, std::int64_t at, std::int64_t size) {
  while (at < size) {
    const std::string chunk = BytesAt(fd, at, 12);
    if (chunk.size() < 12) return false;
    const std::uint64_t bytes = BigEndian(std::string_view(chunk).substr(4));
    if (bytes > static_cast<std::uint64_t>(size - at)) return false;
    at += 12 + static_cast<std::int64_t>(bytes);
  }
  return at == size;
}

// Apple's Core Audio Format: -1 is a length that is not known; libsndfile writes one of no samples.
std::optional<OpenHeader> OpenCaf(int fd, std::string_view bytes, std::int64_t size) {
  if (!bytes.starts_with("caff")) return std::nullopt;
  for (std::size_t at = 8; at + 16 <= bytes.size();) {
    const std::uint64_t chunk = BigEndian(bytes.substr(at + 4, 8));
    if (bytes.substr(at, 4) == "data") {
      const auto begin = static_cast<std::int64_t>(at + 12);
      if (!IsNoLength(chunk, 5) ||
          (chunk < 5 && CafChunksFollow(fd, begin + static_cast<std::int64_t>(chunk), size)))
        return std::nullopt;
      return OpenHeader{
          std::string(bytes.substr(0, at + 16)), {{.at = at + 4, .before = begin}}, true};
    }
    if (chunk > bytes.size()) return std::nullopt;
    at += 12 + chunk;
  }
  return std::nullopt;
}

// Puts the lengths in. What cannot go back in a pipe and writes its header again, puts it between
// the samples and behind them (libsndfile does, and sox through it): those are no samples.
Stream WithLengths(int fd, OpenHeader header, std::int64_t size) {
  const auto length = std::ssize(header.bytes);
  const auto is_header = [&](std::int64_t at) {
    std::string there = BytesAt(fd, at, length);
    if (std::ssize(there) != length) return false;
    for (const OpenHeader::Length& of : header.lengths)
      there.replace(of.at, 8, header.bytes, of.at, 8);
    return there == header.bytes;
  };
  std::int64_t begin = length;
  while (begin + length <= size && is_header(begin)) begin += length;
  while (size - length >= begin && is_header(size - length)) size -= length;
  const std::int64_t whole = length + size - begin;
  for (const OpenHeader::Length& of : header.lengths)
    header.bytes.replace(
        of.at, 8,
        EightBytes(static_cast<std::uint64_t>((whole - of.before) / of.unit), header.big_endian));
  return {.fd = fd, .head = std::move(header.bytes), .begin = begin, .size = whole, .at = 0};
}

}  // namespace

std::int64_t Id3Bytes(int fd) {
  const std::string id3 = BytesAt(fd, 0, 10);
  if (id3.size() < 10 || !id3.starts_with("ID3")) return 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 6; i < 10; ++i) bytes = bytes << 7 | (id3[i] & 0x7F);
  return 10 + bytes;
}

Streams FindStreams(int fd, std::int64_t size) {
  Streams streams;
  const std::int64_t tag = Id3Bytes(fd);
  const std::string magic = BytesAt(fd, tag, 4);
  if (magic == "OggS" && tag == 0) streams = OggStreams(fd, size);
  if (magic == kFlac) streams = FlacStreams(fd, tag, size);
  if (magic == "riff" || magic == "RF64" || magic == "caff") {
    const std::string start = BytesAt(fd, 0, std::min(size, kLongestHeader));
    auto header = magic == "riff"   ? OpenW64(start)
                  : magic == "RF64" ? OpenRf64(start)
                                    : OpenCaf(fd, start, size);
    if (header) streams.list.push_back(WithLengths(fd, *std::move(header), size));
  }
  streams.is_file = streams.list.empty();
  if (streams.is_file)
    streams.list.push_back({.fd = fd, .head = {}, .begin = 0, .size = size, .at = 0});
  return streams;
}

SF_VIRTUAL_IO ReadingStream() {
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) -> sf_count_t { return static_cast<Stream*>(user)->size; };
  io.seek = [](sf_count_t offset, int whence, void* user) -> sf_count_t {
    auto& stream = *static_cast<Stream*>(user);
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? stream.at : stream.size;
    stream.at = std::clamp<sf_count_t>(base + offset, 0, stream.size);
    return stream.at;
  };
  io.read = [](void* to, sf_count_t count, void* user) -> sf_count_t {
    auto& stream = *static_cast<Stream*>(user);
    count = std::min(count, stream.size - stream.at);
    const auto head = std::ssize(stream.head);
    sf_count_t done = 0;
    if (stream.at < head) {
      done = std::min(count, head - stream.at);
      std::memcpy(to, stream.head.data() + stream.at, static_cast<std::size_t>(done));
    }
    while (done < count) {
      const ssize_t got =
          pread(stream.fd, static_cast<char*>(to) + done, static_cast<std::size_t>(count - done),
                stream.begin + stream.at - head + done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += got;
    }
    stream.at += done;
    return done;
  };
  io.write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; };
  io.tell = [](void* user) -> sf_count_t { return static_cast<Stream*>(user)->at; };
  return io;
}

}  // namespace canvas::cli
