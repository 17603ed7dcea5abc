// A disk that fills up is an error value: nothing that was written suffers, and writing goes on
// when there is room again. On small file systems of the test's own: a tmpfs, and ext4 in a file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/loop.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/control_words.h"
#include "canvas/format/slot_words.h"
#include "canvas/part/frames/frame_part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/header_store.h"
#include "canvas/sync/overwrite.h"
#include "canvas/testing/open_lane.h"
#include "canvas/testing/testing.h"

extern char** environ;

namespace canvas {
namespace {

using testing::CodeOf;
using testing::InChild;
using testing::Must;
using testing::OpenForWriting;
using testing::OpenLane;
using testing::Samples;
using testing::SmallCanvas;
using testing::TempDir;

constexpr std::int64_t kRate = 48000;

// Runs a program, quietly. Its exit code; 127 where there is none.
int RunProgram(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&quiet, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, argv[0], &quiet, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&quiet);
  int status = 0;
  if (failed != 0 || waitpid(pid, &status, 0) != pid) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Disk {
  const char* kind;
  std::uint64_t mebibytes;
  std::uint32_t block_bytes = 0;  // of ext4; 0: what mkfs thinks best
};

class FullDisk : public ::testing::TestWithParam<Disk> {
 protected:
  void SetUp() override {
    const std::string why = GetParam().kind == std::string("tmpfs") ? MountTmpfs() : MountImage();
    if (!why.empty())
      GTEST_SKIP() << "SKIPPED: a small " << GetParam().kind << " may not be made here: " << why;
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) umount2(mount_.c_str(), MNT_DETACH);
    if (loop_ >= 0) close(loop_);
  }
  // Empty, or why not.
  std::string MountTmpfs() {
    const std::string size = "size=" + std::to_string(GetParam().mebibytes) + "m";
    return mount("tmpfs", mount_.c_str(), "tmpfs", 0, size.c_str()) == 0 ? "" : Why("mount");
  }
  std::string MountImage() {
    const std::string image = dir_.path("image");
    const int file = open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, static_cast<off_t>(GetParam().mebibytes << 20)) != 0)
      std::abort();
    // With nothing kept for root, and nothing left to be done after the mount.
    std::vector<std::string> mkfs = {"mkfs.ext4", "-q", "-m",
                                     "0",         "-E", "lazy_itable_init=0,lazy_journal_init=0"};
    if (GetParam().block_bytes != 0)
      mkfs.insert(mkfs.end(), {"-b", std::to_string(GetParam().block_bytes)});
    if (GetParam().kind == std::string("xfs")) mkfs = {"mkfs.xfs", "-q"};
    mkfs.push_back(image);
    const int made = RunProgram(mkfs);
    if (made != 0) return mkfs[0] + " ended with " + std::to_string(made);
    const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return Why("/dev/loop-control");
    // Another may take the one that was free: then the next.
    for (int i = 0; i < 20 && loop_ < 0; ++i) {
      const int number = ioctl(control, LOOP_CTL_GET_FREE);
      device_ = "/dev/loop" + std::to_string(number);
      loop_ = number < 0 ? -1 : open(device_.c_str(), O_RDWR | O_CLOEXEC);
      if (loop_ < 0) continue;
      loop_config config{};
      config.fd = static_cast<std::uint32_t>(file);
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;  // it goes with the mount
      if (ioctl(loop_, LOOP_CONFIGURE, &config) != 0) {
        close(loop_);
        loop_ = -1;
      }
    }
    const std::string why = loop_ < 0 ? Why("a loop device") : "";
    close(control);
    close(file);
    if (!why.empty()) return why;
    return mount(device_.c_str(), mount_.c_str(), GetParam().kind, 0, "") == 0 ? "" : Why("mount");
  }
  static std::string Why(const std::string& what) { return what + ": " + std::strerror(errno); }

  std::string OnDisk(const std::string& name) const { return mount_ + "/" + name; }
  // Takes all that is left, to the last block.
  void FillUp(const std::string& name) const {
    const int fd = open(OnDisk(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (std::size_t piece = 1 << 20; piece >= 512; piece /= 2) {
      const std::vector<char> bytes(piece, 'b');
      while (write(fd, bytes.data(), piece) > 0) {
      }
    }
    fsync(fd);
    close(fd);
  }
  void Free(const std::string& name) const {
    std::filesystem::remove(OnDisk(name));
    // ext4 gives back what was deleted when the journal says so.
    const int fd = open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    syncfs(fd);
    close(fd);
  }
  static void ExpectIntact(auto& reader, std::int64_t until) {
    std::vector<float> out(kRate * 2);
    for (std::int64_t from = 0; from < until; from += kRate) {
      ASSERT_EQ(reader.Read(Frame(from), out), (ReadResult{ReadStatus::kOk, kRate})) << from;
      ASSERT_EQ(out, Samples(1, from, kRate, 2)) << from;
    }
  }

  TempDir dir_;
  std::string mount_ = [this] {
    std::filesystem::create_directory(dir_.path("disk"));
    return dir_.path("disk");
  }();
  std::string device_;
  int loop_ = -1;
  bool mounted_ = false;
  std::string path_ = OnDisk("sut.canvas");
};

// ext4's journal takes 4 MiB of it, and its tables some.
INSTANTIATE_TEST_SUITE_P(Of, FullDisk, ::testing::Values(Disk{"tmpfs", 24}, Disk{"ext4", 40}),
                         [](const auto& disk) { return std::string(disk.param.kind); });

TEST_P(FullDisk, AppendingFailsWithAnErrorAndGoesOnWhenThereIsRoom) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  // Something else on the disk, to be removed later.
  std::ofstream(OnDisk("ballast")) << std::string(4 << 20, 'b');

  constexpr std::int64_t kChunk = 48000;
  std::int64_t at = 0;
  Result<void> written;
  for (; at < 48000 * 600; at += kChunk) {
    written = writer.Write(Frame(at), Samples(1, at, kChunk, 2));
    if (!written) break;
  }
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kNoSpace);
  EXPECT_NE(written.error().Message().find(path_), std::string::npos);
  ASSERT_GT(at, 48000 * 30);

  LaneReader reader = Must(sut.Reader(lane));
  ExpectIntact(reader, at);
  EXPECT_EQ(CodeOf(writer.Write(Frame(at), Samples(1, at, kChunk, 2))), ErrorCode::kNoSpace);
  std::vector<float> out(kChunk * 2);
  for (std::int64_t from = 0; from < 48000 * 3600; from += 48000 * 10)
    (void)reader.Read(Frame(from), out);  // reading a full disk faults nowhere
  EXPECT_TRUE(Must(sut.Check()).ok());

  Free("ballast");
  Must(writer.Write(Frame(at), Samples(1, at, kChunk, 2)));
  ExpectIntact(reader, at + kChunk);
}

