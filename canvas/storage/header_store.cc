#include "canvas/storage/header_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "canvas/format/snapshot_format.h"
#include "canvas/metadata/header_codec.h"
#include "canvas/storage/holder_name.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/snapshot.h"

namespace canvas::storage {
namespace {

constexpr int kLoadTries = 100;  // each further one means that someone published meanwhile

std::unexpected<Error> Corrupt(std::uint32_t place, std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("header snapshot in place {}: {}", place, what));
}

// Says who edits, for as long as it lives. Relaxed: for people.
class EditorNote {
 public:
  EditorNote(const CanvasFile& file, const std::string& name) : file_(file) {
    std::byte* at = file.write_base() + format::kControlOffset + format::control::kHeaderEditor;
    WriteName(at + format::editor::kName, name);
    Put(format::editor::kSince, static_cast<std::uint64_t>(os::NowUnixNs()));
    Put(format::editor::kStartTime, StartTimeOf(static_cast<std::uint64_t>(getpid())));
    Put(format::editor::kPid, static_cast<std::uint64_t>(getpid()));
  }
  EditorNote(const EditorNote&) = delete;
  EditorNote& operator=(const EditorNote&) = delete;
  ~EditorNote() { Put(format::editor::kPid, 0); }

 private:
  void Put(std::uint64_t field, std::uint64_t value) const {
    sync::Put(file_.WriteControl(format::control::kHeaderEditor + field), value);
  }
  const CanvasFile& file_;
};

}  // namespace

HeaderPin::~HeaderPin() {
  if (file_ != nullptr && !file_->poisoned())
    file_->shared_locks().Unlock(format::HeaderPlaceLock(root_.place));
}

Result<metadata::Header> HeaderPin::Decode() const {
  CANVAS_TRY(file_->CheckUsable());
  CANVAS_ASSIGN(metadata::Header header, metadata::DecodeHeader(message_));
  CANVAS_TRY(metadata::ValidateHeader(header, file_->geometry()));
  return header;
}

Result<HeaderPin> HeaderStore::Pin() {
  CANVAS_TRY(file_.CheckUsable());
  const auto pinned = sync::PinRoot(file_.HeaderWords(file_.read_base()), file_.shared_locks(),
                                    format::HeaderPlaceLock);
  if (pinned.outcome == sync::LockTry::kFailed)
    return std::unexpected(Error::FromErrno(errno, "pinning the header").About(file_.path()));
  if (pinned.outcome == sync::LockTry::kHeld)
    return std::unexpected(Error(ErrorCode::kBusy, "the header changed at every try", "try again")
                               .About(file_.path()));
  HeaderPin pin(file_, pinned.root, {});
  // Verified once, by a copy; what is read in place afterwards are the same bytes.
  auto whole = [&]() -> Result<Message> {
    CANVAS_ASSIGN(const Message found, FindMessage(pinned.root));
    CANVAS_ASSIGN(Bytes message, CopyMessage(found, pinned.root.place));
    CANVAS_TRY(Decode(std::move(message), pinned.root, pinned.root.ToWord()));
    return found;
  }();
  if (!whole) return std::unexpected(std::move(whole).error().About(file_.path()));
  pin.message_ = {file_.read_base() + whole->start, whole->header.length};
  return pin;
}

Result<HeaderStore::Message> HeaderStore::FindMessage(std::uint32_t place) const {
  const auto& fields = file_.geometry().fields();
  if (place >= fields.header_places) return Corrupt(place, "there is no such place");
  const std::uint64_t start = file_.geometry().HeaderPlace(place).value();
  // Not through the mapping: a place that was never used is a hole, and looking at it there would
  // take space on tmpfs.
  format::SnapshotHeaderBytes bytes;
  CANVAS_TRY(ReadAt(file_.fd(), start, bytes));
  const auto header = format::DecodeSnapshotHeader(bytes, fields.header_place_bytes);
  if (!header) return Corrupt(place, "it has no valid header");
  return Message{start + format::kSnapshotHeaderBytes, *header};
}

Result<HeaderStore::Message> HeaderStore::FindMessage(format::Root root) const {
  CANVAS_ASSIGN(const Message found, FindMessage(root.place));
  if (found.header.generation != root.generation)
    return Corrupt(root.place, fmt::format("it holds generation {} and not {}",
                                           found.header.generation, root.generation));
  return found;
}

Result<HeaderStore::Bytes> HeaderStore::CopyMessage(const Message& found,
                                                    std::uint32_t place) const {
  Bytes message(found.header.length);
  sync::StdSync::CopyOut(message.data(), file_.read_base() + found.start, message.size());
  if (format::SnapshotChecksum(message, found.header.generation) != found.header.checksum)
    return Corrupt(place, "the checksum does not match");
  return message;
}

