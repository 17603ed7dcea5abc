#include "tools/cli/answer.h"

#include <fmt/format.h>

#include "tools/cli/terminal.h"

namespace canvas::cli {

Globals& TheGlobals() {
  static Globals globals;
  return globals;
}

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Print(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

void Say(const Json& object, std::string_view words, std::FILE* to) {
  if (TheGlobals().quiet) return;
  if (TheGlobals().json)
    fmt::print(to, "{}\n", Line(object));
  else
    fmt::print(to, "{}", words);
}

void Report(const Error& error) {
  if (!TheGlobals().json) return Note(error.Message());
  std::fflush(stdout);
  const Json json = {{"error",
                      {{"code", ErrorCodeName(error.code())},
                       {"path", error.path()},
                       {"what", error.what()},
                       {"hint", error.hint()}}}};
  std::fputs((Line(json) + "\n").c_str(), stderr);
}

}  // namespace canvas::cli