TEST_P(FullDisk, CreatingLeavesNothing) {
  FillUp("ballast");
  EXPECT_EQ(CodeOf(Canvas::Create(path_)), ErrorCode::kNoSpace);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_P(FullDisk, EveryCallSaysSoAndNoneIsKilled) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {48000, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  Must(writer.Write(Frame(0), Samples(1, 0, 5000, 2)));
  FillUp("ballast");
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 2, .rate = {48000, 1}})),
            ErrorCode::kNoSpace);
  EXPECT_EQ(CodeOf(sut.AllocatePage(PageIndex(7))), ErrorCode::kNoSpace);
  EXPECT_EQ(CodeOf(writer.Write(Frame(100), Samples(1, 0, 10, 2))), ErrorCode::kNoSpace)
      << "the undo place has to be reserved";
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(10000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 5000, 2));
  Must(writer.Erase({Frame(0), Frame(48000 * 30)}));
  Must(writer.Write(Frame(0), Samples(1, 0, 10, 2)));
}

// What Append stored before it failed is where it was, and the next one goes on behind it.
TEST_P(FullDisk, AppendAfterAFailureLosesAndRepeatsNothing) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {kRate, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  std::ofstream(OnDisk("ballast")) << std::string(4 << 20, 'b');
  // Whoever appends goes on from the end; each piece says where it belongs.
  const auto append = [&] {
    const std::int64_t at = writer.end().value();
    return writer.Append(Samples(1, at, 3 * kRate, 2));
  };
  Must(append());
  Result<Frame> appended = Frame(0);
  while (appended) appended = append();
  EXPECT_EQ(appended.error().code(), ErrorCode::kNoSpace);
  LaneReader reader = Must(sut.Reader(lane));
  EXPECT_EQ(writer.end(), reader.Extent().end) << "where what can be read ends";
  EXPECT_EQ(CodeOf(append()), ErrorCode::kNoSpace);
  const Frame end = writer.end();
  EXPECT_EQ(end, reader.Extent().end);
  Free("ballast");
  const Frame at = Must(append());
  EXPECT_EQ(at, end);
  EXPECT_EQ(writer.end(), end + 3 * kRate);
  const LaneExtent extent = reader.Extent();
  EXPECT_EQ(extent.first, Frame(0));
  EXPECT_EQ(extent.written_frames, static_cast<std::uint64_t>(extent.end.value())) << "a gap";
  std::vector<float> out(extent.written_frames * 2);
  ASSERT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, extent.written_frames, 2));
}

