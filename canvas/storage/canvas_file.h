// An open canvas: its descriptors, its mappings, its locks, and the addresses of everything in it.
//
// Invariants
//   I1  The mappings are made once, for as many pages as the limit allows, and never move.
//   I2  Nothing is stored into bytes that were not reserved on disk before.
//   I3  The file only grows, and no lock is needed for it: space is reserved at the page's end.
//   I4  No byte of a page is touched before its index entry says ready and the file covers it; it
//       is ready if it says which page it is, besides. A power loss may keep the entry and lose the
//       size or the page: it is absent then, and made anew.
//   I5  `durable bytes` of the control words is a size that was on disk before it was stored.
//
// Thread safety: thread-safe, but for what a method says. In a forked child every call fails.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/format/geometry.h"
#include "canvas/format/superblock_format.h"
#include "canvas/os/fork_guard.h"
#include "canvas/os/mapping.h"
#include "canvas/os/os_file.h"
#include "canvas/os/range_lock.h"
#include "canvas/os/residency.h"
#include "canvas/storage/durability.h"
#include "canvas/sync/change.h"
#include "canvas/sync/part_words.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/std_sync.h"

namespace canvas::storage {

struct FileOptions {
  os::Access access = os::Access::kReadOnly;
  std::uint64_t max_map_bytes = 0;  // 0: the whole capacity, or as much of it as there is room for
  bool single_mapping = false;      // readers and writers share one; for ThreadSanitizer
  bool allow_remote = false;
};

using PartWords = sync::PartWords<sync::StdSync>;

class CanvasFile final : private os::ForkListener {
 public:
  // Errors: kNotFound, kPermission, kNotACanvas, kUnsupported, kCorrupt, kIo, each with the path.
  static Result<std::shared_ptr<CanvasFile>> Open(const std::string& path,
                                                  const FileOptions& options);
  ~CanvasFile() override;

  const std::string& path() const { return path_; }
  const format::Superblock& superblock() const { return superblock_; }
  const format::Geometry& geometry() const { return geometry_; }
  bool writable() const { return static_cast<bool>(write_mapping_) || single_mapping_; }
  // Whether this is a forked child's copy of a handle. Realtime.
  bool poisoned() const noexcept { return sync::Peek(poisoned_); }
  // Nothing, where the handle may be used: kClosed in a forked child.
  Result<void> CheckUsable() const;
  // The same, and kReadOnly where it may not write; kUnsupported where a feature was set meanwhile
  // that forbids it to this program; kNoSpace where the disk is so full that the control words
  // cannot be stored to.
  Result<void> CheckWritable() const;

  // Pages: as many as the canvas may have, and as this handle can reach.
  std::uint64_t CapacityPages() const;
  // Makes room for so many pages; on disk when this returns. One at a time, of all processes: by an
  // edit of the metadata. Errors: kInvalidArgument (fewer than now), kLimit, kReadOnly, kIo.
  Result<void> RaiseCapacity(std::uint64_t pages);
  std::uint64_t mapped_pages() const { return mapped_pages_; }

  // Words and bytes of the file. The writable view exists only where writable().
  std::byte* read_base() const { return read_mapping_.base(); }
  std::byte* write_base() const {
    return single_mapping_ ? read_mapping_.base() : write_mapping_.base();
  }
  sync::Word& ReadControl(std::uint64_t offset) const {
    return *sync::WordAt(read_base(), format::kControlOffset + offset);
  }
  sync::Word& WriteControl(std::uint64_t offset) const {
    return *sync::WordAt(write_base(), format::kControlOffset + offset);
  }

  // Whether the file reaches `end`; asks the kernel only when it did not the last time.
  bool Covers(std::uint64_t end) const noexcept;

  // Calls visit(page) for every page of [first, end) whose controls may be touched, ascending. Its
  // work is bounded by what the page index really holds.
  template <typename Visit>
  void ForEachReadyPage(std::uint64_t first, std::uint64_t end, Visit visit) const;

  // The first page of [first, end) whose controls may be touched, or `end`. Asks the disk for
  // nothing ahead. Work as ForEachReadyPage's.
  std::uint64_t NextReadyPage(std::uint64_t first, std::uint64_t end) const noexcept;

  // Calls visit(first, end) for stretches of the run's blocks [first, end) of a page whose version
  // words may be other than zero, ascending: so that a table that claims to be long costs what it
  // really holds. The caller saw SlotPresent.
  template <typename Visit>
  void ForEachVersionStretch(PageIndex page, format::SlotRun run, std::uint64_t first,
                             std::uint64_t end, Visit visit) const;

