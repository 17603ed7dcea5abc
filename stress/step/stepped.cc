#include "stress/step/stepped.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"
#include "stress/step/recording.h"
#include "stress/stepper.h"

namespace canvas::stress {

namespace {

// The next owner writes further on, so that the mark passes whatever the dead had not published:
// it stays unwritten.
void ExpectNothingComesToLight(const std::string& path, const Bench& bench, const Look& dead,
                               const std::string& where) {
  Canvas canvas = Bench::Open(path);
  FrameWriter writer = Must(canvas.Writer(kLane, {.pages = kFirstPages}));
  LaneReader reader = Must(canvas.Reader(kLane));
  std::vector<float> out(static_cast<std::size_t>(bench.block) * 2);
  for (const std::int64_t page : {0, 1}) {
    const std::int64_t start = page * bench.page_frames;
    Must(writer.Write(Frame(start + 7 * bench.block),
                      Stamped(kLaneNumber, start + 7 * bench.block, 8, 77)));
    for (std::int64_t block = 0; block < 6; ++block)
      if (dead.written[static_cast<std::size_t>(page * 6 + block)] == 0 &&
          reader.Read(Frame(start + block * bench.block), out).status != ReadStatus::kUnwritten)
        Broken(where + "what the dead had not published came to light");
  }
}

// A file that a kill leaves: as readers see it, and after a successor took over, the same.
Look Judge(const std::string& copy, const Bench& bench, const std::string& where) {
  const Look dead = LookAt(copy, bench);
  {
    Canvas successor = Bench::Open(copy);
    for (const LaneInfo& lane : Must(successor.Lanes()))
      LaneOwner next = Must(successor.Own(lane.id));
    if (!(LookAt(copy, bench) == dead)) Broken(where + "the takeover changed what readers see");
    // Whatever page was being made, whoever makes it again is done.
    Must(successor.AllocatePage(kNewPage));
    Must(successor.AllocatePage(kCoveredPage));
  }
  ExpectNothingComesToLight(copy, bench, dead, where);
  {
    const CheckReport report = Must(Must(Canvas::Open(copy)).Check());
    if (!report.ok()) Broken(where + report.findings[0]);
    for (const std::string& note : report.notes)
      if (note.find("not yet published") == std::string::npos) Broken(where + "left over: " + note);
  }
  return dead;
}

}  // namespace

void StepThrough(const Bench& bench, const Case& test, Totals& totals) {
  Canvas canvas = Bench::Open(bench.path);
  std::optional<FrameWriter> writer;
  if (test.owns) writer.emplace(Must(canvas.Writer(kLane, {.pages = kFirstPages})));
  const std::string copy = bench.dir.path("copy.canvas");
  testing::CopySparse(bench.path, copy);
  Recording recording(bench.path, bench.Spans());
  std::uint64_t points = 0;
  {
    Stepper stepper([](void* r, std::uint64_t) { static_cast<Recording*>(r)->Look(); }, &recording);
    stepper.Start();
    test.act(canvas, writer ? &*writer : nullptr);
    points = stepper.Stop();
  }
  if (recording.unreserved() != 0)
    Broken(fmt::format("{}: stored at {:#x}, where no space was reserved", test.name,
                       recording.unreserved()));
  const int fd = open(copy.c_str(), O_RDWR | O_CLOEXEC);
  std::vector<Look> seen;
  std::uint64_t files = 0;
  std::vector<off_t> sizes;
  recording.ForEach([&](const Recording::File& file) {
    ++files;
    if (sizes.empty() || sizes.back() != file.size) sizes.push_back(file.size);
    Recreate(fd, recording, file, recording.tells());
    const std::string where = fmt::format("{}, file {}: ", test.name, files);
    const Look dead = Judge(copy, bench, where);
    if (seen.empty() || !(seen.back() == dead)) {
      for (const Look& look : seen)
        if (look == dead) Broken(where + "time ran backwards");
      seen.push_back(dead);
    }
  });
  close(fd);
  if (seen.size() > test.contents)
    Broken(fmt::format("{}: {} different contents were seen, not {}", test.name, seen.size(),
                       test.contents));
  if (seen.size() < test.contents) Broken(std::string(test.name) + ": a content was never seen");
  if (test.grows != (sizes.size() > 1)) Broken(std::string(test.name) + ": the size is not told");
  std::printf("  %-34s %8lu points, %6lu different files, %zu contents\n", test.name, points, files,
              seen.size());
  totals.points += points;
  totals.files += files;
  totals.spaced = totals.spaced && recording.tells();
}

}  // namespace canvas::stress
