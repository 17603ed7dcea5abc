// What `canvas export` makes, and what it never replaces; and the small verbs.
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

class Export : public Tool {
 protected:
  void SetUp() override {
    Create();
    // Steps of 16 bits, so that every format of whole numbers holds them.
    WriteAudio(dir_.path("x.wav"), SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2, 48000, Noise(20000, 1));
    Good({"import", file_, dir_.path("x.wav")});
    samples_ = ReadAudio(dir_.path("x.wav")).samples;
  }
  int Shell(const std::string& command) { return WEXITSTATUS(std::system(command.c_str())); }
  // Names that an export gives for a moment.
  std::ptrdiff_t Litter() {
    return std::ranges::count_if(fs::directory_iterator(dir_.path("")), [](const auto& entry) {
      return entry.path().filename().string().starts_with(".canvas-export");
    });
  }
  std::vector<float> samples_;
};

TEST_F(Export, AFileThatIsThereIsKeptUnlessForcedAndACanvasAlways) {
  const std::string out = dir_.path("o.wav");
  std::ofstream(out) << "precious";
  Bad({"export", file_, "--lane", "x", "--out", out}, "it exists already");
  Bad({"export", file_, "--lane", "x", "--out", out}, "--force");
  EXPECT_EQ(Slurp(out), "precious");
  Good({"export", file_, "--lane", "x", "--out", out, "--force"});
  EXPECT_EQ(ReadAudio(out).samples, samples_);
  // Through a link that points at nothing yet; and over a name as long as there is.
  fs::create_symlink("new.wav", dir_.path("dangling.wav"));
  Good({"export", file_, "--lane", "x", "--out", dir_.path("dangling.wav")});
  EXPECT_TRUE(fs::is_symlink(dir_.path("dangling.wav")));
  EXPECT_EQ(ReadAudio(dir_.path("new.wav")).samples, samples_);
  const std::string longest = dir_.path(std::string(251, 'n') + ".wav");
  for (int i = 0; i < 2; ++i) Good({"export", file_, "--lane", "x", "--out", longest, "--force"});
  // Whatever its name, whether it is open, and however the path leads to it.
  const std::string other = dir_.path("song.wav");
  Good({"create", other});
  const std::string before = Slurp(other);
  fs::create_symlink(other, dir_.path("link.wav"));
  for (const std::string& path : {other, dir_.path("link.wav"), file_}) {
    Bad({"export", file_, "--lane", "x", "--out", path, "--force", "--format", "wav"}, "canvas");
    Bad({"export", file_, "--lane", "x", "--out", path, "--format", "wav"}, "canvas");
  }
  EXPECT_EQ(Slurp(other), before);
  // Its first superblock may be damaged.
  std::fstream(other, std::ios::in | std::ios::out | std::ios::binary).put('x');
  Bad({"export", file_, "--lane", "x", "--out", other, "--force"}, "never replaces one");
}

