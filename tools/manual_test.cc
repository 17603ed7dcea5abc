// Man pages and completions: what the tool says of its own arguments.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

class Manual : public Tool {
 protected:
  std::vector<std::string> Commands() {
    std::istringstream lines(Good({"manual", "commands"}).out);
    std::vector<std::string> commands;
    for (std::string line; std::getline(lines, line);) commands.push_back(line);
    return commands;
  }
  // The long options in a command's help.
  std::vector<std::string> Options(const std::string& command) {
    std::istringstream words(Good({command, "--help"}).out);
    std::vector<std::string> options;
    bool in_options = false;
    for (std::string line; std::getline(words, line);) {
      if (line == "Options:") in_options = true;
      if (line.starts_with("Example:")) break;
      const auto at = line.find("--");
      if (!in_options || at == std::string::npos || at > 6 || at < 2) continue;
      const std::string name = line.substr(at, line.find_first_of(" ,", at) - at);
      if (name != "--help") options.push_back(name);
    }
    return options;
  }
  std::string Shell(const std::string& command) {
    FILE* pipe = popen(command.c_str(), "r");
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    pclose(pipe);
    return text;
  }
  std::string Saved(const std::string& what) {
    const std::string path = dir_.path("completion." + what);
    std::ofstream(path) << Good({"manual", what}).out;
    return path;
  }
};

TEST_F(Manual, EveryCommandHasAPageWithEveryOption) {
  const auto commands = Commands();
  EXPECT_GE(commands.size(), 15U);
  const bool groff = std::system("groff --version > /dev/null 2>&1") == 0;
  for (const std::string& command : commands) {
    const std::string page = Good({"manual", command}).out;
    EXPECT_TRUE(page.starts_with(".TH CANVAS")) << command;
    std::string plain = page;
    for (std::size_t at = 0; (at = plain.find("\\-", at)) != std::string::npos;) plain.erase(at, 1);
    for (const std::string& option : Options(command))
      EXPECT_NE(plain.find(option), std::string::npos) << command << " " << option;
    EXPECT_NE(plain.find("canvas " + command), std::string::npos) << "an example";
    if (groff) {
      EXPECT_EQ(
          Shell("tools/canvas manual " + command + " | groff -man -Tascii -ww 2>&1 >/dev/null"), "")
          << command;
    }
  }
  if (!groff) std::printf("NOT CHECKED: groff is not installed\n");
  EXPECT_NE(Good({"manual", "canvas"}).out.find("song.canvas"), std::string::npos);
  Bad({"manual", "frobnicate"}, "no command 'frobnicate'", 2);
}

TEST_F(Manual, BashCompletesCommandsOptionsAndLanes) {
  Create();
  WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  Good({"import", file_, dir_.path("x.wav"), "--lane", "drums left"});
  Good({"import", file_, dir_.path("x.wav"), "--lane", "drums right"});
  const std::string script = Saved("bash");
  const auto completed = [&](const std::vector<std::string>& words) {
    std::string command = "bash -c '. " + script + "; compopt() { :; }; COMP_WORDS=(canvas";
    for (const std::string& word : words) command += " \"" + word + "\"";
    command += "); COMP_CWORD=" + std::to_string(words.size()) +
               "; PATH=tools:$PATH; _canvas; printf \"%s\\n\" \"${COMPREPLY[@]}\"'";
    return Shell(command);
  };
  EXPECT_EQ(completed({"exp"}), "export\n");
  EXPECT_EQ(completed({"import", file_, "--ov"}), "--overwrite\n");
  EXPECT_EQ(completed({"export", file_, "--lane", "drums"}), "drums left\ndrums right\n");
  EXPECT_EQ(completed({"cat", file_, "drums"}), "drums left\ndrums right\n");
  EXPECT_EQ(completed({"info", file_.substr(0, file_.size() - 3)}), file_ + "\n");
  for (const std::string& command : Commands()) {
    const std::string all = completed({command, file_, "--"});
    for (const std::string& option : Options(command))
      EXPECT_NE(("\n" + all).find("\n" + option + "\n"), std::string::npos) << command << option;
  }
}

TEST_F(Manual, ZshAndFishCanReadTheirs) {
  for (const std::string shell : {"zsh", "fish"}) {
    const std::string script = Saved(shell);
    if (std::system((shell + " --version > /dev/null 2>&1").c_str()) != 0) {
      std::printf("NOT CHECKED: %s is not installed\n", shell.c_str());
      continue;
    }
    EXPECT_EQ(Shell(shell + " -n " + script + " 2>&1"), "") << shell;
  }
}

}  // namespace
}  // namespace canvas::cli
