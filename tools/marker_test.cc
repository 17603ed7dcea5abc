// Markers as a person meets them: `canvas marker`, and what becomes of the cue points and tags of
// files.
#include <gtest/gtest.h>
#include <sndfile.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

using nlohmann::json;

std::string Number(std::uint64_t number, std::size_t bytes, bool big = false) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i)
    text += static_cast<char>(number >> 8 * (big ? bytes - 1 - i : i));
  return text;
}

class MarkerTool : public Tool {
 protected:
  void SetUp() override {
    Create();
    WriteAudio(dir_.path("x.wav"), kFloatWav, 1, 48000, Noise(48000, 1));
  }
  json Markers(const std::vector<std::string>& more = {}) { return MarkersOf(file_, more); }
  json MarkersOf(const std::string& file, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"marker", "ls", file, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json::parse(Good(arguments).out);
  }
  // Places in frames, and names.
  static std::string Brief(const json& markers, std::int64_t rate = 48000) {
    std::string text;
    for (const json& marker : markers) {
      const auto frame = [&](const char* which) {
        return std::to_string(marker[which]["num"].get<std::int64_t>() * rate /
                              marker[which]["den"].get<std::int64_t>());
      };
      text += frame("start") + "-" + frame("end") + " " + marker["name"].get<std::string>() + "\n";
    }
    return text;
  }
  // A chunk behind the others of a WAV.
  static void Append(const std::string& path, const std::string& chunk) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary | std::ios::ate);
    file << chunk;
    const auto size = static_cast<std::uint64_t>(file.tellp());
    file.seekp(4);
    file << Number(size - 8, 4);
  }
  int Shell(const std::string& command) { return WEXITSTATUS(std::system(command.c_str())); }
};

TEST_F(MarkerTool, AreAddedListedAndRemoved) {
  Good({"import", file_, dir_.path("x.wav")});
  EXPECT_EQ(Good({"marker", "ls", file_}).out, file_ + ": no markers\n");
  EXPECT_EQ(Good({"marker", "add", file_, "1:30", "--to", "2:00.5", "--name", "chorus", "--rgb",
                  "#ff8800"})
                .out,
            "marker 1 'chorus' at 1:30.000 to 2:00.500\n");
  EXPECT_EQ(Good({"marker", "add", file_, "24001f", "--lane", "x", "--tag", "breath", "--tag", "b",
                  "--data", R"({"take": 3})"})
                .out,
            "marker 2 at 0:00.500, of lane 'x'\n");
  const json markers = Markers();
  ASSERT_EQ(markers.size(), 2U);
  EXPECT_EQ(markers[0]["id"], 2);
  EXPECT_EQ(markers[0]["start"], (json{{"num", 24001}, {"den", 48000}})) << "exact";
  EXPECT_EQ(markers[0]["end"], markers[0]["start"]);
  EXPECT_EQ(markers[0]["lane"], "x");
  EXPECT_EQ(markers[0]["tags"], (json{"breath", "b"}));
  EXPECT_EQ(markers[0]["data"]["take"], 3);
  EXPECT_EQ(markers[0]["color"], nullptr);
  EXPECT_EQ(markers[1]["end"], (json{{"num", 241}, {"den", 2}}));
  EXPECT_EQ(markers[1]["color"], "#ff8800");
  EXPECT_EQ(markers[1]["lane"], nullptr);
  EXPECT_EQ(Markers({"--lane", "x"}).size(), 1U);
  EXPECT_EQ(Markers({"--tag", "breath", "--tag", "b"}).size(), 1U);
  EXPECT_EQ(Markers({"--tag", "none"}).size(), 0U);
  EXPECT_NE(Good({"marker", "ls", file_}).out.find("chorus"), std::string::npos);
  EXPECT_EQ(Info()["markers"], 2);
  EXPECT_NE(Good({"info", file_}).out.find("2 markers: `canvas marker ls"), std::string::npos);
  Good({"marker", "add", file_, "-0.25", "--lane", "x"});
  EXPECT_EQ(Brief(Markers({"--lane", "x"})), "24001-24001 \n36000-36000 \n");

  Bad({"marker", "add", file_, "1:30", "--to", "1:00"}, "is empty");
  Bad({"marker", "add", file_, "100f"}, "is a time of a lane");
  Bad({"marker", "add", file_, "2:00:00"}, "past the capacity");
  Bad({"marker", "add", file_, "1", "--rgb", "red"}, "no colour");
  Bad({"marker", "add", file_, "1", "--data", "{"}, "not JSON");
  Bad({"marker", "add", file_, "1", "--lane", "y"}, "no lane 'y'");
  Bad({"marker", "add", file_, "1", "--name", std::string(2000, 'n')}, "2000 bytes");
  Bad({"marker", "add", file_}, "wants one TIME");
  Bad({"marker", "rm", file_, "1", "9"}, "no marker '9'");
  Bad({"marker", "mv", file_}, "ACTION", 2);
  EXPECT_EQ(Info()["markers"], 3) << "nothing of what was refused was done";
  Good({"marker", "rm", file_, "1", "2"});
  EXPECT_EQ(Markers()[0]["id"], 3);
  Good({"rm", file_, "--lane", "x"});
  EXPECT_EQ(Info()["markers"], 0) << "a lane's markers go with it";
  Good({"check", file_});
}

