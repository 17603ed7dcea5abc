// Chaos: writers that append and overwrite, one that punches and writes again, one that edits the
// metadata, and readers who seek at random and hold every promise against what they see.
//
//   bazel run -c opt //stress:chaos_stress -- --seconds=3600 --writers=8 --readers=8
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

constexpr std::int64_t kPages = 6;
constexpr std::int64_t kFrames = kPages * kPageFrames;
constexpr std::int64_t kBlocks = kFrames / kBlockFrames;

// Lane ids 1 to 4 are written in whole blocks, over and over; 5 and 6 are appended to in pieces of
// any size, and begun again; 7 is punched all the time.
constexpr std::uint32_t kFirstAppended = 5;
constexpr std::uint32_t kPunched = 7;

std::string NameOf(std::uint32_t lane) { return fmt::format("lane {}", lane); }

Canvas Open(const std::string& path, const char* name) {
  return Must(
      Canvas::Open(path, {.access = Access::kReadWrite, .name = name, .sync_on_close = false}));
}

// Owns the lane as soon as whoever has it lets go.
FrameWriter OwnSoon(Canvas& canvas, std::uint32_t lane, PageRange pages) {
  return Must(canvas.Writer(LaneId(lane), {.pages = pages, .wait = std::chrono::seconds(60)}));
}

constexpr PageRange kAll{PageIndex(0), PageIndex(kPages)};

// The newest epoch that anyone has written to a lane: a writer goes on from there.
std::uint32_t NewestEpoch(Canvas& canvas, std::uint32_t lane) {
  LaneReader reader = Must(canvas.Reader(LaneId(lane)));
  std::vector<float> block(kBlockFrames * 2);
  std::uint32_t newest = 0;
  for (std::int64_t b = 0; b < kBlocks; ++b) {
    if (reader.Read(Frame(b * kBlockFrames), block).status == ReadStatus::kUnwritten) continue;
    const auto stamp = ReadStamp(block.data());
    if (stamp) newest = std::max(newest, stamp->epoch);
  }
  return newest;
}

// Whole blocks, in runs, each with an epoch of its own; lets go of the lane now and then.
void Overwrite(Canvas& canvas, std::uint32_t lane, Random& random, std::int64_t end) {
  std::uint32_t epoch = NewestEpoch(canvas, lane);
  while (Now() < end && epoch < kMaxEpoch - 200) {
    FrameWriter writer = OwnSoon(canvas, lane, kAll);
    for (int i = 0; i < 100 && Now() < end; ++i) {
      const std::int64_t block = random.Below(kBlocks);
      const std::int64_t count = std::min<std::int64_t>(random.Below(8) + 1, kBlocks - block);
      // Blocks of 125 a page: a run may cross a page's edge.
      Must(writer.Write(Frame(block * kBlockFrames),
                        Stamped(lane, block * kBlockFrames,
                                static_cast<std::uint64_t>(count * kBlockFrames), ++epoch)));
    }
    if (random.OneIn(8)) writer.Flush();
  }
}

// Pieces of any size to the end of the lane; then all is given back, and the next epoch begins.
void Append(Canvas& canvas, std::uint32_t lane, Random& random, std::int64_t end) {
  std::uint32_t epoch = NewestEpoch(canvas, lane);
  while (Now() < end) {
    FrameWriter writer = OwnSoon(canvas, lane, kAll);
    auto erased = writer.Erase({Frame(0), Frame(kFrames)});
    if (!erased && erased.error().code() == ErrorCode::kBusy) continue;  // a reader holds a page
    Must(std::move(erased));
    ++epoch;
    std::int64_t at = 0;
    while (at < kFrames && Now() < end) {
      const std::int64_t count = std::min<std::int64_t>(random.Below(300) + 1, kFrames - at);
      Must(writer.Write(Frame(at), Stamped(lane, at, static_cast<std::uint64_t>(count), epoch)));
      at += count;
    }
  }
}