// What is reserved ahead is a wish: where there is no room for it, what is needed is enough.
TEST_P(FullDisk, AppendingLittleByLittleGetsTheLastOfIt) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {kRate, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  Result<Frame> appended = Frame(0);
  while (appended) appended = writer.Append(Samples(1, writer.end().value(), 1000, 2));
  EXPECT_EQ(appended.error().code(), ErrorCode::kNoSpace);
  struct statvfs disk {};
  ASSERT_EQ(statvfs(mount_.c_str(), &disk), 0);
  EXPECT_LE(disk.f_bavail * disk.f_frsize, 64U * 1024) << "a block, and what a page takes";
  LaneReader reader = Must(sut.Reader(lane));
  ExpectIntact(reader, writer.end().value() / kRate * kRate);
  EXPECT_TRUE(Must(sut.Check()).ok());
}

TEST_P(FullDisk, WhatIsThereIsSyncedAndReadInWindows) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {kRate, 1}}));
  FrameWriter writer = Must(sut.Writer(lane));
  Must(writer.Write(Frame(0), Samples(1, 0, 3 * kRate, 2)));
  // Once overwritten, so that a window takes its undo place too.
  Must(writer.Write(Frame(0), Samples(1, 0, 10, 2)));
  FillUp("ballast");
  Must(sut.Sync());
  // What has its space is written over, though there is none left.
  Must(writer.Write(Frame(100), Samples(1, 100, kRate, 2)));
  Must(sut.Sync());
  Window window = Must(sut.MakeWindow({{lane}}, {.max_seconds = 4}));
  Must(window.MoveTo({Frame(0), Frame(3 * kRate)}));
  WindowReader reader = Must(window.Reader(lane));
  ExpectIntact(reader, 3 * kRate);
  Must(window.MoveTo({Frame(40 * kRate), Frame(43 * kRate)}));  // where nothing is
  std::vector<float> out(200);
  EXPECT_EQ(reader.Read(Frame(41 * kRate), out).status, ReadStatus::kUnwritten);
  EXPECT_TRUE(Must(sut.Check()).ok());
}

