#include "canvas/os/mapping.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace canvas::os {

Result<Mapping> Mapping::Map(const UniqueFd& fd, std::uint64_t bytes, Access access) {
  const int protection = access == Access::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  void* base = mmap(nullptr, bytes, protection, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (base == MAP_FAILED) return FailErrno(errno, "mmap");
  Mapping mapping;
  mapping.base_ = static_cast<std::byte*>(base);
  mapping.bytes_ = bytes;
  if (madvise(base, bytes, MADV_DONTFORK) != 0 || madvise(base, bytes, MADV_DONTDUMP) != 0 ||
      madvise(base, bytes, MADV_RANDOM) != 0)
    return FailErrno(errno, "madvise");
  // EINVAL where the kernel has no huge pages: then there is nothing to ask for.
  if (madvise(base, bytes, MADV_NOHUGEPAGE) != 0 && errno != EINVAL)
    return FailErrno(errno, "madvise");
  return mapping;
}

Result<void> Mapping::HasRoom(std::uint64_t bytes) {
  void* base = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return FailErrno(errno, "mmap");
  munmap(base, bytes);
  return {};
}

Mapping::~Mapping() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

void Mapping::WillNeed(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t start = offset / kPage * kPage;
  const std::uint64_t end = offset + bytes < bytes_ ? offset + bytes : bytes_;
  if (start < end) madvise(base_ + start, end - start, MADV_WILLNEED);
}

Result<void> Mapping::Populate(std::uint64_t offset, std::uint64_t bytes) const {
  while (madvise(base_ + offset, bytes, MADV_POPULATE_READ) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == EINVAL)
      return Fail(ErrorCode::kUnsupported, "the kernel cannot populate a mapping ahead of reading",
                  "windows need Linux 5.14 or later");
    if (errno == EFAULT)
      return Fail(ErrorCode::kIo, "memory of the file cannot be read in",
                  "the file system is full (tmpfs), the file was cut short, or the device failed");
    if (errno == ENOMEM) return std::unexpected(Error::NoMemory());
    return FailErrno(errno, "madvise(MADV_POPULATE_READ)");
  }
  return {};
}

bool Mapping::PopulateForWriting(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  while (madvise(base_ + offset, bytes, MADV_POPULATE_WRITE) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    return errno == EINVAL;
  }
  return true;
}

// By number: sanitizers make the functions of libc do nothing.
bool Mapping::Lock(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  return syscall(SYS_mlock2, base_ + offset, bytes, 0) == 0;
}

void Mapping::LetGo(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  syscall(SYS_munlock, base_ + offset, bytes);
  Forget(offset, bytes);
}

void Mapping::Forget(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  const std::uint64_t end = offset + bytes < bytes_ ? offset + bytes : bytes_;
  if (offset < end) madvise(base_ + offset, end - offset, MADV_DONTNEED);
}

void Mapping::Poison() noexcept {
  if (base_ == nullptr) return;
  // Where that fails, who still looks faults: there is nothing more to be done for it.
  (void)mmap(base_, bytes_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0);
}

}  // namespace canvas::os
