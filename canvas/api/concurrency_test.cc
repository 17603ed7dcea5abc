// Readers beside a writer, in threads, so that ThreadSanitizer watches: whatever a reader is given
// is whole.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::Must;
using testing::OpenForWriting;
using testing::Sample;
using testing::Samples;

constexpr std::int64_t kPage = 8000;
constexpr std::int64_t kPages = 3;
constexpr std::int64_t kFrames = kPages * kPage;
constexpr std::int64_t kBlock = 64;  // frames of stereo in 512 B

class Concurrency : public testing::CanvasTest {
 protected:
  Concurrency() {
    canvas_ = std::make_unique<Canvas>(Make());
    lane_ = Must(canvas_->AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  }
  std::unique_ptr<Canvas> canvas_;
  LaneId lane_;
};

// The epoch of the frames in `samples`, all of one, looked for from `from` on; -1 where they are a
// mix, or older.
int EpochOf(std::span<const float> samples, std::int64_t first, std::uint32_t epochs,
            std::uint32_t from = 0) {
  for (std::uint32_t epoch = from; epoch < epochs; ++epoch)
    if (samples[0] == Sample(1, first, 0, epoch) &&
        std::ranges::equal(samples, Samples(1, first, samples.size() / 2, 2, epoch)))
      return static_cast<int>(epoch);
  return -1;
}

TEST_F(Concurrency, AnAppendingWriterShowsAMonotonicPrefix) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    FrameWriter owner = Must(canvas_->Writer(lane_));
    std::mt19937 random(1);
    for (std::int64_t at = 0; at < kFrames;) {
      const std::int64_t count =
          std::min<std::int64_t>(kFrames - at, static_cast<std::int64_t>(random() % 300) + 1);
      Must(owner.Append(Samples(1, at, static_cast<std::uint64_t>(count), 2)));
      at += count;
    }
    done.store(true);
  });
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      LaneReader reader = Must(canvas_->Reader(lane_));
      std::vector<float> out(kPage * 2);
      std::vector<std::uint64_t> before(kPages, 0);
      for (bool last = false; !last;) {
        last = done.load();
        // From the last page to the first: what lies before something written is all there.
        bool later = false;
        for (std::int64_t page = kPages - 1; page >= 0; --page) {
          const ReadResult result = reader.Read(Frame(page * kPage), out);
          ASSERT_NE(result.status, ReadStatus::kRaced);
          auto& seen = before[static_cast<std::size_t>(page)];
          ASSERT_GE(result.written_frames, seen) << "the lane got shorter";
          seen = result.written_frames;
          if (later) {
            ASSERT_EQ(seen, static_cast<std::uint64_t>(kPage)) << "a gap in page " << page;
          }
          later = later || seen > 0;
          for (std::uint64_t f = 0; f < seen; ++f)
            ASSERT_EQ(out[2 * f], Sample(1, page * kPage + static_cast<std::int64_t>(f), 0)) << f;
        }
      }
      ASSERT_EQ(before.back(), static_cast<std::uint64_t>(kPage));
    });
  writer.join();
  for (std::thread& reader : readers) reader.join();
}

TEST_F(Concurrency, AnOverwrittenBlockIsWhollyOldOrWhollyNew) {
  constexpr std::uint32_t kEpochs = 100'000;
  constexpr std::int64_t kStretch = 4 * kBlock;
  FrameWriter owner = Must(canvas_->Writer(lane_));
  Must(owner.Write(Frame(0), Samples(1, 0, kStretch, 2, 0)));
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> reads{0};
  std::thread writer([&] {
    // Until the readers have seen something of it, however they were scheduled.
    for (std::uint32_t epoch = 1; epoch < kEpochs && (epoch < 3000 || reads.load() < 100); ++epoch)
      Must(owner.Write(Frame(0), Samples(1, 0, kStretch, 2, epoch)));
    done.store(true);
  });
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      LaneReader reader = Must(canvas_->Reader(lane_));
      std::vector<float> out(kBlock * 2);
      int newest = 0;
      while (!done.load()) {
        const ReadResult result = reader.Read(Frame(kBlock), out);
        if (result.status == ReadStatus::kRaced) continue;
        ASSERT_EQ(result.status, ReadStatus::kOk);
        const int epoch = EpochOf(out, kBlock, kEpochs, static_cast<std::uint32_t>(newest));
        ASSERT_GE(epoch, newest) << "a torn block, or time ran backwards";
        newest = epoch;
        reads.fetch_add(1);
      }
    });
  writer.join();
  for (std::thread& reader : readers) reader.join();
  std::printf("%lu whole reads\n", reads.load());
  EXPECT_GT(reads.load(), 0U) << "nothing was read while it changed: this run shows nothing";
}

TEST_F(Concurrency, APunchedPartIsThereOrGoneAndNeverZeros) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    FrameWriter owner = Must(canvas_->Writer(lane_));
    for (std::uint32_t epoch = 0; epoch < 150; ++epoch) {
      Must(owner.Write(Frame(0), Samples(1, 0, 2 * kBlock, 2, epoch)));
      Must(owner.Erase({Frame(0), Frame(8000)}));
    }
    done.store(true);
  });
  LaneReader reader = Must(canvas_->Reader(lane_));
  std::vector<float> out(kBlock * 2);
  while (!done.load()) {
    const ReadResult result = reader.Read(Frame(kBlock), out);
    if (result.status == ReadStatus::kOk) {
      ASSERT_GE(EpochOf(out, kBlock, 150), 0);
    } else {
      ASSERT_TRUE(result.status == ReadStatus::kUnwritten || result.status == ReadStatus::kRaced ||
                  result.status == ReadStatus::kPartlyUnwritten);
    }
  }
  writer.join();
}

TEST_F(Concurrency, LanesAddedFromSeveralThreadsAndHandlesAreAllThere) {
  Canvas other = OpenForWriting(path_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      Canvas& sut = i % 2 == 0 ? *canvas_ : other;
      Must(sut.AddLane({.name = "t" + std::to_string(i), .channels = 1, .rate = {8000, 1}}));
      for (std::uint32_t page = 0; page < 20; ++page) Must(sut.AllocatePage(PageIndex(page * 4)));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Must(canvas_->Lanes()).size(), 5U);
  EXPECT_EQ(canvas_->Info().ready_pages, 20U);
  EXPECT_TRUE(Must(canvas_->Check()).ok());
}

}  // namespace
}  // namespace canvas
