// Reading and writing Standard MIDI Files: the real songs of openttd-openmsx one after the other,
// beside a memcpy of the same bytes. Prints MB/s of file bytes.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/ratio.h"
#include "canvas/midi/smf.h"
#include "canvas/testing/must.h"

namespace {

using canvas::midi::Event;
using canvas::midi::ParseSmf;
using canvas::midi::Smf;
using canvas::midi::SmfTrackToWrite;
using canvas::testing::Must;
using Data = std::vector<std::uint8_t>;

std::vector<Data> Songs() {
  std::vector<Data> songs;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/usr/share/games/openttd/baseset/openmsx", error)) {
    if (entry.path().extension() != ".mid") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    songs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return songs;
}

// A song with all that WriteSmf takes.
struct Stored {
  Smf smf;
  std::vector<std::vector<Event>> events;
  std::vector<Data> blobs;
  Data file;
  std::vector<SmfTrackToWrite> tracks;
};

Stored Store(const Data& song) {
  Stored stored{Must(ParseSmf(song)), {}, {}, {}, {}};
  for (std::size_t i = 0; i < stored.smf.track_count(); ++i) {
    stored.events.push_back(Must(stored.smf.Events(i)));
    stored.blobs.push_back(Must(stored.smf.TrackProvenance(i)));
  }
  for (std::size_t i = 0; i < stored.events.size(); ++i)
    stored.tracks.push_back({stored.events[i], stored.blobs[i]});
  stored.file = Must(stored.smf.FileProvenance());
  return stored;
}

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// The best of many: what the machine can do, in MB/s.
double Speed(std::size_t bytes, const std::function<void()>& once) {
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    once();
    best = std::min(best, Seconds(start));
  }
  return static_cast<double>(bytes) / best / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Data> songs = Songs();
  if (songs.empty()) {
    fmt::print("SKIPPED: openttd-openmsx is not installed\n");
    return 0;
  }
  std::size_t bytes = 0;
  std::size_t events = 0;
  std::size_t longest = 0;
  std::vector<Stored> stored;
  for (const Data& song : songs) {
    stored.push_back(Store(song));
    bytes += song.size();
    longest = std::max(longest, song.size());
    for (const auto& track : stored.back().events) events += track.size();
  }
  // All events of the songs, in one track again and again: memory that no cache holds.
  Data large;
  {
    std::vector<Event> again;
    std::int64_t tick = 0;
    while (again.size() < 20'000'000) {
      for (const Stored& song : stored)
        for (const auto& track : song.events) {
          for (const Event& event : track)
            if (!canvas::midi::IsEndOfTrack(event.bytes))
              again.push_back({tick + event.tick, event.bytes});
          if (!track.empty()) tick += track.back().tick;
        }
    }
    const SmfTrackToWrite one = {again, {}};
    large = Must(canvas::midi::WriteSmf({0, {96}}, {&one, 1})).bytes;
  }
  Data copy(longest);
  const std::vector<std::pair<const char*, std::function<void()>>> all = {
      {"memcpy",
       [&] {
         for (const Data& song : songs) {
           std::memcpy(copy.data(), song.data(), song.size());
           benchmark::DoNotOptimize(copy.data());
           benchmark::ClobberMemory();
         }
       }},
      {"read",
       [&] {
         for (const Data& song : songs) benchmark::DoNotOptimize(Must(ParseSmf(song)));
       }},
      {"provenance",
       [&] {
         for (const Stored& song : stored)
           for (std::size_t i = 0; i < song.smf.track_count(); ++i)
             benchmark::DoNotOptimize(Must(song.smf.TrackProvenance(i)));
       }},
      {"write",
       [&] {
         for (const Stored& song : stored)
           benchmark::DoNotOptimize(
               Must(canvas::midi::WriteSmf(song.smf.header(), song.tracks, song.file)));
       }},
  };
  fmt::print("{} songs, {} bytes, {} events\n", songs.size(), bytes, events);
  for (const auto& [who, once] : all) {
    fmt::print("{:12} {:8.0f} MB/s\n", who, Speed(bytes, once));
    bench::Add(who, "songs", 10, [run = once](benchmark::State& state) {
      for (auto _ : state) run();
    });
  }
  // What the kernel asks for that memory: as many bytes, written once.
  const std::size_t memory = Must(ParseSmf(large)).events(0).size() * 16 + large.size();
  double best = 1e9;
  double floor = 1e9;
  for (int i = 0; i < 5; ++i) {
    auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(Must(ParseSmf(large)));
    best = std::min(best, Seconds(start));
    start = std::chrono::steady_clock::now();
    const auto fresh = std::make_unique_for_overwrite<std::uint8_t[]>(memory);
    std::memset(fresh.get(), 1, memory);
    benchmark::DoNotOptimize(fresh.get());
    floor = std::min(floor, Seconds(start));
  }
  fmt::print(
      "one file of {} MB, into {} MB of fresh memory: {:.0f} MB/s; memset of that: {:.2f} of it\n",
      large.size() / 1'000'000, memory / 1'000'000, static_cast<double>(large.size()) / best / 1e6,
      floor / best);
  return bench::RunWithRatios(argc, argv,
                              {.title = "All songs: read, how they were written, written again",
                               .floor = "memcpy",
                               .unit = "us"});
}
