// How the tool answers: in colours on a terminal, in objects to a program.
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

using Json = nlohmann::json;

class Answer : public Tool {
 protected:
  // What a terminal is sent, both streams of it.
  static std::string OnTerminal(const std::string& command) {
    int terminal = -1;
    const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (pid == 0) {
      setenv("TERM", "xterm", 1);
      unsetenv("NO_COLOR");
      execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    std::string sent;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(terminal, buffer, sizeof buffer)) > 0;)
      sent.append(buffer, static_cast<std::size_t>(got));
    close(terminal);
    waitpid(pid, nullptr, 0);
    return sent;
  }
  static bool HasColour(const std::string& text) { return text.find("\x1b[") != std::string::npos; }
  static std::string Plain(const std::string& text) {
    return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
  }
  static std::vector<Json> Objects(const std::string& text) {
    std::istringstream in(text);
    std::vector<Json> objects;
    for (std::string line; std::getline(in, line);) objects.push_back(Json::parse(line));
    return objects;
  }
};

TEST_F(Answer, ColoursAreForTerminals) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  Good({"import", file_, dir_.path("x.wav")});
  const std::string info = "tools/canvas info " + file_;
  const std::string plain = Good({"info", file_}).out;
  EXPECT_FALSE(HasColour(plain)) << "no terminal";
  const std::string coloured = OnTerminal(info);
  std::printf("%s", coloured.c_str());
  EXPECT_NE(coloured.find("\x1b[1m" + file_ + "\x1b[0m"), std::string::npos) << coloured;
  EXPECT_NE(coloured.find("\x1b[1mwritten\x1b[0m"), std::string::npos) << coloured;
  EXPECT_EQ(std::regex_replace(Plain(coloured), std::regex("\r"), ""), plain);
  // What turns them off, and what on.
  EXPECT_FALSE(HasColour(OnTerminal("NO_COLOR=1 " + info)));
  EXPECT_TRUE(HasColour(OnTerminal("NO_COLOR= " + info))) << "empty: as if it were not set";
  EXPECT_FALSE(HasColour(OnTerminal("TERM=dumb " + info)));
  EXPECT_FALSE(HasColour(OnTerminal(info + " --color=never")));
  EXPECT_TRUE(HasColour(OnTerminal("NO_COLOR=1 " + info + " --color=always")));
  EXPECT_EQ(Plain(Good({"info", file_, "--color", "always"}).out), plain);
  EXPECT_TRUE(HasColour(Good({"info", file_, "--color", "always"}).out));
  EXPECT_FALSE(HasColour(OnTerminal(info + " --json"))) << "JSON is JSON";
  Bad({"info", file_, "--color", "red"}, "--color", 2);
  // Errors: in red, on a terminal of their own.
  const std::string error = OnTerminal("tools/canvas info " + file_ + "x >/dev/null");
  EXPECT_TRUE(error.starts_with("\x1b[1;31mcanvas:\x1b[0m " + file_)) << error;
  EXPECT_FALSE(HasColour(OnTerminal("tools/canvas info " + file_ + "x 2>&1 | cat")));
  // A name that says a colour itself has none.
  EXPECT_EQ(OnTerminal("tools/canvas cat --color=never " + file_ + " '\x1b[31mx' 2>&1 | cat")
                .find('\x1b'),
            std::string::npos);
}

TEST_F(Answer, HowFarItIsIsAnObjectALine) {
  Create();
  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto lane = testing::Must(sut.AddLane({.name = "long", .channels = 2}));
    auto writer = testing::Must(sut.Writer(lane));
    const std::vector<float> second(2 * 48000, 0.25F);
    for (int i = 0; i < 600; ++i)
      testing::Must(writer.Write(canvas::Frame(i * std::int64_t{48000}), second));
  }
  constexpr std::uint64_t kFrames = 600 * 48000;
  const std::string other = dir_.path("other.canvas");
  const std::string err = dir_.path("err");
  const auto run = [&](std::vector<std::string> arguments, int stops = 8) {
    arguments.insert(arguments.begin(), "canvas");
    fs::remove(err);
    const pid_t pid = fork();
    if (pid == 0) {
      (void)!freopen("/dev/null", "w", stdout);
      (void)!freopen(err.c_str(), "w", stderr);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv("tools/canvas", argv.data());
      _exit(127);
    }
    // Stopped in the midst, for longer than a progress takes to be told; again, where it had not
    // come to the samples yet.
    int status = 0;
    for (int i = 0; i < stops && Slurp(err).empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      if (waitpid(pid, &status, WNOHANG) == pid) break;
      kill(pid, SIGSTOP);
      std::this_thread::sleep_for(std::chrono::milliseconds(1100));
      kill(pid, SIGCONT);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    waitpid(pid, &status, 0);  // or it has ended by now
    EXPECT_EQ(status, 0) << Slurp(err);
    return Objects(Slurp(err));
  };
  const auto holds = [&](const std::vector<Json>& told, const std::string& what) {
    ASSERT_FALSE(told.empty()) << what << ": it ended before it was stopped";
    for (const Json& object : told) {
      EXPECT_EQ(object["progress"]["what"], what);
      EXPECT_EQ(object["progress"]["total"], kFrames);
      EXPECT_LE(object["progress"]["done"], kFrames);
    }
  };
  holds(run({"cp", file_, other, "--json"}), "long");
  holds(run({"export", file_, "--lane", "long", "--out", dir_.path("long.wav"), "--json"}), "long");
  holds(run({"import", other, dir_.path("long.wav"), "--lane", "again", "--json"}), "long.wav");
  EXPECT_TRUE(run({"cp", file_, dir_.path("c.canvas"), "--json", "--quiet"}, 2).empty());
  EXPECT_EQ(Slurp(err), "");
  EXPECT_TRUE(run({"cp", file_, dir_.path("d.canvas")}, 2).empty()) << "for people, on a terminal";
}

}  // namespace
}  // namespace canvas::cli
