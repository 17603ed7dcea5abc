#include "canvas/storage/create.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "canvas/format/byte_io.h"
#include "canvas/format/control_words.h"
#include "canvas/format/root.h"
#include "canvas/format/snapshot_format.h"
#include "canvas/metadata/header_codec.h"
#include "canvas/os/os_file.h"

namespace canvas::storage {
namespace {

Result<format::Uuid> RandomUuid() {
  format::Uuid uuid;
  if (getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size()))
    return FailErrno(errno, "getrandom");
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0F) | 0x40);  // version 4
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3F) | 0x80);  // RFC 4122 variant
  return uuid;
}

// Reserves before writing, so that what was written is what is there.
Result<void> Put(const os::UniqueFd& fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  CANVAS_TRY(Reserve(fd, offset, bytes.size(), true));
  return WriteAt(fd, offset, bytes);
}

Result<void> Fill(const os::UniqueFd& fd, const CreateRequest& request) {
  CANVAS_ASSIGN(const format::Geometry geometry, format::Geometry::Make(request.geometry));
  format::Superblock superblock;
  CANVAS_ASSIGN(superblock.uuid, RandomUuid());
  superblock.created_unix_ns = request.header.provenance.created_unix_ns;
  superblock.geometry = request.geometry;
  const auto sealed = format::EncodeSuperblock(superblock);

  CANVAS_ASSIGN(const std::vector<std::byte> message, metadata::EncodeHeader(request.header, {}));
  constexpr std::uint64_t kFirstGeneration = 1;
  if (message.size() + format::kSnapshotHeaderBytes > request.geometry.header_place_bytes)
    return Fail(ErrorCode::kLimit, "the header does not fit its place");
  const auto snapshot = format::EncodeSnapshotHeader(
      {kFirstGeneration, message.size(), format::SnapshotChecksum(message, kFirstGeneration)});

  const std::uint64_t size = geometry.pages_offset();
  std::array<std::byte, format::kControlBytes> control{};
  const std::uint64_t root = format::Root{kFirstGeneration, 0}.ToWord();
  format::StoreField(control, format::control::kCapacityPages, request.geometry.capacity_pages);
  format::StoreField(control, format::control::kHeaderRoot, root);
  format::StoreField(control, format::control::kDurableHeaderRoot, root);
  format::StoreField(control, format::control::kDurableBytes, size);

  CANVAS_TRY(SetSize(fd, size));
  for (std::uint64_t copy = 0; copy < format::kSuperblockCopies; ++copy)
    CANVAS_TRY(Put(fd, copy * format::kSuperblockBytes, sealed));
  CANVAS_TRY(Put(fd, format::kControlOffset, control));
  const std::uint64_t place = geometry.HeaderPlace(0).value();
  CANVAS_TRY(Put(fd, place, snapshot));
  CANVAS_TRY(Put(fd, place + snapshot.size(), message));
  if (fsync(fd.get()) != 0) return FailErrno(errno, "fsync");
  return {};
}

// Whether a file can be given the last page of the geometry: some file systems end before.
Result<void> ProbeLargestSize(const os::UniqueFd& fd, const format::GeometryFields& fields) {
  CANVAS_ASSIGN(const format::Geometry geometry, format::Geometry::Make(fields));
  const PageIndex last(static_cast<std::uint32_t>(fields.capacity_pages - 1));
  CANVAS_TRY(SetSize(fd, geometry.PageEnd(last).value()));
  return SetSize(fd, 0);
}

std::string DirectoryOf(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

// A file without a name, in the folder that `path` is in. Errors: kExists, and of open.
Result<os::UniqueFd> MakeUnnamed(const std::string& path, mode_t mode) {
  if (path.empty() || std::filesystem::path(path).filename().empty())
    return Fail(ErrorCode::kInvalidArgument, "no file name", "give a path to a new file");
  if (faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return Fail(ErrorCode::kExists, "exists already", "choose another path, or remove it first");
  const std::string directory = DirectoryOf(path);
  os::UniqueFd fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
  if (!fd) {
    if (errno == EOPNOTSUPP || errno == EISDIR)
      return Fail(ErrorCode::kUnsupported, "the file system has no unnamed files (O_TMPFILE)",
                  "keep canvases on ext4, xfs or tmpfs");
    return FailErrno(errno, fmt::format("creating a file in {}", directory));
  }
  return fd;
}

// Only where nothing is called so by now; on disk when this returns.
Result<void> Name(const os::UniqueFd& fd, const std::string& path) {
  const std::string unnamed = fmt::format("/proc/self/fd/{}", fd.get());
  // Opened first: once it has its name, nothing may fail for want of memory.
  const os::UniqueFd parent(open(DirectoryOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return FailErrno(errno, "opening the directory");
  if (linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    if (errno == EEXIST)
      return Fail(ErrorCode::kExists, "exists already", "choose another path, or remove it first");
    return FailErrno(errno, "naming the new file");
  }
  if (fsync(parent.get()) != 0) return FailErrno(errno, "fsync of the directory");
  return {};
}

// Bytes of a superblock that is whole, as they are: with what a newer program put into them.
Result<format::SuperblockBytes> SuperblockOf(const os::UniqueFd& fd) {
  format::SuperblockBytes bytes;
  CANVAS_TRY(ReadAt(fd, 0, bytes));
  auto decoded = format::DecodeSuperblock(bytes, false);
  if (decoded) return bytes;
  CANVAS_TRY(ReadAt(fd, format::kSuperblockBytes, bytes));
  if (format::DecodeSuperblock(bytes, false)) return bytes;
  return std::unexpected(std::move(decoded).error());
}

}  // namespace

Result<void> CreateCanvasFile(const std::string& path, const CreateRequest& request) {
  CANVAS_TRY(format::Geometry::Make(request.geometry));
  CANVAS_ASSIGN(const os::UniqueFd fd, MakeUnnamed(path, request.mode));
  CANVAS_TRY(CheckFileSystem(fd, request.allow_remote));
  CANVAS_TRY(ProbeLargestSize(fd, request.geometry));
  CANVAS_TRY(Fill(fd, request));
  return Name(fd, path);
}

Result<void> ReflinkCanvasFile(const os::UniqueFd& from, const std::string& path,
                               const ReflinkRequest& request) {
  CANVAS_TRY(SuperblockOf(from));
  CANVAS_ASSIGN(const os::UniqueFd fd, MakeUnnamed(path, request.mode));
  CANVAS_TRY(CheckFileSystem(fd, request.allow_remote));
  if (ioctl(fd.get(), FICLONE, from.get()) != 0) {
    if (errno == EXDEV)
      return Fail(ErrorCode::kUnsupported,
                  "it would lie on another file system, and files share blocks only within one",
                  "copy it instead");
    if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOTTY || errno == ENOSYS)
      return Fail(ErrorCode::kUnsupported, "the file system has no reflinks", "copy it instead");
    return FailErrno(errno, "sharing the blocks (FICLONE)");
  }
  CANVAS_ASSIGN(format::SuperblockBytes superblock, SuperblockOf(fd));
  CANVAS_ASSIGN(const format::Uuid uuid, RandomUuid());
  std::ranges::copy(std::as_bytes(std::span(uuid)),
                    superblock.begin() + format::kSuperblockUuidOffset);
  format::SealSuperblock(superblock);
  for (std::uint64_t copy = 0; copy < format::kSuperblockCopies; ++copy)
    CANVAS_TRY(WriteAt(fd, copy * format::kSuperblockBytes, superblock));
  if (fsync(fd.get()) != 0) return FailErrno(errno, "fsync");
  return Name(fd, path);
}

}  // namespace canvas::storage