void Punch(Canvas& canvas, Random& random, std::int64_t end) {
  std::uint32_t epoch = NewestEpoch(canvas, kPunched);
  while (Now() < end) {
    const auto page = static_cast<std::uint32_t>(random.Below(kPages));
    const PageRange one{PageIndex(page), PageIndex(page) + 1};
    const std::int64_t first = page * kPageFrames;
    {
      FrameWriter writer = OwnSoon(canvas, kPunched, one);
      Must(writer.Write(Frame(first), Stamped(kPunched, first, kPageFrames, ++epoch)));
    }
    FrameWriter writer = OwnSoon(canvas, kPunched, one);
    // Some blocks, and then the page with what is left of it. A page begins within a block.
    if (random.OneIn(2)) {
      const std::int64_t block = (first / kBlockFrames + 1 + random.Below(3)) * kBlockFrames;
      const auto some =
          writer.Erase({Frame(block), Frame(block + (1 + random.Below(3)) * kBlockFrames)});
      if (!some && some.error().code() != ErrorCode::kBusy) Broken(some.error().Message());
    }
    const auto erased = writer.Erase({Frame(first), Frame(first + kPageFrames)});
    if (!erased && erased.error().code() != ErrorCode::kBusy) Broken(erased.error().Message());
  }
}

// Renames and describes every lane, adds and removes others: never one too few.
void EditMetadata(Canvas& canvas, Random& random, std::int64_t end) {
  std::uint32_t edits = 0;
  while (Now() < end) {
    const auto lane = static_cast<std::uint32_t>(random.Below(kPunched) + 1);
    ++edits;
    Must(canvas.DescribeLane(LaneId(lane),
                             fmt::format("{} {}", edits, std::string(edits % 50, 'x'))));
    if (edits % 10 != 0) continue;
    const auto added = Must(canvas.AddLane(
        {.name = fmt::format("passing {}", edits), .channels = 1, .rate = {8000, 1}}));
    Must(canvas.RemoveLane(added));
  }
}

class Reader {
 public:
  Reader(const std::string& path, std::uint32_t seed)
      : canvas_(Must(Canvas::Open(path))), random_(seed) {
    for (std::uint32_t lane = 1; lane <= kPunched; ++lane) {
      readers_.push_back(Must(canvas_.Reader(LaneId(lane))));
      newest_.emplace_back(kBlocks);
    }
  }

  void Run(std::int64_t end) {
    while (Now() < end) {
      const auto lane = static_cast<std::uint32_t>(random_.Below(kPunched) + 1);
      switch (random_.Below(16)) {
        case 0:
          LookAtMetadata();
          break;
        case 1:
          Hold(lane);
          break;
        case 2:
        case 3:
        case 4:
          LookInPlace(lane);
          break;
        default:
          if (lane == kFirstAppended || lane == kFirstAppended + 1)
            ReadAppended(lane);
          else
            ReadBlock(lane);
      }
      ++looks_;
    }
    std::fprintf(stderr, "reader: %lu looks, %lu whole blocks, %lu views kept, %lu raced\n", looks_,
                 whole_, kept_, raced_);
    if (whole_ == 0 || kept_ == 0 || pins_ == 0 || holds_ == 0)
      Broken("nothing was ever read: this run shows nothing");
  }

 private:
  void Judge(std::span<const float> samples, std::uint32_t lane, std::int64_t block) {
    const Epoch epoch = EpochOf(samples, lane, block * kBlockFrames);
    if (!epoch.wrong.empty()) Broken("a torn block: " + epoch.wrong);
    std::uint32_t& newest = newest_[lane - 1][static_cast<std::size_t>(block)];
    if (epoch.epoch < newest)
      Broken(fmt::format("time ran backwards: lane {}, block {}: epoch {} after {}", lane, block,
                         epoch.epoch, newest));
    newest = epoch.epoch;
    ++whole_;
  }

