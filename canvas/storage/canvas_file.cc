#include "canvas/storage/canvas_file.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "canvas/format/control_words.h"
#include "canvas/format/page_words.h"
#include "canvas/format/slot_words.h"
#include "canvas/sync/presence.h"

namespace canvas::storage {
namespace {

namespace control = format::control;
namespace page_control = format::page_control;

// The file-system blocks that [offset, offset + bytes) touches.
struct Blocks {
  std::uint64_t offset;
  std::uint64_t bytes;
};
Blocks WholeBlocks(std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t first = offset / format::kFileBlock * format::kFileBlock;
  const std::uint64_t end =
      (offset + bytes + format::kFileBlock - 1) / format::kFileBlock * format::kFileBlock;
  return {first, end - first};
}

std::uint64_t MonotonicNs() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// To some milliseconds, for a tenth of the time.
std::uint64_t CoarseNs() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t IndexOffset(PageIndex page) {
  return format::kPageIndexOffset + std::uint64_t{page.value()} * 8;
}

}  // namespace

Result<format::Superblock> ReadSuperblock(const os::UniqueFd& fd, bool writable) {
  CANVAS_ASSIGN(const std::uint64_t size, FileSize(fd));
  if (size == 0)
    return Fail(ErrorCode::kNotACanvas, "an empty file, not a canvas", "check the path");
  format::SuperblockBytes first{};
  format::SuperblockBytes second{};
  CANVAS_TRY(ReadAt(fd, 0, std::span(first).first(std::min(size, first.size()))));
  if (size < first.size()) {
    // Too short for a verdict by checksum; what there is still says what it is not.
    auto guess = format::DecodeSuperblock(first, writable);
    if (!guess && guess.error().code() != ErrorCode::kCorrupt) return guess;
  }
  if (size < first.size() + second.size())
    return Fail(ErrorCode::kCorrupt, fmt::format("cut short: only {} bytes are left", size),
                "restore it from a copy");
  CANVAS_TRY(ReadAt(fd, first.size(), second));
  auto primary = format::DecodeSuperblock(first, writable);
  const auto spare = format::DecodeSuperblock(second, writable);
  if (primary && spare && *primary != *spare)
    return Fail(ErrorCode::kCorrupt, "the two superblocks contradict each other",
                "restore it from a copy");
  if (primary || primary.error().code() == ErrorCode::kUnsupported || !spare) return primary;
  return spare;
}

Result<std::shared_ptr<CanvasFile>> CanvasFile::Open(const std::string& path,
                                                     const FileOptions& options) {
  const auto open = [&]() -> Result<std::shared_ptr<CanvasFile>> {
    CANVAS_ASSIGN(os::UniqueFd fd, os::OpenRegular(path, options.access));
    CANVAS_ASSIGN(const format::Superblock superblock,
                  ReadSuperblock(fd, options.access == os::Access::kReadWrite));
    CANVAS_TRY(CheckFileSystem(fd, options.allow_remote));
    CANVAS_ASSIGN(const format::Geometry geometry, format::Geometry::Make(superblock.geometry));
    std::shared_ptr<CanvasFile> file(new CanvasFile(path, superblock, geometry));
    Result<void> attached;
    {
      // A child forked in the midst would keep a share in descriptions that no one told it of.
      const auto no_forks = os::HoldForks();
      file->Listen(no_forks);
      attached = file->Attach(std::move(fd), options);
    }
    CANVAS_TRY(std::move(attached));
    return file;
  };
  auto file = open();
  if (!file) return std::unexpected(std::move(file).error().About(path));
  return file;
}

Result<void> CanvasFile::Attach(os::UniqueFd fd, const FileOptions& options) {
  fd_ = std::move(fd);
  const auto& fields = geometry_.fields();
  CANVAS_ASSIGN(std::uint64_t size, FileSize(fd_));
  if (size < format::kControlOffset + format::kControlBytes)
    return Fail(ErrorCode::kCorrupt, fmt::format("cut short: only {} bytes are left", size),
                "restore it from a copy");
  const auto control_word = [&](std::uint64_t offset) -> Result<std::uint64_t> {
    std::uint64_t word = 0;
    CANVAS_TRY(
        ReadAt(fd_, format::kControlOffset + offset, std::as_writable_bytes(std::span(&word, 1))));
    return word;
  };
  format::Features added;
  CANVAS_ASSIGN(added.incompatible, control_word(control::kIncompatible));
  CANVAS_ASSIGN(added.read_only_compatible, control_word(control::kReadOnlyCompatible));
  CANVAS_TRY(format::CheckFeatures(added, options.access == os::Access::kReadWrite));
  CANVAS_ASSIGN(const std::uint64_t capacity, control_word(control::kCapacityPages));
  CANVAS_ASSIGN(const std::uint64_t durable, control_word(control::kDurableBytes));
  // Again, after the word that it is held against: the file may be growing.
  CANVAS_ASSIGN(size, FileSize(fd_));
  if (capacity < fields.capacity_pages || capacity > fields.index_pages ||
      capacity > (format::kMaxFileBytes - geometry_.pages_offset()) / geometry_.page_stride())
    return Fail(ErrorCode::kCorrupt,
                fmt::format("control words: a capacity of {} pages is out of range", capacity));
  // What lies behind the durable bytes a power loss may take; what lies before them, a stranger.
  if (const std::uint64_t least = std::max(durable, geometry_.pages_offset()); size < least)
    return Fail(ErrorCode::kCorrupt, fmt::format("cut short: {} bytes are left of {}", size, least),
                "restore it from a copy; what lies beyond the end is lost");
  sync::Put(known_size_, size);

  const std::uint64_t whole = geometry_.pages_offset() + capacity * geometry_.page_stride();
  const std::uint64_t limit = options.max_map_bytes == 0 ? whole : options.max_map_bytes;
  if (limit < geometry_.pages_offset())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a mapping limit of {} bytes is too small", limit),
                fmt::format("it is at least {}, and {} with one page", geometry_.pages_offset(),
                            geometry_.pages_offset() + geometry_.page_stride()));
  mapped_pages_ = std::min(capacity, (limit - geometry_.pages_offset()) / geometry_.page_stride());

