// What is outside the words of a model: who lives and who has died, and which locks are held.
//
//   death   A mortal thread (Mortal) dies before one of its stores, or before it unlocks. From then
//           on it stores nothing, its locks are free, and that is all: a death transfers no
//           happens-before. What it has stored is there (a processor that is stopped has its stores
//           drained): a thread that takes its place (Successor) loads the newest value of each
//           word, but is ordered behind it only where it loads with acquire what was released. So
//           the orders that third parties depend on are judged, which a lock modelled as a mutex
//           would hide.
//   locks   Taking a lock shows what came before its last taking and its last unlocking by the
//           living: calls of the kernel are ordered. It shows nothing of what was done under it by
//           one who died.
//
// This header includes Relacy, which replaces operator new and parts of the standard library by
// macros, memory_order_acquire and its like among them: include it, or what includes it, last, and
// say std::memory_order::acquire after it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <source_location>
#include <string>
#include <vector>

#include "canvas/sync/kernel_locks.h"
#include "canvas/sync/part_words.h"
#include "model/mutation.h"

// What Relacy includes, before its private parts are opened (CurrentOrders, below).
#include <cassert>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <iomanip>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <ostream>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <typeinfo>

#include "model/fibers.h"

#define RL_DO_ASSERT 1
#define private public
#define protected public
#include <relacy/relacy.hpp>
#undef private
#undef protected

namespace model {

inline rl::memory_order ToRelacy(std::memory_order order) {
  switch (order) {
    case std::memory_order::relaxed:
      return rl::mo_relaxed;
    case std::memory_order::consume:
      return rl::mo_consume;
    case std::memory_order::acquire:
      return rl::mo_acquire;
    case std::memory_order::release:
      return rl::mo_release;
    case std::memory_order::acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order::seq_cst:
      return rl::mo_seq_cst;
  }
  return rl::mo_seq_cst;
}

inline rl::debug_info ToRelacy(const std::source_location& where) {
  return {where.function_name(), where.file_name(), where.line()};
}

constexpr unsigned kMaxThreads = 4;

using canvas::format::LockRange;
using canvas::sync::LockTry;

template <typename T>
class Atomic;

// What is outside the words: who lives, who holds which lock. Not itself searched: the search runs
// one thread at a time.
struct World {
  struct HeldLock {
    LockRange range;
    unsigned thread;
    bool exclusive;
  };
  // Stores that a mutant puts off: of a word, or of a copy's words.
  struct Late {
    Atomic<std::uint64_t>* first;
    std::array<std::uint64_t, 4> words;
    unsigned count;
    std::memory_order order;
    std::source_location where;
    bool last;  // at the unlock
  };
  struct LateList {
    std::array<Late, 4> items{};
    unsigned count = 0;
  };
  std::array<bool, kMaxThreads> dead{};
  std::array<bool, kMaxThreads> fresh{};
  std::array<int, kMaxThreads> stores_left{};  // until death; < 0: immortal
  std::array<LateList, kMaxThreads> late{};
  std::array<HeldLock, 16> locks{};
  unsigned lock_count = 0;
  rl::waitset<kMaxThreads>* waiting = nullptr;
  // Of the search that runs.
  void (*end_release_sequence)(rl::atomic_data*) = nullptr;
  bool deep = false;

  static World& Get() {
    static World one;
    return one;
  }
  static unsigned Me() { return rl::thread_index(); }

