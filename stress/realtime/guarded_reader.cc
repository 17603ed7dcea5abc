#include "stress/realtime/guarded_reader.h"

#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/realtime_guard.h"
#include "canvas/testing/testing.h"
#include "stress/fault_log.h"
#include "stress/realtime/material.h"
#include "stress/realtime/verdict.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

// One pattern of reads around the playhead.
struct Walk {
  std::uint32_t lane;
  std::int64_t at;
};
class Pattern {
 public:
  explicit Pattern(std::uint32_t seed) : state_(seed | 1) {}
  // Around `playhead`: every lane forwards, every lane backwards, at random, at block edges, and at
  // the page's edge.
  Walk Next(std::uint64_t i, std::int64_t playhead) {
    const std::int64_t low = playhead - kBehindFrames + kBlock;
    const auto span = static_cast<std::uint64_t>(kBehindFrames + kAheadFrames) - 2 * kBlock;
    const auto lane = static_cast<std::uint32_t>(i % kLanes);
    const std::uint64_t step = i / kLanes;
    switch (step / 64 % 4) {
      case 0:
        return {lane, low + static_cast<std::int64_t>(step * kFrames % span)};
      case 1:
        return {lane, low + static_cast<std::int64_t>(span - step * kFrames % span)};
      case 2: {
        const std::int64_t at = low + static_cast<std::int64_t>(Draw() % span);
        return {static_cast<std::uint32_t>(Draw() % kLanes), at};
      }
      default: {
        // Half before, half behind an edge; blocks are counted from the page's first frame.
        const std::int64_t at = low + static_cast<std::int64_t>(Draw() % span);
        const std::int64_t edge =
            at < kPage ? at / kBlock * kBlock : kPage + (at - kPage) / kBlock * kBlock;
        const bool page = playhead + kAheadFrames > kPage + kBlock &&
                          playhead - kBehindFrames < kPage - kBlock && Draw() % 4 == 0;
        return {lane, (page ? kPage : edge) - static_cast<std::int64_t>(kFrames / 2)};
      }
    }
  }

 private:
  std::uint64_t Draw() {  // xorshift64
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::uint64_t state_;
};

// What was seen besides.
struct Tally {
  std::uint64_t ok = 0;
  std::uint64_t raced = 0;
  std::uint64_t outside = 0;
  std::uint64_t other = 0;
  std::uint64_t stale_views = 0;

  void Count(ReadStatus status) {
    if (status == ReadStatus::kOk)
      ++ok;
    else if (status == ReadStatus::kRaced)
      ++raced;
    else if (status == ReadStatus::kOutside)
      ++outside;
    else
      ++other;
  }
};

// Reads and views as the pattern has them, and what came of them. What is called between Arm and
// Disarm allocates nothing.
class Reads {
 public:
  Reads(Material& material, std::uint32_t seed) : material_(material), pattern_(seed) {}

  // So many of each, around the playhead.
  void Do(std::uint64_t most, std::int64_t playhead) {
    for (std::uint64_t n = 0; n < most; ++n, ++done_) {
      const Walk walk = pattern_.Next(done_, playhead);
      WindowReader& reader = material_.readers[walk.lane];
      Read(reader, walk);
      ViewIn(reader, walk);
    }
  }
  std::uint64_t done() const { return done_; }
  const Tally& tally() const { return tally_; }
  const Tally& views() const { return views_; }
  bool wrong() const { return wrong_; }

 private:
  void Read(WindowReader& reader, const Walk& walk) {
    const auto got = reader.Read(Frame(walk.at), block_);
    tally_.Count(got.status);
    if (got.status == ReadStatus::kOk)
      wrong_ |= !Right(block_.data(), walk.lane, walk.at) ||
                !Right(block_.data() + 2 * (kFrames - 1), walk.lane,
                       walk.at + static_cast<std::int64_t>(kFrames) - 1);
  }
  void ViewIn(WindowReader& reader, const Walk& walk) {
    const View view = reader.ViewAt(Frame(walk.at), kFrames);
    views_.Count(view.status());
    if (view.status() != ReadStatus::kOk) return;
    const bool right = Right(view.samples().data(), walk.lane, walk.at);
    if (view.StillValid())
      wrong_ |= !right;
    else
      ++views_.stale_views;
  }
  Material& material_;
  Pattern pattern_;
  std::vector<float> block_ = std::vector<float>(2 * kFrames);
  Tally tally_;
  Tally views_;
  std::uint64_t done_ = 0;
  bool wrong_ = false;
};

// Forth and back across the edge of the pages, about as fast as music; a jump now and then.
class Path {
 public:
  std::int64_t at() const { return at_; }
  // Whether it jumped, after so many reads.
  bool GoOn(std::uint64_t reads) {
    if (at_ + step_ < kFirst + kRate || at_ + step_ > kEnd - kRate) step_ = -step_;
    at_ += step_;
    const bool jump = reads / kReadsAtATime % 500 == 499;
    if (jump) at_ = 2 * kPage - at_;
    return jump;
  }
  static constexpr std::uint64_t kReadsAtATime = 4096;

 private:
  std::int64_t at_ = kPage - kRate / 4;
  std::int64_t step_ = 24;
};

void Tell(const Reads& reads, const WindowReport& window, const FeederReport& feeder) {
  const Tally& tally = reads.tally();
  const Tally& views = reads.views();
  fmt::print(
      "reads {} ok, {} raced, {} outside, {} other; views {} ok, {} no longer valid, {} raced, "
      "{} outside, {} other\n",
      tally.ok, tally.raced, tally.outside, tally.other, views.ok, views.stale_views, views.raced,
      views.outside, views.other);
  fmt::print("window: {}; feeder: {} looks, {} jumps, {} late\n", window.message, feeder.looks,
             feeder.jumps, feeder.late);
  if (tally.other != 0 || views.other != 0) Broken("unwritten, where all is written");
  if (tally.outside > tally.ok / 20) Broken("more outside than a feeder may miss");
}

}  // namespace

void ReadUnderGuard(const std::string& path, std::int64_t reads, std::uint32_t seed) {
  const bool may_lock = MayLock();
  LockProgram();
  Material material(path, kLanes);
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = kAhead, .behind_seconds = kBehind}));
  Playhead playhead = Must(feeder.Follow(*material.window));
  Path way;
  playhead.Publish(Frame(way.at()));
  if (!playhead.WaitReady(std::chrono::seconds(60))) Broken("the window is never ready");
  // Until the others are at work.
  Say('b');
  if (!Listen()) Broken("nobody says that it begins");

  Reads body(material, seed);
  testing::RealtimeGuard guard;
  const FaultLog faults;
  const std::uint64_t moved_before = MovedPages();
  while (body.tally().ok < static_cast<std::uint64_t>(reads)) {
    faults.Start();
    guard.Arm();
    body.Do(Path::kReadsAtATime, way.at());
    guard.Disarm();
    faults.Stop();
    if (body.wrong()) Broken("a frame that is another's");
    const bool jump = way.GoOn(body.done());
    playhead.Publish(Frame(way.at()));
    if (jump && !playhead.WaitReady(std::chrono::seconds(60))) Broken("the feeder does not follow");
  }
  const WindowReport window = material.window->Report();
  Tell(body, window, playhead.Report());
  Judge(guard, faults, MovedPages() - moved_before, window, may_lock);
}

}  // namespace canvas::stress
