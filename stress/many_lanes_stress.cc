// Questions about a whole canvas cost what its lanes hold, and not lanes times pages.
//
//   many_lanes_stress [--full=1] [--path=FILE]
//
// Counts the instructions of each question (stepper.h) on two canvases with the same pages and the
// same parts: in one they are a few lanes', in the other many lanes'. What a lane more may cost is
// pinned, and less than a look at every page would be. Of edits what a page more costs is counted,
// whose lane is not there. With --full=1 the times of a canvas of 24 hours instead: 180 lanes, all
// 2,880 pages ready, 14,400 parts; written to FILE where one is named, which stays.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"
#include "stress/stepper.h"

namespace canvas::stress {
namespace {

constexpr std::uint32_t kFewLanes = 6;
constexpr std::uint32_t kManyLanes = 42;
constexpr std::uint64_t kFewPages = 10;
constexpr std::uint64_t kManyPages = 150;
constexpr std::int64_t kParts = 30;
constexpr std::int64_t kPartsOfAnEdit = kFewPages;  // each in a page of its own

// Audio in the wide slots, signals in the small ones.
std::vector<LaneId> AddLanes(Canvas& canvas, std::uint32_t lanes, std::uint32_t wide, Rate rate) {
  std::vector<LaneId> ids;
  for (std::uint32_t i = 0; i < lanes; ++i) {
    LaneSpec spec{.name = fmt::format("lane {}", i), .channels = 1, .rate = rate};
    if (i >= wide) {
      spec.kind = LaneKind::kSignal;
      spec.rate = {100, 1};
    }
    ids.push_back(Must(canvas.AddLane(spec)));
  }
  return ids;
}

// All pages ready, and `parts` parts of a few frames, the same number of each lane's.
void Fill(Canvas& canvas, const std::vector<LaneId>& lanes, std::int64_t parts,
          std::uint32_t page_seconds) {
  const auto pages = static_cast<std::int64_t>(canvas.capacity_pages());
  for (std::int64_t page = 0; page < pages; ++page)
    Must(canvas.AllocatePage(PageIndex(static_cast<std::uint32_t>(page))));
  const auto count = static_cast<std::int64_t>(lanes.size());
  for (std::int64_t lane = 0; lane < count; ++lane) {
    FrameWriter writer = Must(canvas.Writer(lanes[static_cast<std::size_t>(lane)]));
    const Rate rate = writer.lane().rate;
    for (std::int64_t part = lane; part < parts; part += count) {
      const std::int64_t page = part * pages / parts;
      Must(writer.Write(Frame(page * page_seconds * static_cast<std::int64_t>(rate.num)),
                        std::vector<float>(5, 0.5F)));
    }
  }
}

struct Question {
  const char* name;
  // Instructions that one lane more may cost, its name, its record and its place in tables; of an
  // edit, one page more. Not counted: nothing.
  std::optional<std::uint64_t> more;
  bool edits;
  std::function<void(Canvas&, const std::vector<LaneId>&)> ask;
};

const std::vector<Question>& Questions() {
  static const std::vector<Question> all = {
      {"the extents of all lanes", 1500, false,
       [](Canvas& canvas, const auto&) { (void)Must(canvas.LaneExtents()); }},
      {"the extent of each lane",
       {},
       false,
       [](Canvas& canvas, const auto&) {
         for (const LaneInfo& lane : Must(canvas.Lanes()))
           (void)Must(canvas.Reader(lane.id)).Extent();
       }},
      {"du", 1500, false, [](Canvas& canvas, const auto&) { (void)Must(canvas.Usage()); }},
      {"check", 1500, false,
       [](Canvas& canvas, const auto&) {
         if (!Must(canvas.Check()).ok()) Broken("check finds something");
       }},
      {"watch", 5000, false, [](Canvas& canvas, const auto&) { (void)Must(canvas.Watch()); }},
      {"adding a lane", 20, true,
       [](Canvas& canvas, const auto&) {
         (void)Must(canvas.AddLane({.name = "more", .kind = LaneKind::kSignal, .rate = {100, 1}}));
       }},
      {"removing a lane", 200, true,
       [](Canvas& canvas, const auto& lanes) { Must(canvas.RemoveLane(lanes.back())); }},
  };
  return all;
}

// Instructions, the second time that it is asked; of an edit the first.
std::uint64_t Count(const Question& question, std::uint32_t lanes, std::uint64_t pages) {
  testing::TempDir directory;
  const std::string path = directory.path("counted.canvas");
  CreateOptions options = testing::SmallCanvas();
  options.layout.wide_slots = 2 * kManyLanes / 3;
  options.layout.small_slots = kManyLanes / 3 + 1;
  options.capacity_seconds = pages;
  Must(Canvas::Create(path, options));
  Canvas canvas = Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  const auto ids = AddLanes(canvas, lanes, 2 * lanes / 3, {8000, 1});
  Fill(canvas, ids, question.edits ? kPartsOfAnEdit : kParts, options.page_seconds);
  if (!question.edits) question.ask(canvas, ids);
  Stepper stepper([](void*, std::uint64_t) {}, nullptr);
  stepper.Start();
  question.ask(canvas, ids);
  return stepper.Stop();
}

int CountAll() {
  if (!Stepper::Supported() || testing::kSanitized) {
    std::puts("SKIPPED: instructions are not counted here");
    return 0;
  }
  int failed = 0;
  const auto compare = [&](const Question& question, std::uint64_t few, std::uint64_t many,
                           std::uint64_t steps) {
    const std::uint64_t more = many > few ? (many - few) / steps : 0;
    fmt::print("{:<28}{:>14}{:>14}{:>14}{}\n", question.name, few, many, more,
               more > *question.more ? fmt::format("  OVER {}", *question.more) : "");
    if (more > *question.more) failed = 1;
  };
  fmt::print("instructions\n{:<28}{:>8} lanes{:>8} lanes   each of them\n", "", kFewLanes,
             kManyLanes);
  for (const Question& question : Questions())
    if (question.more && !question.edits)
      compare(question, Count(question, kFewLanes, kManyPages),
              Count(question, kManyLanes, kManyPages), kManyLanes - kFewLanes);
  fmt::print("{:<28}{:>8} pages{:>8} pages   each of them\n", "", kFewPages, kManyPages);
  for (const Question& question : Questions())
    if (question.more && question.edits)
      compare(question, Count(question, 2, kFewPages), Count(question, 2, kManyPages),
              kManyPages - kFewPages);
  return failed;
}

// Puts a file's bytes on the disk, and out of memory.
void Forget(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
    Broken("the page cache keeps the file");
  close(fd);
}

int Full(const std::string& keep) {
  testing::TempDir directory;
  const std::string path = keep.empty() ? directory.path("full.canvas") : keep;
  Must(Canvas::Create(path));
  std::vector<LaneId> lanes;
  {
    Canvas canvas = testing::OpenForWriting(path);
    lanes = AddLanes(canvas, 180, 60, {48000, 1});
    const std::int64_t start = Now();
    Fill(canvas, lanes, 14400, 30);
    fmt::print("written in {:.0f} ms, {:.0f} MiB on disk\n",
               static_cast<double>(Now() - start) / 1e6,
               static_cast<double>(Must(canvas.Usage()).allocated_bytes) / 1048576.0);
  }
  fmt::print("{:<28}{:>12}{:>12}{:>12}\n", "ms", "first", "again", "from disk");
  for (const Question& question : Questions()) {
    const auto time = [&](Canvas& canvas) {
      const std::int64_t start = Now();
      question.ask(canvas, lanes);
      const std::int64_t end = Now();
      if (question.edits) Must(canvas.Sync());
      return static_cast<double>(end - start) / 1e6;
    };
    {
      Canvas canvas = testing::OpenForWriting(path);
      fmt::print("{:<28}{:>12.1f}", question.name, time(canvas));
      if (question.edits) {
        fmt::print("\n");
        continue;
      }
      fmt::print("{:>12.1f}", time(canvas));
    }
    Forget(path);
    Canvas canvas = testing::OpenForWriting(path);
    fmt::print("{:>12.1f}\n", time(canvas));
  }
  return 0;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(argc, argv, {{"full", "0"}, {"path", ""}});
  if (arguments.Number("full") != 0) return Full(arguments.Text("path"));
  return CountAll();
}
