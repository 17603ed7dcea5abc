#include "tools/cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

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

constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRedraw = std::chrono::milliseconds(100);

}  // namespace

ProgressBar::ProgressBar(std::string label, std::uint64_t total)
    : label_(std::move(label)), total_(total), enabled_(total > 0 && isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
}

void ProgressBar::Update(std::uint64_t done) {
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - start_ < kPatience || now - last_draw_ < kRedraw) return;
  last_draw_ = now;
  drawn_ = true;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = share > 0 ? elapsed * (1 - share) / share : 0;
  const std::string tail = fmt::format(" {:3.0f}%  {:.0f} s left", share * 100, left);
  const std::size_t room = TerminalWidth();
  const std::size_t used = Width(label_) + tail.size() + 4;
  const std::size_t cells = room > used + 10 ? std::min<std::size_t>(room - used, 40) : 10;
  const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
  std::string bar;
  for (std::size_t i = 0; i < cells; ++i) bar += i < full ? "█" : "░";
  fmt::print(stderr, "\r{} {}{}\033[K", label_, bar, tail);
  std::fflush(stderr);
}

std::string Table::Render() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = Width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, Width(row[c]));
    widths.push_back(width);
  }
  std::string text;
  const auto line = [&](const auto& cell_of) {
    std::string row = "  ";
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string cell = cell_of(c);
      const std::string fill(widths[c] - Width(cell), ' ');
      if (c > 0) row += "  ";
      row += columns_[c].align == Align::kRight ? fill + cell : cell + fill;
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + '\n';
  };
  line([&](std::size_t c) { return columns_[c].title; });
  for (const auto& row : rows_) line([&](std::size_t c) { return row[c]; });
  return text;
}

std::string Printable(std::string_view text) {
  std::string printable(text);
  for (std::size_t i = 0; i < printable.size(); ++i) {
    const auto byte = static_cast<unsigned char>(printable[i]);
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