TEST_F(Export, AFileThatIsReplacedKeepsItsModeAndItsOwnerAndItsLinks) {
  const std::string out = dir_.path("o.wav");
  std::ofstream(out) << "old";
  const bool given = chown(out.c_str(), 12345, 23456) == 0;  // root may, but not in a sandbox
  ASSERT_EQ(chmod(out.c_str(), 06640), 0);
  fs::create_symlink("o.wav", dir_.path("link.wav"));
  fs::create_hard_link(out, dir_.path("hard.wav"));
  const std::string text =
      Good({"export", file_, "--lane", "x", "--out", dir_.path("link.wav"), "--force"}).out;
  EXPECT_NE(text.find("the file that was there has 1 other name"), std::string::npos) << text;
  EXPECT_EQ(Slurp(dir_.path("hard.wav")), "old");
  EXPECT_TRUE(fs::is_symlink(dir_.path("link.wav")));
  EXPECT_EQ(ReadAudio(out).samples, samples_);
  struct stat status {};
  ASSERT_EQ(stat(out.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U) << "whoever may run it did not set these samples";
  if (given) {
    EXPECT_EQ(status.st_uid, 12345U);
    EXPECT_EQ(status.st_gid, 23456U);
  }
  EXPECT_EQ(Litter(), 0);
}

// What happens to the name of the file that is replaced is seen, and met, from system call to
// system call.
TEST_F(Export, ACanvasThatIsMadeAtTheLastMomentIsNotReplacedAndAFileIsOnDiskFirst) {
  if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: LeakSanitizer does not run under ptrace";
  const std::string out = dir_.path("o.wav");
  for (const bool meet : {false, true}) {
    std::ofstream(out) << "old";
    const std::string err = dir_.path("err");
    const pid_t pid = fork();
    if (pid == 0) {
      (void)!freopen(err.c_str(), "w", stderr);
      (void)!freopen("/dev/null", "w", stdout);
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      execl("tools/canvas", "canvas", "export", file_.c_str(), "--lane", "x", "--force", "--out",
            out.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status)) GTEST_SKIP() << "SKIPPED: no ptrace here";
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    bool synced = false;
    int renames = 0;
    for (int deliver = 0;;) {
      ASSERT_EQ(ptrace(PTRACE_SYSCALL, pid, nullptr, deliver), 0);
      ASSERT_EQ(waitpid(pid, &status, 0), pid);
      if (!WIFSTOPPED(status)) break;
      deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
      if (deliver != 0) continue;
      __ptrace_syscall_info call{};
      ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call);
      if (call.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
      if (call.entry.nr == SYS_fsync) synced = true;
      if (call.entry.nr != SYS_renameat2 && call.entry.nr != SYS_rename) continue;
      EXPECT_TRUE(synced) << "a crash might leave neither";
      if (++renames == 1 && meet) {
        ASSERT_EQ(unlink(out.c_str()), 0);
        Good({"create", out});
      }
    }
    EXPECT_EQ(WEXITSTATUS(status), meet ? 1 : 0) << Slurp(err);
    EXPECT_GT(renames, 0);
    if (meet) {
      EXPECT_NE(Slurp(err).find("never replaces one"), std::string::npos) << Slurp(err);
      Good({"check", out});
    } else {
      EXPECT_EQ(ReadAudio(out).samples, samples_);
    }
    EXPECT_EQ(Litter(), 0);
  }
}

TEST_F(Export, AFolderThatWasMadeForNothingIsNotLeft) {
  const std::string stems = dir_.path("new/stems");
  Bad({"export", file_, "--lane", "x", "--out-dir", stems, "--to", "0"}, "is empty");
  Bad({"export", file_, "--lane", "x", "--out-dir", stems, "--dither"}, "written as float");
  EXPECT_FALSE(fs::exists(dir_.path("new")));
  fs::create_directory(dir_.path("old"));
  Bad({"export", file_, "--lane", "x", "--out-dir", dir_.path("old/stems"), "--dither"},
      "written as float");
  EXPECT_TRUE(fs::exists(dir_.path("old"))) << "it was there before";
  EXPECT_FALSE(fs::exists(dir_.path("old/stems")));
  Good({"export", file_, "--lane", "x", "--out-dir", stems});
  EXPECT_EQ(ReadAudio(stems + "/x.wav").samples, samples_);
}

TEST_F(Export, TheEndOfTheNameSaysTheFormat) {
  struct Case {
    const char* name;
    int type;
    bool exact;
  };
  const Case cases[] = {{"a.wav", SF_FORMAT_WAV, true},   {"a.WAV", SF_FORMAT_WAV, true},
                        {"a.rf64", SF_FORMAT_RF64, true}, {"a.w64", SF_FORMAT_W64, true},
                        {"a.flac", SF_FORMAT_FLAC, true}, {"a.aiff", SF_FORMAT_AIFF, true},
                        {"a.caf", SF_FORMAT_CAF, true},   {"a.au", SF_FORMAT_AU, true},
                        {"a.ogg", SF_FORMAT_OGG, false},  {"a.opus", SF_FORMAT_OGG, false},
                        {"a", SF_FORMAT_WAV, true}};
  for (const Case& c : cases) {
    const std::string out = dir_.path(c.name);
    Good({"export", file_, "--lane", "x", "--out", out});
    const Audio audio = ReadAudio(out);
    EXPECT_EQ(audio.info.format & SF_FORMAT_TYPEMASK, c.type) << c.name;
    EXPECT_EQ(audio.info.samplerate, 48000) << c.name;
    if (c.exact) {
      EXPECT_EQ(audio.samples, samples_) << c.name;
    } else {
      EXPECT_EQ(audio.samples.size(), samples_.size()) << c.name;
    }
  }
  // --format goes before it.
  Good({"export", file_, "--lane", "x", "--out", dir_.path("b.bin"), "--format", "flac,pcm16"});
  EXPECT_EQ(ReadAudio(dir_.path("b.bin")).info.format, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
  Bad({"export", file_, "--lane", "x", "--out", dir_.path("c.mp9")}, "'.mp9' says no format");
  Bad({"export", file_, "--lane", "x", "--out", dir_.path("c.wav"), "--format", "flac,wav"},
      "says two things");
  Bad({"export", file_, "--lane", "x", "--out", dir_.path("c.flac"), "--format", "float"},
      "as float");
  Bad({"export", file_, "--lane", "x", "--out", dir_.path("c.ogg"), "--format", "pcm16"},
      "no sample format of its own");
  Bad({"export", file_, "--lane", "x", "--out", ""}, "--out is empty");
  WriteAudio(dir_.path("r.wav"), kFloatWav, 1, 44100, Noise(100, 1));
  Good({"import", file_, dir_.path("r.wav")});
  Bad({"export", file_, "--lane", "r", "--out", dir_.path("r.opus")}, "no rate of 44100 Hz");
  EXPECT_FALSE(fs::exists(dir_.path("c.flac")));
}

TEST_F(Export, ADashIsStandardOutput) {
  const std::string out = dir_.path("piped");
  const std::string command = "tools/canvas export " + file_ + " --lane x --out - 2>/dev/null";
  EXPECT_EQ(Shell(command + " > " + out), 0);
  EXPECT_EQ(ReadAudio(out).samples, samples_);
  EXPECT_EQ(Shell(command + " --format flac | cat > " + out), 0);
  EXPECT_EQ(ReadAudio(out).samples, samples_);
  EXPECT_FALSE(fs::exists("-"));
  EXPECT_EQ(Shell(command + " > /dev/full"), 1);
  // From one canvas to another, and no file in between.
  Good({"create", dir_.path("other.canvas")});
  EXPECT_EQ(Shell(command + " | tools/canvas import " + dir_.path("other.canvas") +
                  " - --lane y > /dev/null"),
            0);
  Good({"export", dir_.path("other.canvas"), "--lane", "y", "--out", dir_.path("y.wav")});
  EXPECT_EQ(ReadAudio(dir_.path("y.wav")).samples, samples_);
}

TEST_F(Export, ManyLanesGoToAFileEach) {
  for (const char* lane : {"drums 1", "drums 2", "a/b", ".hidden"})
    Good({"import", file_, dir_.path("x.wav"), "--lane", lane});
  const std::string dir = dir_.path("stems/new");
  Good({"export", file_, "--all", "--out-dir", dir, "--format", "flac"});
  for (const char* name : {"x.flac", "drums 1.flac", "drums 2.flac", "a_b.flac", "_hidden.flac"})
    EXPECT_EQ(ReadAudio(dir + "/" + name).samples, samples_) << name;
  Good({"export", file_, "--lane", "drums*", "--lane", "x", "--out-dir", dir_.path("some")});
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_.path("some")), fs::directory_iterator()), 3);
  Bad({"export", file_, "--lane", "drums*", "--out", dir_.path("o.wav")}, "2 lanes and one --out");
  Bad({"export", file_, "--lane", "drum 1", "--out", dir_.path("o.wav")},
      "did you mean 'drums 1'?");
  Bad({"export", file_, "--lane", "bass*", "--out", dir_.path("o.wav")}, "no lane 'bass*'");
  Bad({"export", file_, "--out", dir_.path("o.wav")}, "--lane or --all", 2);
  Bad({"export", file_, "--lane", "x"}, "--out or --out-dir", 2);
  Good({"import", file_, dir_.path("x.wav"), "--lane", "a_b"});
  Bad({"export", file_, "--all", "--out-dir", dir_.path("clash")}, "would both become a_b.wav");
}

