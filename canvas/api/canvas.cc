#include "canvas/api/canvas.h"

#include <errno.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "canvas/api/core.h"
#include "canvas/storage/create.h"

namespace canvas {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool kThreadSanitizer = false;
#endif

constexpr PageRange kAllPages{PageIndex(0),
                              PageIndex(static_cast<std::uint32_t>(format::kMaxPages))};

LaneInfo ToInfo(const storage::LaneRecord& lane) {
  return {lane.id, lane.name, lane.kind, lane.channels, lane.rate, lane.description};
}

std::unexpected<Error> NoSuchLane(std::string_view which) {
  return Fail(ErrorCode::kNotFound, fmt::format("no lane {}", which),
              "`canvas info` lists the lanes");
}

// The error said to be about the canvas's file.
template <typename T>
Result<T> AboutFile(Result<T> result, const CanvasCore& core) {
  if (result) return result;
  return std::unexpected(std::move(result).error().About(core.file->path()));
}

// Wide where it must be: a signal prefers a small slot.
Result<format::LaneShape> ShapeFor(const LaneSpec& spec, const format::Geometry& geometry) {
  if (spec.kind == LaneKind::kSignal)
    if (auto small =
            format::LaneShape::Make(geometry, spec.rate, spec.channels, format::SlotKind::kSmall))
      return small;
  return format::LaneShape::Make(geometry, spec.rate, spec.channels, format::SlotKind::kWide);
}

}  // namespace

Result<std::pair<storage::LaneRecord, storage::LanePlace>> CanvasCore::Find(LaneId id) {
  CANVAS_ASSIGN(const auto header, headers.Current());
  const storage::LaneRecord* lane = header->Find(id);
  if (lane == nullptr) return NoSuchLane(fmt::format("with id {}", id.value()));
  CANVAS_ASSIGN(const auto place, storage::LanePlace::Of(*lane, file->geometry()));
  return std::pair(*lane, place);
}

Result<storage::Ownership> CanvasCore::Own(const storage::LanePlace& place, PageRange pages) {
  return owners.Own(place.id, pages, [&](const storage::Intent& intent) {
    return storage::RepairPart(*file, place, intent);
  });
}

Result<void> Canvas::Create(const std::string& path, const CreateOptions& options) {
  const auto create = [&]() -> Result<void> {
    storage::CreateRequest request;
    auto& g = request.geometry;
    CANVAS_ASSIGN(g.rate, Rate::Make(options.rate.num, options.rate.den));
    g.page_seconds = options.page_seconds;
    g.wide_slots = options.slots;
    g.small_slots = options.small_slots;
    g.block_bytes = options.block_bytes;
    g.extent_bytes = options.extent_bytes;
    g.small_slot_bytes = options.small_slot_bytes;
    g.header_place_bytes = options.header_place_bytes;
    if (options.page_seconds == 0)
      return Fail(ErrorCode::kInvalidArgument, "page_seconds is 0", "it is 1 to 3600");
    g.capacity_pages = options.capacity_seconds / options.page_seconds +
                       (options.capacity_seconds % options.page_seconds != 0 ? 1 : 0);
    if (g.extent_bytes == 0)
      return Fail(ErrorCode::kInvalidArgument, "extent_bytes is 0", "it is a power of two");
    CANVAS_ASSIGN(g.wide_slot_bytes,
                  format::WideSlotBytesFor(g.rate, g.page_seconds, g.extent_bytes));
    request.header.title = options.title;
    request.header.provenance = {program_invocation_short_name, options.tool, std::nullopt,
                                 storage::NowUnixNs()};
    request.mode = options.mode;
    request.allow_remote = options.allow_remote;
    return storage::CreateCanvasFile(path, request);
  };
  auto created = create();
  if (!created) return std::unexpected(std::move(created).error().About(path));
  return {};
}

Result<Canvas> Canvas::Open(const std::string& path, const OpenOptions& options) {
  storage::FileOptions file_options;
  file_options.access = options.access;
  file_options.max_map_bytes = options.max_map_bytes;
  file_options.single_mapping = options.single_mapping || kThreadSanitizer;
  file_options.allow_remote = options.allow_remote;
  CANVAS_ASSIGN(auto file, storage::CanvasFile::Open(path, file_options));
  auto core = std::make_shared<CanvasCore>(
      std::move(file), options.name.empty() ? program_invocation_short_name : options.name);
  core->sync_on_close = options.sync_on_close && options.access == Access::kReadWrite;
  CANVAS_TRY(core->headers.Current());
  return Canvas(std::move(core));
}

