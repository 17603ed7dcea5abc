#include "tools/cli/terminal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <regex>
#include <string>

namespace canvas::cli {
namespace {

// Every character here is one column wide, and begins with a byte that is none of 10xxxxxx.
std::size_t Columns(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

class Terminal : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr) << "no locale with UTF-8";
  }
};

TEST_F(Terminal, AProgressBarStaysOnItsLine) {
  for (const std::string& name : {std::string("a.wav"), std::string(71, 'n') + ".flac",
                                  std::string("Stück für ") + "Klavier, zweiter Satz.ogg"})
    for (std::size_t columns = 1; columns <= 200; ++columns)
      for (const double share : {0.0, 0.001, 0.5, 1.0, 2.0}) {
        const std::string line = ProgressLine(name, share, 12345, columns);
        EXPECT_LT(Columns(line), columns) << columns << ": " << line;
        EXPECT_EQ(line.find('\n'), std::string::npos);
      }
  for (const std::size_t columns : {20UL, 30UL, 40UL, 80UL, 120UL})
    std::printf("%3zu |%s\n", columns,
                ProgressLine(std::string(71, 'n'), 0.4, 10, columns).c_str());
  EXPECT_NE(ProgressLine("a.wav", 0.5, 10, 80).find("█░"), std::string::npos);
  EXPECT_NE(ProgressLine(std::string(71, 'n'), 0.5, 10, 80).find("…"), std::string::npos);
  EXPECT_NE(ProgressLine(std::string(71, 'n'), 0.5, 10, 30).find(" 50%"), std::string::npos);
}

std::string Plain(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
}

TEST_F(Terminal, ColoursTakeNoColumns) {
  const auto render = [](Color when) {
    UseColor(when);
    Table table({{"id", Table::Align::kRight}, {"a long title"}, {"Länge", Table::Align::kRight}});
    table.Add({"1", "x", "12345678"});
    table.Add({"12345", "弦楽器 and a name as long as this", "1"});
    return table.Render();
  };
  const std::string plain = render(Color::kNever);
  const std::string coloured = render(Color::kAlways);
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  EXPECT_NE(coloured.find("\x1b[1ma long title\x1b[0m"), std::string::npos) << coloured;
  EXPECT_EQ(Plain(coloured), plain);
  std::printf("%s", coloured.c_str());
  // What the test itself prints to is no terminal.
  EXPECT_EQ(render(Color::kAuto), isatty(STDOUT_FILENO) != 0 ? coloured : plain);
}

TEST_F(Terminal, TextIsClippedBetweenCharacters) {
  EXPECT_EQ(Clipped("abc", 3), "abc");
  EXPECT_EQ(Clipped("abcd", 3), "ab…");
  EXPECT_EQ(Clipped("äöüß", 3), "äö…");
  EXPECT_EQ(Clipped("弦楽器", 4), "弦…") << "two columns each";
  EXPECT_EQ(Clipped("abc", 0), "");
}

TEST_F(Terminal, WhatATerminalWouldActOnIsNotPrinted) {
  EXPECT_EQ(Printable("a\x1b[31mb\x07\n"), "a?[31mb??");
  EXPECT_EQ(Printable("a\xC2\x9B"
                      "b"),
            "a?b");
  EXPECT_EQ(Printable("a\xE2\x80\xAE"
                      "b\xE2\x81\xA6"
                      "c\xE2\x80\x8F"
                      "d\xD8\x9C"
                      "e"),
            "a?b?c?d?e");
  EXPECT_EQ(Printable("Streicher – 弦 🎻 …"), "Streicher – 弦 🎻 …");
}

}  // namespace
}  // namespace canvas::cli
