// Charts for reports, drawn with cairo: to SVG or PNG, by the file's name.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct Bar {
  std::string label;
  double value = 0;
  std::string text;  // behind the bar
  bool highlight = false;
};

struct Line {
  std::string label;
  std::vector<double> values;  // one a tick; 0 or less: none there
  bool highlight = false;
};

struct Panel {
  std::string title;
  std::string subtitle;
  // Horizontal bars, or lines over ticks; values on a logarithmic axis with this unit.
  std::vector<Bar> bars = {};
  std::vector<std::string> ticks = {};
  std::vector<Line> lines = {};
  std::string unit;
};

// Panels side by side. False where the file cannot be written.
bool Draw(const std::string& path, const std::vector<Panel>& panels);

}  // namespace bench
