// Everything a path can turn out to be instead of a good canvas.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/control_words.h"
#include "canvas/format/root.h"
#include "canvas/format/superblock_format.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

namespace fs = std::filesystem;
using testing::CodeOf;
using testing::InChild;
using testing::Must;
using testing::OpenForWriting;
using testing::Samples;
using testing::SmallCanvas;

class BadFile : public testing::CanvasTest {
 protected:
  // A canvas with a lane and two pages.
  void MakeGood() {
    Canvas canvas = Make();
    const LaneId lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
    Must(Must(canvas.Writer(lane)).Write(Frame(0), Samples(1, 0, 10000, 2)));
    Must(canvas.Sync());  // what is known to be on disk, and missing, was taken by someone
  }
  void PokeWord(std::uint64_t offset, std::uint64_t word) const {
    testing::PokeWord(path_, offset, word);
  }
  ErrorCode OpenCode() {
    const auto opened = Canvas::Open(path_);
    if (!opened) {
      EXPECT_TRUE(opened.error().Message().starts_with(path_)) << opened.error().Message();
    }
    return CodeOf(opened);
  }
};

TEST_F(BadFile, NothingThere) {
  EXPECT_EQ(OpenCode(), ErrorCode::kNotFound);
  path_ = dir_.path("no/such/directory");
  EXPECT_EQ(OpenCode(), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Canvas::Create(path_)), ErrorCode::kNotFound);
}

TEST_F(BadFile, NotAFile) {
  path_ = dir_.root().string();
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas);
  EXPECT_EQ(CodeOf(Canvas::Open(path_, {.access = Access::kReadWrite})), ErrorCode::kNotACanvas);
  EXPECT_EQ(CodeOf(Canvas::Create(path_)), ErrorCode::kExists);
  path_ = dir_.path("fifo");
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas) << "and does not wait for a writer";
  EXPECT_EQ(CodeOf(Canvas::Open(path_, {.access = Access::kReadWrite})), ErrorCode::kNotACanvas);
}

TEST_F(BadFile, NotACanvas) {
  std::ofstream(path_).close();
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas) << "empty";
  std::ofstream(path_) << "RIFF";
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas);
  std::ofstream(path_) << "RIFF" << std::string(100'000, 'x');
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas);
  std::ofstream(path_) << std::string(100'000, '\0');
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas);
}

TEST_F(BadFile, ASymlinkIsFollowedForOpeningAndNeverForCreating) {
  MakeGood();
  const std::string link = dir_.path("link");
  fs::create_symlink(path_, link);
  EXPECT_TRUE(Canvas::Open(link).has_value());
  EXPECT_EQ(CodeOf(Canvas::Create(link)), ErrorCode::kExists);
  const std::string dangling = dir_.path("dangling");
  fs::create_symlink(dir_.path("target"), dangling);
  EXPECT_EQ(CodeOf(Canvas::Create(dangling)), ErrorCode::kExists);
  EXPECT_FALSE(fs::exists(dir_.path("target")));
}

TEST_F(BadFile, OneDamagedSuperblockIsMadeUpForByTheOther) {
  for (const std::uint64_t copy : {0U, 1U}) {
    fs::remove(path_);
    MakeGood();
    const std::vector<char> rubbish(100, 'x');
    testing::Poke(path_, copy * 4096, rubbish.data(), rubbish.size());
    Canvas sut = Must(Canvas::Open(path_));
    const CheckReport report = Must(sut.Check());
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_NE(report.findings[0].find("superblock copy " + std::to_string(copy)),
              std::string::npos);
  }
  const std::vector<char> rubbish(8192, 'x');
  testing::Poke(path_, 0, rubbish.data(), rubbish.size());
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas);
}

