// One reserved, shared mapping of a canvas from byte 0. It may reach far beyond the end of the
// file: the bytes appear as the file grows, and the mapping never moves.
//
// A fault makes the kernel read around the page, as much as the device's readahead setting says
// (128 KiB here, 8 MiB there); around a control word that is mostly holes. The mapping asks for
// none of it (MADV_RANDOM). A caller that reads samples in order asks for what comes next:
// WillNeed.
//
// It is never mapped by huge pages (MADV_NOHUGEPAGE). A file's folio of 2 MiB may be mapped by one
// entry, and whatever concerns a part of it (locking, letting go, a window that moves on) makes the
// kernel drop that entry as a whole: what is locked beside it then faults, and what was let go
// comes back with the next fault (mm/huge_memory.c, __split_huge_pmd_locked).
//
// A forked child does not get it (MADV_DONTFORK) and core dumps leave it out (MADV_DONTDUMP).
//
// Thread safety: immutable after Map, but for Poison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "canvas/base/error.h"
#include "canvas/os/os_file.h"

namespace canvas::os {

class Mapping {
 public:
  // Errors: kNoMemory where the address space does not hold `bytes`; kPermission, kIo.
  static Result<Mapping> Map(const UniqueFd& fd, std::uint64_t bytes, Access access);

  // Whether there is address space for so much more. Errors: kNoMemory.
  static Result<void> HasRoom(std::uint64_t bytes);

  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  std::byte* base() const { return base_; }
  explicit operator bool() const { return base_ != nullptr; }

  // Has the kernel read these bytes into memory, without waiting for them (MADV_WILLNEED).
  void WillNeed(std::uint64_t offset, std::uint64_t bytes) const noexcept;

  // Whole 4 KiB pages, for ordinary threads.
  //
  // Brings them into memory and into this process's page tables (MADV_POPULATE_READ; Linux 5.14).
  // Errors: kUnsupported, kIo (beyond the end of the file, or the device failed).
  Result<void> Populate(std::uint64_t offset, std::uint64_t bytes) const;
  // Makes them ready for stores, as a store to each would (MADV_POPULATE_WRITE; Linux 5.14): the
  // file system takes the space that it wants for that here, and not at the store. False where it
  // does not get it; true where the kernel cannot be asked.
  bool PopulateForWriting(std::uint64_t offset, std::uint64_t bytes) const noexcept;
  // Keeps them there (mlock2(2)). False, with errno, where the system does not let it: the limit on
  // locked memory.
  bool Lock(std::uint64_t offset, std::uint64_t bytes) const noexcept;
  // Takes them out of the page tables, where they are not locked (MADV_DONTNEED).
  void Forget(std::uint64_t offset, std::uint64_t bytes) const noexcept;
  // Lets go of them: no longer locked, nor in the page tables (munlock(2), MADV_DONTNEED). The
  // mapping stays; a thread that touches them faults and has them again.
  void LetGo(std::uint64_t offset, std::uint64_t bytes) const noexcept;

  // In a forked child, where the mapping is gone: puts zeros in its place, so that whoever still
  // looks sees an absent part instead of a fault.
  void Poison() noexcept;

 private:
  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace canvas::os
