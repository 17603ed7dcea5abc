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
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/chart.h"
#include "bench/histogram.h"
#include "bench/peers.h"
#include "canvas/api/canvas.h"
#include "canvas/sync/shared_copy.h"
#include "canvas/testing/must.h"

namespace {

using bench::Histogram;
using canvas::Frame;
using canvas::testing::Must;
using nlohmann::json;

constexpr std::int64_t kRate = 48000;
constexpr std::int64_t kPage = 30 * kRate;
constexpr std::int64_t kMinute = 44 * 65536;   // frames: a little over 60 s
constexpr std::int64_t kAll = 4 * kMinute;     // of a walk from RAM, over all its lanes
constexpr std::int64_t kHot = 256 * 1024 / 8;  // of a walk in L2, likewise
constexpr int kMaxLanes = 64;
constexpr std::int64_t kMaxFrames = 32768;        // of a read or a view
constexpr std::int64_t kPiece = 524288;           // written at a time
constexpr std::int64_t kAppended = 55 * kRate;    // behind that, by the process beside
constexpr std::int64_t kShort = 40 * 60 * kRate;  // where the material begins in 45 minutes
constexpr std::int64_t kLong = (24 * 60 - 10) * 60 * kRate;  // and in 24 hours

std::int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// The cycle counter where there is one, for single reads: what reading it costs is told by the
// control.
std::uint64_t Ticks() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
  const std::uint64_t ticks = __builtin_ia32_rdtsc();
  __builtin_ia32_lfence();
  return ticks;
#else
  return static_cast<std::uint64_t>(Now());
#endif
}
double NsPerTick() {
  static const double ns = [] {
    const std::int64_t begin = Now();
    const std::uint64_t from = Ticks();
    while (Now() - begin < 50'000'000) {
    }
    return static_cast<double>(Now() - begin) / static_cast<double>(Ticks() - from);
  }();
  return ns;
}

template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

float SampleOf(int lane, std::int64_t index) {
  return static_cast<float>((index * 7 + lane) % 1000) / 1000.0F;
}

// How long lane `lane` of the material is: one lane of all, four of a quarter, sixteen of a
// sixteenth.
std::int64_t LengthOf(int lane) {
  return lane == 0 ? kAll : lane < 4 ? kAll / 4 : lane < 16 ? kAll / 16 : kAll / 64;
}

// A canvas, its lanes in a window, and where each page's samples lie: the floor reads the very same
// bytes from addresses it knows beforehand.
class Material {
 public:
  Material(const std::string& path, std::uint64_t seconds, std::int64_t origin, int lanes)
      : path_(path), origin_(origin) {
    Must(canvas::Canvas::Create(path, {.capacity_seconds = seconds}));
    {
      canvas::Canvas writer = Writable();
      // Written as the importer does: some megabytes at a time, which the kernel keeps in large
      // pages.
      std::vector<float> piece(2 * kPiece);
      for (int lane = 0; lane < lanes; ++lane) {
        ids_.push_back(Must(writer.AddLane({.name = std::to_string(lane), .channels = 2})));
        auto own = Must(writer.Writer(ids_.back()));
        for (std::int64_t at = 0; at < LengthOf(lane); at += kPiece) {
          const std::int64_t frames = std::min(kPiece, LengthOf(lane) - at);
          Fill(lane, at, std::span(piece).first(static_cast<std::size_t>(frames) * 2));
          Must(own.Write(Frame(origin + at),
                         std::span(piece).first(static_cast<std::size_t>(frames) * 2)));
        }
      }
    }
    canvas_.emplace(Must(canvas::Canvas::Open(path)));
    window_.emplace(Must(canvas_->MakeWindow(ids_, {.max_seconds = 600})));
    Must(window_->MoveTo({Frame(origin), Frame(origin + kAll)}));
    for (const canvas::LaneId id : ids_) {
      readers.push_back(Must(window_->Reader(id)));
      plain.push_back(Must(canvas_->Reader(id)));
    }
    together.emplace(Must(window_->Readers(ids_)));
    for (int lane = 0; lane < lanes; ++lane) {
      std::vector<const float*> pages;
      for (std::int64_t page = 0; page * kPage < LengthOf(lane); ++page)
        pages.push_back(At(lane).ViewAt(Frame(origin + page * kPage), 1).samples().data());
      pages_.push_back(std::move(pages));
    }
  }
  canvas::Canvas Writable() const {
    return Must(canvas::Canvas::Open(
        path_, {.access = canvas::Access::kReadWrite, .sync_on_close = false}));
  }
  static void Fill(int lane, std::int64_t at, std::span<float> out) {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = SampleOf(lane, at * 2 + static_cast<std::int64_t>(i));
  }

