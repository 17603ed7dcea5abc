// Step: what an owner does is run one instruction at a time, and after every instruction the file
// is as a kill there would leave it. Each of these files is handed to a reader and to a successor,
// and judged. Beside it, real SIGKILLs: at every instruction on a canvas of 512-byte blocks, at
// some on a real one.
//
//   bazel run -c opt //stress:step_stress -- --samples=1000 --all=1
//
// A file is copied as what changed in it since the last instruction (what is stored is in the
// shared mapping, which is all a kill leaves), with the size that it had and the space that was
// reserved for it; many instructions store nothing, so there are fewer different files than
// instructions. And nothing may be stored where no space was reserved before.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/geometry.h"
#include "canvas/format/superblock_format.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"
#include "stress/stepper.h"

namespace canvas::stress {
namespace {

constexpr LaneId kLane(1);
constexpr std::uint32_t kLaneNumber = 1;
constexpr PageRange kFirstPages{PageIndex(0), PageIndex(4)};
// Page 3 is ready: so the file covers page 2, which is not, and ends before page 4.
constexpr PageIndex kCoveredPage(2);
constexpr PageIndex kLastPage(3);
constexpr PageIndex kNewPage(4);
// A lane that comes and goes in the cases below, in the slot behind.
constexpr LaneId kSecond(2);

struct Span {
  std::uint64_t offset;
  std::uint64_t bytes;
};

// The space that a file has on the disk, written to or not.
class Reserved {
 public:
  static constexpr std::size_t kMost = 1024;

  // In a signal handler: one syscall, no allocation. False where the file system does not tell.
  bool Ask(int fd) {
    auto* head = reinterpret_cast<fiemap*>(buffer_);
    std::memset(head, 0, sizeof *head);
    head->fm_length = FIEMAP_MAX_OFFSET;
    head->fm_extent_count = kMost;
    if (syscall(SYS_ioctl, fd, FS_IOC_FIEMAP, head) != 0) return false;
    count_ = 0;
    for (std::uint32_t i = 0; i < head->fm_mapped_extents; ++i) {
      const fiemap_extent& extent = head->fm_extents[i];
      Span& last = spans_[count_ == 0 ? 0 : count_ - 1];
      if (count_ != 0 && last.offset + last.bytes == extent.fe_logical)
        last.bytes += extent.fe_length;
      else
        spans_[count_++] = {extent.fe_logical, extent.fe_length};
    }
    return head->fm_mapped_extents < kMost;
  }
  std::span<const Span> spans() const { return {spans_, count_}; }
  bool Holds(std::uint64_t at) const {
    return std::ranges::any_of(spans(), [&](const Span& span) {
      return at >= span.offset && at < span.offset + span.bytes;
    });
  }

 private:
  Span spans_[kMost];
  std::size_t count_ = 0;
  alignas(fiemap) char buffer_[sizeof(fiemap) + kMost * sizeof(fiemap_extent)];
};

// What a file was after each step that changed it: the parts of it that change in the cases below,
// its size, and its space.
class Recording {
 public:
  Recording(const std::string& path, std::vector<Span> spans) : spans_(std::move(spans)) {
    fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (const Span& span : spans_) mapped_ = std::max(mapped_, span.offset + span.bytes);
    base_ = static_cast<const std::byte*>(mmap(nullptr, mapped_, PROT_READ, MAP_SHARED, fd_, 0));
    if (base_ == MAP_FAILED) Broken("the file cannot be mapped");
    const struct stat status = Status();
    size_ = status.st_size;
    blocks_ = status.st_blocks;
    tells_ = reserved_.Ask(fd_);
    for (const Span& span : spans_) {
      now_.emplace_back(span.bytes);
      if (Covered(span)) std::memcpy(now_.back().data(), base_ + span.offset, span.bytes);
    }
    first_ = now_;
    lines_.reserve(std::size_t{1} << 20);
    states_.reserve(std::size_t{1} << 16);
    space_.reserve(std::size_t{1} << 20);
    states_.push_back({0, size_, NoteSpace()});
  }
  ~Recording() {
    munmap(const_cast<std::byte*>(base_), mapped_);
    close(fd_);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // In the signal handler: allocates nothing (room was made).
  void Look() {
    const struct stat status = Status();
    bool changed = status.st_size != size_ || status.st_blocks != blocks_;
    const bool space_changed = changed;
    size_ = status.st_size;
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      if (!Covered(spans_[i])) continue;
      const std::byte* file = base_ + spans_[i].offset;
      if (std::memcmp(file, now_[i].data(), spans_[i].bytes) == 0) continue;
      for (std::uint64_t at = 0; at < spans_[i].bytes; at += kLine) {
        if (std::memcmp(file + at, now_[i].data() + at, kLine) == 0) continue;
        if (lines_.size() == lines_.capacity()) _exit(3);
        Line line{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(at), {}};
        std::memcpy(line.bytes, file + at, kLine);
        std::memcpy(now_[i].data() + at, file + at, kLine);
        lines_.push_back(line);
        changed = true;
        // What was punched reads as zeros where there is no space any more: that is no store.
        static constexpr std::byte kZeros[kLine] = {};
        if (tells_ && unreserved_ == 0 && !reserved_.Holds(spans_[i].offset + at) &&
            std::memcmp(line.bytes, kZeros, kLine) != 0)
          unreserved_ = spans_[i].offset + at;
      }
    }
    if (!changed) return;
    if (states_.size() == states_.capacity()) _exit(3);
    std::size_t space = states_.back().space;
    if (space_changed) {
      blocks_ = status.st_blocks;
      tells_ = tells_ && reserved_.Ask(fd_);
      space = NoteSpace();
    }
    states_.push_back({lines_.size(), size_, space});
  }

