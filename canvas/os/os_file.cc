#include "canvas/os/os_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>

namespace canvas::os {
namespace {

// Calls `call` until it is not interrupted by a signal.
template <typename Call>
auto Uninterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Growing past the soft limit does not fail, it kills.
Result<void> CheckSizeLimit(std::uint64_t end) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      end > limit.rlim_cur)
    return FailErrno(EFBIG, "the limit on file size");
  return {};
}

// linux/magic.h does not have these.
constexpr std::uint64_t kCifsMagic = 0xFF534D42;
constexpr std::uint64_t kSmb2Magic = 0xFE534D42;
constexpr std::uint64_t kFuseMagic = 0x65735546;

const char* RemoteFileSystem(std::uint64_t magic) {
  switch (magic) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case kCifsMagic:
    case kSmb2Magic:
      return "SMB";
    case V9FS_MAGIC:
      return "9P";
    case CODA_SUPER_MAGIC:
      return "Coda";
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
      return "AFS";
    case CEPH_SUPER_MAGIC:
      return "Ceph";
    case kFuseMagic:
      return "FUSE";
    default:
      return nullptr;
  }
}

Result<struct stat> Stat(const UniqueFd& fd) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return FailErrno(errno, "fstat");
  return status;
}

}  // namespace

void UniqueFd::Reset() noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<UniqueFd> OpenRegular(const std::string& path, Access access) {
  const int mode = access == Access::kReadWrite ? O_RDWR : O_RDONLY;
  UniqueFd fd(
      Uninterrupted([&] { return open(path.c_str(), mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  if (!fd) {
    if (errno == EISDIR)
      return Fail(ErrorCode::kNotACanvas, "a directory, not a canvas", "check the path");
    if (errno == ENXIO) return Fail(ErrorCode::kNotACanvas, "not a regular file", "check the path");
    return FailErrno(errno, "open");
  }
  CANVAS_ASSIGN(const struct stat status, Stat(fd));
  if (S_ISDIR(status.st_mode))
    return Fail(ErrorCode::kNotACanvas, "a directory, not a canvas", "check the path");
  if (!S_ISREG(status.st_mode))
    return Fail(ErrorCode::kNotACanvas, "not a regular file", "check the path");
  return fd;
}

Result<UniqueFd> Reopen(const UniqueFd& fd, Access access) {
  const int mode = access == Access::kReadWrite ? O_RDWR : O_RDONLY;
  const std::string path = fmt::format("/proc/self/fd/{}", fd.get());
  UniqueFd again(Uninterrupted([&] { return open(path.c_str(), mode | O_CLOEXEC | O_NOCTTY); }));
  if (!again) return FailErrno(errno, "open /proc/self/fd");
  return again;
}

Result<std::uint64_t> FileSize(const UniqueFd& fd) {
  CANVAS_ASSIGN(const struct stat status, Stat(fd));
  return static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t FileSizeOrZero(const UniqueFd& fd) noexcept {
  struct stat status {};
  return fstat(fd.get(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

Result<void> ReadAt(const UniqueFd& fd, std::uint64_t offset, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = Uninterrupted(
        [&] { return pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (count < 0) return FailErrno(errno, "read");
    if (count == 0)
      return Fail(ErrorCode::kCorrupt, fmt::format("the file ends at byte {}", offset),
                  "it was cut short; restore it from a copy");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<void> WriteAt(const UniqueFd& fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = Uninterrupted(
        [&] { return pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (count < 0) return FailErrno(errno, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

namespace {

Result<void> Allocate(const UniqueFd& fd, int mode, std::uint64_t offset, std::uint64_t bytes) {
  CANVAS_TRY(CheckSizeLimit(offset + bytes));
  const int status = Uninterrupted([&] {
    return fallocate(fd.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  });
  if (status == 0) return {};
  if (errno == EOPNOTSUPP)
    return Fail(ErrorCode::kUnsupported, "the file system cannot reserve space (fallocate)",
                "keep canvases on ext4, xfs or tmpfs");
  return FailErrno(errno, "fallocate");
}

}  // namespace

namespace {

// Whether all of a range has its space on the disk, of its own (ioctl_fiemap(2)).
bool IsAllocated(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes) noexcept {
  constexpr std::uint32_t kExtents = 16;
  alignas(fiemap) std::byte buffer[sizeof(fiemap) + kExtents * sizeof(fiemap_extent)];
  const std::uint64_t end = offset + bytes;
  for (std::uint64_t at = offset; at < end;) {
    std::memset(buffer, 0, sizeof buffer);
    auto* map = reinterpret_cast<fiemap*>(buffer);
    map->fm_start = at;
    map->fm_length = end - at;
    map->fm_extent_count = kExtents;
    if (ioctl(fd.get(), FS_IOC_FIEMAP, map) != 0 || map->fm_mapped_extents == 0) return false;
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const fiemap_extent& extent = map->fm_extents[i];
      constexpr std::uint32_t kNotItsOwn =
          FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_SHARED;
      if (extent.fe_logical > at || (extent.fe_flags & kNotItsOwn) != 0) return false;
      at = extent.fe_logical + extent.fe_length;
    }
  }
  return true;
}

}  // namespace

Result<void> Reserve(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes, bool fresh) {
  auto reserved = Allocate(fd, FALLOC_FL_KEEP_SIZE, offset, bytes);
  // xfs wants as much again, for a moment, also where the range has its space already.
  if (!reserved && reserved.error().code() == ErrorCode::kNoSpace && IsAllocated(fd, offset, bytes))
    return {};
  // The failure to report is the first one.
  if (!reserved && fresh && reserved.error().code() != ErrorCode::kUnsupported)
    (void)PunchHole(fd, offset, bytes);
  return reserved;
}

Result<void> ReserveAndGrow(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes) {
  return Allocate(fd, 0, offset, bytes);
}

Result<void> PunchHole(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes) {
  const int status = Uninterrupted([&] {
    return fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(offset), static_cast<off_t>(bytes));
  });
  if (status != 0) return FailErrno(errno, "fallocate (punch)");
  return {};
}

bool IsSpaceBelow(const UniqueFd& fd, std::uint64_t bytes) noexcept {
  struct statfs info {};
  if (Uninterrupted([&] { return fstatfs(fd.get(), &info); }) != 0) return false;
  if (info.f_type == TMPFS_MAGIC) return false;
  return info.f_bavail < bytes / static_cast<std::uint64_t>(info.f_bsize);
}

void Evict(const UniqueFd& fd, std::uint64_t offset, std::uint64_t bytes) noexcept {
  const auto first = static_cast<off_t>(offset);
  const auto count = static_cast<off_t>(bytes);
  (void)sync_file_range(
      fd.get(), first, count,
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  (void)posix_fadvise(fd.get(), first, count, POSIX_FADV_DONTNEED);
}

bool IsCached(const UniqueFd& fd, std::uint64_t offset) noexcept {
  char byte = 0;
  const iovec target{&byte, 1};
  return preadv2(fd.get(), &target, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 ||
         errno != EAGAIN;
}

ByteSpan NextData(const UniqueFd& fd, std::uint64_t offset, std::uint64_t end) noexcept {
  const off_t data = lseek(fd.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? ByteSpan{end, end} : ByteSpan{offset, end};
  const auto first = static_cast<std::uint64_t>(data);
  if (first >= end) return {end, end};
  const off_t hole = lseek(fd.get(), data, SEEK_HOLE);
  return {first, hole < 0 ? end : std::min(static_cast<std::uint64_t>(hole), end)};
}

Result<void> SetSize(const UniqueFd& fd, std::uint64_t bytes) {
  CANVAS_TRY(CheckSizeLimit(bytes));
  if (Uninterrupted([&] { return ftruncate(fd.get(), static_cast<off_t>(bytes)); }) != 0)
    return FailErrno(errno, "ftruncate");
  return {};
}

std::int64_t NowUnixNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Result<void> CheckFileSystem(const UniqueFd& fd, bool allow_remote) {
  struct statfs info {};
  if (Uninterrupted([&] { return fstatfs(fd.get(), &info); }) != 0)
    return FailErrno(errno, "fstatfs");
  const auto magic = static_cast<std::uint32_t>(info.f_type);
  if (const char* name = RemoteFileSystem(magic); name != nullptr && !allow_remote)
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("on a {} file system, where mappings of several machines disagree", name),
        "keep canvases on a local disk, or allow remote file systems by name");
  if (magic == BTRFS_SUPER_MAGIC) {
    unsigned flags = 0;
    if (ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) != 0) return {};
    flags |= FS_NOCOW_FL;  // takes effect on an empty file only
    CANVAS_ASSIGN(const std::uint64_t size, FileSize(fd));
    if (size != 0 || ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) != 0)
      return Fail(ErrorCode::kUnsupported,
                  "on btrfs with copy-on-write, where reserved space does not stay reserved",
                  "create the canvas anew there, or keep it on ext4, xfs or tmpfs");
  }
  return {};
}

}  // namespace canvas::os
