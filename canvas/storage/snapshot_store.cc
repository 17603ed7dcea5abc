#include "canvas/storage/snapshot_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>

#include "canvas/format/editor_record.h"
#include "canvas/format/root.h"
#include "canvas/storage/holder_name.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/snapshot.h"

namespace canvas::storage {
namespace {

constexpr int kLoadTries = 100;  // each further one means that someone published meanwhile

}  // namespace

SnapshotPin::~SnapshotPin() {
  if (file_ != nullptr && !file_->poisoned()) file_->shared_locks().Unlock(lock_);
}

// Relaxed stores: for people.
EditorNote::EditorNote(const CanvasFile& file, std::uint64_t at, const std::string& name)
    : file_(&file), at_(at) {
  std::byte* base = file.write_base();
  const auto put = [&](std::uint64_t field, std::uint64_t value) {
    sync::Put(*sync::WordAt(base, at + field), value);
  };
  WriteName(base + at + format::editor::kName, name);
  put(format::editor::kSince, static_cast<std::uint64_t>(os::NowUnixNs()));
  put(format::editor::kStartTime, StartTimeOf(static_cast<std::uint64_t>(getpid())));
  put(format::editor::kPid, static_cast<std::uint64_t>(getpid()));
}

EditorNote::~EditorNote() {
  if (file_ != nullptr)
    sync::Put(*sync::WordAt(file_->write_base(), at_ + format::editor::kPid), std::uint64_t{0});
}

std::unexpected<Error> SnapshotStore::Corrupt(std::uint32_t place, std::string_view what) const {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} snapshot in place {}: {}", places_.name, place, what));
}

format::Root SnapshotStore::ReadRoot() const noexcept {
  return sync::ReadRoot(places_.Words(file_.read_base()));
}

bool SnapshotStore::Empty() const noexcept {
  const auto words = places_.Words(file_.read_base());
  return sync::ReadRoot(words).generation == 0 && sync::ReadDurable(words).generation == 0;
}

Result<SnapshotPin> SnapshotStore::Pin() const {
  CANVAS_TRY(file_.CheckUsable());
  const auto pinned =
      sync::PinRoot(places_.Words(file_.read_base()), file_.shared_locks(), LockOf());
  if (pinned.outcome == sync::LockTry::kFailed)
    return std::unexpected(
        Error::FromErrno(errno, fmt::format("pinning the {}", places_.name)).About(file_.path()));
  if (pinned.outcome == sync::LockTry::kHeld)
    return std::unexpected(Error(ErrorCode::kBusy,
                                 fmt::format("the {} changed at every try", places_.name),
                                 "try again")
                               .About(file_.path()));
  SnapshotPin pin(file_, places_.PlaceLock(pinned.root.place), pinned.root);
  // Verified once, by a copy; what is read in place afterwards are the same bytes.
  auto whole = [&]() -> Result<Message> {
    CANVAS_ASSIGN(const Message found, FindMessage(pinned.root));
    CANVAS_TRY(CopyMessage(found, pinned.root.place));
    return found;
  }();
  if (!whole) return std::unexpected(std::move(whole).error().About(file_.path()));
  pin.message_ = {file_.read_base() + whole->start, whole->header.length};
  return pin;
}

Result<SnapshotStore::Message> SnapshotStore::FindMessage(std::uint32_t place) const {
  if (place >= places_.places) return Corrupt(place, "there is no such place");
  const std::uint64_t start = places_.Place(place);
  // Not through the mapping: a place that was never used is a hole, and looking at it there would
  // take space on tmpfs.
  format::SnapshotHeaderBytes bytes;
  CANVAS_TRY(ReadAt(file_.fd(), start, bytes));
  const auto header = format::DecodeSnapshotHeader(bytes, places_.place_bytes);
  if (!header) return Corrupt(place, "it has no valid header");
  return Message{start + format::kSnapshotHeaderBytes, *header};
}