  // Whether a byte's 4 KiB are in memory; true where that cannot be told.
  bool InMemory(std::uint64_t offset) const noexcept { return IsCached(fd_, offset); }
  // Asks for bytes that will be looked at soon.
  void AskFor(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    read_mapping_.WillNeed(offset, bytes);
  }
  // Asks for bytes that will be read soon. Judged by the last of them: asking for what is there
  // already costs a tenth of reading it.
  // Takes the whole 4 KiB pages before `offset + bytes`, from the one of `offset` on, out of this
  // process's page tables, where no window has them locked.
  void Forget(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    const std::uint64_t first = offset / format::kFileBlock * format::kFileBlock;
    const std::uint64_t end = (offset + bytes) / format::kFileBlock * format::kFileBlock;
    if (first < end) read_mapping_.Forget(first, end - first);
  }
  void WillNeed(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    if (!IsCached(fd_, offset + bytes - 1)) read_mapping_.WillNeed(offset, bytes);
  }

  // Bytes that windows want in memory, through the readers' mapping (residency.h).
  Result<void> WantResident(std::span<const os::ByteRange> ranges) const {
    return residency_.Want(read_mapping_, ranges);
  }
  // False where there is no memory for it: they stay, and it may be called again.
  bool UnwantResident(std::span<const os::ByteRange> ranges) const noexcept {
    return residency_.Unwant(read_mapping_, ranges);
  }
  void LockTheRest() const noexcept { residency_.LockTheRest(read_mapping_); }
  os::Residency::State ResidentState() const { return residency_.Get(); }

  // Errors: kInvalidArgument (past the capacity), kLimit (past this handle's mapping).
  Result<void> CheckPage(PageIndex page) const;
  // The 4 KiB of the page index that a page's entry lies in.
  static std::uint64_t IndexChunk(PageIndex page) {
    return std::uint64_t{page.value()} * 8 / format::kFileBlock;
  }
  // Asks the disk for the controls of those of [first, end) that the index calls ready; the index
  // may be looked at there.
  void WillLookAtPages(std::uint64_t first, std::uint64_t end) const noexcept;
  // Whether the page's controls may be touched.
  bool PageReady(PageIndex page) const noexcept;
  // Whether the control and version words of the run's first slot may be touched.
  bool SlotPresent(PageIndex page, format::SlotRun run) const noexcept;
  // The words of a part, through the mapping at `base`. The caller saw SlotPresent.
  PartWords Part(std::byte* base, PageIndex page, format::SlotRun run,
                 std::uint32_t block_stride) const noexcept;
  // Position of a word of a page, for those that Part does not name.
  sync::Word& PageWord(std::byte* base, PageIndex page, std::uint64_t offset) const noexcept {
    return *sync::WordAt(base, geometry_.Page(page).value() + offset);
  }

  // Writers. Each is idempotent, and safe against other processes doing the same.
  // Errors: kInvalidArgument (past capacity), kLimit (past the mapping), kNoSpace, kIo.
  Result<void> EnsurePage(PageIndex page);
  Result<void> EnsureSlot(PageIndex page, format::SlotRun run);
  // Reserves a slot's control and version words, whether or not a bit says that they are.
  Result<void> ReserveSlot(PageIndex page, format::SlotRun run) const;
  Result<void> ReserveBytes(std::uint64_t offset, std::uint64_t bytes, bool fresh) const;
  // So that stores into these bytes, whose own space is reserved, do not fault (SIGBUS) for want of
  // more: the kernel takes space for the whole folio that a store lies in, holes too (ext4 and xfs,
  // 6.18), and folios reach 2 MiB where another program has read the file through. Asks nothing of
  // the kernel where the disk is not nearly full. Errors: kNoSpace.
  Result<void> EnsureStorable(std::initializer_list<os::ByteRange> ranges) const;
  // Makes whole 4 KiB ready for stores that are about to come, so that they do not fault. Where
  // that cannot be done they do.
  void Populate(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    const os::Mapping& mapping = single_mapping_ ? read_mapping_ : write_mapping_;
    (void)mapping.PopulateForWriting(offset, bytes);
  }
  Result<void> Punch(std::uint64_t offset, std::uint64_t bytes) const;
  Result<void> WriteBytes(std::uint64_t offset, std::span<const std::byte> bytes) const;
  // After every publish: bumps the change word, and wakes those that wait for it, at most every 10
  // ms.
  void Notify() const noexcept;
  // Wakes for what Notify has not woken for yet. At a flush, at the end of an ownership, at close.
  void FlushNotify() const noexcept;
  // The change word, and sleeping until it is no longer `seen`, at most `timeout_ns`.
  std::uint32_t ReadChange() const noexcept;
  std::uint32_t WaitChange(std::uint32_t seen, std::uint64_t timeout_ns) const noexcept;

