// The realtime read path is bounded: how many instructions each kind of read takes, at its worst,
// counted by callgrind and held against budgets that are pinned for each compiler.
//
//   budget_stress [--print=1]        (runs itself under valgrind --tool=callgrind)
//
// A read's work is, for each block it spans, a few loads, at most kReadTries (four) copies
// (overwrite.h), and for each page a few loads more; nothing in it waits, or repeats beyond that.
// What is counted here copies each block once, or not at all, but for one kind whose every copy
// races: its destination lies over the version word itself, so each copy changes it. Counts are
// exactly repeatable; a budget is the count that was measured, and may be lowered, not passed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/geometry.h"
#include "canvas/format/slot_words.h"
#include "canvas/format/superblock_format.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

// Blocks of 32 KiB, as by default; pages of 2 s, so that valgrind's address space holds it.
constexpr std::int64_t kRate = 48000;
constexpr std::int64_t kPage = 2 * kRate;
constexpr std::int64_t kBlock = 4096;
constexpr std::int64_t kFrames = 256;

// What is counted, and the budget of each compiler. Zero: none is known yet.
struct Kind {
  const char* name;
  std::uint64_t gcc12;
  std::uint64_t clang19;
};
constexpr Kind kKinds[] = {
#include "stress/budgets.inc"
};

// Makes a block look half rewritten: by one who died (its old bytes in the undo place), or so that
// no try can succeed (odd, and the undo place is another block's).
void StoreWord(const std::string& path, std::uint64_t offset, std::uint64_t word) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (pwrite(fd, &word, 8, static_cast<off_t>(offset)) != 8) std::abort();
  close(fd);
}

struct Places {
  explicit Places(const std::string& path) {
    format::SuperblockBytes bytes;
    std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(bytes.data()), bytes.size());
    const auto geometry =
        Must(format::Geometry::Make(Must(format::DecodeSuperblock(bytes, false)).geometry));
    const std::uint64_t page = geometry.Page(PageIndex(0)).value();
    const format::SlotRun run{format::SlotKind::kWide, 0, 1};
    versions = page + geometry.Versions(run);
    undo_block = page + geometry.SlotControl(run) + format::slot_control::kUndoBlock;
    undo = page + geometry.UndoPlace(run);
  }
  std::uint64_t versions;
  std::uint64_t undo_block;
  std::uint64_t undo;
};

// A destination that lies over the version word of `block`, so that what is copied becomes the
// version: from the block, of whose samples every eight bytes look like an odd version, then from
// the undo place, whose bytes look like an even one, and so on. No two looks are the same.
class RacingCopies {
 public:
  static constexpr std::uint32_t kOdd = 0x3F800003;   // float bits: written, changing
  static constexpr std::uint32_t kEven = 0x3F800001;  // written, at rest

  RacingCopies(const std::string& path, const Places& places, std::uint64_t block) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    const std::uint64_t at = places.versions + block * 8;
    const std::uint64_t page = at / 4096 * 4096;
    void* base =
        mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(page));
    if (base == MAP_FAILED) std::abort();
    out_ = reinterpret_cast<float*>(static_cast<char*>(base) + (at - page));
    std::vector<std::uint32_t> even(2 * kBlock, kEven);
    if (pwrite(fd, even.data(), 4 * even.size(), static_cast<off_t>(places.undo)) < 0) std::abort();
    close(fd);
    StoreWord(path, places.undo_block, block + 1);
  }
  // Before each read.
  std::span<float> Ready() const {
    const std::array<std::uint32_t, 2> even{kEven, kEven};
    std::memcpy(out_, even.data(), 8);
    return {out_, 2 * kFrames};
  }

 private:
  float* out_;
};