Result<SnapshotStore::Message> SnapshotStore::FindMessage(format::Root root) const {
  CANVAS_ASSIGN(const Message found, FindMessage(root.place));
  if (found.header.generation != root.generation)
    return Corrupt(root.place, fmt::format("it holds generation {} and not {}",
                                           found.header.generation, root.generation));
  return found;
}

Result<SnapshotStore::Bytes> SnapshotStore::CopyMessage(const Message& found,
                                                        std::uint32_t place) const {
  Bytes message(found.header.length);
  sync::StdSync::CopyOut(message.data(), file_.read_base() + found.start, message.size());
  if (format::SnapshotChecksum(message, found.header.generation) != found.header.checksum)
    return Corrupt(place, "the checksum does not match");
  return message;
}

// The newest that is whole, of what was published before `lost`. The durable one is among them.
// What the lost root's own place holds was not: it is a dead editor's, or the root's torn.
Result<SnapshotStore::Found> SnapshotStore::NewestWhole(
    format::Root lost, const std::function<bool(std::span<const std::byte>)>& accept) const {
  std::optional<Found> newest;
  for (std::uint32_t place = 0; place < places_.places; ++place) {
    if (place == lost.place) continue;
    const auto found = FindMessage(place);
    if (!found || (newest && found->header.generation < newest->root.generation)) continue;
    auto message = CopyMessage(*found, place);
    if (message && accept(*message))
      newest = Found{{found->header.generation, place}, *std::move(message)};
  }
  if (newest) return *std::move(newest);
  return Fail(ErrorCode::kCorrupt, fmt::format("{}: no snapshot can be read", places_.name));
}

Result<SnapshotStore::Loaded> SnapshotStore::Load(
    const std::function<bool(std::span<const std::byte>)>& accept) const {
  const auto words = places_.Words(file_.read_base());
  for (int i = 0; i < kLoadTries; ++i) {
    const format::Root root = sync::ReadRoot(words);
    auto found = [&]() -> Result<Found> {
      CANVAS_ASSIGN(const Message at, FindMessage(root));
      CANVAS_ASSIGN(Bytes message, CopyMessage(at, root.place));
      return Found{root, std::move(message)};
    }();
    // A root that moved meanwhile: the place may have been reused under our eyes.
    if (!sync::RootStands(words, root)) continue;
    if (!found) found = NewestWhole(root, accept);
    if (!found) return std::unexpected(std::move(found).error());
    return Loaded{root, *std::move(found)};
  }
  return Fail(ErrorCode::kBusy, fmt::format("the {} changed at every try", places_.name),
              "try again");
}

Result<std::uint32_t> SnapshotStore::ChoosePlace(format::Root current) const {
  const auto free = sync::ChoosePlace(places_.Words(file_.read_base()), file_.locks().kernel(),
                                      current, LockOf());
  if (free.outcome == sync::LockTry::kTaken) return free.place;
  if (free.outcome == sync::LockTry::kFailed) return FailErrno(errno, "lock");
  return Fail(ErrorCode::kLimit,
              fmt::format("readers have pinned every other place of the {}", places_.name),
              "wait for one of them to finish");
}

// The root to publish next: above the one there is, and above whatever a dead editor left whole.
Result<format::Root> SnapshotStore::NextRoot(format::Root now, std::uint32_t place) const {
  std::uint64_t newest = now.generation;
  for (std::uint32_t each = 0; each < places_.places; ++each)
    if (const auto found = FindMessage(each);
        found && found->header.generation > newest && CopyMessage(*found, each))
      newest = found->header.generation;
  if (newest >= format::Root::kMaxGeneration)
    return Fail(ErrorCode::kCorrupt, fmt::format("the {}'s generation is at its end", places_.name),
                "export what you need into a new canvas");
  return format::Root{newest + 1, place};
}