  void Reset(rl::waitset<kMaxThreads>* set) {
    dead.fill(false);
    fresh.fill(false);
    stores_left.fill(-1);
    for (LateList& list : late) list.count = 0;
    lock_count = 0;
    waiting = set;
    if (deep) rl::ctx().is_random_sched_ = true;
  }
  bool Conflicts(LockRange range, bool exclusive) const {
    for (unsigned i = 0; i < lock_count; ++i) {
      const HeldLock& held = locks[i];
      if (held.thread != Me() && (exclusive || held.exclusive) &&
          held.range.start < range.start + range.length &&
          range.start < held.range.start + held.range.length)
        return true;
    }
    return false;
  }
  void Release(unsigned thread, const LockRange* range) {
    unsigned kept = 0;
    for (unsigned i = 0; i < lock_count; ++i)
      if (locks[i].thread != thread || (range != nullptr && !(locks[i].range == *range)))
        locks[kept++] = locks[i];
    lock_count = kept;
    if (waiting != nullptr) waiting->unpark_all(rl::ctx(), rl::debug_info("", "", 0));
  }
  // Before a store of the running thread: whether it is still among the living.
  bool Alive() {
    const unsigned me = Me();
    if (dead[me]) return false;
    if (stores_left[me] < 0) return true;
    if (stores_left[me]-- > 0) return true;
    dead[me] = true;
    late[me].count = 0;
    Release(me, nullptr);
    return false;
  }
  void PutOff(Atomic<std::uint64_t>* first, const std::uint64_t* words, unsigned count,
              std::memory_order order, std::source_location where, bool last = false) {
    LateList& list = late[Me()];
    Late& item = list.items[list.count++];
    item = {first, {}, count, order, where, last};
    std::copy_n(words, count, item.words.begin());
  }
  void RunLate(bool unlocking = false) {
    if (late[Me()].count != 0) [[unlikely]]
      RunTheLate(unlocking);
  }
  void RunTheLate(bool unlocking);
};

// The locks of one model, and what they order.
class LockTable {
 public:
  void Clear() {
    World::Get().Reset(&waiting_);
    for (auto& order : order_) order.store(0, rl::mo_relaxed, rl::debug_info("", "", 0));
    used_ = 0;
  }

  LockTry Try(LockRange range, bool exclusive) {
    World& world = World::Get();
    if (world.dead[World::Me()]) return LockTry::kHeld;
    rl::ctx().sched();
    const char* kind = exclusive ? "exclusive" : "shared";
    if (Mutation::Get().FaultOf(Step::kLock, nullptr, kind) == Fault::kSkip) return LockTry::kTaken;
    if (world.Conflicts(range, exclusive)) return LockTry::kHeld;
    Take(range, exclusive);
    return LockTry::kTaken;
  }
  // For before(): `thread` begins with the lock.
  void Grant(LockRange range, unsigned thread) {
    World& world = World::Get();
    world.locks[world.lock_count++] = {range, thread, true};
    Order(range).store(1, rl::mo_relaxed, rl::debug_info("grant", "", 0));
  }
  void Wait(LockRange range) {
    World& world = World::Get();
    rl::ctx().sched();
    while (world.Conflicts(range, true))
      waiting_.park_current(rl::ctx(), false, false, false, rl::debug_info("", "", 0));
    Take(range, true);
  }
  void Unlock(LockRange range) {
    World& world = World::Get();
    if (world.dead[World::Me()]) return;
    world.RunLate(true);
    if (!world.Alive()) return;  // to die just before is a step too
    Order(range).fetch_add(1, rl::mo_release, rl::debug_info("unlock", "", 0));
    world.Release(World::Me(), &range);
  }

 private:
  void Take(LockRange range, bool exclusive) {
    World& world = World::Get();
    world.locks[world.lock_count++] = {range, World::Me(), exclusive};
    Order(range).fetch_add(1, rl::mo_acq_rel, rl::debug_info("lock", "", 0));
  }
  rl::generic_atomic<std::uint64_t, false>& Order(LockRange range) {
    for (unsigned i = 0; i < used_; ++i)
      if (starts_[i] == range.start) return order_[i];
    starts_[used_] = range.start;
    return order_[used_++];
  }
  rl::waitset<kMaxThreads> waiting_;
  std::array<rl::generic_atomic<std::uint64_t, false>, 6> order_;
  std::array<std::uint64_t, 6> starts_{};
  unsigned used_ = 0;
};

// For a thread's body: it dies before its n-th step (a store, an unlock), n below `most` as the
// search picks, or not at all.
inline void Mortal(unsigned most) {
  World::Get().stores_left[World::Me()] = static_cast<int>(rl::rand(most + 1));
  if (World::Get().stores_left[World::Me()] == static_cast<int>(most))
    World::Get().stores_left[World::Me()] = -1;
}
inline bool Died() { return World::Get().dead[World::Me()]; }
// For a thread that takes over from one that may be dead, once it has its lock.
inline void Successor() { World::Get().fresh[World::Me()] = true; }

}  // namespace model
