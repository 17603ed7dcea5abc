// Realtime reads under the guard: while other processes append, overwrite, punch, edit the metadata
// and sync, and memory is short, a reader in a resident and locked window does
//   no syscall, no allocation, no lock, no page fault
// in --reads block reads over sixteen lanes: in order, backwards, at random, across the edges of
// blocks and pages, and as many views. No fault is allowed. Only where the kernel counts pages that
// it moved meanwhile is the verdict none, aloud: it may move a locked page of any program.
//
// Then a second reader, under a seccomp filter that kills at any syscall, reads and ends well; and
// with a planted getpid it is killed.
//
// Then a canvas that was read by read(2) before, as a backup does, so that the kernel keeps it in
// large folios, and a neighbour in every second slot that is given back and written all the time.
// Where the slots lie 4 KiB apart, folios lie across two of them, and the reader must fault: that
// shows that this machine has such folios. As canvases are made by default it must not.
//
//   realtime_stress [--reads=10000000] [--seed=N] [--balloon=1] [--align=BYTES]
//
// --align runs the last part alone, and demands no faults at that alignment: at 4096 it fails.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/realtime_guard.h"
#include "canvas/testing/testing.h"
#include "stress/fault_log.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

using testing::RealtimeCounts;
using testing::RealtimeGuard;

// Stereo at 48 kHz, pages of 30 s, blocks of 32 KiB: what people use.
constexpr std::uint32_t kLanes = 16;
constexpr std::int64_t kRate = 48000;
constexpr std::int64_t kPage = 30 * kRate;
constexpr std::int64_t kBlock = 4096;
constexpr std::uint64_t kFrames = 256;  // a read
// What is written: around the edge between two pages, which the playhead goes to and fro across.
constexpr std::int64_t kFirst = kPage - 3 * kRate;
constexpr std::int64_t kEnd = kPage + 3 * kRate;
// Below 8 MiB for sixteen lanes: what an ordinary user may lock.
constexpr double kAhead = 0.3;
constexpr double kBehind = 0.2;
constexpr auto kAheadFrames = static_cast<std::int64_t>(kAhead * kRate);
constexpr auto kBehindFrames = static_cast<std::int64_t>(kBehind * kRate);

std::string LaneName(std::uint32_t lane) { return fmt::format("lane {}", lane); }

Canvas Writable(const std::string& path) {
  return Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
}

// The roles of the other processes. Each says when it has begun, and goes on until it is killed.
void Overwrite(const std::string& path, std::uint32_t seed) {
  Canvas canvas = Writable(path);
  std::vector<FrameWriter> writers;
  for (std::uint32_t lane = 0; lane < kLanes / 2; ++lane)
    writers.push_back(Must(canvas.Writer(Must(canvas.FindLane(LaneName(lane))).id)));
  Random random(seed);
  std::uint32_t epoch = 1;
  Say('b');
  for (;;) {
    const auto lane = static_cast<std::uint32_t>(random.Below(kLanes / 2));
    // Mostly part of a block, sometimes across several.
    const std::int64_t frames = random.OneIn(8) ? 3 * kBlock : 1 + random.Below(600);
    const std::int64_t first = kFirst + random.Below(kEnd - kFirst - frames);
    epoch = epoch % kMaxEpoch + 1;
    Must(writers[lane].Write(Frame(first),
                             Stamped(lane, first, static_cast<std::uint64_t>(frames), epoch)));
  }
}

// Appends to a lane nobody reads and to half of those that are read (beyond what is read), and
// gives the former's pages back again and again.
void Append(const std::string& path) {
  Canvas canvas = Writable(path);
  FrameWriter own = Must(canvas.Writer(Must(canvas.FindLane("appended")).id));
  std::vector<FrameWriter> writers;
  for (std::uint32_t lane = kLanes / 2; lane < kLanes; ++lane)
    writers.push_back(Must(canvas.Writer(Must(canvas.FindLane(LaneName(lane))).id)));
  Say('b');
  for (std::int64_t at = 0;; at += 512) {
    if (at >= 2 * kPage) {
      Must(own.Erase({Frame(0), Frame(3 * kPage)}));
      at = 0;
    }
    Must(own.Write(Frame(at), Stamped(20, at, 512, 1)));
    for (std::uint32_t i = 0; i < writers.size(); ++i) {
      const std::int64_t end = writers[i].end().value();
      if (end + 512 < 2 * kPage)
        Must(writers[i].Write(Frame(end), Stamped(kLanes / 2 + i, end, 512, 1)));
    }
  }
}

