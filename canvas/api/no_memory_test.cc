// Every allocation of every public call fails in turn, the n-th for every n: each call then answers
// an error value (or does without), throws nothing, and leaves the canvas as after any other error.
#include <gtest/gtest.h>

#include <algorithm>
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

template <typename T>
constexpr bool kIsResult = false;
template <typename T>
constexpr bool kIsResult<Result<T>> = true;

class NoMemory : public testing::CanvasTest {
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
    Must(Must(sut_->Writer(lane_)).Write(Frame(0), Samples(1, 0, 12000, 2)));
  }

  // Makes the call fail at its first allocation, its second, ... until it has no more. `call`
  // answers what the public call does; `undo` makes it possible again after it succeeded.
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
  // Moves an object away, and there and back where it can be assigned to, and ends where it went.
  template <typename T>
  void MoveAway(const char* name, T& object) {
    failed = false;
    left = 0;
    {
      T there = std::move(object);
      if constexpr (std::is_move_assignable_v<T>) {
        object = std::move(there);
        there = std::move(object);
      }
      left = -1;
    }
    EXPECT_FALSE(failed) << "to move a " << name << " needs memory";
  }
  // A call of what was moved from: the expected error, or no memory to say so, whichever allocation
  // fails. One that answers no Result answers nothing.
  template <typename Call>
  void EveryAllocationOfTheMovedFrom(const char* name, Call call,
                                     ErrorCode expected = ErrorCode::kClosed) {
    constexpr long kMost = 100;
    long n = 0;
    for (; n < kMost; ++n) {
      SCOPED_TRACE(name);
      failed = false;
      left = n;
      auto answer = call();
      left = -1;
      if constexpr (kIsResult<decltype(answer)>) {
        ASSERT_FALSE(answer.has_value()) << name << ", allocation " << n;
        const auto code = answer.error().code();
        EXPECT_TRUE(code == expected || (failed && code == ErrorCode::kNoMemory))
            << name << ", allocation " << n << ": " << answer.error().Message();
      } else {
        EXPECT_EQ(answer, decltype(answer)()) << name << ", allocation " << n;
      }
      if (!failed || HasFailure()) break;
    }
    EXPECT_LT(n, kMost) << name;
    std::printf("%s, moved from: %ld allocations\n", name, n);
  }
  // What was written reads as it was, and nothing is left owned.
  void StillWhole(const char* name, long n) {
    LaneReader reader = Must(sut_->Reader(lane_));
    std::vector<float> out(2 * 12000);
    ASSERT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk) << name << ", " << n;
    ASSERT_EQ(out, Samples(1, 0, 12000, 2)) << name << ", " << n;
  }

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
  Must(sut_->AddMarker({.name = "a name that is too long for a small string"}));
  EveryAllocation("Markers", [&] { return sut_->Markers(); });
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
  const std::vector<SourceTag> tags{{long_name, text}};
  EveryAllocation(
      "TagLane", [&] { return sut_->TagLane(lane_, tags); },
      [&] { Must(sut_->TagLane(lane_, {})); });
  Marker marker{.name = long_name, .tags = {text}, .json = "{}"};
  const auto forget = [&] {
    for (const Marker& each : Must(sut_->Markers())) Must(sut_->RemoveMarker(each.id));
  };
  EveryAllocation(
      "AddMarker", [&] { return sut_->AddMarker(marker); }, forget);
  const std::vector<Marker> several{marker, marker};
  EveryAllocation(
      "AddMarkers", [&] { return sut_->AddMarkers(several); }, forget);
  EXPECT_TRUE(Must(sut_->Markers()).empty());
  marker.id = Must(sut_->AddMarker(marker));
  EveryAllocation(
      "SetMarker",
      [&] {
        marker.start = {0, 1};
        marker.end = {1, 2};
        return sut_->SetMarker(marker);
      },
      [&] {
        marker.end = {0, 1};
        Must(sut_->SetMarker(marker));
      });
  EveryAllocation(
      "RemoveMarker", [&] { return sut_->RemoveMarker(marker.id); },
      [&] { marker.id = Must(sut_->AddMarker(marker)); });
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
  EveryAllocation("Writer", [&] { return sut_->Writer(lane_); });
  EveryAllocation("Own, waiting",
                  [&] { return sut_->Own(lane_, {.wait = std::chrono::milliseconds(0)}); });
  EXPECT_TRUE(Must(sut_->Owners()).empty()) << "a lock was left behind";
  FrameWriter writer = Must(sut_->Writer(lane_));
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
  EveryAllocation("markers of a pin", [&] { return pin.Markers(); });
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
  WindowReader reader = Must(window.Reader(lane_));
  std::vector<float> out(2 * 12000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 12000, 2));
  EveryAllocation("report of a window", [&] { return window.Report(); });
  EveryAllocation("reader of a window", [&] { return window.Reader(lane_); });
  EveryAllocation("readers of a window", [&] { return window.Readers({&lane_, 1}); });
  EveryAllocation("Feeder::Start", [&] { return Feeder::Start(); });
  Feeder feeder = Must(Feeder::Start());
  EveryAllocation("Follow", [&] { return feeder.Follow(window); });
  Playhead playhead = Must(feeder.Follow(window));
  playhead.Publish(Frame(0));
  EveryAllocation("report of a playhead", [&] { return playhead.Report(); });
}

