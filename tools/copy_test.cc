// cp, diff and stat: lanes of one canvas beside those of another.
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/wait.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

class Lanes : public Tool {
 protected:
  void SetUp() override {
    Create();
    WriteAudio(dir_.path("a.wav"), kFloatWav, 2, 48000, Noise(2 * 48000 * 40, 1));
    WriteAudio(dir_.path("b.wav"), kFloatWav, 1, 44100, Noise(1000, 2));
    Good({"import", file_, dir_.path("a.wav"), dir_.path("b.wav"), "--at", "25"});
    Good({"describe", file_, "a", "the first"});
  }
  // Not silent, and 1: as diff(1).
  std::string Differs(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "diff");
    const Outcome outcome = Run(std::move(arguments));
    EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  }
  std::string other_ = dir_.path("other.canvas");
};

TEST_F(Lanes, ACopyOfACanvasIsTheSameAndAsSparse) {
  Good({"cp", file_, other_});
  EXPECT_EQ(Good({"diff", file_, other_}).out, "");
  auto before = Info()["lanes"];
  const auto after = nlohmann::json::parse(Good({"info", other_, "--json"}).out);
  EXPECT_EQ(after["lanes"], before);
  EXPECT_LT(testing::AllocatedBytes(other_), testing::AllocatedBytes(file_) * 11 / 10);
  Good({"check", other_});
  // What is there stays.
  Bad({"cp", file_, other_}, "holds something already");
  Bad({"cp", file_, other_}, "--overwrite");
  Good({"cp", file_, other_, "--overwrite"});
  EXPECT_EQ(Good({"diff", file_, other_}).out, "");
  // What is no canvas is not written into, and what cannot be finished is not left.
  std::ofstream(dir_.path("text")) << "precious";
  Bad({"cp", file_, dir_.path("text")}, "not a canvas");
  EXPECT_EQ(Slurp(dir_.path("text")), "precious");
  Bad({"cp", file_, dir_.path("new.canvas"), "--at", "0:59:59"}, "past the capacity");
  EXPECT_FALSE(fs::exists(dir_.path("new.canvas")));
}

TEST_F(Lanes, RangesGoWhereTheyAreToldAndUnderOtherNames) {
  Good({"create", other_, "--hours", "1"});
  Good({"cp", file_, other_, "--lane", "a", "--as", "cut", "--from", "30", "--to", "31", "--at",
        "0"});
  Good({"export", other_, "--lane", "cut", "--out", dir_.path("cut.wav")});
  const auto all = ReadAudio(dir_.path("a.wav")).samples;
  EXPECT_EQ(ReadAudio(dir_.path("cut.wav")).samples,
            std::vector<float>(all.begin() + 2 * 48000 * 5, all.begin() + 2 * 48000 * 6));
  // Within one canvas too.
  Good({"cp", file_, file_, "--lane", "b", "--as", "b again"});
  EXPECT_EQ(Good({"diff", file_, file_, "--lane", "b", "--with", "b again"}).out, "");
  Bad({"cp", file_, file_, "--lane", "a", "--from", "25", "--to", "40", "--at", "30",
       "--overwrite"},
      "over what is still to be copied");
  Good({"cp", file_, file_, "--lane", "a", "--from", "25", "--to", "30", "--at", "100"});
  Bad({"cp", file_, dir_.path("none.canvas"), "--from", "30", "--to", "20"}, "is empty");
  EXPECT_FALSE(fs::exists(dir_.path("none.canvas")));
  Bad({"cp", file_, other_, "--as", "x"}, "--as is the name of one lane");
  Bad({"cp", file_, other_, "--lane", "c"}, "no lane 'c'");
  Bad({"cp", file_, file_, "--lane", "b", "--as", "a"}, "lane 'a' has 2 channels");
}

