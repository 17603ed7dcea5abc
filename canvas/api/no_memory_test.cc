// Every allocation of every public call fails in turn, the n-th for every n: each call then answers an
// error value (or does without), throws nothing, and leaves the canvas as after any other error.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

// ThreadSanitizer's runtime has these operators, and no second ones beside them.
#if defined(__SANITIZE_THREAD__)
#define CANVAS_NO_OWN_NEW
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CANVAS_NO_OWN_NEW
#endif
#endif

namespace {

// Of this thread: how many allocations there are until the one that fails; < 0: none does.
thread_local long left = -1;
thread_local bool failed = false;

bool Fails() {
  if (left < 0) return false;
  if (left-- > 0) return false;
  failed = true;
  return true;
}

[[maybe_unused]] void* Allocate(std::size_t bytes, std::size_t alignment = 0) {
  if (Fails()) return nullptr;
  if (bytes == 0) bytes = 1;
  return alignment == 0
             ? std::malloc(bytes)
             : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

[[maybe_unused]] void* OrThrow(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

#ifndef CANVAS_NO_OWN_NEW
[[gnu::noinline]] void* operator new(std::size_t bytes) { return OrThrow(Allocate(bytes)); }
[[gnu::noinline]] void* operator new[](std::size_t bytes) { return OrThrow(Allocate(bytes)); }
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return Allocate(bytes);
}
[[gnu::noinline]] void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return Allocate(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return OrThrow(Allocate(bytes, static_cast<std::size_t>(alignment)));
}
[[gnu::noinline]] void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return OrThrow(Allocate(bytes, static_cast<std::size_t>(alignment)));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define CANVAS_OWN_CALLOC
#elif !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define CANVAS_OWN_CALLOC
#endif
#endif
#ifdef CANVAS_OWN_CALLOC
// Cap'n Proto's messages take their memory here.
extern "C" void* __libc_calloc(std::size_t count, std::size_t bytes);
extern "C" void* calloc(std::size_t count, std::size_t bytes) {
  if (Fails()) {
    errno = ENOMEM;
    return nullptr;
  }
  return __libc_calloc(count, bytes);
}
#endif

namespace canvas {
namespace {

using testing::Must;
using testing::Samples;
using testing::SmallCanvas;
using testing::TempDir;

template <typename T>
constexpr bool kIsResult = false;
template <typename T>
constexpr bool kIsResult<Result<T>> = true;

class NoMemory : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef CANVAS_NO_OWN_NEW
    GTEST_SKIP() << "SKIPPED: want of memory: ThreadSanitizer has the allocations";
#endif
  }
  NoMemory() {
    Must(Canvas::Create(path_, SmallCanvas()));
    sut_ = std::make_unique<Canvas>(
        Must(Canvas::Open(path_, {.access = Access::kReadWrite, .sync_on_close = false})));
    lane_ = Must(sut_->AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
    Must(Must(sut_->Own(lane_)).Write(Frame(0), Samples(1, 0, 12000, 2)));
  }

  // Makes the call fail at its first allocation, its second, ... until it has no more. `call` answers
  // what the public call does; `undo` makes it possible again after it succeeded.
  template <typename Call>
  void EveryAllocation(const char* name, Call call, const std::function<void()>& undo = {}) {
    constexpr long kMost = 2000;
    long n = 0;
    for (; n < kMost; ++n) {
      failed = false;
      bool good = true;
      auto code = ErrorCode::kNoMemory;
      {
        left = n;
        auto answer = call();
        left = -1;
        if constexpr (kIsResult<decltype(answer)>) {
          good = answer.has_value();
          if (!good) code = answer.error().code();
        }
      }
      if (!good && failed) {
        EXPECT_EQ(code, ErrorCode::kNoMemory) << name << ", allocation " << n;
      }
      EXPECT_TRUE(good || failed) << name << ": an error and no want of memory, at " << n;
      if (good && undo) undo();
      StillWhole(name, n);
      if (!failed || HasFailure()) break;
    }
    EXPECT_LT(n, kMost) << name;
    std::printf("%s: %ld allocations\n", name, n);
  }
  // What was written reads as it was, and nothing is left owned.
  void StillWhole(const char* name, long n) {
    LaneReader reader = Must(sut_->Reader(lane_));
    std::vector<float> out(2 * 12000);
    ASSERT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk) << name << ", " << n;
    ASSERT_EQ(out, Samples(1, 0, 12000, 2)) << name << ", " << n;
  }

  TempDir dir_;
  std::string path_ = dir_.path("sut.canvas");
  std::unique_ptr<Canvas> sut_;
  LaneId lane_;
};

TEST_F(NoMemory, CreateAndOpen) {
  const std::string other = dir_.path("other.canvas");
  EveryAllocation(
      "Create", [&] { return Canvas::Create(other, SmallCanvas()); },
      [&] { std::filesystem::remove(other); });
  EXPECT_FALSE(std::filesystem::exists(other)) << "whole, or not at all";
  EveryAllocation("Open", [&] { return Canvas::Open(path_); });
  EveryAllocation("Open for writing", [&] {
    return Canvas::Open(path_, {.access = Access::kReadWrite, .sync_on_close = false});
  });
  EveryAllocation("Close", [&]() -> Result<void> {
    const long armed = std::exchange(left, -1);
    Canvas opened = Must(Canvas::Open(path_, {.access = Access::kReadWrite}));
    left = armed;
    return opened.Close();
  });
}

TEST_F(NoMemory, Looking) {
  EveryAllocation("Info", [&] { return sut_->Info(); });
  EveryAllocation("Lanes", [&] { return sut_->Lanes(); });
  EveryAllocation("FindLane by name", [&] { return sut_->FindLane("a"); });
  EveryAllocation("FindLane by id", [&] { return sut_->FindLane(lane_); });
  EveryAllocation("TempoMaps", [&] { return sut_->TempoMaps(); });
  EveryAllocation("Owners", [&] { return sut_->Owners(); });
  EveryAllocation("Usage", [&] { return sut_->Usage(); });
  EveryAllocation("Check", [&] { return sut_->Check(); });
  EveryAllocation("Sync", [&] { return sut_->Sync(); });
  EveryAllocation("an error", [&]() -> Result<void> {
    auto missing = sut_->FindLane("no such lane");
    if (missing) return Fail(ErrorCode::kCorrupt, "found");
    if (missing.error().code() == ErrorCode::kNotFound) return {};
    return std::unexpected(std::move(missing).error());
  });
}

TEST_F(NoMemory, Edits) {
  const std::string long_name = "another name, too long for a small string";
  const std::string text = "a description that is too long for a small string, too";
  const auto drop = [&] { Must(sut_->RemoveLane(Must(sut_->FindLane("b")).id)); };
  EveryAllocation(
      "AddLane",
      [&] {
        return sut_->AddLane({.name = "b", .channels = 2, .rate = {8000, 1}});
      },
      drop);
  EveryAllocation(
      "RenameLane", [&] { return sut_->RenameLane(lane_, long_name); },
      [&] { Must(sut_->RenameLane(lane_, "a")); });
  EveryAllocation(
      "DescribeLane", [&] { return sut_->DescribeLane(lane_, text); },
      [&] { Must(sut_->DescribeLane(lane_, "")); });
  TempoMap map;
  map.tempi = {{Tick(0), 500'000'000}};
  map.meters = {{Tick(0), 4, 4}};
  EveryAllocation("AddTempoMap", [&] { return sut_->AddTempoMap(map); });
  LaneId doomed = Must(sut_->AddLane({.name = "c", .channels = 2, .rate = {8000, 1}}));
  EveryAllocation(
      "RemoveLane", [&] { return sut_->RemoveLane(doomed); },
      [&] {
        doomed = Must(sut_->AddLane({.name = "c", .channels = 2, .rate = {8000, 1}}));
      });
  EXPECT_EQ(Must(sut_->Lanes()).size(), 2U);
}

TEST_F(NoMemory, Writing) {
  EveryAllocation("Own", [&] { return sut_->Own(lane_); });
  EveryAllocation("OwnWithin",
                  [&] { return sut_->OwnWithin(lane_, std::chrono::milliseconds(0)); });
  EXPECT_TRUE(Must(sut_->Owners()).empty()) << "a lock was left behind";
  LaneWriter writer = Must(sut_->Own(lane_));
  const auto same = Samples(1, 100, 3000, 2);
  EveryAllocation("Write over", [&] { return writer.Write(Frame(100), same); });
  const auto more = Samples(1, 12000, 9000, 2);
  EveryAllocation("Write behind", [&] { return writer.Write(Frame(12000), more); });
  EveryAllocation("Append", [&] { return writer.Append(std::span(more).first(2)); });
  EveryAllocation("end", [&] { return writer.end(); });
  EveryAllocation("Erase", [&] { return writer.Erase({Frame(16000), Frame(80000)}); });
  EveryAllocation("AllocatePage", [&] { return sut_->AllocatePage(PageIndex(40)); });
  EveryAllocation("PunchPage", [&] { return sut_->PunchPage(PageIndex(40)); });
}

TEST_F(NoMemory, Reading) {
  EveryAllocation("Reader", [&] { return sut_->Reader(lane_); });
  LaneReader reader = Must(sut_->Reader(lane_));
  std::vector<float> out(2 * 9000);
  EveryAllocation("Read", [&] { return reader.Read(Frame(3), out); });
  EveryAllocation("ViewAt", [&] { return reader.ViewAt(Frame(3), 9000).frames(); });
  EveryAllocation("Extent", [&] { return reader.Extent(); });
  EveryAllocation("WrittenRanges", [&] { return reader.WrittenRanges({Frame(0), Frame(800000)}); });
  EveryAllocation("Pin", [&] { return sut_->Pin(); });
  const MetadataPin pin = Must(sut_->Pin());
  EveryAllocation("lanes of a pin", [&] { return pin.Lanes(); });
  EveryAllocation("tempo maps of a pin", [&] { return pin.TempoMaps(); });
  EveryAllocation("Hold", [&] { return sut_->Hold(lane_, {PageIndex(0), PageIndex(2)}); });
  EveryAllocation("Watch", [&] { return sut_->Watch(); });
  Watcher watcher = Must(sut_->Watch());
  EveryAllocation("Next", [&] { return watcher.Next(std::chrono::milliseconds(0)); });
}

TEST_F(NoMemory, Windows) {
  const std::vector<LaneId> lanes{lane_};
  EveryAllocation("MakeWindow", [&] { return sut_->MakeWindow(lanes, {.clock = {8000, 1}}); });
  Window window = Must(sut_->MakeWindow(lanes, {.clock = {8000, 1}}));
  EveryAllocation(
      "MoveTo",
      [&] {
        return window.MoveTo({Frame(0), Frame(12000)});
      },
      [&] {
        Must(window.MoveTo({Frame(0), Frame(0)}));
      });
  Must(window.MoveTo({Frame(0), Frame(12000)}));
  EveryAllocation(
      "MoveTo a part",
      [&] {
        return window.MoveTo({Frame(5000), Frame(9000)});
      },
      [&] {
        Must(window.MoveTo({Frame(0), Frame(12000)}));
      });
  Must(window.MoveTo({Frame(0), Frame(12000)}));
  LaneReader reader = Must(window.Reader(lane_));
  std::vector<float> out(2 * 12000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 12000, 2));
  EveryAllocation("report of a window", [&] { return window.Report(); });
  EveryAllocation("reader of a window", [&] { return window.Reader(lane_); });
  EveryAllocation("Feeder::Start", [&] { return Feeder::Start(); });
  Feeder feeder = Must(Feeder::Start());
  EveryAllocation("Follow", [&] { return feeder.Follow(window); });
  Playhead playhead = Must(feeder.Follow(window));
  playhead.Publish(Frame(0));
  EveryAllocation("report of a playhead", [&] { return playhead.Report(); });
}

}  // namespace
}  // namespace canvas