TEST_F(BadFile, TwoSuperblocksThatDisagreeAreRefused) {
  MakeGood();
  format::SuperblockBytes bytes;
  {
    std::ifstream in(path_, std::ios::binary);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  bytes[48] ^= std::byte{1};  // another uuid
  format::SealSuperblock(bytes);
  testing::Poke(path_, 4096, bytes.data(), bytes.size());
  EXPECT_EQ(OpenCode(), ErrorCode::kCorrupt);
}

TEST_F(BadFile, CutShortAnywhereIsSaidAtOpen) {
  MakeGood();
  const auto size = static_cast<std::uint64_t>(fs::file_size(path_));
  const format::SuperblockBytes superblock = [&] {
    format::SuperblockBytes bytes;
    std::ifstream(path_, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }();
  const auto decoded = Must(format::DecodeSuperblock(superblock, false));
  const auto geometry = Must(format::Geometry::Make(decoded.geometry));
  std::vector<std::uint64_t> boundaries = {
      4096,
      8192,
      format::kControlOffset + format::kControlBytes,
      format::kOwnerTableOffset,
      format::kOwnerTableOffset + format::kOwnerEntries * format::kOwnerEntryBytes,
      format::kPageIndexOffset,
      format::kPageIndexOffset + format::kPageIndexBytes,
      geometry.HeaderPlace(1).value(),
      geometry.pages_offset(),
      geometry.Page(PageIndex(1)).value(),
      size};
  const format::SlotRun run{};
  for (const std::uint64_t piece :
       {geometry.latent_words(), geometry.SlotControl(run), geometry.Versions(run),
        geometry.DurableEntries(run, 0), geometry.DurableEntries(run, 1), geometry.UndoPlace(run),
        geometry.MetadataPlace(0), geometry.Data(run)})
    boundaries.push_back(geometry.Page(PageIndex(1)).value() + piece);
  std::sort(boundaries.rbegin(), boundaries.rend());
  for (const std::uint64_t boundary : boundaries)
    for (const std::uint64_t cut : {boundary + 1, boundary, boundary - 1}) {
      if (cut >= size) continue;
      fs::resize_file(path_, cut);
      const ErrorCode code = OpenCode();
      EXPECT_EQ(code, ErrorCode::kCorrupt) << "cut at " << cut;
    }
  fs::resize_file(path_, 0);
  EXPECT_EQ(OpenCode(), ErrorCode::kNotACanvas);
}

TEST_F(BadFile, ControlWordsOutOfRangeAreRefused) {
  MakeGood();
  namespace control = format::control;
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{99}, format::kMaxPages + 1, ~std::uint64_t{0}}) {
    PokeWord(format::kControlOffset + control::kCapacityPages, value);
    EXPECT_EQ(OpenCode(), ErrorCode::kCorrupt) << value;
  }
  PokeWord(format::kControlOffset + control::kCapacityPages, 100);
  PokeWord(format::kControlOffset + control::kDurableBytes, ~std::uint64_t{0});
  EXPECT_EQ(OpenCode(), ErrorCode::kCorrupt);
}

// Features that a newer program set on a file that exists: in the control words, beside the
// superblock's.
TEST_F(BadFile, FeaturesThatWereSetSinceCount) {
  MakeGood();
  namespace control = format::control;
  Canvas writer = OpenForWriting(path_);
  const Canvas reader = Must(Canvas::Open(path_));
  PokeWord(format::kControlOffset + control::kCompatible, 1);
  EXPECT_TRUE(Canvas::Open(path_, {.access = Access::kReadWrite}).has_value());
  PokeWord(format::kControlOffset + control::kReadOnlyCompatible, 4);
  EXPECT_TRUE(Canvas::Open(path_).has_value());
  EXPECT_EQ(CodeOf(Canvas::Open(path_, {.access = Access::kReadWrite})), ErrorCode::kUnsupported);
  // A writer that was there before begins nothing more.
  const LaneId lane = Must(writer.FindLane("a")).id;
  EXPECT_EQ(CodeOf(writer.Writer(lane)), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf(writer.RenameLane(lane, "b")), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf(writer.AllocatePage(PageIndex(9))), ErrorCode::kUnsupported);
  PokeWord(format::kControlOffset + control::kReadOnlyCompatible, 0);
  PokeWord(format::kControlOffset + control::kIncompatible, 2);
  EXPECT_EQ(OpenCode(), ErrorCode::kUnsupported);
}

