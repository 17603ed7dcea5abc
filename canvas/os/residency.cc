#include "canvas/os/residency.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <new>
#include <utility>
#include <vector>

#include "canvas/format/geometry.h"

namespace canvas::os {
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
  const auto right = pieces_.emplace_hint(next, at, before->second);
  before->second.end = at;
  return right;
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

// Pieces end at both ends already.
void Residency::Lock(const Mapping& mapping, std::uint64_t start, std::uint64_t end) noexcept {
  if (!mapping.Lock(start, end - start)) {
    state_.lock_errno = errno;
    return;
  }
  for (auto at = pieces_.lower_bound(start); at != pieces_.end() && at->first < end; ++at) {
    at->second.locked = true;
    state_.locked_bytes += at->second.end - at->first;
  }
}

// A fault maps what is cached around it as well: 64 KiB, or all of a large folio, at most what one
// page table covers (mm/memory.c, do_fault_around and finish_fault). What nobody wants of that
// leaves the page tables again.
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

// Cuts pieces where the ranges begin and end.
void Residency::SplitAll(std::span<const ByteRange> ranges) {
  for (const ByteRange& range : ranges) {
    if (range.bytes == 0) continue;
    const Span span = WholePages(range);
    Split(span.start);
    Split(span.end);
  }
}

void Residency::JoinAll(std::span<const ByteRange> ranges) noexcept {
  for (const ByteRange& range : ranges) {
    if (range.bytes == 0) continue;
    const Span span = WholePages(range);
    Join(span.start, span.end);
  }
}

// What may run out of memory comes first; from the first count on, nothing does but the kernel.
Result<void> Residency::Want(const Mapping& mapping, std::span<const ByteRange> ranges) {
  const std::lock_guard lock(mutex_);
  std::vector<Span> fresh;
  try {
    // Pieces nobody wants yet, where there are none: what is left of them after a failure is taken
    // out again below. A range may begin within what the one before it made.
    for (const ByteRange& range : ranges) {
      if (range.bytes == 0) continue;
      const Span span = WholePages(range);
      Split(span.start);
      Split(span.end);
      auto piece = pieces_.lower_bound(span.start);
      for (std::uint64_t at = span.start; at < span.end;) {
        if (piece == pieces_.end() || piece->first > at) {
          const std::uint64_t end =
              piece == pieces_.end() ? span.end : std::min(span.end, piece->first);
          fresh.reserve(fresh.size() + 1);
          piece = pieces_.emplace_hint(piece, at, Piece{end, 0, false});
          Append(fresh, {at, end});
        }
        at = piece->second.end;
        ++piece;
      }
    }
  } catch (const std::bad_alloc&) {
    std::erase_if(pieces_, [](const auto& piece) { return piece.second.wants == 0; });
    return std::unexpected(Error::NoMemory());
  }
  for (const ByteRange& range : ranges) {
    if (range.bytes == 0) continue;
    const Span span = WholePages(range);
    for (auto piece = pieces_.lower_bound(span.start);
         piece != pieces_.end() && piece->first < span.end; ++piece)
      ++piece->second.wants;
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
  }
  if (got)
    JoinAll(ranges);
  else
    Drop(mapping, ranges);
  return got;
}

bool Residency::Unwant(const Mapping& mapping, std::span<const ByteRange> ranges) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    SplitAll(ranges);
  } catch (const std::bad_alloc&) {
    return false;
  }
  Drop(mapping, ranges);
  return true;
}

// Pieces end at both ends of each range already. What nobody wants any more is let go, what lies
// together at once.
void Residency::Drop(const Mapping& mapping, std::span<const ByteRange> ranges) noexcept {
  Span gone{0, 0};
  const auto let_go = [&] {
    if (gone.start != gone.end) mapping.LetGo(gone.start, gone.end - gone.start);
    let_go_ = let_go_ || gone.start != gone.end;
  };
  for (const ByteRange& range : ranges) {
    if (range.bytes == 0) continue;
    const Span span = WholePages(range);
    for (auto piece = pieces_.lower_bound(span.start);
         piece != pieces_.end() && piece->first < span.end;) {
      if (--piece->second.wants > 0) {
        ++piece;
        continue;
      }
      const std::uint64_t bytes = piece->second.end - piece->first;
      state_.resident_bytes -= bytes;
      if (piece->second.locked) state_.locked_bytes -= bytes;
      if (gone.end != piece->first) {
        let_go();
        gone.start = piece->first;
      }
      gone.end = piece->second.end;
      piece = pieces_.erase(piece);
    }
  }
  let_go();
  // Not before: it would join pieces that were cut for the ranges to come.
  JoinAll(ranges);
  if (state_.locked_bytes == state_.resident_bytes) state_.lock_errno = 0;
}

Residency::State Residency::Get() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Residency::LockTheRest(const Mapping& mapping) noexcept {
  const std::lock_guard lock(mutex_);
  if (state_.locked_bytes == state_.resident_bytes || !std::exchange(let_go_, false)) return;
  // Joining changes what comes before the end of a piece, never what begins behind it.
  for (std::uint64_t at = 0;;) {
    auto piece = pieces_.lower_bound(at);
    while (piece != pieces_.end() && piece->second.locked) ++piece;
    if (piece == pieces_.end()) break;
    const Span span{piece->first, piece->second.end};
    at = span.end;
    Lock(mapping, span.start, span.end);
    Join(span.start, span.end);
  }
  if (state_.locked_bytes == state_.resident_bytes) state_.lock_errno = 0;
}

}  // namespace canvas::os
