// cat: samples as text, for people, scripts and pipes.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

using Json = nlohmann::json;

class Cat : public Tool {
 protected:
  void SetUp() override { Create(); }
  void Write(const char* name, Rate rate, std::int64_t at, const std::vector<float>& samples,
             std::uint32_t channels) {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto there = sut.FindLane(name);
    const LaneId lane =
        there ? there->id
              : testing::Must(sut.AddLane({.name = name, .channels = channels, .rate = rate}));
    testing::Must(testing::Must(sut.Writer(lane)).Write(canvas::Frame(at), samples));
  }
  static std::vector<std::string> LinesOf(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
};

TEST_F(Cat, EachFrameIsALineThatCanBeReadBack) {
  const std::vector<float> samples = {0.1F,    -1.0F / 3, std::numeric_limits<float>::denorm_min(),
                                      3.4e38F, NAN,       -INFINITY};
  Write("x", {44100, 1}, 44101, samples, 2);
  EXPECT_EQ(Good({"cat", file_, "x"}).out,
            "# lane 'x', 44100 Hz; seconds, and a column for each of 2 channels\n"
            "1.000022676\t0.1\t-0.33333334\n"
            "1.000045352\t1e-45\t3.4e+38\n"
            "1.000068028\tnan\t-inf\n");
  // The time of a line is that frame's, given back.
  const auto one =
      LinesOf(Good({"cat", file_, "x", "--from", "1.000045352", "--to", "44103f"}).out);
  ASSERT_EQ(one.size(), 2U);
  EXPECT_EQ(one[1], "1.000045352\t1e-45\t3.4e+38");
  const auto lines = LinesOf(Good({"cat", file_, "x", "--json"}).out);
  ASSERT_EQ(lines.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const Json json = Json::parse(lines[i]);
    EXPECT_EQ(json["frame"], 44101 + i);
    for (std::size_t c = 0; c < 2; ++c) {
      const Json& sample = json["samples"][c];
      if (i == 2)
        EXPECT_EQ(sample, c == 0 ? "nan" : "-inf");
      else
        EXPECT_EQ(static_cast<float>(sample.get<double>()), samples[2 * i + c]);
    }
  }
}

TEST_F(Cat, GapsAreToldAndAreNoZerosUnlessAskedFor) {
  // Two pages with one between.
  Write("x", {100, 1}, 2998, {1, 2}, 1);
  Write("x", {100, 1}, 6000, {3}, 1);
  EXPECT_EQ(
      LinesOf(Good({"cat", file_, "x", "--from", "2997f", "--to", "6002f"}).out),
      (std::vector<std::string>{
          "# lane 'x', 100 Hz; seconds, and a column for each of 1 channel",
          "# nothing written from 29.970000000 to 29.980000000 (1 frame)", "29.980000000\t1",
          "29.990000000\t2", "# nothing written from 30.000000000 to 60.000000000 (3000 frames)",
          "60.000000000\t3", "# nothing written from 60.010000000 to 60.020000000 (1 frame)"}));
  const auto json = LinesOf(Good({"cat", file_, "x", "--json"}).out);
  ASSERT_EQ(json.size(), 4U);
  EXPECT_EQ(Json::parse(json[2]), (Json{{"gap", {{"first_frame", 3000}, {"end_frame", 6000}}}}));
  const auto zeros = LinesOf(Good({"cat", file_, "x", "--zeros"}).out);
  ASSERT_EQ(zeros.size(), 1 + 3003U);
  EXPECT_EQ(zeros[3], "30.000000000\t0");
  Bad({"cat", file_, "y"}, "there is no lane 'y'");
  Bad({"cat", file_, "x", "--from", "20", "--to", "10"}, "is empty");
  Bad({"cat", file_, "x", "--to", "2:00:00"}, "past the capacity");
  Good({"rm", file_, "--lane", "x", "--from", "0", "--to", "59:00"});
  Bad({"cat", file_, "x"}, "nothing written");
}

TEST_F(Cat, WhoHasReadEnoughEndsItQuietly) {
  Write("x", {48000, 1}, 0, std::vector<float>(480000, 0.5F), 1);
  // The test may have been started by one that ignores SIGPIPE.
  for (const char* trap : {"", "trap \"\" PIPE; "}) {
    const std::string command = std::string(trap) + "tools/canvas cat " + file_ + " x 2>" +
                                dir_.path("err") + " | head -2 >" + dir_.path("out");
    ASSERT_EQ(std::system(("bash -c '" + command + "'").c_str()), 0);
    EXPECT_EQ(Slurp(dir_.path("err")), "");
    EXPECT_EQ(LinesOf(Slurp(dir_.path("out"))).size(), 2U);
  }
  // What is lost otherwise is said.
  const int status =
      std::system(("tools/canvas cat " + file_ + " x >/dev/full 2>" + dir_.path("err")).c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_NE(Slurp(dir_.path("err")).find("what was printed is lost"), std::string::npos);
}

}  // namespace
}  // namespace canvas::cli
