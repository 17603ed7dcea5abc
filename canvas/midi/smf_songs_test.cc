// Real songs: each comes back byte for byte, and two readers that are not ours, midicsv and
// python3-mido, find the same events at the same ticks.
//
//   smf_songs_test SMF_MIDO.PY
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "canvas/midi/midi_testing.h"
#include "canvas/midi/smf.h"
#include "canvas/testing/must.h"

namespace canvas::midi {
namespace {

using canvas::testing::Must;
using namespace testing;  // NOLINT: of this folder

std::string g_mido;

// What a command prints, or nothing and why.
struct Printed {
  int exit_code = -1;
  std::string text;
};

Printed RunCommand(const std::string& command) {
  Printed printed;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return printed;
  std::vector<char> block(1 << 16);
  for (std::size_t count = 0; (count = std::fread(block.data(), 1, block.size(), pipe)) > 0;)
    printed.text.append(block.data(), count);
  const int status = pclose(pipe);
  printed.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return printed;
}

class Songs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (songs_.empty()) GTEST_SKIP() << "SKIPPED: openttd-openmsx is not installed";
  }
  std::vector<std::filesystem::path> songs_ = testing::Songs();
};

TEST_F(Songs, ComeBackByteForByteWithSmallProvenance) {
  std::size_t tracks = 0;
  std::size_t blob_bytes = 0;
  std::size_t largest = 0;
  std::size_t file_blob_bytes = 0;
  std::size_t bytes = 0;
  for (const auto& path : songs_) {
    const Data file = Slurp(path);
    const Smf smf = Must(ParseSmf(file));
    EXPECT_EQ(Must(WriteSmf(smf)), file) << path;
    bytes += file.size();
    std::size_t of_song = 0;
    for (std::size_t i = 0; i < smf.track_count(); ++i) {
      const std::size_t size = Must(smf.TrackProvenance(i)).size();
      of_song += size;
      largest = std::max(largest, size);
    }
    tracks += smf.track_count();
    blob_bytes += of_song;
    const std::size_t of_file = Must(smf.FileProvenance()).size();
    file_blob_bytes += of_file;
    fmt::print("{:32} {:7} bytes, {:2} tracks, provenance {:4} + {}, {} oddities{}\n",
               path.filename().string(), file.size(), smf.track_count(), of_song, of_file,
               smf.warning_count(),
               smf.warnings().empty() ? "" : ": " + smf.warnings()[0].Message());
    EXPECT_LE(of_file, 16U) << path;
  }
  fmt::print(
      "{} songs, {} bytes, {} tracks: provenance {:.1f} bytes a track, at most {}, {:.1f} a file\n",
      songs_.size(), bytes, tracks, static_cast<double>(blob_bytes) / static_cast<double>(tracks),
      largest, static_cast<double>(file_blob_bytes) / static_cast<double>(songs_.size()));
  EXPECT_GE(songs_.size(), 31U);
  EXPECT_LE(blob_bytes, 64 * tracks);
}

TEST_F(Songs, WrittenWithoutProvenanceHaveTheSameEvents) {
  for (const auto& path : songs_) {
    const Smf smf = Must(ParseSmf(Slurp(path)));
    std::vector<std::vector<Event>> events;
    std::vector<SmfTrackToWrite> tracks;
    for (std::size_t i = 0; i < smf.track_count(); ++i) events.push_back(Must(smf.Events(i)));
    for (const auto& track : events) tracks.push_back({track, {}});
    const SmfWritten written = Must(WriteSmf(smf.header(), tracks));
    EXPECT_FALSE(written.as_read);
    const Smf again = Must(ParseSmf(written.bytes, {.strict = smf.warnings().empty()}));
    ASSERT_EQ(again.track_count(), smf.track_count());
    EXPECT_EQ(again.header(), smf.header());
    for (std::size_t i = 0; i < smf.track_count(); ++i) {
      const std::vector<Event> theirs = Must(again.Events(i));
      ASSERT_EQ(theirs.size(), events[i].size()) << path;
      for (std::size_t k = 0; k < theirs.size(); ++k) {
        EXPECT_EQ(theirs[k].tick, events[i][k].tick);
        EXPECT_EQ(Hex(theirs[k].bytes), Hex(events[i][k].bytes));
      }
    }
  }
}

// "track tick hex", as smf_mido.py prints them.
std::string Listed(const Smf& smf) {
  std::string text = fmt::format("{} {}\n", smf.header().format, smf.header().division.word);
  for (std::size_t i = 0; i < smf.track_count(); ++i)
    for (const SmfEvent& event : smf.events(i))
      text += fmt::format("{} {} {}\n", i, event.tick, Hex(smf.bytes(event)));
  return text;
}

TEST_F(Songs, MidoFindsTheSameEvents) {
  if (RunCommand("/usr/bin/python3 -c 'import mido' 2>&1").exit_code != 0)
    GTEST_SKIP() << "SKIPPED: python3-mido is not installed";
  for (const auto& path : songs_) {
    const Printed mido = RunCommand(fmt::format("/usr/bin/python3 {} {}", g_mido, path.string()));
    ASSERT_EQ(mido.exit_code, 0) << path;
    EXPECT_TRUE(Listed(Must(ParseSmf(Slurp(path)))) == mido.text) << path;
  }
}