  canvas::WindowReader& At(int lane) { return readers[static_cast<std::size_t>(lane)]; }
  canvas::LaneId id(int lane) const { return ids_[static_cast<std::size_t>(lane)]; }
  std::int64_t origin() const { return origin_; }
  canvas::WindowReport window() const { return window_->Report(); }

  void Copy(int lane, std::int64_t at, std::int64_t frames, float* out) const {
    const auto& pages = pages_[static_cast<std::size_t>(lane)];
    while (frames > 0) {
      const std::int64_t page = at / kPage;
      const std::int64_t offset = at - page * kPage;
      const std::int64_t count = std::min(frames, kPage - offset);
      std::memcpy(out, pages[static_cast<std::size_t>(page)] + offset * 2,
                  static_cast<std::size_t>(count) * 8);
      at += count;
      out += count * 2;
      frames -= count;
    }
  }

  std::vector<canvas::WindowReader> readers;  // in the window
  std::vector<canvas::LaneReader> plain;      // everywhere
  std::optional<canvas::WindowReaders> together;

 private:
  std::string path_;
  std::int64_t origin_;
  std::optional<canvas::Canvas> canvas_;
  std::optional<canvas::Window> window_;
  std::vector<canvas::LaneId> ids_;
  std::vector<std::vector<const float*>> pages_;
};

// Where the contenders put what they read.
float* const g_out = static_cast<float*>(std::aligned_alloc(64, 2 * kMaxFrames * sizeof(float)));

// One block after the other, round-robin over the lanes; goes on where it ended. Or at random.
class Walk {
 public:
  Walk(int lanes, std::int64_t frames, std::int64_t span, bool random = false)
      : lanes_(lanes), frames_(frames), span_(span / lanes / frames * frames), random_(random) {}

  // Begins at part i of n.
  Walk From(std::int64_t i, std::int64_t n) const {
    Walk walk = *this;
    walk.at_ = span_ / frames_ * i / n * frames_;
    return walk;
  }

  template <typename Read>
  void operator()(Read& read) {
    read(lane_, at_);
    if (++lane_ < lanes_) return;
    lane_ = 0;
    if (random_) {
      state_ ^= state_ << 13;
      state_ ^= state_ >> 7;
      state_ ^= state_ << 17;
      at_ =
          static_cast<std::int64_t>(state_ % static_cast<std::uint64_t>(span_ / frames_)) * frames_;
    } else {
      at_ += frames_;
      if (at_ >= span_) at_ = 0;
    }
  }

 private:
  int lanes_;
  std::int64_t frames_;
  std::int64_t span_;
  bool random_;
  int lane_ = 0;
  std::int64_t at_ = 0;
  std::uint64_t state_ = 88172645463325252;
};

struct Contender {
  std::string who;
  std::function<double(std::int64_t)> mean;            // ns a read, over so many
  std::function<void(std::int64_t, Histogram&)> each;  // of so many, in ticks
};

using SharedWalk = std::shared_ptr<Walk>;
SharedWalk MakeWalk(int lanes, std::int64_t frames, std::int64_t span, bool random = false) {
  return std::make_shared<Walk>(lanes, frames, span, random);
}

template <typename Read>
Contender Make(const std::string& who, const SharedWalk& walk, Read read) {
  auto shared = std::make_shared<Read>(std::move(read));
  return {who,
          [walk, shared](std::int64_t reads) {
            Walk at = *walk;
            Read& call = *shared;
            const std::int64_t begin = Now();
            for (std::int64_t i = 0; i < reads; ++i) at(call);
            const double ns = static_cast<double>(Now() - begin) / static_cast<double>(reads);
            *walk = at;
            return ns;
          },
          [walk, shared](std::int64_t reads, Histogram& histogram) {
            Walk at = *walk;
            Read& call = *shared;
            for (std::int64_t i = 0; i < reads; ++i) {
              const std::uint64_t begin = Ticks();
              at(call);
              histogram.Add(Ticks() - begin);
            }
            *walk = at;
          }};
}

