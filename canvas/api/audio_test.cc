// Frames in, the same frames out: every shape of lane, every way of cutting the writes and reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::CodeOf;
using testing::Must;
using testing::Samples;
using testing::SmallCanvas;

using Audio = testing::CanvasTest;

std::vector<float> ReadAll(LaneReader& reader, std::int64_t first, std::uint64_t frames,
                           ReadResult expected) {
  std::vector<float> out(frames * reader.lane().channels, -1.0F);
  EXPECT_EQ(reader.Read(Frame(first), out), expected);
  return out;
}

TEST_F(Audio, WhatWasWrittenReadsBackSampleForSample) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  const auto samples = Samples(1, 0, 20000, 2);
  Must(writer.Write(Frame(0), samples));
  LaneReader reader = Must(sut.Reader(lane));
  EXPECT_EQ(ReadAll(reader, 0, 20000, {ReadStatus::kOk, 20000}), samples);
}

TEST_F(Audio, NeverWrittenIsZerosAndSaysSo) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  LaneReader reader = Must(sut.Reader(lane));
  const std::vector<float> zeros(200, 0.0F);
  EXPECT_EQ(ReadAll(reader, 5000, 100, {ReadStatus::kUnwritten, 0}), zeros) << "no page yet";
  FrameWriter writer = Must(sut.Writer(lane));
  Must(writer.Write(Frame(8000), std::vector<float>(200, 0.0F)));
  EXPECT_EQ(ReadAll(reader, 8000, 100, {ReadStatus::kOk, 100}), zeros)
      << "silence is not unwritten";
  EXPECT_EQ(ReadAll(reader, 8150, 100, {ReadStatus::kUnwritten, 0}), zeros) << "beyond the mark";
  EXPECT_EQ(ReadAll(reader, 8050, 100, {ReadStatus::kPartlyUnwritten, 50}), zeros);
  EXPECT_EQ(ReadAll(reader, 7950, 100, {ReadStatus::kPartlyUnwritten, 50}), zeros)
      << "across pages";
}

TEST_F(Audio, AReaderOpenedBeforeThePageExistedSeesIt) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
  Canvas other = Must(Canvas::Open(path_));
  LaneReader reader = Must(other.Reader(lane));
  ReadAll(reader, 90 * 8000, 10, {ReadStatus::kUnwritten, 0});
  FrameWriter writer = Must(sut.Writer(lane));
  const auto samples = Samples(1, 90 * 8000, 10, 1);
  Must(writer.Write(Frame(90 * 8000), samples));
  EXPECT_EQ(ReadAll(reader, 90 * 8000, 10, {ReadStatus::kOk, 10}), samples);
}

TEST_F(Audio, NaNsInfinitiesAndSignedZerosAreKeptBitForBit) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  std::vector<float> samples;
  for (const std::uint32_t bits :
       {0x7FC00001U, 0xFF800001U, 0x7F800000U, 0xFF800000U, 0x80000000U, 0x00000001U, 0x7FFFFFFFU})
    samples.push_back(std::bit_cast<float>(bits));
  for (const std::int64_t at : {0, 100}) {  // once as a first write, once over something
    Must(writer.Write(Frame(100), std::vector<float>(7, 1.0F)));
    Must(writer.Write(Frame(at), samples));
    LaneReader reader = Must(sut.Reader(lane));
    const auto out = ReadAll(reader, at, samples.size(), {ReadStatus::kOk, samples.size()});
    for (std::size_t i = 0; i < samples.size(); ++i)
      EXPECT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(samples[i]));
  }
}

