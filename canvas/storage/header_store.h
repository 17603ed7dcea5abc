// The header of an open canvas: read as an immutable snapshot, replaced as a whole.
//
// Reading copies the current snapshot once a generation, verifies the copy and looks at the root
// again; from then on everyone shares the decoded copy. Editing happens under the header's kernel
// lock: the new version goes to a place that is neither current nor durable nor pinned, and one
// compare-and-swap of the root publishes it (canvas/sync/snapshot.h). A pin keeps one version's
// place from being reused, and reads it where it lies.
//
// Where the current snapshot fails its checksum (after a power loss: visible is not durable), the
// newest one that does not is used, and `recovered()` says so. Such a header is read, not edited. One
// whose checksum holds and that contradicts itself is an error: it is no damage of the disk's, and an
// older one in its place would be a silent loss.
//
// A generation is never given twice, not even to a version that its editor did not live to publish:
// the next one is above the root's and above every place's. Otherwise the root of one editor could
// vouch, after a power loss, for the bytes that a dead one left in the same place.
//
// Thread safety: thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/format/snapshot_format.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header.h"

namespace canvas::storage {

// One version of the header, held in place by a shared lock until this goes. It delays nobody but
// the reuse of that one place.
//
// Thread safety: moved between threads; Decode may be called by several at once.
class HeaderPin {
 public:
  HeaderPin(HeaderPin&& other) noexcept
      : file_(std::exchange(other.file_, nullptr)), root_(other.root_), message_(other.message_) {}
  HeaderPin& operator=(HeaderPin&&) = delete;
  ~HeaderPin();

  std::uint64_t generation() const { return root_.generation; }
  // Reads the message where it lies in the file. The same at every call, unless somebody who is
  // allowed to write the file stores there without the lock: that is kCorrupt, or another header.
  // Errors: kCorrupt, kClosed (in a forked child).
  Result<Header> Decode() const;

 private:
  friend class HeaderStore;
  HeaderPin(const CanvasFile& file, format::Root root, std::span<const std::byte> message)
      : file_(&file), root_(root), message_(message) {}
  const CanvasFile* file_;
  format::Root root_;
  std::span<const std::byte> message_;
};

class HeaderStore;

// A place for a version to come, kept from everybody else until this goes, with room on the disk for
// the header as it is. So an edit that makes it no longer does not fail for want of a place, whatever
// was done between.
//
// Thread safety: moved between threads.
class ReservedPlace {
 public:
  ReservedPlace(ReservedPlace&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)), place_(other.place_) {}
  ReservedPlace& operator=(ReservedPlace&&) = delete;
  ~ReservedPlace();

 private:
  friend class HeaderStore;
  ReservedPlace(HeaderStore& store, std::uint32_t place) : store_(&store), place_(place) {}
  HeaderStore* store_;
  std::uint32_t place_;
};

class HeaderStore {
 public:
  // `name` is what others are told while they wait; an edit waits for another one at most `wait`.
  explicit HeaderStore(CanvasFile& file, std::string name = {},
                       std::chrono::milliseconds wait = kEditWait)
      : file_(file), name_(std::move(name)), wait_(wait) {}

  static constexpr std::chrono::milliseconds kEditWait{5000};

  // Errors: kCorrupt where no place holds a readable header.
  Result<std::shared_ptr<const Header>> Current();
  // The same, and the generation of the root it was loaded for.
  struct Versioned {
    std::shared_ptr<const Header> header;
    std::uint64_t generation = 0;
  };
  Result<Versioned> CurrentVersion();

  // Applies `edit` to the newest header and publishes the result, in `reserved` where there is one.
  // What `edit` does not touch stays as it is, known here or not.
  // Concurrency: waits while another process edits, at most `wait`.
  // Errors: kBusy (another edits for longer; named where it says its name), kCorrupt (the newest
  // header is lost), what `edit` answers (nothing is published then), kLimit (the header is too
  // large, or every place is pinned), kNoSpace, kNoMemory.
  Result<void> Edit(const std::function<Result<void>(Header&)>& edit,
                    ReservedPlace* reserved = nullptr);

  // Keeps a place for an Edit to come. Errors: as Edit.
  Result<ReservedPlace> Reserve();

  // Pins the newest version. Errors: kCorrupt (it cannot be read), kBusy (it kept changing), kIo.
  Result<HeaderPin> Pin();

  // Whether the last Current() had to pass over the newest snapshot.
  bool recovered();

 private:
  friend class ReservedPlace;
  using Bytes = std::vector<std::byte>;
  struct Loaded {
    std::uint64_t root = 0;  // the word it was loaded for
    format::Root from;       // where it was found; of an older generation where recovered
    std::shared_ptr<const Header> header;
    std::shared_ptr<const Bytes> message;  // what it was decoded from
    bool recovered() const { return from.ToWord() != root; }
  };
  Result<Loaded> Load() const;
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
  Result<Loaded> Decode(Bytes message, format::Root from, std::uint64_t root) const;
  Result<Loaded> LoadNewestWhole(format::Root lost) const;
  // The place to write next, locked.
  Result<std::uint32_t> ChoosePlace(format::Root current) const;
  Result<format::Root> NextRoot(format::Root now, std::uint32_t place) const;
  Result<Loaded> CurrentLoaded();
  static Result<void> RefuseRecovered(const Loaded& loaded);
  Result<void> Publish(const Header& next, const Loaded& current, ReservedPlace* reserved);
  std::string EditorName() const;
  Result<ScopedLock> LockForEdit();

  CanvasFile& file_;
  std::string name_;
  std::chrono::milliseconds wait_;
  std::mutex mutex_;  // guards loaded_
  Loaded loaded_;
  std::mutex edit_mutex_;       // threads of this handle share the kernel lock
  std::uint64_t reserved_ = 0;  // places, a bit each; guarded by it
};

}  // namespace canvas::storage
