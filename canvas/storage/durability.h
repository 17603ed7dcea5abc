// What is on disk before what: the one place where the order of barriers is decided.
//
// Visible is not durable. A barrier (fdatasync) puts on disk everything of the file that any
// process stored before it. A word that vouches for bytes is stored after the barrier that follows
// them: the kernel may write it back at any moment from then on, and it must not promise what a
// power loss may still take.
//
//   Sync        1 pin the roots that are to be called durable    2 barrier
//               3 durable bytes, durable roots                   4 barrier
//   Barrier     for what must be on disk before something else is stored
//
// An error of the kernel stays: it reports a lost write once, and calls the page clean then, so a
// second barrier that succeeds says nothing (fsync(2)).
//
// Thread safety: thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas::storage {

class CanvasFile;

class Durability {
 public:
  explicit Durability(const CanvasFile& file) : file_(file) {}

  // What was visible before the call is on disk when it returns, and is known to be: the file's
  // size, the header, and the metadata of the pages that this handle edited. Errors: kIo, kNoSpace.
  Result<void> Sync();
  // What was stored before the call is on disk when it returns.
  Result<void> Barrier();

  // The metadata of this page was published through this handle: the next Sync calls it durable.
  void Published(PageIndex page);

 private:
  Result<void> BarrierLocked();

  const CanvasFile& file_;
  std::mutex mutex_;  // guards the rest; one sync at a time
  int errno_ = 0;
  std::set<PageIndex> published_;
};

}  // namespace canvas::storage
