// How a command answers: in words, or, for programs, in JSON; and what holds for every command.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "canvas/base/error.h"

namespace canvas::cli {

using Json = nlohmann::ordered_json;

// What holds for every command.
struct Globals {
  bool json = false;
  bool quiet = false;               // says nothing of what was done as it was asked for
  bool allow_remote = false;        // network and FUSE file systems
  std::uint64_t max_map_bytes = 0;  // address space for a canvas; 0: as much as there is
};
Globals& TheGlobals();

// What a command did: `words`, whole lines, or one line of JSON. With --quiet, nothing.
// Never fails: that it could not be said is known at the end, by the stream.
void Say(const Json& object, std::string_view words, std::FILE* to = stdout);
// Whether what is said goes nowhere any more, as whoever read it has left (`| head -1`). That is no
// failure of a command that does something.
bool ReaderLeft();
// What a command was asked for: several lines of JSON, for people too. Names come from files: bytes
// that are no UTF-8 are replaced.
void Print(const Json& json);
// One line of it.
std::string Line(const Json& json);
// What is worth knowing beside: a line on standard error, or an object {"note": TEXT}.
void Remark(std::string_view text);
// How far a command is: {"progress": {"what", "done", "total"}} on standard error, in frames; of
// an unknown total, null.
void TellProgress(const std::string& what, std::uint64_t done, std::uint64_t total);
// What went wrong: on standard error, behind what standard output has so far.
void Report(const Error& error);

}  // namespace canvas::cli