Canvas::Canvas(std::shared_ptr<CanvasCore> core) : core_(std::move(core)) {}
Canvas::Canvas(Canvas&&) noexcept = default;
Canvas& Canvas::operator=(Canvas&&) noexcept = default;

Canvas::~Canvas() = default;

Result<void> Canvas::Close() {
  if (core_ == nullptr) return {};
  CANVAS_TRY(core_->file->CheckUsable());
  const auto core = std::exchange(core_, nullptr);
  if (!core->sync_on_close) return {};
  auto synced = core->file->Sync();
  // Readers and writers that live on sync again at their end, if they change anything.
  if (core.use_count() == 1) core->sync_on_close = false;
  return synced;
}

Result<void> Canvas::CheckOpen() const {
  if (core_ == nullptr)
    return Fail(ErrorCode::kClosed, "this canvas handle was closed or moved from",
                "open the canvas again");
  return core_->file->CheckUsable();
}

CanvasInfo Canvas::Info() const {
  if (core_ == nullptr) return {};
  const auto& superblock = core_->file->superblock();
  const auto& g = superblock.geometry;
  CanvasInfo info;
  info.path = core_->file->path();
  info.uuid = format::ToString(superblock.uuid);
  info.format_version = superblock.major_version;
  if (const auto header = core_->headers.Current()) info.title = (*header)->title;
  info.header_recovered = core_->headers.recovered();
  info.created_unix_ns = superblock.created_unix_ns;
  info.rate = g.rate;
  info.page_seconds = g.page_seconds;
  info.slots = g.wide_slots;
  info.small_slots = g.small_slots;
  info.block_bytes = g.block_bytes;
  info.capacity_pages = core_->file->CapacityPages();
  for (std::uint64_t page = 0; page < core_->file->mapped_pages(); ++page)
    if (core_->file->PageReady(PageIndex(static_cast<std::uint32_t>(page)))) ++info.ready_pages;
  return info;
}

std::uint64_t Canvas::capacity_pages() const {
  return core_ == nullptr ? 0 : core_->file->CapacityPages();
}

Result<std::vector<LaneInfo>> Canvas::Lanes() const {
  CANVAS_TRY(CheckOpen());
  CANVAS_ASSIGN(const auto header, core_->headers.Current());
  std::vector<LaneInfo> lanes;
  std::ranges::transform(header->lanes, std::back_inserter(lanes), ToInfo);
  return lanes;
}

Result<LaneInfo> Canvas::FindLane(std::string_view name) const {
  CANVAS_TRY(CheckOpen());
  CANVAS_ASSIGN(const auto header, core_->headers.Current());
  if (const auto* lane = header->Find(name)) return ToInfo(*lane);
  return AboutFile<LaneInfo>(NoSuchLane(fmt::format("'{}'", name)), *core_);
}

Result<LaneInfo> Canvas::FindLane(LaneId id) const {
  CANVAS_TRY(CheckOpen());
  auto found = AboutFile(core_->Find(id), *core_);
  if (!found) return std::unexpected(std::move(found).error());
  return ToInfo(found->first);
}

