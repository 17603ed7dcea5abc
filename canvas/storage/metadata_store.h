// A value of the metadata and its versions in the file: the header (header_store.h), a page's
// metadata (page_store.h). One template over a codec, which says what the bytes mean.
//
// The current version is copied and decoded once a generation; from then on everyone shares the
// decoded value. Editing copies it, changes the copy, and publishes that (snapshot_store.h).
//
// Where the current version fails its checksum (after a power loss: visible is not durable), the
// newest one that does not is used, and `recovered()` says so. Such a value is read, not edited.
// One whose checksum holds and that contradicts itself is an error: it is no damage of the disk's,
// and an older one in its place would be a silent loss.
//
// A codec has
//   Value       a regular type; a value of its own, Value{}, stands where nothing was ever
//               published, if kMayBeEmpty says so
//   Decode      (bytes, geometry) -> Result<Value>, validated
//   Validate    (value, geometry) -> Result<void>
//   Encode      (value, bytes of the version that it was made from) -> Result<bytes>
//   kLostHint   what cannot be done while the newest version is lost
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
#include "canvas/format/root.h"
#include "canvas/storage/snapshot_store.h"

namespace canvas::storage {

inline constexpr std::chrono::milliseconds kEditWait{5000};

// One version, pinned. Decode may be called by several threads at once.
template <typename Codec>
class MetadataPin {
 public:
  explicit MetadataPin(SnapshotPin pin) : pin_(std::move(pin)) {}

  std::uint64_t generation() const { return pin_.root().generation; }
  // Reads the version where it lies in the file. The same at every call, unless somebody who is
  // allowed to write the file stores there without the lock: that is kCorrupt, or another value.
  // Errors: kCorrupt, kClosed (in a forked child).
  Result<typename Codec::Value> Decode() const {
    CANVAS_TRY(pin_.file().CheckUsable());
    return Codec::Decode(pin_.message(), pin_.file().geometry());
  }

 private:
  SnapshotPin pin_;
};

template <typename Codec>
class MetadataStore {
 public:
  using Value = typename Codec::Value;
  using Pinned = MetadataPin<Codec>;

  // As SnapshotStore.
  MetadataStore(CanvasFile& file, SnapshotPlaces places, std::string name,
                std::chrono::milliseconds wait)
      : snapshots_(file, std::move(places), std::move(name), wait) {}

  // The newest version, and the generation of the root it was loaded for.
  // Errors: kCorrupt where no place holds a readable one, kClosed.
  struct Versioned {
    std::shared_ptr<const Value> value;
    std::uint64_t generation = 0;
  };
  Result<Versioned> CurrentVersion() {
    auto loaded = CurrentLoaded();
    if (!loaded) return std::unexpected(std::move(loaded).error().About(path()));
    return Versioned{std::move(loaded->value), loaded->root.generation};
  }
  Result<std::shared_ptr<const Value>> Current() {
    CANVAS_ASSIGN(Versioned current, CurrentVersion());
    return std::move(current.value);
  }

  // Applies `edit` to the newest version and publishes the result. What `edit` does not touch stays
  // as it is, known here or not. `deed` is done when nothing but the publishing is left that could
  // fail: for what cannot be taken back. Where it answers an error nothing is published. An edit
  // that changes nothing publishes nothing; its deed is done.
  // Concurrency: waits while another thread or process edits, at most `wait`.
  // Errors: kBusy (another edits for longer; named where it says its name), kCorrupt (the newest
  // version is lost), what `edit` answers (nothing is published then), kLimit (it is too large, or
  // every place is pinned), kNoSpace, kNoMemory.
  Result<void> Edit(const std::function<Result<void>(Value&)>& edit,
                    const std::function<Result<void>()>& deed = {}) {
    CANVAS_TRY(snapshots_.file().CheckWritable());
    const auto run = [&]() -> Result<void> {
      CANVAS_ASSIGN(const auto editing, snapshots_.BeginEdit());
      CANVAS_ASSIGN(const Loaded now, CurrentLoaded());
      CANVAS_TRY(RefuseRecovered(now));
      Value next = *now.value;
      CANVAS_TRY(edit(next));
      if (next == *now.value) return deed ? deed() : Result<void>{};
      CANVAS_TRY(Codec::Validate(next, snapshots_.file().geometry()));
      CANVAS_ASSIGN(const Bytes message, Codec::Encode(next, *now.message));
      return snapshots_.Publish(now.root, message, deed);
    };
    auto edited = run();
    if (!edited) return std::unexpected(std::move(edited).error().About(path()));
    return {};
  }

  // Pins the newest version. Errors: kCorrupt (it cannot be read), kBusy (it kept changing), kIo.
  Result<Pinned> Pin() const {
    CANVAS_ASSIGN(SnapshotPin pin, snapshots_.Pin());
    auto whole = Codec::Decode(pin.message(), snapshots_.file().geometry());
    if (!whole) return std::unexpected(std::move(whole).error().About(path()));
    return Pinned(std::move(pin));
  }

  // Whether the last Current() had to pass over the newest version.
  bool recovered() {
    if (snapshots_.file().poisoned()) return false;  // the parent's mutex may be locked for ever
    const std::lock_guard lock(mutex_);
    return loaded_.recovered();
  }

 private:
  using Bytes = SnapshotStore::Bytes;
  struct Loaded {
    format::Root root;  // the one it was loaded for
    format::Root from;  // where it was found; of an older generation where recovered
    std::shared_ptr<const Value> value;
    std::shared_ptr<const Bytes> message;  // what it was decoded from
    bool recovered() const { return from != root; }
  };

  const std::string& path() const { return snapshots_.file().path(); }

  Result<Loaded> Load() const {
    if (Codec::kMayBeEmpty && snapshots_.Empty())
      return Loaded{{}, {}, std::make_shared<const Value>(), std::make_shared<const Bytes>()};
    const auto& geometry = snapshots_.file().geometry();
    CANVAS_ASSIGN(SnapshotStore::Loaded loaded,
                  snapshots_.Load([&](std::span<const std::byte> message) {
                    return Codec::Decode(message, geometry).has_value();
                  }));
    CANVAS_ASSIGN(Value value, Codec::Decode(loaded.found.message, geometry));
    return Loaded{loaded.root, loaded.found.root, std::make_shared<const Value>(std::move(value)),
                  std::make_shared<const Bytes>(std::move(loaded.found.message))};
  }

  Result<Loaded> CurrentLoaded() {
    CANVAS_TRY(snapshots_.file().CheckUsable());
    const std::lock_guard lock(mutex_);
    if (loaded_.value == nullptr || loaded_.root != snapshots_.ReadRoot()) {
      CANVAS_ASSIGN(loaded_, Load());
    }
    return loaded_;
  }

  // What the lost generations said is not known: of ids and slots, say. Giving one out again would
  // mix two lanes.
  Result<void> RefuseRecovered(const Loaded& loaded) const {
    if (!loaded.recovered()) return {};
    return Fail(ErrorCode::kCorrupt,
                "the newest " + snapshots_.places().name + " (generation " +
                    std::to_string(loaded.root.generation) + ") cannot be read, so " +
                    Codec::kLostHint,
                "export what you need into a new canvas, or restore it from a copy");
  }

  SnapshotStore snapshots_;
  std::mutex mutex_;  // guards loaded_
  Loaded loaded_;
};

}  // namespace canvas::storage