Result<HeaderStore::Loaded> HeaderStore::Decode(Bytes message, format::Root from,
                                                std::uint64_t root) const {
  CANVAS_ASSIGN(metadata::Header decoded, metadata::DecodeHeader(message));
  CANVAS_TRY(metadata::ValidateHeader(decoded, file_.geometry()));
  return Loaded{root, from, std::make_shared<const metadata::Header>(std::move(decoded)),
                std::make_shared<const Bytes>(std::move(message))};
}

// The newest that is whole, of what was published before `lost`. The durable one is among them. What
// the lost root's own place holds was not: it is a dead editor's, or the root's torn.
Result<HeaderStore::Loaded> HeaderStore::LoadNewestWhole(format::Root lost) const {
  std::optional<Loaded> newest;
  for (std::uint32_t place = 0; place < file_.geometry().fields().header_places; ++place) {
    if (place == lost.place) continue;
    const auto found = FindMessage(place);
    if (!found || (newest && found->header.generation < newest->from.generation)) continue;
    auto message = CopyMessage(*found, place);
    if (!message) continue;
    auto loaded = Decode(*std::move(message), {found->header.generation, place}, lost.ToWord());
    if (loaded) newest = *std::move(loaded);
  }
  if (newest) return *std::move(newest);
  return Fail(ErrorCode::kCorrupt, "header: no snapshot can be read");
}

Result<HeaderStore::Loaded> HeaderStore::Load() const {
  const auto words = file_.HeaderWords(file_.read_base());
  for (int i = 0; i < kLoadTries; ++i) {
    const format::Root root = sync::ReadRoot(words);
    auto message = [&]() -> Result<Bytes> {
      CANVAS_ASSIGN(const Message found, FindMessage(root));
      return CopyMessage(found, root.place);
    }();
    // A root that moved meanwhile: the place may have been reused under our eyes.
    if (!sync::RootStands(words, root)) continue;
    auto loaded =
        message ? Decode(*std::move(message), root, root.ToWord()) : LoadNewestWhole(root);
    if (!loaded) return std::unexpected(std::move(loaded).error().About(file_.path()));
    return loaded;
  }
  return std::unexpected(
      Error(ErrorCode::kBusy, "the header changed at every try", "try again").About(file_.path()));
}

Result<HeaderStore::Loaded> HeaderStore::CurrentLoaded() {
  CANVAS_TRY(file_.CheckUsable());
  const std::lock_guard lock(mutex_);
  const std::uint64_t root = sync::ReadRoot(file_.HeaderWords(file_.read_base())).ToWord();
  if (loaded_.header == nullptr || loaded_.root != root) {
    CANVAS_ASSIGN(loaded_, Load());
  }
  return loaded_;
}

Result<std::shared_ptr<const metadata::Header>> HeaderStore::Current() {
  CANVAS_ASSIGN(Loaded loaded, CurrentLoaded());
  return std::move(loaded.header);
}

Result<HeaderStore::Versioned> HeaderStore::CurrentVersion() {
  CANVAS_ASSIGN(Loaded loaded, CurrentLoaded());
  return Versioned{std::move(loaded.header), format::Root::FromWord(loaded.root).generation};
}

bool HeaderStore::recovered() {
  if (file_.poisoned()) return false;  // the parent's mutex may be locked for ever
  const std::lock_guard lock(mutex_);
  return loaded_.recovered();
}

Result<std::uint32_t> HeaderStore::ChoosePlace(format::Root current) const {
  const auto free = sync::ChoosePlace(file_.HeaderWords(file_.read_base()), file_.locks().kernel(),
                                      current, format::HeaderPlaceLock);
  if (free.outcome == sync::LockTry::kTaken) return free.place;
  if (free.outcome == sync::LockTry::kFailed) return FailErrno(errno, "lock");
  return Fail(ErrorCode::kLimit, "readers have pinned every other place of the header",
              "wait for one of them to finish");
}

// The root to publish next: above the one there is, and above whatever a dead editor left whole.
Result<format::Root> HeaderStore::NextRoot(format::Root now, std::uint32_t place) const {
  std::uint64_t newest = now.generation;
  for (std::uint32_t each = 0; each < file_.geometry().fields().header_places; ++each)
    if (const auto found = FindMessage(each);
        found && found->header.generation > newest && CopyMessage(*found, each))
      newest = found->header.generation;
  if (newest >= format::Root::kMaxGeneration)
    return Fail(ErrorCode::kCorrupt, "the header's generation is at its end",
                "export what you need into a new canvas");
  return format::Root{newest + 1, place};
}

