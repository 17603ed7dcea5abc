#include "stress/realtime/neighbours.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/realtime_guard.h"
#include "canvas/testing/testing.h"
#include "stress/fault_log.h"
#include "stress/realtime/material.h"
#include "stress/realtime/memory_pressure.h"
#include "stress/realtime/verdict.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

// The neighbours: a lane that is read, one that is not, and so on, a slot each.
constexpr std::uint32_t kNeighbours = 8;
constexpr std::int64_t kAround = kRate / 4;  // on either side of the pages' edge

std::string NeighbourName(std::uint32_t lane) { return fmt::format("neighbour {}", lane); }

// Both ends of a slot: what lies next to the ones beside it.
void WriteAround(FrameWriter& writer, std::uint32_t lane, std::uint32_t epoch) {
  Must(writer.Write(Frame(kPage - kAround), Stamped(lane, kPage - kAround, 2 * kAround, epoch)));
}

void PrepareNeighbours(const std::string& path, std::uint32_t align) {
  Must(Canvas::Create(
      path,
      {.capacity_seconds = 60,
       .layout = {.wide_slots = 2 * kNeighbours, .small_slots = 0, .slot_align_bytes = align}}));
  Canvas canvas = Writable(path);
  for (std::uint32_t lane = 0; lane < kNeighbours; ++lane)
    for (const std::string& name : {LaneName(lane), NeighbourName(lane)}) {
      const LaneId id = Must(canvas.AddLane({.name = name, .channels = 2}));
      FrameWriter writer = Must(canvas.Writer(id));
      WriteAround(writer, lane, 1);
    }
  Must(canvas.Close());
}

// As a backup does: so that the kernel keeps the file in folios as large as it may.
void ReadThrough(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  std::vector<char> piece(8 << 20);
  while (read(fd, piece.data(), piece.size()) > 0) {
  }
  close(fd);
}

// What a reader says beside neighbours who were given back five times or more, and how it ended.
int BesideNeighbours(std::uint32_t align, const char* reader_role, std::string& said) {
  const testing::TempDir directory;
  const std::string path = directory.path("neighbours.canvas");
  PrepareNeighbours(path, align);
  EvictFromCache(path);
  ReadThrough(path);
  Child reader({std::string("--role=") + reader_role, "--path=" + path});
  if (reader.Hear() != 'b') Broken("the reader did not begin");
  reader.Tell('g');
  {
    const Child neighbour({"--role=neighbour", "--path=" + path});
    for (int round = 0; round < 5; ++round) {
      if (neighbour.Hear() != 'p') Broken("the neighbour did not go on");
      ReadThrough(path);
    }
  }
  reader.Tell('x');
  said = reader.HearAll();
  return reader.Wait();
}

// Whether the file system of temporary files keeps large folios; says so where it does not.
bool FoliosHere() {
  const testing::TempDir directory;
  struct statfs info {};
  if (statfs(directory.root().c_str(), &info) != 0) std::abort();
  if (info.f_type == EXT4_SUPER_MAGIC || info.f_type == XFS_SUPER_MAGIC) return true;
  std::printf("SKIPPED: neighbours: %s is on neither ext4 nor xfs\n", directory.root().c_str());
  return false;
}

}  // namespace

void Neighbour(const std::string& path) {
  Canvas canvas = Writable(path);
  std::vector<FrameWriter> writers;
  for (std::uint32_t lane = 0; lane < kNeighbours; ++lane)
    writers.push_back(Must(canvas.Writer(Must(canvas.FindLane(NeighbourName(lane))).id)));
  for (;;) {
    for (FrameWriter& writer : writers) Must(writer.Erase({Frame(0), Frame(2 * kPage)}));
    for (std::uint32_t lane = 0; lane < kNeighbours; ++lane) WriteAround(writers[lane], lane, 1);
    Say('p');
  }
}

void ReadBesideNeighbours(const std::string& path, bool plain) {
  const bool may_lock = MayLock();
  LockProgram();
  Material material(path, kNeighbours);
  Must(material.window->MoveTo({Frame(kPage - kAround), Frame(kPage + kAround)}));
  std::vector<float> block(2 * kFrames);
  testing::RealtimeGuard guard;
  const FaultLog faults;
  bool wrong = false;
  const auto body = [&] {
    for (std::int64_t at = kPage - kAround;
         at + static_cast<std::int64_t>(kFrames) <= kPage + kAround;
         at += static_cast<std::int64_t>(kFrames))
      for (std::uint32_t lane = 0; lane < kNeighbours; ++lane) {
        const auto got = material.readers[lane].Read(Frame(at), block);
        wrong |= got.status != ReadStatus::kOk || !Right(block.data(), lane, at);
        const View view = material.readers[lane].ViewAt(Frame(at), kFrames);
        wrong |= view.frames() == 0 || !Right(view.samples().data(), lane, at);
      }
  };
  body();
  Say('b');
  if (!Listen()) Broken("nobody says that it begins");
  const std::uint64_t moved_before = MovedPages();
  std::uint64_t rounds = 0;
  pollfd told{STDIN_FILENO, POLLIN, 0};
  do {
    faults.Start();
    guard.Arm();
    body();
    guard.Disarm();
    faults.Stop();
    ++rounds;
  } while (poll(&told, 1, 0) == 0);
  if (wrong) Broken("not what was written, which nobody changed");
  const testing::RealtimeCounts& counts = guard.counts();
  if (plain) {
    fmt::print("{} {}\n", counts.minor_faults + counts.major_faults, faults.ToString());
    return;
  }
  const WindowReport window = material.window->Report();
  fmt::print("{} rounds of reads; window: {}\n", rounds, window.message);
  Judge(guard, faults, MovedPages() - moved_before, window, may_lock);
}

int RunNeighbours(std::int64_t align) {
  if (!FoliosHere()) return 0;
  std::string said;
  if (align == 0) {
    // The premise: a neighbour in the same folio is felt.
    if (BesideNeighbours(4096, "count", said) != 0) {
      std::fputs(said.c_str(), stdout);
      return 1;
    }
    std::printf("neighbours in slots 4 KiB apart: %s", said.c_str());
    if (said.starts_with("0 "))
      std::puts("SKIPPED: neighbours: no folio of this kernel's lay across two slots");
  }
  const auto bytes = align == 0 ? Layout().slot_align_bytes : static_cast<std::uint32_t>(align);
  const int code = BesideNeighbours(bytes, "beside", said);
  std::printf("neighbours in slots of multiples of %u bytes: %s", bytes, said.c_str());
  if (code != 0) std::printf("the reader ended with %d\n", code);
  return code == 0 ? 0 : 1;
}

}  // namespace canvas::stress