TEST_F(Lanes, WhatCanBeRefusedIsRefusedBeforeTheFirstLaneIsWritten) {
  const auto lanes = [&](const std::string& file) {
    return nlohmann::json::parse(Good({"info", file, "--json"}).out)["lanes"];
  };
  int made = 0;
  const auto another = [&](std::vector<std::string> options) {
    other_ = dir_.path("other" + std::to_string(++made));
    options.insert(options.begin(), {"create", other_});
    Good(options);
  };
  // The first lane could be copied each time, and the second could not. What the second holds:
  another({"--hours", "1"});
  Good({"import", other_, dir_.path("b.wav"), "--at", "25"});
  auto before = lanes(other_);
  Bad({"cp", file_, other_}, "lane 'b' holds something already");
  EXPECT_EQ(lanes(other_), before);
  // Who owns it:
  {
    canvas::Canvas there = testing::OpenForWriting(other_);
    const auto owner = testing::Must(there.Writer(testing::Must(there.FindLane("b")).id));
    Bad({"cp", file_, other_, "--overwrite"}, "lane 'b'");
  }
  EXPECT_EQ(lanes(other_), before);
  // Its slot:
  another({"--hours", "1", "--slots", "1", "--small-slots", "0"});
  Bad({"cp", file_, other_}, "lane 'b'");
  EXPECT_EQ(lanes(other_).size(), 0U);
  // Its length:
  Good({"import", file_, dir_.path("b.wav"), "--lane", "late", "--at", "50:00"});
  another({"--hours", "0.5"});
  Bad({"cp", file_, other_}, "lane 'late' would end past the capacity there");
  EXPECT_EQ(lanes(other_).size(), 0U);
  // Its name.
  Bad({"cp", file_, other_, "--lane", "a", "--as", "new\nline"}, "control character");
  Bad({"cp", file_, dir_.path("none.canvas"), "--lane", "a", "--as", ""}, "--as");
  EXPECT_FALSE(fs::exists(dir_.path("none.canvas")));
  EXPECT_EQ(lanes(other_).size(), 0U);
  Good({"check", other_});
}

TEST_F(Lanes, DifferencesAreFoundAndSaid) {
  Good({"cp", file_, other_});
  Good({"silence", other_, "--lane", "a", "--from", "1920000f", "--to", "1920010f"});
  EXPECT_EQ(Differs({file_, other_}),
            "lane 'a': other samples from 0:40.000 to 0:40.000 (frames 1920000 to 1920010)\n");
  // Silence that was written is not what was never written.
  WriteAudio(dir_.path("zeros.wav"), kFloatWav, 1, 48000, std::vector<double>(100000));
  Good({"import", file_, dir_.path("zeros.wav"), "--lane", "z"});
  Good({"cp", file_, other_, "--lane", "z"});
  Good({"diff", file_, other_, "--lane", "z"});
  Good({"rm", other_, "--lane", "z"});
  Good({"import", other_, dir_.path("zeros.wav"), "--lane", "z", "--at", "60"});
  EXPECT_NE(Differs({file_, other_, "--lane", "z"}).find("unwritten in the other"),
            std::string::npos);
  Good({"rm", file_, "--lane", "z"});
  Good({"rm", other_, "--lane", "z"});
  Good({"describe", other_, "b", "changed"});
  Good({"import", other_, dir_.path("b.wav"), "--lane", "new"});
  const std::string text = Differs({file_, other_});
  EXPECT_NE(text.find("lane 'b': described in other words"), std::string::npos) << text;
  EXPECT_NE(text.find("lane 'new': only in " + other_), std::string::npos) << text;
  EXPECT_NE(Differs({file_, other_, "--lane", "b", "--with", "new"}).find("other samples"),
            std::string::npos)
      << "the same samples in another place are others";
  const auto json = nlohmann::json::parse(Differs({file_, other_, "--json"}));
  EXPECT_EQ(json.size(), 3U);
  Bad({"diff", file_, dir_.path("none")}, "no such file", 2);
}

// Each block of the copy is one version: a writer that always stores one number in a block is never
// met in the midst.
TEST_F(Lanes, ACopyBesideAWriterTakesWholeBlocks) {
  canvas::Canvas sut = testing::OpenForWriting(file_);
  const auto lane = testing::Must(sut.AddLane({.name = "busy", .channels = 1}));
  auto writer = testing::Must(sut.Writer(lane));
  constexpr std::size_t kBlock = 8192;  // frames
  const auto fill = [&](float value) {
    for (std::int64_t block = 0; block < 60; ++block)
      testing::Must(writer.Write(canvas::Frame(block * std::int64_t{kBlock}),
                                 std::vector<float>(kBlock, value)));
  };
  fill(0.5F);
  std::atomic<bool> stop{false};
  std::thread writing([&] {
    for (float value = 1; !stop; ++value) fill(value);
  });
  for (int i = 0; i < 5; ++i) {
    const std::string copy = dir_.path("copy" + std::to_string(i));
    Good({"cp", file_, copy, "--lane", "busy"});
    Good({"export", copy, "--lane", "busy", "--out", copy + ".wav"});
    const auto samples = ReadAudio(copy + ".wav").samples;
    ASSERT_EQ(samples.size(), 60 * kBlock);
    for (std::size_t at = 0; at < samples.size(); ++at)
      ASSERT_EQ(samples[at], samples[at / kBlock * kBlock]) << at;
  }
  stop = true;
  writing.join();
}

