// Events: appended sixteen at a time, a range of a thousand read out of a million, a page of ten
// thousand notes transposed, beside plain copies of the same records and beside LMDB, in the same
// rounds.
//   append       floor: a copy of the records into memory that is there
//   range        floor: a copy of a thousand records; LMDB: a cursor
//   transpose    floor: a copy of the page's records
#include <benchmark/benchmark.h>
#include <lmdb.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/ratio.h"
#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace {

using canvas::Event;
using canvas::Frame;
using canvas::testing::Must;

constexpr std::size_t kRecord = 64;
constexpr std::size_t kAtOnce = 16;
constexpr std::int64_t kRate = 48000;
constexpr std::int64_t kPage = 30 * kRate;  // frames
constexpr std::int64_t kPages = 60;
constexpr std::int64_t kPerPage = 16'667;  // a million in sixty pages
constexpr std::int64_t kMillion = kPages * kPerPage;
constexpr std::int64_t kRange = 1000;

void Check(int result) {
  if (result != 0) std::abort();
}

// A key for LMDB that sorts as the position does.
std::uint64_t Key(std::int64_t index) {
  return __builtin_bswap64(static_cast<std::uint64_t>(index));
}

class Lmdb {
 public:
  explicit Lmdb(const std::string& path) {
    std::filesystem::create_directory(path);
    Check(mdb_env_create(&env_));
    Check(mdb_env_set_mapsize(env_, std::size_t{1} << 30));
    Check(mdb_env_open(env_, path.c_str(), MDB_NOSYNC | MDB_WRITEMAP, 0600));
    MDB_txn* txn = nullptr;
    Check(mdb_txn_begin(env_, nullptr, 0, &txn));
    Check(mdb_dbi_open(txn, nullptr, 0, &dbi_));
    Check(mdb_txn_commit(txn));
  }
  Lmdb(const Lmdb&) = delete;
  ~Lmdb() { mdb_env_close(env_); }

  void Append(std::int64_t first, std::size_t count, const std::byte* records) {
    MDB_txn* txn = nullptr;
    Check(mdb_txn_begin(env_, nullptr, 0, &txn));
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t key = Key(first + static_cast<std::int64_t>(i));
      MDB_val k{sizeof key, &key};
      MDB_val v{kRecord, const_cast<std::byte*>(records + i * kRecord)};
      Check(mdb_put(txn, dbi_, &k, &v, MDB_APPEND));
    }
    Check(mdb_txn_commit(txn));
  }
  void Clear() {
    MDB_txn* txn = nullptr;
    Check(mdb_txn_begin(env_, nullptr, 0, &txn));
    Check(mdb_drop(txn, dbi_, 0));
    Check(mdb_txn_commit(txn));
  }
  std::uint64_t Range(std::int64_t first, std::int64_t count) {
    MDB_txn* txn = nullptr;
    MDB_cursor* cursor = nullptr;
    Check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn));
    Check(mdb_cursor_open(txn, dbi_, &cursor));
    std::uint64_t key = Key(first);
    MDB_val k{sizeof key, &key};
    MDB_val v{};
    std::uint64_t sum = 0;
    Check(mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE));
    for (std::int64_t i = 1; i < count; ++i) {
      sum += static_cast<std::uint64_t>(static_cast<const unsigned char*>(v.mv_data)[0]);
      Check(mdb_cursor_get(cursor, &k, &v, MDB_NEXT));
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return sum;
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

std::int64_t FrameOf(std::int64_t index) {
  return index / kPerPage * kPage + index % kPerPage * 80;
}

}  // namespace

