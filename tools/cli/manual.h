// Man pages and completions, out of the description of the arguments that the tool parses with.
//
// Thread safety: pure functions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace canvas::cli {

// man(7) of the tool, or of one of its commands.
std::string ManPage(const CLI::App& app, const CLI::App* command);
// For "bash", "zsh" or "fish"; "" for any other.
std::string Completion(const CLI::App& app, std::string_view shell);

}  // namespace canvas::cli