// A power loss left a block half rewritten, and took of its space what lies behind the page's
// frames. To put it back takes all of it: stored into the hole, that would be a SIGBUS.
TEST_P(FullDisk, ABlockThatIsPutBackGetsItsSpaceFirst) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  constexpr std::uint64_t kFrames = 300;  // all of a page
  constexpr std::uint64_t kBlock = 32 * 1024;
  LaneId lane;
  {
    Canvas canvas = OpenForWriting(path_);
    lane = Must(canvas.AddLane({.name = "a", .channels = 1, .rate = {10, 1}}));
    FrameWriter writer = Must(canvas.Writer(lane));
    Must(writer.Write(Frame(0), Samples(1, 0, kFrames, 1)));
    Must(writer.Write(Frame(0), Samples(1, 0, 1, 1)));  // so that the undo place is reserved
  }
  {
    const OpenLane opened(path_, lane);
    std::vector<std::byte> scratch(kBlock);
    sync::BeginOverwrite(opened.Part(PageIndex(0)), 0, scratch.data(), [](const void* bytes) {
      return part::frames::UndoChecksum(bytes, kBlock);
    });
    Must(opened.file->Punch(opened.Data(PageIndex(0)) + 4096, kBlock - 4096));
  }
  FillUp("ballast");
  const int ended = InChild([&] {
    Canvas canvas = OpenForWriting(path_);
    FrameWriter writer = Must(canvas.Writer(lane));
    const auto written = writer.Write(Frame(7), Samples(2, 7, 5, 1));
    return !written && written.error().code() == ErrorCode::kNoSpace ? 0 : 1;
  });
  EXPECT_EQ(ended, 0);
  Free("ballast");
  Canvas sut = OpenForWriting(path_);
  Must(Must(sut.Writer(lane)).Write(Frame(7), Samples(2, 7, 5, 1)));
  auto expected = Samples(1, 0, kFrames, 1);
  std::ranges::copy(Samples(2, 7, 5, 1), expected.begin() + 7);
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(kFrames);
  ASSERT_EQ(reader.Read(Frame(0), out), (ReadResult{ReadStatus::kOk, kFrames}));
  EXPECT_EQ(out, expected);
  EXPECT_TRUE(Must(sut.Check()).ok());
}

TEST_P(FullDisk, AnOwnerThatIsKilledOnItIsTakenOverFrom) {
  Must(Canvas::Create(path_, {.capacity_seconds = 3600}));
  LaneId lane;
  {
    Canvas canvas = OpenForWriting(path_);
    lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {kRate, 1}}));
    FrameWriter writer = Must(canvas.Writer(lane));
    Must(writer.Write(Frame(0), Samples(1, 0, 3 * kRate, 2)));
    Must(writer.Write(Frame(0), Samples(1, 0, 10, 2)));
  }
  FillUp("ballast");
  // Dies with its lane after an append that found no room.
  const int died = InChild([&] {
    Canvas canvas = OpenForWriting(path_);
    FrameWriter writer = Must(canvas.Writer(lane));
    Result<Frame> appended = Frame(0);
    while (appended) appended = writer.Append(Samples(1, writer.end().value(), kRate, 2));
    if (appended.error().code() != ErrorCode::kNoSpace) return 1;
    kill(getpid(), SIGKILL);
    return 2;
  });
  ASSERT_EQ(died, 128 + SIGKILL);
  Canvas sut = OpenForWriting(path_);
  FrameWriter writer = Must(sut.Writer(lane));
  const Frame end = writer.end();
  ASSERT_GE(end, Frame(3 * kRate));
  // Over what is there, without a byte of new space.
  Must(writer.Write(Frame(0), Samples(1, 0, kRate, 2)));
  EXPECT_EQ(CodeOf(writer.Write(Frame(20 * kRate), Samples(1, 20 * kRate, 8 * kRate, 2))),
            ErrorCode::kNoSpace);
  const Frame reached = writer.end();  // what there was room for stays
  EXPECT_GE(reached, end);
  LaneReader reader = Must(sut.Reader(lane));
  ExpectIntact(reader, 3 * kRate);
  EXPECT_TRUE(Must(sut.Check()).ok());
  Free("ballast");
  EXPECT_EQ(Must(writer.Append(Samples(1, reached.value(), kRate, 2))), reached);
}

