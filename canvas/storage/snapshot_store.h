// The versions of one piece of metadata, as bytes: found, verified, pinned, chosen and published
// (canvas/sync/snapshot.h). What they mean is another's: metadata_store.h.
//
// Reading copies a version, verifies the copy and looks at the root again. Publishing writes the
// new version to a place that is neither current nor durable nor pinned, and one compare-and-swap
// of the root shows it. A pin keeps one version's place from being reused.
//
// A generation is never given twice, not even to a version that its editor did not live to publish:
// the next one is above the root's and above every place's. Otherwise the root of one editor could
// vouch, after a power loss, for the bytes that a dead one left in the same place.
//
// Thread safety: thread-safe, but for what a method says.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/format/root.h"
#include "canvas/format/snapshot_format.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/snapshot_places.h"

namespace canvas::storage {

// One version, held in place by a shared lock until this goes. It delays nobody but the reuse of
// that one place. Moved between threads.
class SnapshotPin {
 public:
  SnapshotPin(SnapshotPin&& other) noexcept
      : file_(std::exchange(other.file_, nullptr)),
        lock_(other.lock_),
        root_(other.root_),
        message_(other.message_) {}
  SnapshotPin& operator=(SnapshotPin&&) = delete;
  ~SnapshotPin();

  const CanvasFile& file() const { return *file_; }
  format::Root root() const { return root_; }
  // Where it lies in the file. The same at every look, unless somebody who is allowed to write the
  // file stores there without the lock.
  std::span<const std::byte> message() const { return message_; }

 private:
  friend class SnapshotStore;
  SnapshotPin(const CanvasFile& file, format::LockRange lock, format::Root root)
      : file_(&file), lock_(lock), root_(root) {}
  const CanvasFile* file_;
  format::LockRange lock_;
  format::Root root_;
  std::span<const std::byte> message_;
};

// Says who edits, for as long as it lives. For people; it decides nothing.
class EditorNote {
 public:
  EditorNote(const CanvasFile& file, std::uint64_t at, const std::string& name);
  EditorNote(EditorNote&& other) noexcept
      : file_(std::exchange(other.file_, nullptr)), at_(other.at_) {}
  EditorNote& operator=(EditorNote&&) = delete;
  ~EditorNote();

 private:
  const CanvasFile* file_;
  std::uint64_t at_;
};

class SnapshotStore {
 public:
  using Bytes = std::vector<std::byte>;
  // A copy, and where it was found.
  struct Found {
    format::Root root;
    Bytes message;
  };

  // `name` is what others are told while they wait; an edit waits for another one at most `wait`.
  SnapshotStore(CanvasFile& file, SnapshotPlaces places, std::string name,
                std::chrono::milliseconds wait)
      : file_(file), places_(std::move(places)), name_(std::move(name)), wait_(wait) {}

  CanvasFile& file() const { return file_; }
  const SnapshotPlaces& places() const { return places_; }
  format::Root ReadRoot() const noexcept;
  // Whether anything was ever published: by the root, and by the one that a sync knew.
  bool Empty() const noexcept;

  // The version that the root names, or, where it cannot be read, the newest that is whole and that
  // `accept` takes, of what was published before: the root of what was found differs from `root`
  // then.
  // Errors: kBusy (it changed at every try), kCorrupt (none).
  struct Loaded {
    format::Root root;
    Found found;
  };
  Result<Loaded> Load(const std::function<bool(std::span<const std::byte>)>& accept) const;

  // Pins the newest version, its bytes verified once.
  // Errors: kCorrupt (it cannot be read), kBusy (it kept changing), kIo.
  Result<SnapshotPin> Pin() const;

  // The right to publish: of the threads of this handle, and of all processes, one has it.
  class Editing {
   public:
    Editing(std::unique_lock<std::timed_mutex> threads, os::ScopedLock processes, EditorNote note)
        : threads_(std::move(threads)), processes_(std::move(processes)), note_(std::move(note)) {}

   private:
    std::unique_lock<std::timed_mutex> threads_;
    os::ScopedLock processes_;
    EditorNote note_;
  };
  // Concurrency: waits while another thread or process edits, at most the store's `wait`.
  // Errors: kBusy (named where it says its name).
  Result<Editing> BeginEdit();

  // While editing. `now` is the root that `message` was made from. `deed` is done when nothing but
  // the publishing is left that could fail; where it answers an error nothing is published.
  // Errors: kLimit (too large, or every place is pinned), kNoSpace, kCorrupt, kIo, and the deed's.
  Result<void> Publish(format::Root now, std::span<const std::byte> message,
                       const std::function<Result<void>()>& deed) const;

 private:
  std::unexpected<Error> Corrupt(std::uint32_t place, std::string_view what) const;
  auto LockOf() const {
    return [this](std::uint32_t place) { return places_.PlaceLock(place); };
  }
  // Where the message in a place lies, its own header read and found good; its bytes unread.
  struct Message {
    std::uint64_t start;
    format::SnapshotHeader header;
  };
  // Of whatever generation.
  Result<Message> FindMessage(std::uint32_t place) const;
  Result<Message> FindMessage(format::Root root) const;
  // A copy of it, its checksum compared.
  Result<Bytes> CopyMessage(const Message& found, std::uint32_t place) const;
  Result<Found> NewestWhole(format::Root lost,
                            const std::function<bool(std::span<const std::byte>)>& accept) const;
  // The place to write next, locked.
  Result<std::uint32_t> ChoosePlace(format::Root current) const;
  Result<format::Root> NextRoot(format::Root now, std::uint32_t place) const;
  Error HeldError() const;
  Result<os::ScopedLock> LockForEdit(std::chrono::steady_clock::time_point end) const;

  CanvasFile& file_;
  SnapshotPlaces places_;
  std::string name_;
  std::chrono::milliseconds wait_;
  std::timed_mutex edit_mutex_;  // threads of this handle share the kernel lock
};

}  // namespace canvas::storage