TEST_F(MarkerTool, GoOutAndComeBackAsCuePoints) {
  Good({"import", file_, dir_.path("x.wav"), "--at", "10"});
  Good({"marker", "add", file_, "10.25", "--lane", "x", "--name", "verse – 弦"});
  Good({"marker", "add", file_, "10.5", "--to", "10.75", "--lane", "x", "--name", "range"});
  Good({"marker", "add", file_, "9", "--to", "10.125", "--lane", "x", "--name", "from before"});
  Good({"marker", "add", file_, "11", "--lane", "x", "--name", "behind"});
  Good({"marker", "add", file_, "10.001", "--name", "of all"});
  const std::string from_before = "480000-486000 from before\n";
  const std::string verse = "492000-492000 verse – 弦\n";
  struct Case {
    const char* name;
    std::string more;
    std::string expected;
  };
  const Case cases[] = {
      {"a.wav", "", from_before + verse + "504000-516000 range\n"},
      {"b.rf64", "", from_before + verse + "504000-516000 range\n"},
      {"c.aiff", "", "480000-480000 from before\n" + verse + "504000-504000 range\n"},
      {"d.wav", "all", from_before + "480048-480048 of all\n" + verse + "504000-516000 range\n"},
      {"e.wav", "none", ""}};
  for (const Case& c : cases) {
    const std::string out = dir_.path(c.name);
    std::vector<std::string> arguments{"export", file_, "--lane", "x", "--out", out};
    if (!c.more.empty()) arguments.insert(arguments.end(), {"--markers", c.more});
    Good(arguments);
    EXPECT_EQ(ReadAudio(out).samples, ReadAudio(dir_.path("x.wav")).samples) << c.name;
    const std::string lane = std::string(c.name).substr(0, 1);
    Good({"import", file_, out, "--at", "10"});
    EXPECT_EQ(Brief(Markers({"--lane", lane})), c.expected) << c.name;
    // Once more, they are not doubled.
    Good({"import", file_, out, "--at", "10", "--overwrite"});
    EXPECT_EQ(Brief(Markers({"--lane", lane})), c.expected) << c.name;
  }
  // A part of it, and an odd number of bytes before the chunks.
  Good({"export", file_, "--lane", "x", "--out", dir_.path("p.wav"), "--format", "pcm24", "--from",
        "10.6", "--to", "509001f"});
  Good({"import", file_, dir_.path("p.wav")});
  EXPECT_EQ(Brief(Markers({"--lane", "p"})), "0-201 range\n");
  // As another program sees them.
  if (Shell("ffprobe -version > /dev/null 2>&1") == 0) {
    EXPECT_EQ(Shell("ffprobe -v error " + dir_.path("a.wav") + " && sox " + dir_.path("a.wav") +
                    " -n stat 2> /dev/null"),
              0);
  }
  SF_INFO info{};
  SNDFILE* wav = sf_open(dir_.path("a.wav").c_str(), SFM_READ, &info);
  SF_CUES cues{};
  EXPECT_EQ(sf_command(wav, SFC_GET_CUE, &cues, sizeof cues), SF_TRUE);
  EXPECT_EQ(cues.cue_count, 3U);
  EXPECT_EQ(cues.cue_points[1].sample_offset, 12000U);
  sf_close(wav);
  // Where there is no place for them it is said.
  EXPECT_NE(Good({"export", file_, "--lane", "x", "--out", dir_.path("x.flac")})
                .out.find("3 markers left out"),
            std::string::npos);
}