// Under callgrind: does each kind some times, and has the last one's instructions dumped.
void Count(const std::string& path) {
  Must(Canvas::Create(
      path, {.page_seconds = 2,
             .capacity_seconds = 20,
             .layout = {.wide_slots = 2, .small_slots = 0, .header_place_bytes = 64 * 1024}}));
  Canvas canvas = Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  const LaneId lane = Must(canvas.AddLane({.name = "a", .channels = 2}));
  {
    FrameWriter writer = Must(canvas.Writer(lane));
    // Page 0 but for block 10; page 1 up to its 2,000th frame; the rest is not there.
    Must(writer.Write(Frame(0), Stamped(1, 0, 10 * kBlock, 1)));
    Must(writer.Write(Frame(11 * kBlock), Stamped(1, 11 * kBlock, kPage + 2000 - 11 * kBlock, 1)));
    // Something was overwritten before: the undo place is in the window.
    Must(writer.Write(Frame(20 * kBlock), Stamped(1, 20 * kBlock, 1, 1)));
    const float odd = std::bit_cast<float>(RacingCopies::kOdd);
    Must(writer.Write(Frame(7 * kBlock), std::vector<float>(2 * kBlock, odd)));
  }
  const Places places(path);
  // Rewriting: block 5 is odd and the undo place holds it; block 6 is odd and never settles.
  const std::uint64_t odd = format::Version{3, true}.ToWord();
  StoreWord(path, places.undo_block, 5 + 1);
  StoreWord(path, places.versions + 5 * 8, odd);
  StoreWord(path, places.versions + 6 * 8, odd);

  const Canvas reading = Must(Canvas::Open(path));
  const Window window = Must(reading.MakeWindow(std::span(&lane, 1), {.max_seconds = 8}));
  Must(const_cast<Window&>(window).MoveTo({Frame(0), Frame(3 * kPage)}));
  WindowReader reader = Must(window.Reader(lane));
  alignas(64) static std::array<float, 2 * 4 * kBlock> out;
  const View view = reader.ViewAt(Frame(100), kFrames);
  const auto read = [&](std::int64_t at, std::int64_t frames, ReadStatus expected) {
    return [&reader, at, frames, expected] {
      const auto got =
          reader.Read(Frame(at), std::span(out).first(static_cast<std::size_t>(frames) * 2));
      if (got.status != expected) std::_Exit(3);
    };
  };
  const auto open = [&](std::int64_t at, std::int64_t frames, ReadStatus expected) {
    // Opened, and let go.
    return [&reader, at, frames, expected] {
      const View opened = reader.ViewAt(Frame(at), static_cast<std::uint64_t>(frames));
      if (opened.status() != expected) std::_Exit(4);
    };
  };
  std::optional<RacingCopies> racing;
  std::span<float> racing_out;
  const std::map<std::string, std::function<void()>> doing = {
      {"nothing (what counting costs)", [] {}},
      {"256 frames inside a block", read(100, kFrames, ReadStatus::kOk)},
      {"256 frames, destination not aligned",
       [&] {
         if (reader.Read(Frame(101), std::span(out).subspan(1, 2 * kFrames)).status !=
             ReadStatus::kOk)
           std::_Exit(3);
       }},
      {"one frame", read(100, 1, ReadStatus::kOk)},
      {"the last written frame", read(kPage + 1999, 1, ReadStatus::kOk)},
      {"256 frames across two blocks", read(kBlock - 128, kFrames, ReadStatus::kOk)},
      {"256 frames across two pages", read(kPage - 128, kFrames, ReadStatus::kOk)},
      {"256 frames, unwritten block", read(10 * kBlock + 5, kFrames, ReadStatus::kUnwritten)},
      {"256 frames, page that is not there", read(2 * kPage + 5, kFrames, ReadStatus::kUnwritten)},
      {"256 frames, partly unwritten", read(kPage + 1900, kFrames, ReadStatus::kPartlyUnwritten)},
      {"256 frames, outside the window", read(4 * kPage, kFrames, ReadStatus::kOutside)},
      {"256 frames, past the end", read(10 * kPage, kFrames, ReadStatus::kEnd)},
      {"256 frames, half rewritten: its old version",
       read(5 * kBlock + 9, kFrames, ReadStatus::kOk)},
      {"256 frames, never settles", read(6 * kBlock + 9, kFrames, ReadStatus::kRaced)},
      {"256 frames, every copy raced",
       [&] {
         if (reader.Read(Frame(7 * kBlock), racing_out).status != ReadStatus::kRaced) std::_Exit(6);
       }},
      {"4096 frames across two blocks", read(kBlock / 2, kBlock, ReadStatus::kOk)},
      {"16384 frames across five blocks", read(12 * kBlock + 9, 4 * kBlock, ReadStatus::kOk)},
      {"view of 256 frames", open(100, kFrames, ReadStatus::kOk)},
      {"view of four blocks", open(12 * kBlock, 4 * kBlock, ReadStatus::kOk)},
      {"view, outside the window", open(4 * kPage, kFrames, ReadStatus::kOutside)},
      {"view, being rewritten", open(5 * kBlock, kFrames, ReadStatus::kRaced)},
      {"whether a view still holds",
       [&] {
         if (!view.StillValid() && view.frames() == 1) std::_Exit(5);
       }},
  };
  for (const Kind& kind : kKinds) {
    const auto& what = doing.at(kind.name);
    // From the page before, or the same, in turn: the last is from another page than it reads.
    const bool races = std::string_view(kind.name) == "256 frames, every copy raced";
    if (races) racing.emplace(path, places, 7);  // the last: it spoils the words behind
    for (int i = 0; i < 4; ++i) {
      if (races) racing_out = racing->Ready();
      what();
    }
    if (races) racing_out = racing->Ready();
    CALLGRIND_ZERO_STATS;
    what();
    CALLGRIND_DUMP_STATS_AT(kind.name);
  }
}

