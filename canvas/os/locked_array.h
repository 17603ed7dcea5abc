// A few objects in memory of their own, locked where the system allows it: words that realtime
// threads touch. They share no 4 KiB page with anything else, so locking and letting go concern
// nobody else.
//
// Thread safety: as its elements.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "canvas/base/error.h"

namespace canvas::os {

// Zeros, whole pages; locked or not. Unmapped at its end.
class LockedMemory {
 public:
  // Errors: kNoMemory.
  static Result<LockedMemory> Make(std::size_t bytes);
  LockedMemory() = default;
  LockedMemory(LockedMemory&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_), locked_(other.locked_) {}
  LockedMemory& operator=(LockedMemory&&) = delete;
  ~LockedMemory();

  void* base() const { return base_; }
  bool locked() const { return locked_; }
  // Tries again. Whether it is locked now.
  bool Lock() noexcept;

 private:
  void* base_ = nullptr;
  std::size_t bytes_ = 0;
  bool locked_ = false;
};

template <typename T>
class LockedArray {
 public:
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 4096);
  // `count` of them, value-initialised. Errors: kNoMemory.
  static Result<LockedArray> Make(std::size_t count) {
    if (count > (std::size_t{1} << 40) / sizeof(T)) return std::unexpected(Error::NoMemory());
    CANVAS_ASSIGN(LockedMemory memory, LockedMemory::Make(count * sizeof(T)));
    T* items = static_cast<T*>(memory.base());
    std::uninitialized_value_construct_n(items, count);
    return LockedArray(items, count, std::move(memory));
  }
  LockedArray() = default;

  T* data() const { return items_; }
  T* begin() const { return items_; }
  T* end() const { return items_ + count_; }
  T& operator[](std::size_t i) const { return items_[i]; }
  bool locked() const { return memory_.locked(); }
  bool Lock() noexcept { return memory_.Lock(); }

 private:
  LockedArray(T* items, std::size_t count, LockedMemory memory)
      : items_(items), count_(count), memory_(std::move(memory)) {}
  T* items_ = nullptr;
  std::size_t count_ = 0;
  LockedMemory memory_;
};

}  // namespace canvas::os
