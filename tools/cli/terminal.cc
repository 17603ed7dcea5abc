#include "tools/cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <utility>

namespace canvas::cli {
namespace {

// Columns a terminal uses for `text`, as the locale has it; bytes where that cannot be told.
std::size_t Width(const std::string& text) {
  std::vector<wchar_t> wide(text.size() + 1);
  const std::size_t length = std::mbstowcs(wide.data(), text.c_str(), wide.size());
  if (length == static_cast<std::size_t>(-1)) return text.size();
  const int width = wcswidth(wide.data(), length);
  return width < 0 ? text.size() : static_cast<std::size_t>(width);
}

std::size_t TerminalWidth() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool g_bars = true;
ProgressBar::Teller g_teller = nullptr;
Color g_color = Color::kAuto;
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kTell = std::chrono::seconds(1);

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool HasColor(std::FILE* to) {
  if (g_color != Color::kAuto) return g_color == Color::kAlways;
  const char* terminal = std::getenv("TERM");
  return isatty(fileno(to)) != 0 && !IsSet("NO_COLOR") &&
         (terminal == nullptr || std::strcmp(terminal, "dumb") != 0);
}

void PutLine(std::string_view name, std::string_view text) {
  std::fflush(stdout);
  std::fputs(fmt::format("{} {}\n", name, Printable(text)).c_str(), stderr);
}

}  // namespace

void UseColor(Color when) { g_color = when; }

std::string Styled(Style style, std::string_view text, std::FILE* to) {
  if (!HasColor(to)) return std::string(text);
  // Select Graphic Rendition (ECMA-48): bold; bold red; yellow.
  const char* code = style == Style::kHeading ? "1" : style == Style::kError ? "1;31" : "33";
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

ProgressBar::ProgressBar(std::string label, std::uint64_t total)
    : label_(std::move(label)),
      total_(total),
      enabled_(g_bars && (g_teller != nullptr || (total > 0 && isatty(STDERR_FILENO) != 0))) {}

void ProgressBar::TurnOff() { g_bars = false; }
void ProgressBar::TellTo(Teller teller) { g_teller = teller; }

ProgressBar::~ProgressBar() { Clear(); }

void ProgressBar::Clear() {
  if (std::exchange(drawn_, false)) fmt::print(stderr, "\r\033[K");
}

std::string ProgressLine(const std::string& label, double share, double elapsed_seconds,
                         std::size_t columns) {
  share = std::clamp(share, 0.0, 1.0);
  const double left = share > 0 ? elapsed_seconds * (1 - share) / share : 0;
  const std::string percent = fmt::format("{:3.0f}%", share * 100);
  std::string tail = fmt::format(" {}  {:.0f} s left", percent, left);
  // First the bar goes, then the end of the name, then the time; the last column stays free.
  constexpr std::size_t kLeastName = 8;
  constexpr std::size_t kLeastBar = 10;
  if (columns < kLeastName + tail.size() + 1) tail = " " + percent;
  if (columns < kLeastName + tail.size() + 1) return columns > percent.size() ? percent : "";
  const std::size_t room = columns - tail.size() - 1;
  const bool with_bar = room >= kLeastName + kLeastBar + 1;
  const std::string name = Clipped(label, with_bar ? room - kLeastBar - 1 : room);
  std::string bar;
  if (with_bar) {
    const std::size_t cells = std::min<std::size_t>(room - Width(name) - 1, 40);
    const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
    bar = " ";
    for (std::size_t i = 0; i < cells; ++i) bar += i < full ? "█" : "░";
  }
  return name + bar + tail;
}

void ProgressBar::Update(std::uint64_t done) {
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - start_ < kPatience || now - last_draw_ < (g_teller != nullptr ? kTell : kRedraw))
    return;
  last_draw_ = now;
  if (g_teller != nullptr) return g_teller(label_, done, total_);
  drawn_ = true;
  const double share = static_cast<double>(done) / static_cast<double>(total_);
  fmt::print(stderr, "\r{}\033[K",
             ProgressLine(Printable(label_), share,
                          std::chrono::duration<double>(now - start_).count(), TerminalWidth()));
  std::fflush(stderr);
}

std::string ShellWord(std::string_view text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::strchr("_./,:=@%+-", c) != nullptr;
  };
  if (!text.empty() && text.front() != '-' && std::ranges::all_of(text, plain))
    return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string Clipped(const std::string& text, std::size_t columns) {
  if (Width(text) <= columns) return text;
  std::string clipped = text;
  while (!clipped.empty() && (Width(clipped) + 1 > columns)) {
    // A character as a whole: its bytes but the first begin with 10.
    while (!clipped.empty() && (static_cast<unsigned char>(clipped.back()) & 0xC0) == 0x80)
      clipped.pop_back();
    if (!clipped.empty()) clipped.pop_back();
  }
  return columns == 0 ? "" : clipped + "…";
}

void Note(std::string_view text) { PutLine("canvas:", text); }
void Complain(std::string_view text) { PutLine(Styled(Style::kError, "canvas:", stderr), text); }

std::string Table::Render() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = Width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, Width(row[c]));
    widths.push_back(width);
  }
  std::string text;
  const auto line = [&](const auto& cell_of, bool heading) {
    std::string row = "  ";
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string cell = cell_of(c);
      const std::string fill(widths[c] - Width(cell), ' ');
      const std::string shown = heading && !cell.empty() ? Styled(Style::kHeading, cell) : cell;
      if (c > 0) row += "  ";
      row += columns_[c].align == Align::kRight ? fill + shown : shown + fill;
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + '\n';
  };
  line([&](std::size_t c) { return columns_[c].title; }, true);
  for (const auto& row : rows_) line([&](std::size_t c) { return row[c]; }, false);
  return text;
}

std::string Printable(std::string_view text) {
  std::string printable(text);
  for (std::size_t i = 0; i < printable.size(); ++i) {
    const auto byte = static_cast<unsigned char>(printable[i]);
    // What turns the direction of writing: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
    // U+2069.
    const std::string_view rest = std::string_view(printable).substr(i);
    const bool mark = rest.starts_with("\xE2\x80\x8E") || rest.starts_with("\xE2\x80\x8F");
    const bool bidi = rest.size() >= 3 && rest[0] == '\xE2' &&
                      ((rest[1] == '\x80' && rest[2] >= '\xAA' && rest[2] <= '\xAE') ||
                       (rest[1] == '\x81' && rest[2] >= '\xA6' && rest[2] <= '\xA9'));
    if (mark || bidi) printable.replace(i, 3, "?");
    if (rest.starts_with("\xD8\x9C")) printable.replace(i, 2, "?");
    const bool c1 = byte >= 0x80 && byte < 0xA0 && i > 0 &&
                    static_cast<unsigned char>(printable[i - 1]) == 0xC2;
    if (byte < 0x20 || byte == 0x7F) printable[i] = '?';
    if (c1) printable.replace(i - 1, 2, "?");
  }
  return printable;
}

std::string Bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Count(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace canvas::cli