TEST_F(Audio, RefusesWhatDoesNotFitTheTimeline) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane, {.pages = {PageIndex(2), PageIndex(100)}}));
  LaneReader reader = Must(sut.Reader(lane));
  const std::vector<float> two(4, 1.0F);
  std::vector<float> out(4);
  EXPECT_EQ(CodeOf(writer.Write(Frame(-1), two)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(writer.Write(Frame(100 * 8000 - 1), two)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(writer.Write(Frame(std::numeric_limits<std::int64_t>::max()), two)),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(writer.Write(Frame(2 * 8000 - 1), two)), ErrorCode::kInvalidArgument)
      << "outside the owned pages";
  EXPECT_EQ(CodeOf(writer.Write(Frame(20000), std::vector<float>(3, 1.0F))),
            ErrorCode::kInvalidArgument)
      << "half a frame";
  for (const std::int64_t frame :
       {std::int64_t{-1}, std::int64_t{100 * 8000 - 1}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()})
    EXPECT_EQ(reader.Read(Frame(frame), out).status, ReadStatus::kEnd) << frame;
  Must(writer.Write(Frame(100 * 8000 - 2), two));
  EXPECT_EQ(reader.Read(Frame(100 * 8000 - 2), out), (ReadResult{ReadStatus::kOk, 2}));
  EXPECT_EQ(reader.Read(Frame(0), std::span<float>()), (ReadResult{ReadStatus::kOk, 0}));
}

TEST_F(Audio, AppendGoesOnWhereTheLaneEnds) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1, .rate = {8000, 1}}));
  {
    FrameWriter writer = Must(sut.Writer(lane));
    EXPECT_EQ(Must(writer.Append(Samples(1, 0, 100, 1))), Frame(0));
    Must(writer.Write(Frame(20000), Samples(1, 20000, 5, 1)));
    EXPECT_EQ(Must(writer.Append(Samples(1, 20005, 7, 1))), Frame(20005));
  }
  FrameWriter again = Must(sut.Writer(lane));
  EXPECT_EQ(Must(again.Append(Samples(1, 20012, 1, 1))), Frame(20012));
  LaneReader reader = Must(sut.Reader(lane));
  EXPECT_EQ(ReadAll(reader, 20000, 13, {ReadStatus::kOk, 13}), Samples(1, 20000, 13, 1));
  const LaneExtent extent = reader.Extent();
  EXPECT_EQ(extent.first, Frame(0));
  EXPECT_EQ(extent.end, Frame(20013));
}

// A plain model of a lane: what was written is known by the block, and to the frame where a part
// begins and ends; zeros fill the rest of a block.
class Oracle {
 public:
  Oracle(std::uint32_t channels, std::uint32_t per_block, Rate rate, std::int64_t end)
      : channels_(channels),
        per_block_(per_block),
        rate_(rate),
        values_(static_cast<std::size_t>(end) * channels, 0.0F),
        touched_(static_cast<std::size_t>(end), false) {}

  void Write(std::int64_t first, const std::vector<float>& samples) {
    std::ranges::copy(samples, values_.begin() + first * channels_);
    const auto frames = static_cast<std::int64_t>(samples.size() / channels_);
    for (std::int64_t f = first; f < first + frames; ++f) {
      touched_[BlockStart(f)] = true;
      const auto [marks, fresh] = marks_.try_emplace(PageFirst(f), f, f + 1);
      auto& [low, mark] = marks->second;
      low = std::min(low, f);
      mark = std::max(mark, f + 1);
    }
  }
  // A page of which nothing else is written loses its marks too.
  void Erase(std::int64_t first, std::int64_t end) {
    std::map<std::int64_t, bool> pages;  // by first frame: whether something else is written
    std::map<std::size_t, bool> blocks;  // likewise
    for (const auto& [page, marks] : marks_) {
      const std::int64_t page_end =
          FirstFrameOfPage(PageOfFrame(Frame(page), rate_, 1) + 1, rate_, 1).value();
      if (page_end <= first || end <= page) continue;
      for (std::int64_t f = page; f < page_end; ++f) {
        const bool stays = Written(f) && (f < first || end <= f);
        pages[page] |= stays;
        blocks[BlockStart(f)] |= stays;
      }
    }
    for (std::int64_t f = first; f < end; ++f)
      if (Written(f)) std::fill_n(values_.begin() + f * channels_, channels_, 0.0F);
    for (const auto& [block, stays] : blocks)
      if (!stays) touched_[block] = false;
    for (const auto& [page, stays] : pages)
      if (!stays) marks_.erase(page);
  }
  bool Written(std::int64_t f) const {
    const auto marks = marks_.find(PageFirst(f));
    return marks != marks_.end() && marks->second.first <= f && f < marks->second.second &&
           touched_[BlockStart(f)];
  }
  float At(std::int64_t f, std::uint32_t c) const {
    return Written(f) ? values_[static_cast<std::size_t>(f) * channels_ + c] : 0.0F;
  }

