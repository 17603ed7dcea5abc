#include "stress/step/recording.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "stress/rig.h"

namespace canvas::stress {

Recording::Recording(const std::string& path, std::vector<Span> spans) : spans_(std::move(spans)) {
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  for (const Span& span : spans_) mapped_ = std::max(mapped_, span.offset + span.bytes);
  base_ = static_cast<const std::byte*>(mmap(nullptr, mapped_, PROT_READ, MAP_SHARED, fd_, 0));
  if (base_ == MAP_FAILED) Broken("the file cannot be mapped");
  const struct stat status = Status();
  size_ = status.st_size;
  blocks_ = status.st_blocks;
  tells_ = reserved_.Ask(fd_);
  for (const Span& span : spans_) {
    now_.emplace_back(span.bytes);
    if (Covered(span)) std::memcpy(now_.back().data(), base_ + span.offset, span.bytes);
  }
  first_ = now_;
  lines_.reserve(std::size_t{1} << 20);
  states_.reserve(std::size_t{1} << 16);
  space_.reserve(std::size_t{1} << 20);
  states_.push_back({0, size_, NoteSpace()});
}

Recording::~Recording() {
  munmap(const_cast<std::byte*>(base_), mapped_);
  close(fd_);
}

void Recording::Look() {
  const struct stat status = Status();
  bool changed = status.st_size != size_ || status.st_blocks != blocks_;
  const bool space_changed = changed;
  size_ = status.st_size;
  for (std::size_t i = 0; i < spans_.size(); ++i) changed = LookAtSpan(i) || changed;
  if (!changed) return;
  if (states_.size() == states_.capacity()) _exit(3);
  std::size_t space = states_.back().space;
  if (space_changed) {
    blocks_ = status.st_blocks;
    tells_ = tells_ && reserved_.Ask(fd_);
    space = NoteSpace();
  }
  states_.push_back({lines_.size(), size_, space});
}

// In the signal handler, too.
bool Recording::LookAtSpan(std::size_t i) {
  if (!Covered(spans_[i])) return false;
  const std::byte* file = base_ + spans_[i].offset;
  if (std::memcmp(file, now_[i].data(), spans_[i].bytes) == 0) return false;
  for (std::uint64_t at = 0; at < spans_[i].bytes; at += kLine) {
    if (std::memcmp(file + at, now_[i].data() + at, kLine) == 0) continue;
    if (lines_.size() == lines_.capacity()) _exit(3);
    Line line{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(at), {}};
    std::memcpy(line.bytes, file + at, kLine);
    std::memcpy(now_[i].data() + at, file + at, kLine);
    lines_.push_back(line);
    // What was punched reads as zeros where there is no space any more: that is no store.
    static constexpr std::byte kZeros[kLine] = {};
    if (tells_ && unreserved_ == 0 && !reserved_.Holds(spans_[i].offset + at) &&
        std::memcmp(line.bytes, kZeros, kLine) != 0)
      unreserved_ = spans_[i].offset + at;
  }
  return true;
}

struct stat Recording::Status() const {
  struct stat status {};
  if (syscall(SYS_fstat, fd_, &status) != 0) _exit(3);
  return status;
}

std::size_t Recording::NoteSpace() {
  const auto spans = reserved_.spans();
  if (space_.size() + spans.size() + 1 > space_.capacity()) _exit(3);
  const std::size_t at = space_.size();
  space_.push_back({0, spans.size()});
  for (const Span& span : spans) space_.push_back(span);
  return at;
}

namespace {

void GiveSpace(int fd, const Recording::File& file) {
  std::uint64_t at = 0;
  const auto to_hole = [&](std::uint64_t end) {
    if (end > at && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              static_cast<off_t>(at), static_cast<off_t>(end - at)) != 0)
      Broken("the copy cannot be given its holes");
  };
  for (const Span& span : file.space) {
    to_hole(span.offset);
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(span.offset),
                  static_cast<off_t>(span.bytes)) != 0)
      Broken("the copy cannot be given its space");
    at = span.offset + span.bytes;
  }
  to_hole(static_cast<std::uint64_t>(file.size));
}

void WriteSpan(int fd, const Recording::File& file, const Span& span,
               const std::vector<std::byte>& content, bool spaced) {
  // Nothing is written where there is neither space nor anything to write.
  std::uint64_t from = 0;
  while (from < span.bytes) {
    constexpr std::uint64_t kPiece = 4096;
    const std::uint64_t bytes = std::min(kPiece, span.bytes - from);
    const auto* piece = content.data() + from;
    const bool zero =
        std::all_of(piece, piece + bytes, [](std::byte b) { return b == std::byte{0}; });
    const bool space = std::ranges::any_of(file.space, [&](const Span& each) {
      return span.offset + from < each.offset + each.bytes &&
             each.offset < span.offset + from + bytes;
    });
    if ((!zero || space || !spaced) &&
        pwrite(fd, piece, bytes, static_cast<off_t>(span.offset + from)) !=
            static_cast<ssize_t>(bytes))
      Broken("the copy cannot be written");
    from += bytes;
  }
}

}  // namespace

void Recreate(int fd, const Recording& recording, const Recording::File& file, bool spaced) {
  if (ftruncate(fd, file.size) != 0) Broken("the copy cannot be given its size");
  if (spaced) GiveSpace(fd, file);
  for (std::size_t i = 0; i < file.contents.size(); ++i) {
    const Span& span = recording.spans()[i];
    if (span.offset + span.bytes > static_cast<std::uint64_t>(file.size)) continue;
    WriteSpan(fd, file, span, file.contents[i], spaced);
  }
}

}  // namespace canvas::stress
