#include <chrono>
#include <cstdio>
#include <vector>

#include "canvas/api/canvas.h"

int main() {
  using namespace canvas;
  using namespace std::chrono_literals;
  if (auto made = Canvas::Create("song.canvas"); !made) {
    std::fprintf(stderr, "%s\n", made.error().Message().c_str());
    return 1;
  }
  Canvas song = Canvas::Open("song.canvas", {.access = Access::kReadWrite}).value();
  const Rate rate{48000, 1};
  LaneId strings = song.AddLane({.name = "strings", .channels = 2, .rate = rate}).value();

  // One writer at a time; another is told who it is.
  FrameWriter writer = song.Writer(strings).value();
  std::vector<float> second(2 * 48000, 0.25F);
  if (auto written = writer.Write(FrameAt(90s, rate), second); !written)
    std::fprintf(stderr, "%s\n", written.error().Message().c_str());

  // A window is kept in memory ahead of a position. A realtime thread reads in it, and says where
  // it is.
  Window window = song.MakeWindow({{strings}}).value();
  Feeder feeder = Feeder::Start({.horizon_seconds = 2}).value();
  Playhead playhead = feeder.Follow(window).value();
  playhead.Publish(FrameAt(90s, rate));
  playhead.WaitReady(5s);

  WindowReader reader = window.Reader(strings).value();
  std::vector<float> block(2 * 256);
  ReadResult got = reader.Read(FrameAt(90s, rate), block);  // no syscall, lock, allocation or fault
  std::printf("%llu frames\n", static_cast<unsigned long long>(got.written_frames));

  // Or in place, without a copy.
  View view = reader.ViewAt(FrameAt(90s, rate), 48000);
  float first = view.samples()[0];
  if (view.StillValid()) std::printf("%.2f\n", first);
}
