// An example: plays a canvas through JACK. Its audio lanes are mixed, each at the same gain, from a
// window that a feeder keeps ahead of the playhead; the process callback does nothing but read and
// add.
//
//   jack_play CANVAS [--from=SECONDS] [--seconds=N] [--guard=1] [--connect=CLIENT:PORT]...
//
// It is an example of reading from a realtime callback, not a player: it plays lanes at the
// server's rate and leaves the others out, and knows no transport. With --guard the callback runs
// under the realtime guard (canvas/testing/realtime_guard.h), and any syscall, allocation, lock or
// page fault in it is counted; with --plant=1 it makes a syscall on purpose, to show that.
#include <fmt/format.h>
#include <jack/jack.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/realtime_guard.h"

namespace {

using canvas::Frame;
using canvas::testing::RealtimeGuard;

constexpr jack_nframes_t kMostFrames = 8192;

// Everything the callback touches.
struct Player {
  std::optional<canvas::WindowReaders> readers;
  std::vector<std::uint32_t> channels;
  // A lane's samples each, made and touched beforehand.
  std::vector<std::vector<float>> blocks;
  std::vector<std::span<float>> outs;
  std::optional<canvas::Playhead> playhead;
  std::array<jack_port_t*, 2> ports{};
  float gain = 1;
  std::int64_t position = 0;
  std::int64_t end = 0;
  bool guarded = false;
  bool plant = false;
  std::optional<RealtimeGuard> guard;

  std::atomic<bool> playing{false};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> callbacks{0};
  std::atomic<std::uint64_t> not_ok{0};
  std::atomic<std::uint64_t> longest_ns{0};
  std::atomic<std::uint64_t> total_ns{0};
  std::atomic<std::uint64_t> xruns{0};

  // One callback's worth. Nothing here but reads, additions and a store.
  void Render(float* left, float* right, jack_nframes_t frames) {
    std::fill_n(left, frames, 0.0F);
    std::fill_n(right, frames, 0.0F);
    for (std::size_t lane = 0; lane < outs.size(); ++lane)
      outs[lane] = std::span(blocks[lane]).first(std::size_t{frames} * channels[lane]);
    readers->Read(Frame(position), outs);
    for (std::size_t lane = 0; lane < outs.size(); ++lane) {
      const auto status = readers->results()[lane].status;
      // What is unwritten, or past the end, is zeros, and that is right; what is outside came too
      // late.
      if (status == canvas::ReadStatus::kOutside || status == canvas::ReadStatus::kRaced)
        not_ok.fetch_add(1, std::memory_order_relaxed);
      const std::uint32_t step = channels[lane];
      for (jack_nframes_t i = 0; i < frames; ++i) {
        left[i] += outs[lane][i * step] * gain;
        right[i] += outs[lane][i * step + step - 1] * gain;
      }
    }
    if (plant) getppid();
    position += frames;
    playhead->Publish(Frame(position));
  }