Contender FloorRead(const Material& material, const SharedWalk& walk, std::int64_t frames) {
  return Make("floor", walk, [&material, frames](int lane, std::int64_t at) {
    material.Copy(lane, at, frames, g_out);
    Keep(*g_out);
  });
}
Contender CanvasRead(Material& material, const SharedWalk& walk, std::int64_t frames,
                     const std::string& who = "canvas read") {
  return Make(who, walk, [&material, frames](int lane, std::int64_t at) {
    const auto got = material.At(lane).Read(Frame(material.origin() + at),
                                            std::span(g_out, static_cast<std::size_t>(frames) * 2));
    if (got.status != canvas::ReadStatus::kOk && got.status != canvas::ReadStatus::kRaced)
      std::_Exit(3);
    Keep(*g_out);
  });
}
// All lanes at one position, in one call: made at the first lane of a walk.
Contender CanvasTogether(Material& material, const SharedWalk& walk, int lanes,
                         std::int64_t frames) {
  std::vector<std::span<float>> outs(static_cast<std::size_t>(lanes),
                                     std::span(g_out, static_cast<std::size_t>(frames) * 2));
  return Make(
      "canvas, together", walk, [&material, outs = std::move(outs)](int lane, std::int64_t at) {
        if (lane != 0) return;
        if (material.together->Read(Frame(material.origin() + at), outs) != canvas::ReadStatus::kOk)
          std::_Exit(3);
        Keep(*g_out);
      });
}
Contender PlainRead(Material& material, const SharedWalk& walk, std::int64_t frames) {
  return Make("canvas, no window", walk, [&material, frames](int lane, std::int64_t at) {
    const auto got = material.plain[static_cast<std::size_t>(lane)].Read(
        Frame(material.origin() + at), std::span(g_out, static_cast<std::size_t>(frames) * 2));
    if (got.status != canvas::ReadStatus::kOk) std::_Exit(3);
    Keep(*g_out);
  });
}
Contender CanvasView(Material& material, const SharedWalk& walk, std::int64_t frames) {
  return Make("canvas view", walk, [&material, frames](int lane, std::int64_t at) {
    const canvas::View view =
        material.At(lane).ViewAt(Frame(material.origin() + at), static_cast<std::uint64_t>(frames));
    if (!view.StillValid() || view.frames() == 0) std::_Exit(3);
    Keep(view);
  });
}
Contender PeerRead(bench::Peer& peer, const SharedWalk& walk, std::int64_t frames) {
  peer.Prepare(frames);
  return Make(peer.name(), walk, [&peer, frames](int lane, std::int64_t at) {
    peer.Read(lane, at, frames, g_out);
    Keep(*g_out);
  });
}

// What came of a contender in a case: medians over the rounds.
struct Outcome {
  double ns = 0;
  double ratio = 0;  // to the case's first
  double above = 0;  // ns above it
  double least = 0;  // of the ratio, over the draws
  double most = 0;
};
using Outcomes = std::map<std::string, Outcome>;

std::mt19937& Random() {
  static std::mt19937 random(1);
  return random;
}