 private:
  std::int64_t PageFirst(std::int64_t f) const {
    return FirstFrameOfPage(PageOfFrame(Frame(f), rate_, 1), rate_, 1).value();
  }
  std::size_t BlockStart(std::int64_t f) const {
    const std::int64_t page = PageFirst(f);
    return static_cast<std::size_t>(page + (f - page) / per_block_ * per_block_);
  }
  std::uint32_t channels_;
  std::int64_t per_block_;
  Rate rate_;
  std::vector<float> values_;
  std::vector<bool> touched_;  // at the first frame of a block
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> marks_;  // low and high, by page
};

struct Shape {
  std::uint32_t channels;
  Rate rate;
  std::uint32_t canvas_rate = 8000;
};

class AudioShapes : public Audio, public ::testing::WithParamInterface<Shape> {};

// Random writes of every length and place against the model, read back in random pieces.
TEST_P(AudioShapes, AgreeWithAModelUnderRandomWritesAndErasures) {
  const auto [channels, rate, canvas_rate] = GetParam();
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  CreateOptions options = SmallCanvas();
  options.rate = Rate{canvas_rate, 1};
  options.capacity_seconds = 5;
  Canvas sut = Make(options);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = channels, .rate = rate}));
  LaneReader reader = Must(sut.Reader(lane));
  auto writer = std::make_unique<FrameWriter>(Must(sut.Writer(lane)));

  const Rate exact = *Rate::Make(rate.num, rate.den);
  std::uint32_t per_block = 512 / (channels * 4);
  if (channels % 2 != 0) per_block &= ~1U;
  const std::int64_t end = FirstFrameOfPage(5, exact, 1).value();
  Oracle oracle(channels, per_block, exact, end);
  for (std::uint32_t round = 0; round < 60; ++round) {
    const auto first = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end));
    const std::int64_t most =
        std::min<std::int64_t>(end - first, round % 3 == 0 ? 3 * end / 5 : per_block * 3);
    const auto frames = static_cast<std::uint64_t>(random() % static_cast<std::uint64_t>(most)) + 1;
    const auto samples = Samples(1, first, frames, channels, round);
    if (round % 7 == 0) {  // a new owner carries on
      writer.reset();
      writer = std::make_unique<FrameWriter>(Must(sut.Writer(lane)));
    }
    Must(writer->Write(Frame(first), samples));
    oracle.Write(first, samples);
    if (round % 4 == 3) {
      const auto gone = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end));
      const auto longest = static_cast<std::uint64_t>(round % 8 == 3 ? end : per_block * 5);
      const auto length = static_cast<std::int64_t>(random() % longest) + 1;
      const std::int64_t gone_end = std::min(end, gone + length);
      std::uint64_t count = 0;
      for (std::int64_t f = gone; f < gone_end; ++f) count += oracle.Written(f) ? 1U : 0U;
      const EraseReport report = Must(writer->Erase({Frame(gone), Frame(gone_end)}));
      ASSERT_EQ(report.erased_frames + report.zeroed_frames, count)
          << "seed " << seed << " round " << round;
      oracle.Erase(gone, gone_end);
    }

    const auto from = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end));
    const auto count =
        static_cast<std::uint64_t>(random() % static_cast<std::uint64_t>(end - from)) + 1;
    std::vector<float> out(count * channels, -1.0F);
    const ReadResult result = reader.Read(Frame(from), out);
    std::uint64_t written = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::int64_t f = from + static_cast<std::int64_t>(i);
      if (oracle.Written(f)) ++written;
      for (std::uint32_t c = 0; c < channels; ++c)
        ASSERT_EQ(out[i * channels + c], oracle.At(f, c))
            << "seed " << seed << " round " << round << " frame " << f;
    }
    ASSERT_EQ(result.written_frames, written) << "seed " << seed << " round " << round;
  }
  EXPECT_TRUE(Must(sut.Check()).ok());
}

