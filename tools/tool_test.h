// The command-line tool as a person meets it, for tests: real processes, real files, what they
// print and how they end.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "canvas/testing/testing.h"

namespace canvas::cli {

namespace fs = std::filesystem;
using testing::TempDir;

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

inline std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Audio {
  SF_INFO info{};
  std::vector<float> samples;
};

inline Audio ReadAudio(const std::string& path) {
  Audio audio;
  SNDFILE* file = sf_open(path.c_str(), SFM_READ, &audio.info);
  if (file == nullptr) {
    ADD_FAILURE() << path << ": " << sf_strerror(nullptr);
    return audio;
  }
  audio.samples.resize(static_cast<std::size_t>(audio.info.frames * audio.info.channels));
  EXPECT_EQ(sf_readf_float(file, audio.samples.data(), audio.info.frames), audio.info.frames);
  sf_close(file);
  return audio;
}

inline void WriteAudio(const std::string& path, int format, int channels, int rate,
                       const std::vector<double>& samples) {
  SF_INFO info{};
  info.format = format;
  info.channels = channels;
  info.samplerate = rate;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  ASSERT_NE(file, nullptr) << sf_strerror(nullptr);
  const auto count = static_cast<sf_count_t>(samples.size());
  ASSERT_EQ(sf_write_double(file, samples.data(), count), count);
  sf_close(file);
}

inline std::vector<double> Noise(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> samples(count);
  for (double& sample : samples) sample = static_cast<double>(random() % 60000) / 32768.0 - 0.9;
  return samples;
}

inline constexpr int kFloatWav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;

class Tool : public ::testing::Test {
 protected:
  Outcome Run(std::vector<std::string> arguments) {
    const std::string out = dir_.path("stdout");
    const std::string err = dir_.path("stderr");
    const std::string program = "tools/canvas";
    arguments.insert(arguments.begin(), program);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
      dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), Slurp(out),
            Slurp(err)};
  }
  Outcome Good(std::vector<std::string> arguments) {
    Outcome outcome = Run(std::move(arguments));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    // On a slow day.
    while (outcome.err.starts_with(R"({"progress")"))
      outcome.err.erase(0, outcome.err.find('\n') + 1);
    EXPECT_EQ(outcome.err, "") << "silent when piped";
    return outcome;
  }
  // One line on standard error that names the tool and holds `part`.
  void Bad(std::vector<std::string> arguments, const std::string& part, int exit_code = 1) {
    const Outcome outcome = Run(std::move(arguments));
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("canvas: ")) << outcome.err;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
  nlohmann::json Info() { return nlohmann::json::parse(Good({"info", file_, "--json"}).out); }
  void Create() { Good({"create", file_, "--hours", "1"}); }

  TempDir dir_;
  std::string file_ = dir_.path("sut.canvas");
};

}  // namespace canvas::cli