  std::size_t states() const { return states_.size(); }
  // Whether the file system tells what is reserved.
  bool tells() const { return tells_; }
  // Where something was stored that had no space; 0: nowhere.
  std::uint64_t unreserved() const { return unreserved_; }

  // One file to be made.
  struct File {
    const std::vector<std::vector<std::byte>>& contents;  // of the spans
    off_t size;
    std::span<const Span> space;
  };
  // Calls visit(file) for the file before the first step and for every different one after.
  template <typename Visit>
  void ForEach(Visit visit) {
    auto contents = first_;
    std::size_t line = 0;
    for (const State& state : states_) {
      for (; line < state.lines; ++line)
        std::memcpy(contents[lines_[line].span].data() + lines_[line].at, lines_[line].bytes,
                    kLine);
      const std::size_t count = space_[state.space].bytes;
      visit(File{contents, state.size, std::span(space_).subspan(state.space + 1, count)});
    }
  }
  const std::vector<Span>& spans() const { return spans_; }

 private:
  static constexpr std::uint64_t kLine = 64;
  struct Line {
    std::uint32_t span;
    std::uint32_t at;
    std::byte bytes[kLine];
  };
  struct State {
    std::size_t lines;  // so many were there
    off_t size;
    std::size_t space;  // in space_: how many, and then they
  };
  struct stat Status() const {
    struct stat status {};
    if (syscall(SYS_fstat, fd_, &status) != 0) _exit(3);
    return status;
  }
  // What lies past the end of the file may not be touched.
  bool Covered(const Span& span) const {
    return span.offset + span.bytes <= static_cast<std::uint64_t>(size_);
  }
  std::size_t NoteSpace() {
    const auto spans = reserved_.spans();
    if (space_.size() + spans.size() + 1 > space_.capacity()) _exit(3);
    const std::size_t at = space_.size();
    space_.push_back({0, spans.size()});
    for (const Span& span : spans) space_.push_back(span);
    return at;
  }
  std::vector<Span> spans_;
  int fd_ = -1;
  const std::byte* base_ = nullptr;
  std::uint64_t mapped_ = 0;
  off_t size_ = 0;
  blkcnt_t blocks_ = 0;
  bool tells_ = false;
  std::uint64_t unreserved_ = 0;
  Reserved reserved_;
  std::vector<std::vector<std::byte>> now_;
  std::vector<std::vector<std::byte>> first_;
  std::vector<Line> lines_;
  std::vector<State> states_;
  std::vector<Span> space_;
};

// Makes a copy what the file was: its size, its space, and what changes in it. `spaced`: whether
// the space is known.
void Recreate(int fd, const Recording& recording, const Recording::File& file, bool spaced) {
  if (ftruncate(fd, file.size) != 0) Broken("the copy cannot be given its size");
  std::uint64_t at = 0;
  const auto to_hole = [&](std::uint64_t end) {
    if (end > at && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              static_cast<off_t>(at), static_cast<off_t>(end - at)) != 0)
      Broken("the copy cannot be given its holes");
  };
  if (spaced) {
    for (const Span& span : file.space) {
      to_hole(span.offset);
      if (fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(span.offset),
                    static_cast<off_t>(span.bytes)) != 0)
        Broken("the copy cannot be given its space");
      at = span.offset + span.bytes;
    }
    to_hole(static_cast<std::uint64_t>(file.size));
  }
  for (std::size_t i = 0; i < file.contents.size(); ++i) {
    const Span& span = recording.spans()[i];
    if (span.offset + span.bytes > static_cast<std::uint64_t>(file.size)) continue;
    // Nothing is written where there is neither space nor anything to write.
    std::uint64_t from = 0;
    while (from < span.bytes) {
      constexpr std::uint64_t kPiece = 4096;
      const std::uint64_t bytes = std::min(kPiece, span.bytes - from);
      const auto* piece = file.contents[i].data() + from;
      const bool zero =
          std::all_of(piece, piece + bytes, [](std::byte b) { return b == std::byte{0}; });
      const bool space = std::ranges::any_of(file.space, [&](const Span& each) {
        return span.offset + from < each.offset + each.bytes &&
               each.offset < span.offset + from + bytes;
      });
      if ((!zero || space || !spaced) &&
          pwrite(fd, piece, bytes, static_cast<off_t>(span.offset + from)) !=
              static_cast<ssize_t>(bytes))
        Broken("the copy cannot be written");
      from += bytes;
    }
  }
}