INSTANTIATE_TEST_SUITE_P(, AudioShapes,
                         ::testing::Values(Shape{1, {8000, 1}}, Shape{2, {8000, 1}},
                                           Shape{3, {8000, 1}}, Shape{6, {8000, 1}},
                                           Shape{8, {8000, 1}}, Shape{1, {24000, 1024}},
                                           Shape{2, {8000000, 1001}}, Shape{5, {44100, 4}},
                                           Shape{2, {48000, 1}}),
                         [](const auto& parameter) {
                           return std::to_string(parameter.param.channels) + "ch_" +
                                  std::to_string(parameter.param.rate.num) + "_" +
                                  std::to_string(parameter.param.rate.den);
                         });

TEST_F(Audio, EveryUsualLaneFitsACanvasAsCreatedByDefault) {
  Canvas sut = Make({});
  std::uint32_t number = 0;
  for (const std::uint32_t channels : {1U, 2U, 6U, 8U})
    for (const std::uint64_t rate : {8000U, 44100U, 48000U, 96000U, 192000U}) {
      const std::string name = std::to_string(channels) + "x" + std::to_string(rate);
      const LaneId lane =
          Must(sut.AddLane({.name = name, .channels = channels, .rate = {rate, 1}}));
      ++number;
      // The last frames of a page and the first of the next: the far end of the last slot.
      const auto at = static_cast<std::int64_t>(30 * rate - 1000);
      const auto samples = Samples(number, at, 2000, channels);
      Must(Must(sut.Writer(lane)).Write(Frame(at), samples));
      LaneReader reader = Must(sut.Reader(lane));
      EXPECT_EQ(ReadAll(reader, at, 2000, {ReadStatus::kOk, 2000}), samples) << name;
      Must(sut.RemoveLane(lane));
    }
}

TEST_F(Audio, AThousandChannels) {
  Canvas sut = Make({});
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 1024, .rate = {5000, 1}}));
  const std::int64_t at = 30 * 5000 - 20;  // across the end of a page
  const auto samples = Samples(1, at, 40, 1024);
  Must(Must(sut.Writer(lane)).Write(Frame(at), samples));
  LaneReader reader = Must(sut.Reader(lane));
  EXPECT_EQ(ReadAll(reader, at, 40, {ReadStatus::kOk, 40}), samples);
}