// Pages that the index has and the file has not: a power loss took their growth, which nobody had
// synced.
TEST_F(BadFile, PagesBeyondTheEndThatWereNeverSyncedAreAbsent) {
  MakeGood();
  const auto synced = fs::file_size(path_);
  {
    Canvas canvas = OpenForWriting(path_);
    const LaneId lane = Must(canvas.FindLane("a")).id;
    Must(Must(canvas.Writer(lane)).Write(Frame(20000), Samples(1, 20000, 5000, 2)));
  }
  ASSERT_GT(fs::file_size(path_), synced);
  fs::resize_file(path_, synced);
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.FindLane("a")).id;
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(2 * 5000);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 0, 5000, 2));
  EXPECT_EQ(reader.Read(Frame(20000), out).status, ReadStatus::kUnwritten);
  const CheckReport report = Must(sut.Check());
  EXPECT_TRUE(report.ok()) << report.findings[0];
  EXPECT_FALSE(report.notes.empty());
  Must(Must(sut.Writer(lane)).Write(Frame(20000), Samples(1, 20000, 5000, 2)));
  EXPECT_EQ(reader.Read(Frame(20000), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 20000, 5000, 2));
}

// The same, and then a later page is grown: the file reaches over the lost ones again.
TEST_F(BadFile, PagesThatWereLostDoNotComeBackWithALaterOne) {
  MakeGood();
  const auto synced = fs::file_size(path_);
  {
    Canvas canvas = OpenForWriting(path_);
    for (const std::uint32_t page : {3U, 5U}) Must(canvas.AllocatePage(PageIndex(page)));
  }
  fs::resize_file(path_, synced);
  Canvas sut = OpenForWriting(path_);
  Must(sut.AllocatePage(PageIndex(10)));
  EXPECT_EQ(sut.Info().ready_pages, 3U);
  const CheckReport report = Must(sut.Check());
  EXPECT_TRUE(report.ok()) << report.findings[0];
  EXPECT_EQ(report.notes.size(), 2U);
  // A window over such a page sees it when it is made anew.
  const LaneId lane = Must(sut.FindLane("a")).id;
  Window window = Must(sut.MakeWindow(std::span(&lane, 1), {.clock = {8000, 1}}));
  Must(window.MoveTo({Frame(40000), Frame(41000)}));
  WindowReader reader = Must(window.Reader(lane));
  std::vector<float> out(2 * 1000);
  EXPECT_EQ(reader.Read(Frame(40000), out).status, ReadStatus::kOutside);
  Must(Must(sut.Writer(lane)).Write(Frame(40000), Samples(1, 40000, 1000, 2)));
  Must(window.MoveTo({Frame(40000), Frame(41000)}));
  EXPECT_EQ(reader.Read(Frame(40000), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(1, 40000, 1000, 2));
  EXPECT_EQ(Must(sut.Check()).notes.size(), 1U);
}

TEST_F(BadFile, TextsThatAreTooLongAreErrors) {
  MakeGood();
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.FindLane("a")).id;
  const std::string huge(std::size_t{512} << 20, 'x');
  EXPECT_EQ(CodeOf(sut.DescribeLane(lane, huge)), ErrorCode::kLimit);
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 1, .rate = {8000, 1}, .tool = huge})),
            ErrorCode::kLimit);
  CreateOptions options = SmallCanvas();
  options.title = huge;
  EXPECT_EQ(CodeOf(Canvas::Create(dir_.path("x"), options)), ErrorCode::kLimit);
  EXPECT_EQ(Must(sut.FindLane("a")).description, "");
}

TEST_F(BadFile, AHeaderThatCannotBeReadFallsBackToAnOlderOneAndCheckSaysSo) {
  MakeGood();
  const std::uint64_t bad_root = format::Root{77, 200}.ToWord();
  PokeWord(format::kControlOffset + format::control::kHeaderRoot, bad_root);
  Canvas sut = Must(Canvas::Open(path_));
  EXPECT_FALSE(Must(sut.Check()).ok());
  EXPECT_TRUE(sut.Info().header_recovered);
  Canvas writer = OpenForWriting(path_);
  EXPECT_EQ(CodeOf(writer.AddLane({.name = "b", .channels = 2, .rate = {8000, 1}})),
            ErrorCode::kCorrupt)
      << "ids and slots of what is lost would be given out again";
  const LaneId lane = Must(writer.FindLane("a")).id;
  EXPECT_EQ(CodeOf(writer.RemoveLane(lane)), ErrorCode::kCorrupt);
  LaneReader reader = Must(writer.Reader(lane));
  std::vector<float> out(200);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk) << "refused before it was erased";
}

