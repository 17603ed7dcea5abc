// Realtime reads under the guard: while other processes append, overwrite, punch, edit the metadata and
// sync, and memory is short, a reader in a resident and locked window does
//   no syscall, no allocation, no lock, no page fault
// in --reads block reads over sixteen lanes: in order, backwards, at random, across the edges of
// blocks and pages, and as many views. A locked anonymous buffer is read under the same guard beside
// it: a fault that it takes as well is the machine's, and is told apart.
//
//   realtime_stress [--reads=10000000] [--seed=N] [--balloon=1]
//
// Then a second reader, under a seccomp filter that kills at any syscall, reads and ends well; and with
// a planted getpid it is killed.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
#include "canvas/testing/testing.h"
#include "stress/realtime_guard.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

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
  std::vector<LaneWriter> writers;
  for (std::uint32_t lane = 0; lane < kLanes / 2; ++lane)
    writers.push_back(Must(canvas.Own(Must(canvas.FindLane(LaneName(lane))).id)));
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
  LaneWriter own = Must(canvas.Own(Must(canvas.FindLane("appended")).id));
  std::vector<LaneWriter> writers;
  for (std::uint32_t lane = kLanes / 2; lane < kLanes; ++lane)
    writers.push_back(Must(canvas.Own(Must(canvas.FindLane(LaneName(lane))).id)));
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
  LaneWriter own = Must(canvas.Own(Must(canvas.FindLane("punched")).id));
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
  Say('b');
  for (off_t at = 0;; at += static_cast<off_t>(piece.size())) {
    const ssize_t got = pread(fd, piece.data(), piece.size(), at);
    if (got <= 0) at = -static_cast<off_t>(piece.size());
  }
}

// The sixteen lanes as a realtime thread has them.
struct Material {
  explicit Material(const std::string& path) : canvas(Must(Canvas::Open(path))) {
    std::vector<LaneId> ids;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane)
      ids.push_back(Must(canvas.FindLane(LaneName(lane))).id);
    window.emplace(Must(canvas.MakeWindow(ids, {.max_seconds = 1})));
    for (const LaneId id : ids) readers.push_back(Must(window->Reader(id)));
  }
  Canvas canvas;
  std::optional<Window> window;
  std::vector<LaneReader> readers;
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

