// split: a canvas cut along its timeline.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

class Split : public Tool {
 protected:
  void SetUp() override {
    Create();
    WriteAudio(dir_.path("a.wav"), kFloatWav, 2, 48000, Noise(2 * 48000 * 40, 1));
    WriteAudio(dir_.path("b.wav"), kFloatWav, 1, 44100, Noise(44100 * 3, 2));
    // 25 to 65 s; and 28 to 31 s, 600 to 603 s.
    Good({"import", file_, dir_.path("a.wav"), "--at", "25"});
    Good({"import", file_, dir_.path("b.wav"), "--at", "28"});
    Good({"import", file_, dir_.path("b.wav"), "--lane", "b", "--at", "600"});
    Good({"describe", file_, "a", "the first"});
  }
  nlohmann::json InfoOf(const std::string& path) {
    return nlohmann::json::parse(Good({"info", path, "--json"}).out);
  }
  std::string Piece(const std::string& number) { return out_ + "/sut-" + number + ".canvas"; }
  std::vector<float> Samples(const std::string& canvas, const std::string& lane,
                             const std::string& from, const std::string& to) {
    const std::string wav = dir_.path("samples.wav");
    Good({"export", canvas, "--lane", lane, "--from", from, "--to", to, "--out", wav, "--force"});
    return ReadAudio(wav).samples;
  }
  std::string out_ = dir_.path("deep/pieces");
};

TEST_F(Split, ThePiecesTogetherAreTheWhole) {
  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    testing::Must(sut.AddTempoMap({.id = 0, .name = "t", .tempi = {{}}, .meters = {{}}}));
  }
  Good({"marker", "add", file_, "30", "--lane", "a", "--name", "m"});
  Good({"marker", "add", file_, "30", "--name", "of no lane"});
  const std::string said =
      Good({"split", file_, "--at", "50.00001", "--at", "0:29.5", "--out-dir", out_}).out;
  EXPECT_NE(said.find("from 0:29.500 -> " + Piece("2")), std::string::npos) << said;
  EXPECT_NE(said.find("1 tempo map left out"), std::string::npos) << said;
  EXPECT_NE(said.find("1 marker of no lane left out"), std::string::npos) << said;
  const auto markers = testing::Must(testing::Must(canvas::Canvas::Open(Piece("2"))).Markers());
  ASSERT_EQ(markers.size(), 1U);
  EXPECT_EQ(testing::Must(FrameOfTime(markers[0].start, {48000, 1})), Frame(24000));
  // 50.00001 s is frame 2400000 at 48 kHz, and 2205000 at 44.1.
  EXPECT_EQ(Samples(Piece("1"), "a", "0", "29.5"), Samples(file_, "a", "0", "29.5"));
  EXPECT_EQ(Samples(Piece("2"), "a", "0", "984000f"), Samples(file_, "a", "29.5", "2400000f"));
  EXPECT_EQ(Samples(Piece("3"), "a", "0", "15"), Samples(file_, "a", "2400000f", "65"));
  EXPECT_EQ(Samples(Piece("2"), "b", "0", "1.5"), Samples(file_, "b", "29.5", "31"));
  EXPECT_EQ(Samples(Piece("3"), "b", "550", "553"), Samples(file_, "b", "600", "603"));
  std::set<std::string> uuids = {Info()["uuid"]};
  for (const char* number : {"1", "2", "3"}) {
    Good({"check", Piece(number)});
    const auto info = InfoOf(Piece(number));
    uuids.insert(info["uuid"]);
    ASSERT_EQ(info["lanes"].size(), 2U);
    EXPECT_EQ(info["lanes"][0]["description"], "the first");
    EXPECT_EQ(info["lanes"][0]["speakers"], Info()["lanes"][0]["speakers"]);
    EXPECT_LT(testing::AllocatedBytes(Piece(number)), testing::AllocatedBytes(file_));
    const auto maps = testing::Must(testing::Must(canvas::Canvas::Open(Piece(number))).TempoMaps());
    EXPECT_EQ(maps.size(), number == std::string("1") ? 1U : 0U);
  }
  EXPECT_EQ(uuids.size(), 4U);
  EXPECT_EQ(InfoOf(Piece("2"))["pages"]["capacity"], 1) << "as long as the piece";
  // Gaps are gaps.
  const auto list = nlohmann::json::parse(Good({"ls", Piece("3"), "--json"}).out);
  EXPECT_EQ(list[1]["regions"].size(), 1U);
  EXPECT_GE(list[1]["regions"][0]["first_frame"], 549 * 44100);
}

