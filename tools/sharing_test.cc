// The tool beside others at work on the same canvas: owners named, waiting for one, and watch.
#include <chrono>
#include <csignal>
#include <thread>

#include "canvas/api/canvas.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

using testing::Must;

class Sharing : public Tool {
 protected:
  Sharing() {
    Create();
    WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(48000, 1));
    Good({"import", file_, dir_.path("x.wav")});
  }
  Canvas Open() {
    return Must(Canvas::Open(file_, {.access = Access::kReadWrite, .name = "the generator"}));
  }
  // Starts the tool, its output into `out`.
  pid_t Start(const std::string& out, std::vector<std::string> arguments) {
    const std::string program = "tools/canvas";
    arguments.insert(arguments.begin(), program);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    return pid;
  }
  static int Wait(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  // Looks until `out` holds `text`, for twenty seconds at most.
  static void Until(const std::string& out, const std::string& text) {
    for (int i = 0; i < 4000; ++i) {
      if (Slurp(out).find(text) != std::string::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "never said: " << text << "\n" << Slurp(out);
  }
};

TEST_F(Sharing, InfoNamesEveryOwner) {
  EXPECT_TRUE(Info()["owners"].empty());
  EXPECT_EQ(Good({"info", file_}).out.find("owner"), std::string::npos);
  Canvas canvas = Open();
  const auto first = Must(canvas.Writer(LaneId(1), {.pages = {PageIndex(0), PageIndex(3)}}));
  const auto second = Must(canvas.Writer(LaneId(1), {.pages = {PageIndex(7), PageIndex(8)}}));
  const auto owners = Info()["owners"];
  ASSERT_EQ(owners.size(), 2U);
  EXPECT_EQ(owners[0]["name"], "the generator");
  EXPECT_EQ(owners[0]["pid"], getpid());
  EXPECT_GT(owners[0]["since_unix_ns"], 1'600'000'000'000'000'000);
  EXPECT_EQ(owners[1]["first_page"], 7);
  const std::string text = Good({"info", file_}).out;
  for (const char* part : {"the generator", "pages 0 to 2", "page 7", "since"})
    EXPECT_NE(text.find(part), std::string::npos) << part << text;
}

TEST_F(Sharing, ImportIsRefusedAtOnceOrWaitsAsLongAsItIsTold) {
  Canvas canvas = Open();
  auto writer = std::make_unique<FrameWriter>(Must(canvas.Writer(LaneId(1))));
  Bad({"import", file_, dir_.path("x.wav"), "--overwrite"}, "owned by the generator");
  const Outcome timed_out =
      Run({"import", file_, dir_.path("x.wav"), "--overwrite", "--wait", "0.05"});
  EXPECT_EQ(timed_out.exit_code, 1);
  EXPECT_NE(timed_out.err.find("waiting up to 0.05 s"), std::string::npos) << timed_out.err;
  EXPECT_EQ(std::ranges::count(timed_out.err, '\n'), 2) << timed_out.err;
  const pid_t waiting =
      Start(dir_.path("out"), {"import", file_, dir_.path("x.wav"), "--overwrite", "--wait", "60"});
  // Whether it waits yet or not: it gets the lane once this lets go.
  writer.reset();
  EXPECT_EQ(Wait(waiting), 0);
  EXPECT_NE(Slurp(dir_.path("out")).find("-> lane 'x'"), std::string::npos);
  Bad({"import", file_, dir_.path("x.wav"), "--overwrite", "--wait", "soon"}, "--wait", 2);
  for (const char* seconds : {"nan", "inf", "-1", "1e7"})
    Bad({"import", file_, dir_.path("x.wav"), "--overwrite", "--wait", seconds},
        "it is 0 to 1000000 seconds", 2);
}

TEST_F(Sharing, WatchFollowsAndEndsCleanly) {
  const std::string out = dir_.path("watch");
  const pid_t watch = Start(out, {"watch", file_});
  Until(out, "1 lane, 0 owners; Ctrl-C ends\n");
  Canvas canvas = Open();
  auto writer = std::make_unique<FrameWriter>(Must(canvas.Writer(LaneId(1))));
  Until(out, "came       the generator (pid " + std::to_string(getpid()) + "), all pages\n");
  Must(writer->Write(Frame(48000), std::vector<float>(4800, 0.5F)));
  Until(out, "grew       0:01.000 to 0:01.100 (4800 frames)\n");
  Must(writer->Write(Frame(0), std::vector<float>(10, 0.5F)));
  Until(out, "rewritten  0:00.000 to 0:00.");
  Must(canvas.RenameLane(LaneId(1), "y"));
  Until(out, "renamed    it was 'x'\n");
  writer.reset();
  Until(out, "left       the generator");
  kill(watch, SIGINT);
  EXPECT_EQ(Wait(watch), 0);
  const std::string all = Slurp(out);
  EXPECT_EQ(std::ranges::count(all, '\n'), 6) << all;
}

TEST_F(Sharing, WatchSpeaksJson) {
  const std::string out = dir_.path("watch");
  const pid_t watch = Start(out, {"watch", file_, "--json"});
  // It says nothing until something happens: so something does, until it is heard.
  Canvas canvas = Open();
  for (int i = 0; Slurp(out).empty(); ++i) {
    Must(canvas.DescribeLane(LaneId(1), "take " + std::to_string(i)));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(watch, SIGTERM);
  EXPECT_EQ(Wait(watch), 0);
  std::istringstream lines(Slurp(out));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["event"], "lane edited");
  EXPECT_EQ(json["lane"], "x");
  EXPECT_GT(json["generation"], 1);
  EXPECT_GT(json["time_unix_ms"], 1'600'000'000'000);
}

}  // namespace
}  // namespace canvas::cli
