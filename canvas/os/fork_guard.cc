#include "canvas/os/fork_guard.h"

#include <pthread.h>

namespace canvas::os {

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

  static void Add(ForkListener* l) {
    ForkListener*& first = Get().first;
    l->next_ = first;
    if (first != nullptr) first->previous_ = l;
    first = l;
  }

  static void Remove(ForkListener* l) {
    (l->previous_ != nullptr ? l->previous_->next_ : Get().first) = l->next_;
    if (l->next_ != nullptr) l->next_->previous_ = l->previous_;
  }
};

ForkHold HoldForks() { return ForkHold(ForkRegistry::Get().mutex); }

void ForkListener::Listen(const ForkHold& /*hold*/) noexcept {
  ForkRegistry::Add(this);
  listening_ = true;
}

void ForkListener::StopListening(const ForkHold& /*hold*/) noexcept {
  if (listening_) ForkRegistry::Remove(this);
  listening_ = false;
}

}  // namespace canvas::os