  int Process(jack_nframes_t frames) {
    auto* left = static_cast<float*>(jack_port_get_buffer(ports[0], frames));
    auto* right = static_cast<float*>(jack_port_get_buffer(ports[1], frames));
    // A guard belongs to its thread: made here, before anything is played. (JACK's thread init
    // callback also runs in other threads.)
    if (guarded && !guard) guard.emplace();
    if (!playing.load(std::memory_order_acquire) || position >= end || frames > kMostFrames) {
      if (position >= end) done.store(true, std::memory_order_release);
      std::fill_n(left, frames, 0.0F);
      std::fill_n(right, frames, 0.0F);
      return 0;
    }
    const auto begin = std::chrono::steady_clock::now();
    if (guard) guard->Arm();
    Render(left, right, frames);
    if (guard) guard->Disarm();
    const auto ns = static_cast<std::uint64_t>((std::chrono::steady_clock::now() - begin).count());
    callbacks.fetch_add(1, std::memory_order_relaxed);
    total_ns.fetch_add(ns, std::memory_order_relaxed);
    if (ns > longest_ns.load(std::memory_order_relaxed))
      longest_ns.store(ns, std::memory_order_relaxed);
    return 0;
  }
};

[[noreturn]] void Die(const std::string& what) {
  fmt::print(stderr, "jack_play: {}\n", what);
  std::exit(1);
}
template <typename T>
T Must(canvas::Result<T> result) {
  if (!result) Die(result.error().Message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

std::atomic<bool> g_stop{false};

constexpr const char* kUsage =
    "usage: jack_play CANVAS [--from=SECONDS] [--seconds=N] [--guard=1] [--plant=1]\n"
    "                 [--connect=LEFT_INPUT --connect=RIGHT_INPUT]\n";

// Seconds: a decimal number up to a year.
double ParseSeconds(std::string_view text) {
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 3.2e7))
    Die(fmt::format("'{}' is not a number of seconds", text));
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  double from = 0;
  double seconds = 30;
  bool guarded = false;
  bool plant = false;
  std::vector<std::string> connect;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&] { return argument.substr(argument.find('=') + 1); };
    if (argument == "--help") {
      fmt::print("{}", kUsage);
      return 0;
    }
    if (argument.starts_with("--from=")) {
      from = ParseSeconds(value());
    } else if (argument.starts_with("--seconds=")) {
      seconds = ParseSeconds(value());
    } else if (argument == "--guard=1") {
      guarded = true;
    } else if (argument == "--plant=1") {
      plant = true;
    } else if (argument.starts_with("--connect=")) {
      connect.emplace_back(value());
    } else if (!argument.starts_with("-") && path.empty()) {
      path = argument;
    } else {
      fmt::print(stderr, "jack_play: what is '{}'?\n{}", argument, kUsage);
      return 2;
    }
  }
  if (path.empty()) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto canvas = Must(canvas::Canvas::Open(path));

  jack_set_error_function([](const char*) {});  // what it says without a server is said below
  jack_status_t status{};
  jack_client_t* client = jack_client_open("canvas", JackNoStartServer, &status);
  if (client == nullptr) Die("no JACK server answers (JACK_DEFAULT_SERVER says which)");
  const auto rate = static_cast<std::uint64_t>(jack_get_sample_rate(client));

  std::vector<canvas::LaneId> lanes;
  auto player = std::make_unique<Player>();
  for (const canvas::LaneInfo& lane : Must(canvas.Lanes())) {
    if (lane.kind != canvas::LaneKind::kAudio || lane.channels > 2 ||
        lane.rate != canvas::Rate{rate, 1}) {
      fmt::print("left out: {} ({} channels at {} Hz)\n", lane.name, lane.channels,
                 canvas::ToString(lane.rate));
      continue;
    }
    lanes.push_back(lane.id);
    player->channels.push_back(lane.channels);
  }
  if (lanes.empty()) Die("no lane to play at the server's rate");
  const auto window = Must(canvas.MakeWindow(lanes, {.clock = {rate, 1}, .max_seconds = 2}));
  auto feeder = Must(canvas::Feeder::Start({.horizon_seconds = 0.6, .behind_seconds = 0.1}));
  player->playhead.emplace(Must(feeder.Follow(window)));
  player->readers.emplace(Must(window.Readers(lanes)));
  for (const std::uint32_t channels : player->channels)
    player->blocks.emplace_back(std::size_t{kMostFrames} * channels);
  player->outs.resize(player->blocks.size());
  player->gain = 1.0F / static_cast<float>(lanes.size());
  player->position = static_cast<std::int64_t>(from * static_cast<double>(rate));
  player->end = player->position + static_cast<std::int64_t>(seconds * static_cast<double>(rate));
  player->guarded = guarded;
  player->plant = plant;
  player->playhead->Publish(Frame(player->position));
  if (!player->playhead->WaitReady(std::chrono::seconds(30))) Die("the window is never ready");

  jack_set_process_callback(
      client,
      [](jack_nframes_t frames, void* me) { return static_cast<Player*>(me)->Process(frames); },
      player.get());
  jack_set_xrun_callback(
      client,
      [](void* me) {
        static_cast<Player*>(me)->xruns.fetch_add(1, std::memory_order_relaxed);
        return 0;
      },
      player.get());
  const std::array<const char*, 2> names = {"left", "right"};
  for (std::size_t i = 0; i < 2; ++i)
    player->ports[i] =
        jack_port_register(client, names[i], JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput, 0);
  if (jack_activate(client) != 0) Die("JACK does not activate the client");
  for (std::size_t i = 0; i < connect.size() && i < 2; ++i)
    if (jack_connect(client, jack_port_name(player->ports[i]), connect[i].c_str()) != 0)
      Die("cannot connect to " + connect[i]);

  std::signal(SIGINT, [](int) { g_stop = true; });
  std::signal(SIGTERM, [](int) { g_stop = true; });
  player->playing.store(true, std::memory_order_release);
  while (!g_stop && !player->done.load(std::memory_order_acquire))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  jack_deactivate(client);
  const double period =
      static_cast<double>(jack_get_buffer_size(client)) / static_cast<double>(rate);
  const std::uint64_t callbacks = player->callbacks.load();
  fmt::print("played {} lanes, {} callbacks of {:.2f} ms; {}\n", lanes.size(), callbacks,
             period * 1e3, window.Report().message);
  fmt::print(
      "in the callback: {:.1f} us on average, {:.1f} us at most: {:.2f} % and {:.2f} % of the "
      "period\n",
      static_cast<double>(player->total_ns) / 1e3 /
          static_cast<double>(std::max<std::uint64_t>(callbacks, 1)),
      static_cast<double>(player->longest_ns) / 1e3,
      static_cast<double>(player->total_ns) / 1e7 /
          static_cast<double>(std::max<std::uint64_t>(callbacks, 1)) / period,
      static_cast<double>(player->longest_ns) / 1e7 / period);
  fmt::print("reads that came too late: {}; xruns of the server: {}\n", player->not_ok.load(),
             player->xruns.load());
  int code = player->not_ok != 0 ? 3 : 0;
  if (player->guard) {
    std::string why;
    const bool complete = RealtimeGuard::Complete(&why);
    fmt::print("guard: {}{}\n", player->guard->counts().ToString(),
               player->guard->First().empty() ? "" : "; first: " + player->guard->First());
    if (!complete) fmt::print("SKIPPED: the guard: {}\n", why);
    if (complete && player->guard->counts().total() != 0) code = 4;
  }
  jack_client_close(client);
  return code;
}
