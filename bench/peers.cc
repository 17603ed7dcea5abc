#include "bench/peers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#ifdef BENCH_HAS_LMDB
#include <lmdb.h>
#endif
#ifdef BENCH_HAS_HDF5
#include <hdf5/serial/hdf5.h>
#endif
#ifdef BENCH_HAS_SQLITE
#include <sqlite3.h>
#endif

namespace bench {
namespace {

constexpr std::int64_t kFrameBytes = 8;

[[noreturn]] void Die(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}
void Check(bool good, const char* what) {
  if (!good) Die(what);
}

// Calls visit(first, samples) for a lane's frames, some at a time.
template <typename Visit>
void ForEachPiece(const Source& source, int lane, std::int64_t frames, Visit visit) {
  std::vector<float> piece(static_cast<std::size_t>(frames) * 2);
  for (std::int64_t at = 0; at + frames <= source.frames; at += frames) {
    source.fill(lane, at, piece);
    visit(at, piece);
  }
}

class Pread : public Peer {
 public:
  Pread(const std::string& directory, const Source& source) {
    for (int lane = 0; lane < source.lanes; ++lane) {
      const std::string path = fmt::format("{}/{}.raw", directory, lane);
      const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      ForEachPiece(source, lane, 65536, [&](std::int64_t, const std::vector<float>& piece) {
        Check(write(fd, piece.data(), piece.size() * sizeof(float)) ==
                  static_cast<ssize_t>(piece.size() * sizeof(float)),
              "write");
      });
      fds_.push_back(fd);
    }
  }
  ~Pread() override {
    for (const int fd : fds_) close(fd);
  }
  std::string name() const override { return "pread"; }
  void Prepare(std::int64_t /*frames*/) override {}
  void Read(int lane, std::int64_t at, std::int64_t frames, float* out) override {
    if (pread(fds_[static_cast<std::size_t>(lane)], out,
              static_cast<std::size_t>(frames * kFrameBytes),
              at * kFrameBytes) != frames * kFrameBytes)
      Die("pread");
  }

 private:
  std::vector<int> fds_;
};

// One WAV of float32 a lane. Goes on where the last read ended, or seeks before each.
class Sndfile : public Peer {
 public:
  Sndfile(const std::string& directory, const Source& source, bool seek) : seek_(seek) {
    for (int lane = 0; lane < source.lanes; ++lane) {
      const std::string path = fmt::format("{}/{}{}.wav", directory, lane, seek ? "s" : "");
      SF_INFO info{};
      info.samplerate = 48000;
      info.channels = 2;
      info.format = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
      SNDFILE* out = sf_open(path.c_str(), SFM_WRITE, &info);
      Check(out != nullptr, "sf_open");
      ForEachPiece(source, lane, 65536, [&](std::int64_t, const std::vector<float>& piece) {
        sf_writef_float(out, piece.data(), static_cast<sf_count_t>(piece.size() / 2));
      });
      sf_close(out);
      info = SF_INFO{};
      files_.push_back(sf_open(path.c_str(), SFM_READ, &info));
      at_.push_back(0);
    }
  }
  ~Sndfile() override {
    for (SNDFILE* file : files_) sf_close(file);
  }
  std::string name() const override {
    return seek_ ? "libsndfile, seek + read" : "libsndfile, in order";
  }
  void Prepare(std::int64_t /*frames*/) override {}
  void Read(int lane, std::int64_t at, std::int64_t frames, float* out) override {
    const auto index = static_cast<std::size_t>(lane);
    // In order: back at the beginning only where the walk is.
    if (seek_ || at_[index] != at) sf_seek(files_[index], at, SEEK_SET);
    at_[index] = at + frames;
    if (sf_readf_float(files_[index], out, frames) != frames) Die("sf_readf_float");
  }

