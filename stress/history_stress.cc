// History: processes log what they did to a canvas, and when, by a clock they share; a checker
// then holds the reads against the writes.
//
//   - of a block that is overwritten, a read answers an epoch whose write had begun before the read
//     ended, and no epoch that another had replaced, entirely, before the read began; and epochs do
//     not go back
//   - of a lane that is appended to, a read answers a prefix: at least what had been appended
//     before it began, at most what had begun to be before it ended; and prefixes do not get
//     shorter
//
// (Regular registers and a growing prefix, as Lamport defines the former: On Interprocess
// Communication, 1986.)
//
//   bazel run -c opt //stress:history_stress -- --operations=1000000
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

constexpr std::uint32_t kOverwritten = 1;
constexpr std::uint32_t kAppended = 2;
constexpr std::int64_t kBlocks = 8;  // few, so that reads and writes meet
constexpr std::int64_t kAppendFrames = 90 * kPageFrames;

// One operation, as it is logged: 32 B.
struct Record {
  std::int64_t begin = 0;  // ns
  std::int64_t end = 0;
  std::int64_t what = 0;   // block; or -1: the appended lane
  std::int64_t value = 0;  // epoch; or frames
};

class Log {
 public:
  explicit Log(const std::string& path) : out_(path, std::ios::binary) {}
  void Add(const Record& record) { records_.push_back(record); }
  ~Log() {
    out_.write(reinterpret_cast<const char*>(records_.data()),
               static_cast<std::streamsize>(records_.size() * sizeof(Record)));
  }

 private:
  std::ofstream out_;
  std::vector<Record> records_;
};

std::vector<Record> ReadLog(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<Record> records;
  Record record;
  while (in.read(reinterpret_cast<char*>(&record), sizeof record)) records.push_back(record);
  return records;
}

void Write(const std::string& path, const std::string& log_path, Random& random,
           std::int64_t operations) {
  Canvas canvas = Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  FrameWriter overwriter = Must(canvas.Writer(LaneId(kOverwritten)));
  FrameWriter appender = Must(canvas.Writer(LaneId(kAppended)));
  Log log(log_path);
  Say('.');
  if (!Listen()) Broken("never started");
  std::uint32_t epoch = 1;
  std::int64_t appended = 0;
  const std::int64_t most = std::max<std::int64_t>(kAppendFrames / operations * 3, 2);
  for (std::int64_t i = 0; i < operations && epoch < kMaxEpoch; ++i) {
    Record record{.what = random.Below(kBlocks)};
    const std::int64_t count = std::min(random.Below(most) + 1, kAppendFrames - appended);
    if (random.OneIn(2) && count > 0) {
      const auto samples = Stamped(kAppended, appended, static_cast<std::uint64_t>(count), 1);
      record.what = -1;
      record.value = appended += count;
      record.begin = Now();
      Must(appender.Append(samples));
    } else {
      const auto samples = Stamped(kOverwritten, record.what * kBlockFrames, kBlockFrames, ++epoch);
      record.value = epoch;
      record.begin = Now();
      Must(overwriter.Write(Frame(record.what * kBlockFrames), samples));
    }
    record.end = Now();
    log.Add(record);
  }
}

void Read(const std::string& path, const std::string& log_path, Random& random,
          std::int64_t operations) {
  const Canvas canvas = Must(Canvas::Open(path));
  LaneReader overwritten = Must(canvas.Reader(LaneId(kOverwritten)));
  LaneReader appended = Must(canvas.Reader(LaneId(kAppended)));
  std::array<float, kBlockFrames * 2> block;
  Log log(log_path);
  Say('.');
  if (!Listen()) Broken("never started");
  std::int64_t frames = 0;
  for (std::int64_t i = 0; i < operations; ++i) {
    Record record{.what = random.Below(kBlocks)};
    record.begin = Now();
    if (random.OneIn(2)) {
      // How far it goes: from where it went the last time, a block at a time.
      record.what = -1;
      for (;;) {
        const ReadResult read = appended.Read(Frame(frames), block);
        if (read.status == ReadStatus::kRaced) Broken("an append raced");
        const Epoch epoch =
            EpochOf(std::span(block).first(read.written_frames * 2), kAppended, frames);
        if (!epoch.wrong.empty()) Broken(epoch.wrong);
        frames += static_cast<std::int64_t>(read.written_frames);
        if (read.status != ReadStatus::kOk) break;
      }
      record.value = frames;
    } else {
      const ReadResult read = overwritten.Read(Frame(record.what * kBlockFrames), block);
      if (read.status == ReadStatus::kRaced) continue;
      const Epoch epoch = EpochOf(block, kOverwritten, record.what * kBlockFrames);
      if (read.status != ReadStatus::kOk || !epoch.wrong.empty())
        Broken("a torn block: " + epoch.wrong);
      record.value = epoch.epoch;
    }
    record.end = Now();
    log.Add(record);
  }
}