// Where room comes back one block at a time, so that every step of a call is once the first that
// finds none. A store into what was not reserved kills: each try is a child's.
// A program that reads the file through, as a backup does, leaves it in memory in large folios, and
// a store makes ext4 and xfs take space for all of the folio, holes too. Where there is none the
// store would be answered by SIGBUS; here it is done all the same, or refused with an error.
TEST_P(FullDisk, ABackupThatReadsTheFileThroughMakesNoStoreFault) {
  Must(Canvas::Create(
      path_,
      {.rate = {kRate, 1}, .page_seconds = 30, .layout = {.wide_slots = 1, .small_slots = 0}}));
  constexpr std::int64_t kBlock = 32 * 1024 / 8;  // frames
  constexpr std::int64_t kHole = 5 * kBlock;
  constexpr std::int64_t kHoleEnd = 200 * kBlock;
  constexpr std::int64_t kEnd = 30 * kRate;
  LaneId id;
  {
    Canvas canvas = OpenForWriting(path_);
    id = Must(canvas.AddLane({.name = "lane", .channels = 2, .rate = {kRate, 1}}));
    FrameWriter writer = Must(canvas.Writer(id));
    Must(writer.Write(Frame(0), Samples(1, 0, kEnd, 2)));
    Must(writer.Write(Frame(0), Samples(1, 0, 32, 2)));  // takes the undo place's space
    Must(writer.Erase({Frame(kHole), Frame(kHoleEnd)}));
    Must(canvas.Sync());
  }
  {
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    std::vector<char> piece(64 * 1024);
    while (read(fd, piece.data(), piece.size()) > 0) {
    }
    close(fd);
  }
  FillUp("ballast");
  Canvas canvas = OpenForWriting(path_);
  FrameWriter writer = Must(canvas.Writer(id));
  LaneReader reader = Must(canvas.Reader(id));
  std::vector<float> out(64);
  for (const std::int64_t at : {std::int64_t{0}, kHole - 32, kHoleEnd, kEnd - 32}) {
    const auto samples = Samples(2, at, 32, 2);
    const auto written = writer.Write(Frame(at), samples);
    if (!written) {
      EXPECT_EQ(written.error().code(), ErrorCode::kNoSpace);
    }
    EXPECT_EQ(reader.Read(Frame(at), out), (ReadResult{ReadStatus::kOk, 32}));
    EXPECT_EQ(out, written ? samples : Samples(1, at, 32, 2)) << at;
    std::printf("%s: 32 frames at %lld: %s\n", GetParam().kind, static_cast<long long>(at),
                written ? "written" : written.error().Message().c_str());
  }
}

class FullXfs : public FullDisk {};
INSTANTIATE_TEST_SUITE_P(Of, FullXfs, ::testing::Values(Disk{"xfs", 320}));

// xfs refuses to reserve what is reserved already where it could not reserve it anew: so a canvas
// on a full one could not be opened, and nothing of it given back. Found by attack.
TEST_P(FullXfs, IsOpenedAndGivesBack) {
  Must(Canvas::Create(path_, {.rate = {kRate, 1}, .layout = {.wide_slots = 1, .small_slots = 0}}));
  LaneId id;
  {
    Canvas canvas = OpenForWriting(path_);
    id = Must(canvas.AddLane({.name = "lane", .channels = 2, .rate = {kRate, 1}}));
    FrameWriter writer = Must(canvas.Writer(id));
    Must(writer.Write(Frame(0), Samples(1, 0, 20 * kRate, 2)));
    Must(writer.Write(Frame(0), Samples(1, 0, 32, 2)));
    Must(canvas.Sync());
  }
  // What it takes ahead of a file it gives back when that is closed.
  for (int i = 0; i < 20; ++i) FillUp("ballast" + std::to_string(i));
  const std::uint64_t before = testing::AllocatedBytes(path_);
  Canvas canvas = OpenForWriting(path_);
  FrameWriter writer = Must(canvas.Writer(id));
  Must(writer.Write(Frame(kRate), Samples(2, kRate, 32, 2)));
  Must(writer.Erase({Frame(5 * kRate), Frame(30 * kRate)}));
  EXPECT_LT(testing::AllocatedBytes(path_), before / 2);
  LaneReader reader = Must(canvas.Reader(id));
  std::vector<float> out(64);
  EXPECT_EQ(reader.Read(Frame(kRate), out), (ReadResult{ReadStatus::kOk, 32}));
  EXPECT_EQ(out, Samples(2, kRate, 32, 2));
}

