// What must happen to open canvases when the process forks. A child inherits descriptors, and with
// them a share in every lock; so the first thing it does is to drop them. What remains is a
// poisoned handle that answers every call with an error.
//
// `_Fork`, `vfork` and `posix_spawn` skip this; there, close-on-exec does the same at exec.
//
// Thread safety: thread-safe.
#pragma once

#include <mutex>

namespace canvas::os {

// While this is held, no thread forks.
using ForkHold = std::unique_lock<std::mutex>;
ForkHold HoldForks();

class ForkListener {
 public:
  ForkListener() = default;
  ForkListener(const ForkListener&) = delete;
  ForkListener& operator=(const ForkListener&) = delete;

  // In the child, before fork returns, with no other thread alive: async-signal-safe calls only.
  virtual void AfterForkInChild() noexcept = 0;

 protected:
  virtual ~ForkListener() = default;

  // Called by the most derived class, when it is complete and before it no longer is.
  void Listen(const ForkHold& hold) noexcept;
  void StopListening(const ForkHold& hold) noexcept;

 private:
  friend struct ForkRegistry;
  bool listening_ = false;
  ForkListener* next_ = nullptr;
  ForkListener* previous_ = nullptr;
};

}  // namespace canvas::os
