// The Sync policy of the models: the protocols' words as Relacy's atomics, which explore what the
// memory orders allow, and the copies of shared bytes as loops of such words. So what is checked is
// the very header that ships. A thread of a model stands for a process (world.h).
//
// Relacy (Dmitry Vyukov, https://github.com/dvyukov/relacy) is older than C++20: there a thread's
// relaxed store still continued the release sequence of its last release store of that word, which
// hides that an order is missing. Here it does not.
#pragma once

#include "model/world.h"  // last

namespace model {

// Starts without a value, and reading it then fails the model: give it one in before(), by a store.
// (A value from Relacy's own initialisation is never offered to a stale load, which hides orders.)
template <typename T>
class Atomic {
 public:
  void Name(const char* name) { name_ = name; }

  T load(std::memory_order order,
         std::source_location where = std::source_location::current()) const {
    World& world = World::Get();
    const unsigned me = World::Me();
    if (world.dead[me]) return newest_;
    Mutation& mutation = Mutation::Get();
    order = mutation.Order(order, where);
    if (mutation.FaultOf(Step::kLoad, name_, where) == Fault::kSkip) return last_[me];
    if (world.fresh[me]) {
      // An exchange that fails loads the newest value, and stores nothing.
      T never = static_cast<T>(0xDEADBEEFDEADBEEF);
      value_.compare_exchange(rl::bool_t<false>(), never, never, ToRelacy(order), ToRelacy(order),
                              ToRelacy(where));
      last_[me] = never;
    } else {
      last_[me] = value_.load(ToRelacy(order), ToRelacy(where));
    }
    return last_[me];
  }

  void store(T value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    World& world = World::Get();
    Mutation& mutation = Mutation::Get();
    order = mutation.Order(order, where);
    std::uint64_t wide = value;
    switch (mutation.FaultOf(Step::kStore, name_, where, &wide)) {
      case Fault::kSkip:
        return;
      case Fault::kLate:
        if constexpr (sizeof(T) == 8) world.PutOff(this, &wide, 1, order, where);
        return;
      case Fault::kLast:
        if constexpr (sizeof(T) == 8) world.PutOff(this, &wide, 1, order, where, true);
        return;
      case Fault::kChange:
        value = static_cast<T>(wide);
        break;
      case Fault::kNone:
        break;
    }
    Do(value, order, where);
    world.RunLate();
  }

  T fetch_add(T value, std::memory_order order,
              std::source_location where = std::source_location::current()) {
    if (!World::Get().Alive()) return newest_;
    const T before =
        value_.fetch_add(value, ToRelacy(Mutation::Get().Order(order, where)), ToRelacy(where));
    newest_ = last_[World::Me()] = before + value;
    return before;
  }
  T fetch_or(T value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    if (!World::Get().Alive()) return newest_;
    const T before =
        value_.fetch_or(value, ToRelacy(Mutation::Get().Order(order, where)), ToRelacy(where));
    newest_ = last_[World::Me()] = before | value;
    return before;
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order order,
                               std::memory_order failure,
                               std::source_location where = std::source_location::current()) {
    if (!World::Get().Alive()) return true;
    std::uint64_t wide = value;
    Mutation::Get().FaultOf(Step::kExchange, name_, where, &wide);
    value = static_cast<T>(wide);
    const bool done = value_.compare_exchange(rl::bool_t<false>(), expected, value,
                                              ToRelacy(Mutation::Get().Order(order, where)),
                                              ToRelacy(failure), ToRelacy(where));
    if (done) newest_ = value;
    last_[World::Me()] = done ? value : expected;
    World::Get().RunLate();
    return done;
  }

 private:
  void Do(T value, std::memory_order order, std::source_location where) {
    if (!World::Get().Alive()) return;
    value_.store(value, ToRelacy(order), ToRelacy(where));
    if (order == std::memory_order::relaxed) World::Get().end_release_sequence(value_.impl_);
    newest_ = last_[World::Me()] = value;
  }

  friend struct World;
  mutable rl::generic_atomic<T, false> value_;
  T newest_{};
  mutable std::array<T, kMaxThreads> last_{};
  const char* name_ = nullptr;
};

inline void World::RunTheLate(bool unlocking) {
  const LateList list = late[Me()];
  late[Me()].count = 0;
  for (unsigned i = 0; i < list.count; ++i) {
    const Late& item = list.items[i];
    if (item.last != unlocking) {
      late[Me()].items[late[Me()].count++] = item;
      continue;
    }
    for (unsigned w = 0; w < item.count; ++w)
      item.first[w].Do(item.words[w], item.order, item.where);
  }
}

// Shared bytes are words; a place among them is moved by bytes.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(Atomic<std::uint64_t>* words, const char* name = nullptr)
      : words_(words), name_(name) {}
  friend SharedBytes operator+(SharedBytes at, std::uint64_t bytes) {
    return SharedBytes(at.words_ + bytes / 8, at.name_);
  }
  Atomic<std::uint64_t>& word(std::size_t i) const { return words_[i]; }
  const char* name() const { return name_; }