// What is against the promises; nothing where all is well. `writes` of one thing, in order.
std::string Judge(const std::vector<Record>& writes, const std::vector<Record>& reads,
                  std::int64_t first_value, std::uint64_t& overlapping) {
  std::int64_t newest = first_value;
  for (const Record& read : reads) {
    if (read.value < newest) return fmt::format("a reader saw {} after {}", read.value, newest);
    newest = read.value;
    // Written entirely before the read began: at least that. Begun before it ended: at most that.
    const auto done = std::ranges::partition_point(
        writes, [&](const Record& write) { return write.end < read.begin; });
    const auto begun = std::ranges::partition_point(
        writes, [&](const Record& write) { return write.begin <= read.end; });
    const std::int64_t least = done == writes.begin() ? first_value : std::prev(done)->value;
    const std::int64_t most = begun == writes.begin() ? first_value : std::prev(begun)->value;
    if (done != begun) ++overlapping;
    if (read.value < least || read.value > most)
      return fmt::format("a read of [{}, {}] answered {}; it lies between {} and {}", read.begin,
                         read.end, read.value, least, most);
  }
  return "";
}

std::vector<Record> Of(const std::vector<Record>& records, std::int64_t what) {
  std::vector<Record> found;
  std::ranges::copy_if(records, std::back_inserter(found),
                       [&](const Record& record) { return record.what == what; });
  return found;
}

// The checker itself must see what it is for.
void CheckTheChecker() {
  const std::vector<Record> writes = {{10, 20, 0, 2}, {30, 40, 0, 3}};
  std::uint64_t ignored = 0;
  const auto finds = [&](std::vector<Record> reads) {
    return !Judge(writes, reads, 1, ignored).empty();
  };
  if (finds({{5, 15, 0, 1}, {12, 18, 0, 2}, {50, 60, 0, 3}})) Broken("the checker blames the good");
  if (!finds({{25, 28, 0, 1}})) Broken("the checker misses a stale read");
  if (!finds({{25, 28, 0, 3}})) Broken("the checker misses a read of the future");
  if (!finds({{12, 18, 0, 2}, {13, 19, 0, 1}})) Broken("the checker misses time going back");
}

constexpr int kShowsNothing = 2;

int Run(const Arguments& arguments) {
  CheckTheChecker();
  const std::uint32_t seed = ChooseSeed(arguments);
  const testing::TempDir dir;
  const std::string path = dir.path("sut.canvas");
  Must(Canvas::Create(path, testing::SmallCanvas()));
  {
    Canvas canvas =
        Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
    for (const char* name : {"overwritten", "appended"})
      Must(canvas.AddLane({.name = name, .channels = 2, .rate = {8000, 1}}));
    FrameWriter writer = Must(canvas.Writer(LaneId(kOverwritten)));
    Must(writer.Write(Frame(0), Stamped(kOverwritten, 0, kBlocks * kBlockFrames, 1)));
  }
  const std::int64_t readers = arguments.Number("readers");
  const auto start = [&](const char* role, std::int64_t number) {
    return Child({fmt::format("--role={}", role), "--path=" + path,
                  "--log=" + dir.path(fmt::format("log{}", number)),
                  fmt::format("--seed={}", seed + number),
                  fmt::format("--operations={}", arguments.Number("operations"))});
  };
  std::vector<Child> children;
  children.push_back(start("writer", 0));
  for (std::int64_t i = 1; i <= readers; ++i) children.push_back(start("reader", i));
  for (const Child& child : children)
    if (!child.Hear()) Broken("a process ended before it began");
  for (const Child& child : children) child.Tell('g');
  for (Child& child : children)
    if (child.Wait() != 0) return 1;

  const auto writes = ReadLog(dir.path("log0"));
  std::uint64_t reads = 0;
  std::uint64_t overlapping = 0;
  for (std::int64_t i = 1; i <= readers; ++i) {
    const auto log = ReadLog(dir.path(fmt::format("log{}", i)));
    reads += log.size();
    for (std::int64_t what = -1; what < kBlocks; ++what) {
      const std::string wrong =
          Judge(Of(writes, what), Of(log, what), what < 0 ? 0 : 1, overlapping);
      if (!wrong.empty()) Broken(fmt::format("reader {}, {}: {}", i, what, wrong));
    }
  }
  std::printf("%zu writes, %lu reads by %lld processes, %lu of them during a write: all in order\n",
              writes.size(), reads, static_cast<long long>(readers), overlapping);
  if (overlapping == 0) std::printf("no read met a write: this run shows nothing\n");
  return overlapping == 0 ? kShowsNothing : 0;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  using namespace canvas::stress;
  const Arguments arguments(argc, argv,
                            {{"operations", "200000"},
                             {"readers", "2"},
                             {"seed", "0"},
                             {"role", ""},
                             {"path", ""},
                             {"log", ""}});
  Random random(static_cast<std::uint32_t>(arguments.Number("seed")));
  const std::int64_t operations = arguments.Number("operations");
  if (arguments.Text("role") == "writer")
    Write(arguments.Text("path"), arguments.Text("log"), random, operations);
  else if (arguments.Text("role") == "reader")
    Read(arguments.Text("path"), arguments.Text("log"), random, operations);
  else
    // Where others keep the processors busy, the three may run one after the other: then again.
    for (int tries = 0; tries < 10; ++tries)
      if (const int code = Run(arguments); code != kShowsNothing) return code;
  return arguments.Text("role").empty() ? 1 : 0;
}
