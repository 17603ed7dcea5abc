#include "canvas/storage/residency.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>
#include <vector>

#include "canvas/format/geometry.h"

namespace canvas::storage {
namespace {

struct Span {
  std::uint64_t start;
  std::uint64_t end;
};

Span WholePages(const ByteRange& range) {
  constexpr std::uint64_t kPage = format::kFileBlock;
  return {range.offset / kPage * kPage, (range.offset + range.bytes + kPage - 1) / kPage * kPage};
}

void Append(std::vector<Span>& spans, Span span) {
  if (!spans.empty() && spans.back().end == span.start)
    spans.back().end = span.end;
  else
    spans.push_back(span);
}

}  // namespace

// The piece that begins at `at`, cut there where one runs across; the next one where none does.
Residency::Pieces::iterator Residency::Split(std::uint64_t at) {
  const auto next = pieces_.lower_bound(at);
  if (next == pieces_.begin()) return next;
  const auto before = std::prev(next);
  if (before->second.end <= at) return next;
  const Piece right = before->second;
  before->second.end = at;
  return pieces_.emplace_hint(next, at, right);
}

// Pieces in and around [start, end) that say the same become one.
void Residency::Join(std::uint64_t start, std::uint64_t end) {
  auto at = pieces_.lower_bound(start);
  if (at != pieces_.begin()) --at;
  while (at != pieces_.end() && at->first <= end) {
    const auto next = std::next(at);
    if (next != pieces_.end() && next->first == at->second.end &&
        next->second.wants == at->second.wants && next->second.locked == at->second.locked) {
      at->second.end = next->second.end;
      pieces_.erase(next);
    } else {
      at = next;
    }
  }
}

void Residency::Lock(const Mapping& mapping, std::uint64_t start, std::uint64_t end) noexcept {
  if (!mapping.Lock(start, end - start)) {
    state_.lock_errno = errno;
    return;
  }
  Split(end);
  for (auto at = Split(start); at != pieces_.end() && at->first < end; ++at) {
    at->second.locked = true;
    state_.locked_bytes += at->second.end - at->first;
  }
}

// A fault maps what is cached around it as well: 64 KiB, or all of a large folio, at most what one
// page table covers (mm/memory.c, do_fault_around and finish_fault). What nobody wants of that leaves
// the page tables again.
void Residency::Trim(const Mapping& mapping, std::uint64_t start, std::uint64_t end) noexcept {
  constexpr std::uint64_t kAround = 2 * 1024 * 1024;
  const auto next = pieces_.lower_bound(end);
  const std::uint64_t behind = (end + kAround - 1) / kAround * kAround;
  const std::uint64_t stop = next == pieces_.end() ? behind : std::min(behind, next->first);
  // Neither where what lies behind was joined with it: there is nothing between.
  if (stop > end && (next == pieces_.begin() || std::prev(next)->second.end == end))
    mapping.Forget(end, stop - end);
  const auto own = pieces_.upper_bound(start);  // the one behind that which `start` lies in
  const auto mine = own == pieces_.begin() ? own : std::prev(own);
  const std::uint64_t before = start / kAround * kAround;
  const std::uint64_t from =
      mine == pieces_.begin() ? before : std::max(before, std::prev(mine)->second.end);
  if (mine->first == start && from < start) mapping.Forget(from, start - from);
}

Result<void> Residency::Want(const Mapping& mapping, std::span<const ByteRange> ranges) {
  const std::lock_guard lock(mutex_);
  std::vector<Span> fresh;
  for (const ByteRange& range : ranges) {
    if (range.bytes == 0) continue;
    const Span span = WholePages(range);
    auto piece = Split(span.start);
    Split(span.end);
    piece = pieces_.lower_bound(span.start);
    for (std::uint64_t at = span.start; at < span.end;) {
      if (piece == pieces_.end() || piece->first > at) {
        const std::uint64_t end =
            piece == pieces_.end() ? span.end : std::min(span.end, piece->first);
        piece = pieces_.emplace_hint(piece, at, Piece{end, 0, false});
        Append(fresh, {at, end});
      }
      ++piece->second.wants;
      at = piece->second.end;
      ++piece;
    }
    Join(span.start, span.end);
  }
  Result<void> got;
  for (const Span& span : fresh) {
    read_ahead_(span.start, span.end - span.start);
    state_.resident_bytes += span.end - span.start;
  }
  for (const Span& span : fresh) {
    if (got) got = mapping.Populate(span.start, span.end - span.start);
    if (got) Trim(mapping, span.start, span.end);
    if (got) Lock(mapping, span.start, span.end);
    Join(span.start, span.end);
  }
  if (!got) Drop(mapping, ranges);
  return got;
}

void Residency::Unwant(const Mapping& mapping, std::span<const ByteRange> ranges) noexcept {
  const std::lock_guard lock(mutex_);
  Drop(mapping, ranges);
}

void Residency::Drop(const Mapping& mapping, std::span<const ByteRange> ranges) noexcept {
  std::vector<Span> gone;
  for (const ByteRange& range : ranges) {
    if (range.bytes == 0) continue;
    const Span span = WholePages(range);
    Split(span.start);
    Split(span.end);
    for (auto piece = pieces_.lower_bound(span.start);
         piece != pieces_.end() && piece->first < span.end;) {
      if (--piece->second.wants > 0) {
        ++piece;
        continue;
      }
      const std::uint64_t bytes = piece->second.end - piece->first;
      state_.resident_bytes -= bytes;
      if (piece->second.locked) state_.locked_bytes -= bytes;
      Append(gone, {piece->first, piece->second.end});
      piece = pieces_.erase(piece);
    }
    Join(span.start, span.end);
  }
  for (const Span& span : gone) mapping.LetGo(span.start, span.end - span.start);
  let_go_ = let_go_ || !gone.empty();
  if (state_.locked_bytes == state_.resident_bytes) state_.lock_errno = 0;
}

Residency::State Residency::Get() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Residency::LockTheRest(const Mapping& mapping) noexcept {
  const std::lock_guard lock(mutex_);
  if (state_.locked_bytes == state_.resident_bytes || !std::exchange(let_go_, false)) return;
  std::vector<Span> loose;
  for (const auto& [start, piece] : pieces_)
    if (!piece.locked) loose.push_back({start, piece.end});
  for (const Span& span : loose) {
    Lock(mapping, span.start, span.end);
    Join(span.start, span.end);
  }
  if (state_.locked_bytes == state_.resident_bytes) state_.lock_errno = 0;
}

}  // namespace canvas::storage
