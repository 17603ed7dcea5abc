#include "stress/step/cases.h"

#include <cstdint>

#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

// An event at a frame, of so many bytes, which say what edit it is of.
struct Played {
  std::int64_t frame;
  std::size_t bytes;
  int edit;
};

// Appends them, or puts them in place of all that page 0 has.
void Play(Canvas& canvas, const std::vector<Played>& played, bool replace) {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<Event> events;
  bytes.reserve(played.size());
  for (const Played& one : played) {
    bytes.emplace_back(one.bytes, static_cast<std::byte>(one.edit))[0] = std::byte{0xF0};
    events.push_back({.frame = Frame(one.frame), .bytes = bytes.back()});
  }
  EventWriter writer = Must(canvas.EventsWriter(kEvents, {.pages = kFirstPages}));
  if (replace)
    Must(writer.Replace({Frame(0), Frame(1000)}, events));
  else
    Must(writer.Append(events));
}

}  // namespace

std::vector<Case> Cases(const Bench& bench) {
  const std::int64_t block = bench.block;
  // The samples are made beforehand: what is stepped is the write.
  const auto write = [](std::int64_t first, std::int64_t frames, std::uint32_t epoch) {
    return
        [first, samples = Stamped(kLaneNumber, first, static_cast<std::uint64_t>(frames), epoch)](
            Canvas&, FrameWriter* writer) { Must(writer->Write(Frame(first), samples)); };
  };
  const std::int64_t end = static_cast<std::int64_t>(bench.frames());
  const std::int64_t second = bench.page_frames;
  return {
      {"overwrite of a block", write(2 * block, block, 2), true, 2},
      {"append within a block", write(end, block / 4, 1), true, 2},
      // The longer ones: of small blocks, and with --all.
      {"overwrite of two blocks", write(block, 2 * block, 3), true, 3, false, true},
      {"append into the next block", write(end + block / 4, block / 2, 1), true, 3, false, true},
      {"the first write of a page", write(second, block, 1), true, 2},
      {"an edit of the metadata",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.DescribeLane(kLane, "new")); }, false, 2},
      {"owning and letting go",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.Own(kLane, {.pages = kFirstPages})); }, false,
       1},
      {"punching a page",
       [=](Canvas&, FrameWriter* w) {
         Must(w->Erase({Frame(0), Frame(second)}));
       },
       true, 2},
      {"writing it again", write(0, 2 * block, 4), true, 2},
      {"erasing a block of a page",
       [=](Canvas&, FrameWriter* w) {
         if (Must(w->Erase({Frame(block), Frame(2 * block)})).erased_frames !=
             static_cast<std::uint64_t>(block))
           Broken("a block was not erased");
       },
       true, 2},
      {"adding a lane",
       [rate = bench.rate](Canvas& canvas, FrameWriter*) {
         if (Must(canvas.AddLane({.name = "second", .channels = 2, .rate = rate})) != kSecond)
           Broken("the second lane has another id");
       },
       false, 2},
      // For the cases that follow; and the space for the first write is stepped too.
      {"the first write of a lane",
       [=](Canvas& canvas, FrameWriter*) {
         FrameWriter writer = Must(canvas.Writer(kSecond));
         Must(writer.Write(Frame(0), Stamped(kSecond.value(), 0, 8, 1)));
         Must(writer.Write(Frame(second), Stamped(kSecond.value(), second, 8, 1)));
       },
       false, 3},
      // A lane after the other.
      {"punching a page of all lanes",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.PunchPage(PageIndex(1))); }, false, 3},
      {"removing a lane", [](Canvas& canvas, FrameWriter*) { Must(canvas.RemoveLane(kSecond)); },
       false, 3},
      {"adding a lane of events",
       [rate = bench.rate](Canvas& canvas, FrameWriter*) {
         const LaneSpec spec{
             .name = "events", .kind = LaneKind::kMidi, .rate = rate, .dense = true};
         if (Must(canvas.AddLane(spec)) != kEvents) Broken("the lane of events has another id");
       },
       false, 2},
      {"the first events of a lane",
       [](Canvas& canvas, FrameWriter*) {
         Play(canvas, {{5, 3, 1}, {5, 40, 1}}, false);
       },
       false, 2},
      {"an event after them",
       [](Canvas& canvas, FrameWriter*) {
         Play(canvas, {{6, 100, 2}}, false);
       },
       false, 2},
      {"an edit of events",
       [](Canvas& canvas, FrameWriter*) {
         Play(canvas, {{1, 50, 3}, {5, 3, 3}, {9, 70, 3}}, true);
       },
       false, 2},
      {"another edit, and an event after it",
       [](Canvas& canvas, FrameWriter*) {
         Play(canvas, {{2, 60, 4}}, true);
         Play(canvas, {{3, 33, 4}}, false);
       },
       false, 3},
      {"removing a lane of events",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.RemoveLane(kEvents)); }, false, 3},
      {"making a page that the file covers",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.AllocatePage(kCoveredPage)); }, false, 2},
      {"making a page behind the end",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.AllocatePage(kNewPage)); }, false, 2, true},
      {"a sync", [](Canvas& canvas, FrameWriter*) { Must(canvas.Sync()); }, false, 1},
  };
}

}  // namespace canvas::stress