// One canvas of a geometry, with a stereo lane, and what is needed to know where its bytes are.
struct Bench {
  explicit Bench(const CreateOptions& options) {
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
  static Canvas Open(const std::string& path) {
    return Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  }
  // Written at first: four blocks and a half.
  std::uint64_t frames() const { return static_cast<std::uint64_t>(4 * block + block / 2); }

  std::vector<Span> Spans() const {
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
        const format::SlotRun run{.first = slot};
        spans.push_back({start + geometry.SlotControl(run), format::kSlotControlBytes});
        spans.push_back({start + geometry.Versions(run), 1024});
        spans.push_back({start + geometry.UndoPlace(run), stride});
        spans.push_back({start + geometry.Data(run), (page == 0 && slot == 0 ? 6 : 1) * stride});
      }
    }
    for (const PageIndex page : {kCoveredPage, kNewPage})
      spans.push_back({geometry.Page(page).value(), format::kPageControlBytes});
    return spans;
  }

  testing::TempDir dir;
  std::string path = dir.path("sut.canvas");
  std::int64_t block = 0;  // frames
  std::int64_t page_frames = 0;
  Rate rate;
};

// What a reader finds: the epoch of each stretch of the lane that has one, and the description.
struct Look {
  std::vector<std::uint32_t> epochs;   // of blocks 0 to 5 of page 0, then of page 1; 0: unwritten
  std::vector<std::uint64_t> written;  // frames of those blocks
  std::string description;
  std::map<std::string, std::uint64_t> others;  // lanes: frames that can be read
  std::uint64_t ready_pages = 0;
  friend bool operator==(const Look&, const Look&) = default;
};

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

struct Case {
  const char* name;
  std::function<void(Canvas&, FrameWriter*)> act;  // stepped
  bool owns;                                       // whether the lane is owned before
  std::size_t contents;                            // how many different ones readers may see
  bool grows = false;                              // whether the file does
  bool longer = false;                             // of large blocks with --all alone
};

struct Totals {
  std::uint64_t points = 0;
  std::uint64_t files = 0;
  bool spaced = true;  // each with the space that was reserved
};

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

