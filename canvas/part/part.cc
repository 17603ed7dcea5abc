#include "canvas/part/part.h"

#include <xxhash.h>

#include <algorithm>

#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"

namespace canvas::part {
namespace {

// Calls visit(first, end) for every written block's frames between the marks.
template <typename Visit>
void ForEachWrittenBlock(const storage::CanvasFile& file, const LanePlace& lane,
                         const FoundPart& part, PageIndex page, Visit visit) {
  const std::uint64_t per_block = lane.shape.frames_per_block();
  // A mark beyond the page's end is a lie; what lies there is not the page's.
  const std::uint64_t mark =
      std::min(sync::ReadMark(part.words), lane.shape.FramesIn(page.value()));
  const std::uint64_t low = sync::ReadLow(part.words);
  if (low >= mark) return;
  file.ForEachVersionStretch(page, lane.slots, low / per_block, (mark + per_block - 1) / per_block,
                             [&](std::uint64_t first, std::uint64_t end) {
                               for (std::uint64_t block = first; block < end; ++block)
                                 if (sync::ReadVersion(part.words, block).written)
                                   visit(std::max(block * per_block, low),
                                         std::min((block + 1) * per_block, mark));
                             });
}

// The rest of a punch, after the intent is on record: idempotent.
Result<void> PunchWords(storage::CanvasFile& file, const LanePlace& lane, PageIndex page,
                        const storage::PartWords& words) {
  sync::BeginPunch(words);
  CANVAS_TRY(file.Punch(file.geometry().Page(page).value() + file.geometry().Data(lane.slots),
                        file.geometry().DataBytes(lane.slots)));
  sync::EndPunch(words, lane.shape.max_blocks(), storage::VersionStretches{file, page, lane.slots});
  return {};
}

// All of a punch that was begun and not finished; nothing to do elsewhere.
Result<void> FinishWords(storage::CanvasFile& file, const LanePlace& lane, PageIndex page) {
  if (!file.SlotPresent(page, lane.slots)) return {};
  const storage::PartWords words =
      file.Part(file.write_base(), page, lane.slots, lane.shape.block_stride());
  if (!sync::PunchUnfinished(words)) return {};
  CANVAS_TRY(PunchWords(file, lane, page, words));
  file.Notify();
  return {};
}

}  // namespace

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
    const auto part = FindPart(file, lane, page);
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

std::optional<FoundPart> FindPart(const storage::CanvasFile& file, const LanePlace& lane,
                                  PageIndex page, std::byte* base) noexcept {
  if (!file.SlotPresent(page, lane.slots)) return std::nullopt;
  FoundPart part{file.Part(base, page, lane.slots, lane.shape.block_stride()), 0};
  part.life = sync::ReadLife(part.words);
  if (format::Life::FromWord(part.life).state != format::PartState::kReady ||
      sync::ReadLane(part.words) != lane.id.value())
    return std::nullopt;
  return part;
}

PartLook LookForPart(const storage::CanvasFile& file, const LanePlace& lane,
                     PageIndex page) noexcept {
  const format::Geometry& geometry = file.geometry();
  const auto word = [&](std::uint64_t offset) { return sync::WordAt(file.read_base(), offset); };
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
  const std::uint64_t chunk = storage::CanvasFile::IndexChunk(page);
  watch_bit(format::kControlOffset + format::control::kIndexChunks, chunk);
  if (look.value == 0) return look;
  watch(format::kPageIndexOffset + std::uint64_t{page.value()} * 8, kAll);
  if (look.value != format::kPageReady) return look;
  if (!file.PageReady(page)) {
    // A page that a power loss took: its entry says ready, and will when it is made anew. There is
    // no word to watch for that, so this look never stands.
    look.mask = 0;
    look.value = 1;
    return look;
  }
  const std::uint64_t start = geometry.Page(page).value();
  const std::uint64_t slot = geometry.SlotNumber(lane.slots);
  watch_bit(start + format::page_control::kSlotBits, slot);
  if (look.value == 0) return look;
  watch(start + geometry.SlotControl(lane.slots) + format::slot_control::kLife, kAll);
  const auto found = FindPart(file, lane, page);
  // Another life than the one that is watched: it is not this look's answer, and the watch says so.
  if (!found || found->life != look.value) return look;
  look.part = found;
  look.touched = {
      os::ByteRange{start + geometry.SlotControl(lane.slots), format::kSlotControlBytes},
      os::ByteRange{start + geometry.Versions(lane.slots), lane.shape.max_blocks() * 8},
      {}};
  // A place that was never used is perhaps not on the disk: looking at it would take space there.
  if (sync::UndoWasUsed(found->words)) look.touched[2] = UndoRange(file, lane, page);
  return look;
}

os::ByteRange UndoRange(const storage::CanvasFile& file, const LanePlace& lane,
                        PageIndex page) noexcept {
  const format::Geometry& geometry = file.geometry();
  return {geometry.Page(page).value() + geometry.UndoPlace(lane.slots), lane.shape.block_stride()};
}

std::optional<PartSummary> SummarizePart(const storage::CanvasFile& file, const LanePlace& lane,
                                         PageIndex page) noexcept {
  const auto part = FindPart(file, lane, page);
  if (!part) return std::nullopt;
  PartSummary summary;
  ForEachWrittenBlock(file, lane, *part, page, [&](std::uint64_t first, std::uint64_t end) {
    if (summary.written_frames == 0) summary.first = first;
    summary.written_frames += end - first;
    summary.end = end;
  });
  if (sync::ReadLife(part->words) != part->life) return std::nullopt;
  return summary;
}

std::vector<FrameRun> WrittenRuns(const storage::CanvasFile& file, const LanePlace& lane,
                                  PageIndex page) {
  std::vector<FrameRun> runs;
  const auto part = FindPart(file, lane, page);
  if (!part) return runs;
  ForEachWrittenBlock(file, lane, *part, page, [&](std::uint64_t first, std::uint64_t end) {
    if (!runs.empty() && runs.back().end == first)
      runs.back().end = end;
    else
      runs.push_back({first, end});
  });
  return runs;
}

Result<os::ScopedLock> KeepWindowsOff(storage::CanvasFile& file, const LanePlace& lane,
                                      PageIndex page) {
  const PageRange one{page, page + 1};
  CANVAS_ASSIGN(auto no_window,
                os::ScopedLock::Try(file.locks(), format::WindowLock(lane.id, one)));
  if (!no_window)
    return Fail(ErrorCode::kBusy, "a reader's window holds the page",
                "try again when it has moved on");
  return std::move(*no_window);
}

Result<void> PunchPart(storage::CanvasFile& file, const LanePlace& lane, PageIndex page,
                       const storage::Ownership& owner) {
  const auto part = FindPart(file, lane, page, file.write_base());
  if (!part) return FinishPunch(file, lane, page, owner);
  CANVAS_ASSIGN(const os::ScopedLock no_window, KeepWindowsOff(file, lane, page));
  owner.Declare({format::Operation::kPunch, page, 0, lane.slots});
  CANVAS_TRY(PunchWords(file, lane, page, part->words));
  owner.Clear();
  file.Notify();
  return {};
}

Result<void> FinishPunch(storage::CanvasFile& file, const LanePlace& lane, PageIndex page,
                         const storage::Ownership& owner) {
  CANVAS_TRY(FinishWords(file, lane, page));
  owner.ClearPunchOf(page);
  return {};
}

bool NeedsPunch(const storage::CanvasFile& file, const LanePlace& lane, PageIndex page) noexcept {
  return file.SlotPresent(page, lane.slots) &&
         (FindPart(file, lane, page) ||
          sync::PunchUnfinished(
              file.Part(file.read_base(), page, lane.slots, lane.shape.block_stride())));
}

Result<void> PutBack(const storage::CanvasFile& file, const LanePlace& lane, PageIndex page,
                     const storage::PartWords& words, std::vector<std::byte>& scratch) {
  const std::uint64_t stride = lane.shape.block_stride();
  const std::uint64_t undo = sync::Peek(*words.undo_block);
  if (undo != 0 && undo <= lane.shape.max_blocks() &&
      format::Version::FromWord(sync::Peek(words.versions[undo - 1])).changing())
    CANVAS_TRY(file.ReserveBytes(
        file.geometry().Page(page).value() + file.geometry().Data(lane.slots) + (undo - 1) * stride,
        stride, false));
  scratch.resize(stride);
  sync::RepairOverwrite(words, lane.shape.max_blocks(), scratch.data(),
                        [&](const void* bytes) { return UndoChecksum(bytes, stride); });
  return {};
}

Result<bool> RepairPart(storage::CanvasFile& file, const LanePlace& lane,
                        const storage::Intent& intent) {
  if (intent.page.value() >= file.mapped_pages()) return false;
  if (intent.run != lane.slots || !file.SlotPresent(intent.page, lane.slots)) return true;
  const storage::PartWords words =
      file.Part(file.write_base(), intent.page, lane.slots, lane.shape.block_stride());
  if (sync::ReadLane(words) != lane.id.value()) return true;
  // A copy of the file may have lost what was reserved.
  CANVAS_TRY(file.ReserveSlot(intent.page, lane.slots));
  CANVAS_TRY(FinishWords(file, lane, intent.page));
  if (intent.operation == format::Operation::kErase)
    sync::RepairErase(words, lane.shape.max_blocks(),
                      storage::VersionStretches{file, intent.page, lane.slots});
  std::vector<std::byte> scratch;
  CANVAS_TRY(PutBack(file, lane, intent.page, words, scratch));
  file.Notify();
  return true;
}

std::uint64_t UndoChecksum(const void* bytes, std::size_t count) {
  return XXH3_64bits(bytes, count);
}

}  // namespace canvas::part
