// fork: a canvas that shares its blocks with another, on a file system that has reflinks.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

class Fork : public Tool {
 protected:
  nlohmann::json InfoOf(const std::string& path) {
    return nlohmann::json::parse(Good({"info", path, "--json"}).out);
  }
};

// An xfs in a file, mounted for as long as the test runs.
class ForkOnXfs : public Fork {
 protected:
  void SetUp() override {
    const std::string image = dir_.path("image");
    const std::string why = dir_.path("why");
    fs::create_directories(mount_);
    // It goes with this process, however that ends.
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      GTEST_SKIP() << "SKIPPED: forks on xfs: it takes root, to mount one";
    const std::string make = "{ truncate -s 512M " + image + " && mkfs.xfs -q -m reflink=1 " +
                             image + " && mount -o loop " + image + " " + mount_ + "; } 2>" + why;
    if (std::system(make.c_str()) != 0)
      GTEST_SKIP() << "SKIPPED: forks on xfs: it takes root, loop devices and mkfs.xfs: "
                   << Slurp(why);
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) umount2(mount_.c_str(), MNT_DETACH);
  }
  std::string mount_ = dir_.path("mounted");
  bool mounted_ = false;
  std::string a_ = mount_ + "/a.canvas";
  std::string b_ = mount_ + "/b.canvas";
};

TEST_F(Fork, WhereThereAreNoReflinksItSaysSoAndCanCopy) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(1000, 1));
  Good({"import", file_, dir_.path("x.wav")});
  const std::string into = dir_.path("b.canvas");
  const Outcome outcome = Run({"fork", file_, into});
  if (outcome.exit_code == 0)
    GTEST_SKIP() << "SKIPPED: no reflinks: the temporary folder's file system has them";
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "canvas: " + into + ": the file system has no reflinks (`canvas cp " +
                             file_ + " " + into + "` copies it, and so does --copy)\n");
  EXPECT_FALSE(fs::exists(into));
  Good({"fork", file_, into, "--copy"});
  EXPECT_EQ(Good({"diff", file_, into}).out, "");
  Bad({"fork", dir_.path("x.wav"), dir_.path("c.canvas")}, "not a canvas");
  EXPECT_FALSE(fs::exists(dir_.path("c.canvas")));
}

TEST_F(ForkOnXfs, AForkIsTheSameAndAnother) {
  Good({"create", a_, "--hours", "1", "--mode", "640"});
  WriteAudio(dir_.path("x.wav"), kFloatWav, 2, 48000, Noise(2 * 48000 * 60, 1));
  Good({"import", a_, dir_.path("x.wav"), "--at", "10"});
  Good({"describe", a_, "x", "the first"});
  struct statvfs before {};
  struct statvfs after {};
  ::sync();
  statvfs(mount_.c_str(), &before);
  EXPECT_EQ(Good({"fork", a_, b_, "--json"}).out,
            R"({"file":")" + a_ + R"(","into":")" + b_ + R"(","shared":true})" + "\n");
  statvfs(mount_.c_str(), &after);
  EXPECT_LT((before.f_bfree - after.f_bfree) * before.f_bsize, 2'000'000U)
      << "23 MB of samples are shared";
  EXPECT_EQ(Good({"diff", a_, b_}).out, "");
  EXPECT_NE(InfoOf(a_)["uuid"], InfoOf(b_)["uuid"]);
  EXPECT_EQ(InfoOf(a_)["lanes"], InfoOf(b_)["lanes"]);
  Good({"check", b_});
  EXPECT_EQ(fs::status(b_).permissions(), fs::status(a_).permissions());
  // Each goes its own way.
  Good({"silence", a_, "--lane", "x", "--from", "10", "--to", "20"});
  EXPECT_EQ(Run({"diff", a_, b_}).exit_code, 1);
  Good({"export", b_, "--lane", "x", "--out", dir_.path("x-again.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("x-again.wav")).samples, ReadAudio(dir_.path("x.wav")).samples);
  Good({"import", b_, dir_.path("x.wav"), "--lane", "x", "--append"});
  Good({"check", a_});
  Good({"check", b_});
  Bad({"fork", a_, b_}, "exists already");
  Bad({"fork", a_, dir_.path("elsewhere.canvas")}, "another file system");
  EXPECT_FALSE(fs::exists(dir_.path("elsewhere.canvas")));
}

// One writer goes through two lanes, block by block, and stores one number more each time round. In
// what is of one instant, the blocks it has been at have a number, and all behind have the one
// before.
TEST_F(ForkOnXfs, AForkBesideAWriterIsOfOneInstant) {
  Good({"create", a_, "--hours", "1"});
  canvas::Canvas sut = testing::OpenForWriting(a_);
  constexpr std::size_t kBlock = 8192;  // frames
  constexpr std::int64_t kBlocks = 100;
  std::vector<FrameWriter> writers;
  for (const char* name : {"first", "second"})
    writers.push_back(
        testing::Must(sut.Writer(testing::Must(sut.AddLane({.name = name, .channels = 1})))));
  const auto fill = [&](float value) {
    for (FrameWriter& writer : writers)
      for (std::int64_t block = 0; block < kBlocks; ++block)
        testing::Must(writer.Write(canvas::Frame(block * std::int64_t{kBlock}),
                                   std::vector<float>(kBlock, value)));
  };
  fill(1);
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{1};
  std::thread writing([&] {
    for (; !stop; ++rounds) fill(static_cast<float>(rounds + 1));
  });
  int midway = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string fork = mount_ + "/fork" + std::to_string(i);
    Good({"fork", a_, fork});
    EXPECT_TRUE(InfoOf(fork)["owners"].empty()) << "locks are the other file's";
    Good({"check", fork});
    canvas::Canvas sees = testing::Must(canvas::Canvas::Open(fork));
    std::vector<float> numbers;
    for (const char* name : {"first", "second"}) {
      auto reader = testing::Must(sees.Reader(testing::Must(sees.FindLane(name)).id));
      for (std::int64_t block = 0; block < kBlocks; ++block) {
        std::vector<float> samples(kBlock);
        ASSERT_EQ(reader.Read(canvas::Frame(block * std::int64_t{kBlock}), samples).status,
                  ReadStatus::kOk);
        ASSERT_EQ(std::ranges::count(samples, samples[0]), static_cast<std::ptrdiff_t>(kBlock));
        numbers.push_back(samples[0]);
      }
    }
    ASSERT_TRUE(std::ranges::is_sorted(numbers, std::ranges::greater()));
    ASSERT_LE(numbers.front() - numbers.back(), 1);
    if (numbers.front() != numbers.back()) ++midway;
    fs::remove(fork);
  }
  stop = true;
  writing.join();
  EXPECT_GT(midway, 0) << "never met in the midst: this showed nothing";
  // Whoever writes to a fork mends it first.
  Good({"fork", a_, b_});
  Good({"silence", b_, "--lane", "first"});
  Good({"check", b_});
}

}  // namespace
}  // namespace canvas::cli