// A line of midicsv for what we found, or nothing where it prints a text that we do not imitate.
std::string Csv(Bytes event) {
  const auto data = [&](std::size_t from) {
    std::string text;
    for (std::size_t i = from; i < event.size(); ++i) text += fmt::format(", {}", event[i]);
    return text;
  };
  const unsigned channel = event[0] & 15U;
  switch (event[0] >> 4) {
    case 0x8:
      return fmt::format("Note_off_c, {}{}", channel, data(1));
    case 0x9:
      return fmt::format("Note_on_c, {}{}", channel, data(1));
    case 0xA:
      return fmt::format("Poly_aftertouch_c, {}{}", channel, data(1));
    case 0xB:
      return fmt::format("Control_c, {}{}", channel, data(1));
    case 0xC:
      return fmt::format("Program_c, {}{}", channel, data(1));
    case 0xD:
      return fmt::format("Channel_aftertouch_c, {}{}", channel, data(1));
    case 0xE:
      return fmt::format("Pitch_bend_c, {}, {}", channel, event[1] | event[2] << 7);
    default:
      break;
  }
  if (event[0] == 0xF0) return fmt::format("System_exclusive, {}{}", event.size() - 1, data(1));
  if (event[0] == 0xF7)
    return fmt::format("System_exclusive_packet, {}{}", event.size() - 1, data(1));
  if (IsMeta(event, kMetaTempo))
    return fmt::format("Tempo, {}", event[2] << 16 | event[3] << 8 | event[4]);
  if (IsMeta(event, kMetaMeter)) return "Time_signature" + data(2);
  if (IsEndOfTrack(event)) return "End_track";
  return "";
}

TEST_F(Songs, MidicsvFindsTheSameEvents) {
  if (RunCommand("command -v midicsv").exit_code != 0)
    GTEST_SKIP() << "SKIPPED: midicsv is not installed";
  for (const auto& path : songs_) {
    const Printed csv = RunCommand(fmt::format("midicsv {}", path.string()));
    ASSERT_EQ(csv.exit_code, 0) << path;
    std::vector<std::string> lines;
    std::istringstream in(csv.text);
    for (std::string line; std::getline(in, line);)
      if (line.find("Header") == std::string::npos &&
          line.find("Start_track") == std::string::npos &&
          line.find("End_of_file") == std::string::npos)
        lines.push_back(line);
    const Smf smf = Must(ParseSmf(Slurp(path)));
    std::size_t at = 0;
    for (std::size_t i = 0; i < smf.track_count(); ++i)
      for (const SmfEvent& event : smf.events(i)) {
        ASSERT_LT(at, lines.size()) << path;
        const std::string line =
            fmt::format("{}, {}, {}", i + 1, event.tick, Csv(smf.bytes(event)));
        EXPECT_TRUE(lines[at].starts_with(line)) << path << ": " << lines[at] << " | " << line;
        if (IsChannelStatus(smf.bytes(event)[0])) {
          EXPECT_EQ(lines[at], line);
        }
        ++at;
      }
    EXPECT_EQ(at, lines.size()) << path;
  }
}

// The same songs as others write them: csvmidi with running status and without, and mido.
TEST_F(Songs, AsOthersWriteThemTheyComeBackToo) {
  if (RunCommand("command -v csvmidi").exit_code != 0)
    GTEST_SKIP() << "SKIPPED: midicsv is not installed";
  const bool has_mido = RunCommand("/usr/bin/python3 -c 'import mido' 2>&1").exit_code == 0;
  if (!has_mido) fmt::print("SKIPPED: python3-mido is not installed: songs that it writes\n");
  std::size_t different = 0;
  for (const auto& path : songs_) {
    const Data file = Slurp(path);
    const Smf smf = Must(ParseSmf(file));
    std::vector<std::string> commands = {fmt::format("midicsv {} | csvmidi -z", path.string()),
                                         fmt::format("midicsv {} | csvmidi -x", path.string())};
    if (has_mido)
      commands.push_back(fmt::format("/usr/bin/python3 {} {} --write", g_mido, path.string()));
    for (const std::string& command : commands) {
      const Printed printed = RunCommand(command);
      ASSERT_EQ(printed.exit_code, 0) << command;
      const Data theirs(printed.text.begin(), printed.text.end());
      different += theirs != file ? 1U : 0U;
      const Smf again = Must(ParseSmf(theirs));
      EXPECT_TRUE(Listed(again) == Listed(smf)) << command;
      EXPECT_EQ(Must(WriteSmf(again)), theirs) << command;
      for (std::size_t i = 0; i < again.track_count(); ++i)
        EXPECT_LE(Must(again.TrackProvenance(i)).size(), 14U) << command;
    }
  }
  EXPECT_GE(different, songs_.size());
}

// What we write by ourselves is, to another reader, the same song.
TEST_F(Songs, WrittenCanonicallyTheyAreTheSameToMidicsv) {
  if (RunCommand("command -v midicsv").exit_code != 0)
    GTEST_SKIP() << "SKIPPED: midicsv is not installed";
  const std::string ours = std::string(std::getenv("TEST_TMPDIR")) + "/ours.mid";
  for (const auto& path : songs_) {
    const Smf smf = Must(ParseSmf(Slurp(path)));
    std::vector<std::vector<Event>> events;
    std::vector<SmfTrackToWrite> tracks;
    for (std::size_t i = 0; i < smf.track_count(); ++i) events.push_back(Must(smf.Events(i)));
    for (const auto& track : events) tracks.push_back({track, {}});
    const std::vector<std::uint8_t> bytes = Must(WriteSmf(smf.header(), tracks)).bytes;
    std::ofstream(ours, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    const Printed csv = RunCommand(fmt::format("midicsv {}", ours));
    EXPECT_EQ(csv.exit_code, 0);
    EXPECT_TRUE(csv.text == RunCommand(fmt::format("midicsv {}", path.string())).text) << path;
  }
}

}  // namespace
}  // namespace canvas::midi

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  canvas::midi::g_mido = argv[1];
  return RUN_ALL_TESTS();
}
