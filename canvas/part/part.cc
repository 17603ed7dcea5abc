#include "canvas/part/part.h"

#include <xxhash.h>

#include <algorithm>

#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"

namespace canvas::part {

Result<LanePlace> LanePlace::Of(const metadata::LaneRecord& lane,
                                const format::Geometry& geometry) {
  CANVAS_ASSIGN(const format::LaneShape shape, metadata::ShapeOf(lane, geometry));
  return LanePlace{lane.id, lane.slots, shape};
}

// As CanvasFile::WillLookAtPages: by the first of them.
void WillLookAt(const storage::CanvasFile& file, std::span<const LanePlace> lanes,
                const SlotTable& table, std::span<const PageIndex> pages) noexcept {
  const format::Geometry& geometry = file.geometry();
  bool known = false;
  bool away = false;
  const auto each = [&](auto visit) {
    for (const PageIndex page : pages) {
      if (known && !away) return;
      table.ForEachPresent(file, page, [&](std::size_t lane) {
        const std::uint64_t start = geometry.Page(page).value();
        const std::uint64_t control = start + geometry.SlotControl(lanes[lane].slots);
        if (!known) away = !file.InMemory(control);
        known = true;
        if (away) visit(lanes[lane], page, start, control);
      });
    }
  };
  each([&](const LanePlace&, PageIndex, std::uint64_t, std::uint64_t control) {
    file.AskFor(control, format::kSlotControlBytes);
  });
  each([&](const LanePlace& lane, PageIndex page, std::uint64_t start, std::uint64_t) {
    const auto part = PartRef(file, lane, page).Find();
    if (!part) return;
    const std::uint64_t per_block = lane.shape.frames_per_block();
    const std::uint64_t end =
        std::min(sync::ReadMark(part->words), lane.shape.FramesIn(page.value()));
    const std::uint64_t first = std::min(sync::ReadLow(part->words), end) / per_block;
    if (end != 0)
      file.AskFor(start + geometry.Versions(lane.slots) + first * 8,
                  ((end + per_block - 1) / per_block - first) * 8);
  });
}

std::optional<FoundPart> PartRef::Find(std::byte* base) const noexcept {
  if (!SlotPresent()) return std::nullopt;
  FoundPart part{Words(base), 0};
  part.life = sync::ReadLife(part.words);
  if (format::Life::FromWord(part.life).state != format::PartState::kReady ||
      sync::ReadLane(part.words) != lane_->id.value())
    return std::nullopt;
  return part;
}

PartLook PartRef::Look() const noexcept {
  const format::Geometry& geometry = file_->geometry();
  const auto word = [&](std::uint64_t offset) { return sync::WordAt(file_->read_base(), offset); };
  PartLook look;
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  // Watches bits of the word at `offset`, whose bytes are there.
  const auto watch = [&](std::uint64_t offset, std::uint64_t mask) {
    look.watch = word(offset);
    look.mask = mask;
    look.value = sync::Observe(*look.watch) & mask;
    look.touched[0] = {offset, 8};
  };
  // One bit of a table of them: others' bits in the same word tell nothing.
  const auto watch_bit = [&](std::uint64_t table, std::uint64_t bit) {
    watch(table + bit / 64 * 8, std::uint64_t{1} << bit % 64);
  };
  const std::uint64_t chunk = storage::CanvasFile::IndexChunk(page_);
  watch_bit(format::kControlOffset + format::control::kIndexChunks, chunk);
  if (look.value == 0) return look;
  watch(format::kPageIndexOffset + std::uint64_t{page_.value()} * 8, kAll);
  if (look.value != format::kPageReady) return look;
  if (!file_->PageReady(page_)) {
    // A page that a power loss took: its entry says ready, and will when it is made anew. There is
    // no word to watch for that, so this look never stands.
    look.mask = 0;
    look.value = 1;
    return look;
  }
  const std::uint64_t start = geometry.Page(page_).value();
  const std::uint64_t slot = geometry.SlotNumber(lane_->slots);
  watch_bit(start + format::page_control::kSlotBits, slot);
  if (look.value == 0) return look;
  watch(start + geometry.SlotControl(lane_->slots) + format::slot_control::kLife, kAll);
  const auto found = Find();
  // Another life than the one that is watched: it is not this look's answer, and the watch says so.
  if (!found || found->life != look.value) return look;
  look.part = found;
  look.touched = {
      os::ByteRange{start + geometry.SlotControl(lane_->slots), format::kSlotControlBytes},
      os::ByteRange{start + geometry.Versions(lane_->slots), lane_->shape.max_blocks() * 8},
      {}};
  // A place that was never used is perhaps not on the disk: looking at it would take space there.
  if (sync::UndoWasUsed(found->words)) look.touched[2] = UndoRange();
  return look;
}

// Calls visit(first, end) for every written block's frames between the marks.
template <typename Visit>
void PartRef::ForEachWrittenBlock(const FoundPart& part, Visit visit) const {
  const std::uint64_t per_block = lane_->shape.frames_per_block();
  // A mark beyond the page's end is a lie; what lies there is not the page's.
  const std::uint64_t mark = std::min(sync::ReadMark(part.words), frames());
  const std::uint64_t low = sync::ReadLow(part.words);
  if (low >= mark) return;
  file_->ForEachVersionStretch(
      page_, lane_->slots, low / per_block, (mark + per_block - 1) / per_block,
      [&](std::uint64_t first, std::uint64_t end) {
        for (std::uint64_t block = first; block < end; ++block)
          if (sync::ReadVersion(part.words, block).written)
            visit(std::max(block * per_block, low), std::min((block + 1) * per_block, mark));
      });
}

std::optional<PartSummary> PartRef::Summarize() const noexcept {
  const auto part = Find();
  if (!part) return std::nullopt;
  PartSummary summary;
  ForEachWrittenBlock(*part, [&](std::uint64_t first, std::uint64_t end) {
    if (summary.written_frames == 0) summary.first = first;
    summary.written_frames += end - first;
    summary.end = end;
  });
  if (sync::ReadLife(part->words) != part->life) return std::nullopt;
  return summary;
}

std::vector<FrameRun> PartRef::WrittenRuns() const {
  std::vector<FrameRun> runs;
  const auto part = Find();
  if (!part) return runs;
  ForEachWrittenBlock(*part, [&](std::uint64_t first, std::uint64_t end) {
    if (!runs.empty() && runs.back().end == first)
      runs.back().end = end;
    else
      runs.push_back({first, end});
  });
  return runs;
}

Result<void> PartRef::EnsureStorable(std::uint64_t first_block, std::uint64_t end_block) const {
  const format::Geometry& geometry = file_->geometry();
  const std::uint64_t page = geometry.Page(page_).value();
  return file_->EnsureStorable(
      {{page + geometry.SlotControl(lane_->slots), format::kSlotControlBytes},
       {page + geometry.Versions(lane_->slots) + first_block * 8, (end_block - first_block) * 8}});
}

Result<os::ScopedLock> PartRef::KeepWindowsOff() const {
  const PageRange one{page_, page_ + 1};
  CANVAS_ASSIGN(auto no_window,
                os::ScopedLock::Try(file_->locks(), format::WindowLock(lane_->id, one)));
  if (!no_window)
    return Fail(ErrorCode::kBusy, "a reader's window holds the page",
                "try again when it has moved on");
  return std::move(*no_window);
}

namespace {

// The rest of a punch, after the intent is on record: idempotent.
Result<void> PunchWords(const PartRef& part, const storage::PartWords& words) {
  CANVAS_TRY(part.EnsureStorable());
  sync::BeginPunch(words);
  CANVAS_TRY(part.file().Punch(part.data(), part.file().geometry().DataBytes(part.lane().slots)));
  sync::EndPunch(words, part.lane().shape.max_blocks(), part.stretches());
  part.file().Notify();
  return {};
}

}  // namespace

Result<void> PartRef::Punch(const storage::Ownership& owner) const {
  const auto part = Find(file_->write_base());
  if (!part) return FinishPunch(owner);
  CANVAS_ASSIGN(const os::ScopedLock no_window, KeepWindowsOff());
  CANVAS_TRY(owner.EnsureStorable());
  CANVAS_TRY(EnsureStorable());
  owner.Declare({format::Operation::kPunch, page_, 0, lane_->slots});
  CANVAS_TRY(PunchWords(*this, part->words));
  owner.Clear();
  return {};
}

// All of a punch that was begun and not finished; nothing to do elsewhere.
Result<void> PartRef::FinishWords() const {
  if (!SlotPresent()) return {};
  const storage::PartWords words = Words(file_->write_base());
  if (!sync::PunchUnfinished(words)) return {};
  return PunchWords(*this, words);
}

Result<void> PartRef::FinishPunch(const storage::Ownership& owner) const {
  CANVAS_TRY(FinishWords());
  owner.ClearPunchOf(page_);
  return {};
}

bool PartRef::NeedsPunch() const noexcept {
  return SlotPresent() && (Find() || sync::PunchUnfinished(Words(file_->read_base())));
}

Result<void> PartRef::PutBack(const storage::PartWords& words,
                              std::vector<std::byte>& scratch) const {
  const std::uint64_t stride = lane_->shape.block_stride();
  const std::uint64_t undo_block = sync::Peek(*words.undo_block);
  if (undo_block != 0 && undo_block <= lane_->shape.max_blocks() &&
      format::Version::FromWord(sync::Peek(words.versions[undo_block - 1])).changing()) {
    const os::ByteRange block{data() + (undo_block - 1) * stride, stride};
    CANVAS_TRY(file_->ReserveBytes(block.offset, block.bytes, false));
    CANVAS_TRY(file_->EnsureStorable({block}));
  }
  scratch.resize(stride);
  sync::RepairOverwrite(words, lane_->shape.max_blocks(), scratch.data(),
                        [&](const void* bytes) { return UndoChecksum(bytes, stride); });
  return {};
}

Result<void> PartRef::Repair(const storage::Intent& intent) const {
  if (intent.run != lane_->slots || !SlotPresent()) return {};
  const storage::PartWords words = Words(file_->write_base());
  if (sync::ReadLane(words) != lane_->id.value()) return {};
  // A copy of the file may have lost what was reserved.
  CANVAS_TRY(file_->ReserveSlot(page_, lane_->slots));
  CANVAS_TRY(EnsureStorable());
  CANVAS_TRY(FinishWords());
  if (intent.operation == format::Operation::kErase)
    sync::RepairErase(words, lane_->shape.max_blocks(), stretches());
  std::vector<std::byte> scratch;
  CANVAS_TRY(PutBack(words, scratch));
  file_->Notify();
  return {};
}

std::uint64_t UndoChecksum(const void* bytes, std::size_t count) {
  return XXH3_64bits(bytes, count);
}

}  // namespace canvas::part
