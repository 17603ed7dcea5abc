#include "tools/cli/answer.h"

#include <fmt/format.h>

#include <cerrno>

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

namespace {
bool g_reader_left = false;
}  // namespace

void Say(const Json& object, std::string_view words, std::FILE* to) {
  if (TheGlobals().quiet || g_reader_left) return;
  const std::string text = TheGlobals().json ? Line(object) + "\n" : std::string(words);
  // What goes wrong here is no reason to stop in the midst of the work: the stream remembers it.
  if (std::fwrite(text.data(), 1, text.size(), to) == text.size()) return;
  if (errno == EPIPE && to == stdout) g_reader_left = true;
}

bool ReaderLeft() { return g_reader_left; }

namespace {

void PutObject(const Json& object) {
  std::fflush(stdout);
  std::fputs((Line(object) + "\n").c_str(), stderr);
}

}  // namespace

void Remark(std::string_view text) {
  if (!TheGlobals().json) return Note(text);
  PutObject({{"note", text}});
}

void TellProgress(const std::string& what, std::uint64_t done, std::uint64_t total) {
  PutObject(
      {{"progress",
        {{"what", what}, {"done", done}, {"total", total == 0 ? Json(nullptr) : Json(total)}}}});
}

void Report(const Error& error) {
  if (!TheGlobals().json) return Complain(error.Message());
  const Json json = {{"error",
                      {{"code", ErrorCodeName(error.code())},
                       {"path", error.path()},
                       {"what", error.what()},
                       {"hint", error.hint()}}}};
  PutObject(json);
}

}  // namespace canvas::cli
