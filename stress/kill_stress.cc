// Kill: writers of every kind are killed at random moments, over and over on one file, and a
// successor takes over. Nothing that was committed is missing, nothing is torn, nothing
// accumulates.
//
//   bazel run -c opt //stress:kill_stress -- --kills=100000
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

namespace fs = std::filesystem;

// Pages of a second at 8192 Hz, in 16 blocks of 4 KiB: an overwrite takes long enough to be hit.
constexpr std::int64_t kPageFrames = 8192;
constexpr std::int64_t kBlockFrames = 512;
CreateOptions Geometry() {
  CreateOptions options = testing::SmallCanvas();
  options.rate = Rate{kPageFrames, 1};
  options.layout.block_bytes = kBlockFrames * 8;
  return options;
}

constexpr std::int64_t kPages = 3;
constexpr std::int64_t kFrames = kPages * kPageFrames;
constexpr std::int64_t kBlocks = kFrames / kBlockFrames;
constexpr PageRange kAll{PageIndex(0), PageIndex(kPages)};

enum class Kind : std::uint8_t { kOverwrite, kAppend, kEdit, kPunch, kCreate };
constexpr std::array<const char*, 5> kKinds = {"overwrite", "append", "edit", "punch", "create"};
constexpr LaneId kOverwritten(1);
constexpr LaneId kAppended(2);
constexpr LaneId kPunched(3);
constexpr LaneId kEdited(4);

// What a writer does is drawn from its seed, so that its parent knows what it was about to do.
struct Run {
  std::int64_t first;  // block
  std::int64_t count;
};
Run DrawRun(Random& random) {
  const std::int64_t first = random.Below(kBlocks);
  return {first, std::min<std::int64_t>(random.Below(6) + 1, kBlocks - first)};
}
std::int64_t DrawLength(Random& random) { return random.Below(300) + 1; }

std::vector<float> StampedRun(LaneId lane, Run run, std::uint32_t epoch) {
  return Stamped(lane.value(), run.first * kBlockFrames,
                 static_cast<std::uint64_t>(run.count * kBlockFrames), epoch);
}

const OpenOptions kWriting{.access = Access::kReadWrite, .sync_on_close = false};

// A writer, until it is killed. Says '.' after each thing that is committed.
[[noreturn]] void Write(Kind kind, const std::string& path, std::uint32_t seed,
                        std::uint32_t epoch) {
  Random random(seed);
  if (kind == Kind::kCreate) {
    Say('.');
    for (int i = 0;; ++i) {
      const auto created = Canvas::Create(path + std::to_string(i), testing::SmallCanvas());
      if (!created) Broken(created.error().Message());
      {
        Canvas canvas = Must(Canvas::Open(path + std::to_string(i), kWriting));
        for (std::uint32_t page = 0; page < 6; ++page) Must(canvas.AllocatePage(PageIndex(page)));
      }
      fs::remove(path + std::to_string(i));
    }
  }
  Canvas canvas = Must(Canvas::Open(path, {.access = Access::kReadWrite,
                                           .name = kKinds[static_cast<std::size_t>(kind)],
                                           .sync_on_close = false}));
  if (kind == Kind::kEdit) {
    Say('.');
    for (std::uint32_t i = epoch + 1;; ++i) {
      Must(canvas.DescribeLane(kEdited, fmt::format("{}:{}", i, std::string(i % 500, 'x'))));
      Say('.');
    }
  }
  const LaneId lane = kind == Kind::kOverwrite ? kOverwritten
                      : kind == Kind::kAppend  ? kAppended
                                               : kPunched;
  FrameWriter writer = Must(canvas.Writer(lane, {.pages = kAll}));
  Say('.');
  if (kind == Kind::kOverwrite) {
    for (;;) {
      const Run run = DrawRun(random);
      Must(writer.Write(Frame(run.first * kBlockFrames), StampedRun(lane, run, ++epoch)));
      Say('.');
    }
  }
  if (kind == Kind::kAppend) {
    // From where it is, with the epoch there is; from the beginning, with the next, when it is
    // full.
    for (Frame at = writer.end();;) {
      std::int64_t count = std::min(DrawLength(random), kFrames - at.value());
      if (count == 0) {
        Must(writer.Erase({Frame(0), Frame(kFrames)}));
        at = Frame(0);
        ++epoch;
        Say('e');
        continue;
      }
      Must(writer.Write(
          at, Stamped(lane.value(), at.value(), static_cast<std::uint64_t>(count), epoch)));
      at = at + count;
      Say('.');
    }
  }
  for (;;) {
    const std::int64_t page = random.Below(kPages);
    const std::int64_t first = page * kPageFrames;
    Must(writer.Write(Frame(first), Stamped(lane.value(), first, kPageFrames, ++epoch)));
    Say('.');
    Must(writer.Erase({Frame(first), Frame(first + kPageFrames)}));
    Say('e');
  }
}

