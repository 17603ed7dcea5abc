// Which process may write a lane over which pages: one owner at a time, by a kernel lock that dies
// with it.
//
// The owner table beside the locks says who they are (name, pid, since when) and what each was
// doing (the intent). It informs people, and successors after a death; it decides nothing. An entry
// is alive while its own lock is held. Taking over a lane repairs what dead owners of it left half
// done before it answers, in time that depends on the owners there were and not on the length of
// the canvas.
//
// Invariants
//   I1  An Ownership holds the lock of its lane and pages, and the lock of its table entry.
//   I2  An entry with an intent is not reused by anyone until that intent is repaired.
//
// Thread safety: OwnerTable is thread-safe. An Ownership is moved between threads, not shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/format/owner_table.h"
#include "canvas/metadata/reports.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/sync/takeover.h"

namespace canvas::storage {

using metadata::OwnerInfo;

// What an owner is in the middle of.
struct Intent {
  format::Operation operation = format::Operation::kNone;
  PageIndex page;
  std::uint64_t block = 0;
  format::SlotRun run;
};

class OwnerTable;

class Ownership {
 public:
  Ownership(Ownership&& other) noexcept;
  Ownership& operator=(Ownership&&) = delete;
  ~Ownership();

  LaneId lane() const { return lane_; }
  PageRange pages() const { return pages_; }

  // Before an operation: so that what it stores here does not fault (CanvasFile::EnsureStorable).
  Result<void> EnsureStorable() const;
  // Recorded before the first store of an operation, cleared after its last.
  void Declare(const Intent& intent) const noexcept;
  void Clear() const noexcept;
  // Clears the intent to punch `page`, if that is what stands: a punch that failed stands until it
  // is done.
  void ClearPunchOf(PageIndex page) const noexcept;

 private:
  friend class OwnerTable;
  Ownership(OwnerTable& table, LaneId lane, PageRange pages, std::uint64_t entry)
      : table_(&table), lane_(lane), pages_(pages), entry_(entry) {}
  OwnerTable* table_;
  LaneId lane_;
  PageRange pages_;
  std::uint64_t entry_;
};

// Finishes or undoes what a dead owner intended; called with the part's lock held. False where it
// could not: the intent then stays for another.
using RepairFunction = std::function<Result<bool>(const Intent&)>;

class OwnerTable {
 public:
  // `name` is what others are told; cut to 63 bytes.
  OwnerTable(CanvasFile& file, std::string name);

  // Errors: kOwned naming the holder, kLimit (4,096 owners), kBusy (an intent cannot be looked at),
  // what `repair` answers.
  Result<Ownership> Own(LaneId lane, PageRange pages, const RepairFunction& repair);

  // The living owners, in table order. Needs no write access.
  Result<std::vector<OwnerInfo>> Living() const;
  // Intents of the dead that no one has repaired yet.
  Result<std::vector<std::pair<OwnerInfo, Intent>>> Unrepaired() const;

 private:
  friend class Ownership;
  struct Held {
    LaneId lane;
    PageRange pages;
    std::uint64_t entry;
  };
  Result<void> EnsureStorable(std::uint64_t entry) const;
  sync::Word& Field(std::byte* base, std::uint64_t entry, std::uint64_t offset) const;
  sync::OwnerWords<sync::StdSync> Words(std::byte* base, std::uint64_t entry) const;
  std::uint64_t EntriesInUse() const;
  OwnerInfo ReadInfo(std::uint64_t entry) const;
  Intent ReadIntent(std::uint64_t entry) const;
  bool HeldHere(std::uint64_t entry) const;
  Result<bool> Alive(std::uint64_t entry) const;
  // Who is in the way; nothing where nobody says so.
  std::optional<Error> OwnedError(LaneId lane, PageRange pages) const;
  Result<void> Lock(LaneId lane, PageRange pages) const;
  Result<void> RepairDead(LaneId lane, PageRange pages, const RepairFunction& repair);
  Result<std::uint64_t> TakeEntry();
  Result<std::uint64_t> ExtendTable();
  void WriteInfo(std::uint64_t entry, LaneId lane, PageRange pages) const noexcept;
  void Release(const Ownership& ownership) noexcept;

  CanvasFile& file_;
  std::string name_;
  std::uint64_t start_time_;
  mutable std::mutex mutex_;  // threads of this handle share the lock description
  std::vector<Held> held_;
};

}  // namespace canvas::storage
