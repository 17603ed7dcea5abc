// The command-line tool as a person meets it: real processes, real files, what they print and how
// they end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

TEST_F(Tool, RealRecordingsComeBackBitForBit) {
  const fs::path recordings = "/usr/share/sounds/alsa";
  ASSERT_TRUE(fs::exists(recordings)) << "alsa-utils is not installed: run tools/setup";
  Create();
  int count = 0;
  for (const auto& entry : fs::directory_iterator(recordings)) {
    const std::string name = entry.path().stem().string();
    Good({"import", file_, entry.path().string(), "--at", "29.5"});  // across the first page's end
    const std::string out = dir_.path(name + ".wav");
    Good({"export", file_, "--force", "--lane", name, "--out", out});
    const Audio before = ReadAudio(entry.path().string());
    const Audio after = ReadAudio(out);
    EXPECT_EQ(after.info.samplerate, before.info.samplerate);
    EXPECT_EQ(after.info.channels, before.info.channels);
    EXPECT_EQ(after.samples, before.samples) << name;
    // And as the integers it came from.
    Good({"export", file_, "--force", "--lane", name, "--out", out, "--format", "pcm16"});
    EXPECT_EQ(ReadAudio(out).samples, before.samples) << name;
    ++count;
  }
  EXPECT_EQ(count, 9);
  Good({"check", file_});
}

TEST_F(Tool, InfoTellsWhatTheSpecificationSays) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 2, 44100, Noise(2000, 1));
  Good({"import", file_, dir_.path("x.wav"), "--at", "1:00"});
  const nlohmann::json info = Info();
  EXPECT_EQ(info["format_version"], 1);
  EXPECT_EQ(info["uuid"].get<std::string>().size(), 36U);
  EXPECT_EQ(info["rate"], 48000);
  EXPECT_EQ(info["page_seconds"], 30);
  EXPECT_EQ(info["slots"], 64);
  EXPECT_EQ(info["small_slots"], 128);
  EXPECT_EQ(info["pages"], (nlohmann::json{{"capacity", 120}, {"ready", 1}}));
  ASSERT_EQ(info["lanes"].size(), 1U);
  EXPECT_EQ(info["lanes"][0], (nlohmann::json{{"id", 1},
                                              {"name", "x"},
                                              {"kind", "audio"},
                                              {"channels", 2},
                                              {"rate", {{"num", 44100}, {"den", 1}}},
                                              {"written_frames", 1000},
                                              {"first_frame", 44100 * 60},
                                              {"end_frame", 44100 * 60 + 1000},
                                              {"speakers", 3},
                                              {"tags", nlohmann::json::array()},
                                              {"description", "imported from x.wav"}}));
  EXPECT_NE(Good({"info", file_}).out.find("1:00.000"), std::string::npos);
  const auto du = nlohmann::json::parse(Good({"du", file_, "--json"}).out);
  EXPECT_EQ(du["written_bytes"], 8000);
  EXPECT_EQ(du["allocated_bytes"], testing::AllocatedBytes(file_));
  EXPECT_EQ(du["apparent_bytes"], fs::file_size(file_));
  EXPECT_EQ(du["lanes"][0]["written_bytes"], 8000);
  Good({"du", file_});
}

