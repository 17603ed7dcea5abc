#include "tools/cli/comments.h"

#include <mpg123.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "canvas/base/marker.h"

namespace canvas::cli {
namespace {

constexpr std::size_t kLargest = 16 * 1024 * 1024;  // pictures stand among comments
constexpr std::size_t kMostComments = 65536;

std::string ReadAt(int fd, std::int64_t at, std::size_t bytes) {
  std::string text(bytes, '\0');
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got =
        pread(fd, text.data() + done, bytes - done, at + static_cast<std::int64_t>(done));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

std::size_t Little(std::string_view bytes) {
  std::size_t number = 0;
  for (std::size_t i = 0; i < 4 && i < bytes.size(); ++i)
    number |= std::size_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
  return number;
}

// A stretch of a file: of a packet, or all of a page.
struct Piece {
  std::int64_t at = 0;
  std::size_t bytes = 0;
};
constexpr std::size_t kHeader = 27;  // of a page of Ogg

// The packet of the number `index` of the first stream of an Ogg file (RFC 3533), and where its
// pieces and the pages that hold them lie, where those are asked for.
std::optional<std::string> OggPacket(int fd, std::size_t index,
                                     std::vector<Piece>* pieces = nullptr,
                                     std::vector<Piece>* pages_of = nullptr) {
  std::string packet;
  std::string serial;
  std::int64_t at = 0;
  // What a header that says nothing of a packet can be preceded by is bounded too.
  for (int pages = 0; pages < 4096; ++pages) {
    const std::string head = ReadAt(fd, at, kHeader + 255);
    if (head.size() < kHeader || !head.starts_with("OggS")) return std::nullopt;
    const std::size_t segments = static_cast<unsigned char>(head[26]);
    if (head.size() < kHeader + segments) return std::nullopt;
    if (pages == 0) serial = head.substr(14, 4);
    const bool ours = head.compare(14, 4, serial) == 0;
    std::int64_t from = at + static_cast<std::int64_t>(kHeader + segments);
    std::size_t page_bytes = kHeader + segments;
    for (std::size_t i = 0; i < segments; ++i)
      page_bytes += static_cast<unsigned char>(head[kHeader + i]);
    if (pages_of != nullptr && ours && index == 0) pages_of->push_back({at, page_bytes});
    for (std::size_t i = 0; i < segments; ++i) {
      const std::size_t bytes = static_cast<unsigned char>(head[kHeader + i]);
      if (ours && index == 0) {
        packet += ReadAt(fd, from, bytes);
        if (pieces != nullptr) pieces->push_back({from, bytes});
      }
      from += static_cast<std::int64_t>(bytes);
      if (packet.size() > kLargest) return std::nullopt;
      if (!ours || bytes == 255) continue;
      if (index == 0) return packet;
      if (--index == 0 && pages_of != nullptr) pages_of->push_back({at, page_bytes});
    }
    at = from;
  }
  return std::nullopt;
}

std::optional<std::string> FlacBlock(int fd, Piece* where = nullptr, bool* last = nullptr) {
  constexpr std::uint8_t kComments = 4;
  std::int64_t at = 4;
  for (int blocks = 0; blocks < 1024; ++blocks) {
    const std::string head = ReadAt(fd, at, 4);
    if (head.size() < 4) return std::nullopt;
    const auto byte = [&](std::size_t i) {
      return std::size_t{static_cast<unsigned char>(head[i])};
    };
    const std::size_t bytes = byte(1) << 16 | byte(2) << 8 | byte(3);
    if ((byte(0) & 0x7F) == kComments) {
      if (where != nullptr) *where = {at, bytes};
      if (last != nullptr) *last = (byte(0) & 0x80) != 0;
      return ReadAt(fd, at + 4, bytes);
    }
    if ((byte(0) & 0x80) != 0) return std::nullopt;
    at += 4 + static_cast<std::int64_t>(bytes);
  }
  return std::nullopt;
}

std::vector<SourceTag> Parse(std::string_view block) {
  std::vector<SourceTag> comments;
  const auto take = [&]() -> std::optional<std::string_view> {
    if (block.size() < 4) return std::nullopt;
    const std::size_t bytes = Little(block);
    block.remove_prefix(4);
    if (bytes > block.size()) return std::nullopt;
    const std::string_view taken = block.substr(0, bytes);
    block.remove_prefix(bytes);
    return taken;
  };
  if (!take() || block.size() < 4) return comments;  // who wrote it
  const std::size_t count = std::min(Little(block), kMostComments);
  block.remove_prefix(4);
  for (std::size_t i = 0; i < count; ++i) {
    const auto comment = take();
    if (!comment) break;
    const auto equals = comment->find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    SourceTag tag{std::string(comment->substr(0, equals)),
                  TextOf(comment->substr(equals + 1), kMaxSourceTagValueBytes)};
    for (char& c : tag.name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    comments.push_back(std::move(tag));
  }
  return comments;
}

bool WriteAt(int fd, std::int64_t at, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd, bytes.data(), bytes.size(), at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
    at += put;
  }
  return true;
}

std::string Number(std::size_t number) {
  std::string bytes;
  for (std::size_t i = 0; i < 4; ++i) bytes += static_cast<char>(number >> 8 * i);
  return bytes;
}

// The block with `tags` in place of its COMMENT; "" where it has none, or is none.
std::string WithTags(std::string_view block, const std::vector<SourceTag>& tags) {
  std::vector<std::string_view> texts;
  const auto take = [&](std::string_view& rest) -> bool {
    if (rest.size() < 4 || Little(rest) > rest.size() - 4) return false;
    texts.push_back(rest.substr(4, Little(rest)));
    rest.remove_prefix(4 + texts.back().size());
    return true;
  };
  if (!take(block) || block.size() < 4) return {};
  const std::size_t count = std::min(Little(block), kMostComments);
  block.remove_prefix(4);
  for (std::size_t i = 0; i < count; ++i)
    if (!take(block)) return {};
  std::string entries;
  std::size_t kept = tags.size();
  for (std::size_t i = 1; i < texts.size(); ++i) {
    std::string name(texts[i].substr(0, texts[i].find('=')));
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (name == "COMMENT") continue;
    entries += Number(texts[i].size());
    entries += texts[i];
    ++kept;
  }
  if (kept != texts.size() - 2 + tags.size()) return {};
  for (const SourceTag& tag : tags) {
    const std::string text = tag.name + "=" + tag.value;
    entries += Number(text.size()) + text;
  }
  return Number(texts[0].size()) + std::string(texts[0]) + Number(kept) + entries;
}

// The checksum of a page (RFC 3533, 6): CRC-32 of 0x04c11db7, from 0, not reflected.
std::uint32_t Checksum(std::string_view page) {
  std::uint32_t sum = 0;
  for (const char c : page) {
    sum ^= std::uint32_t{static_cast<unsigned char>(c)} << 24;
    for (int bit = 0; bit < 8; ++bit)
      sum = (sum & 0x80000000) != 0 ? sum << 1 ^ 0x04c11db7 : sum << 1;
  }
  return sum;
}

Replaced Done(bool written) { return written ? Replaced::kDone : Replaced::kFailed; }

Replaced ReplaceInFlac(int fd, const std::vector<SourceTag>& tags) {
  constexpr char kPadding = 1;
  Piece where;
  bool last = false;
  const auto block = FlacBlock(fd, &where, &last);
  if (!block) return Replaced::kNotThere;
  std::string next = WithTags(*block, tags);
  // What is left becomes a block of padding, whose header takes four bytes.
  if (next.empty() || next.size() + 4 > where.bytes) return Replaced::kNotThere;
  const auto head = [](char kind, std::size_t bytes) {
    return std::string{kind, static_cast<char>(bytes >> 16), static_cast<char>(bytes >> 8),
                       static_cast<char>(bytes)};
  };
  const std::size_t left = where.bytes - next.size() - 4;
  return Done(WriteAt(fd, where.at,
                      head(4, next.size()) + next +
                          head(static_cast<char>(kPadding | (last ? 0x80 : 0)), left) +
                          std::string(left, '\0')));
}

Replaced ReplaceInOgg(int fd, const std::vector<SourceTag>& tags) {
  std::vector<Piece> pieces;
  std::vector<Piece> pages;
  const auto packet = OggPacket(fd, 1, &pieces, &pages);
  if (!packet) return Replaced::kNotThere;
  const bool vorbis = packet->starts_with("\x03vorbis");
  if (!vorbis && !packet->starts_with("OpusTags")) return Replaced::kNotThere;
  const std::size_t head = vorbis ? 7 : 8;
  const std::string block = WithTags(std::string_view(*packet).substr(head), tags);
  if (block.empty()) return Replaced::kNotThere;
  std::string next = packet->substr(0, head) + block;
  if (vorbis) next += '\x01';  // the framing bit
  if (next.size() > packet->size()) return Replaced::kNotThere;
  next.resize(packet->size());  // readers look no further than they are told to
  std::size_t done = 0;
  for (const Piece& piece : pieces) {
    if (!WriteAt(fd, piece.at, std::string_view(next).substr(done, piece.bytes)))
      return Replaced::kFailed;
    done += piece.bytes;
  }
  for (const Piece& each : pages) {
    std::string page = ReadAt(fd, each.at, each.bytes);
    if (page.size() != each.bytes) return Replaced::kFailed;
    page.replace(22, 4, 4, '\0');
    if (!WriteAt(fd, each.at + 22, Number(Checksum(page)))) return Replaced::kFailed;
  }
  return Replaced::kDone;
}

}  // namespace

std::string Placeholder(const std::vector<SourceTag>& tags) {
  std::size_t bytes = 8;
  for (const SourceTag& tag : tags) bytes += 4 + tag.name.size() + 1 + tag.value.size();
  return std::string(bytes, 'x');
}

Replaced ReplacePlaceholder(int fd, const std::vector<SourceTag>& tags) {
  return ReadAt(fd, 0, 4) == "fLaC" ? ReplaceInFlac(fd, tags) : ReplaceInOgg(fd, tags);
}

std::vector<SourceTag> ReadComments(int fd) {
  const std::string magic = ReadAt(fd, 0, 4);
  std::optional<std::string> block;
  if (magic == "fLaC") {
    block = FlacBlock(fd);
  } else if (magic == "OggS") {
    block = OggPacket(fd, 1);
    std::size_t head = 0;
    if (block && block->starts_with("\x03vorbis")) head = 7;
    if (block && block->starts_with("OpusTags")) head = 8;
    if (block && !block->empty() && (block->front() & 0x7F) == 4) head = 4;  // FLAC
    if (head == 0) return {};
    block->erase(0, head);
  }
  return block ? Parse(*block) : std::vector<SourceTag>();
}

std::vector<SourceTag> ReadId3(int fd) {
  struct Closer {
    void operator()(mpg123_handle* handle) const { mpg123_delete(handle); }
  };
  std::vector<SourceTag> tags;
  mpg123_init();
  const std::unique_ptr<mpg123_handle, Closer> handle(mpg123_new(nullptr, nullptr));
  if (handle == nullptr) return tags;
  mpg123_param(handle.get(), MPG123_ADD_FLAGS, MPG123_QUIET, 0);
  lseek(fd, 0, SEEK_SET);
  long rate = 0;
  int channels = 0;
  int encoding = 0;
  mpg123_id3v1* one = nullptr;
  mpg123_id3v2* two = nullptr;
  if (mpg123_open_fd(handle.get(), fd) != MPG123_OK ||
      mpg123_getformat(handle.get(), &rate, &channels, &encoding) != MPG123_OK ||
      mpg123_id3(handle.get(), &one, &two) != MPG123_OK || two == nullptr)
    return tags;
  for (std::size_t i = 0; i < two->texts; ++i) {
    const mpg123_text& text = two->text[i];
    const std::string_view id(text.id, 4);
    if ((id != "TBPM" && id != "TKEY") || text.text.p == nullptr) continue;
    const std::string value =
        TextOf(std::string_view(text.text.p, text.text.fill), kMaxSourceTagValueBytes);
    if (!value.empty()) tags.push_back({id == "TBPM" ? "BPM" : "INITIALKEY", value});
  }
  return tags;
}

std::vector<SourceTag> TempoAndKey(const std::vector<SourceTag>& comments) {
  constexpr std::array<std::string_view, 7> kNames = {"BPM",        "TEMPO",       "TBPM", "KEY",
                                                      "INITIALKEY", "INITIAL_KEY", "TKEY"};
  std::vector<SourceTag> tags;
  for (const SourceTag& comment : comments)
    if (std::ranges::find(kNames, comment.name) != kNames.end() && tags.size() < kMaxSourceTags)
      tags.push_back(comment);
  return tags;
}

std::vector<Cue> Chapters(const std::vector<SourceTag>& comments, std::uint64_t rate) {
  constexpr std::string_view kChapter = "CHAPTER";
  std::vector<Cue> cues;
  for (const SourceTag& comment : comments) {
    const std::string_view number =
        std::string_view(comment.name).substr(std::min(kChapter.size(), comment.name.size()));
    if (!comment.name.starts_with(kChapter) || number.empty() || number.size() > 3 ||
        !std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    const auto at = ParsePosition(comment.value);
    const auto clock = Rate::Make(rate);
    if (!at || at->is_frame || !clock) continue;
    const auto frame = at->ToFrame(*clock);
    if (!frame) continue;
    const auto name = std::ranges::find(comments, comment.name + "NAME", &SourceTag::name);
    cues.push_back({static_cast<std::uint64_t>(frame->value()), 0,
                    name == comments.end() ? "" : TextOf(name->value, kMaxMarkerNameBytes)});
  }
  std::ranges::sort(cues, {}, &Cue::frame);
  return cues;
}

}  // namespace canvas::cli