Result<LaneId> Canvas::AddLane(const LaneSpec& spec) {
  CANVAS_TRY(CheckOpen());
  LaneId id;
  const auto add = [&](storage::Header& header) -> Result<void> {
    CANVAS_TRY(storage::ValidateLaneName(spec.name));
    if (header.Find(spec.name) != nullptr)
      return Fail(ErrorCode::kExists, fmt::format("there is a lane '{}' already", spec.name),
                  "choose another name");
    if (spec.kind != LaneKind::kAudio && spec.kind != LaneKind::kSignal)
      return Fail(ErrorCode::kInvalidArgument, "lanes are audio or signal so far");
    CANVAS_ASSIGN(const Rate rate, Rate::Make(spec.rate.num, spec.rate.den));
    LaneSpec exact = spec;
    exact.rate = rate;
    CANVAS_ASSIGN(const auto shape, ShapeFor(exact, core_->file->geometry()));
    CANVAS_ASSIGN(const auto slots, storage::FindSlots(header, core_->file->geometry(), shape));
    if (header.next_lane_id > format::kMaxLaneId)
      return Fail(ErrorCode::kLimit, "all lane ids have been used", "start a new canvas");
    id = LaneId(header.next_lane_id++);
    storage::LaneRecord lane;
    lane.id = id;
    lane.name = spec.name;
    lane.kind = spec.kind;
    lane.channels = spec.channels;
    lane.rate = rate;
    lane.slots = slots;
    lane.description = spec.description;
    lane.provenance = {program_invocation_short_name, spec.tool, std::nullopt,
                       storage::NowUnixNs()};
    header.lanes.push_back(std::move(lane));
    return {};
  };
  CANVAS_TRY(core_->headers.Edit(add));
  return id;
}

namespace {

// Applies `change` to one lane's record.
Result<void> EditLane(
    CanvasCore& core, LaneId id,
    const std::function<Result<void>(storage::Header&, storage::LaneRecord&)>& change) {
  return core.headers.Edit([&](storage::Header& header) -> Result<void> {
    const auto lane = std::ranges::find(header.lanes, id, &storage::LaneRecord::id);
    if (lane == header.lanes.end()) return NoSuchLane(fmt::format("with id {}", id.value()));
    return change(header, *lane);
  });
}

}  // namespace

Result<void> Canvas::RenameLane(LaneId id, const std::string& name) {
  CANVAS_TRY(CheckOpen());
  return EditLane(
      *core_, id, [&](storage::Header& header, storage::LaneRecord& lane) -> Result<void> {
        CANVAS_TRY(storage::ValidateLaneName(name));
        const auto* other = header.Find(name);
        if (other != nullptr && other->id != id)
          return Fail(ErrorCode::kExists, fmt::format("there is a lane '{}' already", name),
                      "choose another name");
        lane.name = name;
        return {};
      });
}

Result<void> Canvas::DescribeLane(LaneId id, const std::string& description) {
  CANVAS_TRY(CheckOpen());
  return EditLane(*core_, id, [&](storage::Header&, storage::LaneRecord& lane) -> Result<void> {
    lane.description = description;
    return {};
  });
}

Result<void> Canvas::RemoveLane(LaneId id) {
  CANVAS_ASSIGN(LaneWriter writer, Own(id));
  return RemoveLane(std::move(writer));
}

Result<void> Canvas::RemoveLane(LaneWriter writer) {
  CANVAS_TRY(CheckOpen());
  if (writer.core_ != core_ || !(writer.pages() == kAllPages))
    return AboutFile<void>(Fail(ErrorCode::kInvalidArgument,
                                "the writer does not own all pages of a lane of this canvas"),
                           *core_);
  const LaneId id = writer.lane().id;
  // Empty first, so that whoever gets its slots next finds nothing of it.
  CANVAS_TRY(
      writer.Erase({Frame(0), writer.place_.shape.FirstFrame(core_->file->CapacityPages())}));
  return EditLane(*core_, id, [&](storage::Header& header, storage::LaneRecord&) -> Result<void> {
    std::erase_if(header.lanes, [&](const storage::LaneRecord& lane) { return lane.id == id; });
    return {};
  });
}

Result<std::uint32_t> Canvas::AddTempoMap(TempoMap map) {
  CANVAS_TRY(CheckOpen());
  CANVAS_TRY(ValidateTempoMap(map));
  CANVAS_TRY(core_->headers.Edit([&](storage::Header& header) -> Result<void> {
    map.id = header.next_tempo_map_id++;
    header.tempo_maps.push_back(map);
    return {};
  }));
  return map.id;
}

Result<void> Canvas::RemoveTempoMap(std::uint32_t id) {
  CANVAS_TRY(CheckOpen());
  return core_->headers.Edit([&](storage::Header& header) -> Result<void> {
    if (std::erase_if(header.tempo_maps, [&](const TempoMap& map) { return map.id == id; }) == 0)
      return Fail(ErrorCode::kNotFound, fmt::format("no tempo map with id {}", id));
    return {};
  });
}