int main(int argc, char** argv) {
  canvas::testing::TempDir directory(std::filesystem::path("."));
  const std::string path = directory.path("events.canvas");
  Must(canvas::Canvas::Create(path, {.capacity_seconds = 3600}));
  canvas::Canvas canvas = canvas::testing::OpenForWriting(path);
  const auto lane = [&](const char* name) {
    return Must(canvas.AddLane({.name = name, .kind = canvas::LaneKind::kMidi, .dense = true}));
  };
  const std::array<std::byte, 24> data{std::byte{0xF0}, std::byte{1}};
  const canvas::LaneId many = lane("many");
  Lmdb lmdb(directory.path("many.lmdb"));
  std::vector<std::byte> records(kMillion * kRecord, std::byte{1});
  {
    canvas::EventWriter writer = Must(canvas.EventsWriter(many));
    std::vector<Event> page;
    for (std::int64_t i = 0; i < kMillion; ++i) {
      page.push_back({.frame = Frame(FrameOf(i)), .tick = i, .bytes = data});
      if (page.size() == 4096 || i + 1 == kMillion) {
        Must(writer.Append(page));
        lmdb.Append(i + 1 - static_cast<std::int64_t>(page.size()), page.size(), records.data());
        page.clear();
      }
    }
  }

  // A round's appends fill a third of a page.
  const canvas::LaneId appended = lane("appended");
  canvas::EventWriter writer = Must(canvas.EventsWriter(appended));
  Lmdb lmdb_appended(directory.path("appended.lmdb"));
  constexpr std::int64_t kRuns = 2000;
  bench::Add("floor", "append 16", kRuns, [&](benchmark::State& state) {
    std::size_t at = 0;
    for (auto _ : state) {
      std::memcpy(records.data() + at, records.data() + records.size() / 2, kAtOnce * kRecord);
      benchmark::ClobberMemory();
      at += kAtOnce * kRecord;
    }
  });
  const Event first{.frame = Frame(0), .bytes = data};
  const auto append = [&](benchmark::State& state) {
    std::array<Event, kAtOnce> events;
    std::int64_t frame = 0;
    for (auto _ : state) {
      for (Event& event : events) event = {.frame = Frame(frame++), .tick = frame, .bytes = data};
      Must(writer.Append(events));
    }
  };
  // Where there were events before, their space and memory are there.
  bench::Add("canvas", "append 16", kRuns, [&](benchmark::State& state) {
    Must(writer.Replace({Frame(0), Frame(kPage)}, {&first, 1}));
    append(state);
  });
  bench::Add("fresh space", "append 16", kRuns, [&](benchmark::State& state) {
    Must(writer.Erase({Frame(0), Frame(kPage)}));
    append(state);
  });
  bench::Add("LMDB", "append 16", kRuns, [&](benchmark::State& state) {
    std::int64_t at = 0;
    for (auto _ : state) {
      lmdb_appended.Append(at, kAtOnce, records.data());
      at += static_cast<std::int64_t>(kAtOnce);
    }
    lmdb_appended.Clear();
  });

  const canvas::EventReader reader = Must(canvas.Events(many));
  canvas::EventCursor cursor = Must(reader.From({Frame(0), Frame(kPages * kPage)}, 64));
  std::uint64_t draw = 1;
  const auto somewhere = [&] {
    draw = draw * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::int64_t>((draw >> 33) % (kMillion - kRange));
  };
  std::vector<std::byte> out(kRange * kRecord);
  bench::Add("floor", "range of 1,000", 200, [&](benchmark::State& state) {
    for (auto _ : state) {
      std::memcpy(out.data(), records.data() + static_cast<std::size_t>(somewhere()) * kRecord,
                  out.size());
      benchmark::ClobberMemory();
    }
  });
  bench::Add("canvas", "range of 1,000", 200, [&](benchmark::State& state) {
    for (auto _ : state) {
      cursor.Seek(Frame(FrameOf(somewhere())));
      std::uint64_t sum = 0;
      Event event;
      for (std::int64_t i = 0; i < kRange; ++i) {
        if (cursor.Next(event) != canvas::EventStatus::kOk) std::abort();
        sum += static_cast<std::uint64_t>(event.bytes[0]);
      }
      benchmark::DoNotOptimize(sum);
    }
  });
  bench::Add("LMDB", "range of 1,000", 200, [&](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(lmdb.Range(somewhere(), kRange));
  });

  // Ten thousand notes, on and off.
  const canvas::LaneId notes = lane("notes");
  canvas::EventWriter transposer = Must(canvas.EventsWriter(notes));
  std::vector<std::array<std::byte, 3>> keys(20'000, {std::byte{0x90}, std::byte{1}, std::byte{9}});
  std::vector<Event> page(keys.size());
  for (std::size_t i = 0; i < page.size(); ++i)
    page[i] = {.frame = Frame(static_cast<std::int64_t>(i) * 70), .bytes = keys[i]};
  Must(transposer.Append(page));
  bench::Add("floor", "transpose 10,000 notes", 20, [&](benchmark::State& state) {
    for (auto _ : state) {
      std::memcpy(records.data(), records.data() + records.size() / 2, page.size() * kRecord);
      benchmark::ClobberMemory();
    }
  });
  bench::Add("canvas", "transpose 10,000 notes", 20, [&](benchmark::State& state) {
    for (auto _ : state) {
      for (auto& key : keys) key[1] ^= std::byte{7};
      Must(transposer.Replace({Frame(0), Frame(kPage)}, page));
    }
  });
  return bench::RunWithRatios(argc, argv,
                              {.title = "Events, an operation", .rounds = 21, .unit = "us"});
}