Result<void> HeaderStore::Publish(const metadata::Header& next, const Loaded& current,
                                  const std::function<Result<void>()>& deed) {
  CANVAS_ASSIGN(const Bytes message, metadata::EncodeHeader(next, *current.message));
  const auto& fields = file_.geometry().fields();
  if (message.size() + format::kSnapshotHeaderBytes > fields.header_place_bytes)
    return Fail(ErrorCode::kLimit, "the header does not fit its place",
                "shorten descriptions, or create a canvas with larger places");
  const auto now = format::Root::FromWord(current.root);
  CANVAS_ASSIGN(const std::uint32_t place, ChoosePlace(now));
  auto lock = os::ScopedLock::Adopt(file_.locks(), format::HeaderPlaceLock(place));
  CANVAS_ASSIGN(const format::Root following, NextRoot(now, place));
  const std::uint64_t start = file_.geometry().HeaderPlace(place).value();
  CANVAS_TRY(file_.ReserveBytes(start, format::kSnapshotHeaderBytes + message.size(), true));
  const auto header =
      format::EncodeSnapshotHeader({following.generation, message.size(),
                                    format::SnapshotChecksum(message, following.generation)});
  if (deed) CANVAS_TRY(deed());
  sync::StdSync::CopyIn(file_.write_base() + start, header.data(), header.size());
  sync::StdSync::CopyIn(file_.write_base() + start + header.size(), message.data(), message.size());
  // Before it can be pinned: a pin waits for nobody.
  lock.Unlock();
  if (!sync::PublishRoot(file_.HeaderWords(file_.write_base()), now, following))
    return Fail(ErrorCode::kBusy, "the header was changed by a writer without the lock");
  file_.Notify();
  file_.FlushNotify();
  return {};
}

Result<void> HeaderStore::RefuseRecovered(const Loaded& loaded) {
  if (!loaded.recovered()) return {};
  // What the lost generations said of ids and slots is not known: giving one out again would mix
  // two lanes.
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the newest header (generation {}) cannot be read, so lanes can be "
                          "neither added nor changed",
                          format::Root::FromWord(loaded.root).generation),
              "export what you need into a new canvas, or restore it from a copy");
}

// Who is in the way, by its own word, if whoever said it is still there.
Error HeaderStore::HeldError() const {
  const auto word = [&](std::uint64_t field) {
    return sync::Peek(file_.ReadControl(format::control::kHeaderEditor + field));
  };
  const std::uint64_t pid = word(format::editor::kPid);
  const std::string name = ReadName(file_.read_base() + format::kControlOffset +
                                    format::control::kHeaderEditor + format::editor::kName);
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

Result<os::ScopedLock> HeaderStore::LockForEdit(std::chrono::steady_clock::time_point end) {
  for (auto pause = std::chrono::microseconds(50);;
       pause = std::min<std::chrono::microseconds>(2 * pause, std::chrono::milliseconds(10))) {
    CANVAS_ASSIGN(auto lock, os::ScopedLock::Try(file_.locks(), format::HeaderLock()));
    if (lock) return *std::move(lock);
    if (std::chrono::steady_clock::now() >= end) return std::unexpected(HeldError());
    std::this_thread::sleep_for(pause);
  }
}

Result<void> HeaderStore::Edit(const std::function<Result<void>(metadata::Header&)>& edit,
                               const std::function<Result<void>()>& deed) {
  CANVAS_TRY(file_.CheckWritable());
  const auto run = [&]() -> Result<void> {
    const auto end = std::chrono::steady_clock::now() + wait_;
    const std::unique_lock threads(edit_mutex_, end);
    if (!threads)
      return Fail(ErrorCode::kBusy, "the metadata is being edited by another thread of this handle",
                  "wait for it to finish");
    CANVAS_ASSIGN(const auto processes, LockForEdit(end));
    const EditorNote note(file_, name_);
    CANVAS_ASSIGN(const Loaded now, CurrentLoaded());
    CANVAS_TRY(RefuseRecovered(now));
    metadata::Header next = *now.header;
    CANVAS_TRY(edit(next));
    if (next == *now.header) return deed ? deed() : Result<void>{};
    CANVAS_TRY(metadata::ValidateHeader(next, file_.geometry()));
    return Publish(next, now, deed);
  };
  auto edited = run();
  if (!edited) return std::unexpected(std::move(edited).error().About(file_.path()));
  return {};
}

}  // namespace canvas::storage
