#include "tools/cli/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace canvas::cli {
namespace {

// Options that a person may be shown: not the ones for help, which every command has.
std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options())
    if (option->nonpositional() && option->get_lnames() != std::vector<std::string>{"help"})
      options.push_back(option);
  return options;
}

std::string LongName(const CLI::Option& option) { return "--" + option.get_lnames().front(); }
bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() != 0; }

// roff: what begins a line with a dot or an apostrophe is a request, and a hyphen is not a minus.
std::string Roff(std::string_view text) {
  std::string out;
  bool start = true;
  for (const char c : text) {
    if (start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    start = c == '\n';
  }
  return out;
}

// What a command's usage line says behind its name.
std::string Synopsis(const CLI::App& command) {
  std::string text;
  for (const CLI::Option* option : command.get_options())
    if (!option->nonpositional())
      text += fmt::format(" \\fI{}\\fR{}", option->get_name(true),
                          option->get_items_expected_max() > 1 ? "..." : "");
  return text + " [\\fIoptions\\fR]";
}

std::string OptionList(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : OptionsOf(app))
    text +=
        fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", Roff(LongName(*option)),
                    TakesValue(*option) ? " \\fIvalue\\fR" : "", Roff(option->get_description()));
  return text;
}

// Where a value is a file: what a shell completes by itself.
bool IsFile(const CLI::Option& option) {
  static const std::vector<std::string> kFiles = {"FILE",  "INPUT", "INTO",
                                                  "OTHER", "--out", "--out-dir"};
  const std::string name = option.nonpositional() ? LongName(option) : option.get_name(true);
  return std::ranges::find(kFiles, name) != kFiles.end();
}

// Within single quotes of a shell.
std::string Quoted(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

std::string Bash(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    std::string options;
    std::string takes;
    // FILE, and then a lane of it.
    const CLI::Option* lane = command->get_option_no_throw("LANE");
    for (const CLI::Option* option : OptionsOf(*command)) {
      options += " " + LongName(*option);
      if (TakesValue(*option) && !IsFile(*option))
        takes += (takes.empty() ? "" : "|") + LongName(*option);
    }
    cases += fmt::format("    {}) options='--help{}'; values='{}'{} ;;\n", command->get_name(),
                         options, takes, lane == nullptr ? "" : "; third=lane");
  }
  return fmt::format(R"sh(# bash completion for canvas
_canvas() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} options values third=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{0} --help --version' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{1}    *) return ;;
  esac
  if [ "$COMP_CWORD$third" = 3lane ] && [ "${{word#-}}" = "$word" ]; then before=--lane; fi
  if [ "$before" = --lane ] || [ "$before" = --with ]; then
    local IFS=$'\n' file=${{COMP_WORDS[2]}}
    [ "${{COMP_WORDS[1]}}" != marker ] || file=${{COMP_WORDS[3]}}
    COMPREPLY=($(compgen -W "$(canvas ls "$file" --json 2>/dev/null |
      sed -n 's/^    "name": "\(.*\)",$/\1/p')" -- "$word"))
    return
  fi
  case "|$values|" in *"|$before|"*) return ;; esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -F _canvas canvas
)sh",
                     commands, cases);
}

// Within a description in brackets of _arguments.
std::string Bracketed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return Quoted(out);
}

std::string Zsh(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    commands +=
        fmt::format("    '{}:{}'\n", command->get_name(), Bracketed(command->get_description()));
    std::string arguments;
    for (const CLI::Option* option : OptionsOf(*command))
      arguments += fmt::format(" \\\n        '{}[{}]{}'", LongName(*option),
                               Bracketed(option->get_description()),
                               !TakesValue(*option) ? ""
                               : IsFile(*option)    ? ":file:_files"
                                                    : ":value:");
    for (const CLI::Option* option : command->get_options())
      if (!option->nonpositional())
        arguments +=
            fmt::format(" \\\n        '{}:{}:{}'", option->get_items_expected_max() > 1 ? "*" : "",
                        option->get_name(true), IsFile(*option) ? "_files" : "");
    cases += fmt::format("      {})\n        _arguments{} ;;\n", command->get_name(), arguments);
  }
  return fmt::format(R"sh(#compdef canvas
_canvas() {{
  local -a commands
  commands=(
{0}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{1}  esac
}}
_canvas "$@"
)sh",
                     commands, cases);
}

std::string Fish(const CLI::App& app) {
  std::string text = "# fish completion for canvas\n";
  const auto quoted = [](std::string_view words) {
    std::string out;
    for (const char c : words) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  for (const CLI::App* command : app.get_subcommands({})) {
    text += fmt::format("complete -c canvas -n __fish_use_subcommand -f -a {} -d '{}'\n",
                        command->get_name(), quoted(command->get_description()));
    for (const CLI::Option* option : OptionsOf(*command))
      text +=
          fmt::format("complete -c canvas -n '__fish_seen_subcommand_from {}' -l {}{} -d '{}'\n",
                      command->get_name(), option->get_lnames().front(),
                      !TakesValue(*option) ? ""
                      : IsFile(*option)    ? " -r"
                                           : " -x",
                      quoted(option->get_description()));
  }
  return text;
}

}  // namespace

std::string ManPage(const CLI::App& app, const CLI::App* command) {
  const std::string name =
      command == nullptr ? "canvas" : fmt::format("canvas-{}", command->get_name());
  const CLI::App& of = command == nullptr ? app : *command;
  std::string title = name;
  for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string text =
      fmt::format(".TH {} 1 \"\" \"canvas\" \"Canvas\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n",
                  Roff(title), Roff(name), Roff(of.get_description()));
  if (command == nullptr) {
    text += "\\fBcanvas\\fR \\fIcommand\\fR ...\n.SH COMMANDS\n";
    for (const CLI::App* each : app.get_subcommands({}))
      text += fmt::format(".TP\n\\fBcanvas\\-{}\\fR(1)\n{}\n", Roff(each->get_name()),
                          Roff(each->get_description()));
  } else {
    text += fmt::format("\\fBcanvas {}\\fR{}\n.SH ARGUMENTS\n", Roff(command->get_name()),
                        Synopsis(*command));
    for (const CLI::Option* option : command->get_options())
      if (!option->nonpositional())
        text += fmt::format(".TP\n\\fI{}\\fR\n{}\n", Roff(option->get_name(true)),
                            Roff(option->get_description()));
  }
  text += ".SH OPTIONS\n" + OptionList(of);
  text +=
      ".SH EXIT STATUS\n0: done. 1: not done, and standard error says why in one line"
      "; of diff, different, and of check, something is wrong. 2: the arguments are wrong; of "
      "diff, trouble.\n";
  std::string footer = of.get_footer();
  constexpr std::string_view kExample = "\nExample:\n";
  if (footer.starts_with(kExample)) footer.erase(0, kExample.size());
  text += ".SH EXAMPLE\n.nf\n" + Roff(footer) + "\n.fi\n";
  return text;
}

std::string Completion(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return Bash(app);
  if (shell == "zsh") return Zsh(app);
  if (shell == "fish") return Fish(app);
  return {};
}

}  // namespace canvas::cli