TEST_F(Export, TheTimelineCanBeMadeLonger) {
  Bad({"import", file_, dir_.path("x.wav"), "--lane", "late", "--at", "1:30:00"},
      "past the capacity");
  Good({"resize", file_, "--hours", "2"});
  Good({"import", file_, dir_.path("x.wav"), "--lane", "late", "--at", "1:30:00"});
  Bad({"resize", file_, "--hours", "1"}, "it only grows");
  Bad({"resize", file_, "--hours", "x"}, "is not a number of hours");
  Good({"check", file_});
}

TEST_F(Export, ABroadcastWaveSaysWhereItLies) {
  const std::string out = dir_.path("late.wav");
  Good({"import", file_, dir_.path("x.wav"), "--lane", "late", "--at", "30:00.5"});
  Good({"export", file_, "--lane", "late", "--out", out, "--bext"});
  Good({"create", dir_.path("other.canvas")});
  Good({"import", dir_.path("other.canvas"), out, "--at", "bext"});
  Good({"describe", dir_.path("other.canvas"), "late", "imported from x.wav"});
  Good({"diff", file_, dir_.path("other.canvas"), "--lane", "late"});
  Bad({"import", dir_.path("other.canvas"), dir_.path("x.wav"), "--at", "bext"}, "no bext chunk");
  Bad({"export", file_, "--lane", "late", "--out", dir_.path("l.flac"), "--bext"}, "no bext chunk");
}