  // A part ends in the midst of nothing here: a block is all written or not at all.
  void ReadBlock(std::uint32_t lane) {
    const std::int64_t block = random_.Below(kBlocks);
    std::array<float, kBlockFrames * 2> out;
    const ReadResult read = readers_[lane - 1].Read(Frame(block * kBlockFrames), out);
    if (read.status == ReadStatus::kOk) return Judge(out, lane, block);
    if (read.status == ReadStatus::kRaced) {
      ++raced_;
      return;
    }
    if (read.status != ReadStatus::kUnwritten)
      Broken(fmt::format("lane {}, block {}: status {}, {} frames", lane, block,
                         static_cast<int>(read.status), read.written_frames));
  }

  // A prefix of one epoch; what is behind it unwritten.
  void ReadAppended(std::uint32_t lane) {
    const std::int64_t page = random_.Below(kPages);
    page_.resize(kPageFrames * 2);
    const ReadResult read = readers_[lane - 1].Read(Frame(page * kPageFrames), page_);
    if (read.status == ReadStatus::kRaced) {
      ++raced_;
      return;
    }
    const Epoch epoch =
        EpochOf(std::span(page_).first(read.written_frames * 2), lane, page * kPageFrames);
    if (!epoch.wrong.empty()) Broken("an appended page: " + epoch.wrong);
    for (std::size_t i = read.written_frames * 2; i < page_.size(); ++i)
      if (page_[i] != 0) Broken("unwritten frames are not zeros");
    std::uint32_t& newest = newest_[lane - 1][static_cast<std::size_t>(page)];
    if (read.written_frames != 0) {
      if (epoch.epoch < newest) Broken("an appended page went back to an older epoch");
      std::uint64_t& length = appended_[{lane, page}];
      if (epoch.epoch == newest && read.written_frames < length)
        Broken(fmt::format("lane {}, page {}: {} frames after {}", lane, page, read.written_frames,
                           length));
      length = read.written_frames;
      newest = epoch.epoch;
      ++whole_;
    }
  }

  void LookInPlace(std::uint32_t lane) {
    const std::int64_t block = random_.Below(kBlocks);
    const View view = readers_[lane - 1].ViewAt(Frame(block * kBlockFrames), 3 * kBlockFrames);
    const std::vector<float> copy(view.samples().begin(), view.samples().end());
    if (!view.StillValid()) return;
    ++kept_;
    const auto frames = static_cast<std::int64_t>(view.frames());
    for (std::int64_t at = 0; at < frames; at += kBlockFrames) {
      const auto count = static_cast<std::size_t>(std::min(kBlockFrames, frames - at));
      const Epoch epoch =
          EpochOf(std::span(copy).subspan(static_cast<std::size_t>(at) * 2, count * 2), lane,
                  block * kBlockFrames + at);
      if (!epoch.wrong.empty()) Broken("a view that is said to be valid: " + epoch.wrong);
    }
  }

  // While it is held, what is there stays there.
  void Hold(std::uint32_t lane) {
    const auto page = static_cast<std::uint32_t>(random_.Below(kPages));
    const auto hold = canvas_.Hold(LaneId(lane), {PageIndex(page), PageIndex(page) + 1});
    if (!hold) {
      if (hold.error().code() != ErrorCode::kBusy) Broken(hold.error().Message());
      return;
    }
    ++holds_;
    const std::int64_t first = page * kPageFrames / kBlockFrames * kBlockFrames;
    std::array<float, kBlockFrames * 2> out;
    LaneReader& reader = readers_[lane - 1];
    const Frame at(first + kBlockFrames);
    if (reader.Read(at, out).status != ReadStatus::kOk) return;
    for (int i = 0; i < 100; ++i) {
      const ReadStatus again = reader.Read(at, out).status;
      if (again != ReadStatus::kOk && again != ReadStatus::kRaced)
        Broken("a page was given back while it was held");
    }
  }

  void LookAtMetadata() {
    const auto pin = canvas_.Pin();
    if (!pin) {
      if (pin.error().code() != ErrorCode::kBusy) Broken(pin.error().Message());
      return;
    }
    ++pins_;
    if (pin->generation() < generation_) Broken("the metadata went back");
    generation_ = pin->generation();
    const auto lanes = Must(pin->Lanes());
    for (int i = 0; i < 3; ++i) {
      const auto again = Must(pin->Lanes());
      if (again.size() != lanes.size()) Broken("a pinned version changed");
      for (std::size_t l = 0; l < lanes.size(); ++l)
        if (again[l].description != lanes[l].description) Broken("a pinned version changed");
    }
    if (lanes.size() < kPunched) Broken("a lane is missing");
  }