TEST_F(MarkerTool, CuePointsOfOthersAreReadWhateverTheyHold) {
  const auto chunk = [](const std::string& name, const std::string& bytes) {
    return name + Number(bytes.size(), 4) + bytes + std::string(bytes.size() % 2, '\0');
  };
  const auto point = [](std::uint32_t id, std::uint32_t at) {
    return Number(id, 4) + Number(at, 4) + "data" + Number(0, 8) + Number(at, 4);
  };
  const std::string path = dir_.path("x.wav");
  // Out of order; a label in Latin-1; one of a point that is not there; one past the end.
  Append(path, chunk("cue ", Number(3, 4) + point(7, 2000) + point(9, 1000) + point(1, 48001)) +
                   chunk("LIST", "adtl" + chunk("labl", Number(9, 4) + "caf\xe9" + '\0') +
                                     chunk("labl", Number(55, 4) + "nobody" + '\0') +
                                     chunk("ltxt", Number(7, 4) + Number(48000, 4) + "rgn " +
                                                       Number(0, 8) + "to the end") +
                                     chunk("note", Number(7, 4) + "x" + '\0')));
  EXPECT_NE(Good({"import", file_, path}).out.find("2 markers"), std::string::npos);
  EXPECT_EQ(Brief(Markers()), "1000-1000 café\n2000-48000 to the end\n");
  // Lengths that lie: of the list, of its chunks, of the points.
  for (const std::string& bad :
       {chunk("cue ", Number(0xFFFFFFFF, 4) + point(1, 5)), chunk("cue ", "x"),
        chunk("cue ", Number(1, 4) + point(1, 5)) +
            chunk("LIST", "adtl" + std::string("labl") + Number(0xFFFFFFF0, 4) + Number(1, 4)),
        chunk("cue ", Number(1, 4) + point(1, 5)) +
            chunk("LIST", "adtlltxt" + Number(20, 4) + Number(1, 4) + Number(0xFFFFFFFF, 4))}) {
    const std::string hostile = dir_.path("h.wav");
    WriteAudio(hostile, kFloatWav, 1, 48000, Noise(480, 1));
    Append(hostile, bad);
    Good({"import", file_, hostile, "--overwrite"});
  }
  Good({"check", file_});
}

TEST_F(MarkerTool, GoWithTheirLanesIntoAnotherCanvas) {
  Good({"import", file_, dir_.path("x.wav")});
  Good({"marker", "add", file_, "0.25", "--lane", "x", "--name", "a", "--tag", "t"});
  Good({"marker", "add", file_, "0.75", "--lane", "x", "--name", "b"});
  Good({"marker", "add", file_, "3", "--name", "of all"});
  const std::string copy = dir_.path("copy.canvas");
  Good({"cp", file_, copy});
  EXPECT_EQ(Brief(MarkersOf(copy)), "12000-12000 a\n36000-36000 b\n144000-144000 of all\n");
  EXPECT_EQ(MarkersOf(copy)[0]["tags"], json{"t"});
  const std::string part = dir_.path("part.canvas");
  Good({"cp", file_, part, "--lane", "x", "--from", "0.5", "--at", "10"});
  EXPECT_EQ(Brief(MarkersOf(part)), "492000-492000 b\n");
}

