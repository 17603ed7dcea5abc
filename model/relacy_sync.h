// The Sync policy of the models: the protocols' words as Relacy's atomics, which explore what the
// memory orders allow, and the copies of shared bytes as loops of such words. So what is checked is
// the very header that ships. A thread of a model stands for a process.
//
//   death   A mortal thread (Mortal) dies before one of its stores, or before it unlocks. From
//           then on it stores nothing, its locks are free, and that is all: a death transfers no
//           happens-before. What it has stored is there (a processor that is stopped has its stores
//           drained): a thread that takes its place (Successor) loads the newest value of each word,
//           but is ordered behind it only where it loads with acquire what was released. So the orders
//           that third parties depend on are judged, which a lock modelled as a mutex would hide.
//   orders  Relacy is older than C++20: there a thread's relaxed store still continued the release
//           sequence of its last release store of that word, which hides that an order is missing. Here
//           it does not. And where a search is called deep, a stale load goes back two values and not
//           one, as in Relacy's random search.
//   locks   Taking a lock shows what came before its last taking and its last unlocking by the
//           living: calls of the kernel are ordered. It shows nothing of what was done under it by one
//           who died.
//
// Relacy: Dmitry Vyukov, https://github.com/dvyukov/relacy. It replaces operator new and parts of
// the standard library by macros, memory_order_acquire and its like among them: include this last,
// and say std::memory_order::acquire after it.
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

// What is outside the words: who lives, who holds which lock. Not itself searched: the search runs one
// thread at a time.
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
    late.fill({});
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
  void RunLate(bool unlocking = false);
};

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

inline void World::RunLate(bool unlocking) {
  LateList list = late[Me()];
  late[Me()].count = 0;
  for (unsigned i = 0; i < list.count; ++i)
    if (list.items[i].last && !unlocking) late[Me()].items[late[Me()].count++] = list.items[i];
  for (unsigned i = 0; i < list.count; ++i)
    if (!list.items[i].last || unlocking)
      for (unsigned w = 0; w < list.items[i].count; ++w)
        list.items[i].first[w].Do(list.items[i].words[w], list.items[i].order, list.items[i].where);
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
  // Sleeps while the word is `value`. The kernel compares and sleeps as one step; without a timeout
  // where `timeout_ns` is 0.
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
  if (timeout_ns != 0) return rl::ctx().sched();
  Sleepers()->park_current(rl::ctx(), false, false, false, rl::debug_info("", "", 0));
}

inline void RelacySync::Wake(Atomic<std::uint32_t>& /*word*/) {
  if (World::Get().dead[World::Me()]) return;
  if (Mutation::Get().FaultOf(Step::kWake, nullptr, "Wake") == Fault::kSkip) return;
  rl::ctx().sched();
  if (World::Get().Alive()) Sleepers()->unpark_all(rl::ctx(), rl::debug_info("", "", 0));
}

// For a thread's body: it dies before its n-th step (a store, an unlock), n below `most` as the search
// picks, or not at all.
inline void Mortal(unsigned most) {
  World::Get().stores_left[World::Me()] = static_cast<int>(rl::rand(most + 1));
  if (World::Get().stores_left[World::Me()] == static_cast<int>(most))
    World::Get().stores_left[World::Me()] = -1;
}
inline bool Died() { return World::Get().dead[World::Me()]; }
// For a thread that takes over from one that may be dead, once it has its lock.
inline void Successor() { World::Get().fresh[World::Me()] = true; }

// The words of a part of kBlocks blocks of two words each.
template <std::size_t kBlocks>
struct SharedPart {
  static constexpr std::uint32_t kStride = 16;
  LockTable lock_table;
  Atomic<std::uint64_t> lane_id, life, mark, low, sequence, undo_block, undo_version, undo_checksum;
  Atomic<std::uint64_t> versions[kBlocks];
  Atomic<std::uint64_t> data[kBlocks * 2];
  Atomic<std::uint64_t> undo[2];

  // An empty part: for before().
  void Clear() {
    lock_table.Clear();
    for (auto* word : {&lane_id, &life, &mark, &sequence, &undo_block, &undo_version,
                       &undo_checksum, &undo[0], &undo[1]})
      word->store(0, std::memory_order::relaxed);
    low.store(~std::uint64_t{0}, std::memory_order::relaxed);
    for (auto& word : versions) word.store(0, std::memory_order::relaxed);
    for (auto& word : data) word.store(0, std::memory_order::relaxed);
    lane_id.Name("lane id");
    life.Name("life");
    mark.Name("mark");
    low.Name("low");
    sequence.Name("sequence");
    undo_block.Name("undo block");
    undo_version.Name("undo version");
    undo_checksum.Name("undo checksum");
    for (auto& word : versions) word.Name("version");
  }
  canvas::sync::PartWords<RelacySync> Part() {
    return {&lane_id,
            &life,
            &mark,
            &low,
            &sequence,
            &undo_block,
            &undo_version,
            &undo_checksum,
            versions,
            SharedBytes(data, "data"),
            SharedBytes(undo, "undo"),
            kStride};
  }
  RelacySync::Locks Locks() { return RelacySync::Locks(lock_table); }
};

// A search of a model, to be run once as the code is, and once for every mutant.
struct Search {
  std::string name;
  rl::scheduler_type_e how = rl::sched_full;
  unsigned bound = 0;
  bool deep = false;  // stale loads go back two values
  rl::iteration_t most = 0;
  std::function<bool(rl::test_params&)> run;
};

