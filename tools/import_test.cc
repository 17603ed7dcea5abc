// What `canvas import` takes, and what it never does to what is there already.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/testing/testing.h"
#include "tools/tool_test.h"

namespace canvas::cli {
namespace {

constexpr int kFlac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
constexpr int kVorbis = SF_FORMAT_OGG | SF_FORMAT_VORBIS;
constexpr int kOpus = SF_FORMAT_OGG | SF_FORMAT_OPUS;

class Import : public Tool {
 protected:
  std::vector<float> Lane(const std::string& name) {
    Good({"export", file_, "--force", "--lane", name, "--out", dir_.path("lane.wav")});
    return ReadAudio(dir_.path("lane.wav")).samples;
  }
  std::vector<float> Audible(const std::string& path) { return ReadAudio(path).samples; }
  // How much of what was promised: the note below an import.
  std::string CutNote(const std::string& path, const std::string& lane) {
    const std::string out = Good({"import", file_, path, "--lane", lane}).out;
    const auto at = out.find("  the file is cut short");
    return at == std::string::npos ? "" : out.substr(at + 2, out.size() - at - 3);
  }
  // A FLAC's. STREAMINFO: the number of samples is the low 36 bits of its bytes 10 to 17. 0: not
  // known.
  void ForgetLength(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(8 + 13);
    const int bits = file.get();
    file.seekp(8 + 13);
    file.put(static_cast<char>(bits & 0xF0));
    for (int i = 0; i < 4; ++i) file.put(0);
  }
  void Cut(const std::string& path, double share) {
    fs::resize_file(path,
                    static_cast<std::uintmax_t>(static_cast<double>(fs::file_size(path)) * share));
  }
};

TEST_F(Import, ContentThatExistsIsNotOverwrittenUnlessThatIsSaid) {
  Create();
  fs::create_directory(dir_.path("d"));
  const std::string first = dir_.path("x.wav");
  const std::string second = dir_.path("d/x.wav");
  WriteAudio(first, kFloatWav, 1, 48000, Noise(48000, 1));
  WriteAudio(second, kFloatWav, 1, 48000, Noise(24000, 2));
  Good({"import", file_, first});
  for (const char* option : {"--lane", "--at", "--append", "--overwrite"})
    Bad({"import", file_, second}, option);
  Bad({"import", file_, second}, "lane 'x' holds from 0:00.000 to 0:00.500");
  EXPECT_EQ(Lane("x"), Audible(first)) << "as it was";
  // A part of what is there is as bad, and nothing of the inputs before it was written.
  Bad({"import", file_, first, second, "--lane", "x", "--at", "0.5"}, "would go over");
  EXPECT_EQ(Lane("x"), Audible(first));

  Good({"import", file_, second, "--append"});
  auto expected = Audible(first);
  const auto more = Audible(second);
  expected.insert(expected.end(), more.begin(), more.end());
  EXPECT_EQ(Lane("x"), expected);
  Good({"import", file_, second, first, "--lane", "x", "--append"});
  expected.insert(expected.end(), more.begin(), more.end());
  const auto again = Audible(first);
  expected.insert(expected.end(), again.begin(), again.end());
  EXPECT_EQ(Lane("x"), expected);
  Good({"import", file_, second, "--overwrite"});
  std::copy(more.begin(), more.end(), expected.begin());
  EXPECT_EQ(Lane("x"), expected);
  Good({"import", file_, second, "--at", "10"});  // where nothing is
  Bad({"import", file_, second, "--at", "10", "--append"}, "--append", 2);
  Good({"check", file_});
}

TEST_F(Import, AFileThatDoesNotSayHowLongItIsIsReadToItsEnd) {
  Create();
  const std::string path = dir_.path("x.flac");
  WriteAudio(path, kFlac, 2, 48000, Noise(2 * 100000, 1));
  const auto whole = Audible(path);
  ForgetLength(path);
  EXPECT_EQ(CutNote(path, "flac"), "");
  EXPECT_EQ(Lane("flac"), whole);
  // What is met on the way is not overwritten: a second of room, and two seconds to put there.
  WriteAudio(dir_.path("y.wav"), kFloatWav, 2, 48000, Noise(2 * 48000, 2));
  Good({"import", file_, dir_.path("y.wav"), "--lane", "y", "--at", "1"});
  const auto before = Lane("y");
  Bad({"import", file_, path, "--lane", "y"}, "would go over what lane 'y' holds from 0:01.000");
  Good({"export", file_, "--force", "--lane", "y", "--out", dir_.path("o.wav"), "--from", "1"});
  EXPECT_EQ(Audible(dir_.path("o.wav")), before);
}

TEST_F(Import, AChainOfOggStreamsIsReadToItsEnd) {
  Create();
  for (const auto& [name, format] : {std::pair("v", kVorbis), std::pair("o", kOpus)}) {
    std::vector<float> all;
    const std::string chain = dir_.path(std::string(name) + ".ogg");
    std::ofstream out(chain, std::ios::binary);
    for (unsigned i = 1; i <= 3; ++i) {
      const std::string link = dir_.path("link.ogg");
      WriteAudio(link, format, 1, 48000, Noise(20000 * i, i));
      const auto samples = Audible(link);
      all.insert(all.end(), samples.begin(), samples.end());
      out << Slurp(link);
    }
    out.close();
    EXPECT_EQ(CutNote(chain, name), "");
    EXPECT_EQ(Lane(name), all) << name;
  }
  // One lane holds one format.
  WriteAudio(dir_.path("a.ogg"), kVorbis, 1, 48000, Noise(2000, 1));
  WriteAudio(dir_.path("b.ogg"), kVorbis, 2, 48000, Noise(2000, 1));
  std::ofstream(dir_.path("ab.ogg"), std::ios::binary)
      << Slurp(dir_.path("a.ogg")) << Slurp(dir_.path("b.ogg"));
  Bad({"import", file_, dir_.path("ab.ogg")}, "a chain of 2 streams");
  EXPECT_EQ(Info()["lanes"].size(), 2U) << "its lane went with it";
}

TEST_F(Import, FlacFilesPutBehindOneAnotherAreReadToTheirEnd) {
  Create();
  const std::string a = dir_.path("a.flac");
  const std::string b = dir_.path("b.flac");
  WriteAudio(a, kFlac, 2, 48000, Noise(2 * 50000, 1));
  WriteAudio(b, kFlac, 2, 48000, Noise(2 * 30000, 2));
  auto both = Audible(a);
  const auto more = Audible(b);
  both.insert(both.end(), more.begin(), more.end());
  const std::string path = dir_.path("ab.flac");
  const auto join = [&](const std::string& end) {
    std::ofstream(path, std::ios::binary) << Slurp(a) << Slurp(end);
  };
  join(b);
  Good({"import", file_, path, "--strict", "--lane", "said"});
  EXPECT_EQ(Lane("said"), both);
  // Where they do not say how long they are; one of them, and both.
  for (const std::string& forgets : {b, a}) {
    ForgetLength(forgets);
    join(b);
    Good({"import", file_, path, "--strict", "--lane", "forgot " + forgets});
    EXPECT_EQ(Lane("forgot " + forgets), both);
  }
  // The first may be cut short.
  Cut(a, 0.7);
  join(b);
  EXPECT_NE(CutNote(path, "cut"), "");
  const auto cut = Lane("cut");
  EXPECT_LT(cut.size(), both.size());
  ASSERT_GT(cut.size(), more.size());
  EXPECT_TRUE(std::equal(more.rbegin(), more.rend(), cut.rbegin())) << "what is behind the cut";
  // One lane holds one format.
  WriteAudio(dir_.path("mono.flac"), kFlac, 1, 48000, Noise(1000, 1));
  join(dir_.path("mono.flac"));
  Bad({"import", file_, path}, "a chain of 2 streams");
}

TEST_F(Import, AFlacThatIsCutShortIsNoticedWhateverItSays) {
  Create();
  const std::string path = dir_.path("x.flac");
  WriteAudio(path, kFlac, 2, 48000, Noise(2 * 100000, 1));
  ForgetLength(path);
  const std::string tagged = dir_.path("tagged.flac");  // as old programs do
  std::ofstream(tagged, std::ios::binary) << Slurp(path) << "TAG" << std::string(125, ' ');
  Good({"import", file_, path, "--strict", "--lane", "whole"});
  Good({"import", file_, tagged, "--strict", "--lane", "tagged"});
  for (const std::uint64_t bytes : {1U, 2U, 3000U, 200000U}) {
    fs::resize_file(path, fs::file_size(path) - bytes);
    Bad({"import", file_, path, "--strict"}, "cut short, and --strict");
    EXPECT_NE(CutNote(path, std::to_string(bytes)).find("it has no end"), std::string::npos)
        << bytes;
  }
}

// What cannot go back says nothing of the length, or writes its header once more, behind the
// samples.
TEST_F(Import, WhatWasWrittenIntoAPipeIsReadToItsEndAndItsHeadersAreNoSamples) {
  if (std::system("sox --version > /dev/null 2>&1 && ffmpeg -version > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "SKIPPED: sox or ffmpeg is not installed: run tools/setup";
  Create();
  const std::string wav = dir_.path("x.wav");
  WriteAudio(wav, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2, 48000, Noise(2 * 50000, 1));
  const std::string sox = "sox -D " + wav + " -t ";
  const std::string ffmpeg = "ffmpeg -loglevel error -i " + wav + " -f ";
  const std::pair<const char*, std::string> cases[] = {{"s.w64", sox + "w64 -"},
                                                       {"f.w64", ffmpeg + "w64 -"},
                                                       {"f.rf64", ffmpeg + "wav -rf64 always -"},
                                                       {"s.caf", sox + "caf -"},
                                                       {"f.caf", ffmpeg + "caf -"},
                                                       {"s.wav", sox + "wav -"},
                                                       {"f.wav", ffmpeg + "wav -"}};
  for (const auto& [name, command] : cases) {
    const std::string path = dir_.path(name);
    ASSERT_EQ(std::system((command + " 2>/dev/null | cat > " + path).c_str()), 0);
    Good({"import", file_, path, "--strict", "--lane", name});
    EXPECT_EQ(Lane(name), Audible(wav)) << name;
  }
  // What says that it holds nothing, and is right, holds nothing.
  for (const int format : {SF_FORMAT_W64, SF_FORMAT_RF64, SF_FORMAT_CAF}) {
    const std::string path = dir_.path("empty");
    WriteAudio(path, format | SF_FORMAT_PCM_16, 1, 48000, {});
    const std::string out = Good({"import", file_, path, "--lane", std::to_string(format)}).out;
    EXPECT_NE(out.find("(0 frames, 1 channel"), std::string::npos) << out;
  }
}

TEST_F(Import, AFileThatIsCutShortSaysHowMuchIsThere) {
  Create();
  struct Case {
    const char* name;
    int format;
    bool says;  // how much there should be
  };
  const Case cases[] = {{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, true},
                        {"a.flac", kFlac, true},
                        {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, true},
                        {"a.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, true},
                        {"a.rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, true},
                        {"a.au", SF_FORMAT_AU | SF_FORMAT_FLOAT, true},
                        {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, true},
                        {"a.ogg", kVorbis, false},
                        {"a.opus", kOpus, false}};
  for (const Case& c : cases) {
    const std::string path = dir_.path(c.name);
    WriteAudio(path, c.format, 2, 48000, Noise(2 * 96000, 5));
    ASSERT_EQ(CutNote(path, std::string("whole ") + c.name), "") << c.name;
    const std::uint64_t whole = Info()["lanes"].back()["written_frames"];
    Cut(path, 0.6);
    Bad({"import", file_, path, "--lane", c.name, "--strict"}, "cut short, and --strict");
    const std::string note = CutNote(path, c.name);
    const std::uint64_t there = Info()["lanes"].back()["written_frames"];
    EXPECT_LT(there, whole * 7 / 10) << c.name;
    EXPECT_GT(there, whole / 4) << c.name;
    if (!c.says) {
      EXPECT_NE(note.find("it has no end"), std::string::npos) << c.name << ": " << note;
      continue;
    }
    std::uint64_t said_there = 0;
    std::uint64_t promised = 0;
    ASSERT_EQ(
        std::sscanf(note.c_str(), "the file is cut short: %lu of the %lu", &said_there, &promised),
        2)
        << c.name << ": " << note;
    EXPECT_EQ(said_there, there) << c.name;
    EXPECT_NEAR(static_cast<double>(promised), static_cast<double>(whole), 2) << c.name;
  }
}

TEST_F(Import, AnMpegStreamWithoutATagIsReadToItsEnd) {
  if (std::system("ffmpeg -version > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "SKIPPED: ffmpeg is not installed: run tools/setup";
  Create();
  // Noise, and then a long quiet tone: the rate of the first frames says nothing of the rest.
  std::vector<double> samples = Noise(2 * 88200, 1);
  for (std::size_t i = 0; i < 2 * 44100 * 40; ++i)
    samples.push_back(0.01 * std::sin(static_cast<double>(i / 2) * 0.007));
  const std::string wav = dir_.path("x.wav");
  WriteAudio(wav, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2, 44100, samples);
  const auto ffmpeg = [&](const std::string& arguments) {
    return std::system(
        ("ffmpeg -loglevel error -y -i " + wav + " -c:a libmp3lame " + arguments).c_str());
  };
  const std::string vbr = dir_.path("vbr.mp3");
  const std::string cbr = dir_.path("cbr.mp3");
  ASSERT_EQ(ffmpeg("-q:a 4 -write_xing 0 " + vbr), 0);
  ASSERT_EQ(ffmpeg("-b:a 128k -write_xing 0 " + cbr), 0);
  for (const std::string& path : {vbr, cbr}) {
    const std::string out = Good({"import", file_, path, "--strict"}).out;
    EXPECT_EQ(out.find("cut short"), std::string::npos) << out;
    EXPECT_NEAR(Info()["lanes"].back()["written_frames"].get<double>(), 42 * 44100, 3000) << path;
  }
  // Two behind one another, the first of which says how long it is: the second is not passed over.
  const std::string tagged = dir_.path("tagged.mp3");
  ASSERT_EQ(ffmpeg("-b:a 128k " + tagged), 0);
  std::ofstream(dir_.path("two.mp3"), std::ios::binary) << Slurp(tagged) << Slurp(tagged);
  Bad({"import", file_, dir_.path("two.mp3"), "--strict"}, "another stream stands behind");
  EXPECT_NE(Good({"import", file_, dir_.path("two.mp3")}).out.find("another stream"),
            std::string::npos);
}

TEST_F(Import, WhatAHeaderPromisesIsHeldAgainstWhatIsThere) {
  Create();
  const std::string path = dir_.path("x.wav");
  WriteAudio(path, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 48000, Noise(10000, 1));
  const auto promise = [&](std::uint32_t bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);  // the size of the data chunk
    file.write(reinterpret_cast<const char*>(&bytes), 4);
  };
  promise(3'000'000'000);
  EXPECT_EQ(CutNote(path, "long"),
            "the file is cut short: 10000 of the 1500000000 frames that its header promises are "
            "there");
  // What a program writes that does not know yet.
  promise(0xFFFFFFFF);
  EXPECT_EQ(CutNote(path, "ffmpeg"), "");
  promise(0x7FFFF000);
  EXPECT_EQ(CutNote(path, "sox"), "");
  promise(20000);
  fs::resize_file(path, 44);
  EXPECT_EQ(CutNote(path, "empty"),
            "the file is cut short: 0 of the 10000 frames that its header promises are there");
}

// Six tones, each in a place of its own: the place of a channel is told by what it sounds like.
constexpr std::array<double, 6> kTones = {500, 700, 1100, 90, 1300, 1700};

double PowerAt(const std::vector<float>& samples, std::size_t channels, std::size_t channel,
               double hertz) {
  double re = 0;
  double im = 0;
  for (std::size_t i = 0; i * channels + channel < samples.size(); ++i) {
    const double phase = 2 * M_PI * hertz * static_cast<double>(i) / 48000;
    re += samples[i * channels + channel] * std::cos(phase);
    im += samples[i * channels + channel] * std::sin(phase);
  }
  return re * re + im * im;
}

std::vector<std::size_t> TonesOf(const std::vector<float>& samples) {
  std::vector<std::size_t> tones;
  for (std::size_t channel = 0; channel < 6; ++channel) {
    std::size_t loudest = 0;
    for (std::size_t tone = 1; tone < 6; ++tone)
      if (PowerAt(samples, 6, channel, kTones[tone]) >
          PowerAt(samples, 6, channel, kTones[loudest]))
        loudest = tone;
    tones.push_back(loudest);
  }
  return tones;
}

// FL FR FC LFE BL BR, as WAVE has them.
TEST_F(Import, ChannelsComeInTheOrderOfWaveWhateverTheFileHas) {
  if (std::system("ffmpeg -version > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "SKIPPED: ffmpeg is not installed: run tools/setup";
  Create();
  std::vector<double> samples(6 * 48000);
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = 0.4 * std::sin(2 * M_PI * kTones[i % 6] * static_cast<double>(i / 6) / 48000);
  const std::string plain = dir_.path("plain.wav");
  WriteAudio(plain, kFloatWav, 6, 48000, samples);
  const auto ffmpeg = [&](const std::string& arguments) {
    return std::system(("ffmpeg -loglevel error -y " + arguments).c_str());
  };
  const std::vector<std::size_t> in_order = {0, 1, 2, 3, 4, 5};
  const std::string said = dir_.path("said.wav");  // ffmpeg knows its layout, and writes the rest
  ASSERT_EQ(ffmpeg("-channel_layout 5.1 -i " + plain + " -c:a pcm_f32le " + said), 0);
  for (const char* name : {"said.wav", "v.ogg", "o.opus", "f.flac", "c.caf"}) {
    const std::string path = dir_.path(name);
    if (path != said) {
      ASSERT_EQ(ffmpeg("-channel_layout 5.1 -i " + plain + " " + path), 0) << name;
    }
    const std::string lane = std::string("lane ") + name;
    Good({"import", file_, path, "--lane", lane});
    EXPECT_EQ(TonesOf(Lane(lane)), in_order) << name;
    const auto info = Info()["lanes"].back();
    if (info["speakers"] != 0) {
      EXPECT_EQ(info["speakers"], 0x3F) << name;
    }
    // Out again, and through ffmpeg, which goes by what the file says.
    for (const char* end : {"wav", "ogg", "opus", "flac"}) {
      // libvorbisenc loses a block where it is set up for six channels: LeakSanitizer says so.
      if (testing::kSanitized && end == std::string("ogg")) continue;
      const std::string out = dir_.path(std::string("out.") + end);
      Good({"export", file_, "--force", "--lane", lane, "--out", out});
      const std::string back = dir_.path("back.wav");
      ASSERT_EQ(ffmpeg("-i " + out + " -c:a pcm_f32le " + back), 0);
      EXPECT_EQ(TonesOf(Audible(back)), in_order) << name << " as " << end;
    }
    // And it says so.
    const Audio wav = ReadAudio(dir_.path("out.wav"));
    EXPECT_EQ(wav.info.format & SF_FORMAT_TYPEMASK,
              info["speakers"] != 0 ? SF_FORMAT_WAVEX : SF_FORMAT_WAV);
  }
  // Where nobody says, nobody is told.
  Good({"import", file_, plain, "--lane", "unsaid"});
  EXPECT_EQ(Info()["lanes"].back()["speakers"], 0);
  Good({"import", file_, dir_.path("v.ogg"), "--lane", "unsaid", "--append"});
}

TEST_F(Import, SlowSignalsAreSignals) {
  Create();
  WriteAudio(dir_.path("slow.wav"), kFloatWav, 1, 100, Noise(1000, 1));
  WriteAudio(dir_.path("speech.wav"), kFloatWav, 1, 8000, Noise(1000, 1));
  Good({"import", file_, dir_.path("slow.wav"), dir_.path("speech.wav")});
  EXPECT_EQ(Info()["lanes"][0]["kind"], "signal");
  EXPECT_EQ(Info()["lanes"][1]["kind"], "audio");
}

TEST_F(Import, PipesAndFoldersAreInputsToo) {
  Create();
  const std::string path = dir_.path("x.wav");
  WriteAudio(path, kFloatWav, 1, 48000, Noise(1000, 1));
  const auto shell = [&](const std::string& command) {
    return WEXITSTATUS(std::system(command.c_str()));
  };
  EXPECT_EQ(shell("cat " + path + " | tools/canvas import " + file_ + " - --lane piped >/dev/null"),
            0);
  EXPECT_EQ(Lane("piped"), Audible(path));
  EXPECT_EQ(shell("bash -c 'tools/canvas import " + file_ + " <(cat " + path +
                  ") --lane substituted >/dev/null'"),
            0);
  EXPECT_EQ(Lane("substituted"), Audible(path));
  Bad({"import", file_, "-"}, "give --lane");

  fs::create_directories(dir_.path("takes/b"));
  for (const char* name : {"takes/take10.wav", "takes/take9.wav", "takes/b/take1.flac"})
    WriteAudio(dir_.path(name), std::string(name).ends_with("flac") ? kFlac : kFloatWav, 1, 48000,
               Noise(1000, 1));
  std::ofstream(dir_.path("takes/notes.txt")) << "not audio";
  const std::string out = Good({"import", file_, dir_.path("takes")}).out;
  EXPECT_LT(out.find("take1.flac"), out.find("take9.wav"));
  EXPECT_LT(out.find("take9.wav"), out.find("take10.wav"));
  EXPECT_NE(out.find("notes.txt: neither audio nor MIDI, left out"), std::string::npos) << out;
  EXPECT_EQ(Info()["lanes"].size(), 5U);
}

TEST_F(Import, ManyFilesNeedFewDescriptorsAndFailBeforeTheFirstIsWritten) {
  Good({"create", file_, "--hours", "1", "--slots", "4", "--small-slots", "0"});
  std::vector<std::string> arguments = {"import", file_};
  for (int i = 0; i < 40; ++i) {
    arguments.push_back(dir_.path("f" + std::to_string(i) + ".wav"));
    WriteAudio(arguments.back(), kFloatWav, 1, 48000, Noise(100, 1));
  }
  // More lanes than there are slots: none is made.
  Bad(arguments, "f4.wav");
  EXPECT_EQ(Info()["lanes"].size(), 0U);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{24, before.rlim_max};
  arguments.insert(arguments.end(), {"--lane", "all"});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  Good(arguments);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(Info()["lanes"][0]["written_frames"], 4000);
  // So do a bad name, and a length that does not fit.
  Good({"rm", file_, "--lane", "all"});
  WriteAudio(dir_.path("bad\nname.wav"), kFloatWav, 1, 48000, Noise(100, 1));
  Bad({"import", file_, dir_.path("f1.wav"), dir_.path("bad\nname.wav")}, "control character");
  WriteAudio(dir_.path("long.wav"), kFloatWav, 1, 1000, Noise(3700 * 1000, 1));
  Bad({"import", file_, dir_.path("f1.wav"), dir_.path("long.wav")}, "past the capacity");
  EXPECT_EQ(Info()["lanes"].size(), 0U);
}

TEST_F(Import, ManyAtATimeAreToldInTheirOrderAndFailAlone) {
  Create();
  std::vector<std::string> arguments = {"import", file_, "--jobs", "4"};
  std::vector<std::string> paths;
  for (int i = 0; i < 12; ++i) {
    paths.push_back(dir_.path("take" + std::to_string(i) + ".flac"));
    WriteAudio(paths.back(), kFlac, 1, 48000,
               Noise(static_cast<std::size_t>(200000 - 15000 * i), 1));
    arguments.push_back(paths.back());
  }
  const std::string out = Good(arguments).out;
  std::size_t before = 0;
  for (int i = 0; i < 12; ++i) {
    const std::size_t at = out.find("take" + std::to_string(i) + ".flac -> ");
    ASSERT_NE(at, std::string::npos) << out;
    EXPECT_GE(at, before) << "in the order they were given";
    before = at;
    EXPECT_EQ(Lane("take" + std::to_string(i)), Audible(paths[static_cast<std::size_t>(i)]));
  }
  // One that cannot be read to its end takes its own lane with it, and none that is finished.
  Good({"create", dir_.path("b.canvas"), "--hours", "1"});
  file_ = dir_.path("b.canvas");
  arguments[1] = file_;
  std::string broken = Slurp(paths[0]);
  for (std::size_t at = broken.size() / 2; at < broken.size() / 2 + 5000; ++at) broken[at] ^= 0x55;
  std::ofstream(paths[0], std::ios::binary) << broken;
  const Outcome outcome = Run(arguments);
  for (const auto& lane : Info()["lanes"])
    EXPECT_FALSE(lane["description"].get<std::string>().starts_with("unfinished")) << lane;
  if (outcome.exit_code == 0)
    std::printf("libsndfile reads over what is broken: %s\n", outcome.out.c_str());
  Good({"check", file_});
}

// A lane that was made for an import that is stopped before its turn goes again, but not if
// somebody else has put something into it.
TEST_F(Import, AnImportThatIsStoppedTakesNoLaneThatAnotherHasFilled) {
  Create();
  const std::string path = dir_.path("long.flac");
  WriteAudio(path, kFlac, 2, 48000, Noise(2 * 48000 * 300, 1));
  fs::create_directory(dir_.path("d"));
  for (const char* name : {"y.wav", "d/y.wav", "z.wav"})
    WriteAudio(dir_.path(name), kFloatWav, 1, 48000, Noise(1000, 1));
  const pid_t pid = fork();
  if (pid == 0) {
    (void)!freopen("/dev/null", "w", stderr);
    (void)!freopen("/dev/null", "w", stdout);
    execl("tools/canvas", "canvas", "import", file_.c_str(), path.c_str(),
          dir_.path("y.wav").c_str(), dir_.path("z.wav").c_str(), "--jobs", "1",
          static_cast<char*>(nullptr));
    _exit(127);
  }
  const canvas::Canvas sut = testing::Must(canvas::Canvas::Open(file_));
  while (!sut.FindLane("z")) {
    ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << "it ended before it could be stopped";
  }
  kill(pid, SIGSTOP);
  Good({"import", file_, dir_.path("d/y.wav")});
  kill(pid, SIGINT);
  kill(pid, SIGCONT);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Lane("y"), Audible(dir_.path("d/y.wav")));
  EXPECT_FALSE(sut.FindLane("z").has_value());
}

// Ctrl-C goes to both ends of a pipe: the recording ends, and is imported.
TEST_F(Import, ARecordingThatIsInterruptedIsImported) {
  Create();
  const std::string path = dir_.path("x.au");
  WriteAudio(path, SF_FORMAT_AU | SF_FORMAT_FLOAT, 1, 48000, Noise(100000, 1));
  const std::string fifo = dir_.path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    (void)!freopen(fifo.c_str(), "r", stdin);
    (void)!freopen("/dev/null", "w", stdout);
    execl("tools/canvas", "canvas", "import", file_.c_str(), "-", "--lane", "mic",
          static_cast<char*>(nullptr));
    _exit(127);
  }
  std::ofstream recorder(fifo, std::ios::binary);
  recorder << Slurp(path) << std::flush;
  // It has read all of it when the pipe is empty, and waits for more: then it is interrupted.
  const int fd = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  for (int left = 1; left != 0;) {
    ASSERT_EQ(ioctl(fd, FIONREAD, &left), 0);
    ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0);
  }
  close(fd);
  kill(pid, SIGINT);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(Lane("mic"), Audible(path));
}

TEST_F(Import, AnImportThatIsStoppedSaysWhatIsThereAndMarksItsLane) {
  Create();
  // Slow enough to be met in the midst: five minutes of FLAC.
  const std::string path = dir_.path("long.flac");
  WriteAudio(path, kFlac, 2, 48000, Noise(2 * 48000 * 300, 1));
  const auto whole = Audible(path);
  for (const int number : {SIGINT, SIGKILL}) {
    const std::string lane = "lane " + std::to_string(number);
    const std::string err = dir_.path("err");
    const pid_t pid = fork();
    if (pid == 0) {
      (void)!freopen(err.c_str(), "w", stderr);
      (void)!freopen("/dev/null", "w", stdout);
      execl("tools/canvas", "canvas", "import", file_.c_str(), path.c_str(), "--lane", lane.c_str(),
            static_cast<char*>(nullptr));
      _exit(127);
    }
    const canvas::Canvas sut = testing::Must(canvas::Canvas::Open(file_));
    for (bool begun = false; !begun;) {
      ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << "it ended before it could be ended";
      const auto found = sut.FindLane(lane);
      if (!found) continue;
      const auto reader = sut.Reader(found->id);
      begun = reader && reader->Extent().written_frames > 0;
    }
    kill(pid, number);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), number);
    if (number == SIGINT) {
      EXPECT_NE(Slurp(err).find("stopped; lane 'lane 2' holds"), std::string::npos) << Slurp(err);
      EXPECT_NE(Slurp(err).find("again with --overwrite --lane 'lane 2'"), std::string::npos)
          << Slurp(err);
    }
    const std::string mark =
        "lane '" + lane + "' is an unfinished import of long.flac (14400000 frames)";
    EXPECT_NE(Good({"info", file_}).out.find(mark), std::string::npos);
    EXPECT_NE(Good({"check", file_}).out.find(mark), std::string::npos);
    Good({"import", file_, path, "--lane", lane, "--overwrite"});
    EXPECT_EQ(Good({"info", file_}).out.find(mark), std::string::npos);
    EXPECT_EQ(Lane(lane), whole);
  }
}

// A lane that was there before has no mark: what is said must be enough to go on, or back.
TEST_F(Import, AnImportThatIsStoppedInALaneThatWasThereSaysWhatIsThereAndHowToUndoIt) {
  Create();
  const std::string first = dir_.path("x.wav");
  WriteAudio(first, kFloatWav, 2, 48000, Noise(2 * 48000, 1));
  const auto before = Audible(first);
  const auto begin_anew = [&] {
    if (!Info()["lanes"].empty()) Good({"rm", file_, "--lane", "x"});
    Good({"import", file_, first});
    Good({"describe", file_, "x", "words of a person"});
  };
  const std::string path = dir_.path("long.flac");
  WriteAudio(path, kFlac, 2, 48000, Noise(2 * 48000 * 300, 1));
  // As it was printed, by a shell.
  const auto undo = [&](const std::string& text) {
    const auto at = text.find("canvas rm ");
    ASSERT_NE(at, std::string::npos) << text;
    const std::string command = text.substr(at, text.find(" removes it") - at);
    EXPECT_EQ(std::system(("tools/" + command + " > /dev/null").c_str()), 0) << command;
    // What shares a page with frames that stay became zeros, as `rm` does.
    const auto after = Lane("x");
    ASSERT_GE(after.size(), before.size());
    const auto rest = after.begin() + std::ssize(before);
    EXPECT_TRUE(std::equal(after.begin(), rest, before.begin()));
    EXPECT_TRUE(std::all_of(rest, after.end(), [](float sample) { return sample == 0; }));
    EXPECT_EQ(Info()["lanes"][0]["description"], "words of a person");
  };
  for (const bool overwrite : {false, true}) {
    begin_anew();
    const std::string err = dir_.path("err");
    const pid_t pid = fork();
    if (pid == 0) {
      (void)!freopen(err.c_str(), "w", stderr);
      (void)!freopen("/dev/null", "w", stdout);
      execl("tools/canvas", "canvas", "import", file_.c_str(), path.c_str(), "--lane", "x", "--at",
            overwrite ? "0.5" : "1", overwrite ? "--overwrite" : "--strict",
            static_cast<char*>(nullptr));
      _exit(127);
    }
    const canvas::Canvas sut = testing::Must(canvas::Canvas::Open(file_));
    const auto reader = testing::Must(sut.Reader(testing::Must(sut.FindLane("x")).id));
    while (reader.Extent().end <= canvas::Frame(2 * 48000))
      ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << "it ended before it could be ended";
    kill(pid, SIGINT);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string text = Slurp(err);
    EXPECT_NE(text.find(overwrite ? "from 0:00.500 to " : "from 0:01.000 to "), std::string::npos)
        << text;
    EXPECT_NE(text.find("again with --overwrite --lane x --at"), std::string::npos) << text;
    const bool gone = text.find("before, from 0:00.500 on, is gone") != std::string::npos;
    EXPECT_EQ(gone, overwrite) << text;
    if (!overwrite) undo(text);
  }
  // By an error: the file may grow no further.
  begin_anew();
  rlimit unlimited{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  // Where the next page would lie.
  const rlimit limit{fs::file_size(file_), unlimited.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Outcome outcome = Run({"import", file_, path, "--lane", "x", "--append"});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  EXPECT_NE(outcome.err.find("of " + path + ", from 0:01.000 to "), std::string::npos)
      << outcome.err;
  undo(outcome.err);
  Good({"check", file_});
}

TEST_F(Import, AnImportGoesOnWhenNobodyReadsWhatItSays) {
  Create();
  std::string inputs;
  for (int i = 0; i < 8; ++i) {
    const std::string path = dir_.path("f" + std::to_string(i) + ".wav");
    WriteAudio(path, kFloatWav, 1, 48000, Noise(1000, 1));
    inputs += " " + path;
  }
  const auto left = [&](const std::string& command) {  // by its reader, before it says anything
    const std::string err = dir_.path("err");
    EXPECT_EQ(std::system(("bash -o pipefail -c '(sleep 0.2; tools/canvas " + command + " 2> " +
                           err + ") | true'")
                              .c_str()),
              0)
        << Slurp(err);
    EXPECT_EQ(Slurp(err), "");
  };
  left("import " + file_ + inputs + " --jobs 1");
  ASSERT_EQ(Info()["lanes"].size(), 8U);
  for (const auto& lane : Info()["lanes"]) {
    EXPECT_EQ(lane["written_frames"], 1000) << lane;
    EXPECT_TRUE(lane["description"].get<std::string>().starts_with("imported from")) << lane;
  }
  left("cp " + file_ + " " + dir_.path("other.canvas"));
  Good({"diff", file_, dir_.path("other.canvas")});
  // Where what is said cannot be kept, all is done too, and that is told.
  Good({"create", dir_.path("b.canvas"), "--hours", "1"});
  EXPECT_NE(std::system(("tools/canvas import " + dir_.path("b.canvas") + inputs +
                         " > /dev/full 2> " + dir_.path("err"))
                            .c_str()),
            0);
  EXPECT_NE(Slurp(dir_.path("err")).find("what was printed is lost"), std::string::npos);
  Good({"diff", file_, dir_.path("b.canvas")});
}

}  // namespace
}  // namespace canvas::cli
