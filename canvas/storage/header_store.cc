#include "canvas/storage/header_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "canvas/format/snapshot_format.h"
#include "canvas/storage/header_codec.h"
#include "canvas/sync/snapshot.h"

namespace canvas::storage {
namespace {

constexpr int kLoadTries = 100;  // each further one means that someone published meanwhile

std::unexpected<Error> Corrupt(format::Root root, std::string_view what) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("header snapshot in place {}: {}", root.place, what));
}

}  // namespace

HeaderPin::~HeaderPin() {
  if (file_ != nullptr && file_->CheckUsable())
    file_->shared_locks().Unlock(format::HeaderPlaceLock(root_.place));
}

Result<Header> HeaderPin::Decode() const {
  CANVAS_TRY(file_->CheckUsable());
  CANVAS_ASSIGN(Header header, DecodeHeader(message_));
  CANVAS_TRY(ValidateHeader(header, file_->geometry()));
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
  auto whole = LoadPlace(pinned.root);
  if (!whole) return std::unexpected(std::move(whole).error().About(file_.path()));
  CANVAS_ASSIGN(const Message message, FindMessage(pinned.root));
  pin.message_ = {file_.read_base() + message.start, message.header.length};
  return pin;
}

Result<HeaderStore::Message> HeaderStore::FindMessage(format::Root root) const {
  const auto& fields = file_.geometry().fields();
  if (root.place >= fields.header_places) return Corrupt(root, "there is no such place");
  const std::uint64_t start = file_.geometry().HeaderPlace(root.place).value();
  if (!file_.Covers(start + format::kMinPlaceBytes))
    return Corrupt(root, "it lies beyond the end of the file");
  format::SnapshotHeaderBytes bytes;
  sync::StdSync::CopyOut(bytes.data(), file_.read_base() + start, bytes.size());
  const auto header = format::DecodeSnapshotHeader(bytes, fields.header_place_bytes);
  if (!header) return Corrupt(root, "it has no valid header");
  if (root.generation != 0 && header->generation != root.generation)
    return Corrupt(root, fmt::format("it holds generation {} and not {}", header->generation,
                                     root.generation));
  const std::uint64_t message = start + format::kSnapshotHeaderBytes;
  if (!file_.Covers(message + header->length))
    return Corrupt(root, "it lies beyond the end of the file");
  return Message{message, *header};
}

Result<HeaderStore::Loaded> HeaderStore::LoadPlace(format::Root root) const {
  CANVAS_ASSIGN(const Message found, FindMessage(root));
  std::vector<std::byte> message(found.header.length);
  sync::StdSync::CopyOut(message.data(), file_.read_base() + found.start, message.size());
  if (format::SnapshotChecksum(message, found.header.generation) != found.header.checksum)
    return Corrupt(root, "the checksum does not match");
  CANVAS_ASSIGN(Header decoded, DecodeHeader(message));
  CANVAS_TRY(ValidateHeader(decoded, file_.geometry()));
  return Loaded{root.ToWord(),
                {found.header.generation, root.place},
                std::make_shared<const Header>(std::move(decoded))};
}