// Steps one case; judges every file.
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
    const auto where = [&] { return fmt::format("{}, file {}: ", test.name, files); };
    // As readers see it, and after a successor took over: the same.
    const Look dead = LookAt(copy, bench);
    {
      Canvas successor = Bench::Open(copy);
      for (const LaneInfo& lane : Must(successor.Lanes()))
        FrameWriter next = Must(successor.Writer(lane.id));
      if (!(LookAt(copy, bench) == dead)) Broken(where() + "the takeover changed what readers see");
      // Whatever page was being made, whoever makes it again is done.
      Must(successor.AllocatePage(kNewPage));
      Must(successor.AllocatePage(kCoveredPage));
    }
    ExpectNothingComesToLight(copy, bench, dead, where());
    {
      const CheckReport report = Must(Must(Canvas::Open(copy)).Check());
      if (!report.ok()) Broken(where() + report.findings[0]);
      for (const std::string& note : report.notes)
        if (note.find("not yet published") == std::string::npos)
          Broken(where() + "left over: " + note);
    }
    if (seen.empty() || !(seen.back() == dead)) {
      for (const Look& look : seen)
        if (look == dead) Broken(where() + "time ran backwards");
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

// Where this process has the owner table of a file mapped for writing: an owner's first store of an
// overwrite, its intent, goes there.
void* OwnerTablePage(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    if (line.find(" rw-s 00000000 ") == std::string::npos || !line.ends_with(path)) continue;
    return reinterpret_cast<void*>(std::strtoull(line.c_str(), nullptr, 16) +
                                   format::kOwnerTableOffset);
  }
  Broken("the canvas is not mapped");
}

// A real kill: a child does `act` and is killed after `n` steps from its first store to the owner
// table on; 0: counts them. Before, it does `warm_up`, so that no step is the dynamic linker's.
std::uint64_t KillAt(const Bench& bench, std::uint64_t n,
                     const std::function<void(FrameWriter&)>& warm_up,
                     const std::function<void(FrameWriter&)>& act) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    Canvas canvas = Bench::Open(bench.path);
    FrameWriter writer = Must(canvas.Writer(kLane, {.pages = kFirstPages}));
    warm_up(writer);
    std::uint64_t limit = n;
    Stepper stepper(
        [](void* at, std::uint64_t step) CANVAS_UNINSTRUMENTED {
          if (step == *static_cast<std::uint64_t*>(at)) syscall(SYS_kill, getpid(), SIGKILL);
        },
        &limit);
    stepper.StartAtStoreTo(OwnerTablePage(bench.path));
    act(writer);
    const std::uint64_t steps = stepper.Stop();
    (void)!write(pipe_ends[1], &steps, sizeof steps);
    _exit(0);
  }
  close(pipe_ends[1]);
  std::uint64_t steps = 0;
  (void)!read(pipe_ends[0], &steps, sizeof steps);
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (n != 0 && steps == 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
    Broken("the child ended in another way");
  return steps;
}

// Overwrites of one block, killed at every instruction, or at `most` of them.
void KillThrough(const char* name, const Bench& bench, std::uint64_t most, Totals& totals) {
  std::uint32_t epoch = LookAt(bench.path, bench).epochs[2];
  std::vector<float> old_samples;
  std::vector<float> samples;
  const auto warm_up = [&](FrameWriter& writer) {
    Must(writer.Write(Frame(2 * bench.block), old_samples));
  };
  const auto overwrite = [&](FrameWriter& writer) {
    Must(writer.Write(Frame(2 * bench.block), samples));
  };
  const auto next_epoch = [&] {
    old_samples =
        Stamped(kLaneNumber, 2 * bench.block, static_cast<std::uint64_t>(bench.block), epoch);
    samples =
        Stamped(kLaneNumber, 2 * bench.block, static_cast<std::uint64_t>(bench.block), epoch + 1);
  };
  next_epoch();
  const std::uint64_t steps = KillAt(bench, 0, warm_up, overwrite);
  if (steps == 0) Broken(std::string(name) + ": nothing was stepped");
  ++epoch;
  const std::uint64_t stride = most == 0 ? 1 : std::max<std::uint64_t>(steps / most, 1);
  std::uint64_t kills = 0;
  std::uint64_t old = 0;
  for (std::uint64_t n = 1; n <= steps; n += stride) {
    const Look before = LookAt(bench.path, bench);
    next_epoch();
    KillAt(bench, n, warm_up, overwrite);
    ++kills;
    const Look dead = LookAt(bench.path, bench);
    Look expected = before;
    if (dead.epochs[2] == epoch + 1)
      expected.epochs[2] = ++epoch;
    else
      ++old;
    if (!(dead == expected)) Broken(fmt::format("{}: killed at {}: another content", name, n));
    Canvas successor = Bench::Open(bench.path);
    { LaneOwner next = Must(successor.Own(kLane, {.pages = kFirstPages})); }
    if (!(LookAt(bench.path, bench) == dead))
      Broken(fmt::format("{}: killed at {}: the takeover changed what readers see", name, n));
  }
  if (most == 0 && (old == 0 || old == kills))
    Broken(std::string(name) + ": only one content was ever seen");
  const CheckReport report = Must(Must(Canvas::Open(bench.path)).Check());
  if (!report.ok() || !report.notes.empty()) Broken(std::string(name) + ": something is left over");
  std::printf("  %-34s %8lu points, %6lu SIGKILLs: %lu old, %lu new\n", name, steps, kills, old,
              kills - old);
  totals.points += kills;
}

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
      {"making a page that the file covers",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.AllocatePage(kCoveredPage)); }, false, 2},
      {"making a page behind the end",
       [](Canvas& canvas, FrameWriter*) { Must(canvas.AllocatePage(kNewPage)); }, false, 2, true},
      {"a sync", [](Canvas& canvas, FrameWriter*) { Must(canvas.Sync()); }, false, 1},
  };
}

