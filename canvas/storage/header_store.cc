#include "canvas/storage/header_store.h"

#include <fmt/format.h>

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

Result<std::shared_ptr<const Header>> HeaderStore::LoadPlace(format::Root root,
                                                             bool any_generation) {
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
  if (!any_generation && header->generation != root.generation)
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
  return std::make_shared<const Header>(std::move(decoded));
}

Result<HeaderStore::Loaded> HeaderStore::Load() {
  const sync::Word& root = file_.ReadControl(control::kHeaderRoot);
  Error error(ErrorCode::kCorrupt, "header: no snapshot can be read");
  for (int i = 0; i < kLoadTries; ++i) {
    const std::uint64_t word = sync::ReadRoot(root);
    auto header = LoadPlace(format::Root::FromWord(word), false);
    // A root that moved meanwhile: the place may have been reused under our eyes.
    if (sync::ReadRoot(root) != word) continue;
    if (header) return Loaded{word, *std::move(header), false};
    error = std::move(header).error();
    const std::uint64_t durable = sync::ReadRoot(file_.ReadControl(control::kDurableHeaderRoot));
    if (auto spare = LoadPlace(format::Root::FromWord(durable), false))
      return Loaded{word, *std::move(spare), true};
    for (std::uint32_t place = 0; place < file_.geometry().fields().header_places; ++place)
      if (auto spare = LoadPlace({0, place}, true)) return Loaded{word, *std::move(spare), true};
    break;
  }
  return std::unexpected(std::move(error).About(file_.path()));
}

Result<std::shared_ptr<const Header>> HeaderStore::Current() {
  CANVAS_TRY(file_.CheckUsable());
  const std::lock_guard lock(mutex_);
  const std::uint64_t root = sync::ReadRoot(file_.ReadControl(control::kHeaderRoot));
  if (loaded_.header == nullptr || loaded_.root != root) {
    CANVAS_ASSIGN(loaded_, Load());
  }
  return loaded_.header;
}

bool HeaderStore::recovered() {
  const std::lock_guard lock(mutex_);
  return loaded_.recovered;
}

Result<std::uint32_t> HeaderStore::ChoosePlace(format::Root current) const {
  const std::uint32_t places = file_.geometry().fields().header_places;
  const auto durable =
      format::Root::FromWord(sync::ReadRoot(file_.ReadControl(control::kDurableHeaderRoot)));
  // Round robin, so that older generations stay readable the longest.
  for (std::uint32_t i = 1; i < places; ++i) {
    const std::uint32_t place = (current.place + i) % places;
    if (place == durable.place || place == current.place) continue;
    CANVAS_ASSIGN(const auto unpinned,
                  ScopedLock::Try(file_.locks(), format::HeaderPlaceLock(place)));
    if (unpinned) return place;
  }
  return Fail(ErrorCode::kLimit, "readers have pinned every other place of the header",
              "wait for one of them to finish");
}

Result<void> HeaderStore::Edit(const std::function<Result<void>(Header&)>& edit) {
  CANVAS_TRY(file_.CheckWritable());
  const auto publish = [&]() -> Result<void> {
    const std::lock_guard threads(edit_mutex_);
    CANVAS_ASSIGN(const auto processes, ScopedLock::Wait(file_.locks(), format::HeaderLock()));
    CANVAS_ASSIGN(const auto now, Current());
    Header next = *now;
    CANVAS_TRY(edit(next));
    if (next == *now) return {};
    CANVAS_TRY(ValidateHeader(next, file_.geometry()));

    const std::vector<std::byte> message = EncodeHeader(next);
    const auto& fields = file_.geometry().fields();
    if (message.size() + format::kSnapshotHeaderBytes > fields.header_place_bytes)
      return Fail(ErrorCode::kLimit, "the header does not fit its place",
                  "shorten descriptions, or create a canvas with larger places");
    const std::uint64_t word = sync::ReadRoot(file_.ReadControl(control::kHeaderRoot));
    const auto current = format::Root::FromWord(word);
    CANVAS_ASSIGN(const std::uint32_t place, ChoosePlace(current));
    const std::uint64_t start = file_.geometry().HeaderPlace(place).value();
    const std::uint64_t bytes = format::kSnapshotHeaderBytes + message.size();
    CANVAS_TRY(file_.GrowTo(file_.geometry().HeaderPlace(place + 1).value()));
    CANVAS_TRY(file_.ReserveBytes(start, bytes, true));
    const format::Root following{current.generation + 1, place};
    const auto header =
        format::EncodeSnapshotHeader({following.generation, message.size(),
                                      format::SnapshotChecksum(message, following.generation)});
    sync::StdSync::CopyIn(file_.write_base() + start, header.data(), header.size());
    sync::StdSync::CopyIn(file_.write_base() + start + header.size(), message.data(),
                          message.size());
    if (!sync::PublishRoot(file_.WriteControl(control::kHeaderRoot), word, following.ToWord()))
      return Fail(ErrorCode::kBusy, "the header was changed by a writer without the lock");
    file_.Notify();
    return {};
  };
  auto published = publish();
  if (!published) return std::unexpected(std::move(published).error().About(file_.path()));
  return {};
}

}  // namespace canvas::storage
