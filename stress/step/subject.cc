#include "stress/step/subject.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "canvas/format/event_format.h"
#include "canvas/format/geometry.h"
#include "canvas/format/superblock_format.h"
#include "stress/rig.h"

namespace canvas::stress {

Bench::Bench(const CreateOptions& options) {
  Must(Canvas::Create(path, options));
  Canvas canvas = Open(path);
  Must(canvas.AddLane({.name = "sut", .channels = 2, .rate = options.rate}));
  for (std::uint32_t page = 0; page < 2; ++page) Must(canvas.AllocatePage(PageIndex(page)));
  block = options.layout.block_bytes / 8;
  page_frames = static_cast<std::int64_t>(options.rate.num) * options.page_seconds;
  rate = options.rate;
  // The undo place and the header's places are reserved by use.
  FrameWriter writer = Must(canvas.Writer(kLane));
  Must(writer.Write(Frame(0), Stamped(kLaneNumber, 0, frames(), 1)));
  Must(writer.Write(Frame(0), Stamped(kLaneNumber, 0, 8, 1)));
  for (int i = 0; i < 10; ++i) Must(canvas.DescribeLane(kLane, std::to_string(i)));
  Must(canvas.DescribeLane(kLane, "old"));
  Must(canvas.AllocatePage(kLastPage));
}

Canvas Bench::Open(const std::string& path) {
  return Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
}

std::vector<Span> Bench::Spans() const {
  format::SuperblockBytes bytes;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (pread(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    Broken("the superblock cannot be read");
  close(fd);
  const auto superblock = Must(format::DecodeSuperblock(bytes, false));
  const auto geometry = Must(format::Geometry::Make(superblock.geometry));
  const std::uint64_t stride = superblock.geometry.block_bytes;
  std::vector<Span> spans = {{format::kControlOffset, format::kControlBytes},
                             {format::kOwnerTableOffset, 4096},
                             {format::kPageIndexOffset, 4096}};
  for (std::uint32_t place = 0; place < superblock.geometry.header_places; ++place)
    spans.push_back({geometry.HeaderPlace(place).value(), 4096});
  for (const std::uint32_t page : {0U, 1U}) {
    const std::uint64_t start = geometry.Page(PageIndex(page)).value();
    spans.push_back({start, format::kPageControlBytes});
    for (const std::uint32_t slot : {0U, 1U}) {
      const format::SlotRun run{.first = slot, .count = 1};
      spans.push_back({start + geometry.SlotControl(run), format::kSlotControlBytes});
      spans.push_back({start + geometry.Versions(run), 1024});
      spans.push_back({start + geometry.UndoPlace(run), stride});
      spans.push_back({start + geometry.Data(run), (page == 0 && slot == 0 ? 6 : 1) * stride});
      if (page != 0 || slot != 1) continue;
      // A lane of events stores at both ends of each half.
      const std::uint64_t half = format::EventShape(geometry, run).half_bytes();
      const std::uint64_t data = start + geometry.Data(run);
      if (stride < 4096) spans.push_back({data + stride, 4096 - stride});
      for (const std::uint64_t at : {half - 4096, half, 2 * half - 4096})
        spans.push_back({data + at, 4096});
    }
  }
  for (const PageIndex page : {kCoveredPage, kNewPage})
    spans.push_back({geometry.Page(page).value(), format::kPageControlBytes});
  return spans;
}

namespace {

// Of all events of a lane, with their bytes; 0 where there are none. An event says in each of its
// bytes what edit it is of.
std::uint64_t SumOf(const Canvas& canvas, LaneId lane) {
  const EventList events = Must(Must(canvas.Events(lane)).Read({Frame(0), Frame(1 << 20)}));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event event = events[i];
    if (event.bytes[1] == std::byte{0}) Broken("an event has bytes that nobody wrote");
    for (const std::byte byte : event.bytes.subspan(1))
      if (byte != event.bytes[1]) Broken("bytes of an event are of two edits");
    sum = sum * 1000 + event.bytes.size() * 10 + static_cast<std::uint64_t>(event.bytes[1]);
  }
  return sum;
}

}  // namespace

Look LookAt(const std::string& path, const Bench& bench) {
  const Canvas canvas = Must(Canvas::Open(path));
  LaneReader reader = Must(canvas.Reader(kLane));
  Look look;
  std::vector<float> out(static_cast<std::size_t>(bench.block) * 2);
  for (const std::int64_t page : {0, 1})
    for (std::int64_t block = 0; block < 6; ++block) {
      const std::int64_t first = page * bench.page_frames + block * bench.block;
      const ReadResult read = reader.Read(Frame(first), out);
      if (read.status == ReadStatus::kRaced) Broken("a dead owner's block does not read");
      look.written.push_back(read.written_frames);
      const Epoch epoch =
          EpochOf(std::span(out).first(read.written_frames * 2), kLaneNumber, first);
      if (!epoch.wrong.empty()) Broken(epoch.wrong);
      look.epochs.push_back(epoch.epoch);
    }
  look.description = Must(canvas.FindLane(kLane)).description;
  look.ready_pages = canvas.Info().ready_pages;
  for (const LaneInfo& lane : Must(canvas.Lanes())) {
    if (lane.id == kLane) continue;
    if (lane.kind == LaneKind::kMidi) {
      look.others[lane.name] = SumOf(canvas, lane.id);
      continue;
    }
    LaneReader other = Must(canvas.Reader(lane.id));
    look.others[lane.name] = other.Extent().written_frames;
    for (const FrameRange& range : Must(other.WrittenRanges({Frame(0), Frame(INT64_MAX)}))) {
      std::vector<float> samples(static_cast<std::size_t>(range.end - range.first) * 2);
      if (other.Read(range.first, samples).status != ReadStatus::kOk)
        Broken("what is written of another lane does not read");
      const Epoch epoch = EpochOf(samples, lane.id.value(), range.first.value());
      if (!epoch.wrong.empty()) Broken(epoch.wrong);
    }
  }
  return look;
}

}  // namespace canvas::stress