 private:
  bool seek_;
  std::vector<SNDFILE*> files_;
  std::vector<std::int64_t> at_;
};

#ifdef BENCH_HAS_LMDB
// One database a block size: integer key, a block of frames as value.
class Lmdb : public Peer {
 public:
  Lmdb(const std::string& directory, const Source& source, bool renew)
      : directory_(directory), source_(source), renew_(renew) {}
  ~Lmdb() override {
    for (auto& [frames, store] : stores_) {
      mdb_txn_abort(store.txn);
      mdb_env_close(store.env);
    }
  }
  std::string name() const override { return renew_ ? "LMDB, renewed txn" : "LMDB, open txn"; }
  void Prepare(std::int64_t frames) override {
    if (stores_.contains(frames)) return;
    const std::string path = fmt::format("{}/{}{}.mdb", directory_, frames, renew_ ? "r" : "");
    const bool fresh = access(path.c_str(), F_OK) != 0;
    Store store;
    Check(mdb_env_create(&store.env) == 0, "mdb_env_create");
    mdb_env_set_mapsize(store.env, std::size_t{64} << 30);
    Check(mdb_env_open(store.env, path.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOTLS, 0600) == 0,
          "mdb_env_open");
    MDB_txn* txn = nullptr;
    Check(mdb_txn_begin(store.env, nullptr, 0, &txn) == 0, "mdb_txn_begin");
    Check(mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY | MDB_CREATE, &store.dbi) == 0, "mdb_dbi_open");
    if (fresh)
      for (int lane = 0; lane < source_.lanes; ++lane)
        ForEachPiece(source_, lane, frames, [&](std::int64_t at, const std::vector<float>& piece) {
          std::uint64_t id = Id(lane, at, frames);
          MDB_val key{sizeof id, &id};
          MDB_val value{piece.size() * sizeof(float), const_cast<float*>(piece.data())};
          Check(mdb_put(txn, store.dbi, &key, &value, MDB_APPEND) == 0, "mdb_put");
        });
    Check(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
    Check(mdb_txn_begin(store.env, nullptr, MDB_RDONLY, &store.txn) == 0, "mdb_txn_begin");
    stores_[frames] = store;
  }
  void Read(int lane, std::int64_t at, std::int64_t frames, float* out) override {
    if (last_ != frames) {
      current_ = &stores_.at(frames);
      last_ = frames;
    }
    if (renew_) {
      mdb_txn_reset(current_->txn);
      mdb_txn_renew(current_->txn);
    }
    std::uint64_t id = Id(lane, at, frames);
    MDB_val key{sizeof id, &id};
    MDB_val value{};
    if (mdb_get(current_->txn, current_->dbi, &key, &value) != 0) Die("mdb_get");
    std::memcpy(out, value.mv_data, static_cast<std::size_t>(frames * kFrameBytes));
  }

