// What sharing costs, between real processes, as ratios within one run:
//
//   visibility   from before a one-frame append in one process to its frame read in another, beside
//                a bare ping of two cache lines (payload, then flag) between the same two processes
//   appender     reading 256 stereo frames of a lane to which another process appends all the time,
//                beside the same lane left alone
//   readers      total throughput of sixteen reading processes beside that of two
//
// Rounds of both sides alternate; medians over rounds. --rounds=N.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/must.h"

namespace {

using canvas::Frame;
using canvas::testing::Must;

std::int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// What the processes tell each other, each word on lines of its own.
struct Shared {
  struct alignas(128) Word {
    std::atomic<std::int64_t> value{0};
    void Set(std::int64_t v) { value.store(v, std::memory_order_release); }
    std::int64_t Get() const { return value.load(std::memory_order_acquire); }
  };
  Word turn;     // what to do next; -1: end
  Word done;     // the turn that was done
  Word payload;  // of the ping: two cache lines with the flag
  Word flag;
  Word seen;    // when it was seen
  Word active;  // readers that read just now; or whether the appender appends
  Word counts[16];
};

Shared& MakeShared() {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::_Exit(1);
  return *new (memory) Shared;
}

pid_t Fork(const std::function<void()>& body) {
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    std::_Exit(0);
  }
  return pid;
}

canvas::Canvas OpenForWriting(const std::string& path) {
  return Must(
      canvas::Canvas::Open(path, {.access = canvas::Access::kReadWrite, .sync_on_close = false}));
}

void Visibility(const std::string& path, int rounds) {
  constexpr int kSamples = 400;  // a round and side
  Shared& shared = MakeShared();
  {
    canvas::Canvas sut = OpenForWriting(path);
    Must(sut.AddLane({.name = "visible", .channels = 2}));
  }
  const canvas::LaneId lane = Must(Must(canvas::Canvas::Open(path)).FindLane("visible")).id;
  const pid_t child = Fork([&] {
    const auto sut = Must(canvas::Canvas::Open(path));
    canvas::LaneReader reader = Must(sut.Reader(lane));
    float frame[2];
    for (std::int64_t turn = 1;; ++turn) {
      std::int64_t told = 0;
      while ((told = shared.turn.Get()) == turn - 1) {
      }
      if (told < 0) return;
      if (shared.active.Get() == 0) {
        while (shared.flag.Get() != turn) {
        }
        if (shared.payload.Get() != turn) std::_Exit(1);
      } else {
        const Frame at(shared.active.Get() - 1);
        while (reader.Read(at, frame).status != canvas::ReadStatus::kOk) {
        }
      }
      shared.seen.Set(Now());
      shared.done.Set(turn);
    }
  });
  canvas::Canvas sut = OpenForWriting(path);
  canvas::FrameWriter writer = Must(sut.Writer(lane));
  const float frame[2] = {0.25F, -0.25F};
  Must(writer.Write(Frame(0), frame));
  std::int64_t turn = 0;
  std::int64_t frames = 1;
  const auto one = [&](bool through_canvas) {
    shared.active.Set(through_canvas ? frames + 1 : 0);
    shared.turn.Set(++turn);
    // The other is waiting by now: what is timed is the way, not its coming.
    for (const std::int64_t until = Now() + 2000; Now() < until;) {
    }
    const std::int64_t begin = Now();
    if (through_canvas) {
      Must(writer.Write(Frame(frames++), frame));
    } else {
      shared.payload.Set(turn);
      shared.flag.Set(turn);
    }
    while (shared.done.Get() != turn) {
    }
    return static_cast<double>(shared.seen.Get() - begin);
  };
  std::vector<double> ping;
  std::vector<double> through;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> a;
    std::vector<double> b;
    for (int i = 0; i < kSamples; ++i) {
      a.push_back(one(false));
      b.push_back(one(true));
    }
    ping.push_back(Median(a));
    through.push_back(Median(b));
    ratios.push_back(through.back() / ping.back());
  }
  shared.turn.Set(-1);
  waitpid(child, nullptr, 0);
  fmt::print("  visibility   ping {:.0f} ns, canvas {:.0f} ns one way: {:.2f} x (at most 2)\n",
             Median(ping), Median(through), Median(ratios));
}

// 256 frames at a time from a stretch that stays in the caches; answers ns a read.
double TimeReads(canvas::LaneReader& reader, int reads) {
  static float out[512];
  const std::int64_t begin = Now();
  for (int i = 0; i < reads; ++i)
    if (reader.Read(Frame(i * 37 % 40000), out).status != canvas::ReadStatus::kOk) std::_Exit(1);
  return static_cast<double>(Now() - begin) / reads;
}