TEST_F(Export, DitherMakesWhatIsSmallerThanAStepAudible) {
  // A tone of a third of a 16-bit step: rounded, it is silence; dithered, it is there, in noise.
  std::vector<double> tone(48000);
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] = std::sin(2 * M_PI * 1000 * static_cast<double>(i) / 48000) / 32768 / 3;
  WriteAudio(dir_.path("t.wav"), kFloatWav, 1, 48000, tone);
  Good({"import", file_, dir_.path("t.wav")});
  const auto level = [&](std::vector<std::string> options) {
    std::vector<std::string> arguments = {"export",           file_,      "--force",
                                          "--lane",           "t",        "--out",
                                          dir_.path("d.wav"), "--format", "pcm16"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    Good(arguments);
    const auto samples = ReadAudio(dir_.path("d.wav")).samples;
    double sum = 0;
    for (std::size_t i = 0; i < samples.size(); ++i)
      sum += samples[i] * std::sin(2 * M_PI * 1000 * static_cast<double>(i) / 48000);
    return 2 * sum / static_cast<double>(samples.size()) * 32768;  // in steps
  };
  EXPECT_EQ(level({}), 0);
  EXPECT_NEAR(level({"--dither"}), 1.0 / 3, 0.02);
  const std::string first = Slurp(dir_.path("d.wav"));
  level({"--dither"});
  EXPECT_EQ(Slurp(dir_.path("d.wav")), first) << "the same bytes every time";
  Bad({"export", file_, "--lane", "t", "--out", dir_.path("f.wav"), "--dither"},
      "written as float");
}

TEST_F(Export, NamesAreChangedAndRegionsListed) {
  Good({"mv", file_, "x", "lead voice"});
  Good({"describe", file_, "lead voice", "second take"});
  const auto lane = Info()["lanes"][0];
  EXPECT_EQ(lane["name"], "lead voice");
  EXPECT_EQ(lane["description"], "second take");
  Bad({"mv", file_, "lead vioce", "y"}, "did you mean 'lead voice'?");
  Bad({"mv", file_, "lead voice", ""}, "name is empty");
  // What changes a lane takes no patterns.
  for (const char* command : {"rm", "silence"})
    Bad({command, file_, "--lane", "lead*"}, "no lane 'lead*'");
  Good({"import", file_, dir_.path("x.wav"), "--lane", "lead voice", "--at", "10"});
  // Between what a page holds first and last, regions are whole blocks: here of 4,096 frames.
  const auto regions = nlohmann::json::parse(Good({"ls", file_, "--json"}).out)[0]["regions"];
  EXPECT_EQ(regions, nlohmann::json::parse(R"([{"first_frame": 0, "end_frame": 12288},
                                               {"first_frame": 479232, "end_frame": 490000}])"));
  const std::string text = Good({"ls", file_}).out;
  EXPECT_NE(text.find("0:09.728"), std::string::npos) << "the gap: " << text;
}

TEST_F(Export, WhatIsPrintedIsOneLineAndNotWiderThanItNeedBe) {
  const std::string name = "a" + std::string("\xE2\x80\xAE") + "b" + std::string(200, 'w');
  Good({"import", file_, dir_.path("x.wav"), "--lane", name});
  const std::string text = Good({"info", file_}).out;
  EXPECT_EQ(text.find("\xE2\x80\xAE"), std::string::npos) << "right to left from here on";
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 3, "/ro") != 0 && text[at] == ' ') longest = std::max(longest, end - at);
    at = end + 1;
  }
  EXPECT_LT(longest, 130U) << text;
  Bad({"ifno", file_}, "there is no command 'ifno'; did you mean 'info'?", 2);
  Bad({"exprot", file_}, "did you mean 'export'?", 2);
  Bad({"frobnicate"}, "there is no command 'frobnicate'", 2);
  Bad({"import", file_, "-dash.wav"}, "goes behind --", 2);
  WriteAudio("-dash.wav", kFloatWav, 1, 48000, Noise(100, 1));
  Good({"import", file_, "--", "-dash.wav"});
  Good({"export", file_, "--lane=-dash", "--out", dir_.path("dash.wav")});
  EXPECT_NE(Good({"--version"}).out.find("format 1"), std::string::npos);
}