TEST_F(Split, EveryLeavesOutWhereNothingIsWritten) {
  const Outcome outcome = Good({"split", file_, "--every", "10", "--out-dir", out_, "--json"});
  std::istringstream lines(outcome.out);
  std::vector<int> made;
  int pieces = 0;
  for (std::string line; std::getline(lines, line); ++pieces) {
    const auto json = nlohmann::json::parse(line);
    if (!json["into"].is_null()) made.push_back(json["piece"]);
  }
  EXPECT_EQ(pieces, 61);
  EXPECT_EQ(made, (std::vector{3, 4, 5, 6, 7, 61}));
  EXPECT_EQ(std::distance(fs::directory_iterator(out_), fs::directory_iterator()), 6);
  EXPECT_EQ(Samples(Piece("04"), "a", "0", "10"), Samples(file_, "a", "30", "40"));
}

TEST_F(Split, NothingIsReplacedOrLeftBehindUnasked) {
  const auto refused = [&](std::vector<std::string> arguments, const std::string& why) {
    arguments.insert(arguments.begin(), {"split", file_, "--out-dir", out_});
    Bad(arguments, why);
    EXPECT_FALSE(fs::exists(dir_.path("deep"))) << "litter";
  };
  refused({"--at", "100f"}, "lanes 'a' and 'b' have other rates");
  refused({"--at", "2:00:00"}, "past the capacity");
  refused({"--at", "x"}, "not a time");
  refused({"--every", "0"}, "some length");
  Bad({"split", file_, "--out-dir", out_}, "--at or --every", 2);
  Bad({"split", file_, "--at", "1"}, "--out-dir", 2);
  Good({"split", file_, "--at", "30", "--out-dir", out_});
  const std::string before = Info()["uuid"];
  const auto first = InfoOf(Piece("1"))["uuid"];
  Bad({"split", file_, "--at", "30", "--out-dir", out_}, "exists already");
  EXPECT_EQ(InfoOf(Piece("1"))["uuid"], first);
  Good({"split", file_, "--at", "30", "--out-dir", out_, "--force"});
  EXPECT_NE(InfoOf(Piece("1"))["uuid"], first);
  EXPECT_EQ(std::distance(fs::directory_iterator(out_), fs::directory_iterator()), 2);
  // Not what somebody writes to, nor what is no canvas: then none is replaced.
  const auto second = InfoOf(Piece("1"))["uuid"];
  {
    canvas::Canvas busy = testing::OpenForWriting(Piece("2"));
    const auto writer = testing::Must(busy.Writer(testing::Must(busy.FindLane("a")).id));
    Bad({"split", file_, "--at", "30", "--out-dir", out_, "--force"}, "is writing to it");
  }
  fs::remove(Piece("2"));
  std::ofstream(Piece("2")) << "precious";
  Bad({"split", file_, "--at", "30", "--out-dir", out_, "--force"}, "it is no canvas");
  EXPECT_EQ(Slurp(Piece("2")), "precious");
  EXPECT_EQ(InfoOf(Piece("1"))["uuid"], second);
  // The canvas itself is never a piece of itself.
  EXPECT_EQ(Info()["uuid"], before);
}

TEST_F(Split, InterruptedItLeavesNothing) {
  {
    canvas::Canvas sut = testing::OpenForWriting(file_);
    const auto lane = testing::Must(sut.AddLane({.name = "long", .channels = 2}));
    auto writer = testing::Must(sut.Writer(lane));
    const std::vector<float> second(2 * 48000, 0.25F);
    for (int i = 0; i < 300; ++i)
      testing::Must(writer.Write(canvas::Frame(i * std::int64_t{48000}), second));
  }
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const pid_t pid = fork();
    if (pid == 0) {
      (void)!freopen("/dev/null", "w", stderr);
      (void)!freopen("/dev/null", "w", stdout);
      execl("tools/canvas", "canvas", "split", file_.c_str(), "--at", "60", "--at", "280",
            "--out-dir", out_.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    // In the midst of the second piece: the first is whole, and has no name yet.
    const std::string part = Piece("2") + "." + std::to_string(pid) + ".part";
    while (!fs::exists(part)) ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << "too fast";
    EXPECT_FALSE(fs::exists(Piece("1")));
    kill(pid, number);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(number == SIGHUP ? WIFSIGNALED(status) : WEXITSTATUS(status) == 1) << status;
    EXPECT_FALSE(fs::exists(dir_.path("deep"))) << "litter after " << number;
  }
}

}  // namespace
}  // namespace canvas::cli