  CANVAS_ASSIGN(os::UniqueFd pins, Reopen(fd_, os::Access::kReadOnly));
  pins_ = os::LockFile(std::move(pins));
  const bool write = options.access == os::Access::kReadWrite;
  single_mapping_ = write && options.single_mapping;
  if (write) {
    CANVAS_ASSIGN(os::UniqueFd locks, Reopen(fd_, os::Access::kReadWrite));
    locks_ = os::LockFile(std::move(locks));
  }
  // Where the address space is small and nobody said how much to use, as many pages as there is
  // room for; but all that the file has, or a reader would take what it does not reach for
  // unwritten.
  std::uint64_t least = mapped_pages_;
  if (options.max_map_bytes == 0) {
    const std::uint64_t stride = geometry_.page_stride();
    const std::uint64_t pages = (size - geometry_.pages_offset() + stride - 1) / stride;
    least = std::min(mapped_pages_, std::max<std::uint64_t>(pages, 1));
  }
  for (;;) {
    auto mapped = MapPages(mapped_pages_, write);
    if (mapped) break;
    if (mapped.error().code() != ErrorCode::kNoMemory) return mapped;
    if (mapped_pages_ == least && options.max_map_bytes != 0) return mapped;
    if (mapped_pages_ == least)
      return Fail(ErrorCode::kNoMemory,
                  fmt::format("no address space for the {} pages that it has: {} bytes{}", least,
                              geometry_.pages_offset() + least * geometry_.page_stride(),
                              write && !single_mapping_ ? ", twice" : ""),
                  "raise ulimit -v, or open it with a mapping limit, for the first of them alone");
    mapped_pages_ = std::max(least, mapped_pages_ / 2);
  }
  // A copy of the file may have lost a part of what was reserved, where the disk's blocks are
  // small.
  if (write) CANVAS_TRY(ReserveBytes(format::kControlOffset, format::kControlBytes, false));
  return {};
}

Result<void> CanvasFile::MapPages(std::uint64_t pages, bool write) {
  // What else a process needs to work with.
  constexpr std::uint64_t kRoom = std::uint64_t{64} << 20;
  const std::uint64_t bytes = geometry_.pages_offset() + pages * geometry_.page_stride();
  const auto access = single_mapping_ ? os::Access::kReadWrite : os::Access::kReadOnly;
  CANVAS_ASSIGN(os::Mapping reading, os::Mapping::Map(fd_, bytes, access));
  os::Mapping writing;
  if (write && !single_mapping_) {
    CANVAS_ASSIGN(writing, os::Mapping::Map(fd_, bytes, os::Access::kReadWrite));
  }
  CANVAS_TRY(os::Mapping::HasRoom(kRoom));
  read_mapping_ = std::move(reading);
  write_mapping_ = std::move(writing);
  return {};
}

CanvasFile::~CanvasFile() {
  if (!poisoned()) FlushNotify();
  const auto no_forks = os::HoldForks();
  StopListening(no_forks);
  locks_.Abandon();
  pins_.Abandon();
  fd_.Reset();
}