// The first contender is the one that others are divided by.
Outcomes RunRounds(std::vector<Contender>& contenders, int rounds) {
  constexpr double kSlice = 4e6;  // ns of one contender in a round
  std::vector<std::int64_t> reads;
  for (Contender& contender : contenders) {
    const double ns = std::max(contender.mean(200), 1.0);
    reads.push_back(std::clamp<std::int64_t>(static_cast<std::int64_t>(kSlice / ns), 16, 400'000));
    contender.mean(reads.back());
  }
  std::vector<std::vector<double>> times(contenders.size());
  std::vector<std::size_t> order(contenders.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(order, Random());
    for (const std::size_t i : order) times[i].push_back(contenders[i].mean(reads[i]));
  }
  Outcomes outcomes;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    std::vector<double> ratios;
    std::vector<double> above;
    for (int round = 0; round < rounds; ++round) {
      const auto r = static_cast<std::size_t>(round);
      ratios.push_back(times[i][r] / times[0][r]);
      above.push_back(times[i][r] - times[0][r]);
    }
    const double ratio = Median(ratios);
    outcomes[contenders[i].who] = {Median(times[i]), ratio, Median(above), ratio, ratio};
  }
  return outcomes;
}

// Of the same contenders in several draws.
Outcomes Together(const std::vector<Outcomes>& draws) {
  Outcomes together;
  for (const auto& [who, first] : draws.front()) {
    const auto over = [&](double Outcome::*what) {
      std::vector<double> values;
      for (const Outcomes& draw : draws) values.push_back(draw.at(who).*what);
      return values;
    };
    const auto ratios = over(&Outcome::ratio);
    together[who] = {Median(over(&Outcome::ns)), Median(ratios), Median(over(&Outcome::above)),
                     std::ranges::min(ratios), std::ranges::max(ratios)};
  }
  return together;
}

struct Verdict {
  std::string what;
  std::string measured;
  std::string target;
  bool met = false;
};

class Report {
 public:
  explicit Report(std::string only) : only_(std::move(only)) {}
  bool Wants(const std::string& name) const { return name.find(only_) != std::string::npos; }

  void Add(const std::string& kind, const std::string& name,
           const std::vector<Contender>& contenders, const Outcomes& outcomes) {
    fmt::print("\n  {:<26}{:>12}{:>10}{:>16}{:>12}\n", name, "ns", "x first", "over the draws",
               "ns above");
    json rows = json::array();
    for (const Contender& contender : contenders) {
      const Outcome& o = outcomes.at(contender.who);
      fmt::print("    {:<24}{:>12.1f}{:>10.3f}{:>16}{:>12.1f}\n", contender.who, o.ns, o.ratio,
                 o.least == o.most ? "" : fmt::format("{:.2f} to {:.2f}", o.least, o.most),
                 o.above);
      rows.push_back({{"who", contender.who},
                      {"ns", o.ns},
                      {"ratio", o.ratio},
                      {"least", o.least},
                      {"most", o.most},
                      {"above_ns", o.above}});
    }
    all_[kind].push_back({{"case", name}, {"rows", rows}});
    std::fflush(stdout);
  }
  bool empty() const { return all_.empty(); }
  json& of(const std::string& kind) { return all_[kind]; }
  std::string Text() const { return all_.dump(2); }

  void Judge(const std::string& what, const std::string& measured, const std::string& target,
             bool met) {
    verdicts_.push_back({what, measured, target, met});
  }
  bool Finish() {
    bool all = true;
    fmt::print("\nTargets\n");
    json targets = json::array();
    for (const Verdict& v : verdicts_) {
      fmt::print("  {:<8} {:<46} {:<34} {}\n", v.met ? "met" : "NOT MET", v.what, v.measured,
                 v.target);
      targets.push_back(
          {{"what", v.what}, {"measured", v.measured}, {"target", v.target}, {"met", v.met}});
      all = all && v.met;
    }
    all_["targets"] = targets;
    return all;
  }

 private:
  std::string only_;
  json all_;
  std::vector<Verdict> verdicts_;
};

// What another process does beside, when it is told to.
struct Shared {
  std::atomic<int> doing{0};  // 0 nothing, 1 appends, 2 overwrites, -1 ends
  std::atomic<std::uint64_t> done{0};
};

class Beside {
 public:
  explicit Beside(const Material& material) {
    shared_ = new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0)) Shared;
    std::fflush(stdout);
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Work(material);
    std::_Exit(0);
  }
  ~Beside() {
    shared_->doing = -1;
    waitpid(pid_, nullptr, 0);
  }
  // Returns when it is at it.
  void Do(int what) {
    shared_->doing = what;
    const std::uint64_t done = shared_->done;
    while (what != 0 && shared_->done < done + 2)
      if (waitpid(pid_, nullptr, WNOHANG) != 0) std::_Exit(4);  // it has said why
  }

 private:
  void Work(const Material& material) {
    canvas::Canvas canvas = material.Writable();
    std::vector<canvas::FrameWriter> writers;
    for (int lane = 0; lane < 4; ++lane) writers.push_back(Must(canvas.Writer(material.id(lane))));
    std::vector<float> block(512);
    std::int64_t at = 0;
    std::int64_t end = 0;
    while (shared_->doing >= 0) {
      if (shared_->doing == 0) {
        usleep(200);
        continue;
      }
      // Appended: behind what is read, fifty times as fast as music, as far as there is room: that
      // is for a second, of which the bench needs a third.
      if (shared_->doing == 1 && end >= kAppended) {
        fmt::print(stderr, "there is no more room to append: fewer --rounds\n");
        std::_Exit(1);
      }
      for (int lane = 0; lane < 4; ++lane) {
        const std::int64_t first = shared_->doing == 1 ? LengthOf(lane) + end : at + lane * 1000;
        if (shared_->doing == 2) Material::Fill(lane, first, block);
        Must(
            writers[static_cast<std::size_t>(lane)].Write(Frame(material.origin() + first), block));
      }
      if (shared_->doing == 1) end += 256;
      at = (at + 4096 * 3 + 256) % (LengthOf(1) - 8192);
      ++shared_->done;
      for (const std::int64_t until = Now() + 100'000; Now() < until;) {
      }
    }
  }
  Shared* shared_;
  pid_t pid_ = -1;
};

