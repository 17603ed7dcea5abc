// Reading a block of stereo frames: canvas in a window beside a memcpy of the same bytes, and
// beside what people would use instead, all in one process and interleaved. Ratios first: only they
// travel.
//
//   sizes    32 to 4,096 frames, going round in 256 KiB (hot in L2), and through lanes of a minute
//            (RAM)
//   peers    the same walk through the same frames in their own files
//   views    opening one, by the frames it spans
//   lanes    1 to 64, the same bytes in all; canvas of 45 minutes and of 24 hours
//   beside   a process that appends to the lanes that are read; one that overwrites them
//   tails    every single read timed: p50 to p99.99, beside a control that reads nothing
//   open     every 2.67 ms, after a sleep: 128 frames of sixteen lanes, as a callback does
//
// Contenders of a case take turns in random order; a ratio is taken within a round, and the median
// over the rounds is told. Maxima are printed and judged by nobody: the machine is shared.
//
// Contenders share one walk: each goes on where the one before it ended, so that what it reads is
// what was read longest ago, by anybody, and none reads from the last-level cache what another has
// just brought.
//
// The sizes and the random reads are measured over several files, each made anew: which memory a
// file gets is a draw. The median over the draws is told and judged, with the least and the most of
// them.
//
//   latency_bench [--rounds=N] [--draws=N] [--case=SUBSTRING] [--json=FILE]
//                 [--picture=FILE.svg|png]
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/chart.h"
#include "bench/latency/beside.h"
#include "bench/latency/cases.h"
#include "bench/latency/machine.h"
#include "bench/latency/material.h"
#include "bench/latency/report.h"
#include "bench/peers.h"

namespace {

using bench::kMaxLanes;
using bench::kMinute;
using bench::kRate;
using bench::Material;

constexpr std::int64_t kShort = 40 * 60 * kRate;  // where the material begins in 45 minutes
constexpr std::int64_t kLong = (24 * 60 - 10) * 60 * kRate;  // and in 24 hours

struct Arguments {
  int rounds = 41;
  int draws = 5;
  std::string only;
  std::string json;
  std::string picture;
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    const auto take = [&](std::string_view name, std::string& value) {
      if (!argument.starts_with(name)) return false;
      value = argument.substr(name.size());
      return true;
    };
    const auto take_number = [&](std::string_view name, int most, int& value) {
      std::string number;
      if (!take(name, number)) return false;
      const char* const end = number.data() + number.size();
      if (std::from_chars(number.data(), end, value).ptr == end && value >= 1 && value <= most)
        return true;
      fmt::print(stderr, "{} takes 1 to {}, not '{}'\n", name, most, number);
      std::exit(2);
    };
    if (take_number("--rounds=", 100, arguments.rounds) ||
        take_number("--draws=", 20, arguments.draws))
      continue;
    if (!take("--case=", arguments.only) && !take("--json=", arguments.json) &&
        !take("--picture=", arguments.picture)) {
      fmt::print(stderr,
                 "usage: {} [--rounds=N] [--draws=N] [--case=SUBSTRING] [--json=FILE] "
                 "[--picture=FILE]\n",
                 argv[0]);
      std::exit(2);
    }
  }
  return arguments;
}

// The bench itself is a child: however it ends, a gigabyte of files goes. Returns in the child.
void GoOnAsChild(const std::string& directory) {
  if (const pid_t child = fork(); child != 0) {
    static volatile pid_t bench = child;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
      std::signal(signal, [](int) { kill(bench, SIGKILL); });
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    std::filesystem::remove_all(directory);
    std::exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

// What the cases leave for a picture.
struct Shown {
  std::vector<bench::Bar> bars;
  bench::Panel tails{.title = "Every single read, timed",
                     .subtitle = "the same reads; what the machine does to one it does to all",
                     .unit = "ns"};
};

bool WriteJson(const std::string& path, const bench::Report& report) {
  std::ofstream out(path);
  out << report.Text() << "\n";
  if (out.flush()) return true;
  fmt::print(stderr, "{} could not be written\n", path);
  return false;
}

bool Draw(const std::string& path, const Shown& shown) {
  std::vector<bench::Panel> panels = {
      {.title = "256 stereo frames (2 KiB), from memory",
       .subtitle = "median; x: against a memcpy of the same bytes, in the same run",
       .bars = shown.bars,
       .unit = "ns"}};
  if (!shown.tails.lines.empty()) panels.push_back(shown.tails);
  if (bench::Draw(path, panels)) return true;
  fmt::print(stderr, "{} could not be drawn\n", path);
  return false;
}

int Run(const Arguments& arguments, const std::string& directory) {
  bench::Draws draws;
  for (int draw = 0; draw < arguments.draws; ++draw)
    draws.push_back(std::make_unique<Material>(fmt::format("{}/short{}.canvas", directory, draw),
                                               45 * 60, kShort, draw == 0 ? kMaxLanes : 4));
  Material& material = *draws.front();
  Material long_one(directory + "/long.canvas", 24 * 3600, kLong, 4);
  bench::Beside beside(material);
  bench::Source source{4, kMinute, Material::Fill};
  std::vector<std::string> missing;
  auto peers = bench::MakePeers(directory, source, missing);
  sync();  // or the kernel writes it all back in the midst
  const std::string machine = bench::Machine(directory);
  fmt::print(
      "Reading blocks of stereo float32 frames; medians of {} rounds, sizes over {} draws\n{}\n"
      "windows: {}; mapped by 2 MiB pages: {}\n",
      arguments.rounds, arguments.draws, machine, material.window().message,
      bench::FirstLine("/proc/self/smaps_rollup", "FilePmdMapped"));
  for (const std::string& name : missing) fmt::print("left out, not installed: {}\n", name);

  bench::Report report(arguments.only);
  Shown shown;
  bench::Sizes(report, draws, peers, arguments.rounds, shown.bars);
  bench::Views(report, material, arguments.rounds);
  bench::Lanes(report, material, long_one, arguments.rounds);
  bench::BesideWriters(report, material, beside, arguments.rounds);
  bench::Tails(report, material, peers, arguments.rounds, shown.tails);
  bench::OpenLoop(report, material, arguments.rounds);
  if (report.empty()) {
    fmt::print(stderr, "no case has '{}' in its name\n", arguments.only);
    return 2;
  }
  report.Finish();

  report.of("machine") = machine;
  report.of("rounds") = arguments.rounds;
  report.of("draws") = arguments.draws;
  report.of("window") = material.window().message;
  report.of("missing") = missing;
  if (!arguments.json.empty() && !WriteJson(arguments.json, report)) return 1;
  if (!arguments.picture.empty() && !shown.bars.empty() && !Draw(arguments.picture, shown))
    return 1;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  std::string directory = (std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  GoOnAsChild(directory);
  return Run(arguments, directory);
}