void ReadUnderGuard(const std::string& path, std::int64_t reads, std::uint32_t seed) {
  Material material(path);
  Feeder feeder = Must(Feeder::Start({.horizon_seconds = kAhead, .behind_seconds = kBehind}));
  Playhead playhead = Must(feeder.Follow(*material.window));
  std::int64_t at = kPage - kRate / 4;
  playhead.Publish(Frame(at));
  if (!playhead.WaitReady(std::chrono::seconds(60))) Broken("the window is never ready");
  // Until the others are at work.
  Say('b');
  if (!Listen()) Broken("nobody says that it begins");

  // The control: as much locked anonymous memory as a lane's window, read as often.
  constexpr std::size_t kControl = 1 << 20;
  void* control = mmap(nullptr, kControl, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  const bool control_locked = mlock(control, kControl) == 0;
  std::memset(control, 1, kControl);

  std::vector<float> block(2 * kFrames);
  Pattern pattern(seed);
  Tally tally;
  Tally views;
  RealtimeGuard guard;
  RealtimeCounts control_counts;
  std::int64_t step = 24;  // about the speed of music
  std::uint64_t i = 0;
  bool wrong = false;
  const auto body = [&](std::uint64_t most) {
    for (std::uint64_t n = 0; n < most; ++n, ++i) {
      const Walk walk = pattern.Next(i, at);
      LaneReader& reader = material.readers[walk.lane];
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
      reader.EndView();
    }
  };
  while (tally.ok < static_cast<std::uint64_t>(reads)) {
    guard.Arm();
    body(4096);
    guard.Disarm();
    const RealtimeCounts before = guard.counts();
    guard.Arm();
    for (std::size_t offset = 0; offset + sizeof(float) * block.size() <= kControl;
         offset += sizeof(float) * block.size())
      std::memcpy(block.data(), static_cast<char*>(control) + offset, sizeof(float) * block.size());
    guard.Disarm();
    control_counts.minor_faults += guard.counts().minor_faults - before.minor_faults;
    control_counts.major_faults += guard.counts().major_faults - before.major_faults;
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
  RealtimeCounts counts = guard.counts();
  counts.minor_faults -= control_counts.minor_faults;
  counts.major_faults -= control_counts.major_faults;
  std::string why;
  const bool complete = RealtimeGuard::Complete(&why);
  fmt::print(
      "reads {} ok, {} raced, {} outside, {} other; views {} ok, {} no longer valid, {} raced, "
      "{} outside, {} other\n",
      tally.ok, tally.raced, tally.outside, tally.other, views.ok, views.stale_views, views.raced,
      views.outside, views.other);
  fmt::print("window: {}; feeder: {} looks, {} jumps, {} late\n", window.message,
             playhead.Report().looks, playhead.Report().jumps, playhead.Report().late);
  fmt::print("guard: {}{}\n", counts.ToString(),
             counts.total() == 0 ? "" : fmt::format("; first: {}", guard.First()));
  fmt::print("control ({}): {}\n",
             control_locked ? "locked anonymous memory" : "anonymous memory, not locked",
             control_counts.ToString());
  if (tally.other != 0 || views.other != 0) Broken("unwritten, where all is written");
  if (tally.outside > tally.ok / 20) Broken("more outside than a feeder may miss");
  if (!complete) {
    fmt::print("SKIPPED: the guard: {}\n", why);
  } else if (!window.locked) {
    fmt::print("SKIPPED: the claim is for windows that are locked, and this one is not\n");
  } else if (counts.syscalls + counts.allocations + counts.locks != 0) {
    Broken("the guard counted");
  } else if (counts.minor_faults + counts.major_faults != 0) {
    // The machine's (a page being migrated, say), where the control takes them too.
    // About ten times as many bytes are read in the window as in the control.
    if (counts.minor_faults + counts.major_faults >
        20 * (control_counts.minor_faults + control_counts.major_faults))
      Broken("page faults in the window, and none, or far fewer, in the control");
    fmt::print("page faults in both: the machine's\n");
  }
}

// Under a filter that kills at whatever is not exit_group.
void ReadUnderSeccomp(const std::string& path, std::int64_t reads, bool plant) {
  Material material(path);
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
  Must(Canvas::Create(path, {.slots = 24, .small_slots = 0, .capacity_seconds = 3600}));
  Canvas canvas = Writable(path);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const LaneId id = Must(canvas.AddLane({.name = LaneName(lane), .channels = 2}));
    Must(Must(canvas.Own(id)).Write(Frame(kFirst), Stamped(lane, kFirst, kEnd - kFirst, 1)));
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

int Run(const Arguments& arguments) {
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
    EvictFromCache(path);  // pages are charged to whom reads them first
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
    Child reader(role("read"));
    if (reader.Hear() != 'b') Broken("the reader did not begin");
    if (group != nullptr) group->Leave();
    for (const char* name : {"overwrite", "append", "edit", "punch", "sync"})
      others.emplace_back(role(name));
    for (Child& child : others)
      if (child.Hear() != 'b') Broken("a process did not begin");
    reader.Tell('g');
    const std::string said = reader.HearAll();
    std::fputs(said.c_str(), stdout);
    if (const int code = reader.Wait(); code != 0) {
      std::printf("the guarded reader ended with %d\n", code);
      failed = 1;
    }
    if (unlocked)
      std::printf("balloon: took %zu of %zu pages of a mapping that is not locked\n",
                  unlocked->Evicted(), unlocked->pages());
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
  return failed;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(
      argc, argv,
      {{"reads", "10000000"}, {"seed", "0"}, {"balloon", "1"}, {"role", ""}, {"path", ""}});
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
  return 0;
}