void BesideAnAppender(const std::string& path, int rounds) {
  constexpr int kReads = 20'000;
  Shared& shared = MakeShared();
  {
    canvas::Canvas sut = OpenForWriting(path);
    const auto lane = Must(sut.AddLane({.name = "grows", .channels = 2}));
    Must(Must(sut.Writer(lane)).Write(Frame(0), std::vector<float>(100'000, 0.5F)));
  }
  const canvas::LaneId lane = Must(Must(canvas::Canvas::Open(path)).FindLane("grows")).id;
  const pid_t child = Fork([&] {
    canvas::Canvas sut = OpenForWriting(path);
    canvas::FrameWriter writer = Must(sut.Writer(lane));
    const std::vector<float> block(512, 0.25F);
    while (shared.turn.Get() >= 0) {
      if (shared.active.Get() == 0) continue;
      Must(writer.Append(block));
      // A thousand times faster than the music, and yet not the whole disk.
      for (const std::int64_t until = Now() + 5000; Now() < until;) {
      }
    }
  });
  const auto sut = Must(canvas::Canvas::Open(path));
  canvas::LaneReader reader = Must(sut.Reader(lane));
  std::vector<double> idle;
  std::vector<double> beside;
  std::vector<double> ratios;
  TimeReads(reader, kReads);
  for (int round = 0; round < rounds; ++round) {
    for (const bool active : {round % 2 == 0, round % 2 != 0}) {
      shared.active.Set(active ? 1 : 0);
      TimeReads(reader, 1000);
      (active ? beside : idle).push_back(TimeReads(reader, kReads));
    }
    ratios.push_back(beside.back() / idle.back());
  }
  shared.turn.Set(-1);
  waitpid(child, nullptr, 0);
  fmt::print("  appender     alone {:.0f} ns, beside it {:.0f} ns a read: {:.2f} x (at most 1.2)\n",
             Median(idle), Median(beside), Median(ratios));
}

void ManyReaders(const std::string& path, int rounds) {
  constexpr int kMany = 16;
  constexpr auto kRound = std::chrono::milliseconds(150);
  Shared& shared = MakeShared();
  {
    canvas::Canvas sut = OpenForWriting(path);
    const auto lane = Must(sut.AddLane({.name = "read", .channels = 2}));
    Must(Must(sut.Writer(lane)).Write(Frame(0), std::vector<float>(100'000, 0.5F)));
  }
  const canvas::LaneId lane = Must(Must(canvas::Canvas::Open(path)).FindLane("read")).id;
  std::vector<pid_t> children;
  for (int i = 0; i < kMany; ++i)
    children.push_back(Fork([&, i] {
      const auto sut = Must(canvas::Canvas::Open(path));
      canvas::LaneReader reader = Must(sut.Reader(lane));
      std::int64_t reads = 0;
      while (shared.turn.Get() >= 0) {
        if (shared.active.Get() <= i) {
          usleep(5000);  // not to be in the way of those who read
          continue;
        }
        TimeReads(reader, 200);
        shared.counts[i].Set(reads += 200);
      }
    }));
  const auto throughput = [&](int readers) {
    shared.active.Set(readers);
    usleep(20'000);
    const auto total = [&] {
      std::int64_t sum = 0;
      for (const auto& count : shared.counts) sum += count.Get();
      return sum;
    };
    const std::int64_t before = total();
    const std::int64_t begin = Now();
    usleep(static_cast<useconds_t>(std::chrono::microseconds(kRound).count()));
    return static_cast<double>(total() - before) / static_cast<double>(Now() - begin) * 1e3;
  };
  std::vector<double> two;
  std::vector<double> many;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    if (round % 2 == 0) two.push_back(throughput(2));
    many.push_back(throughput(kMany));
    if (round % 2 != 0) two.push_back(throughput(2));
    ratios.push_back(many.back() / two.back());
  }
  shared.turn.Set(-1);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  fmt::print(
      "  readers      two {:.1f}, sixteen {:.1f} million reads a second: {:.2f} x (at least "
      "0.95)\n",
      Median(two), Median(many), Median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 31;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (!argument.starts_with("--rounds=")) {
      fmt::print(stderr, "usage: sharing_bench [--rounds=N]\n");
      return 2;
    }
    argument.remove_prefix(9);
    std::from_chars(argument.data(), argument.data() + argument.size(), rounds);
  }
  std::string directory = (std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const std::string path = directory + "/shared.canvas";
  Must(canvas::Canvas::Create(path));
  fmt::print("What sharing costs, between processes\nmedians of {} rounds\n\n", rounds);
  Visibility(path, rounds);
  BesideAnAppender(path, rounds);
  ManyReaders(path, rounds);
  std::filesystem::remove_all(directory);
  return 0;
}