void CanvasFile::AfterForkInChild() noexcept {
  sync::Put(poisoned_, true);
  locks_.Abandon();
  pins_.Abandon();
  fd_.Reset();
  read_mapping_.Poison();
  write_mapping_.Poison();
}

Result<void> CanvasFile::CheckUsable() const {
  if (!sync::Peek(poisoned_)) return {};
  return std::unexpected(Error(ErrorCode::kClosed, "this handle belongs to the parent process",
                               "open the canvas again after fork")
                             .About(path_));
}

Result<void> CanvasFile::CheckWritable() const {
  CANVAS_TRY(CheckUsable());
  if (!writable())
    return std::unexpected(
        Error(ErrorCode::kReadOnly, "opened read-only", "open it for writing").About(path_));
  auto known = format::CheckFeatures(features(), true);
  if (!known) return std::unexpected(std::move(known).error().About(path_));
  return EnsureStorable({{format::kControlOffset, format::kControlBytes}});
}

format::Features CanvasFile::features() const {
  return superblock_.features |
         format::Features{sync::Peek(ReadControl(control::kIncompatible)),
                          sync::Peek(ReadControl(control::kReadOnlyCompatible)),
                          sync::Peek(ReadControl(control::kCompatible))};
}

Result<void> CanvasFile::SyncData() {
  CANVAS_TRY(CheckWritable());
  return durability_.Barrier();
}

Result<void> CanvasFile::AddFeatures(const format::Features& added) {
  CANVAS_TRY(CheckWritable());
  CANVAS_TRY(format::CheckFeatures(added, true));
  sync::SetBits(WriteControl(control::kIncompatible), added.incompatible);
  sync::SetBits(WriteControl(control::kReadOnlyCompatible), added.read_only_compatible);
  sync::SetBits(WriteControl(control::kCompatible), added.compatible);
  return durability_.Barrier();
}

Result<void> CanvasFile::RaiseCapacity(std::uint64_t pages) {
  CANVAS_TRY(CheckWritable());
  const std::uint64_t most =
      std::min(geometry_.fields().index_pages,
               (format::kMaxFileBytes - geometry_.pages_offset()) / geometry_.page_stride());
  if (pages > most)
    return Fail(ErrorCode::kLimit, fmt::format("a capacity of {} pages", pages),
                fmt::format("this canvas has room for {}", most));
  if (const std::uint64_t now = CapacityPages(); pages < now)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a capacity of {} pages, and it has {}", pages, now),
                "it only grows; unwritten time costs no disk");
  // Readers look at it whenever they like: one word, which only grows.
  sync::Put(WriteControl(control::kCapacityPages), pages);
  return durability_.Barrier();
}

std::uint64_t CanvasFile::CapacityPages() const {
  return std::min(sync::Peek(ReadControl(control::kCapacityPages)), geometry_.fields().index_pages);
}

bool CanvasFile::Covers(std::uint64_t end) const noexcept {
  // The size only grows; the kernel is asked where this is too old.
  if (end <= sync::Peek(known_size_)) return true;
  const std::uint64_t size = FileSizeOrZero(fd_);
  if (size == 0) return false;
  sync::Put(known_size_, size);
  return end <= size;
}

// Whether the 4 KiB of the index that the page's entry lies in may be touched.
bool CanvasFile::IndexChunkPresent(std::uint64_t page) const noexcept {
  return sync::ReadBit(sync::WordAt(read_base(), format::kControlOffset + control::kIndexChunks),
                       page * 8 / format::kFileBlock);
}

// Where the first control is in memory the rest is taken to be: asking for each of them would cost
// more than looking.
void CanvasFile::WillLookAtPages(std::uint64_t first, std::uint64_t end) const noexcept {
  bool known = false;
  for (std::uint64_t each = first; each < end; ++each) {
    const PageIndex page(static_cast<std::uint32_t>(each));
    if (sync::Observe(*sync::WordAt(read_base(), IndexOffset(page))) != format::kPageReady ||
        !Covers(geometry_.PageEnd(page).value()))
      continue;
    const std::uint64_t control = geometry_.Page(page).value();
    if (!known && InMemory(control)) return;
    known = true;
    AskFor(control, format::kPageControlBytes);
  }
}

bool CanvasFile::PageReady(PageIndex page) const noexcept {
  if (page.value() >= mapped_pages_) return false;
  if (!IndexChunkPresent(page.value())) return false;
  if (sync::Observe(*sync::WordAt(read_base(), IndexOffset(page))) != format::kPageReady)
    return false;
  if (!Covers(geometry_.PageEnd(page).value())) return false;
  // A power loss may keep the entry and lose the page, and a later page's growth cover it again.
  return sync::Observe(PageWord(read_base(), page, page_control::kPageNumber)) ==
         std::uint64_t{page.value()} + 1;
}