TEST_F(BadFile, NoReadableHeaderAtAllIsAnError) {
  MakeGood();
  const std::vector<char> rubbish(2 * 64 * 1024, 'x');  // both places in use
  testing::Poke(path_, format::kHeaderPlacesOffset, rubbish.data(), rubbish.size());
  EXPECT_EQ(OpenCode(), ErrorCode::kCorrupt);
}

// Rubbish in every shared word: an error or a defined answer, and check finds what matters.
TEST_F(BadFile, RandomDamageNeverCrashesAReaderOrAWriter) {
  const std::uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  MakeGood();
  const std::string good = dir_.path("good");
  testing::CopySparse(path_, good);
  const auto geometry = Must(format::Geometry::Make([] {
    auto fields = format::GeometryFields{};
    fields.rate = {8000, 1};
    fields.page_seconds = 1;
    fields.wide_slots = 8;
    fields.small_slots = 4;
    fields.block_bytes = 512;
    fields.extent_bytes = 4096;
    fields.slot_align_bytes = 4096;
    fields.wide_slot_bytes = *format::WideSlotBytesFor(fields.rate, 1, 4096);
    fields.small_slot_bytes = 16 * 1024;
    fields.capacity_pages = 100;
    fields.header_place_bytes = 64 * 1024;
    return fields;
  }()));
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> regions = {
      {0, 8192},
      {format::kControlOffset, 2048},
      {format::kOwnerTableOffset, 4096},
      {format::kPageIndexOffset, 64},
      {format::kHeaderPlacesOffset, 131072},
      {geometry.Page(PageIndex(0)).value(), 4096},
      {geometry.Page(PageIndex(0)).value() + geometry.SlotControl({}), 1024},
      {geometry.Page(PageIndex(1)).value() + geometry.SlotControl({}), 1024},
      {geometry.Page(PageIndex(0)).value() + geometry.Versions({}), 1024},
  };
  int opened = 0;
  int windows = 0;
  for (int round = 0; round < 300; ++round) {
    testing::CopySparse(good, path_);
    for (std::uint64_t n = random() % 8 + 1; n > 0; --n) {
      const auto& [start, bytes] = regions[random() % regions.size()];
      const std::uint64_t word = random() % 3 == 0 ? random() : random() % 300;
      PokeWord(start + random() % bytes / 8 * 8, word);
    }
    auto sut = Canvas::Open(path_, {.access = Access::kReadWrite, .sync_on_close = false});
    if (!sut) continue;
    ++opened;
    (void)sut->Check();
    (void)sut->Usage();
    (void)sut->Owners();
    (void)sut->TempoMaps();
    if (const auto pin = sut->Pin()) (void)pin->Lanes();
    auto watcher = sut->Watch();
    const auto lane = sut->FindLane("a");
    if (!lane) continue;
    {
      const auto hold = sut->Hold(lane->id, {PageIndex(0), PageIndex(2)});
      auto window = sut->MakeWindow({{lane->id}}, {.clock = {8000, 1}, .max_seconds = 3});
      if (window) {
        for (const std::int64_t at : {0, 5000, 790000}) {
          if (window->MoveTo({Frame(at), Frame(at + 20000)})) ++windows;
          auto inside = window->Reader(lane->id);
          if (!inside) continue;
          std::vector<float> out(4000 * lane->channels);
          (void)inside->Read(Frame(at), out);
          (void)inside->ViewAt(Frame(at + 100), 1000);
        }
      }
    }
    if (auto reader = sut->Reader(lane->id)) {
      std::vector<float> out(20000 * lane->channels);
      (void)reader->Read(Frame(0), out);
      for (std::int64_t at = 0; at < 16000; at += 1000) {
        const View view = reader->ViewAt(Frame(at), 8000);
        volatile float sum = 0;
        for (const float sample : view.samples()) sum = sum + sample;
      }
    }
    if (auto writer = sut->Writer(lane->id)) {
      (void)writer->Write(Frame(100), Samples(1, 0, 9000, lane->channels));
      (void)writer->Append(Samples(1, 0, 10, lane->channels));
      (void)writer->Erase({Frame(0), Frame(800000)});
    }
    if (watcher) (void)watcher->Next(std::chrono::milliseconds(0));
  }
  EXPECT_GT(windows, 50) << "the damage is too coarse to test windows";
  std::printf("%d of 300 damaged canvases opened\n", opened);
  EXPECT_GT(opened, 50) << "the damage is too coarse to test anything";
}