// What is removed while it is copied is an error, and never zeros that look written.
TEST_F(Lanes, ACopyOfWhatIsRemovedMeanwhileIsNone) {
  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto lane = testing::Must(sut.AddLane({.name = "long", .channels = 2}));
    auto writer = testing::Must(sut.Writer(lane));
    const std::vector<float> second(2 * 48000, 0.25F);
    for (int i = 0; i < 600; ++i)
      testing::Must(writer.Write(canvas::Frame(i * std::int64_t{48000}), second));
  }
  const pid_t pid = fork();
  if (pid == 0) {
    (void)!freopen("/dev/null", "w", stderr);
    (void)!freopen("/dev/null", "w", stdout);
    execl("tools/canvas", "canvas", "cp", file_.c_str(), other_.c_str(), "--lane", "long",
          static_cast<char*>(nullptr));
    _exit(127);
  }
  const std::string part = other_ + "." + std::to_string(pid) + ".part";
  // In the midst: ten of its two hundred megabytes are there.
  while (!fs::exists(part) || testing::AllocatedBytes(part) < 10'000'000)
    ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << "it ended before it could be met";
  kill(pid, SIGSTOP);
  EXPECT_FALSE(fs::exists(other_)) << "it has its name when it is whole";
  Good({"rm", file_, "--lane", "long"});
  kill(pid, SIGCONT);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  EXPECT_FALSE(fs::exists(other_));
  EXPECT_FALSE(fs::exists(part)) << "litter";
}

TEST_F(Lanes, StatMeasuresAsTheStandardsDo) {
  // 997 Hz at -20 dBFS: the conformance signal of EBU Tech 3341 (test case 1: -23 at -23).
  std::vector<double> tone(2 * 48000 * 20);
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] =
        std::pow(10, -23 / 20.0) * std::sin(2 * M_PI * 997 * static_cast<double>(i / 2) / 48000);
  WriteAudio(dir_.path("tone.wav"), kFloatWav, 2, 48000, tone);
  Good({"import", file_, dir_.path("tone.wav")});
  auto stat = nlohmann::json::parse(Good({"stat", file_, "--lane", "tone", "--json"}).out)[0];
  EXPECT_NEAR(stat["loudness_lufs"].get<double>(), -23, 0.1);
  EXPECT_NEAR(stat["peak_dbfs"].get<double>(), -23, 0.01);
  EXPECT_NEAR(stat["true_peak_dbtp"].get<double>(), -23, 0.2);
  EXPECT_NEAR(stat["rms_dbfs"].get<double>(), -26.01, 0.01);
  EXPECT_NEAR(stat["dc"].get<double>(), 0, 1e-4);
  EXPECT_EQ(stat["written_frames"], 48000 * 20);

  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto lane = testing::Must(sut.AddLane({.name = "odd", .channels = 1}));
    std::vector<float> samples(1000, 0.0F);
    samples[1] = NAN;
    samples[2] = -INFINITY;
    samples[3] = 0.5F;
    testing::Must(testing::Must(sut.Writer(lane)).Write(canvas::Frame(0), samples));
    testing::Must(sut.AddLane({.name = "empty", .channels = 1}));
  }
  stat = nlohmann::json::parse(
      Good({"stat", file_, "--lane", "odd", "--lane", "empty", "--json"}).out);
  EXPECT_EQ(stat[0]["not_finite_samples"], 2);
  EXPECT_EQ(stat[0]["silent_frames"], 997);
  EXPECT_NEAR(stat[0]["peak_dbfs"].get<double>(), -6.02, 0.01);
  EXPECT_EQ(stat[1]["written_frames"], 0);
  EXPECT_TRUE(stat[1]["peak_dbfs"].is_null());
  const std::string text = Good({"stat", file_}).out;
  EXPECT_NE(text.find("LUFS"), std::string::npos);
  EXPECT_NE(text.find("-23.0"), std::string::npos) << text;
}

}  // namespace
}  // namespace canvas::cli
