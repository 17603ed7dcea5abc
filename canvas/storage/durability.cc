#include "canvas/storage/durability.h"

#include <unistd.h>

#include <cerrno>
#include <deque>
#include <utility>

#include "canvas/format/control_words.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/snapshot_places.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/snapshot.h"

namespace canvas::storage {
namespace {

// A root that is held until it is called durable: or an editor could have reused its place by then.
class PinnedRoot {
 public:
  PinnedRoot(const CanvasFile& file, SnapshotPlaces places)
      : file_(file),
        places_(std::move(places)),
        pin_(sync::PinRoot(places_.Words(file.read_base()), file.shared_locks(),
                           [this](std::uint32_t place) { return places_.PlaceLock(place); })) {}
  PinnedRoot(PinnedRoot&&) = delete;
  ~PinnedRoot() {
    if (pinned()) file_.shared_locks().Unlock(places_.PlaceLock(pin_.root.place));
  }

  Result<void> EnsureStorable() const { return file_.EnsureStorable({{places_.durable_root, 8}}); }
  // Where it could not be pinned the bytes are on disk all the same, and an older root stays the
  // durable one. False where another process has come further.
  bool CallDurable() const {
    return pinned() && sync::AdvanceDurable(places_.Words(file_.write_base()), pin_.root);
  }

 private:
  bool pinned() const {
    return pin_.outcome == sync::LockTry::kTaken && pin_.root.place < places_.places;
  }
  const CanvasFile& file_;
  SnapshotPlaces places_;
  sync::Pin pin_;
};

}  // namespace

Result<void> Durability::BarrierLocked() {
  if (errno_ == 0 && fdatasync(file_.fd().get()) != 0) errno_ = errno;
  if (errno_ != 0)
    return std::unexpected(Error::FromErrno(errno_, "fdatasync").About(file_.path()));
  return {};
}

Result<void> Durability::Barrier() {
  const std::lock_guard lock(mutex_);
  return BarrierLocked();
}

void Durability::Published(PageIndex page) {
  const std::lock_guard lock(mutex_);
  published_.insert(page);
}

Result<void> Durability::Sync() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t size = FileSizeOrZero(file_.fd());
  std::deque<PinnedRoot> roots;
  roots.emplace_back(file_, SnapshotPlaces::OfHeader(file_.geometry()));
  for (const PageIndex page : published_)
    roots.emplace_back(file_, SnapshotPlaces::OfPage(file_.geometry(), page));
  CANVAS_TRY(BarrierLocked());
  CANVAS_TRY(file_.EnsureStorable({{format::kControlOffset, format::kControlBytes}}));
  for (const PinnedRoot& root : roots) CANVAS_TRY(root.EnsureStorable());
  bool said = sync::RaiseTo(file_.WriteControl(format::control::kDurableBytes), size);
  for (const PinnedRoot& root : roots) said |= root.CallDurable();
  if (said) CANVAS_TRY(BarrierLocked());
  published_.clear();
  return {};
}

}  // namespace canvas::storage