  Canvas canvas_;
  Random random_;
  std::vector<LaneReader> readers_;
  std::vector<std::vector<std::uint32_t>> newest_;  // epoch by lane and block (page where appended)
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint64_t> appended_;
  std::vector<float> page_;
  std::uint64_t generation_ = 0;
  unsigned long looks_ = 0, whole_ = 0, kept_ = 0, raced_ = 0, pins_ = 0, holds_ = 0;
};

int Role(const Arguments& arguments) {
  const std::string& role = arguments.Text("role");
  const std::string& path = arguments.Text("path");
  const auto seed = static_cast<std::uint32_t>(arguments.Number("seed"));
  const std::int64_t end = arguments.Number("end");
  Random random(seed);
  if (role == "reader") {
    Reader(path, seed).Run(end);
    return 0;
  }
  Canvas canvas = Open(path, role.c_str());
  const auto lane = static_cast<std::uint32_t>(arguments.Number("lane"));
  if (role == "overwriter") Overwrite(canvas, lane, random, end);
  if (role == "appender") Append(canvas, lane, random, end);
  if (role == "puncher") Punch(canvas, random, end);
  if (role == "editor") EditMetadata(canvas, random, end);
  return 0;
}

int Run(const Arguments& arguments) {
  const std::uint32_t seed = ChooseSeed(arguments);
  const testing::TempDir dir;
  const std::string path = dir.path("chaos.canvas");
  Must(Canvas::Create(path, testing::SmallCanvas()));
  {
    Canvas canvas = Open(path, "chaos");
    for (std::uint32_t lane = 1; lane <= kPunched; ++lane)
      Must(canvas.AddLane({.name = NameOf(lane), .channels = 2, .rate = {8000, 1}}));
  }
  const std::int64_t end = Now() + arguments.Number("seconds") * 1'000'000'000;
  std::vector<Child> children;
  const auto start = [&](const std::string& role, std::int64_t lane) {
    children.emplace_back(std::vector<std::string>{
        "--role=" + role, "--path=" + path, "--end=" + std::to_string(end),
        "--lane=" + std::to_string(lane), "--seed=" + std::to_string(seed + 1 + children.size())});
  };
  for (std::int64_t i = 0; i < arguments.Number("writers"); ++i)
    start("overwriter", i % (kFirstAppended - 1) + 1);
  start("appender", kFirstAppended);
  start("appender", kFirstAppended + 1);
  start("puncher", kPunched);
  start("editor", 0);
  for (std::int64_t i = 0; i < arguments.Number("readers"); ++i) start("reader", 0);
  int broken = 0;
  for (Child& child : children)
    if (const int code = child.Wait(); code != 0) {
      std::printf("a process ended with %d\n", code);
      ++broken;
    }
  const Canvas canvas = Must(Canvas::Open(path));
  const CheckReport report = Must(canvas.Check());
  for (const std::string& finding : report.findings) std::printf("check: %s\n", finding.c_str());
  const std::size_t owners = Must(canvas.Owners()).size();
  std::printf("%zu processes, %lld s: %d broken, %zu findings, %zu owners left\n", children.size(),
              static_cast<long long>(arguments.Number("seconds")), broken, report.findings.size(),
              owners);
  return broken == 0 && report.ok() && owners == 0 ? 0 : 1;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  const canvas::stress::Arguments arguments(argc, argv,
                                            {{"seconds", "20"},
                                             {"writers", "4"},
                                             {"readers", "4"},
                                             {"seed", "0"},
                                             {"role", ""},
                                             {"path", ""},
                                             {"end", "0"},
                                             {"lane", "0"}});
  if (!arguments.Text("role").empty()) return canvas::stress::Role(arguments);
  return canvas::stress::Run(arguments);
}
