// Which bytes of a mapping the windows of this process want in memory. Locks of memory do not nest,
// and several windows may cover the same bytes, or blocks that share a 4 KiB page; so wants are
// counted here, and the kernel is asked only at the first and at the last.
//
// What is wanted is populated and, where the limit on locked memory allows, locked. What nobody
// wants any more leaves the page tables; the mapping itself is never changed.
//
// Thread safety: thread-safe. Realtime: no; every call may be several syscalls and wait for the
// disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>

#include "canvas/base/error.h"
#include "canvas/os/mapping.h"

namespace canvas::os {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

class Residency {
 public:
  // `read_ahead(offset, bytes)` has the disk read what is about to be populated.
  using ReadAhead = std::function<void(std::uint64_t, std::uint64_t)>;
  explicit Residency(ReadAhead read_ahead) : read_ahead_(std::move(read_ahead)) {}

  // All of the ranges, or, after an error, none. Errors: as Mapping::Populate; kNoMemory.
  Result<void> Want(const Mapping& mapping, std::span<const ByteRange> ranges);
  // Ends one Want of each range. False where there is no memory to do the accounts: they stay
  // wanted, and the call may be made again.
  bool Unwant(const Mapping& mapping, std::span<const ByteRange> ranges) noexcept;

  struct State {
    std::uint64_t resident_bytes = 0;  // in whole 4 KiB pages
    std::uint64_t locked_bytes = 0;
    int lock_errno = 0;  // why not all of it is locked
  };
  State Get() const;
  // Tries again to lock what could not be locked, when something was let go since.
  void LockTheRest(const Mapping& mapping) noexcept;

 private:
  struct Piece {
    std::uint64_t end = 0;
    std::uint32_t wants = 0;
    bool locked = false;
  };
  using Pieces = std::map<std::uint64_t, Piece>;  // by start; none touches another with the same

  // Allocates where it cuts a piece; before anything is changed.
  Pieces::iterator Split(std::uint64_t at);
  void Join(std::uint64_t start, std::uint64_t end);
  void Trim(const Mapping& mapping, std::uint64_t start, std::uint64_t end) noexcept;
  void Lock(const Mapping& mapping, std::uint64_t start, std::uint64_t end) noexcept;
  void SplitAll(std::span<const ByteRange> ranges);
  void JoinAll(std::span<const ByteRange> ranges) noexcept;
  void Drop(const Mapping& mapping, std::span<const ByteRange> ranges) noexcept;

  ReadAhead read_ahead_;
  mutable std::mutex mutex_;
  Pieces pieces_;
  State state_;
  bool let_go_ = false;  // since LockTheRest last tried
};

}  // namespace canvas::os