Result<void> SnapshotStore::Publish(format::Root now, std::span<const std::byte> message,
                                    const std::function<Result<void>()>& deed) const {
  if (message.size() + format::kSnapshotHeaderBytes > places_.place_bytes)
    return Fail(ErrorCode::kLimit, fmt::format("the {} does not fit its place", places_.name),
                "shorten descriptions, or create a canvas with larger places");
  CANVAS_ASSIGN(const std::uint32_t place, ChoosePlace(now));
  auto lock = os::ScopedLock::Adopt(file_.locks(), places_.PlaceLock(place));
  CANVAS_ASSIGN(const format::Root following, NextRoot(now, place));
  const std::uint64_t start = places_.Place(place);
  CANVAS_TRY(file_.ReserveBytes(start, format::kSnapshotHeaderBytes + message.size(), true));
  const auto header =
      format::EncodeSnapshotHeader({following.generation, message.size(),
                                    format::SnapshotChecksum(message, following.generation)});
  if (deed) CANVAS_TRY(deed());
  CANVAS_TRY(file_.WriteBytes(start, std::as_bytes(std::span(header))));
  CANVAS_TRY(file_.WriteBytes(start + header.size(), message));
  CANVAS_TRY(file_.EnsureStorable({{places_.root, 8}}));
  // Before it can be pinned: a pin waits for nobody.
  lock.Unlock();
  if (!sync::PublishRoot(places_.Words(file_.write_base()), now, following))
    return Fail(ErrorCode::kBusy,
                fmt::format("the {} was changed by a writer without the lock", places_.name));
  file_.Notify();
  file_.FlushNotify();
  return {};
}

// Who is in the way, by its own word, if whoever said it is still there.
Error SnapshotStore::HeldError() const {
  const auto word = [&](std::uint64_t field) {
    return sync::Peek(*sync::WordAt(file_.read_base(), places_.editor + field));
  };
  const std::uint64_t pid = word(format::editor::kPid);
  const std::string name = ReadName(file_.read_base() + places_.editor + format::editor::kName);
  const std::string who =
      fmt::format("{} (pid {}, since {})", name, pid,
                  LocalTime(static_cast<std::int64_t>(word(format::editor::kSince))));
  const std::uint64_t began = word(format::editor::kStartTime);
  if (pid != 0 && began != 0 && StartTimeOf(pid) == began)
    return {ErrorCode::kBusy, "the metadata is being edited by " + who,
            "wait for it to finish; if it is stopped, let it go on or end it"};
  return {ErrorCode::kBusy,
          "the metadata's lock is held by a process that does not say its name" +
              (pid == 0 ? std::string() : "; the last that did, " + who + ", does not run here"),
          "anyone who may read the file can hold it: see /proc/locks"};
}

Result<os::ScopedLock> SnapshotStore::LockForEdit(std::chrono::steady_clock::time_point end) const {
  for (auto pause = std::chrono::microseconds(50);;
       pause = std::min<std::chrono::microseconds>(2 * pause, std::chrono::milliseconds(10))) {
    CANVAS_ASSIGN(auto lock, os::ScopedLock::Try(file_.locks(), places_.edit_lock));
    if (lock) return *std::move(lock);
    if (std::chrono::steady_clock::now() >= end) return std::unexpected(HeldError());
    std::this_thread::sleep_for(pause);
  }
}

Result<SnapshotStore::Editing> SnapshotStore::BeginEdit() {
  const auto end = std::chrono::steady_clock::now() + wait_;
  std::unique_lock threads(edit_mutex_, end);
  if (!threads)
    return Fail(ErrorCode::kBusy, "the metadata is being edited by another thread of this handle",
                "wait for it to finish");
  CANVAS_ASSIGN(os::ScopedLock processes, LockForEdit(end));
  CANVAS_TRY(file_.EnsureStorable({{places_.editor, format::editor::kBytes}}));
  return Editing(std::move(threads), std::move(processes),
                 EditorNote(file_, places_.editor, name_));
}

}  // namespace canvas::storage