// The takeover itself: a child is killed in the midst of an overwrite, and the repair is stepped.
void StepRepair(const Bench& bench, const std::vector<std::uint64_t>& tenths, Totals& totals) {
  const std::int64_t block = bench.block;
  const auto frames = static_cast<std::uint64_t>(block);
  const auto old = Stamped(kLaneNumber, 0, frames, 4);
  const auto fresh = Stamped(kLaneNumber, 0, frames, 9);
  const auto overwrite = [&](FrameWriter& writer) { Must(writer.Write(Frame(0), fresh)); };
  const std::uint64_t steps = KillAt(bench, 0, overwrite, overwrite);
  const auto restore = [&](FrameWriter& writer) { Must(writer.Write(Frame(0), old)); };
  for (const std::uint64_t tenth : tenths) {
    KillAt(bench, 0, restore, restore);
    KillAt(bench, steps * tenth / 10, restore, overwrite);
    const std::string name = fmt::format("taking over from {}0% of one", tenth);
    StepThrough(
        bench,
        {name.c_str(),
         [](Canvas& canvas, FrameWriter*) { Must(canvas.Own(kLane, {.pages = kFirstPages})); },
         false, 1},
        totals);
  }
}

int Run(const Arguments& arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
#ifdef CANVAS_STEPS_UNDER_TSAN
  std::printf("SKIPPED: ThreadSanitizer's runtime does not bear being interrupted everywhere\n");
  return 0;
#endif
  if (!Stepper::Supported()) {
    std::printf("SKIPPED: this machine does not step by the trap flag: nothing was shown\n");
    return 0;
  }
  Totals totals;
  const std::int64_t scale = arguments.Number("scale");
  if (scale == 0) {
    CreateOptions real;
    real.layout.wide_slots = 2;
    real.layout.small_slots = 0;
    real.capacity_seconds = 180;
    std::printf("blocks of 32 KiB:\n");
    const Bench bench(real);
    for (const Case& test : Cases(bench))
      if (!test.longer || arguments.Number("all") != 0) StepThrough(bench, test, totals);
    StepRepair(bench, {5}, totals);
    KillThrough("overwrite, killed", bench, static_cast<std::uint64_t>(arguments.Number("samples")),
                totals);
  }
  std::printf("blocks of 512 B:\n");
  const Bench small(testing::SmallCanvas());
  for (const Case& test : Cases(small)) StepThrough(small, test, totals);
  StepRepair(small, {2, 3, 4, 5, 6, 7, 8, 9}, totals);
  KillThrough("overwrite, killed", small, static_cast<std::uint64_t>(scale), totals);
  std::printf("%lu points, %lu different files, each repaired and judged\n", totals.points,
              totals.files);
  if (!totals.spaced)
    std::printf("SKIPPED: reserved space: this file system does not tell what it reserved\n");
  return 0;
}

}  // namespace
}  // namespace canvas::stress

// --scale=N: in miniature, for sanitizers: small blocks only, and N kills.
int main(int argc, char** argv) {
  const canvas::stress::Arguments arguments(argc, argv,
                                            {{"samples", "8"}, {"scale", "0"}, {"all", "0"}});
  return canvas::stress::Run(arguments);
}