using Draws = std::vector<std::unique_ptr<Material>>;

void JudgeSize(Report& report, const std::string& name, const Outcome& read) {
  report.Judge(name,
               fmt::format("{:.2f} x ({:.2f} to {:.2f}), {:+.1f} ns", read.ratio, read.least,
                           read.most, read.above),
               "at most 1.10 x or 15 ns above", read.ratio <= 1.10 || read.above <= 15);
}

void Sizes(Report& report, const Draws& draws, std::vector<std::unique_ptr<bench::Peer>>& peers,
           int rounds, std::vector<bench::Bar>& bars) {
  for (const bool hot : {true, false})
    for (const std::int64_t frames : {32, 64, 128, 256, 512, 1024, 2048, 4096}) {
      const std::string name = fmt::format("{} {} frames", hot ? "L2" : "RAM", frames);
      if (!report.Wants(name)) continue;
      const SharedWalk walk = MakeWalk(4, frames, hot ? kHot : kAll);
      const bool with_peers =
          !hot && (frames == 32 || frames == 256 || frames == 1024 || frames == 4096);
      std::vector<Contender> contenders;
      std::vector<Outcomes> each;
      for (const auto& material : draws) {
        contenders = {FloorRead(*material, walk, frames), CanvasRead(*material, walk, frames),
                      CanvasView(*material, walk, frames)};
        if (!hot) contenders.push_back(PlainRead(*material, walk, frames));
        if (with_peers)
          for (auto& peer : peers) contenders.push_back(PeerRead(*peer, walk, frames));
        each.push_back(RunRounds(contenders, rounds));
      }
      const Outcomes outcomes = Together(each);
      report.Add("sizes", name, contenders, outcomes);
      const Outcome& read = outcomes.at("canvas read");
      JudgeSize(report, name, read);
      if (!with_peers || frames != 256) continue;
      const auto faster = [&](const std::string& who, double times) {
        if (!outcomes.contains(who)) return;
        const double ratio = outcomes.at(who).ns / read.ns;
        report.Judge("256 frames against " + who, fmt::format("{:.1f} x faster", ratio),
                     fmt::format("at least {:g} x", times), ratio >= times);
      };
      faster("LMDB, open txn", 3);
      faster("libsndfile, in order", 5);
      faster("libsndfile, seek + read", 5);
      for (const Contender& c : contenders)
        bars.push_back(
            {c.who == "floor" ? "memcpy (floor)" : c.who, outcomes.at(c.who).ns,
             fmt::format("{:.0f} ns, {:.2f} x", outcomes.at(c.who).ns, outcomes.at(c.who).ratio),
             c.who == "canvas read" || c.who == "canvas view"});
    }
  if (const std::string name = "RAM 256 frames at random"; report.Wants(name)) {
    const SharedWalk walk = MakeWalk(4, 256, kAll, true);
    std::vector<Contender> contenders;
    std::vector<Outcomes> each;
    for (const auto& material : draws) {
      contenders = {FloorRead(*material, walk, 256), CanvasRead(*material, walk, 256)};
      each.push_back(RunRounds(contenders, rounds));
    }
    const Outcomes outcomes = Together(each);
    report.Add("sizes", name, contenders, outcomes);
    JudgeSize(report, name, outcomes.at("canvas read"));
  }
}

void Views(Report& report, Material& material, int rounds) {
  if (!report.Wants("views")) return;
  std::vector<Contender> contenders;
  const SharedWalk walk = MakeWalk(4, 4096, kHot * 4);
  contenders.push_back(FloorRead(material, walk, 4096));
  contenders.back().who = "copy one block";
  for (const std::int64_t frames : {32, 4096, 8192, 16384, 32768}) {
    auto view = CanvasView(material, MakeWalk(4, frames, kHot * 4), frames);
    view.who = fmt::format("view of {} frames", frames);
    contenders.push_back(std::move(view));
  }
  const Outcomes outcomes = RunRounds(contenders, rounds);
  report.Add("views", "views, by frames", contenders, outcomes);
  const Outcome& one = outcomes.at("view of 4096 frames");
  report.Judge("opening a view of one block", fmt::format("{:.2f} x copying it", one.ratio),
               "at most 0.5 x", one.ratio <= 0.5);
  const double each = (outcomes.at("view of 32768 frames").ns - one.ns) / 7;
  report.Judge("a block more in a view", fmt::format("{:.1f} ns", each), "less than the first",
               each < one.ns);
}