class FullToTheBlock : public FullDisk {
 protected:
  enum Try { kDone, kRefused, kWrong };  // what a child ends with

  void FillUpButForSpares() {
    for (int i = 0; i < kSpares; ++i)
      std::ofstream(OnDisk("spare" + std::to_string(i)))
          << std::string(GetParam().block_bytes, 's');
    FillUp("ballast");
  }
  // Tries with no block free, one more, one more, ... until it is done. What a try reserved stays.
  void TryUntilDone(const std::function<int()>& body) {
    for (int freed = 0; freed < kSpares; ++freed) {
      const int ended = InChild(body);
      if (ended == kDone) {
        EXPECT_NE(freed, 0) << "there was room: nothing is shown";
        std::printf("refused %d times\n", freed);
        return;
      }
      ASSERT_EQ(ended, kRefused) << (ended == 128 + SIGBUS ? "killed by SIGBUS, " : "") << freed
                                 << " blocks after the disk was full";
      Free("spare" + std::to_string(freed));
    }
    FAIL() << "refused with " << kSpares << " blocks free";
  }
  // Of a child's call.
  template <typename T>
  static Try Ended(const Result<T>& result) {
    if (result) return kDone;
    if (result.error().code() == ErrorCode::kNoSpace) return kRefused;
    std::fprintf(stderr, "%s\n", result.error().Message().c_str());
    return kWrong;
  }

  static constexpr int kSpares = 150;
  static constexpr std::int64_t kSmallRate = 8000;  // a page of SmallCanvas has as many frames
};

INSTANTIATE_TEST_SUITE_P(BlocksOf, FullToTheBlock,
                         ::testing::Values(Disk{"ext4", 40, 1024}, Disk{"ext4", 40, 4096}),
                         [](const auto& disk) { return std::to_string(disk.param.block_bytes); });

// The index has the page, the file reaches over it again, and nothing of it is on the disk.
TEST_P(FullToTheBlock, APageThatAPowerLossTookAndALaterOneCoversIsMadeAnewOrRefused) {
  constexpr Frame kLost(3 * kSmallRate);
  Must(Canvas::Create(path_, SmallCanvas()));
  LaneId lane;
  std::uintmax_t before = 0;
  {
    Canvas canvas = OpenForWriting(path_);
    lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {kSmallRate, 1}}));
    FrameWriter writer = Must(canvas.Writer(lane));
    Must(writer.Write(Frame(0), Samples(1, 0, 1000, 2)));
    before = std::filesystem::file_size(path_);
    Must(writer.Write(kLost, Samples(1, kLost.value(), 1000, 2)));
  }
  std::filesystem::resize_file(path_, before);
  Must(OpenForWriting(path_).AllocatePage(PageIndex(5)));
  EXPECT_EQ(Must(Canvas::Open(path_)).Info().ready_pages, 2U) << "the first and the last";
  FillUpButForSpares();
  // No call takes it for one that is there and has its space.
  EXPECT_EQ(InChild([&] { return Ended(OpenForWriting(path_).AllocatePage(PageIndex(3))); }),
            kRefused);
  TryUntilDone([&]() -> int {
    Canvas sut = OpenForWriting(path_);
    LaneReader reader = Must(sut.Reader(lane));
    std::vector<float> out(2000);
    if (reader.Read(kLost, out).status != ReadStatus::kUnwritten) return kWrong;
    FrameWriter writer = Must(sut.Writer(lane));
    return Ended(writer.Write(kLost, Samples(1, kLost.value(), 1000, 2, 1)));
  });
  if (HasFailure()) return;
  const Canvas sut = Must(Canvas::Open(path_));
  EXPECT_EQ(sut.Info().ready_pages, 3U);
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(2000);
  EXPECT_EQ(reader.Read(kLost, out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, kLost.value(), 1000, 2, 1));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 1000, 2));
  EXPECT_TRUE(Must(sut.Check()).ok());
}