TEST_F(Export, EveryCommandAnswersInJsonAndQuietlyWhereAsked) {
  const auto lines = [&](std::vector<std::string> arguments) {
    arguments.push_back("--json");
    std::istringstream out(Good(std::move(arguments)).out);
    std::vector<nlohmann::json> objects;
    for (std::string line; std::getline(out, line);) objects.push_back(nlohmann::json::parse(line));
    return objects;
  };
  const std::string other = dir_.path("other.canvas");
  EXPECT_EQ(lines({"create", other})[0]["capacity_pages"], 2880);
  WriteAudio(dir_.path("y.wav"), kFloatWav, 1, 44100, Noise(300, 1));
  const auto imported = lines({"import", other, dir_.path("x.wav"), dir_.path("y.wav")});
  ASSERT_EQ(imported.size(), 2U);
  EXPECT_EQ(imported[1]["lane"], "y");
  EXPECT_EQ(imported[1]["frames"], 300);
  EXPECT_EQ(imported[1]["cut_short"], false);
  EXPECT_EQ(lines({"export", other, "--all", "--out-dir", dir_.path("o")}).size(), 2U);
  EXPECT_EQ(lines({"mv", other, "y", "z"})[0]["name_before"], "y");
  EXPECT_EQ(lines({"cp", other, file_, "--lane", "z"})[0]["frames"], 300);
  EXPECT_EQ(lines({"silence", other, "--lane", "z"})[0]["silenced_frames"], 300);
  EXPECT_EQ(lines({"rm", other, "--lane", "z", "--to", "100f"})[0]["zeroed_frames"], 100);
  EXPECT_GT(lines({"rm", other, "--lane", "z"})[0]["freed_bytes"], 0);
  // So are errors.
  const Outcome bad = Run({"rm", other, "--lane", "z", "--json"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_EQ(bad.out, "");
  const auto error = nlohmann::json::parse(bad.err)["error"];
  EXPECT_EQ(error["code"], "not found");
  EXPECT_EQ(error["path"], other);
  EXPECT_EQ(error["what"], "there is no lane 'z'");
  const Outcome usage = Run({"rm", other, "--json"});
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_EQ(nlohmann::json::parse(usage.err)["error"]["code"], "invalid argument");

  EXPECT_EQ(Good({"import", other, dir_.path("y.wav"), "--quiet"}).out, "");
  EXPECT_EQ(Good({"export", other, "--lane", "y", "--out", dir_.path("q.wav"), "--quiet"}).out, "");
  Bad({"import", other, dir_.path("y.wav"), "--quiet"}, "would go over");
}

TEST_F(Export, CreateTakesAModeAndCheckSaysWhatItDidNotLookAt) {
  const std::string shared = dir_.path("shared.canvas");
  Good({"create", shared, "--mode", "660", "--title", "a title"});
  struct stat status {};
  ASSERT_EQ(stat(shared.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660U);
  EXPECT_NE(Good({"info", shared}).out.find("a title"), std::string::npos);
  EXPECT_NE(Good({"check", file_}).out.find("not looked at: the samples"), std::string::npos);
  const auto check = nlohmann::json::parse(Good({"check", file_, "--json"}).out);
  EXPECT_EQ(check["ok"], true);
  EXPECT_EQ(check["samples_checked"], false);
}

// Resident memory is let go behind what was read: an export needs no more for a long lane.
TEST_F(Export, ALongExportNeedsLittleMemory) {
  if (testing::kSanitized) GTEST_SKIP() << "SKIPPED: a sanitizer needs memory of its own";
  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto lane = testing::Must(sut.AddLane({.name = "long", .channels = 8}));
    auto writer = testing::Must(sut.Writer(lane));
    const std::vector<float> second(8 * 48000, 0.25F);
    for (int i = 0; i < 120; ++i)
      testing::Must(writer.Write(canvas::Frame(i * std::int64_t{48000}), second));
  }
  const pid_t pid = fork();
  if (pid == 0) {
    execl("tools/canvas", "canvas", "export", file_.c_str(), "--lane", "long", "--force", "--out",
          dir_.path("long.w64").c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  ASSERT_EQ(wait4(pid, &status, 0, &usage), pid);
  ASSERT_EQ(status, 0);
  constexpr long kLane = 120L * 48000 * 8 * 4 / 1024;  // KiB
  EXPECT_LT(usage.ru_maxrss, kLane / 3) << "of a lane of " << kLane << " KiB";
}

}  // namespace
}  // namespace canvas::cli