void Lanes(Report& report, Material& material, Material& long_one, int rounds) {
  if (report.Wants("lanes")) {
    // Each beside its own floor, in the same rounds: the cache does what it does to both.
    std::vector<Contender> contenders;
    for (const int lanes : {1, 4, 16, 64}) {
      const SharedWalk walk = MakeWalk(lanes, 256, kAll);
      contenders.push_back(FloorRead(material, walk, 256));
      contenders.back().who = fmt::format("floor, {} lanes", lanes);
      contenders.push_back(CanvasRead(material, walk, 256, fmt::format("canvas, {} lanes", lanes)));
    }
    const Outcomes outcomes = RunRounds(contenders, rounds);
    report.Add("lanes", "RAM 256 frames, by lanes", contenders, outcomes);
    const double growth = (outcomes.at("canvas, 64 lanes").ns / outcomes.at("canvas, 1 lanes").ns) /
                          (outcomes.at("floor, 64 lanes").ns / outcomes.at("floor, 1 lanes").ns);
    report.Judge("64 lanes against one, beside the floor's", fmt::format("{:.3f} x", growth),
                 "at most 1.05 x", growth <= 1.05);
  }
  if (report.Wants("length")) {
    const SharedWalk walk = MakeWalk(4, 256, kHot);
    std::vector<Contender> contenders = {
        FloorRead(material, walk, 256), CanvasRead(material, walk, 256, "canvas, 45 minutes"),
        FloorRead(long_one, walk, 256), CanvasRead(long_one, walk, 256, "canvas, 24 hours")};
    contenders[0].who = "floor, 45 minutes";
    contenders[2].who = "floor, 24 hours";
    const Outcomes outcomes = RunRounds(contenders, rounds);
    report.Add("length", "L2 256 frames, by length", contenders, outcomes);
    const double growth =
        (outcomes.at("canvas, 24 hours").ns / outcomes.at("canvas, 45 minutes").ns) /
        (outcomes.at("floor, 24 hours").ns / outcomes.at("floor, 45 minutes").ns);
    report.Judge("24 hours against 45 minutes, beside the floor's", fmt::format("{:.3f} x", growth),
                 "at most 1.05 x", growth <= 1.05);
  }
}

void BesideWriters(Report& report, Material& material, Beside& beside, int rounds) {
  if (!report.Wants("beside")) return;
  const SharedWalk walk = MakeWalk(4, 256, kHot);
  std::vector<Contender> contenders;
  const std::array<const char*, 3> names = {"alone", "beside an appender", "beside an overwriter"};
  for (int what = 0; what < 3; ++what) {
    auto read = CanvasRead(material, walk, 256, names[static_cast<std::size_t>(what)]);
    read.mean = [&beside, what, mean = read.mean](std::int64_t reads) {
      beside.Do(what);
      const double ns = mean(reads);
      beside.Do(0);
      return ns;
    };
    contenders.push_back(std::move(read));
  }
  const Outcomes outcomes = RunRounds(contenders, rounds);
  report.Add("beside", "L2 256 frames, beside", contenders, outcomes);
  const double ratio = outcomes.at(names[1]).ratio;
  report.Judge("beside an appending process", fmt::format("{:.2f} x alone", ratio), "at most 1.2 x",
               ratio <= 1.2);
}

constexpr std::array<double, 4> kShares = {0.5, 0.99, 0.999, 0.9999};
constexpr std::array<const char*, 4> kShareNames = {"p50", "p99", "p99.9", "p99.99"};

// Prints, and keeps as JSON; answers the percentiles in ns.
std::vector<double> Tell(Report& report, const std::string& kind, const std::string& who,
                         const Histogram& histogram) {
  std::vector<double> values;
  json row = {{"who", who}, {"reads", histogram.total()}};
  fmt::print("    {:<24}", who);
  for (std::size_t i = 0; i < kShares.size(); ++i) {
    values.push_back(histogram.Percentile(kShares[i]) * NsPerTick());
    fmt::print("{:>10.0f}", values.back());
    row[kShareNames[i]] = values.back();
  }
  const double most = static_cast<double>(histogram.max()) * NsPerTick();
  fmt::print("{:>12.0f}\n", most);
  row["max"] = most;
  report.of(kind).push_back(row);
  return values;
}
void TellHead(const std::string& title) {
  fmt::print("\n  {:<26}{:>10}{:>10}{:>10}{:>10}{:>12}\n", title, "p50", "p99", "p99.9", "p99.99",
             "max");
}