 private:
  Atomic<std::uint64_t>* words_ = nullptr;
  const char* name_ = nullptr;
};

struct RelacySync {
  template <typename T>
  using Atomic = model::Atomic<T>;
  using SharedBytes = model::SharedBytes;

  class Locks {
   public:
    explicit Locks(LockTable& table) : table_(&table) {}
    LockTry TryShared(LockRange range) const noexcept { return table_->Try(range, false); }
    LockTry TryExclusive(LockRange range) const noexcept { return table_->Try(range, true); }
    void Unlock(LockRange range) const noexcept { table_->Unlock(range); }

   private:
    LockTable* table_;
  };

  static void AcquireFence(std::source_location where = std::source_location::current()) {
    if (Mutation::Get().Order(std::memory_order::acquire, where) == std::memory_order::relaxed)
      return;
    rl::atomic_thread_fence(rl::mo_acquire, ToRelacy(where));
  }
  // Both sides are a full fence, which is what the pair promises together (canvas/sync/window.h).
  static void LightFence(std::source_location where = std::source_location::current()) {
    if (Mutation::Get().Order(std::memory_order::seq_cst, where) == std::memory_order::relaxed)
      return;
    rl::atomic_thread_fence(rl::mo_seq_cst, ToRelacy(where));
  }
  static bool HeavyFence(std::source_location where = std::source_location::current()) {
    LightFence(where);
    return true;
  }
  // Every word acquired, every word released: what canvas/sync/shared_copy.h promises.
  static void CopyOut(void* to, SharedBytes from, std::size_t bytes,
                      std::source_location where = std::source_location::current()) {
    if (Mutation::Get().FaultOf(Step::kCopyOut, from.name(), where) == Fault::kSkip) return;
    const auto order = Mutation::Get().CopyOrder(std::memory_order::acquire);
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      const std::uint64_t word = from.word(i).load(order);
      std::memcpy(static_cast<char*>(to) + i * 8, &word, 8);
    }
  }
  static void CopyIn(SharedBytes to, const void* from, std::size_t bytes,
                     std::source_location where = std::source_location::current()) {
    std::array<std::uint64_t, 4> words{};
    std::memcpy(words.data(), from, bytes);
    const auto order = Mutation::Get().CopyOrder(std::memory_order::release);
    const auto count = static_cast<unsigned>(bytes / 8);
    switch (Mutation::Get().FaultOf(Step::kCopyIn, to.name(), where)) {
      case Fault::kSkip:
        return;
      case Fault::kLate:
        World::Get().PutOff(&to.word(0), words.data(), count, order, where);
        return;
      default:
        for (unsigned i = 0; i < count; ++i) to.word(i).store(words[i], order);
    }
  }

  static void Pause() noexcept {}
  // Sleeps while the word is `value`. The kernel compares and sleeps as one step.
  static constexpr std::uint64_t kForever = ~std::uint64_t{0};
  static void Wait(Atomic<std::uint32_t>& word, std::uint32_t value, std::uint64_t timeout_ns);
  static void Wake(Atomic<std::uint32_t>& word);
};

// For a futex: who sleeps.
inline rl::waitset<kMaxThreads>*& Sleepers() {
  static rl::waitset<kMaxThreads>* one = nullptr;
  return one;
}

inline void RelacySync::Wait(Atomic<std::uint32_t>& word, std::uint32_t value,
                             std::uint64_t timeout_ns) {
  World& world = World::Get();
  const unsigned me = World::Me();
  if (world.dead[me]) return;
  // The kernel's look is at the newest value, and orders nothing that anyone may rely on.
  const bool fresh = world.fresh[me];
  world.fresh[me] = true;
  // A mutant of this look sleeps without it.
  const bool blind = Mutation::Get().FaultOf(Step::kLoad, "change", "Wait") == Fault::kSkip;
  const bool same = blind || word.load(std::memory_order::relaxed) == value;
  world.fresh[me] = fresh;
  if (!same) return;
  // A sleep that may end at any time is a moment in which others run, or none do.
  if (timeout_ns != RelacySync::kForever) return rl::ctx().sched();
  Sleepers()->park_current(rl::ctx(), false, false, false, rl::debug_info("", "", 0));
}

inline void RelacySync::Wake(Atomic<std::uint32_t>& /*word*/) {
  if (World::Get().dead[World::Me()]) return;
  if (Mutation::Get().FaultOf(Step::kWake, nullptr, "Wake") == Fault::kSkip) return;
  rl::ctx().sched();
  if (World::Get().Alive()) Sleepers()->unpark_all(rl::ctx(), rl::debug_info("", "", 0));
}

}  // namespace model