// `cp --sparse=always` makes holes of what was reserved and never written, by the block of the
// disk.
class SparseCopy : public FullToTheBlock {
 protected:
  void CopyToTheDisk() const { ASSERT_EQ(RunProgram({"cp", "--sparse=always", made_, path_}), 0); }
  // Whether anything of the copy's bytes [first, end) is on the disk.
  bool HasSpace(std::uint64_t first, std::uint64_t end) const {
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    const off_t data = lseek(fd, static_cast<off_t>(first), SEEK_DATA);
    close(fd);
    return data >= 0 && data < static_cast<off_t>(end);
  }

  std::string made_ = dir_.path("made.canvas");
};

INSTANTIATE_TEST_SUITE_P(BlocksOf, SparseCopy,
                         ::testing::Values(Disk{"ext4", 40, 1024}, Disk{"ext4", 40, 4096}),
                         [](const auto& disk) { return std::to_string(disk.param.block_bytes); });

// Of a canvas that nobody has edited yet: the editor's record is in the control words, and so
// are the bits that the first page sets.
TEST_P(SparseCopy, WithHolesInItsControlWordsIsOpenedForWritingOrRefused) {
  Must(Canvas::Create(made_, SmallCanvas()));
  CopyToTheDisk();
  constexpr std::uint64_t kRecord = format::kControlOffset + format::control::kIndexChunks;
  ASSERT_EQ(HasSpace(kRecord, kRecord + 1024), GetParam().block_bytes != 1024);
  FillUpButForSpares();
  EXPECT_EQ(CodeOf(Canvas::Open(path_, {.access = Access::kReadWrite})), ErrorCode::kNoSpace);
  EXPECT_TRUE(Must(Must(Canvas::Open(path_)).Lanes()).empty()) << "who reads needs no space";
  TryUntilDone([&]() -> int {
    auto sut = Canvas::Open(path_, {.access = Access::kReadWrite});
    if (!sut) return Ended(sut);
    if (const auto lane = sut->FindLane("a"); !lane) {
      const auto added = sut->AddLane({.name = "a", .channels = 2, .rate = {kSmallRate, 1}});
      if (!added) return Ended(added);
    }
    auto writer = sut->Writer(Must(sut->FindLane("a")).id);
    if (!writer) return Ended(writer);
    const auto written = writer->Write(Frame(0), Samples(1, 0, 1000, 2));
    return written ? Ended(sut->Sync()) : Ended(written);
  });
  if (HasFailure()) return;
  const Canvas sut = Must(Canvas::Open(path_));
  LaneReader reader = Must(sut.Reader(Must(sut.FindLane("a")).id));
  std::vector<float> out(2000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 1000, 2));
  EXPECT_TRUE(Must(sut.Check()).ok());
}