TEST_F(BadFile, PermissionIsTheSystemsToGive) {
  MakeGood();
  fs::permissions(path_, fs::perms::none);
  fs::permissions(dir_.root(), fs::perms::owner_read | fs::perms::owner_exec);
  const int ended = InChild([&] {
    // Root may do everything: give that up first.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2] = {};
    if (syscall(SYS_capset, &header, none) != 0) return 9;
    const auto opened = Canvas::Open(path_);
    if (opened || opened.error().code() != ErrorCode::kPermission) return 1;
    const auto created = Canvas::Create(dir_.path("new.canvas"));
    if (created || created.error().code() != ErrorCode::kPermission) return 2;
    return 0;
  });
  EXPECT_EQ(ended, 0);
  fs::permissions(dir_.root(), fs::perms::owner_all);
}

TEST_F(BadFile, ALimitOnFileSizeIsAnErrorAndNotASignal) {
  MakeGood();
  const int ended = InChild([&] {
    const auto size = static_cast<rlim_t>(fs::file_size(path_));
    const rlimit limit{size, size};
    setrlimit(RLIMIT_FSIZE, &limit);
    Canvas canvas = OpenForWriting(path_);
    FrameWriter writer = Must(canvas.Writer(Must(canvas.FindLane("a")).id));
    const auto written = writer.Write(Frame(50 * 8000), Samples(1, 0, 100, 2));
    if (written || written.error().code() != ErrorCode::kNoSpace) return 1;
    if (!writer.Write(Frame(0), Samples(1, 0, 100, 2))) return 2;  // what fits goes on
    const auto created = Canvas::Create(dir_.path("new.canvas"));
    if (created || created.error().code() != ErrorCode::kNoSpace) return 3;
    return 0;
  });
  EXPECT_EQ(ended, 0);
}

TEST_F(BadFile, CreationIsExclusiveAndPrivate) {
  Must(Canvas::Create(path_, SmallCanvas()));
  EXPECT_EQ(CodeOf(Canvas::Create(path_, SmallCanvas())), ErrorCode::kExists);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(CodeOf(Canvas::Create("")), ErrorCode::kInvalidArgument);
  for (const auto& spoil : {+[](CreateOptions& o) { o.page_seconds = 0; },
                            +[](CreateOptions& o) { o.layout.wide_slots = 0; },
                            +[](CreateOptions& o) { o.layout.wide_slots = 100000; },
                            +[](CreateOptions& o) { o.capacity_seconds = 0; },
                            +[](CreateOptions& o) { o.capacity_seconds = ~std::uint64_t{0}; },
                            +[](CreateOptions& o) { o.layout.block_bytes = 1000; },
                            +[](CreateOptions& o) { o.layout.extent_bytes = 0; },
                            +[](CreateOptions& o) {
                              o.rate = Rate{0, 1};
                            },
                            +[](CreateOptions& o) {
                              o.rate = Rate{1, 0};
                            }}) {
    CreateOptions options = SmallCanvas();
    spoil(options);
    EXPECT_EQ(CodeOf(Canvas::Create(dir_.path("x"), options)), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_.root()), fs::directory_iterator()), 1)
      << "no litter";
}

}  // namespace
}  // namespace canvas