// What callgrind dumped, by name.
std::map<std::string, std::uint64_t> ReadDumps(const std::filesystem::path& directory) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.path().filename().string().starts_with("counts.")) continue;
    std::ifstream in(entry.path());
    std::string line;
    std::string name;
    while (std::getline(in, line)) {
      constexpr std::string_view kTrigger = "desc: Trigger: Client Request: ";
      if (line.starts_with(kTrigger)) name = line.substr(kTrigger.size());
      for (const std::string_view key : {"totals: ", "summary: "})
        if (line.starts_with(key) && !name.empty())
          counts[name] = std::strtoull(line.c_str() + key.size(), nullptr, 10);
    }
  }
  return counts;
}

int Run(const Arguments& arguments) {
  if (testing::kSanitized) {
    std::puts("SKIPPED: budgets: valgrind does not run under sanitizers");
    return 0;
  }
  if (std::system("valgrind --version > /dev/null 2>&1") != 0) {
    std::puts("SKIPPED: budgets: valgrind is not installed");
    return 0;
  }
  testing::TempDir directory;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = fmt::format(
      "valgrind -q --tool=callgrind --callgrind-out-file={0}/counts '{1}' --role=count "
      "--path={0}/b.canvas "
      "> {0}/log 2>&1",
      directory.root().string(), self);
  const int code = std::system(command.c_str());
  auto counts = ReadDumps(directory.root());
  if (code != 0 || counts.size() != std::size(kKinds)) {
    std::ifstream log(directory.path("log"));
    for (std::string line; std::getline(log, line);) std::puts(line.c_str());
    std::printf("callgrind ended with %d, and counted %zu of %zu\n", code, counts.size(),
                std::size(kKinds));
    return 1;
  }
#if defined(__clang__)
  [[maybe_unused]] const bool known = __clang_major__ == 19;
  constexpr const char* kCompiler = "clang " __clang_version__;
  constexpr auto kBudget = &Kind::clang19;
#else
  [[maybe_unused]] const bool known = __GNUC__ == 12;
  constexpr const char* kCompiler = "g++ " __VERSION__;
  constexpr auto kBudget = &Kind::gcc12;
#endif
#ifdef NDEBUG
  const bool pinned = false;  // -c opt compiles otherwise
#else
  const bool pinned = known;
#endif
  const std::uint64_t nothing = counts.at(kKinds[0].name);
  const std::uint64_t median = counts.at("256 frames inside a block") - nothing;
  int failed = 0;
  std::uint64_t worst = 0;
  std::string worst_name;
  fmt::print("instructions ({}), and as multiples of 256 frames inside a block\n", kCompiler);
  for (const Kind& kind : kKinds) {
    if (&kind == &kKinds[0]) continue;
    const std::uint64_t count = counts.at(kind.name) - nothing;
    const std::uint64_t budget = kind.*kBudget;
    if (arguments.Number("print") != 0) {
      fmt::print("    {{\"{}\", {}}},\n", kind.name, count);
      continue;
    }
    const bool over = pinned && count > budget;
    fmt::print("  {:<46}{:>8}{:>8.2f} x{}\n", kind.name, count,
               static_cast<double>(count) / static_cast<double>(median),
               over                       ? fmt::format("  OVER its budget of {}", budget)
               : pinned && count < budget ? fmt::format("  (budget {}: may be lowered)", budget)
                                          : "");
    if (over) failed = 1;
    // Of one callback's read.
    if (std::string_view(kind.name).starts_with("256") && count > worst) {
      worst = count;
      worst_name = kind.name;
    }
  }
  if (arguments.Number("print") == 0)
    fmt::print("worst read of 256 frames: {:.2f} x the usual one ({})\n",
               static_cast<double>(worst) / static_cast<double>(median), worst_name);
  if (!pinned)
    fmt::print("SKIPPED: budgets: they are pinned for g++ 12 and clang 19 in the default build\n");
  return failed;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(argc, argv, {{"print", "0"}, {"role", ""}, {"path", ""}});
  if (arguments.Text("role") == "count") {
    Count(arguments.Text("path"));
    return 0;
  }
  return Run(arguments);
}
