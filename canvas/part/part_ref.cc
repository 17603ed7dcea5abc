#include "canvas/part/part_ref.h"

#include "canvas/format/control_words.h"
#include "canvas/format/owner_table.h"
#include "canvas/format/page_words.h"
#include "canvas/format/slot_words.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"

namespace canvas::part {

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
  look.touched[0] = {start + geometry.SlotControl(lane_->slots), format::kSlotControlBytes};
  return look;
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
                os::ScopedLock::Try(file_->locks(), format::HoldLock(lane_->id, one)));
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
  CANVAS_TRY(part.file().Punch(part.data(), part.bytes()));
  sync::EndPunch(words, part.lane().blocks, part.stretches());
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

Result<bool> PartRef::BeginRepair(const storage::Intent& intent) const {
  if (intent.run != lane_->slots || !SlotPresent()) return false;
  if (sync::ReadLane(Words(file_->write_base())) != lane_->id.value()) return false;
  // A copy of the file may have lost what was reserved.
  CANVAS_TRY(file_->ReserveSlot(page_, lane_->slots));
  CANVAS_TRY(EnsureStorable());
  CANVAS_TRY(FinishWords());
  return true;
}

}  // namespace canvas::part