void Tails(Report& report, Material& material, std::vector<std::unique_ptr<bench::Peer>>& peers,
           int rounds, bench::Panel& panel) {
  if (!report.Wants("tails")) return;
  constexpr std::int64_t kFrames = 256;
  const SharedWalk walk = MakeWalk(4, kFrames, kAll);
  std::vector<Contender> contenders;
  contenders.push_back(
      Make("control, reads nothing", walk, [](int, std::int64_t at) { Keep(at); }));
  contenders.push_back(FloorRead(material, walk, kFrames));
  contenders.push_back(CanvasRead(material, walk, kFrames));
  contenders.push_back(CanvasView(material, walk, kFrames));
  for (auto& peer : peers) contenders.push_back(PeerRead(*peer, walk, kFrames));
  std::vector<Histogram> histograms(contenders.size());
  std::vector<std::size_t> order(contenders.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<double> ratios;
  for (int round = 0; round < rounds * 10; ++round) {
    std::ranges::shuffle(order, Random());
    for (const std::size_t i : order) contenders[i].each(1000, histograms[i]);
  }
  TellHead("RAM 256 frames, each, ns");
  std::map<std::string, std::vector<double>> told;
  for (std::size_t i = 0; i < contenders.size(); ++i)
    told[contenders[i].who] = Tell(report, "tails", contenders[i].who, histograms[i]);
  const double ratio = told.at("canvas read")[2] / told.at("floor")[2];
  report.Judge("p99.9 of a read against the floor's", fmt::format("{:.2f} x", ratio),
               "at most 1.5 x", ratio <= 1.5);
  panel.ticks.assign(kShareNames.begin(), kShareNames.end());
  for (const Contender& c : contenders) {
    if (c.who == "control, reads nothing" || c.who == "canvas view") continue;
    panel.lines.push_back(
        {c.who == "floor" ? "memcpy" : c.who, told.at(c.who), c.who == "canvas read"});
  }
}

// Every 2.67 ms, as an audio callback of 128 frames at 48 kHz; floor and canvas in turn.
void OpenLoop(Report& report, Material& material, int rounds) {
  if (!report.Wants("open")) return;
  constexpr std::int64_t kFrames = 128;
  constexpr int kLanes = 16;
  constexpr std::int64_t kPeriod = 2'666'667;
  // Each its own third of the material: what one has read is not in another's cache.
  const SharedWalk walk = MakeWalk(kLanes, kFrames, kAll);
  const auto third = [&](std::int64_t i) { return std::make_shared<Walk>(walk->From(i, 3)); };
  std::vector<Contender> contenders = {FloorRead(material, third(0), kFrames),
                                       CanvasRead(material, third(1), kFrames),
                                       CanvasTogether(material, third(2), kLanes, kFrames)};
  std::vector<Histogram> histograms(contenders.size());
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  for (int callback = 0; callback < rounds * 60; ++callback) {
    at.tv_nsec += kPeriod;
    if (at.tv_nsec >= 1'000'000'000) {
      at.tv_nsec -= 1'000'000'000;
      ++at.tv_sec;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    const auto who = static_cast<std::size_t>(callback) % contenders.size();
    const std::uint64_t begin = Ticks();
    contenders[who].mean(kLanes);
    histograms[who].Add(Ticks() - begin);
  }
  TellHead("callbacks of 16 lanes, ns");
  const auto floor = Tell(report, "open_loop", "floor", histograms[0]);
  const auto read = Tell(report, "open_loop", "canvas read", histograms[1]);
  const auto together = Tell(report, "open_loop", "canvas, together", histograms[2]);
  fmt::print("    every 2.67 ms, 128 frames of each; p50 {:.2f} x, p99 {:.2f} x the floor's\n",
             read[0] / floor[0], read[1] / floor[1]);
  fmt::print("    together: p50 {:.2f} x, p99 {:.2f} x\n", together[0] / floor[0],
             together[1] / floor[1]);
  const double ratio = together[0] / floor[0];
  report.Judge("a cold callback of 16 lanes, read together, against the floor's",
               fmt::format("{:.2f} x", ratio), "at most 1.0 x", ratio <= 1.0);
}

std::string FirstLine(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line))
    if (line.starts_with(key)) {
      const auto at = line.find(':');
      return at == std::string::npos ? line : line.substr(line.find_first_not_of(" \t", at + 1));
    }
  return "?";
}