 private:
  struct Store {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
  };
  static std::uint64_t Id(int lane, std::int64_t at, std::int64_t frames) {
    return static_cast<std::uint64_t>(lane) << 40 | static_cast<std::uint64_t>(at / frames);
  }
  std::string directory_;
  Source source_;
  bool renew_;
  std::map<std::int64_t, Store> stores_;
  std::int64_t last_ = 0;
  Store* current_ = nullptr;
};
#endif

#ifdef BENCH_HAS_HDF5
// One contiguous dataset of frames x 2 a lane; a hyperslab is selected and read.
class Hdf5 : public Peer {
 public:
  Hdf5(const std::string& directory, const Source& source) {
    file_ = H5Fcreate((directory + "/frames.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hsize_t shape[2] = {static_cast<hsize_t>(source.frames), 2};
    for (int lane = 0; lane < source.lanes; ++lane) {
      const hid_t space = H5Screate_simple(2, shape, nullptr);
      const hid_t set = H5Dcreate2(file_, std::to_string(lane).c_str(), H5T_NATIVE_FLOAT, space,
                                   H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      Check(set >= 0, "H5Dcreate2");
      sets_.push_back(set);
      spaces_.push_back(space);
      ForEachPiece(source, lane, 65536, [&](std::int64_t at, const std::vector<float>& piece) {
        const hsize_t start[2] = {static_cast<hsize_t>(at), 0};
        const hsize_t count[2] = {65536, 2};
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, count, nullptr);
        const hid_t memory = H5Screate_simple(2, count, nullptr);
        H5Dwrite(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, piece.data());
        H5Sclose(memory);
      });
    }
    H5Fflush(file_, H5F_SCOPE_GLOBAL);
  }
  ~Hdf5() override {
    for (const hid_t set : sets_) H5Dclose(set);
    for (const hid_t space : spaces_) H5Sclose(space);
    for (const auto& [frames, space] : memory_) H5Sclose(space);
    H5Fclose(file_);
  }
  std::string name() const override { return "HDF5"; }
  void Prepare(std::int64_t frames) override {
    const hsize_t count[2] = {static_cast<hsize_t>(frames), 2};
    if (!memory_.contains(frames)) memory_[frames] = H5Screate_simple(2, count, nullptr);
  }
  void Read(int lane, std::int64_t at, std::int64_t frames, float* out) override {
    const auto index = static_cast<std::size_t>(lane);
    const hsize_t start[2] = {static_cast<hsize_t>(at), 0};
    const hsize_t count[2] = {static_cast<hsize_t>(frames), 2};
    H5Sselect_hyperslab(spaces_[index], H5S_SELECT_SET, start, nullptr, count, nullptr);
    if (H5Dread(sets_[index], H5T_NATIVE_FLOAT, memory_[frames], spaces_[index], H5P_DEFAULT, out) <
        0)
      Die("H5Dread");
  }

 private:
  hid_t file_ = -1;
  std::vector<hid_t> sets_;
  std::vector<hid_t> spaces_;
  std::map<std::int64_t, hid_t> memory_;
};
#endif

#ifdef BENCH_HAS_SQLITE
// One row a block, in a table a block size; the blob handle goes from row to row, mmap on.
class Sqlite : public Peer {
 public:
  Sqlite(const std::string& directory, const Source& source) : source_(source) {
    Check(sqlite3_open((directory + "/frames.db").c_str(), &db_) == SQLITE_OK, "sqlite3_open");
    for (const char* text : {"PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF",
                             "PRAGMA mmap_size=68719476736", "PRAGMA page_size=4096"})
      sqlite3_exec(db_, text, nullptr, nullptr, nullptr);
  }
  ~Sqlite() override {
    for (auto& [frames, blob] : blobs_) sqlite3_blob_close(blob);
    sqlite3_close(db_);
  }
  std::string name() const override { return "SQLite blob"; }
  void Prepare(std::int64_t frames) override {
    if (blobs_.contains(frames)) return;
    const std::string table = fmt::format("f{}", frames);
    sqlite3_exec(db_, fmt::format("CREATE TABLE {}(id INTEGER PRIMARY KEY, b BLOB)", table).c_str(),
                 nullptr, nullptr, nullptr);
    sqlite3_exec(db_, "BEGIN", nullptr, nullptr, nullptr);
    sqlite3_stmt* insert = nullptr;
    Check(sqlite3_prepare_v2(db_, fmt::format("INSERT INTO {} VALUES(?,?)", table).c_str(), -1,
                             &insert, nullptr) == SQLITE_OK,
          "sqlite3_prepare_v2");
    for (int lane = 0; lane < source_.lanes; ++lane)
      ForEachPiece(source_, lane, frames, [&](std::int64_t at, const std::vector<float>& piece) {
        sqlite3_bind_int64(insert, 1, Id(lane, at, frames));
        sqlite3_bind_blob(insert, 2, piece.data(), static_cast<int>(piece.size() * sizeof(float)),
                          SQLITE_STATIC);
        Check(sqlite3_step(insert) == SQLITE_DONE, "sqlite3_step");
        sqlite3_reset(insert);
      });
    sqlite3_finalize(insert);
    sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr);
    sqlite3_blob* blob = nullptr;
    Check(
        sqlite3_blob_open(db_, "main", table.c_str(), "b", Id(0, 0, frames), 0, &blob) == SQLITE_OK,
        "sqlite3_blob_open");
    blobs_[frames] = blob;
  }
  void Read(int lane, std::int64_t at, std::int64_t frames, float* out) override {
    if (last_ != frames) {
      current_ = blobs_.at(frames);
      last_ = frames;
    }
    if (sqlite3_blob_reopen(current_, Id(lane, at, frames)) != SQLITE_OK ||
        sqlite3_blob_read(current_, out, static_cast<int>(frames * kFrameBytes), 0) != SQLITE_OK)
      Die("sqlite3_blob_read");
  }

 private:
  static std::int64_t Id(int lane, std::int64_t at, std::int64_t frames) {
    return std::int64_t{lane} << 40 | (at / frames + 1);
  }
  Source source_;
  sqlite3* db_ = nullptr;
  std::map<std::int64_t, sqlite3_blob*> blobs_;
  std::int64_t last_ = 0;
  sqlite3_blob* current_ = nullptr;
};
#endif

}  // namespace

std::vector<std::unique_ptr<Peer>> MakePeers(const std::string& directory, const Source& source,
                                             [[maybe_unused]] std::vector<std::string>& missing) {
  std::vector<std::unique_ptr<Peer>> peers;
  peers.push_back(std::make_unique<Pread>(directory, source));
  peers.push_back(std::make_unique<Sndfile>(directory, source, false));
  peers.push_back(std::make_unique<Sndfile>(directory, source, true));
#ifdef BENCH_HAS_LMDB
  peers.push_back(std::make_unique<Lmdb>(directory, source, false));
  peers.push_back(std::make_unique<Lmdb>(directory, source, true));
#else
  missing.push_back("LMDB (liblmdb-dev)");
#endif
#ifdef BENCH_HAS_HDF5
  peers.push_back(std::make_unique<Hdf5>(directory, source));
#else
  missing.push_back("HDF5 (libhdf5-dev)");
#endif
#ifdef BENCH_HAS_SQLITE
  peers.push_back(std::make_unique<Sqlite>(directory, source));
#else
  missing.push_back("SQLite (libsqlite3-dev)");
#endif
  return peers;
}

}  // namespace bench
