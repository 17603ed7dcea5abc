// What a person sees: a progress bar, tables, colours, sizes and durations in words.
//
// Thread safety: one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace canvas::cli {

// When what is printed has colours. kAuto: on a terminal, unless NO_COLOR is set to something
// (no-color.org) or TERM is dumb.
enum class Color : std::uint8_t { kAuto, kAlways, kNever };
// From now on; kAuto before.
void UseColor(Color when);
enum class Style : std::uint8_t { kHeading, kError, kWarning };
// The text in this style, for a stream that has colours; else as it is.
std::string Styled(Style style, std::string_view text, std::FILE* to = stdout);

// On standard error, only on a terminal, only after a second; gone when it ends.
class ProgressBar {
 public:
  // `total` in the caller's own unit; 0: unknown, no bar.
  ProgressBar(std::string label, std::uint64_t total);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();
  void Update(std::uint64_t done);
  // Takes it off its line, until the next Update: before something else is printed.
  void Clear();
  // From now on there are none.
  static void TurnOff();
  // From now on this is called instead, terminal or not: after the first second, and once in each.
  using Teller = void (*)(const std::string& label, std::uint64_t done, std::uint64_t total);
  static void TellTo(Teller teller);

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::uint64_t total_;
  bool enabled_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_draw_ = start_;
};

// What a bar looks like on a terminal of so many columns: one line, whatever they are.
std::string ProgressLine(const std::string& label, double share, double elapsed_seconds,
                         std::size_t columns);

// Columns as wide as their widest cell; text to the left, numbers to the right.
class Table {
 public:
  enum class Align : std::uint8_t { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Each line indented by two and ended.
  std::string Render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A line on standard error, behind what standard output has so far.
void Note(std::string_view text);
// The same, of an error.
void Complain(std::string_view text);

// Text out of a file, without what a terminal would act on.
std::string Printable(std::string_view text);
// A word of a shell's command that means just this.
std::string ShellWord(std::string_view text);
// As much of it as so many columns hold, with an ellipsis where that is not all.
std::string Clipped(const std::string& text, std::size_t columns);
// "11.0 MiB"; whole bytes below one KiB.
std::string Bytes(std::uint64_t bytes);
// "1 lane", "2 lanes".
std::string Count(std::uint64_t count, std::string_view noun);

}  // namespace canvas::cli