std::uint64_t CanvasFile::NextReadyPage(std::uint64_t first, std::uint64_t end) const noexcept {
  constexpr std::uint64_t kPagesPerChunk = format::kFileBlock / 8;
  const std::uint64_t last = std::min(end, mapped_pages_);
  for (std::uint64_t page = first; page < last;) {
    const std::uint64_t next = std::min(last, (page / kPagesPerChunk + 1) * kPagesPerChunk);
    if (IndexChunkPresent(page))
      for (; page < next; ++page)
        if (PageReady(PageIndex(static_cast<std::uint32_t>(page)))) return page;
    page = next;
  }
  return end;
}

bool CanvasFile::SlotPresent(PageIndex page, format::SlotRun run) const noexcept {
  if (!PageReady(page)) return false;
  const sync::Word* bits =
      sync::WordAt(read_base(), geometry_.Page(page).value() + page_control::kSlotBits);
  return sync::ReadBit(bits, geometry_.SlotNumber(run));
}

PartWords CanvasFile::Part(std::byte* base, PageIndex page, format::SlotRun run,
                           std::uint32_t block_stride) const noexcept {
  namespace slot = format::slot_control;
  std::byte* start = base + geometry_.Page(page).value();
  const std::uint64_t at = geometry_.SlotControl(run);
  return PartWords{.versions = sync::WordAt(start, geometry_.Versions(run)),
                   .data = start + geometry_.Data(run),
                   .block_stride = block_stride,
                   .life = sync::WordAt(start, at + slot::kLife),
                   .mark = sync::WordAt(start, at + slot::kMark),
                   .low = sync::WordAt(start, at + slot::kLow),
                   .sequence = sync::WordAt(start, at + slot::kSequence),
                   .undo_block = sync::WordAt(start, at + slot::kUndoBlock),
                   .undo = start + geometry_.UndoPlace(run),
                   .lane_id = sync::WordAt(start, at + slot::kLaneId),
                   .undo_version = sync::WordAt(start, at + slot::kUndoVersion),
                   .undo_checksum = sync::WordAt(start, at + slot::kUndoChecksum),
                   .events = sync::WordAt(start, at + slot::kEvents)};
}

Result<void> CanvasFile::CheckPage(PageIndex page) const {
  if (page.value() >= CapacityPages())
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("page {} lies past the capacity of {} pages", page.value(), CapacityPages()),
        "create the canvas with more hours");
  if (page.value() >= mapped_pages_)
    return Fail(ErrorCode::kLimit,
                fmt::format("page {} lies past the mapping limit of this handle", page.value()),
                "open it with a larger mapping limit");
  return {};
}

Result<void> CanvasFile::ReserveBytes(std::uint64_t offset, std::uint64_t bytes, bool fresh) const {
  const Blocks blocks = WholeBlocks(offset, bytes);
  return Reserve(fd_, blocks.offset, blocks.bytes, fresh);
}

bool CanvasFile::IsSpaceScarce() const noexcept {
  // Nothing writes so much in so little time.
  constexpr std::uint64_t kEnough = std::uint64_t{256} << 20;
  constexpr std::uint64_t kOftenNs = 5'000'000;
  const std::uint64_t now = CoarseNs();
  if (now - sync::Peek(space_looked_at_) >= kOftenNs) {
    sync::Put(space_is_scarce_, IsSpaceBelow(fd_, kEnough));
    sync::Put(space_looked_at_, now);
  }
  return sync::Peek(space_is_scarce_);
}

Result<void> CanvasFile::EnsureStorable(std::initializer_list<os::ByteRange> ranges) const {
  constexpr std::uint64_t kLargestFolio = std::uint64_t{2} << 20;
  if (!IsSpaceScarce()) return {};
  const os::Mapping& mapping = single_mapping_ ? read_mapping_ : write_mapping_;
  for (const os::ByteRange& range : ranges) {
    const Blocks blocks = WholeBlocks(range.offset, range.bytes);
    if (mapping.PopulateForWriting(blocks.offset, blocks.bytes)) continue;
    // What comes back of folios that are let go is small: the mappings ask for nothing around.
    const std::uint64_t first = blocks.offset / kLargestFolio * kLargestFolio;
    const std::uint64_t end =
        (blocks.offset + blocks.bytes + kLargestFolio - 1) / kLargestFolio * kLargestFolio;
    read_mapping_.Forget(first, end - first);
    write_mapping_.Forget(first, end - first);
    Evict(fd_, first, end - first);
    if (!mapping.PopulateForWriting(blocks.offset, blocks.bytes))
      return std::unexpected(
          Error(ErrorCode::kNoSpace,
                "no room to store into bytes that are kept in memory together with holes",
                "free some space: at a store the kernel takes up to 2 MiB around it")
              .About(path_));
  }
  return {};
}