// Of a canvas that is in use, and holds silence: its blocks are holes, and so are words of its
// slots.
TEST_P(SparseCopy, OfSilenceIsWrittenOverOrRefused) {
  Must(Canvas::Create(made_, SmallCanvas()));
  LaneId lane;
  {
    Canvas canvas = OpenForWriting(made_);
    lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {kSmallRate, 1}}));
    FrameWriter writer = Must(canvas.Writer(lane));
    const std::vector<float> silence(2000, 0.0F);
    Must(writer.Write(Frame(0), Samples(1, 0, 1000, 2)));
    Must(writer.Write(Frame(1000), silence));
    Must(writer.Write(Frame(kSmallRate), silence));
    Must(writer.Write(Frame(kSmallRate), silence));  // so that the undo place holds zeros
  }
  CopyToTheDisk();
  FillUpButForSpares();
  TryUntilDone([&]() -> int {
    auto sut = Canvas::Open(path_, {.access = Access::kReadWrite});
    if (!sut) return Ended(sut);
    auto writer = sut->Writer(lane);
    if (!writer) return Ended(writer);
    int ended = kDone;
    const auto write = [&](std::int64_t first, std::uint64_t frames) {
      ended =
          std::max<int>(ended, Ended(writer->Write(Frame(first), Samples(1, first, frames, 2))));
    };
    write(kSmallRate + 500, 500);
    write(1500, 1000);  // over silence, and behind the end
    write(kSmallRate + 5000, 100);
    write(1000, 500);
    write(kSmallRate, 500);
    write(3 * kSmallRate, 100);
    return ended;
  });
  if (HasFailure()) return;
  LaneReader reader = Must(Must(Canvas::Open(path_)).Reader(lane));
  std::vector<float> out(5000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 2500, 2));
  EXPECT_TRUE(Must(Must(Canvas::Open(path_)).Check()).ok());
}

// A power loss left a block half rewritten, with silence, and another that nothing vouches for, and
// lost the intent that goes with them. Whoever writes to either puts the one back first: where the
// copy has a hole.
TEST_P(SparseCopy, OfABlockThatIsToBePutBackIsWrittenOrRefused) {
  constexpr std::uint32_t kBlockBytes = 16 * 1024;  // whole ones of the disk's
  constexpr std::int64_t kBlock = kBlockBytes / 8;  // frames
  CreateOptions options = SmallCanvas();
  options.layout.block_bytes = options.layout.extent_bytes = kBlockBytes;
  Must(Canvas::Create(made_, options));
  LaneId lane;
  {
    Canvas canvas = OpenForWriting(made_);
    lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {kSmallRate, 1}}));
    FrameWriter writer = Must(canvas.Writer(lane));
    Must(writer.Write(Frame(0), Samples(1, 0, 3 * kBlock, 2)));
    Must(writer.Write(Frame(0), Samples(1, 0, 1, 2)));  // so that the undo place is reserved
  }
  {
    const OpenLane opened(made_, lane);
    const auto part = opened.Part(PageIndex(0));
    std::vector<std::byte> scratch(kBlockBytes);
    sync::BeginOverwrite(part, 1, scratch.data(), [](const void* bytes) {
      return part::frames::UndoChecksum(bytes, kBlockBytes);
    });
    sync::ZeroIn(part.data + kBlockBytes, kBlockBytes);
    part.versions[2].store(format::Version::FromWord(part.versions[2].load()).Changing().ToWord());
  }
  CopyToTheDisk();
  FillUpButForSpares();
  const auto fresh = Samples(5, 0, 10, 2);
  TryUntilDone([&]() -> int {
    auto sut = Canvas::Open(path_, {.access = Access::kReadWrite});
    if (!sut) return Ended(sut);
    auto writer = sut->Writer(lane);
    if (!writer) return Ended(writer);
    const auto other = writer->Write(Frame(2 * kBlock), fresh);
    return other ? Ended(writer->Write(Frame(kBlock), fresh)) : Ended(other);
  });
  if (HasFailure()) return;
  auto expected = Samples(1, 0, 3 * kBlock, 2);
  std::ranges::copy(fresh, expected.begin() + 2 * kBlock);
  std::fill(expected.begin() + 4 * kBlock, expected.end(), 0.0F);
  std::ranges::copy(fresh, expected.begin() + 4 * kBlock);
  LaneReader reader = Must(Must(Canvas::Open(path_)).Reader(lane));
  std::vector<float> out(expected.size());
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, expected);
  EXPECT_TRUE(Must(Must(Canvas::Open(path_)).Check()).ok());
}

}  // namespace
}  // namespace canvas
