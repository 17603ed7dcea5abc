#include "canvas/storage/fork_guard.h"

#include <pthread.h>

#include <mutex>

namespace canvas::storage {

// All listeners of the process, in a list of their own members: nothing is allocated at a fork.
struct ForkRegistry {
  std::mutex mutex;
  ForkListener* first = nullptr;

  static ForkRegistry& Get() {
    // Never destroyed: a fork may come during static destruction.
    static ForkRegistry& registry = *[] {
      auto* made = new ForkRegistry;
      pthread_atfork([] { Get().mutex.lock(); }, [] { Get().mutex.unlock(); },
                     [] { Get().PoisonAll(); });
      return made;
    }();
    return registry;
  }

  void PoisonAll() {
    for (ForkListener* l = first; l != nullptr; l = l->next_) l->AfterForkInChild();
    mutex.unlock();
  }

  void Add(ForkListener* l) {
    const std::lock_guard lock(mutex);
    l->next_ = first;
    if (first != nullptr) first->previous_ = l;
    first = l;
  }

  void Remove(ForkListener* l) {
    const std::lock_guard lock(mutex);
    (l->previous_ != nullptr ? l->previous_->next_ : first) = l->next_;
    if (l->next_ != nullptr) l->next_->previous_ = l->previous_;
  }
};

ForkListener::ForkListener() { ForkRegistry::Get().Add(this); }
ForkListener::~ForkListener() { ForkRegistry::Get().Remove(this); }

}  // namespace canvas::storage