std::string Machine(const std::string& directory) {
  utsname kernel{};
  uname(&kernel);
  struct statfs fs {};
  statfs(directory.c_str(), &fs);
  const char* type = fs.f_type == 0xEF53       ? "ext4"
                     : fs.f_type == 0x58465342 ? "xfs"
                     : fs.f_type == 0x01021994 ? "tmpfs"
                                               : "other file system";
  const auto cache = [](int level) {
    std::ifstream in(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", level));
    std::string size;
    return std::getline(in, size) ? size : std::string("?");
  };
  return fmt::format("{}, {} processors, L2 {}, L3 {} (shared), Linux {}, {}; {}, copies by {}",
                     FirstLine("/proc/cpuinfo", "model name"), sysconf(_SC_NPROCESSORS_ONLN),
                     cache(2), cache(3), kernel.release, type,
#if defined(__clang__)
                     "clang " __clang_version__
#else
                     "g++ " __VERSION__
#endif
                     ,
                     canvas::sync::CopyKind());
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 41;
  int draw_count = 5;
  std::string only;
  std::string json_path;
  std::string picture;
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
    if (take_number("--rounds=", 100, rounds) || take_number("--draws=", 20, draw_count)) continue;
    if (!take("--case=", only) && !take("--json=", json_path) && !take("--picture=", picture)) {
      fmt::print(stderr,
                 "usage: {} [--rounds=N] [--draws=N] [--case=SUBSTRING] [--json=FILE] "
                 "[--picture=FILE]\n",
                 argv[0]);
      return 2;
    }
  }
  std::string directory = (std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  // The bench itself is a child: however it ends, a gigabyte of files goes.
  if (const pid_t child = fork(); child != 0) {
    static volatile pid_t bench = child;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
      std::signal(signal, [](int) { kill(bench, SIGKILL); });
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    std::filesystem::remove_all(directory);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);

  Draws draws;
  for (int draw = 0; draw < draw_count; ++draw)
    draws.push_back(std::make_unique<Material>(fmt::format("{}/short{}.canvas", directory, draw),
                                               45 * 60, kShort, draw == 0 ? kMaxLanes : 4));
  Material& material = *draws.front();
  Material long_one(directory + "/long.canvas", 24 * 3600, kLong, 4);
  Beside beside(material);
  bench::Source source{4, kMinute, Material::Fill};
  std::vector<std::string> missing;
  auto peers = bench::MakePeers(directory, source, missing);
  sync();  // or the kernel writes it all back in the midst
  const std::string machine = Machine(directory);
  fmt::print(
      "Reading blocks of stereo float32 frames; medians of {} rounds, sizes over {} draws\n{}\n"
      "windows: {}; mapped by 2 MiB pages: {}\n",
      rounds, draw_count, machine, material.window().message,
      FirstLine("/proc/self/smaps_rollup", "FilePmdMapped"));
  for (const std::string& name : missing) fmt::print("left out, not installed: {}\n", name);

  Report report(only);
  std::vector<bench::Bar> bars;
  bench::Panel tails{.title = "Every single read, timed",
                     .subtitle = "the same reads; what the machine does to one it does to all",
                     .unit = "ns"};
  Sizes(report, draws, peers, rounds, bars);
  Views(report, material, rounds);
  Lanes(report, material, long_one, rounds);
  BesideWriters(report, material, beside, rounds);
  Tails(report, material, peers, rounds, tails);
  OpenLoop(report, material, rounds);
  if (report.empty()) {
    fmt::print(stderr, "no case has '{}' in its name\n", only);
    return 2;
  }
  report.Finish();

  report.of("machine") = machine;
  report.of("rounds") = rounds;
  report.of("draws") = draw_count;
  report.of("window") = material.window().message;
  report.of("missing") = missing;
  if (!json_path.empty()) {
    std::ofstream out(json_path);
    out << report.Text() << "\n";
    if (!out.flush()) {
      fmt::print(stderr, "{} could not be written\n", json_path);
      return 1;
    }
  }
  if (!picture.empty() && !bars.empty()) {
    std::vector<bench::Panel> panels = {
        {.title = "256 stereo frames (2 KiB), from memory",
         .subtitle = "median; x: against a memcpy of the same bytes, in the same run",
         .bars = bars,
         .unit = "ns"}};
    if (!tails.lines.empty()) panels.push_back(tails);
    if (!bench::Draw(picture, panels)) {
      fmt::print(stderr, "{} could not be drawn\n", picture);
      return 1;
    }
  }
  return 0;
}
