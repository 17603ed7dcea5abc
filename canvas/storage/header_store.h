// The header of an open canvas: read as an immutable snapshot, replaced as a whole.
//
// Reading copies the current snapshot once a generation, verifies the copy and looks at the root
// again; from then on everyone shares the decoded copy. Editing happens under the header's kernel
// lock: the new version goes to a place that is neither current nor durable nor pinned, and one
// compare-and-swap of the root publishes it.
//
// Where the current snapshot fails its checksum (after a power loss: visible is not durable), the
// newest one that does not is used, and `recovered()` says so. Such a header is read, not edited.
//
// Thread safety: thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "canvas/base/error.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header.h"

namespace canvas::storage {

class HeaderStore {
 public:
  explicit HeaderStore(CanvasFile& file) : file_(file) {}

  // Errors: kCorrupt where no place holds a readable header.
  Result<std::shared_ptr<const Header>> Current();

  // Applies `edit` to the newest header and publishes the result. Blocks while another process
  // edits. Errors: kCorrupt (the newest header is lost), what `edit` answers (nothing is published then), kLimit (the header is too
  // large, or every place is pinned), kNoSpace.
  Result<void> Edit(const std::function<Result<void>(Header&)>& edit);

  // What Edit would refuse before it looks at the edit: kReadOnly, kClosed, kCorrupt.
  Result<void> CheckEditable();

  // Whether the last Current() had to pass over the newest snapshot.
  bool recovered();

 private:
  struct Loaded {
    std::uint64_t root = 0;  // the word it was loaded for
    format::Root from;       // where it was found; of an older generation where recovered
    std::shared_ptr<const Header> header;
    bool recovered() const { return from.ToWord() != root; }
  };
  // A place that may be written, and the lock that keeps others, and pins, off it.
  struct FreePlace {
    std::uint32_t place;
    ScopedLock lock;
  };
  Result<Loaded> Load() const;
  // Generation 0: whatever is there.
  Result<Loaded> LoadPlace(format::Root root) const;
  Result<FreePlace> ChoosePlace(const Loaded& current) const;
  Result<Loaded> CurrentLoaded();
  static Result<void> RefuseRecovered(const Loaded& loaded);
  Result<void> Publish(const Header& next, const Loaded& current);

  CanvasFile& file_;
  std::mutex mutex_;  // guards loaded_
  Loaded loaded_;
  std::mutex edit_mutex_;  // threads of this handle share the kernel lock
};

}  // namespace canvas::storage
