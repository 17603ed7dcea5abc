// What must happen to open canvases when the process forks. A child inherits descriptors, and with
// them a share in every lock; so the first thing it does is to drop them. What remains is a
// poisoned handle that answers every call with an error.
//
// `_Fork`, `vfork` and `posix_spawn` skip this; there, close-on-exec does the same at exec.
//
// Thread safety: thread-safe.
#pragma once

namespace canvas::storage {

class ForkListener {
 public:
  ForkListener();
  ForkListener(const ForkListener&) = delete;
  ForkListener& operator=(const ForkListener&) = delete;

  // In the child, before fork returns, with no other thread alive: async-signal-safe calls only.
  virtual void AfterForkInChild() noexcept = 0;

 protected:
  virtual ~ForkListener();

 private:
  friend struct ForkRegistry;
  ForkListener* next_ = nullptr;
  ForkListener* previous_ = nullptr;
};

}  // namespace canvas::storage
