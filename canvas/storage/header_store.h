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
#include "canvas/metadata/header.h"
#include "canvas/storage/canvas_file.h"

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
  Result<metadata::Header> Decode() const;

 private:
  friend class HeaderStore;
  HeaderPin(const CanvasFile& file, format::Root root, std::span<const std::byte> message)
      : file_(&file), root_(root), message_(message) {}
  const CanvasFile* file_;
  format::Root root_;
  std::span<const std::byte> message_;
};

class HeaderStore {
 public:
  // `name` is what others are told while they wait; an edit waits for another one at most `wait`.
  explicit HeaderStore(CanvasFile& file, std::string name = {},
                       std::chrono::milliseconds wait = kEditWait)
      : file_(file), name_(std::move(name)), wait_(wait) {}

  static constexpr std::chrono::milliseconds kEditWait{5000};

  // Errors: kCorrupt where no place holds a readable header.
  Result<std::shared_ptr<const metadata::Header>> Current();
  // The same, and the generation of the root it was loaded for.
  struct Versioned {
    std::shared_ptr<const metadata::Header> header;
    std::uint64_t generation = 0;
  };
  Result<Versioned> CurrentVersion();

  // Applies `edit` to the newest header and publishes the result. What `edit` does not touch stays as
  // it is, known here or not. `deed` is done when nothing but the publishing is left that could fail:
  // for what cannot be taken back. Where it answers an error nothing is published. An edit that changes
  // nothing publishes nothing; its deed is done.
  // Concurrency: waits while another thread or process edits, at most `wait`.
  // Errors: kBusy (another edits for longer; named where it says its name), kCorrupt (the newest
  // header is lost), what `edit` answers (nothing is published then), kLimit (the header is too
  // large, or every place is pinned), kNoSpace, kNoMemory.
  Result<void> Edit(const std::function<Result<void>(metadata::Header&)>& edit,
                    const std::function<Result<void>()>& deed = {});

  // Pins the newest version. Errors: kCorrupt (it cannot be read), kBusy (it kept changing), kIo.
  Result<HeaderPin> Pin();

  // Whether the last Current() had to pass over the newest snapshot.
  bool recovered();

 private:
  using Bytes = std::vector<std::byte>;
  struct Loaded {
    std::uint64_t root = 0;  // the word it was loaded for
    format::Root from;       // where it was found; of an older generation where recovered
    std::shared_ptr<const metadata::Header> header;
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
  Result<void> Publish(const metadata::Header& next, const Loaded& current,
                       const std::function<Result<void>()>& deed);
  Error HeldError() const;
  Result<os::ScopedLock> LockForEdit(std::chrono::steady_clock::time_point end);

  CanvasFile& file_;
  std::string name_;
  std::chrono::milliseconds wait_;
  std::mutex mutex_;  // guards loaded_
  Loaded loaded_;
  std::timed_mutex edit_mutex_;  // threads of this handle share the kernel lock
};

}  // namespace canvas::storage
