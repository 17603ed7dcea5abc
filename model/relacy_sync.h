// The Sync policy of the models: the protocols' words as Relacy's atomics, which explore what the
// memory orders allow, and the copies of shared bytes as loops of such words. So what is checked is
// the very header that ships.
//
// Relacy: Dmitry Vyukov, https://github.com/dvyukov/relacy. It replaces operator new and parts of
// the standard library by macros, memory_order_acquire and its like among them: include this last,
// and say std::memory_order::acquire after it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <source_location>

#include "canvas/sync/part_words.h"

#define RL_DO_ASSERT 1
#include <relacy/relacy.hpp>

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

// Starts without a value, and reading it then fails the model: give it one in before(), by a store.
// (A value from Relacy's own initialisation is never offered to a stale load, which hides orders.)
template <typename T>
class Atomic {
 public:
  T load(std::memory_order order,
         std::source_location where = std::source_location::current()) const {
    return value_.load(ToRelacy(order), ToRelacy(where));
  }
  void store(T value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    value_.store(value, ToRelacy(order), ToRelacy(where));
  }

 private:
  rl::generic_atomic<T, false> value_;
};

// Shared bytes are words; a place among them is moved by bytes.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(Atomic<std::uint64_t>* words) : words_(words) {}
  friend SharedBytes operator+(SharedBytes at, std::uint64_t bytes) {
    return SharedBytes(at.words_ + bytes / 8);
  }
  Atomic<std::uint64_t>& word(std::size_t i) const { return words_[i]; }

 private:
  Atomic<std::uint64_t>* words_ = nullptr;
};

struct RelacySync {
  template <typename T>
  using Atomic = model::Atomic<T>;
  using SharedBytes = model::SharedBytes;

  static void AcquireFence(std::source_location where = std::source_location::current()) {
    rl::atomic_thread_fence(rl::mo_acquire, ToRelacy(where));
  }
  // Every word acquired, every word released: what canvas/sync/shared_copy.h promises.
  static void CopyOut(void* to, SharedBytes from, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      const std::uint64_t word = from.word(i).load(std::memory_order::acquire);
      std::memcpy(static_cast<char*>(to) + i * 8, &word, 8);
    }
  }
  static void CopyIn(SharedBytes to, const void* from, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, static_cast<const char*>(from) + i * 8, 8);
      to.word(i).store(word, std::memory_order::release);
    }
  }
};

// The words of a part of kBlocks blocks of two words each.
template <std::size_t kBlocks>
struct SharedPart {
  static constexpr std::uint32_t kStride = 16;
  Atomic<std::uint64_t> lane_id, life, mark, low, sequence, undo_block, undo_version, undo_checksum;
  Atomic<std::uint64_t> versions[kBlocks];
  Atomic<std::uint64_t> data[kBlocks * 2];
  Atomic<std::uint64_t> undo[2];

  // An empty part: for before().
  void Clear() {
    for (auto* word : {&lane_id, &life, &mark, &sequence, &undo_block, &undo_version,
                       &undo_checksum, &undo[0], &undo[1]})
      word->store(0, std::memory_order::relaxed);
    low.store(~std::uint64_t{0}, std::memory_order::relaxed);
    for (auto& word : versions) word.store(0, std::memory_order::relaxed);
    for (auto& word : data) word.store(0, std::memory_order::relaxed);
  }
  canvas::sync::PartWords<RelacySync> Part() {
    return {&lane_id,          &life,         &mark,          &low,     &sequence,
            &undo_block,       &undo_version, &undo_checksum, versions, SharedBytes(data),
            SharedBytes(undo), kStride};
  }
};

// Runs one search of a model, says what it did, and answers whether nothing was found.
template <typename Model>
bool Search(const char* name, rl::scheduler_type_e search, unsigned bound, rl::iteration_t most) {
  rl::test_params params;
  params.search_type = search;
  params.context_bound = bound;
  params.iteration_count = most;
  params.execution_depth_limit = 5000;
  params.progress_stream = nullptr;
  struct NullBuffer : std::streambuf {
  } nothing;
  std::ostream quiet(&nothing);
  params.progress_stream = &quiet;
  const bool good = rl::simulate<Model>(params);
  const char* how = search == rl::sched_full    ? "full search"
                    : search == rl::sched_bound ? "context-bound search"
                                                : "random search";
  std::printf("%s: %s", name, how);
  if (search == rl::sched_bound) std::printf(", bound %u", bound);
  std::printf(": %llu executions%s: %s\n", static_cast<unsigned long long>(params.stop_iteration),
              search == rl::sched_random          ? ""
              : params.stop_iteration + 1 >= most ? ", not exhausted"
                                                  : ", exhausted",
              good ? "nothing found" : "FAILED");
  return good;
}

}  // namespace model