void Edit(const std::string& path) {
  Canvas canvas = Writable(path);
  const LaneId lane = Must(canvas.FindLane("appended")).id;
  Say('b');
  for (int i = 0;; ++i) Must(canvas.DescribeLane(lane, fmt::format("edit {}", i)));
}

void Punch(const std::string& path) {
  Canvas canvas = Writable(path);
  FrameWriter own = Must(canvas.Writer(Must(canvas.FindLane("punched")).id));
  Say('b');
  for (;;) {
    Must(own.Write(Frame(0), Stamped(21, 0, 2 * kBlock, 1)));
    Must(own.Erase({Frame(0), Frame(kPage)}));
  }
}

void SyncAlways(const std::string& path) {
  Canvas canvas = Writable(path);
  Say('b');
  for (;;) Must(canvas.Sync());
}

// Reads a file of zeros larger than the group may hold, so that the page cache must give way.
void Balloon(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> piece(1 << 20);
  bool begun = false;
  for (off_t at = 0;; at += static_cast<off_t>(piece.size())) {
    const ssize_t got = pread(fd, piece.data(), piece.size(), at);
    if (got > 0) continue;
    at = -static_cast<off_t>(piece.size());
    // From here on memory is short: all that the group may hold was taken once.
    if (!std::exchange(begun, true)) Say('b');
  }
}

// The lanes as a realtime thread has them.
struct Material {
  Material(const std::string& path, std::uint32_t lanes) : canvas(Must(Canvas::Open(path))) {
    std::vector<LaneId> ids;
    for (std::uint32_t lane = 0; lane < lanes; ++lane)
      ids.push_back(Must(canvas.FindLane(LaneName(lane))).id);
    window.emplace(Must(canvas.MakeWindow(ids, {.max_seconds = 1})));
    for (const LaneId id : ids) readers.push_back(Must(window->Reader(id)));
  }
  Canvas canvas;
  std::optional<Window> window;
  std::vector<WindowReader> readers;
};

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

// Whether a frame's stamp is the frame's own. Inside the guard: allocates nothing.
bool Right(const float* samples, std::uint32_t lane, std::int64_t frame) {
  const auto stamp = ReadStamp(samples);
  return stamp && stamp->lane == lane && stamp->frame == (frame & 0xFFFFFF);
}