TEST_F(Tool, SeveralInputsStandEndToEndInOneLaneAndApartInTheirOwn) {
  Create();
  std::vector<std::string> inputs;
  std::vector<float> all;
  for (const unsigned i : {1U, 2U, 3U}) {
    inputs.push_back(dir_.path("part" + std::to_string(i) + ".wav"));
    WriteAudio(inputs.back(), kFloatWav, 1, 48000, Noise(30000 + i, i));
    const auto samples = ReadAudio(inputs.back()).samples;
    all.insert(all.end(), samples.begin(), samples.end());
  }
  Good({"import", file_, inputs[0], inputs[1], inputs[2], "--lane", "all", "--at", "28"});
  Good({"export", file_, "--force", "--lane", "all", "--out", dir_.path("all.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("all.wav")).samples, all);
  Good({"import", file_, inputs[0], inputs[1], inputs[2]});
  EXPECT_EQ(Info()["lanes"].size(), 4U);
  // Over existing content.
  Good({"import", file_, inputs[1], "--lane", "part1", "--overwrite"});
  Good({"export", file_, "--force", "--lane", "part1", "--out", dir_.path("p.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("p.wav")).samples, ReadAudio(inputs[1]).samples);
}

TEST_F(Tool, EveryFormatAndShape) {
  Create();
  struct Case {
    const char* name;
    int format;
    int channels;
    int rate;
  };
  const Case cases[] = {{"mono8k.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 8000},
                        {"six.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 6, 48000},
                        {"eight.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8, 96000},
                        {"high.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 2, 192000},
                        {"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 2, 44100},
                        {"apple.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 2, 22050}};
  for (const Case& c : cases) {
    const std::string path = dir_.path(c.name);
    WriteAudio(path, c.format, c.channels, c.rate,
               Noise(static_cast<std::size_t>(c.channels) * 20000, 7));
    Good({"import", file_, path, "--lane", c.name});
    Good({"export", file_, "--force", "--lane", c.name, "--out", dir_.path("o.wav")});
    const Audio before = ReadAudio(path);
    const Audio after = ReadAudio(dir_.path("o.wav"));
    EXPECT_EQ(after.info.samplerate, c.rate);
    EXPECT_EQ(after.samples, before.samples) << c.name;
  }
  Good({"export", file_, "--force", "--lane", "six.wav", "--out", dir_.path("o.wav"), "--format",
        "pcm24"});
  EXPECT_EQ(ReadAudio(dir_.path("o.wav")).samples, ReadAudio(dir_.path("six.wav")).samples);
}

TEST_F(Tool, RoundingIsSaid) {
  Create();
  WriteAudio(dir_.path("i.wav"), SF_FORMAT_WAV | SF_FORMAT_PCM_32, 1, 48000, Noise(100, 1));
  WriteAudio(dir_.path("d.wav"), SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 1, 48000, Noise(100, 1));
  WriteAudio(dir_.path("f.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  EXPECT_NE(
      Good({"import", file_, dir_.path("i.wav")}).out.find("32-bit integer samples were rounded"),
      std::string::npos);
  EXPECT_NE(
      Good({"import", file_, dir_.path("d.wav")}).out.find("64-bit float samples were rounded"),
      std::string::npos);
  EXPECT_EQ(Good({"import", file_, dir_.path("f.wav")}).out.find("rounded"), std::string::npos);
}

TEST_F(Tool, NaNAndInfinityComeBackBitForBit) {
  Create();
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> samples = {std::bit_cast<float>(0x7FC12345U), inf, -inf, -0.0F, 2.5F, 1e-42F};
  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto lane = testing::Must(sut.AddLane({.name = "n", .channels = 1}));
    testing::Must(testing::Must(sut.Writer(lane)).Write(canvas::Frame(0), samples));
  }
  Good({"export", file_, "--force", "--lane", "n", "--out", dir_.path("n.wav")});
  Good({"import", file_, dir_.path("n.wav"), "--lane", "again"});
  Good({"export", file_, "--force", "--lane", "again", "--out", dir_.path("m.wav")});
  const auto back = ReadAudio(dir_.path("m.wav")).samples;
  ASSERT_EQ(back.size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(back[i]), std::bit_cast<std::uint32_t>(samples[i])) << i;
  EXPECT_EQ(Slurp(dir_.path("n.wav")), Slurp(dir_.path("m.wav"))) << "the same bytes every time";
  EXPECT_EQ(Slurp(dir_.path("n.wav")).find("PEAK"), std::string::npos)
      << "it holds the time of writing";
  EXPECT_NE(Good({"export", file_, "--force", "--lane", "n", "--out", dir_.path("c.wav"),
                  "--format", "pcm16"})
                .out.find("4 samples clipped"),
            std::string::npos);
}

TEST_F(Tool, ExportTakesRanges) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(48000 * 2, 3));
  Good({"import", file_, dir_.path("x.wav"), "--at", "10"});
  const auto all = ReadAudio(dir_.path("x.wav")).samples;
  Good({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--from", "10.5",
        "--to", "0:11"});
  EXPECT_EQ(ReadAudio(dir_.path("o.wav")).samples,
            std::vector<float>(all.begin() + 24000, all.begin() + 48000));
  Good({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--from", "480001f",
        "--to", "480003f"});
  EXPECT_EQ(ReadAudio(dir_.path("o.wav")).samples,
            std::vector<float>(all.begin() + 1, all.begin() + 3));
  const Outcome before = Good({"export", file_, "--force", "--lane", "x", "--out",
                               dir_.path("o.wav"), "--from", "9", "--to", "10.1"});
  EXPECT_NE(before.out.find("48000 frames never written"), std::string::npos) << before.out;
  Bad({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--from", "11",
       "--to", "11"},
      "is empty");
  Bad({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--to", "1:00:01"},
      "past the capacity");
  Bad({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--from=-13"},
      "before the beginning");
  Bad({"export", file_, "--force", "--lane", "y", "--out", dir_.path("o.wav")}, "no lane 'y'");
  Bad({"export", file_, "--force", "--lane", "x", "--out", file_}, "the canvas itself");
  Bad({"export", file_, "--force", "--lane", "x", "--out", dir_.path("no/such/o.wav")},
      "no such file");
  Bad({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--format", "mp3"},
      "format", 2);
  Good({"check", file_});
}

TEST_F(Tool, RmGivesSpaceBackAndSaysHowMuch) {
  Create();
  WriteAudio(dir_.path("x.wav"), SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2, 48000,
             Noise(2 * 48000 * 70, 3));
  Good({"import", file_, dir_.path("x.wav")});
  const Outcome middle = Good({"rm", file_, "--lane", "x", "--from", "30", "--to", "1:00"});
  EXPECT_NE(middle.out.find("removed 0:30.000\n"), std::string::npos) << middle.out;
  EXPECT_NE(middle.out.find("(11522048 B)"), std::string::npos) << middle.out;
  EXPECT_EQ(Info()["lanes"][0]["written_frames"], 48000 * 40);
  const Outcome tail = Good({"rm", file_, "--lane", "x", "--from", "15"});
  EXPECT_NE(tail.out.find("removed 0:25.000, of which 0:00.018 became zeros"), std::string::npos)
      << tail.out;
  Bad({"rm", file_, "--lane", "x", "--from", "5", "--to", "5"}, "empty");
  Bad({"rm", file_, "--lane", "x", "--from", "99:00:00"}, "--from lies past the capacity");
  Good({"rm", file_, "--lane", "x"});
  EXPECT_EQ(Info()["lanes"].size(), 0U);
  Bad({"rm", file_, "--lane", "x"}, "no lane 'x'");
  Good({"check", file_});
}

TEST_F(Tool, ErasingIsExactToTheFrame) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(48000 * 40, 3));
  auto expected = ReadAudio(dir_.path("x.wav")).samples;
  Good({"import", file_, dir_.path("x.wav")});
  const auto audible = [&] {
    Good({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav"), "--from", "0",
          "--to", "40"});
    return ReadAudio(dir_.path("o.wav")).samples;
  };
  Good({"rm", file_, "--lane", "x", "--from", "480001f", "--to", "576003f"});  // two seconds
  std::fill(expected.begin() + 480001, expected.begin() + 576003, 0.0F);
  EXPECT_EQ(audible(), expected);
  const Outcome silence = Good({"silence", file_, "--lane", "x", "--from", "1", "--to", "00:1.5"});
  EXPECT_NE(silence.out.find("24000 frames"), std::string::npos) << silence.out;
  std::fill(expected.begin() + 48000, expected.begin() + 72000, 0.0F);
  EXPECT_EQ(audible(), expected);
  // Counted back from the end.
  Good({"silence", file_, "--lane", "x", "--from=-1"});
  std::fill(expected.end() - 48000, expected.end(), 0.0F);
  EXPECT_EQ(audible(), expected);
  EXPECT_EQ(Info()["lanes"][0]["written_frames"], 48000 * 40 - 11 * 8192)
      << "11 blocks are unwritten; silence does not grow a lane";
  Good({"check", file_});
}

TEST_F(Tool, RefusesInputsThatDoNotBelong) {
  Create();
  fs::create_directory(dir_.path("d"));
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  WriteAudio(dir_.path("d/x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  WriteAudio(dir_.path("stereo.wav"), kFloatWav, 2, 48000, Noise(100, 1));
  Bad({"import", file_, dir_.path("x.wav"), dir_.path("d/x.wav")}, "would both become lane 'x'");
  Bad({"import", file_, dir_.path("x.wav"), dir_.path("stereo.wav"), "--lane", "l"},
      "one lane holds one format");
  EXPECT_EQ(Info()["lanes"].size(), 0U) << "nothing was begun";
  Good({"import", file_, dir_.path("x.wav")});
  Bad({"import", file_, dir_.path("stereo.wav"), "--lane", "x"}, "lane 'x' has 1 channel");
  Bad({"import", file_, dir_.path("x.wav"), "--at", "0:59:59.999", "--lane", "late"},
      "past the capacity");
  Bad({"import", file_, dir_.path("x.wav"), "--at", "-3"}, "negative");
  Bad({"import", file_, dir_.path("none.wav")}, "no such file");
  fs::create_directory(dir_.path("empty"));
  Bad({"import", file_, dir_.path("empty")}, "no file in this folder is audio");
  Bad({"import", file_, file_}, "not audio");
  Bad({"import", file_, dir_.path("x.wav"), "--lane", ""}, "name is empty");
  Bad({"import", file_, dir_.path("x.wav"), "--lane", std::string(300, 'x')}, "300 bytes");
  Bad({"import", file_, dir_.path("x.wav"), "--lane", "\xff"}, "UTF-8");
  EXPECT_EQ(Info()["lanes"].size(), 1U) << "a lane made for a failed import goes with it";
}

TEST_F(Tool, ATruncatedWavGivesWhatThereIsAndSaysSo) {
  Create();
  WriteAudio(dir_.path("x.wav"), SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 48000, Noise(10000, 1));
  const auto whole = ReadAudio(dir_.path("x.wav")).samples;
  fs::resize_file(dir_.path("x.wav"), 44 + 2 * 4000);
  EXPECT_NE(Good({"import", file_, dir_.path("x.wav")}).out.find("cut short"), std::string::npos);
  Good({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("o.wav")).samples,
            std::vector<float>(whole.begin(), whole.begin() + 4000));
  fs::resize_file(dir_.path("x.wav"), 20);
  Bad({"import", file_, dir_.path("x.wav"), "--lane", "y"}, "x.wav");
}

TEST_F(Tool, ErrorsAreOneLineThatNamesTheFile) {
  Bad({"info", file_}, file_ + ": no such file");
  Bad({"info", dir_.root().string()}, "a directory");
  std::ofstream(file_).close();
  Bad({"info", file_}, "an empty file");
  std::ofstream(file_) << std::string(10000, 'x');
  for (const char* command : {"info", "du", "check"}) Bad({command, file_}, "not a canvas");
  WriteAudio(file_, kFloatWav, 1, 48000, Noise(10000, 1));
  Bad({"info", file_}, "not a canvas");
  Bad({"create", file_}, "exists already");
  fs::remove(file_);
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  Bad({"info", file_}, "not a regular file");
  fs::remove(file_);
  Bad({"create", dir_.path("no/x")}, "no such file");
  Bad({"create", file_, "--hours", "0"}, "no time");
  Bad({"create", file_, "--slots", "0"}, "slots", 2);
  Bad({"create", file_, "--rate", "-5"}, "--rate: Value -5 not in range", 2);
  Bad({"create", file_, "--hours", "99999999"}, "room for 8738.1 hours");
  for (const char* hours : {"abc", "1:30", "inf", "-1", "99999999999999999999"})
    Bad({"create", file_, "--hours", hours}, "is not a number of hours");
  Bad({"create", file_, "--mode", "777777"}, "is no mode");
  // More than ext4 has files for: how many would fit. (Elsewhere there may be room.)
  const Outcome long_one = Run({"create", file_, "--hours", "8000", "--slots", "1024"});
  EXPECT_EQ(long_one.exit_code, 1) << long_one.err;
  EXPECT_NE(long_one.err.find("hours fit"), std::string::npos) << long_one.err;
  EXPECT_FALSE(fs::exists(file_));
}

TEST_F(Tool, UsageErrorsExitWithTwoAndHelpShowsExamples) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"play"},
                                             {"info"},
                                             {"create", "a", "b"},
                                             {"info", "x", "--yaml"},
                                             {"create", "x", "--slots", "many"},
                                             {"export", "x"}})
    Bad(arguments, "--help", 2);
  EXPECT_NE(Good({"--help"}).out.find("Example"), std::string::npos);
  for (const char* command : {"create", "import", "export", "info", "du", "rm", "check"})
    EXPECT_NE(Good({command, "--help"}).out.find("Example:\n  canvas " + std::string(command)),
              std::string::npos)
        << command;
}

TEST_F(Tool, CheckFindsDamageAndExitsWithOne) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(10000, 1));
  Good({"import", file_, dir_.path("x.wav")});
  EXPECT_NE(Good({"check", file_}).out.find("nothing is wrong"), std::string::npos);
  std::fstream(file_, std::ios::in | std::ios::out | std::ios::binary).seekp(4096 + 100).put('x');
  Bad({"check", file_}, "superblock copy 1: the superblock's checksum does not match");
  fs::resize_file(file_, fs::file_size(file_) - 1);
  Bad({"check", file_}, "cut short");
}

TEST_F(Tool, AnotherOwnerIsNamed) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  Good({"import", file_, dir_.path("x.wav")});
  canvas::Canvas sut = testing::Must(
      canvas::Canvas::Open(file_, {.access = canvas::Access::kReadWrite, .name = "the generator"}));
  const auto writer = testing::Must(sut.Writer(canvas::LaneId(1)));
  const std::string owner = "lane 'x': owned by the generator (pid " + std::to_string(getpid());
  Bad({"import", file_, dir_.path("x.wav"), "--overwrite"}, owner);
  Bad({"rm", file_, "--lane", "x"}, owner);
  Good({"info", file_});
  Good({"export", file_, "--force", "--lane", "x", "--out", dir_.path("o.wav")});
}

TEST_F(Tool, LostOutputIsAFailureAndNoDescriptorIsPrintedInto) {
  Create();
  const auto shell = [&](const std::string& command) {
    return WEXITSTATUS(std::system(("tools/canvas " + command).c_str()));
  };
  EXPECT_EQ(shell("info --json " + file_ + " > /dev/full 2>/dev/null"), 1);
  EXPECT_EQ(shell("info " + file_ + "x 2>&-"), 1);
  EXPECT_EQ(shell("info " + file_ + " >&- 2>&- <&-"), 0);
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  EXPECT_EQ(shell("import " + file_ + " " + dir_.path("x.wav") + " >&- 2>&- <&-"), 0);
  Good({"check", file_});
}

TEST_F(Tool, ExportFollowsALinkKeepsTheModeAndLeavesNothingBehindWhenEnded) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  Good({"import", file_, dir_.path("x.wav")});
  std::ofstream(dir_.path("target.wav")) << "old";
  fs::permissions(dir_.path("target.wav"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(dir_.path("target.wav"), dir_.path("link.wav"));
  Good({"export", file_, "--force", "--lane", "x", "--out", dir_.path("link.wav")});
  EXPECT_TRUE(fs::is_symlink(dir_.path("link.wav")));
  EXPECT_EQ(ReadAudio(dir_.path("target.wav")).samples, ReadAudio(dir_.path("x.wav")).samples);
  EXPECT_EQ(fs::status(dir_.path("target.wav")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);

  // An hour of silence takes a while to write; end it when it has begun, in every way there is.
  fs::create_directory(dir_.path("out"));
  const std::string out = dir_.path("out/long.wav");
  for (const int number : {SIGTERM, SIGKILL, SIGALRM, SIGPIPE, SIGHUP}) {
    const pid_t pid = fork();
    if (pid == 0) {
      execl("tools/canvas", "canvas", "export", file_.c_str(), "--lane", "x", "--out", out.c_str(),
            "--from", "0", "--to", "1:00:00", static_cast<char*>(nullptr));
      _exit(127);
    }
    const auto begun = [&] {
      std::error_code gone;
      for (const auto& fd : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", gone)) {
        const std::string target = fs::read_symlink(fd.path(), gone).string();
        if (target.starts_with(dir_.path("out"))) return true;
      }
      return false;
    };
    while (!begun() && waitpid(pid, nullptr, WNOHANG) == 0) {
    }
    kill(pid, number);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid) << "it ended before it could be ended";
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(fs::is_empty(dir_.path("out"))) << "litter, after signal " << number;
  }
}

TEST_F(Tool, AFullAndAReadOnlyDiskAreOneLineEach) {
  const std::string disk = dir_.path("disk");
  fs::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "SKIPPED: mounting a small tmpfs is not permitted here: "
                 << std::strerror(errno);
  file_ = disk + "/sut.canvas";
  Create();
  WriteAudio(dir_.path("small.wav"), kFloatWav, 2, 48000, Noise(2 * 48000, 1));
  WriteAudio(dir_.path("large.wav"), kFloatWav, 2, 48000, Noise(2 * 48000 * 40, 1));
  Good({"import", file_, dir_.path("small.wav")});
  const std::string before = Good({"info", file_, "--json"}).out;
  Bad({"import", file_, dir_.path("large.wav")}, "no space left");
  EXPECT_EQ(nlohmann::json::parse(Good({"info", file_, "--json"}).out)["lanes"],
            nlohmann::json::parse(before)["lanes"])
      << "what was there stays, the lane that did not fit goes";
  Good({"check", file_});
  Good({"export", file_, "--force", "--lane", "small", "--out", dir_.path("o.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("o.wav")).samples, ReadAudio(dir_.path("small.wav")).samples);
  Bad({"export", file_, "--force", "--lane", "small", "--out", disk + "/o.wav", "--to", "0:30"},
      "no space left");

  // libsndfile does not say when an Ogg stream cannot be written: at whatever page the disk is
  // full.
  std::ofstream(disk + "/filler", std::ios::binary) << std::string(std::size_t{64} << 20, 'x');
  int refused = 0;
  for (int page = 0; page < 40; ++page) {
    fs::resize_file(disk + "/filler", fs::file_size(disk + "/filler") - 4096);
    for (const char* end : {"opus", "ogg"}) {
      const Outcome outcome =
          Run({"export", file_, "--lane", "small", "--out", disk + "/o." + end});
      if (outcome.exit_code != 0) {
        EXPECT_NE(outcome.err.find("no space left"), std::string::npos) << outcome.err;
        ++refused;
        continue;
      }
      EXPECT_EQ(ReadAudio(disk + "/o." + end).info.frames, 48000) << end;
      fs::remove(disk + "/o." + end);
    }
  }
  fs::remove(disk + "/filler");
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 80);

  ASSERT_EQ(mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  Bad({"create", disk + "/new.canvas"}, "read-only");
  Bad({"import", file_, dir_.path("small.wav")}, "read-only");
  Bad({"rm", file_, "--lane", "small"}, "read-only");
  Good({"info", file_});
  Good({"export", file_, "--force", "--lane", "small", "--out", dir_.path("o.wav")});
  umount2(disk.c_str(), MNT_DETACH);
}

// Four gigabytes, of which a canvas of 24 hours would take three terabytes.
TEST_F(Tool, SmallAddressSpaceIsEnoughForWhatThereIs) {
  if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: no limit on address space under a sanitizer";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const rlimit small{std::uint64_t{4} << 30, before.rlim_max};
  WriteAudio(dir_.path("x.wav"), kFloatWav, 2, 48000, Noise(2 * 1000, 1));
  ASSERT_EQ(setrlimit(RLIMIT_AS, &small), 0);
  Good({"create", file_});
  Good({"import", file_, dir_.path("x.wav")});
  EXPECT_NE(Good({"info", file_}).out.find("can be reached here"), std::string::npos);
  Good({"export", file_, "--lane", "x", "--out", dir_.path("o.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("o.wav")).samples, ReadAudio(dir_.path("x.wav")).samples);
  Bad({"import", file_, dir_.path("x.wav"), "--lane", "late", "--at", "20:00:00"}, "mapping limit");
  Good({"check", file_});
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  // What is there is never passed over in silence.
  Good({"import", file_, dir_.path("x.wav"), "--lane", "late", "--at", "20:00:00"});
  EXPECT_EQ(Good({"info", file_}).out.find("can be reached here"), std::string::npos);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &small), 0);
  Bad({"info", file_}, "no address space for the 2401 pages that it has");
  EXPECT_NE(Good({"info", file_, "--map-limit", "2G"}).out.find("can be reached here"),
            std::string::npos);
  // And what cannot be opened here is made all the same, and said.
  const rlimit tiny{std::uint64_t{256} << 20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tiny), 0);
  const Outcome made = Run({"create", dir_.path("other.canvas")});
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_NE(made.err.find("it cannot be opened here"), std::string::npos) << made.err;
  Good({"info", dir_.path("other.canvas")});
}

TEST_F(Tool, LaneNamesOfAnyScriptAndShellCharacters) {
  Create();
  for (const std::string name : {"Streicher – 弦 🎻", "a b'c\"d", "-x", "100%", "..", "a/b"}) {
    WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
    Good({"import", file_, dir_.path("x.wav"), "--lane=" + name});
    Good({"export", file_, "--force", "--lane=" + name, "--out", dir_.path("o.wav")});
  }
  EXPECT_EQ(Info()["lanes"].size(), 6U);
  Good({"info", file_});
}

}  // namespace
}  // namespace canvas::cli