Result<void> CanvasFile::Punch(std::uint64_t offset, std::uint64_t bytes) const {
  return PunchHole(fd_, offset, bytes);
}

Result<void> CanvasFile::WriteBytes(std::uint64_t offset, std::span<const std::byte> bytes) const {
  return WriteAt(fd_, offset, bytes);
}

void CanvasFile::Notify() const noexcept {
  sync::HalfWord& change =
      *sync::HalfWordAt(write_base(), format::kControlOffset + control::kChange);
  sync::BumpChange<sync::StdSync>(change);
  if (wakes_.Due(MonotonicNs())) sync::WakeAll<sync::StdSync>(change);
}

void CanvasFile::FlushNotify() const noexcept {
  if (!writable() || !wakes_.TakePending()) return;
  sync::WakeAll<sync::StdSync>(
      *sync::HalfWordAt(write_base(), format::kControlOffset + control::kChange));
}

std::uint32_t CanvasFile::ReadChange() const noexcept {
  return sync::ReadChange<sync::StdSync>(
      *sync::HalfWordAt(read_base(), format::kControlOffset + control::kChange));
}

std::uint32_t CanvasFile::WaitChange(std::uint32_t seen, std::uint64_t timeout_ns) const noexcept {
  return sync::WaitChange<sync::StdSync>(
      *sync::HalfWordAt(read_base(), format::kControlOffset + control::kChange), seen, timeout_ns);
}

// No lock, so nobody is waited for: reserving the page's tail raises the size, or leaves it where
// another has raised it further.
Result<void> CanvasFile::GrowOver(PageIndex page) {
  if (Covers(geometry_.PageEnd(page).value())) return {};
  return ReserveAndGrow(fd_, geometry_.PageTail(page).value(), format::kPageTailBytes);
}

Result<void> CanvasFile::EnsurePage(PageIndex page) {
  CANVAS_TRY(CheckPage(page));
  if (PageReady(page)) return {};
  const std::uint64_t index = IndexOffset(page);
  const std::uint64_t start = geometry_.Page(page).value();
  CANVAS_TRY(GrowOver(page));
  CANVAS_TRY(ReserveBytes(index, 8, false));
  CANVAS_TRY(ReserveBytes(start, format::kPageControlBytes, false));
  CANVAS_TRY(EnsureStorable({{format::kControlOffset, format::kControlBytes},
                             {index, 8},
                             {start, format::kPageControlBytes}}));
  sync::PublishBit(sync::WordAt(write_base(), format::kControlOffset + control::kIndexChunks),
                   IndexChunk(page));
  sync::Publish(PageWord(write_base(), page, page_control::kPageNumber),
                std::uint64_t{page.value()} + 1);
  sync::Publish(*sync::WordAt(write_base(), index), format::kPageReady);
  return {};
}

Result<void> CanvasFile::EnsureSlot(PageIndex page, format::SlotRun run) {
  CANVAS_TRY(EnsurePage(page));
  if (SlotPresent(page, run)) return {};
  CANVAS_TRY(ReserveSlot(page, run));
  // A copy of the file may have lost a part of what was reserved, where the disk's blocks are
  // small.
  const os::ByteRange control{geometry_.Page(page).value(), format::kPageControlBytes};
  CANVAS_TRY(ReserveBytes(control.offset, control.bytes, false));
  CANVAS_TRY(EnsureStorable({control}));
  sync::PublishBit(
      sync::WordAt(write_base(), geometry_.Page(page).value() + page_control::kSlotBits),
      geometry_.SlotNumber(run));
  return {};
}

Result<void> CanvasFile::ReserveSlot(PageIndex page, format::SlotRun run) const {
  const std::uint64_t start = geometry_.Page(page).value();
  CANVAS_TRY(ReserveBytes(start + geometry_.SlotControl(run), format::kSlotControlBytes, false));
  return ReserveBytes(start + geometry_.Versions(run), geometry_.Words(run) * 8, false);
}

// A failure stays: the kernel tells of a lost write once.
Result<void> CanvasFile::Sync() {
  CANVAS_TRY(CheckWritable());
  return durability_.Sync();
}

}  // namespace canvas::storage