// Whether as much may be locked as the windows here take. Asked before anything is.
bool MayLock() {
  constexpr std::size_t kEnough = 6 << 20;
  void* memory = mmap(nullptr, kEnough, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool may = memory != MAP_FAILED && syscall(SYS_mlock, memory, kEnough) == 0;
  munmap(memory, kEnough);
  return may;
}

// What the guard counted, against the promise: nothing at all.
void Judge(const RealtimeGuard& guard, const FaultLog& log, std::uint64_t moved,
           const WindowReport& window, bool may_lock) {
  const RealtimeCounts& counts = guard.counts();
  fmt::print("guard: {}\n", counts.ToString());
  std::string why;
  if (!RealtimeGuard::Complete(&why)) {
    fmt::print("SKIPPED: the guard: {}\n", why);
    return;
  }
  if (counts.syscalls + counts.allocations + counts.locks != 0)
    Broken("the guard counted, first " + guard.First());
  if (!window.locked && may_lock)
    Broken("a window that may be locked, and is not: " + window.message);
  if (!window.locked) {
    fmt::print("SKIPPED: page faults: the claim is for windows that are locked, and {}\n",
               window.message);
    return;
  }
  if (counts.minor_faults + counts.major_faults == 0) return;
  if (moved == 0) Broken("page faults under the guard; " + log.ToString());
  fmt::print("SKIPPED: page faults: the kernel moved {} pages meanwhile, locked ones perhaps; {}\n",
             moved, log.ToString());
}

void ReadUnderGuard(const std::string& path, std::int64_t reads, std::uint32_t seed) {
  const bool may_lock = MayLock();
  LockProgram();
  Material material(path, kLanes);
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = kAhead, .behind_seconds = kBehind}));
  Playhead playhead = Must(feeder.Follow(*material.window));
  std::int64_t at = kPage - kRate / 4;
  playhead.Publish(Frame(at));
  if (!playhead.WaitReady(std::chrono::seconds(60))) Broken("the window is never ready");
  // Until the others are at work.
  Say('b');
  if (!Listen()) Broken("nobody says that it begins");

  std::vector<float> block(2 * kFrames);
  Pattern pattern(seed);
  Tally tally;
  Tally views;
  RealtimeGuard guard;
  const FaultLog faults;
  const std::uint64_t moved_before = MovedPages();
  std::int64_t step = 24;  // about the speed of music
  std::uint64_t i = 0;
  bool wrong = false;
  const auto body = [&](std::uint64_t most) {
    for (std::uint64_t n = 0; n < most; ++n, ++i) {
      const Walk walk = pattern.Next(i, at);
      WindowReader& reader = material.readers[walk.lane];
      const auto got = reader.Read(Frame(walk.at), block);
      tally.Count(got.status);
      if (got.status == ReadStatus::kOk)
        wrong |= !Right(block.data(), walk.lane, walk.at) ||
                 !Right(block.data() + 2 * (kFrames - 1), walk.lane,
                        walk.at + static_cast<std::int64_t>(kFrames) - 1);
      const View view = reader.ViewAt(Frame(walk.at), kFrames);
      views.Count(view.status());
      if (view.status() == ReadStatus::kOk) {
        const bool right = Right(view.samples().data(), walk.lane, walk.at);
        if (view.StillValid())
          wrong |= !right;
        else
          ++views.stale_views;
      }
    }
  };
  while (tally.ok < static_cast<std::uint64_t>(reads)) {
    faults.Start();
    guard.Arm();
    body(4096);
    guard.Disarm();
    faults.Stop();
    if (wrong) Broken("a frame that is another's");
    // On, to and fro across the edge of the pages; a jump now and then.
    if (at + step < kFirst + kRate || at + step > kEnd - kRate) step = -step;
    at += step;
    const bool jump = i / 4096 % 500 == 499;
    if (jump) at = 2 * kPage - at;
    playhead.Publish(Frame(at));
    if (jump && !playhead.WaitReady(std::chrono::seconds(60))) Broken("the feeder does not follow");
  }
  const WindowReport window = material.window->Report();
  fmt::print(
      "reads {} ok, {} raced, {} outside, {} other; views {} ok, {} no longer valid, {} raced, "
      "{} outside, {} other\n",
      tally.ok, tally.raced, tally.outside, tally.other, views.ok, views.stale_views, views.raced,
      views.outside, views.other);
  fmt::print("window: {}; feeder: {} looks, {} jumps, {} late\n", window.message,
             playhead.Report().looks, playhead.Report().jumps, playhead.Report().late);
  if (tally.other != 0 || views.other != 0) Broken("unwritten, where all is written");
  if (tally.outside > tally.ok / 20) Broken("more outside than a feeder may miss");
  Judge(guard, faults, MovedPages() - moved_before, window, may_lock);
}

// Under a filter that kills at whatever is not exit_group.
void ReadUnderSeccomp(const std::string& path, std::int64_t reads, bool plant) {
  Material material(path, kLanes);
  constexpr std::int64_t kMiddle = kPage;
  Must(material.window->MoveTo({Frame(kMiddle - kRate / 4), Frame(kMiddle + kRate / 4)}));
  std::vector<float> block(2 * kFrames);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(77);
  int code = 0;
  for (std::int64_t i = 0; i < reads; ++i) {
    const auto lane = static_cast<std::uint32_t>(i % kLanes);
    const std::int64_t at = kMiddle - kRate / 4 + i * 37 % (kRate / 2 - 256);
    const auto got = material.readers[lane].Read(Frame(at), block);
    if (got.status == ReadStatus::kOk && !Right(block.data(), lane, at)) code = 2;
    if (got.status != ReadStatus::kOk && got.status != ReadStatus::kRaced) code = 3;
    const View view = material.readers[lane].ViewAt(Frame(at), kFrames);
    if (view.frames() == 0 && view.status() != ReadStatus::kRaced) code = 4;
  }
  if (plant) syscall(SYS_getpid);
  _exit(code);
}

void Prepare(const std::string& path) {
  Must(Canvas::Create(path,
                      {.capacity_seconds = 3600, .layout = {.wide_slots = 24, .small_slots = 0}}));
  Canvas canvas = Writable(path);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const LaneId id = Must(canvas.AddLane({.name = LaneName(lane), .channels = 2}));
    Must(Must(canvas.Writer(id)).Write(Frame(kFirst), Stamped(lane, kFirst, kEnd - kFirst, 1)));
  }
  for (const char* name : {"appended", "punched"})
    Must(canvas.AddLane({.name = name, .channels = 2}));
  Must(canvas.Close());
}

