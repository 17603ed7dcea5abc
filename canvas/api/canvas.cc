#include "canvas/api/canvas.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "canvas/api/core.h"
#include "canvas/api/owned_lane.h"
#include "canvas/format/superblock_format.h"
#include "canvas/os/os_file.h"
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

}  // namespace

bool LooksLikeCanvas(const std::string& path) noexcept {
  const os::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return false;
  for (std::uint64_t copy = 0; copy < format::kSuperblockCopies; ++copy) {
    std::array<std::uint8_t, format::kMagic.size()> magic{};
    const auto at = static_cast<off_t>(copy * format::kSuperblockBytes);
    if (pread(fd.get(), magic.data(), magic.size(), at) == static_cast<ssize_t>(magic.size()) &&
        magic == format::kMagic)
      return true;
  }
  return false;
}

namespace {

Result<format::GeometryFields> FieldsOf(const CreateOptions& options) {
  format::GeometryFields g;
  CANVAS_ASSIGN(g.rate, Rate::Make(options.rate.num, options.rate.den));
  g.page_seconds = options.page_seconds;
  g.wide_slots = options.layout.wide_slots;
  g.small_slots = options.layout.small_slots;
  g.block_bytes = options.layout.block_bytes;
  g.extent_bytes = options.layout.extent_bytes;
  g.slot_align_bytes = options.layout.slot_align_bytes;
  g.small_slot_bytes = options.layout.small_slot_bytes;
  g.header_place_bytes = options.layout.header_place_bytes;
  if (options.page_seconds == 0)
    return Fail(ErrorCode::kInvalidArgument, "page_seconds is 0", "it is 1 to 3600");
  g.capacity_pages = options.capacity_seconds / options.page_seconds +
                     (options.capacity_seconds % options.page_seconds != 0 ? 1 : 0);
  const std::uint32_t unit = std::max(g.extent_bytes, g.slot_align_bytes);
  if (unit == 0)
    return Fail(ErrorCode::kInvalidArgument, "extent_bytes is 0", "it is a power of two");
  CANVAS_ASSIGN(g.wide_slot_bytes, format::WideSlotBytesFor(g.rate, g.page_seconds, unit));
  return g;
}

}  // namespace

Result<std::uint64_t> Canvas::LargestFile(const CreateOptions& options) {
  return NoThrow([&]() -> Result<std::uint64_t> {
    CANVAS_ASSIGN(const auto fields, FieldsOf(options));
    CANVAS_ASSIGN(const auto geometry, format::Geometry::Make(fields));
    return geometry.pages_offset() + fields.capacity_pages * geometry.page_stride();
  });
}

Result<void> Canvas::Create(const std::string& path, const CreateOptions& options) {
  return NoThrow([&]() -> Result<void> {
    const auto create = [&]() -> Result<void> {
      storage::CreateRequest request;
      CANVAS_ASSIGN(request.geometry, FieldsOf(options));
      request.header.title = options.title;
      request.header.provenance = {program_invocation_short_name, options.tool, std::nullopt,
                                   os::NowUnixNs()};
      request.mode = options.mode;
      request.allow_remote = options.allow_remote;
      return storage::CreateCanvasFile(path, request);
    };
    auto created = create();
    if (!created) return std::unexpected(std::move(created).error().About(path));
    return {};
  });
}

Result<void> Canvas::Reflink(const std::string& path, const std::string& into, bool allow_remote) {
  return NoThrow([&]() -> Result<void> {
    auto from = os::OpenRegular(path, Access::kReadOnly);
    if (!from) return std::unexpected(std::move(from).error().About(path));
    storage::ReflinkRequest request{.allow_remote = allow_remote};
    struct stat status {};
    if (fstat(from->get(), &status) == 0) request.mode = (status.st_mode & 0777) | 0600;
    auto made = storage::ReflinkCanvasFile(*from, into, request);
    if (!made) return std::unexpected(std::move(made).error().About(into));
    return {};
  });
}

Result<Canvas> Canvas::Open(const std::string& path, const OpenOptions& options) {
  return NoThrow([&]() -> Result<Canvas> {
    storage::FileOptions file_options;
    file_options.access = options.access;
    file_options.max_map_bytes = options.max_map_bytes;
    file_options.single_mapping = kThreadSanitizer;
    file_options.allow_remote = options.allow_remote;
    CANVAS_ASSIGN(auto file, storage::CanvasFile::Open(path, file_options));
    const auto wait = std::clamp(options.edit_wait, std::chrono::milliseconds(0), kLongestWait);
    auto core = std::make_shared<CanvasCore>(
        std::move(file), options.name.empty() ? program_invocation_short_name : options.name, wait);
    core->sync_on_close = options.sync_on_close && options.access == Access::kReadWrite;
    CANVAS_TRY(core->headers.Current());
    return Canvas(std::move(core));
  });
}