// Everything that can be moved, made over a lane whose name is no small string: to move that, or to
// say what is wrong, may take memory. Every call of each afterwards.
TEST_F(NoMemory, WhatWasMovedFrom) {
  const LaneId lane = Must(sut_->AddLane({.name = "a name that is too long for a small string",
                                          .channels = 2,
                                          .rate = {8000, 1},
                                          .description = "too long for a small string, too"}));
  EveryAllocation("Reader, of a long name", [&] { return sut_->Reader(lane); });
  EveryAllocation("Own, of a long name", [&] { return sut_->Own(lane); });
  const PageRange pages{PageIndex(0), PageIndex(2)};
  constexpr std::chrono::hours kLong(1);  // what would be waited for, if it were
  const std::vector<float> samples = Samples(1, 0, 100, 2);

  Canvas canvas = Must(Canvas::Open(path_, {.access = Access::kReadWrite}));
  LaneReader reader = Must(canvas.Reader(lane));
  FrameWriter writer = Must(canvas.Writer(lane, {.pages = pages}));
  Must(writer.Write(Frame(0), samples));
  LaneOwner owner = Must(canvas.Own(lane, {.pages = {PageIndex(2), PageIndex(3)}}));
  Window window = Must(canvas.MakeWindow({{lane}}, {.clock = {8000, 1}}));
  WindowReader in_window = Must(window.Reader(lane));
  Feeder feeder = Must(Feeder::Start());
  Playhead playhead = Must(feeder.Follow(window));
  Watcher watcher = Must(canvas.Watch());
  MetadataPin pin = Must(canvas.Pin());
  PageHold hold = Must(canvas.Hold(lane, pages));
  Feeder other_feeder = Must(Feeder::Start());

  MoveAway("canvas", canvas);
  MoveAway("reader", reader);
  MoveAway("writer", writer);
  MoveAway("owner", owner);
  MoveAway("playhead", playhead);
  MoveAway("window", window);
  MoveAway("reader of a window", in_window);
  MoveAway("feeder", feeder);
  MoveAway("watcher", watcher);
  MoveAway("pin", pin);
  MoveAway("hold", hold);

  const auto moved = [this](const char* name, auto call) {
    EveryAllocationOfTheMovedFrom(name, call);
  };
  moved("Info", [&] { return canvas.Info().path; });
  moved("capacity_pages", [&] { return canvas.capacity_pages(); });
  moved("Lanes", [&] { return canvas.Lanes(); });
  moved("FindLane by name", [&] { return canvas.FindLane("a"); });
  moved("FindLane by id", [&] { return canvas.FindLane(lane); });
  moved("AddLane", [&] { return canvas.AddLane({}); });
  moved("RenameLane", [&] { return canvas.RenameLane(lane, "b"); });
  moved("DescribeLane", [&] { return canvas.DescribeLane(lane, "b"); });
  moved("RemoveLane", [&] { return canvas.RemoveLane(lane); });
  moved("RemoveLane by owner", [&] { return canvas.RemoveLane(std::move(owner)); });
  moved("AddTempoMap", [&] { return canvas.AddTempoMap({}); });
  moved("RemoveTempoMap", [&] { return canvas.RemoveTempoMap(1); });
  moved("TempoMaps", [&] { return canvas.TempoMaps(); });
  moved("TagLane", [&] { return canvas.TagLane(lane, {}); });
  moved("Markers", [&] { return canvas.Markers(); });
  moved("AddMarker", [&] { return canvas.AddMarker({}); });
  moved("AddMarkers", [&] { return canvas.AddMarkers({}); });
  moved("SetMarker", [&] { return canvas.SetMarker({}); });
  moved("RemoveMarker", [&] { return canvas.RemoveMarker(1); });
  moved("Own", [&] { return canvas.Own(lane); });
  moved("Own of pages", [&] { return canvas.Own(lane, {.pages = pages}); });
  moved("Writer", [&] { return canvas.Writer(lane); });
  moved("Own, waiting", [&] { return canvas.Own(lane, {.wait = kLong}); });
  moved("Own of pages, waiting", [&] { return canvas.Own(lane, {.pages = pages, .wait = kLong}); });
  moved("Owners", [&] { return canvas.Owners(); });
  moved("Reader", [&] { return canvas.Reader(lane); });
  moved("MakeWindow", [&] { return canvas.MakeWindow({{lane}}); });
  moved("Pin", [&] { return canvas.Pin(); });
  moved("Hold", [&] { return canvas.Hold(lane, pages); });
  moved("ChangeCount", [&] { return canvas.ChangeCount(); });
  moved("WaitForChange", [&] { return canvas.WaitForChange(0, kLong); });
  moved("Watch", [&] { return canvas.Watch(); });
  moved("AllocatePage", [&] { return canvas.AllocatePage(PageIndex(0)); });
  moved("PunchPage", [&] { return canvas.PunchPage(PageIndex(0)); });
  moved("Usage", [&] { return canvas.Usage(); });
  moved("Sync", [&] { return canvas.Sync(); });
  moved("Check", [&] { return canvas.Check(); });
  EveryAllocation("Close, moved from", [&] { return canvas.Close(); });  // there is nothing to do

  const auto moved_reader = [&](auto& each) {
    std::vector<float> out(200, 7);
    moved("Read", [&] {
      EXPECT_EQ(each.Read(Frame(0), out), (ReadResult{ReadStatus::kClosed, 0}));
      return std::ranges::count(out, 7.0F) == 200 ? 0 : 1;
    });
    moved("ViewAt", [&] {
      EXPECT_EQ(each.ViewAt(Frame(0), 100).status(), ReadStatus::kClosed);
      return each.ViewAt(Frame(0), 100).frames();
    });
    moved("Visit",
          [&] { return each.Visit(Frame(0), 100, [](auto...) {}) == ReadStatus::kClosed ? 0 : 1; });
    moved("lane of a reader", [&] { return each.lane().name; });
  };
  moved_reader(reader);
  moved_reader(in_window);
  moved("Forget", [&] {
    reader.Forget({Frame(0), Frame(100)});
    return 0;
  });
  moved("Extent", [&] { return reader.Extent().written_frames; });
  moved("WrittenRanges", [&] { return reader.WrittenRanges({Frame(0), Frame(100)}); });

  moved("Write", [&] { return writer.Write(Frame(0), samples); });
  moved("Append", [&] { return writer.Append(samples); });
  moved("Erase", [&] { return writer.Erase({Frame(0), Frame(8000)}); });
  moved("end", [&] { return writer.end(); });
  moved("pages", [&] { return writer.pages(); });
  moved("lane of a writer", [&] { return writer.lane().name; });
  moved("Flush, PreferredFrames", [&] {
    writer.Flush();
    return writer.PreferredFrames(Frame(0), 100) <= 100 ? 0 : 1;
  });
  moved("Release", [&] { return std::move(writer).Release().Erase({Frame(0), Frame(8000)}); });
  moved("Make", [&] { return FrameWriter::Make(std::move(owner)); });
  moved("Erase of an owner", [&] { return owner.Erase({Frame(0), Frame(8000)}); });
  moved("pages of an owner", [&] { return owner.pages(); });
  moved("lane of an owner", [&] { return owner.lane().name; });
  moved("Flush of an owner", [&] {
    owner.Flush();
    return 0;
  });
  moved("RemoveLane of a canvas by owner", [&] { return sut_->RemoveLane(std::move(owner)); });

  moved("MoveTo", [&] { return window.MoveTo({Frame(0), Frame(100)}); });
  moved("Report of a window", [&] { return window.Report().message; });
  moved("Reader of a window", [&] { return window.Reader(lane); });
  moved("Follow", [&] { return feeder.Follow(window); });
  moved("Follow by another", [&] { return other_feeder.Follow(window); });
  moved("Publish, WaitReady", [&] {
    playhead.Publish(Frame(0));
    return playhead.WaitReady(kLong);
  });
  moved("Report of a playhead", [&] { return playhead.Report().error; });
  moved("Next", [&] { return watcher.Next(kLong); });
  moved("Lanes of a pin", [&] { return pin.Lanes(); });
  moved("TempoMaps of a pin", [&] { return pin.TempoMaps(); });
  moved("Markers of a pin", [&] { return pin.Markers(); });
  EXPECT_EQ(pin.generation(), 0U);
  EXPECT_TRUE(hold.pages().empty());
  EXPECT_EQ(hold.lane(), LaneId(0));

  // What went with them holds nothing any more.
  EXPECT_TRUE(Must(sut_->Owners()).empty());
  Must(sut_->RemoveLane(lane));
}

}  // namespace
}  // namespace canvas
