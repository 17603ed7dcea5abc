#include "canvas/storage/header_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "canvas/format/snapshot_format.h"
#include "canvas/storage/header_codec.h"
#include "canvas/sync/words.h"

namespace canvas::storage {
namespace {

namespace control = format::control;

constexpr int kLoadTries = 100;  // each further one means that someone published meanwhile

}  // namespace

Result<HeaderStore::Loaded> HeaderStore::LoadPlace(format::Root root) const {
  const auto& fields = file_.geometry().fields();
  const auto corrupt = [&](std::string_view what) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("header snapshot in place {}: {}", root.place, what));
  };
  if (root.place >= fields.header_places) return corrupt("there is no such place");
  const std::uint64_t start = file_.geometry().HeaderPlace(root.place).value();
  if (!file_.Covers(start + format::kMinPlaceBytes))
    return corrupt("it lies beyond the end of the file");
  format::SnapshotHeaderBytes bytes;
  sync::StdSync::CopyOut(bytes.data(), file_.read_base() + start, bytes.size());
  const auto header = format::DecodeSnapshotHeader(bytes, fields.header_place_bytes);
  if (!header) return corrupt("it has no valid header");
  if (root.generation != 0 && header->generation != root.generation)
    return corrupt(
        fmt::format("it holds generation {} and not {}", header->generation, root.generation));
  const std::uint64_t message_start = start + format::kSnapshotHeaderBytes;
  if (!file_.Covers(message_start + header->length))
    return corrupt("it lies beyond the end of the file");
  std::vector<std::byte> message(header->length);
  sync::StdSync::CopyOut(message.data(), file_.read_base() + message_start, message.size());
  if (format::SnapshotChecksum(message, header->generation) != header->checksum)
    return corrupt("the checksum does not match");
  CANVAS_ASSIGN(Header decoded, DecodeHeader(message));
  CANVAS_TRY(ValidateHeader(decoded, file_.geometry()));
  return Loaded{root.ToWord(),
                {header->generation, root.place},
                std::make_shared<const Header>(std::move(decoded))};
}

Result<HeaderStore::Loaded> HeaderStore::Load() const {
  const sync::Word& root = file_.ReadControl(control::kHeaderRoot);
  Error error(ErrorCode::kCorrupt, "header: no snapshot can be read");
  for (int i = 0; i < kLoadTries; ++i) {
    const std::uint64_t word = sync::LoadAcquire(root);
    auto current = LoadPlace(format::Root::FromWord(word));
    // A root that moved meanwhile: the place may have been reused under our eyes.
    if (sync::LoadAcquire(root) != word) continue;
    if (current) return current;
    error = std::move(current).error();
    // The newest that is whole. The durable one is among them.
    std::optional<Loaded> newest;
    for (std::uint32_t place = 0; place < file_.geometry().fields().header_places; ++place)
      if (auto found = LoadPlace({0, place}))
        if (!newest || newest->from.generation < found->from.generation) newest = *std::move(found);
    if (!newest) break;
    newest->root = word;
    return *newest;
  }
  return std::unexpected(std::move(error).About(file_.path()));
}

Result<HeaderStore::Loaded> HeaderStore::CurrentLoaded() {
  CANVAS_TRY(file_.CheckUsable());
  const std::lock_guard lock(mutex_);
  const std::uint64_t root = sync::LoadAcquire(file_.ReadControl(control::kHeaderRoot));
  if (loaded_.header == nullptr || loaded_.root != root) {
    CANVAS_ASSIGN(loaded_, Load());
  }
  return loaded_;
}

Result<std::shared_ptr<const Header>> HeaderStore::Current() {
  CANVAS_ASSIGN(Loaded loaded, CurrentLoaded());
  return std::move(loaded.header);
}

bool HeaderStore::recovered() {
  const std::lock_guard lock(mutex_);
  return loaded_.recovered();
}

Result<HeaderStore::FreePlace> HeaderStore::ChoosePlace(const Loaded& current) const {
  const std::uint32_t places = file_.geometry().fields().header_places;
  const std::uint32_t root = format::Root::FromWord(current.root).place;
  const std::uint32_t durable =
      format::Root::FromWord(sync::LoadAcquire(file_.ReadControl(control::kDurableHeaderRoot)))
          .place;
  // Round robin, so that older generations stay readable the longest.
  for (std::uint32_t i = 1; i <= places; ++i) {
    const std::uint32_t place = (root % places + i) % places;
    if (place == durable || place == root || place == current.from.place) continue;
    CANVAS_ASSIGN(auto unpinned, ScopedLock::Try(file_.locks(), format::HeaderPlaceLock(place)));
    if (unpinned) return FreePlace{place, *std::move(unpinned)};
  }
  return Fail(ErrorCode::kLimit, "readers have pinned every other place of the header",
              "wait for one of them to finish");
}

Result<void> HeaderStore::Publish(const Header& next, const Loaded& current) {
  const std::vector<std::byte> message = EncodeHeader(next);
  const auto& fields = file_.geometry().fields();
  if (message.size() + format::kSnapshotHeaderBytes > fields.header_place_bytes)
    return Fail(ErrorCode::kLimit, "the header does not fit its place",
                "shorten descriptions, or create a canvas with larger places");
  CANVAS_ASSIGN(const FreePlace free, ChoosePlace(current));
  const std::uint64_t start = file_.geometry().HeaderPlace(free.place).value();
  CANVAS_TRY(file_.GrowTo(file_.geometry().HeaderPlace(free.place + 1).value()));
  CANVAS_TRY(file_.ReserveBytes(start, format::kSnapshotHeaderBytes + message.size(), true));
  const format::Root following{format::Root::FromWord(current.root).generation + 1, free.place};
  const auto header =
      format::EncodeSnapshotHeader({following.generation, message.size(),
                                    format::SnapshotChecksum(message, following.generation)});
  sync::StdSync::CopyIn(file_.write_base() + start, header.data(), header.size());
  sync::StdSync::CopyIn(file_.write_base() + start + header.size(), message.data(), message.size());
  if (!sync::CompareExchange(file_.WriteControl(control::kHeaderRoot), current.root,
                             following.ToWord()))
    return Fail(ErrorCode::kBusy, "the header was changed by a writer without the lock");
  file_.Notify();
  return {};
}

Result<void> HeaderStore::RefuseRecovered(const Loaded& loaded) {
  if (!loaded.recovered()) return {};
  // What the lost generations said of ids and slots is not known: giving one out again would mix two
  // lanes.
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