TEST_F(MarkerTool, TempoKeyAndChaptersOfFilesAreKept) {
  if (Shell("ffmpeg -version > /dev/null 2>&1") != 0) GTEST_SKIP() << "SKIPPED: no ffmpeg";
  for (const auto& [name, arguments] :
       {std::pair("f.flac", "-metadata BPM=127.5 -metadata INITIALKEY=F#m"),
        std::pair("v.ogg", "-c:a libvorbis -metadata BPM=127.5 -metadata INITIALKEY=F#m"),
        std::pair("o.opus", "-c:a libopus -metadata BPM=127.5 -metadata INITIALKEY=F#m"),
        std::pair("m.mp3", "-metadata TBPM=127.5 -metadata TKEY=F#m")}) {
    const std::string out = dir_.path(name);
    if (Shell("ffmpeg -v error -y -i " + dir_.path("x.wav") + " " + arguments +
              " -metadata title=t -metadata CHAPTER001=00:00:00.250 -metadata "
              "CHAPTER001NAME=first " +
              out) != 0) {
      std::printf("NOT CHECKED: ffmpeg does not write %s\n", name);
      continue;
    }
    Good({"import", file_, out});
    const std::string lane(1, name[0]);
    for (const json& each : Info()["lanes"])
      if (each["name"] == lane) {
        EXPECT_EQ(each["tags"], (json{{{"name", "BPM"}, {"value", "127.5"}},
                                      {{"name", "INITIALKEY"}, {"value", "F#m"}}}))
            << name;
      }
    EXPECT_NE(Good({"info", file_}).out.find("lane '" + lane + "' came with BPM=127.5"),
              std::string::npos);
    if (lane != "m") {
      EXPECT_EQ(Brief(Markers({"--lane", lane})), "12000-12000 first\n") << name;
    }
  }
  // Out again, where there is a place for them; as canvas and as others read them.
  for (const std::string name : {"out.flac", "out.ogg", "out.opus"}) {
    const std::string out = dir_.path(name);
    EXPECT_EQ(Good({"export", file_, "--lane", "f", "--out", out}).out.find("tags left out"),
              std::string::npos);
    Good({"import", file_, out, "--lane", name});
    for (const json& each : Info()["lanes"])
      if (each["name"] == name) {
        EXPECT_EQ(each["tags"], (json{{{"name", "BPM"}, {"value", "127.5"}},
                                      {{"name", "INITIALKEY"}, {"value", "F#m"}}}))
            << name;
      }
    EXPECT_EQ(Shell("ffmpeg -v error -i " + out + " -f null - 2> " + dir_.path("said")), 0);
    EXPECT_EQ(Slurp(dir_.path("said")), "") << name << ": checksums of pages too";
    EXPECT_EQ(Shell("ffprobe -v error -show_entries format_tags:stream_tags " + out + " > " +
                    dir_.path("said")),
              0);
    EXPECT_NE(Slurp(dir_.path("said")).find("BPM=127.5"), std::string::npos) << name;
    EXPECT_EQ(Slurp(dir_.path("said")).find("xxx"), std::string::npos) << name;
  }
  EXPECT_EQ(ReadAudio(dir_.path("out.flac")).samples, ReadAudio(dir_.path("f.flac")).samples);
  EXPECT_NE(Good({"export", file_, "--lane", "f", "--out", dir_.path("out.wav")})
                .out.find("2 tags left out"),
            std::string::npos);
  // More than a page of Ogg holds.
  {
    Canvas canvas = Canvas::Open(file_, {.access = Access::kReadWrite}).value();
    std::vector<SourceTag> many(60, {"KEY", std::string(4000, 'k')});
    ASSERT_TRUE(canvas.TagLane(canvas.FindLane("f")->id, many).has_value());
  }
  for (const std::string name : {"many.flac", "many.ogg", "many.opus"}) {
    const std::string told = Good({"export", file_, "--lane", "f", "--out", dir_.path(name)}).out;
    const bool opus = name.ends_with("opus");  // libsndfile makes no good file of so much
    EXPECT_EQ(told.find("60 tags left out") != std::string::npos, opus) << told;
    Good({"import", file_, dir_.path(name), "--lane", name});
    EXPECT_EQ(Shell("ffmpeg -v error -i " + dir_.path(name) + " -f null - 2> " + dir_.path("said")),
              0);
    EXPECT_EQ(Slurp(dir_.path("said")), "") << name;
    for (const json& each : Info()["lanes"])
      if (each["name"] == name) {
        EXPECT_EQ(each["tags"].size(), opus ? 0U : 60U) << name;
      }
  }
  {
    Canvas canvas = Canvas::Open(file_, {.access = Access::kReadWrite}).value();
    const std::vector<SourceTag> most(2, {"KEY", std::string(4070, 'k')});
    ASSERT_TRUE(canvas.TagLane(canvas.FindLane("f")->id, most).has_value());
  }
  Good({"export", file_, "--lane", "f", "--out", dir_.path("most.opus")});
  Good({"import", file_, dir_.path("most.opus")});
  for (const json& each : Info()["lanes"])
    if (each["name"] == "most") {
      EXPECT_EQ(each["tags"].size(), 2U) << "as much as is written into Opus";
    }
  // Of files that differ, one lane has none.
  Good({"import", file_, dir_.path("f.flac"), dir_.path("x.wav"), "--lane", "both"});
  for (const json& each : Info()["lanes"])
    if (each["name"] == "both") {
      EXPECT_TRUE(each["tags"].empty());
    }
}

}  // namespace
}  // namespace canvas::cli