Result<HeaderStore::Loaded> HeaderStore::Load() const {
  const auto words = file_.HeaderWords(file_.read_base());
  Error error(ErrorCode::kCorrupt, "header: no snapshot can be read");
  for (int i = 0; i < kLoadTries; ++i) {
    const format::Root root = sync::ReadRoot(words);
    auto current = LoadPlace(root);
    // A root that moved meanwhile: the place may have been reused under our eyes.
    if (!sync::RootStands(words, root)) continue;
    if (current) return current;
    error = std::move(current).error();
    // The newest that is whole. The durable one is among them.
    std::optional<Loaded> newest;
    for (std::uint32_t place = 0; place < file_.geometry().fields().header_places; ++place)
      if (auto found = LoadPlace({0, place}))
        if (!newest || newest->from.generation < found->from.generation) newest = *std::move(found);
    if (!newest) break;
    newest->root = root.ToWord();
    return *newest;
  }
  return std::unexpected(std::move(error).About(file_.path()));
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

Result<std::shared_ptr<const Header>> HeaderStore::Current() {
  CANVAS_ASSIGN(Loaded loaded, CurrentLoaded());
  return std::move(loaded.header);
}

Result<HeaderStore::Versioned> HeaderStore::CurrentVersion() {
  CANVAS_ASSIGN(Loaded loaded, CurrentLoaded());
  return Versioned{std::move(loaded.header), format::Root::FromWord(loaded.root).generation};
}

bool HeaderStore::recovered() {
  if (!file_.CheckUsable()) return false;  // the parent's mutex may be locked for ever
  const std::lock_guard lock(mutex_);
  return loaded_.recovered();
}

Result<std::uint32_t> HeaderStore::ChoosePlace(const Loaded& current) const {
  const auto free = sync::ChoosePlace(file_.HeaderWords(file_.read_base()), file_.locks().kernel(),
                                      format::Root::FromWord(current.root), current.from.place,
                                      format::HeaderPlaceLock);
  if (free.outcome == sync::LockTry::kTaken) return free.place;
  if (free.outcome == sync::LockTry::kFailed) return FailErrno(errno, "lock");
  return Fail(ErrorCode::kLimit, "readers have pinned every other place of the header",
              "wait for one of them to finish");
}

Result<void> HeaderStore::Publish(const Header& next, const Loaded& current) {
  const std::vector<std::byte> message = EncodeHeader(next);
  const auto& fields = file_.geometry().fields();
  if (message.size() + format::kSnapshotHeaderBytes > fields.header_place_bytes)
    return Fail(ErrorCode::kLimit, "the header does not fit its place",
                "shorten descriptions, or create a canvas with larger places");
  CANVAS_ASSIGN(const std::uint32_t place, ChoosePlace(current));
  auto lock = ScopedLock::Adopt(file_.locks(), format::HeaderPlaceLock(place));
  const std::uint64_t start = file_.geometry().HeaderPlace(place).value();
  CANVAS_TRY(file_.GrowTo(file_.geometry().HeaderPlace(place + 1).value()));
  CANVAS_TRY(file_.ReserveBytes(start, format::kSnapshotHeaderBytes + message.size(), true));
  const auto now = format::Root::FromWord(current.root);
  if (now.generation >= format::Root::kMaxGeneration)
    return Fail(ErrorCode::kCorrupt, "the header's generation is at its end",
                "export what you need into a new canvas");
  const format::Root following{now.generation + 1, place};
  const auto header =
      format::EncodeSnapshotHeader({following.generation, message.size(),
                                    format::SnapshotChecksum(message, following.generation)});
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

Result<void> HeaderStore::CheckEditable() {
  CANVAS_TRY(file_.CheckWritable());
  CANVAS_ASSIGN(const Loaded now, CurrentLoaded());
  return RefuseRecovered(now);
}

Result<void> HeaderStore::Edit(const std::function<Result<void>(Header&)>& edit) {
  CANVAS_TRY(file_.CheckWritable());
  const auto run = [&]() -> Result<void> {
    const std::lock_guard threads(edit_mutex_);
    CANVAS_ASSIGN(const auto processes, ScopedLock::Wait(file_.locks(), format::HeaderLock()));
    CANVAS_ASSIGN(const Loaded now, CurrentLoaded());
    CANVAS_TRY(RefuseRecovered(now));
    Header next = *now.header;
    CANVAS_TRY(edit(next));
    if (next == *now.header) return {};
    CANVAS_TRY(ValidateHeader(next, file_.geometry()));
    return Publish(next, now);
  };
  auto edited = run();
  if (!edited) return std::unexpected(std::move(edited).error().About(file_.path()));
  return {};
}

}  // namespace canvas::storage