template <unsigned kThreads>
void EndReleaseSequence(rl::atomic_data* data) {
  auto& word = *static_cast<rl::atomic_data_impl<kThreads>*>(data);
  auto& me = *static_cast<rl::thread_info<kThreads>*>(rl::ctx().threadx_);
  auto& record = word.history_[word.current_index_ % rl::atomic_history_size];
  rl::foreach<kThreads>(record.acq_rel_order_, me.release_fence_order_, rl::assign);
}

template <typename Model>
Search Make(const char* name, rl::scheduler_type_e how, unsigned bound, bool deep,
            rl::iteration_t most) {
  return {name, how, bound, deep, most, [deep](rl::test_params& params) {
            World::Get().deep = deep;
            World::Get().end_release_sequence =
                EndReleaseSequence<Model::params::static_thread_count>;
            return rl::simulate<Model>(params);
          }};
}
template <typename Model>
Search Full(const char* name, rl::iteration_t most = 20'000'000) {
  return Make<Model>(name, rl::sched_full, 0, false, most);
}
template <typename Model>
Search Bound(const char* name, unsigned bound, rl::iteration_t most = 20'000'000) {
  return Make<Model>(name, rl::sched_bound, bound, false, most);
}
template <typename Model>
Search DeepBound(const char* name, unsigned bound, rl::iteration_t most = 20'000'000) {
  return Make<Model>(name, rl::sched_bound, bound, true, most);
}
template <typename Model>
Search Random(const char* name, rl::iteration_t most = 100'000) {
  return Make<Model>(name, rl::sched_random, 0, false, most);
}

struct Found {
  bool good = true;
  unsigned long long executions = 0;
  bool exhausted = false;
};

// A failure is run again to tell its history, where that is wanted.
inline Found Run(const Search& search, rl::iteration_t most, bool tell = false) {
  rl::test_params params;
  params.search_type = search.how;
  params.context_bound = search.bound;
  params.iteration_count = most;
  params.execution_depth_limit = 5000;
  struct NullBuffer : std::streambuf {
  } nothing;
  std::ostream quiet(&nothing);
  params.progress_stream = &quiet;
  params.output_stream = tell ? &std::cout : &quiet;
  params.output_history = !tell;  // Relacy: no second run for it
  Found found;
  found.good = search.run(params);
  found.executions = params.stop_iteration;
  found.exhausted = search.how != rl::sched_random && params.stop_iteration + 1 < most;
  return found;
}

inline const char* HowName(const Search& search) {
  if (search.how == rl::sched_full) return "full search";
  if (search.how == rl::sched_random) return "random search";
  if (search.deep) return search.bound == 1 ? "bound 1, deep" : "bound 2, deep";
  return search.bound == 1 ? "bound 1" : search.bound == 2 ? "bound 2" : "bound 3";
}

// The main of a model: its searches, or (--sweep) every order of `headers` weakened and every logic
// mutant planted, each against the searches in turn, a line of tab-separated fields a mutant:
//   mutant  <name>  caught|survived  <executions>  <search>
// Further arguments name mutants that need no judging.
// --campaign: random searches of a million and more.
inline int Main(int argc, char** argv, const std::vector<std::string>& headers,
                const std::vector<Search>& searches, const std::vector<LogicMutant>& mutants) {
  bool sweep = false;
  bool campaign = false;
  Mutation& mutation = Mutation::Get();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--sweep")
      sweep = true;
    else if (argument == "--campaign")
      campaign = true;
    else
      mutation.Skip(argument);
  }
  // For a mutant a search is as long as it takes to find it, or this.
  constexpr rl::iteration_t kSweepMost = 300'000;
  constexpr rl::iteration_t kCampaignMost = 2'000'000;
  bool good = true;
  for (const Search& search : searches) {
    if (sweep) {
      Run(search, 2'000);  // to find the sites
      continue;
    }
    const bool more = campaign && search.how == rl::sched_random;
    Found found = Run(search, more ? kCampaignMost : search.most);
    if (!found.good) found = Run(search, more ? kCampaignMost : search.most, true);
    std::printf("%s: %s: %llu executions%s: %s\n", search.name.c_str(), HowName(search),
                found.executions,
                search.how == rl::sched_random ? ""
                : found.exhausted              ? ", exhausted"
                                               : ", not exhausted",
                found.good ? "nothing found" : "FAILED");
    good = good && found.good;
  }
  if (!sweep) return good ? 0 : 1;
  const auto judge = [&](const std::string& name) {
    if (mutation.Skips(name)) return;
    for (const Search& search : searches) {
      const Found found = Run(search, std::min<rl::iteration_t>(search.most, kSweepMost));
      if (found.good) continue;
      std::printf("mutant\t%s\tcaught\t%llu\t%s, %s\n", name.c_str(), found.executions + 1,
                  search.name.c_str(), HowName(search));
      std::fflush(stdout);
      return;
    }
    std::printf("mutant\t%s\tsurvived\t%llu\t%s\n", name.c_str(),
                static_cast<unsigned long long>(mutation.hits()),
                mutation.hits() == 0 ? "never met" : "");
    std::fflush(stdout);
  };
  for (std::size_t i = 0; i < mutation.site_count(); ++i) {
    const Site& site = mutation.site(i);
    if (std::ranges::find(headers, site.File()) == headers.end()) continue;
    mutation.Weaken(i);
    judge(site.Name());
  }
  for (const LogicMutant& mutant : mutants) {
    mutation.Plant(&mutant);
    judge(headers.front() + ": " + mutant.name);
  }
  return 0;
}

}  // namespace model
