// Draws charts (chart.h) from a description in JSON: for reports.
//
//   draw PANELS.json OUT.svg|png
//
//   [{"title": "", "subtitle": "", "unit": "ns", "bars": [{"label": "", "value": 1,
//     "text": "", "highlight": false}],
//     "ticks": [""], "lines": [{"label": "", "values": [1], "highlight": false}]}]
#include <fmt/format.h>

#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/chart.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} PANELS.json OUT.svg|png\n", argv[0]);
    return 2;
  }
  try {
    std::ifstream in(argv[1]);
    std::vector<bench::Panel> panels;
    for (const auto& item : nlohmann::json::parse(in)) {
      bench::Panel panel{.title = item.value("title", ""),
                         .subtitle = item.value("subtitle", ""),
                         .unit = item.value("unit", "")};
      for (const auto& bar : item.value("bars", nlohmann::json::array()))
        panel.bars.push_back({bar.value("label", ""), bar.value("value", 0.0),
                              bar.value("text", ""), bar.value("highlight", false)});
      panel.ticks = item.value("ticks", std::vector<std::string>());
      for (const auto& line : item.value("lines", nlohmann::json::array()))
        panel.lines.push_back({line.value("label", ""), line.value("values", std::vector<double>()),
                               line.value("highlight", false)});
      panels.push_back(std::move(panel));
    }
    if (bench::Draw(argv[2], panels)) return 0;
    fmt::print(stderr, "{} cannot be written\n", argv[2]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", argv[1], error.what());
  }
  return 1;
}
