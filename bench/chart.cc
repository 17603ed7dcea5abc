#include "bench/chart.h"

#include <cairo/cairo-svg.h>
#include <cairo/cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

namespace bench {
namespace {

constexpr double kPanelWidth = 560;
constexpr double kMargin = 28;
constexpr double kTop = 74;
constexpr double kBarStep = 30;

struct Colour {
  double r, g, b;
};
constexpr Colour kInk{0.13, 0.15, 0.18};
constexpr Colour kFaint{0.47, 0.50, 0.54};
constexpr Colour kGrid{0.89, 0.90, 0.92};
constexpr Colour kBar{0.68, 0.73, 0.80};
constexpr Colour kAccent{0.84, 0.33, 0.13};
constexpr Colour kLines[] = {{0.13, 0.15, 0.18}, {0.20, 0.55, 0.55}, {0.55, 0.40, 0.62},
                             {0.62, 0.53, 0.25}, {0.40, 0.60, 0.35}, {0.62, 0.42, 0.42},
                             {0.30, 0.45, 0.70}, {0.55, 0.55, 0.55}, {0.75, 0.50, 0.65},
                             {0.35, 0.62, 0.75}};

struct Pen {
  cairo_t* cr;

  void Use(Colour colour) const { cairo_set_source_rgb(cr, colour.r, colour.g, colour.b); }
  void Font(double size, bool bold = false) const {
    cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
  }
  double Width(const std::string& text) const {
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text.c_str(), &extents);
    return extents.x_advance;
  }
  // `align`: 0 begins at x, 1 ends there, 0.5 is centred.
  void Text(double x, double y, const std::string& text, double align = 0) const {
    cairo_move_to(cr, x - Width(text) * align, y);
    cairo_show_text(cr, text.c_str());
  }
  void Rule(double x0, double y0, double x1, double y1, double width) const {
    cairo_set_line_width(cr, width);
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
  }
};

// A logarithmic axis over all that is shown, in whole decades' thirds.
struct Axis {
  double low = std::numeric_limits<double>::max();
  double high = 0;
  void Take(double value) {
    if (value <= 0) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void Widen() {
    if (high <= 0) low = high = 1;
    low = std::pow(10, std::floor(std::log10(low) * 2) / 2);
    high = std::pow(10, std::ceil(std::log10(high) * 2 + 0.05) / 2);
  }
  double At(double value) const {
    return std::log(std::max(value, low) / low) / std::log(high / low);
  }
  // 1, 10, 100, ... within the axis.
  template <typename Visit>
  void ForEachDecade(Visit visit) const {
    for (double decade = std::pow(10, std::ceil(std::log10(low) - 1e-9)); decade <= high * 1.0001;
         decade *= 10)
      visit(decade);
  }
};

std::string Amount(double value, const std::string& unit) {
  if (unit == "ns" && value >= 1e6) return fmt::format("{:g} ms", value / 1e6);
  if (unit == "ns" && value >= 1e3) return fmt::format("{:g} us", value / 1e3);
  return fmt::format("{:g} {}", value, unit);
}

double HeightOf(const Panel& panel) {
  return panel.bars.empty() ? 330 : static_cast<double>(panel.bars.size()) * kBarStep + 26;
}

void DrawBars(const Pen& pen, const Panel& panel, double x, double y, double width) {
  Axis axis;
  for (const Bar& bar : panel.bars) axis.Take(bar.value);
  axis.Widen();
  double labels = 0;
  pen.Font(12, true);
  for (const Bar& bar : panel.bars) labels = std::max(labels, pen.Width(bar.label));
  pen.Font(11.5, true);
  double texts = 0;
  for (const Bar& bar : panel.bars) texts = std::max(texts, pen.Width(bar.text));
  const double left = x + labels + 12;
  const double room = width - labels - 12 - texts - 10;
  const double bottom = y + static_cast<double>(panel.bars.size()) * kBarStep;
  pen.Font(10.5);
  axis.ForEachDecade([&](double decade) {
    const double at = left + axis.At(decade) * room;
    pen.Use(kGrid);
    pen.Rule(at, y - 4, at, bottom, 1);
    pen.Use(kFaint);
    pen.Text(at, bottom + 16, Amount(decade, panel.unit), 0.5);
  });
  for (std::size_t i = 0; i < panel.bars.size(); ++i) {
    const Bar& bar = panel.bars[i];
    const double top = y + static_cast<double>(i) * kBarStep;
    pen.Use(bar.highlight ? kAccent : kBar);
    cairo_rectangle(pen.cr, left, top + 3, std::max(axis.At(bar.value) * room, 1.5), kBarStep - 11);
    cairo_fill(pen.cr);
    pen.Use(kInk);
    pen.Font(12, bar.highlight);
    pen.Text(left - 10, top + 17, bar.label, 1);
    pen.Font(11.5, bar.highlight);
    pen.Text(left + axis.At(bar.value) * room + 8, top + 17, bar.text);
  }
}

void DrawLines(const Pen& pen, const Panel& panel, double x, double y, double width,
               double height) {
  Axis axis;
  for (const Line& line : panel.lines)
    for (const double value : line.values) axis.Take(value);
  axis.Widen();
  const double left = x + 52;
  const double room = width - 52 - 150;
  const double bottom = y + height - 24;
  const auto x_of = [&](std::size_t tick) {
    return left + room * (static_cast<double>(tick) + 0.25) /
                      (static_cast<double>(panel.ticks.size()) - 0.5);
  };
  const auto y_of = [&](double value) { return bottom - axis.At(value) * (bottom - y); };
  pen.Font(10.5);
  axis.ForEachDecade([&](double decade) {
    pen.Use(kGrid);
    pen.Rule(left, y_of(decade), left + room, y_of(decade), 1);
    pen.Use(kFaint);
    pen.Text(left - 8, y_of(decade) + 4, Amount(decade, panel.unit), 1);
  });
  pen.Use(kFaint);
  for (std::size_t tick = 0; tick < panel.ticks.size(); ++tick)
    pen.Text(x_of(tick), bottom + 18, panel.ticks[tick], 0.5);

  // Names at the lines' ends, moved apart where they would touch.
  struct Name {
    double y;
    std::size_t line;
  };
  std::vector<Name> names;
  for (std::size_t i = 0; i < panel.lines.size(); ++i) {
    const Line& line = panel.lines[i];
    const Colour colour = line.highlight ? kAccent : kLines[i % std::size(kLines)];
    pen.Use(colour);
    cairo_set_line_width(pen.cr, line.highlight ? 2.6 : 1.5);
    bool begun = false;
    double last = bottom;
    for (std::size_t tick = 0; tick < line.values.size(); ++tick) {
      if (line.values[tick] <= 0) continue;
      last = y_of(line.values[tick]);
      begun ? cairo_line_to(pen.cr, x_of(tick), last) : cairo_move_to(pen.cr, x_of(tick), last);
      begun = true;
    }
    cairo_stroke(pen.cr);
    names.push_back({last, i});
  }
  std::ranges::sort(names, {}, &Name::y);
  constexpr double kApart = 15;
  for (std::size_t i = 1; i < names.size(); ++i)
    names[i].y = std::max(names[i].y, names[i - 1].y + kApart);
  for (double over = names.empty() ? 0 : names.back().y - bottom; over > 0; over = 0)
    for (std::size_t i = names.size(); i-- > 0;) {
      const double limit = i + 1 == names.size() ? bottom : names[i + 1].y - kApart;
      names[i].y = std::min(names[i].y, limit);
    }
  for (const Name& name : names) {
    const Line& line = panel.lines[name.line];
    pen.Use(line.highlight ? kAccent : kLines[name.line % std::size(kLines)]);
    pen.Font(11, line.highlight);
    pen.Text(left + room + 8, name.y + 4, line.label);
  }
}

}  // namespace

bool Draw(const std::string& path, const std::vector<Panel>& panels) {
  double inner = 0;
  for (const Panel& panel : panels) inner = std::max(inner, HeightOf(panel));
  const double width = kMargin + static_cast<double>(panels.size()) * (kPanelWidth + kMargin);
  const double height = kTop + inner + kMargin;
  const bool svg = path.ends_with(".svg");
  const double scale = svg ? 1 : 2;
  cairo_surface_t* surface =
      svg ? cairo_svg_surface_create(path.c_str(), width, height)
          : cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width * scale),
                                       static_cast<int>(height * scale));
  const Pen pen{cairo_create(surface)};
  cairo_scale(pen.cr, scale, scale);
  cairo_set_source_rgb(pen.cr, 1, 1, 1);
  cairo_paint(pen.cr);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const Panel& panel = panels[i];
    const double x = kMargin + static_cast<double>(i) * (kPanelWidth + kMargin);
    pen.Use(kInk);
    pen.Font(15, true);
    pen.Text(x, 32, panel.title);
    pen.Use(kFaint);
    pen.Font(11);
    pen.Text(x, 50, panel.subtitle);
    if (panel.bars.empty())
      DrawLines(pen, panel, x, kTop, kPanelWidth, inner);
    else
      DrawBars(pen, panel, x, kTop, kPanelWidth);
  }
  cairo_destroy(pen.cr);
  bool good = cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS;
  if (!svg)
    good = cairo_surface_write_to_png(surface, path.c_str()) == CAIRO_STATUS_SUCCESS && good;
  cairo_surface_finish(surface);
  good = good && cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS;
  cairo_surface_destroy(surface);
  return good;
}

}  // namespace bench
