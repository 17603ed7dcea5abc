// Files that are small and claim to be huge: every call on them ends, and takes memory for what is
// there, not for what is claimed: of its own (a child has a limit on its address space), and of the
// file's pages (as many as it maps). The alarm is there for what hangs, and measures nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/control_words.h"
#include "canvas/format/page_words.h"
#include "canvas/format/slot_words.h"
#include "canvas/format/snapshot_format.h"
#include "canvas/format/superblock_format.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::Must;

constexpr std::uint64_t kMiB = 1 << 20;

// What this process has of address space, and what of it is in memory, the file's pages included.
struct Memory {
  std::uint64_t mapped = 0;
  std::uint64_t resident = 0;
};
Memory MemoryNow() {
  Memory now;
  std::ifstream("/proc/self/statm") >> now.mapped >> now.resident;
  return {now.mapped * 4096, now.resident * 4096};
}

class HostileFile : public testing::CanvasTest {
 protected:
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: no limit on address space under a sanitizer";
  }

  void PokeWord(std::uint64_t offset, std::uint64_t word) const {
    testing::PokeWord(path_, offset, word);
  }

  // Slots of nearly 2^36 bytes, blocks of 512: one page has 2^27 blocks of one lane. A lane of
  // two channels, that of `parts` pages of an hour claims to have written every frame.
  void MakeHuge(std::uint32_t parts) const {
    CreateOptions options;
    options.rate = {2'385'000, 1};
    options.page_seconds = 3600;
    options.layout.wide_slots = 1;
    options.layout.small_slots = 0;
    options.capacity_seconds = 3600 * 100;
    options.layout.block_bytes = 512;
    options.layout.extent_bytes = 4096;
    options.layout.header_place_bytes = 64 * 1024;
    Must(Canvas::Create(path_, options));
    {
      Canvas canvas = testing::OpenForWriting(path_);
      Must(canvas.AddLane({.name = "a", .channels = 2, .rate = options.rate}));
    }
    format::SuperblockBytes bytes;
    std::ifstream(path_, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    auto superblock = Must(format::DecodeSuperblock(bytes, false));
    const auto geometry = Must(format::Geometry::Make(superblock.geometry));
    ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(geometry.PageEnd(PageIndex(99)).value())),
              0);
    // All pages there can be, in the superblock and the control words; all chunks of the index; and
    // every entry of the first one.
    superblock.geometry.capacity_pages = format::kMaxPages;
    const auto sealed = format::EncodeSuperblock(superblock);
    for (const std::uint64_t copy : {0U, 1U})
      testing::Poke(path_, copy * format::kSuperblockBytes, sealed.data(), sealed.size());
    PokeWord(format::kControlOffset + format::control::kCapacityPages, format::kMaxPages);
    for (std::uint64_t word = 0; word < format::control::kIndexChunkWords; ++word)
      PokeWord(format::kControlOffset + format::control::kIndexChunks + word * 8,
               ~std::uint64_t{0});
    PokeWord(format::kControlOffset + format::control::kOwnerEntries, format::kOwnerEntries);
    const std::vector<std::uint64_t> ready(format::kFileBlock / 8, format::kPageReady);
    testing::Poke(path_, format::kPageIndexOffset, ready.data(), format::kFileBlock);
    namespace slot = format::slot_control;
    for (std::uint32_t page = 0; page < parts; ++page) {
      const std::uint64_t start = geometry.Page(PageIndex(page)).value();
      PokeWord(start + format::page_control::kPageNumber, page + 1);
      for (std::uint64_t word = 0; word < format::page_control::kSlotBitWords; ++word)
        PokeWord(start + format::page_control::kSlotBits + word * 8, ~std::uint64_t{0});
      const std::uint64_t control = start + geometry.SlotControl({});
      PokeWord(control + slot::kLaneId, 1);
      PokeWord(control + slot::kLife, format::Life{1, format::PartState::kReady}.ToWord());
      PokeWord(control + slot::kMark, std::uint64_t{2'385'000} * 3600);
      PokeWord(control + slot::kLow, 0);
      PokeWord(control + slot::kUndoBlock, 77);
    }
    struct stat status {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    std::printf("%llu KiB that claim to be %llu GiB\n",
                static_cast<unsigned long long>(status.st_blocks / 2),
                static_cast<unsigned long long>(status.st_size >> 30));
  }

  // Runs `body` in a child that may have `mebibytes` more of address space than it has with the
  // canvas open, and demands that it ends well.
  void Within(std::uint64_t mebibytes, Access access,
              const std::function<void(Canvas&)>& body) const {
    const pid_t child = fork();
    if (child == 0) {
      alarm(120);
      // Of the pages that it claims as many as may be mapped twice.
      Canvas canvas = Must(Canvas::Open(
          path_,
          {.access = access, .max_map_bytes = std::uint64_t{10} << 40, .sync_on_close = false}));
      const Memory before = MemoryNow();
      const std::uint64_t most = before.mapped + mebibytes * kMiB;
      const rlimit limit{most, most};
      setrlimit(RLIMIT_AS, &limit);
      body(canvas);
      EXPECT_LT(MemoryNow().resident, before.resident + mebibytes * kMiB) << "of the file";
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
};

// Says how long it took and what came of it, for people.
template <typename Call>
auto Timed(const char* what, Call call) {
  const auto begin = std::chrono::steady_clock::now();
  auto result = call();
  std::printf(
      "  %-20s %8.1f ms\n", what,
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  if constexpr (requires { result.error(); })
    if (!result) std::printf("    %s\n", result.error().Message().c_str());
  std::fflush(stdout);
  return result;
}

constexpr std::uint64_t kRoom = 64;  // MiB

TEST_F(HostileFile, ReadersOfAHugeClaimAreAnsweredFromWhatIsThere) {
  MakeHuge(4);
  Within(kRoom, Access::kReadOnly, [](Canvas& sut) {
    const LaneId lane = Must(sut.Lanes())[0].id;
    Timed("check", [&] { return sut.Check(); });
    Timed("info", [&] { return sut.Info().ready_pages; });
    Timed("usage", [&] { return sut.Usage(); });
    Timed("owners", [&] { return sut.Owners(); });
    Timed("tempo maps", [&] { return sut.TempoMaps(); });
    const auto pin = Timed("pin", [&] { return sut.Pin(); });
    ASSERT_TRUE(pin);
    EXPECT_EQ(Must(pin->Lanes()).size(), 1U);
    Must(pin->TempoMaps());
    const auto hold = Timed("hold", [&] {
      return sut.Hold(lane, {PageIndex(0), PageIndex(1 << 20)});
    });
    EXPECT_TRUE(hold);
    auto watcher = Timed("watch", [&] { return sut.Watch(); });
    ASSERT_TRUE(watcher);
    Timed("next", [&] { return watcher->Next(std::chrono::milliseconds(0)); });
    LaneReader reader = Must(sut.Reader(lane));
    const LaneExtent extent = Timed("extent", [&] { return reader.Extent(); });
    EXPECT_EQ(extent.written_frames, 0U);
    const auto all = Timed("written ranges", [&] {
      return reader.WrittenRanges({Frame(0), Frame(std::numeric_limits<std::int64_t>::max())});
    });
    EXPECT_TRUE(Must(all).empty());
    std::vector<float> out(2 * 100000);
    for (const std::int64_t at : {std::int64_t{0}, std::int64_t{3600} * 2'385'000 - 50000,
                                  std::int64_t{1} << 50, std::int64_t{-1}}) {
      (void)reader.Read(Frame(at), out);
      EXPECT_EQ(reader.ViewAt(Frame(at), ~std::uint64_t{0}).frames(), 0U);
    }
  });
}

TEST_F(HostileFile, AWindowOverAHugeClaimIsRefusedOrSmall) {
  MakeHuge(4);
  Within(kRoom, Access::kReadOnly, [](Canvas& sut) {
    const LaneId lane = Must(sut.Lanes())[0].id;
    for (const std::uint32_t seconds : {1U, 3600U, 24 * 3600U}) {
      auto window = Timed("window", [&] {
        return sut.MakeWindow({{lane}}, {.clock = {2'385'000, 1}, .max_seconds = seconds});
      });
      if (!window) {
        EXPECT_EQ(window.error().code(), ErrorCode::kLimit) << window.error().Message();
        continue;
      }
      Timed("move", [&] {
        return window->MoveTo({Frame(0), Frame(std::int64_t{seconds} * 2'385'000)});
      });
      auto reader = window->Reader(lane);
      std::vector<float> out(2 * 1000);
      if (reader) (void)reader->Read(Frame(0), out);
      (void)window->Report();
    }
  });
}

TEST_F(HostileFile, WritersOfAHugeClaimEnd) {
  MakeHuge(2);
  Within(kRoom, Access::kReadWrite, [](Canvas& sut) {
    const LaneId lane = Must(sut.Lanes())[0].id;
    const std::vector<float> samples(2 * 100, 0.5F);
    auto writer = Timed("own", [&] { return sut.Writer(lane); });
    ASSERT_TRUE(writer) << writer.error().Message();
    Timed("end", [&] { return writer->end(); });
    Timed("write", [&] { return writer->Write(Frame(1000), samples); });
    Timed("append", [&] { return writer->Append(samples); });
    Timed("sync", [&] { return sut.Sync(); });
    Timed("erase", [&] { return writer->Erase({Frame(0), Frame(std::int64_t{1} << 33)}); });
    Timed("add lane", [&] {
      return sut.AddLane({.name = "b", .channels = 2, .rate = {48000, 1}});
    });
    Timed("allocate", [&] { return sut.AllocatePage(PageIndex(99)); });
    Timed("punch", [&] { return sut.PunchPage(PageIndex(1)); });
    Timed("remove", [&] { return sut.RemoveLane((*std::move(writer)).Release()); });
  });
}

// Each lane's words alone would be borne.
TEST_F(HostileFile, AWindowOverManyLargeLanesIsRefused) {
  CreateOptions options;
  options.rate = {30'000, 1};
  options.page_seconds = 3600;
  options.layout.wide_slots = 64;
  options.layout.small_slots = 0;
  options.capacity_seconds = 3600;
  options.layout.block_bytes = 512;
  options.layout.extent_bytes = 4096;
  Must(Canvas::Create(path_, options));
  {
    Canvas canvas = testing::OpenForWriting(path_);
    for (int i = 0; i < 64; ++i)
      Must(canvas.AddLane({.name = std::to_string(i), .channels = 2, .rate = {30'000, 1}}));
  }
  Within(kRoom, Access::kReadOnly, [](Canvas& sut) {
    std::vector<LaneId> lanes;
    for (const LaneInfo& lane : Must(sut.Lanes())) lanes.push_back(lane.id);
    const WindowOptions day{.clock = {30'000, 1}, .max_seconds = 24 * 3600};
    EXPECT_EQ(testing::CodeOf(sut.MakeWindow(lanes, day)), ErrorCode::kLimit);
    EXPECT_TRUE(sut.MakeWindow(std::span(lanes).first(1), day));
  });
}

// A message of a few words, in a place of which all the rest is a hole, that claims to be very many
// records: a list of elements that have no bytes, or many pointers to one such list.
TEST_F(HostileFile, AHeaderThatClaimsMoreThanItHoldsIsCorrupt) {
  CreateOptions options = testing::SmallCanvas();
  options.layout.header_place_bytes = 64 * 1024 * 1024;
  using Words = std::vector<std::uint64_t>;
  // A pointer at word `from` to a list whose tag is word `tag`; the tag of a list of structs.
  const auto list = [](std::uint64_t from, std::uint64_t tag, std::uint64_t words) {
    return (tag - from - 1) << 2 | 1 | std::uint64_t{7} << 32 | words << 35;
  };
  const auto tag_of = [](std::uint64_t count, std::uint64_t pointers) {
    return count << 2 | pointers << 48;
  };
  // Lanes, tempo maps, markers: pointers 0, 1, 2 of the root, as schema/header.capnp has them.
  std::vector<std::function<void(Words&)>> cases;
  for (const std::uint64_t pointer : {0U, 1U, 2U})
    cases.emplace_back([=](Words& words) {
      words[2 + pointer] = list(2 + pointer, 5, 0);
      words[5] = tag_of(20'000'000, 0);
    });
  cases.emplace_back([=](Words& words) {
    // Sixty lanes, each of which claims the same million ranges (its pointer 4).
    constexpr std::uint64_t kLanes = 60;
    constexpr std::uint64_t kPointers = 5;
    constexpr std::uint64_t kRanges = 6 + kLanes * kPointers;
    words[2] = list(2, 5, kLanes * kPointers);
    words[5] = tag_of(kLanes, kPointers);
    for (std::uint64_t lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t at = 6 + lane * kPointers + 4;
      words[at] = list(at, kRanges, 0);
    }
    words[kRanges] = tag_of(1'000'000, 0);
  });
  for (const auto& claim : cases) {
    std::remove(path_.c_str());
    Must(Canvas::Create(path_, options));
    // One segment; the root, which has three pointers and nothing else.
    Words words((options.layout.header_place_bytes - format::kSnapshotHeaderBytes) / 8);
    words[0] = (words.size() - 1) << 32;
    words[1] = std::uint64_t{3} << 48;
    claim(words);
    const auto bytes = std::as_bytes(std::span(words));
    const auto snapshot =
        format::EncodeSnapshotHeader({1, bytes.size(), format::SnapshotChecksum(bytes, 1)});
    testing::Poke(path_, format::kHeaderPlacesOffset, snapshot.data(), snapshot.size());
    testing::Poke(path_, format::kHeaderPlacesOffset + snapshot.size(), words.data(),
                  8192);  // over the old one
    const pid_t child = fork();
    if (child == 0) {
      alarm(120);
      const std::uint64_t most = MemoryNow().mapped + 2048 * kMiB;
      const rlimit limit{most, most};
      setrlimit(RLIMIT_AS, &limit);
      const auto opened = Canvas::Open(path_, {.max_map_bytes = 550 * kMiB});
      if (!opened) std::printf("  %s\n", opened.error().Message().c_str());
      std::fflush(stdout);
      _exit(opened ? 1 : opened.error().code() == ErrorCode::kCorrupt ? 0 : 2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "case " << &claim - cases.data();
  }
}

// Where the words of most blocks are a hole, the file system is asked which are not: none may be
// missed.
TEST_F(HostileFile, AHugePageThatWasGivenBackHasNoBlockWritten) {
  MakeHuge(0);
  Canvas sut = Must(Canvas::Open(path_, {.access = Access::kReadWrite,
                                         .max_map_bytes = std::uint64_t{10} << 40,
                                         .sync_on_close = false}));
  const LaneId lane = Must(sut.Lanes())[0].id;
  const std::vector<float> samples = testing::Samples(1, 0, 64, 2);
  const std::vector<std::int64_t> places = {0, 64 * 513, std::int64_t{1} << 26,
                                            std::int64_t{1} << 32,
                                            std::int64_t{3600} * 2'385'000 - 64};
  LaneReader reader = Must(sut.Reader(lane));
  std::vector<float> out(2 * 64);
  for (const bool synced : {false, true}) {
    {
      FrameWriter writer = Must(sut.Writer(lane));
      for (const std::int64_t at : places) Must(writer.Write(Frame(at), samples));
    }
    if (synced) Must(sut.Sync());
    EXPECT_EQ(reader.Extent().written_frames, places.size() * 64);
    FrameWriter writer = Must(sut.Writer(lane));
    EXPECT_EQ(Must(writer.Erase({Frame(0), Frame(std::int64_t{1} << 40)})).erased_frames,
              places.size() * 64);
    // Marks that cover all of them again.
    Must(writer.Write(Frame(32 * 1024), samples));
    Must(writer.Write(Frame(places.back() - 640), samples));
    Must(writer.Write(Frame(0), std::span(samples).first(2)));
    for (const std::int64_t at : places) {
      if (at == 0) continue;
      EXPECT_EQ(reader.Read(Frame(at), out).written_frames, 0U) << "frame " << at;
    }
    EXPECT_EQ(reader.Extent().written_frames, 3 * 64U) << "blocks, of which the last was begun";
    Must(writer.Erase({Frame(0), Frame(std::int64_t{1} << 40)}));
  }
}

}  // namespace
}  // namespace canvas