Canvas::Canvas(std::shared_ptr<CanvasCore> core) : core_(std::move(core)) {}
Canvas::Canvas(Canvas&&) noexcept = default;
Canvas& Canvas::operator=(Canvas&&) noexcept = default;

Canvas::~Canvas() = default;

std::shared_ptr<CanvasCore> Insides::Of(const Canvas& canvas) noexcept { return canvas.core_; }

Result<void> Canvas::Close() {
  return NoThrow([&]() -> Result<void> {
    if (core_ == nullptr) return {};
    CANVAS_TRY(core_->file->CheckUsable());
    const auto core = std::exchange(core_, nullptr);
    if (!core->sync_on_close) return {};
    auto synced = core->file->Sync();
    // Readers and writers that live on sync again at their end, if they change anything.
    if (core.use_count() == 1) core->sync_on_close = false;
    return synced;
  });
}

Result<void> Canvas::CheckOpen() const {
  if (core_ == nullptr)
    return Fail(ErrorCode::kClosed, "this canvas handle was closed or moved from",
                "open the canvas again");
  return core_->file->CheckUsable();
}

CanvasInfo Canvas::InfoOf() const {
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
  info.layout = {.wide_slots = g.wide_slots,
                 .small_slots = g.small_slots,
                 .block_bytes = g.block_bytes,
                 .extent_bytes = g.extent_bytes,
                 .slot_align_bytes = g.slot_align_bytes,
                 .small_slot_bytes = g.small_slot_bytes,
                 .header_place_bytes = g.header_place_bytes};
  info.capacity_pages = core_->file->CapacityPages();
  info.mapped_pages = core_->file->mapped_pages();
  core_->file->ForEachReadyPage(0, info.mapped_pages, [&](PageIndex) { ++info.ready_pages; });
  return info;
}

CanvasInfo Canvas::Info() const noexcept {
  auto info = NoThrow([&]() -> Result<CanvasInfo> { return InfoOf(); });
  return info ? *std::move(info) : CanvasInfo{};
}

std::uint64_t Canvas::capacity_pages() const {
  return core_ == nullptr ? 0 : core_->file->CapacityPages();
}

Result<void> Canvas::AllocatePage(PageIndex page) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    CANVAS_TRY(core_->file->CheckWritable());
    return AboutFile(core_->file->EnsurePage(page), *core_);
  });
}

Result<void> Canvas::PunchPage(PageIndex page) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    CANVAS_TRY(AboutFile(core_->file->CheckPage(page), *core_));
    CANVAS_TRY(core_->file->CheckWritable());
    CANVAS_ASSIGN(const auto known, core_->Current());
    for (const auto& content : known->contents.lanes) {
      const part::PartRef part = content->Part(*core_->file, page);
      if (!part.NeedsPunch()) continue;
      CANVAS_ASSIGN(LaneOwner owner, Own(content->place().id, {.pages = {page, page + 1}}));
      CANVAS_TRY(AboutFile(part.Punch(owner.inside_->ownership), *core_));
    }
    return {};
  });
}

Result<DiskUsage> Canvas::Usage() const {
  return NoThrow([&]() -> Result<DiskUsage> {
    CANVAS_TRY(CheckOpen());
    CANVAS_ASSIGN(const auto lanes, LaneExtents());
    DiskUsage usage;
    struct stat status {};
    if (fstat(core_->file->fd().get(), &status) != 0)
      return AboutFile<DiskUsage>(FailErrno(errno, "fstat"), *core_);
    usage.apparent_bytes = static_cast<std::uint64_t>(status.st_size);
    constexpr std::uint64_t kStatBlock =
        512;  // stat(2): st_blocks is in these, whatever the disk's
    usage.allocated_bytes = static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
    for (const auto& [lane, extent] : lanes) {
      if (!metadata::IsKnown(lane.kind)) continue;
      usage.lanes.push_back({lane.id, lane.name, extent.written_bytes});
      usage.written_bytes += extent.written_bytes;
    }
    return usage;
  });
}

Result<void> Canvas::Sync() {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckOpen());
    return core_->file->Sync();
  });
}

Result<CheckReport> Canvas::Check() const {
  return NoThrow([&]() -> Result<CheckReport> {
    CANVAS_TRY(CheckOpen());
    return part::CheckCanvas(*core_->file, core_->headers, core_->owners);
  });
}

}  // namespace canvas
