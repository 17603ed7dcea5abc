#include "canvas/os/locked_array.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace canvas::os {

Result<LockedMemory> LockedMemory::Make(std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  bytes = (bytes + kPage - 1) / kPage * kPage;
  if (bytes == 0) bytes = kPage;
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (base == MAP_FAILED) return std::unexpected(Error::NoMemory());
  LockedMemory memory;
  memory.base_ = base;
  memory.bytes_ = bytes;
  memory.Lock();
  return memory;
}

LockedMemory::~LockedMemory() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

// By number: sanitizers make the function of libc do nothing.
bool LockedMemory::Lock() noexcept {
  if (!locked_) locked_ = syscall(SYS_mlock, base_, bytes_) == 0;
  return locked_;
}

}  // namespace canvas::os