class Rig {
 public:
  Rig(const Arguments& arguments, std::uint32_t seed)
      : kills_(arguments.Number("kills")), random_(seed), path_(dir_.path("kill.canvas")) {
    Must(Canvas::Create(path_, Geometry()));
    canvas_.emplace(Must(Canvas::Open(
        path_, {.access = Access::kReadWrite, .name = "successor", .sync_on_close = false})));
    for (const LaneId lane : {kOverwritten, kAppended, kPunched, kEdited})
      if (Must(canvas_->AddLane({.name = fmt::format("lane {}", lane.value()),
                                 .channels = 2,
                                 .rate = {kPageFrames, 1}})) != lane)
        Broken("unexpected lane id");
    // All of the overwritten lane is there, in epoch 1; everything is reserved once.
    FrameWriter writer = Must(canvas_->Writer(kOverwritten));
    Must(writer.Write(Frame(0), StampedRun(kOverwritten, {0, kBlocks}, 1)));
    Must(writer.Write(Frame(0), StampedRun(kOverwritten, {0, kBlocks}, 1)));
    epochs_.assign(static_cast<std::size_t>(kBlocks), 1);
  }

  int Go() {
    for (std::int64_t i = 0; i < kills_; ++i) {
      const Kind kind = static_cast<Kind>(random_.Below(5));
      KillOne(kind);
      if (i == kills_ / 10)
        baseline_ = Residue();  // after every kind of residue has had its chance
      if ((i + 1) % 10'000 == 0) std::printf("%lld kills\n", static_cast<long long>(i + 1));
    }
    return Report();
  }

 private:
  // Starts a writer, lets it work for a random while, kills it, and looks at what is left.
  void KillOne(Kind kind) {
    const auto seed = static_cast<std::uint32_t>(random_.Below(1'000'000'000));
    const std::uint32_t epoch = epoch_[static_cast<std::size_t>(kind)];
    const std::string path = kind == Kind::kCreate ? dir_.path("created") : path_;
    Child writer({"--role=writer", "--kind=" + std::to_string(static_cast<int>(kind)),
                  "--path=" + path, "--seed=" + std::to_string(seed),
                  "--epoch=" + std::to_string(epoch)});
    if (!writer.Hear()) Broken("the writer ended by itself");
    // The moment is the experiment; nothing waits on it.
    std::this_thread::sleep_for(std::chrono::microseconds(random_.Below(3000)));
    writer.Kill();
    const std::string said = writer.HearAll();
    if (const int code = writer.Wait(); code != 128 + SIGKILL)
      Broken(fmt::format("the writer ended with {}", code));
    ++killed_[static_cast<std::size_t>(kind)];
    if (kind != Kind::kCreate && !Must(canvas_->Check()).notes.empty()) ++in_the_midst_;
    committed_ += said.size();
    switch (kind) {
      case Kind::kOverwrite:
        return JudgeOverwritten(seed, epoch, said.size());
      case Kind::kAppend:
        return JudgeAppended(seed, epoch, said);
      case Kind::kPunch:
        return JudgePunched(seed, epoch, said);
      case Kind::kEdit:
        return JudgeEdited(epoch, said.size());
      case Kind::kCreate:
        return JudgeCreated();
    }
  }

  std::vector<float> Read(LaneId lane, std::int64_t first, std::int64_t frames,
                          ReadResult& result) {
    LaneReader reader = Must(canvas_->Reader(lane));
    std::vector<float> out(static_cast<std::size_t>(frames) * 2);
    result = reader.Read(Frame(first), out);
    return out;
  }

  // Before and after the takeover: every block is of an epoch that was committed, or, in the run
  // that was under way, of that.
  void LookAtOverwritten(const std::vector<std::uint32_t>& old, Run under_way, std::uint32_t next) {
    ReadResult result;
    const auto all = Read(kOverwritten, 0, kFrames, result);
    if (result.status != ReadStatus::kOk)
      Broken(fmt::format("status {} and {} frames", static_cast<int>(result.status),
                         result.written_frames));
    for (std::int64_t block = 0; block < kBlocks; ++block) {
      const Epoch epoch =
          EpochOf(std::span(all).subspan(static_cast<std::size_t>(block * kBlockFrames * 2),
                                         kBlockFrames * 2),
                  kOverwritten.value(), block * kBlockFrames);
      if (!epoch.wrong.empty()) Broken(epoch.wrong);
      const bool may_be_new = block >= under_way.first && block < under_way.first + under_way.count;
      auto& known = epochs_[static_cast<std::size_t>(block)];
      if (epoch.epoch != old[static_cast<std::size_t>(block)] &&
          !(may_be_new && epoch.epoch == next))
        Broken(fmt::format("block {} is of epoch {}, and {} was committed", block, epoch.epoch,
                           old[static_cast<std::size_t>(block)]));
      known = epoch.epoch;
    }
  }
  void JudgeOverwritten(std::uint32_t seed, std::uint32_t epoch, std::size_t committed) {
    Random random(seed);
    for (std::size_t i = 0; i < committed; ++i) {
      const Run run = DrawRun(random);
      ++epoch;
      for (std::int64_t block = run.first; block < run.first + run.count; ++block)
        epochs_[static_cast<std::size_t>(block)] = epoch;
    }
    const Run under_way = DrawRun(random);
    const auto old = epochs_;
    LookAtOverwritten(old, under_way, epoch + 1);
    const auto before = epochs_;
    TakeOver(kOverwritten);
    LookAtOverwritten(old, under_way, epoch + 1);
    if (epochs_ != before) Broken("the takeover changed what readers see");
    epoch_[static_cast<std::size_t>(Kind::kOverwrite)] = epoch + 1;
    if (epoch > kMaxEpoch - 10'000) RestartEpochs();
  }
  void RestartEpochs() {
    FrameWriter writer = Must(canvas_->Writer(kOverwritten));
    Must(writer.Write(Frame(0), StampedRun(kOverwritten, {0, kBlocks}, 1)));
    epochs_.assign(static_cast<std::size_t>(kBlocks), 1);
    epoch_[static_cast<std::size_t>(Kind::kOverwrite)] = 1;
  }

  void JudgeAppended(std::uint32_t seed, std::uint32_t epoch, const std::string& said) {
    // As the writer drew them.
    Random random(seed);
    std::int64_t at = appended_;
    const auto draw = [&] { return std::min(DrawLength(random), kFrames - at); };
    for (const char c : said) {
      const std::int64_t count = draw();
      if ((count == 0) != (c == 'e')) Broken("the writer did something else");
      at = count == 0 ? 0 : at + count;
      if (count == 0) ++epoch;
    }
    const std::int64_t under_way = draw();
    for (const bool after : {false, true}) {
      if (after) TakeOver(kAppended);
      if (under_way == 0) {
        LookAtErased(epoch);
        continue;
      }
      ReadResult result;
      const auto all = Read(kAppended, 0, kFrames, result);
      const auto frames = static_cast<std::int64_t>(result.written_frames);
      if (frames < at || frames > at + under_way)
        Broken(
            fmt::format("{} frames, and {} were committed, {} under way", frames, at, under_way));
      const Epoch found =
          EpochOf(std::span(all).first(result.written_frames * 2), kAppended.value(), 0);
      if (!found.wrong.empty()) Broken(found.wrong);
      if (frames != 0 && found.epoch != epoch)
        Broken(fmt::format("epoch {} and not {}", found.epoch, epoch));
      if (after && frames != appended_) Broken("the takeover changed what readers see");
      appended_ = frames;
    }
    if (under_way == 0) {
      StartAppendAgain();
      ++epoch;
    }
    epoch_[static_cast<std::size_t>(Kind::kAppend)] = epoch;
  }
  void StartAppendAgain() {
    Must(Must(canvas_->Writer(kAppended, {.pages = kAll})).Erase({Frame(0), Frame(kFrames)}));
    appended_ = 0;
  }
  // Killed while it gave everything back: each page is there or gone.
  void LookAtErased(std::uint32_t epoch) {
    for (std::int64_t page = 0; page < kPages; ++page) {
      ReadResult result;
      const auto frames = Read(kAppended, page * kPageFrames, kPageFrames, result);
      if (result.status == ReadStatus::kUnwritten) continue;
      const Epoch found = EpochOf(frames, kAppended.value(), page * kPageFrames);
      if (result.status != ReadStatus::kOk || !found.wrong.empty() || found.epoch != epoch)
        Broken(fmt::format("page {} is neither there nor gone: {}", page, found.wrong));
    }
  }

  void JudgePunched(std::uint32_t seed, std::uint32_t epoch, const std::string& said) {
    Random random(seed);
    std::int64_t page = random.Below(kPages);
    for (const char c : said) {
      if (c == '.') ++epoch;
      if (c == 'e') page = random.Below(kPages);
    }
    const bool written = !said.empty() && said.back() == '.';
    for (const bool after : {false, true}) {
      if (after) TakeOver(kPunched);
      for (std::int64_t p = 0; p < kPages; ++p) {
        ReadResult result;
        const auto frames = Read(kPunched, p * kPageFrames, kPageFrames, result);
        // Being given back, the page is there or gone; being written, some of it is there.
        if (p != page && result.status != ReadStatus::kUnwritten)
          Broken(fmt::format("page {} was given back and has {} frames", p, result.written_frames));
        if (p == page && written && result.status != ReadStatus::kOk &&
            result.status != ReadStatus::kUnwritten)
          Broken(
              fmt::format("page {} is {} after a whole write", p, static_cast<int>(result.status)));
        const Epoch found = EpochOf(std::span(frames).first(result.written_frames * 2),
                                    kPunched.value(), p * kPageFrames);
        if (!found.wrong.empty()) Broken(found.wrong);
        if (found.epoch != 0 && found.epoch != epoch && found.epoch != epoch + 1)
          Broken(fmt::format("page {} is of epoch {}, and {} was the last", p, found.epoch, epoch));
      }
    }
    Must(Must(canvas_->Writer(kPunched, {.pages = kAll})).Erase({Frame(0), Frame(kFrames)}));
    epoch_[static_cast<std::size_t>(Kind::kPunch)] = epoch + 1 > kMaxEpoch - 10'000 ? 1 : epoch + 1;
  }

  void JudgeEdited(std::uint32_t epoch, std::size_t committed) {
    const auto lane = Must(canvas_->FindLane(kEdited));
    const auto number =
        static_cast<std::uint32_t>(std::strtoul(lane.description.c_str(), nullptr, 10));
    const std::uint32_t least = epoch + static_cast<std::uint32_t>(committed);
    if (number != least && number != least + 1)
      Broken(fmt::format("edit {} is there, and {} was committed", number, least));
    if (number != 0 &&
        lane.description != fmt::format("{}:{}", number, std::string(number % 500, 'x')))
      Broken("a torn description");
    epoch_[static_cast<std::size_t>(Kind::kEdit)] = number;
    // The dead editor's locks are gone: an edit goes through at once.
    Must(canvas_->DescribeLane(kPunched, std::to_string(number)));
  }

  // No canvas or a good one, whose pages, ready or half made, can be written; and no litter.
  void JudgeCreated() {
    for (const auto& entry : fs::directory_iterator(dir_.root())) {
      if (entry.path() == path_) continue;
      const CheckReport report = Must(Must(Canvas::Open(entry.path())).Check());
      if (!report.ok()) Broken(entry.path().string() + ": " + report.findings[0]);
      {
        Canvas canvas = Must(Canvas::Open(entry.path(), kWriting));
        const LaneId lane = Must(canvas.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
        Must(Must(canvas.Writer(lane)).Write(Frame(0), Stamped(1, 0, 6 * 8000, 1)));
        if (!Must(canvas.Check()).ok()) Broken("a half made page cannot be mended");
      }
      fs::remove(entry.path());
      ++whole_;
    }
  }

  // The lane is free at once, and mended.
  void TakeOver(LaneId lane) { Must(canvas_->Writer(lane, {.pages = kAll})); }

  // What could pile up.
  struct Left {
    std::uint64_t allocated;
    std::size_t notes;
    std::size_t owners;
    std::size_t locks;
  };
  Left Residue() {
    StartAppendAgain();
    ++epoch_[static_cast<std::size_t>(Kind::kAppend)];
    {
      const FrameWriter writer = Must(canvas_->Writer(kAppended, {.pages = kAll}));
      locks_shown_ = testing::KernelLocks(path_) > 0;
    }
    const CheckReport report = Must(canvas_->Check());
    for (const std::string& finding : report.findings) Broken("check: " + finding);
    return {testing::AllocatedBytes(path_), report.notes.size(), Must(canvas_->Owners()).size(),
            testing::KernelLocks(path_)};
  }

  int Report() {
    const Left left = Residue();
    std::printf("%lld kills (", static_cast<long long>(kills_));
    for (std::size_t i = 0; i < kKinds.size(); ++i)
      std::printf("%s%s %d", i == 0 ? "" : ", ", kKinds[i], killed_[i]);
    std::printf("), %lu committed operations checked, %d whole canvases of killed creators\n",
                committed_, whole_);
    std::printf("%d of them left something to repair\n", in_the_midst_);
    std::printf(
        "left over: %lu bytes allocated (%lu at a tenth of the way), %zu notes, %zu owners, "
        "%zu locks\n",
        left.allocated, baseline_.allocated, left.notes, left.owners, left.locks);
    if (!locks_shown_)
      std::printf("SKIPPED: locks are not looked at: /proc/locks does not show them\n");
    // Header places of descriptions of any length, and a page's undo places, are reserved at their
    // first use: nothing else may grow.
    constexpr std::uint64_t kSlack = 64 * 1024;
    if (kills_ >= 500 && in_the_midst_ == 0) {
      std::printf("nothing was ever hit in the midst: this run shows nothing\n");
      return 1;
    }
    const bool good = left.allocated <= baseline_.allocated + kSlack && left.notes == 0 &&
                      left.owners == 0 && left.locks == 0;
    return good ? 0 : 1;
  }

  std::int64_t kills_;
  Random random_;
  testing::TempDir dir_;
  std::string path_;
  std::optional<Canvas> canvas_;
  std::vector<std::uint32_t> epochs_;  // of the overwritten lane's blocks
  std::array<std::uint32_t, 5> epoch_{1, 1, 0, 1, 0};
  std::int64_t appended_ = 0;
  std::array<int, 5> killed_{};
  unsigned long committed_ = 0;
  int whole_ = 0;
  int in_the_midst_ = 0;  // kills that left something to repair
  Left baseline_{};
  bool locks_shown_ = false;
};

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(
      argc, argv,
      {{"kills", "500"}, {"seed", "0"}, {"role", ""}, {"kind", "0"}, {"path", ""}, {"epoch", "0"}});
  const auto number = [&](const char* name) {
    return static_cast<std::uint32_t>(arguments.Number(name));
  };
  if (arguments.Text("role") == "writer")
    Write(static_cast<Kind>(number("kind")), arguments.Text("path"), number("seed"),
          number("epoch"));
  return Rig(arguments, ChooseSeed(arguments)).Go();
}