TEST_F(Audio, ALaneOfAnyKindTakesASmallSlotWhereItFitsAndAWideOneWhereNoneIsLeft) {
  CreateOptions options = SmallCanvas();
  options.layout.wide_slots = 3;
  Canvas sut = Make(options);
  std::vector<LaneId> lanes;
  for (int i = 0; i < 4; ++i)
    lanes.push_back(Must(sut.AddLane({.name = std::to_string(i),
                                      .kind = i % 2 == 0 ? LaneKind::kSignal : LaneKind::kAudio,
                                      .channels = 1,
                                      .rate = {100, 1}})));
  for (const LaneId lane : lanes) {
    FrameWriter writer = Must(sut.Writer(lane));
    Must(writer.Write(Frame(0), Samples(lane.value(), 0, 1000, 1)));
  }
  for (const LaneId lane : lanes) {
    LaneReader reader = Must(sut.Reader(lane));
    EXPECT_EQ(ReadAll(reader, 0, 1000, {ReadStatus::kOk, 1000}), Samples(lane.value(), 0, 1000, 1));
  }
  const auto add = [&](const char* name, LaneKind kind, std::uint32_t channels,
                       std::uint64_t rate) {
    return sut.AddLane({.name = name, .kind = kind, .channels = channels, .rate = {rate, 1}});
  };
  EXPECT_TRUE(add("w", LaneKind::kSignal, 2, 8000).has_value())
      << "too much for a small slot: a wide one";
  const auto two = add("two wide", LaneKind::kAudio, 6, 8000);
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(two.error().what(),
            "the lane needs 3 wide slots in a row; 2 of 3 wide and 0 of 4 small slots are free");
  EXPECT_TRUE(add("x", LaneKind::kAudio, 1, 100).has_value()) << "no small one is left: a wide one";
  EXPECT_TRUE(add("y", LaneKind::kSignal, 1, 100).has_value());
  const auto none = add("z", LaneKind::kAudio, 1, 100);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(
      none.error().what(),
      "the lane needs a wide slot, or a small one; 0 of 3 wide and 0 of 4 small slots are free");
  Must(sut.RemoveLane(lanes[2]));
  EXPECT_TRUE(add("z", LaneKind::kAudio, 1, 100).has_value());
  EXPECT_FALSE(add("full", LaneKind::kAudio, 2, 8000).has_value()) << "it took the small one";
}

TEST_F(Audio, ViewsShowAPartInPlaceAndEndAtWhatIsUnwritten) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  Must(writer.Write(Frame(0), Samples(1, 0, 8000 + 300, 2)));
  Must(writer.Write(Frame(9000), Samples(1, 9000, 10, 2)));
  LaneReader reader = Must(sut.Reader(lane));
  const View page = reader.ViewAt(Frame(100), 100000);
  ASSERT_EQ(page.frames(), 7900U) << "ends with the page";
  EXPECT_EQ(std::vector<float>(page.samples().begin(), page.samples().end()),
            Samples(1, 100, 7900, 2));
  EXPECT_TRUE(page.StillValid());
  EXPECT_EQ(reader.ViewAt(Frame(8000), 100000).frames(), 320U)
      << "300 frames and the zeros that fill their block of 64";
  EXPECT_EQ(reader.ViewAt(Frame(9000), 100000).frames(), 10U) << "ends at the mark";
  EXPECT_EQ(reader.ViewAt(Frame(8400), 10).frames(), 0U);
  EXPECT_EQ(reader.ViewAt(Frame(8200), 10).frames(), 10U);
  EXPECT_EQ(reader.ViewAt(Frame(-1), 10).frames(), 0U);
}

TEST_F(Audio, AViewSaysWhenItsPartWasRewrittenOrPunched) {
  Canvas sut = Make(SmallCanvas());
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  Must(writer.Write(Frame(0), Samples(1, 0, 1000, 2)));
  LaneReader reader = Must(sut.Reader(lane));
  const View before = reader.ViewAt(Frame(0), 1000);
  Must(writer.Write(Frame(1000), Samples(1, 1000, 100, 2)));
  EXPECT_TRUE(before.StillValid()) << "appending behind it changes nothing in it";
  Must(writer.Write(Frame(10), Samples(1, 10, 1, 2, 1)));
  EXPECT_FALSE(before.StillValid());
  const View again = reader.ViewAt(Frame(0), 1000);
  EXPECT_TRUE(again.StillValid());
  Must(writer.Erase({Frame(0), Frame(8000)}));
  EXPECT_FALSE(again.StillValid());
  EXPECT_EQ(reader.ViewAt(Frame(0), 1000).frames(), 0U);
}

}  // namespace
}  // namespace canvas
