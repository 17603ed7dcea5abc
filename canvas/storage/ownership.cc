#include "canvas/storage/ownership.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "canvas/format/control_words.h"
#include "canvas/format/owner_table.h"
#include "canvas/storage/holder_name.h"
#include "canvas/sync/presence.h"

namespace canvas::storage {
namespace {

namespace entry_field = format::owner_entry;

std::uint64_t PackSlot(format::SlotRun run) {
  return static_cast<std::uint64_t>(run.kind) << 32 | run.first;
}

// The lock of an entry whose owner is dead, for as long as `concerns()` says that it is of
// interest. Another process may hold it for the moment it takes to look at the entry; nothing where
// the entry went to a living owner meanwhile.
template <typename Concerns>
Result<std::optional<os::ScopedLock>> LockDeadEntry(const os::LockFile& locks, std::uint64_t entry,
                                                    Concerns concerns) {
  constexpr int kTries = 200;
  for (int i = 0; i < kTries; ++i) {
    CANVAS_ASSIGN(auto lock, os::ScopedLock::Try(locks, format::OwnerEntryLock(entry)));
    if (lock || !concerns()) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Fail(ErrorCode::kBusy, "a dead owner's record is held by another process",
              "try again in a moment; anyone who may read the file can hold it: see /proc/locks");
}

constexpr std::uint64_t kEntriesPerBlock = format::kFileBlock / format::kOwnerEntryBytes;

}  // namespace

OwnerTable::OwnerTable(CanvasFile& file, std::string name)
    : file_(file),
      name_(std::move(name)),
      start_time_(StartTimeOf(static_cast<std::uint64_t>(getpid()))) {}

Ownership::Ownership(Ownership&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)),
      lane_(other.lane_),
      pages_(other.pages_),
      entry_(other.entry_) {}

Ownership::~Ownership() {
  if (table_ != nullptr) table_->Release(*this);
}

void Ownership::Declare(const Intent& intent) const noexcept {
  sync::DeclareIntent(table_->Words(table_->file_.write_base(), entry_),
                      {.operation = intent.operation,
                       .page = intent.page.value(),
                       .block = intent.block,
                       .slot = PackSlot(intent.run),
                       .slot_count = intent.run.count});
}

Result<void> Ownership::EnsureStorable() const { return table_->EnsureStorable(entry_); }

void Ownership::Clear() const noexcept {
  sync::ClearIntent(table_->Words(table_->file_.write_base(), entry_));
}

void Ownership::ClearPunchOf(PageIndex page) const noexcept {
  const Intent intent = table_->ReadIntent(entry_);
  if (intent.operation == format::Operation::kPunch && intent.page == page) Clear();
}

Result<void> OwnerTable::EnsureStorable(std::uint64_t entry) const {
  return file_.EnsureStorable(
      {{format::kOwnerTableOffset + entry * format::kOwnerEntryBytes, format::kOwnerEntryBytes}});
}

sync::Word& OwnerTable::Field(std::byte* base, std::uint64_t entry, std::uint64_t offset) const {
  return *sync::WordAt(base, format::kOwnerTableOffset + entry * format::kOwnerEntryBytes + offset);
}

sync::OwnerWords<sync::StdSync> OwnerTable::Words(std::byte* base, std::uint64_t entry) const {
  const auto at = [&](std::uint64_t field) { return &Field(base, entry, field); };
  return {.lane_id = at(entry_field::kLaneId),
          .first_page = at(entry_field::kFirstPage),
          .end_page = at(entry_field::kEndPage),
          .operation = at(entry_field::kIntentOperation),
          .page = at(entry_field::kIntentPage),
          .block = at(entry_field::kIntentBlock),
          .slot = at(entry_field::kIntentSlot),
          .slot_count = at(entry_field::kIntentSlotCount)};
}

std::uint64_t OwnerTable::EntriesInUse() const {
  return std::min(sync::Observe(file_.ReadControl(format::control::kOwnerEntries)),
                  format::kOwnerEntries);
}

OwnerInfo OwnerTable::ReadInfo(std::uint64_t entry) const {
  std::byte* base = file_.read_base();
  const auto get = [&](std::uint64_t field) { return sync::Peek(Field(base, entry, field)); };
  OwnerInfo info;
  info.lane = LaneId(static_cast<std::uint32_t>(sync::ReadOwnerLane(Words(base, entry))));
  info.name = ReadName(base + format::kOwnerTableOffset + entry * format::kOwnerEntryBytes +
                       entry_field::kName);
  info.pages = {PageIndex(static_cast<std::uint32_t>(get(entry_field::kFirstPage))),
                PageIndex(static_cast<std::uint32_t>(get(entry_field::kEndPage)))};
  info.pid = get(entry_field::kPid);
  info.since_unix_ns = static_cast<std::int64_t>(get(entry_field::kSince));
  return info;
}

Intent OwnerTable::ReadIntent(std::uint64_t entry) const {
  const sync::RawIntent words = sync::ReadIntent(Words(file_.read_base(), entry));
  return {.operation = words.operation,
          .page = PageIndex(static_cast<std::uint32_t>(words.page)),
          .block = words.block,
          .run = {words.slot >> 32 == 1 ? format::SlotKind::kSmall : format::SlotKind::kWide,
                  static_cast<std::uint32_t>(words.slot),
                  static_cast<std::uint32_t>(words.slot_count)}};
}

bool OwnerTable::HeldHere(std::uint64_t entry) const {
  return std::ranges::any_of(held_, [&](const Held& h) { return h.entry == entry; });
}

Result<bool> OwnerTable::Alive(std::uint64_t entry) const {
  if (HeldHere(entry)) return true;
  return file_.pins().HeldElsewhere(format::OwnerEntryLock(entry));
}

std::optional<Error> OwnerTable::OwnedError(LaneId lane, PageRange pages) const {
  for (std::uint64_t entry = 0; entry < EntriesInUse(); ++entry) {
    const OwnerInfo info = ReadInfo(entry);
    if (info.lane != lane || !info.pages.Overlaps(pages)) continue;
    const auto alive = Alive(entry);
    if (!alive || !*alive) continue;
    // The same owner still, and not the next one of the entry.
    if (const OwnerInfo again = ReadInfo(entry);
        again.lane != info.lane || again.since_unix_ns != info.since_unix_ns)
      continue;
    return Error(ErrorCode::kOwned,
                 fmt::format("owned by {} (pid {}, since {})", info.name, info.pid,
                             LocalTime(info.since_unix_ns)),
                 "wait for it to finish, or write to another lane or other pages");
  }
  return std::nullopt;
}

Result<void> OwnerTable::Lock(LaneId lane, PageRange pages) const {
  const bool ours = std::ranges::any_of(
      held_, [&](const Held& h) { return h.lane == lane && h.pages.Overlaps(pages); });
  // Between taking the lock and writing its name, and between the reverse, an owner has none.
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; ++i) {
    if (!ours) {
      CANVAS_ASSIGN(const bool taken,
                    file_.locks().TryExclusive(format::OwnershipLock(lane, pages)));
      if (taken) return {};
    }
    if (auto error = OwnedError(lane, pages)) return std::unexpected(*std::move(error));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Fail(ErrorCode::kOwned, "held by a process that does not say its name",
              "wait for it to finish, or write to another lane or other pages; anyone who may read "
              "the file can hold it: see /proc/locks");
}

Result<std::uint64_t> OwnerTable::ExtendTable() {
  const std::uint64_t entries = EntriesInUse();
  if (entries >= format::kOwnerEntries)
    return Fail(ErrorCode::kLimit, fmt::format("all {} places for owners are taken", entries),
                "close some writers");
  CANVAS_TRY(file_.ReserveBytes(format::kOwnerTableOffset + entries * format::kOwnerEntryBytes,
                                format::kFileBlock, false));
  // Two processes may extend at once; to the same count.
  sync::PublishCount(file_.WriteControl(format::control::kOwnerEntries), entries,
                     entries + kEntriesPerBlock);
  return entries;
}

Result<std::uint64_t> OwnerTable::TakeEntry() {
  for (std::uint64_t entry = 0;; ++entry) {
    if (entry >= EntriesInUse()) CANVAS_TRY(ExtendTable());
    // I2; looked at before the lock too, which a successor would take for the owner's.
    if (HeldHere(entry) || ReadIntent(entry).operation != format::Operation::kNone) continue;
    // A copy of the file may have lost what was reserved and never written. Before the lock: while
    // it is held, what the entry says is taken for a living owner's.
    CANVAS_TRY(file_.ReserveBytes(format::kOwnerTableOffset + entry * format::kOwnerEntryBytes,
                                  format::kOwnerEntryBytes, false));
    CANVAS_TRY(EnsureStorable(entry));
    CANVAS_ASSIGN(const bool taken, file_.locks().TryExclusive(format::OwnerEntryLock(entry)));
    if (!taken) continue;
    if (ReadIntent(entry).operation == format::Operation::kNone) {
      sync::Withdraw(Words(file_.write_base(), entry));  // whoever had it is not who has it now
      return entry;
    }
    file_.locks().Unlock(format::OwnerEntryLock(entry));
  }
}

void OwnerTable::WriteInfo(std::uint64_t entry, LaneId lane, PageRange pages) const noexcept {
  std::byte* base = file_.write_base();
  const auto put = [&](std::uint64_t field, std::uint64_t value) {
    sync::Put(Field(base, entry, field), value);
  };
  sync::Withdraw(Words(base, entry));  // half changed, it is nobody's
  WriteName(
      base + format::kOwnerTableOffset + entry * format::kOwnerEntryBytes + entry_field::kName,
      name_);
  put(entry_field::kPid, static_cast<std::uint64_t>(getpid()));
  put(entry_field::kStartTime, start_time_);
  put(entry_field::kSince, static_cast<std::uint64_t>(os::NowUnixNs()));
  sync::Announce(Words(base, entry), lane.value(), pages.first.value(), pages.end.value());
}

Result<void> OwnerTable::RepairDead(LaneId lane, PageRange pages, const RepairFunction& repair) {
  const auto concerns = [&](std::uint64_t entry) {
    return sync::IntentConcerns(Words(file_.read_base(), entry), lane.value(), pages.first.value(),
                                pages.end.value());
  };
  // We own what these intended to change, so whoever did is dead.
  for (std::uint64_t entry = 0; entry < EntriesInUse(); ++entry) {
    if (HeldHere(entry) || !concerns(entry)) continue;
    CANVAS_ASSIGN(const std::optional<os::ScopedLock> dead,
                  LockDeadEntry(file_.locks(), entry, [&] { return concerns(entry); }));
    if (!dead || !concerns(entry)) continue;
    CANVAS_ASSIGN(const bool repaired, repair(ReadIntent(entry)));
    CANVAS_TRY(EnsureStorable(entry));
    if (repaired) sync::MarkRepaired(Words(file_.write_base(), entry));
  }
  return {};
}

Result<Ownership> OwnerTable::Own(LaneId lane, PageRange pages, const RepairFunction& repair) {
  CANVAS_TRY(file_.CheckWritable());
  if (pages.empty()) return Fail(ErrorCode::kInvalidArgument, "an empty range of pages");
  const std::lock_guard lock(mutex_);
  held_.reserve(held_.size() + 1);  // from the last lock on nothing fails
  CANVAS_TRY(Lock(lane, pages));
  auto lane_lock = os::ScopedLock::Adopt(file_.locks(), format::OwnershipLock(lane, pages));
  CANVAS_TRY(RepairDead(lane, pages, repair));
  CANVAS_ASSIGN(const std::uint64_t entry, TakeEntry());
  WriteInfo(entry, lane, pages);
  held_.push_back({lane, pages, entry});
  lane_lock.Keep();
  file_.Notify();
  file_.FlushNotify();
  return Ownership(*this, lane, pages, entry);
}

void OwnerTable::Release(const Ownership& ownership) noexcept {
  if (file_.poisoned()) return;  // a forked child holds nothing
  const std::lock_guard lock(mutex_);
  // An intent that stands means an operation that failed half way: it stays for a successor. An
  // entry that cannot be stored to stays as it is, and is taken for a dead owner's.
  if (ReadIntent(ownership.entry_).operation == format::Operation::kNone &&
      EnsureStorable(ownership.entry_))
    sync::Withdraw(Words(file_.write_base(), ownership.entry_));
  std::erase_if(held_, [&](const Held& h) { return h.entry == ownership.entry_; });
  file_.locks().Unlock(format::OwnerEntryLock(ownership.entry_));
  file_.locks().Unlock(format::OwnershipLock(ownership.lane_, ownership.pages_));
  if (!file_.CheckWritable()) return;
  file_.Notify();
  file_.FlushNotify();
}

Result<std::vector<OwnerInfo>> OwnerTable::Living() const {
  CANVAS_TRY(file_.CheckUsable());
  const std::lock_guard lock(mutex_);
  std::vector<OwnerInfo> living;
  for (std::uint64_t entry = 0; entry < EntriesInUse(); ++entry) {
    if (sync::ReadOwnerLane(Words(file_.read_base(), entry)) == 0) continue;
    CANVAS_ASSIGN(const bool alive, Alive(entry));
    if (!alive) continue;
    // Read while it is alive: a dead owner's words are withdrawn before the entry lives again.
    OwnerInfo info = ReadInfo(entry);
    if (info.lane != LaneId(0)) living.push_back(std::move(info));
  }
  return living;
}

Result<std::vector<std::pair<OwnerInfo, Intent>>> OwnerTable::Unrepaired() const {
  CANVAS_TRY(file_.CheckUsable());
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<OwnerInfo, Intent>> found;
  for (std::uint64_t entry = 0; entry < EntriesInUse(); ++entry) {
    const Intent intent = ReadIntent(entry);
    if (intent.operation == format::Operation::kNone) continue;
    CANVAS_ASSIGN(const bool alive, Alive(entry));
    if (!alive) found.emplace_back(ReadInfo(entry), intent);
  }
  return found;
}

}  // namespace canvas::storage
