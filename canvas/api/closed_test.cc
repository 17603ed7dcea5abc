// What is closed, or was moved from, says so: every call of every handle. (That none of them needs
// memory for it, or ends the program, is no_memory_test's.)
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Samples;
using testing::SmallCanvas;

constexpr ErrorCode kClosed = ErrorCode::kClosed;
constexpr std::chrono::hours kLong(1);  // what would be waited for, if it were
constexpr PageRange kPages{PageIndex(0), PageIndex(1)};
constexpr FrameRange kFrames{Frame(0), Frame(100)};

class Closed : public testing::CanvasTest {
 protected:
  Closed() {
    Must(Canvas::Create(path_, SmallCanvas()));
    canvas_.emplace(OpenForWriting(path_));
    lane_ = Must(canvas_->AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
    Must(Must(canvas_->Writer(lane_)).Write(Frame(0), samples_));
  }

  // Of a handle of which nothing is left.
  void EveryCallOf(Canvas& sut) {
    EXPECT_EQ(CodeOf(sut.Lanes()), kClosed);
    EXPECT_EQ(CodeOf(sut.LaneExtents()), kClosed);
    EXPECT_EQ(CodeOf(sut.FindLane("a")), kClosed);
    EXPECT_EQ(CodeOf(sut.FindLane(lane_)), kClosed);
    EXPECT_EQ(CodeOf(sut.AddLane({.name = "b"})), kClosed);
    EXPECT_EQ(CodeOf(sut.RenameLane(lane_, "b")), kClosed);
    EXPECT_EQ(CodeOf(sut.DescribeLane(lane_, "b")), kClosed);
    EXPECT_EQ(CodeOf(sut.TagLane(lane_, {})), kClosed);
    EXPECT_EQ(CodeOf(sut.RemoveLane(lane_)), kClosed);
    Canvas other = OpenForWriting(path_);
    EXPECT_EQ(CodeOf(sut.RemoveLane(Must(other.Own(lane_)))), kClosed);
    EXPECT_EQ(CodeOf(sut.AddTempoMap({})), kClosed);
    EXPECT_EQ(CodeOf(sut.RemoveTempoMap(1)), kClosed);
    EXPECT_EQ(CodeOf(sut.TempoMaps()), kClosed);
    EXPECT_EQ(CodeOf(sut.Markers()), kClosed);
    EXPECT_EQ(CodeOf(sut.AddMarker({})), kClosed);
    EXPECT_EQ(CodeOf(sut.AddMarkers({})), kClosed);
    EXPECT_EQ(CodeOf(sut.SetMarker({})), kClosed);
    EXPECT_EQ(CodeOf(sut.RemoveMarker(1)), kClosed);
    EXPECT_EQ(CodeOf(sut.Own(lane_, {.wait = kLong})), kClosed);
    EXPECT_EQ(CodeOf(sut.Writer(lane_, {.wait = kLong})), kClosed);
    EXPECT_EQ(CodeOf(sut.Owners()), kClosed);
    EXPECT_EQ(CodeOf(sut.Reader(lane_)), kClosed);
    EXPECT_EQ(CodeOf(sut.MakeWindow({{lane_}})), kClosed);
    EXPECT_EQ(CodeOf(sut.Pin()), kClosed);
    EXPECT_EQ(CodeOf(sut.Hold(lane_, kPages)), kClosed);
    EXPECT_EQ(CodeOf(sut.Watch()), kClosed);
    EXPECT_EQ(CodeOf(sut.RaiseCapacity(1 << 20)), kClosed);
    EXPECT_EQ(CodeOf(sut.AllocatePage(PageIndex(0))), kClosed);
    EXPECT_EQ(CodeOf(sut.PunchPage(PageIndex(0))), kClosed);
    EXPECT_EQ(CodeOf(sut.Usage()), kClosed);
    EXPECT_EQ(CodeOf(sut.Sync()), kClosed);
    EXPECT_EQ(CodeOf(sut.Check()), kClosed);
    // What cannot fail is empty.
    EXPECT_EQ(sut.capacity_pages(), 0U);
    EXPECT_EQ(sut.Info().path, "");
    EXPECT_EQ(sut.Info().layout.wide_slots, 0U);
    EXPECT_EQ(sut.ChangeCount(), 0U);
    EXPECT_EQ(sut.WaitForChange(7, kLong), 7U);
    Must(sut.Close());
  }
  template <typename Reader>
  void EveryCallOfReader(Reader& sut) {
    std::vector<float> out(100, 7);
    EXPECT_EQ(sut.Read(Frame(0), out), (ReadResult{ReadStatus::kClosed, 0}));
    EXPECT_EQ(out, std::vector<float>(100, 7));
    EXPECT_EQ(sut.ViewAt(Frame(0), 100).status(), ReadStatus::kClosed);
    EXPECT_EQ(sut.Visit(Frame(0), 100, [](auto...) {}), ReadStatus::kClosed);
    EXPECT_EQ(sut.lane().name, "");
  }

  const std::vector<float> samples_ = Samples(1, 0, 100, 1);
  std::optional<Canvas> canvas_;
  LaneId lane_;
};

TEST_F(Closed, ACanvasThatWasClosed) {
  Must(canvas_->Close());
  EveryCallOf(*canvas_);
}

TEST_F(Closed, ACanvasThatWasMovedFrom) {
  Canvas next = std::move(*canvas_);
  EveryCallOf(*canvas_);
  EXPECT_EQ(Must(next.Lanes()).size(), 1U);
  *canvas_ = std::move(next);
  EveryCallOf(next);
  EXPECT_EQ(Must(canvas_->Lanes()).size(), 1U);
}

TEST_F(Closed, WhatWasMadeFromACanvasOutlivesItsClose) {
  LaneReader reader = Must(canvas_->Reader(lane_));
  FrameWriter writer = Must(canvas_->Writer(lane_));
  Must(canvas_->Close());
  Must(writer.Append(samples_));
  EXPECT_EQ(reader.Extent().written_frames, 200U);
}

TEST_F(Closed, AnOwnerAndAWriterThatWereMovedFrom) {
  LaneOwner owner = Must(canvas_->Own(lane_));
  FrameWriter writer = Must(FrameWriter::Make(std::move(owner)));
  EXPECT_EQ(owner.lane().name, "");
  EXPECT_TRUE(owner.pages().empty());
  EXPECT_EQ(CodeOf(owner.Erase(kFrames)), kClosed);
  owner.Flush();
  EXPECT_EQ(CodeOf(canvas_->RemoveLane(std::move(owner))), kClosed);
  EXPECT_EQ(CodeOf(FrameWriter::Make(std::move(owner))), kClosed);

  FrameWriter next = std::move(writer);
  EXPECT_EQ(writer.lane().name, "");
  EXPECT_TRUE(writer.pages().empty());
  EXPECT_EQ(CodeOf(writer.Write(Frame(0), samples_)), kClosed);
  EXPECT_EQ(CodeOf(writer.Append(samples_)), kClosed);
  EXPECT_EQ(CodeOf(writer.Erase(kFrames)), kClosed);
  EXPECT_EQ(writer.PreferredFrames(Frame(0), 100), 100U);
  EXPECT_EQ(writer.end(), Frame(0));
  writer.Flush();
  EXPECT_EQ(CodeOf(std::move(writer).Release().Erase(kFrames)), kClosed);
  writer = std::move(next);
  EXPECT_EQ(Must(writer.Append(samples_)), Frame(100));
}

TEST_F(Closed, ReadersThatWereMovedFrom) {
  LaneReader reader = Must(canvas_->Reader(lane_));
  LaneReader next = std::move(reader);
  EveryCallOfReader(reader);
  reader.Forget(kFrames);
  EXPECT_EQ(reader.Extent().written_frames, 0U);
  EXPECT_EQ(CodeOf(reader.WrittenRanges(kFrames)), kClosed);
  View view = next.ViewAt(Frame(0), 100);
  const View kept = std::move(view);
  EXPECT_EQ(kept.frames(), 100U);
  EXPECT_TRUE(kept.StillValid());
  EXPECT_EQ(view.frames(), 0U);
  EXPECT_TRUE(view.samples().empty());
  EXPECT_EQ(view.status(), ReadStatus::kEnd);

  Window window = Must(canvas_->MakeWindow({{lane_}}, {.clock = {8000, 1}}));
  WindowReader in_window = Must(window.Reader(lane_));
  const WindowReader in_window_next = std::move(in_window);
  EveryCallOfReader(in_window);
  WindowReaders together = Must(window.Readers({{lane_}}));
  const WindowReaders together_next = std::move(together);
  EXPECT_EQ(together.size(), 0U);
  std::vector<float> out(100);
  const std::span<float> outs[] = {out};
  EXPECT_EQ(together.Read(Frame(0), outs), ReadStatus::kClosed);
  EXPECT_TRUE(together.results().empty());
}

TEST_F(Closed, AWindowAndItsFeederThatWereMovedFrom) {
  Window window = Must(canvas_->MakeWindow({{lane_}}, {.clock = {8000, 1}}));
  Feeder feeder = Must(Feeder::Start());
  Playhead playhead = Must(feeder.Follow(window));
  const Playhead next_playhead = std::move(playhead);
  playhead.Publish(Frame(0));
  EXPECT_FALSE(playhead.WaitReady(kLong));
  EXPECT_EQ(playhead.Report().looks, 0U);
  const Window next_window = std::move(window);
  EXPECT_EQ(CodeOf(window.MoveTo(kFrames)), kClosed);
  EXPECT_EQ(window.Report().message, "");
  EXPECT_EQ(CodeOf(window.Reader(lane_)), kClosed);
  EXPECT_EQ(CodeOf(window.Readers({{lane_}})), kClosed);
  EXPECT_EQ(CodeOf(feeder.Follow(window)), kClosed);
  const Feeder next_feeder = std::move(feeder);
  EXPECT_EQ(CodeOf(feeder.Follow(next_window)), kClosed);
}

TEST_F(Closed, AWatcherAndWhatHoldsThatWereMovedFrom) {
  Watcher watcher = Must(canvas_->Watch());
  const Watcher next_watcher = std::move(watcher);
  EXPECT_EQ(CodeOf(watcher.Next(kLong)), kClosed);
  MetadataPin pin = Must(canvas_->Pin());
  const MetadataPin next_pin = std::move(pin);
  EXPECT_NE(next_pin.generation(), 0U);
  EXPECT_EQ(pin.generation(), 0U);
  EXPECT_EQ(CodeOf(pin.Lanes()), kClosed);
  EXPECT_EQ(CodeOf(pin.TempoMaps()), kClosed);
  EXPECT_EQ(CodeOf(pin.Markers()), kClosed);
  PageHold hold = Must(canvas_->Hold(lane_, kPages));
  const PageHold next_hold = std::move(hold);
  EXPECT_EQ(next_hold.pages(), kPages);
  EXPECT_EQ(hold.lane(), LaneId(0));
  EXPECT_TRUE(hold.pages().empty());
}

}  // namespace
}  // namespace canvas