Result<std::vector<TempoMap>> Canvas::TempoMaps() const {
  CANVAS_TRY(CheckOpen());
  CANVAS_ASSIGN(const auto header, core_->headers.Current());
  return header->tempo_maps;
}

Result<LaneWriter> Canvas::Own(LaneId id) { return Own(id, kAllPages); }

Result<LaneWriter> Canvas::Own(LaneId id, PageRange pages) {
  CANVAS_TRY(CheckOpen());
  const auto own = [&]() -> Result<LaneWriter> {
    CANVAS_TRY(core_->file->CheckWritable());
    CANVAS_ASSIGN(const auto found, core_->Find(id));
    if (pages.empty() || pages.end > kAllPages.end)
      return Fail(ErrorCode::kInvalidArgument, "an empty or impossible range of pages");
    auto owner = core_->Own(found.second, pages);
    if (!owner) {
      Error& error = owner.error();
      return Fail(error.code(), fmt::format("lane '{}': {}", found.first.name, error.what()),
                  error.hint());
    }
    // The lane may have been removed while we waited for it.
    CANVAS_TRY(core_->Find(id));
    return LaneWriter(core_, *std::move(owner), found.second, ToInfo(found.first));
  };
  return AboutFile(own(), *core_);
}

Result<std::vector<OwnerInfo>> Canvas::Owners() const {
  CANVAS_TRY(CheckOpen());
  return core_->owners.Living();
}

Result<LaneReader> Canvas::Reader(LaneId id) const {
  CANVAS_TRY(CheckOpen());
  auto found = AboutFile(core_->Find(id), *core_);
  if (!found) return std::unexpected(std::move(found).error());
  return LaneReader(core_->file, found->second, ToInfo(found->first));
}

Result<void> Canvas::AllocatePage(PageIndex page) {
  CANVAS_TRY(CheckOpen());
  CANVAS_TRY(core_->file->CheckWritable());
  return AboutFile(core_->file->EnsurePage(page), *core_);
}

Result<void> Canvas::PunchPage(PageIndex page) {
  CANVAS_TRY(CheckOpen());
  CANVAS_TRY(AboutFile(core_->file->CheckPage(page), *core_));
  CANVAS_TRY(core_->file->CheckWritable());
  CANVAS_ASSIGN(const auto header, core_->headers.Current());
  for (const storage::LaneRecord& lane : header->lanes) {
    CANVAS_ASSIGN(const auto place, storage::LanePlace::Of(lane, core_->file->geometry()));
    if (!storage::FindPart(*core_->file, place, page)) continue;
    CANVAS_ASSIGN(LaneWriter writer, Own(lane.id, {page, page + 1}));
    CANVAS_TRY(AboutFile(storage::PunchPart(*core_->file, place, page, *writer.owner_), *core_));
  }
  return {};
}

Result<DiskUsage> Canvas::Usage() const {
  CANVAS_TRY(CheckOpen());
  CANVAS_ASSIGN(const auto header, core_->headers.Current());
  DiskUsage usage;
  struct stat status {};
  if (fstat(core_->file->fd().get(), &status) != 0)
    return AboutFile<DiskUsage>(FailErrno(errno, "fstat"), *core_);
  usage.apparent_bytes = static_cast<std::uint64_t>(status.st_size);
  constexpr std::uint64_t kStatBlock = 512;  // stat(2): st_blocks is in these, whatever the disk's
  usage.allocated_bytes = static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
  for (const storage::LaneRecord& lane : header->lanes) {
    CANVAS_ASSIGN(const LaneReader reader, Reader(lane.id));
    const std::uint64_t written = reader.Extent().written_frames * lane.channels * sizeof(float);
    usage.lanes.push_back({lane.id, lane.name, written});
    usage.written_bytes += written;
  }
  return usage;
}

Result<void> Canvas::Sync() {
  CANVAS_TRY(CheckOpen());
  return core_->file->Sync();
}

Result<CheckReport> Canvas::Check() const {
  CANVAS_TRY(CheckOpen());
  return storage::CheckCanvas(*core_->file, core_->headers, core_->owners);
}

}  // namespace canvas