  // What was visible before the call is on disk when it returns, and SyncData: without a word of
  // what is durable, for what must be on disk before something else is stored (durability.h).
  // Errors: kReadOnly, kIo, kNoSpace; they stay.
  Result<void> Sync();
  Result<void> SyncData();
  Durability& durability() { return durability_; }

  // Sets feature bits on the file as it is, on disk before this returns. From then on programs that
  // do not know them keep out: at open, and in open handles before each write operation begins.
  // Errors: kIo, kUnsupported (this program does not know them either).
  Result<void> AddFeatures(const format::Features& features);
  // Of the superblock and of the control words.
  format::Features features() const;

  const os::LockFile& locks() const { return locks_; }
  const os::LockFile& pins() const { return pins_; }
  // Pins and windows: what holds writers off for a while.
  os::SharedLocks& shared_locks() const { return shared_locks_; }
  const os::UniqueFd& fd() const { return fd_; }

 private:
  // Makes the mappings, over so many pages. Errors: kNoMemory (no address space).
  Result<void> MapPages(std::uint64_t pages, bool write);
  CanvasFile(std::string path, const format::Superblock& superblock,
             const format::Geometry& geometry)
      : path_(std::move(path)), superblock_(superblock), geometry_(geometry) {}
  Result<void> Attach(os::UniqueFd fd, const FileOptions& options);
  void AfterForkInChild() noexcept override;
  Result<void> GrowOver(PageIndex page);
  bool IndexChunkPresent(std::uint64_t page) const noexcept;
  bool IsSpaceScarce() const noexcept;

  std::string path_;
  format::Superblock superblock_;
  format::Geometry geometry_;
  os::UniqueFd fd_;     // the mappings' description; never locked
  os::LockFile locks_;  // exclusive locks; writable handles only
  os::LockFile pins_;   // shared locks
  mutable os::SharedLocks shared_locks_{pins_};
  mutable sync::WakePolicy<sync::StdSync> wakes_;
  os::Mapping read_mapping_;
  os::Mapping write_mapping_;
  mutable os::Residency residency_{
      [this](std::uint64_t offset, std::uint64_t bytes) { WillNeed(offset, bytes); }};
  bool single_mapping_ = false;
  std::uint64_t mapped_pages_ = 0;
  mutable sync::Word known_size_{0};
  mutable sync::Word space_looked_at_{0};  // when, in monotonic ns
  mutable sync::Flag space_is_scarce_{true};
  sync::Flag poisoned_{false};
  Durability durability_{*this};
};

template <typename Visit>
void CanvasFile::ForEachReadyPage(std::uint64_t first, std::uint64_t end, Visit visit) const {
  constexpr std::uint64_t kPagesPerChunk = format::kFileBlock / 8;
  constexpr std::uint64_t kPagesAskedFor = 256;
  end = std::min(end, mapped_pages_);
  for (std::uint64_t page = first; page < end;) {
    const std::uint64_t next = std::min(end, (page / kPagesPerChunk + 1) * kPagesPerChunk);
    if (IndexChunkPresent(page))
      for (std::uint64_t each = page; each < next; ++each) {
        if ((each - page) % kPagesAskedFor == 0)
          WillLookAtPages(each, std::min(next, each + kPagesAskedFor));
        const PageIndex index(static_cast<std::uint32_t>(each));
        if (PageReady(index)) visit(index);
      }
    page = next;
  }
}

template <typename Visit>
void CanvasFile::ForEachVersionStretch(PageIndex page, format::SlotRun run, std::uint64_t first,
                                       std::uint64_t end, Visit visit) const {
  constexpr std::uint64_t kShort = 8192;  // blocks; looking is as quick as asking
  if (first >= end) return;
  if (end - first <= kShort) return visit(first, end);
  const std::uint64_t table = (geometry_.Page(page) + geometry_.Versions(run)).value();
  for (std::uint64_t at = table + first * 8; at < table + end * 8;) {
    const os::ByteSpan data = NextData(fd_, at, table + end * 8);
    if (data.first < data.end)
      visit((data.first - table) / 8, std::min((data.end - table + 7) / 8, end));
    at = std::max(data.end, at + 8);
  }
}

// For sync::EndPunch and sync::AdoptPart: the blocks of a part that may be other than unwritten.
struct VersionStretches {
  const CanvasFile& file;
  PageIndex page;
  format::SlotRun run;

  template <typename Visit>
  void operator()(std::uint64_t end, Visit visit) const {
    file.ForEachVersionStretch(page, run, 0, end, visit);
  }
};

// The superblock of an open file, from whichever copy is good.
// Errors: as DecodeSuperblock's; kNotACanvas where the file is shorter than one.
Result<format::Superblock> ReadSuperblock(const os::UniqueFd& fd, bool writable);

}  // namespace canvas::storage