// A memory group, too small for what is read in it, that this process and its children are put
// into. Nothing, with a word why, where that is not permitted.
class MemoryGroup {
 public:
  static std::unique_ptr<MemoryGroup> Make(std::uint64_t bytes) {
    const auto write = [](const std::filesystem::path& file, const std::string& text) {
      std::ofstream out(file);
      out << text << std::flush;
      return static_cast<bool>(out);
    };
    const std::string name = fmt::format("canvas-realtime-{}", getpid());
    struct Kind {
      const char* root;
      const char* limit;
    };
    for (const Kind kind : {Kind{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                            Kind{"/sys/fs/cgroup", "memory.max"}}) {
      const std::filesystem::path path = std::filesystem::path(kind.root) / name;
      std::error_code error;
      if (!std::filesystem::create_directory(path, error) || error) continue;
      std::unique_ptr<MemoryGroup> group(new MemoryGroup(path));
      if (write(path / kind.limit, std::to_string(bytes)) &&
          write(path / "cgroup.procs", std::to_string(getpid())))
        return group;
    }
    std::puts("SKIPPED: the balloon: no memory cgroup may be made here");
    return nullptr;
  }
  // Out of it again: children from now on are outside too.
  void Leave() { std::ofstream(path_.parent_path() / "cgroup.procs") << getpid() << std::flush; }
  ~MemoryGroup() {
    Leave();
    for (int i = 0; i < 100 && rmdir(path_.c_str()) != 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

 private:
  explicit MemoryGroup(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Memory of a file that is mapped, read once and not locked: what the balloon takes away.
class Unlocked {
 public:
  explicit Unlocked(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    std::vector<char> bytes(kBytes, 'x');
    if (write(fd, bytes.data(), bytes.size()) != kBytes || fdatasync(fd) != 0) std::abort();
    memory_ = mmap(nullptr, kBytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
  }
  // 4 KiB pages of it that are no longer in memory.
  std::size_t Evicted() const {
    std::vector<unsigned char> in(kBytes / 4096);
    if (mincore(memory_, kBytes, in.data()) != 0) std::abort();
    return static_cast<std::size_t>(
        std::ranges::count_if(in, [](unsigned char page) { return (page & 1) == 0; }));
  }
  std::size_t pages() const { return kBytes / 4096; }

 private:
  static constexpr ssize_t kBytes = 32 << 20;
  void* memory_;
};

void EvictFromCache(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  fdatasync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

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

// Gives every neighbour back and writes it again; says so after each round of all.
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

// Reads around the edge of the pages until it is told to end. `plain`: says what it met, and judges
// nothing.
void ReadBesideNeighbours(const std::string& path, bool plain) {
  const bool may_lock = MayLock();
  LockProgram();
  Material material(path, kNeighbours);
  Must(material.window->MoveTo({Frame(kPage - kAround), Frame(kPage + kAround)}));
  std::vector<float> block(2 * kFrames);
  RealtimeGuard guard;
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
  const RealtimeCounts& counts = guard.counts();
  if (plain) {
    fmt::print("{} {}\n", counts.minor_faults + counts.major_faults, faults.ToString());
    return;
  }
  const WindowReport window = material.window->Report();
  fmt::print("{} rounds of reads; window: {}\n", rounds, window.message);
  Judge(guard, faults, MovedPages() - moved_before, window, may_lock);
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

int RunNeighbours(std::int64_t align) {
  {
    const testing::TempDir directory;
    struct statfs info {};
    if (statfs(directory.root().c_str(), &info) != 0) std::abort();
    if (info.f_type != EXT4_SUPER_MAGIC && info.f_type != XFS_SUPER_MAGIC) {
      std::printf("SKIPPED: neighbours: %s is on neither ext4 nor xfs\n", directory.root().c_str());
      return 0;
    }
  }
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

int Run(const Arguments& arguments) {
  if (const std::int64_t align = arguments.Number("align"); align != 0) return RunNeighbours(align);
  const std::uint32_t seed = ChooseSeed(arguments);
  testing::TempDir directory;
  const std::string path = directory.path("realtime.canvas");
  Prepare(path);
  const auto role = [&](const std::string& name) {
    return std::vector<std::string>{"--role=" + name, "--path=" + path,
                                    fmt::format("--seed={}", seed),
                                    "--reads=" + arguments.Text("reads")};
  };
  std::unique_ptr<MemoryGroup> group;
  if (arguments.Number("balloon") != 0) {
    // Pages are charged to who reads them first: the canvas's to the reader, who is in the group,
    // and the program's to nobody in it.
    WarmProgram();
    EvictFromCache(path);
    group = MemoryGroup::Make(std::uint64_t{192} << 20);
  }
  int failed = 0;
  {
    // In the group: the reader, whose window is charged to it, and the balloon.
    std::vector<Child> others;
    std::optional<Unlocked> unlocked;
    if (group != nullptr) {
      unlocked.emplace(directory.path("unlocked"));
      const std::string zeros = directory.path("zeros");
      close(open(zeros.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      if (truncate(zeros.c_str(), off_t{1} << 30) != 0) std::abort();
      auto balloon = role("balloon");
      balloon[1] = "--path=" + zeros;
      others.emplace_back(balloon);
    }
    for (Child& child : others)
      if (child.Hear() != 'b') Broken("the balloon did not begin");
    Child reader(role("read"));
    if (reader.Hear() != 'b') Broken("the reader did not begin");
    if (group != nullptr) group->Leave();
    for (const char* name : {"overwrite", "append", "edit", "punch", "sync"}) {
      others.emplace_back(role(name));
      if (others.back().Hear() != 'b') Broken("a process did not begin");
    }
    reader.Tell('g');
    const std::string said = reader.HearAll();
    std::fputs(said.c_str(), stdout);
    if (const int code = reader.Wait(); code != 0) {
      std::printf("the guarded reader ended with %d\n", code);
      failed = 1;
    }
    if (unlocked) {
      const std::size_t evicted = unlocked->Evicted();
      std::printf("balloon: took %zu of %zu pages of a mapping that is not locked\n", evicted,
                  unlocked->pages());
      if (evicted < unlocked->pages() / 2) {
        std::puts("memory was never short: the balloon shows nothing");
        failed = 1;
      }
    }
    const int good = testing::kSanitized ? 0 : Child(role("seccomp")).Wait();
    const int planted = testing::kSanitized ? 0 : Child(role("planted")).Wait();
    if (testing::kSanitized) {
      std::puts("SKIPPED: seccomp: sanitizers call the kernel themselves");
    } else if (good == 77) {
      std::puts("SKIPPED: no seccomp filter may be set here");
    } else {
      std::printf(
          "under seccomp: %s; with a planted syscall: %s\n",
          good == 0 ? "read, and ended well" : fmt::format("ended with {}", good).c_str(),
          planted == 128 + SIGSYS ? "killed" : fmt::format("ended with {}", planted).c_str());
      if (good != 0 || planted != 128 + SIGSYS) failed = 1;
    }
    for (const Child& child : others) child.Kill();
    for (Child& child : others)
      if (const int code = child.Wait(); code != 128 + SIGKILL) {
        std::printf("one of the others ended by itself, with %d\n", code);
        failed = 1;
      }
  }
  group.reset();
  return failed | RunNeighbours(0);
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(argc, argv,
                            {{"reads", "10000000"},
                             {"seed", "0"},
                             {"balloon", "1"},
                             {"align", "0"},
                             {"role", ""},
                             {"path", ""}});
  const std::string& role = arguments.Text("role");
  const std::string& path = arguments.Text("path");
  const auto seed = static_cast<std::uint32_t>(arguments.Number("seed"));
  const std::int64_t reads = arguments.Number("reads");
  if (role.empty()) return Run(arguments);
  if (role == "read") ReadUnderGuard(path, reads, seed);
  if (role == "seccomp" || role == "planted")
    ReadUnderSeccomp(path, std::min<std::int64_t>(reads, 200'000), role == "planted");
  if (role == "overwrite") Overwrite(path, seed);
  if (role == "append") Append(path);
  if (role == "edit") Edit(path);
  if (role == "punch") Punch(path);
  if (role == "sync") SyncAlways(path);
  if (role == "balloon") Balloon(path);
  if (role == "neighbour") Neighbour(path);
  if (role == "beside" || role == "count") ReadBesideNeighbours(path, role == "count");
  return 0;
}
