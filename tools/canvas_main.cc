// `canvas`: the command-line tool. tools/command_line is how its arguments are written; tools/cli
// does the work.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "tools/cli/commands.h"
#include "tools/cli/manual.h"
#include "tools/cli/signals.h"
#include "tools/cli/terminal.h"
#include "tools/command_line/command_line.h"

namespace {

namespace cli = canvas::cli;
namespace command_line = canvas::command_line;
using command_line::Command;

// Never fails: there may be no standard error.
void PrintError(const std::string& message) { cli::Complain(message); }

// A canvas must not be opened as descriptor 1 and be printed into.
void OpenStandardDescriptors() {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDWR);
  if (fd >= 0) close(fd);
}

// A word that is no command was perhaps meant to be one.
std::string Suggestion(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (argc < 2 || *argv[1] == '-' || std::ranges::find(names, argv[1]) != names.end()) return {};
  const std::string nearest = cli::NearestOf(argv[1], names);
  return fmt::format("there is no command '{}'{}", argv[1],
                     nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
}

int ReportUsage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
  std::string what = Suggestion(app, argc, argv);
  if (what.empty()) what = error.what();
  // CLI11 says some things in several lines.
  while (what.ends_with('\n')) what.pop_back();
  std::ranges::replace(what, '\n', ' ');
  if (std::any_of(argv, argv + argc, [](const char* a) { return std::strcmp(a, "--json") == 0; })) {
    cli::TheGlobals().json = true;
    cli::Report(canvas::Error(canvas::ErrorCode::kInvalidArgument, what, "see `canvas --help`"));
    return 2;
  }
  const bool dash = std::any_of(argv + 1, argv + argc, [](const char* argument) {
    return argument[0] == '-' && argument[1] != '-' && std::strchr(argument, '.') != nullptr;
  });
  PrintError(
      fmt::format("{} (see `canvas --help`{})", what,
                  dash ? "; a name that begins with a dash goes behind --, or as ./-name" : ""));
  return 2;
}

int PrintManual(const CLI::App& app, const std::string& what) {
  std::string text = cli::Completion(app, what);
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == what) text = cli::ManPage(app, command);
    if (what == "commands") text += command->get_name() + "\n";
  }
  if (what == "canvas") text = cli::ManPage(app, nullptr);
  if (text.empty()) {
    PrintError(fmt::format("there is no command '{}' (see `canvas manual --help`)", what));
    return 2;
  }
  std::fputs(text.c_str(), stdout);
  return 0;
}

int Run(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");
  CLI::App app(
      "Stores audio and MIDI along a timeline in one sparse file that several processes share.",
      "canvas");
  app.require_subcommand(1);
  app.set_version_flag("--version", "canvas 0.1, format 1");
  app.footer(
      "\nExample:\n"
      "  canvas create song.canvas\n"
      "  canvas import song.canvas strings.wav drums.flac\n"
      "  canvas info song.canvas\n"
      "  canvas export song.canvas --lane strings --out strings-again.wav\n\n"
      "`canvas COMMAND --help` shows an example of each.");

  std::vector<Command> commands;
  for (const auto add :
       {command_line::AddCreate, command_line::AddImport, command_line::AddExport,
        command_line::AddCat,    command_line::AddEvents, command_line::AddNotes,
        command_line::AddInfo,   command_line::AddList,   command_line::AddWatch,
        command_line::AddDu,     command_line::AddRemove, command_line::AddSilence,
        command_line::AddResize, command_line::AddRename, command_line::AddDescribe,
        command_line::AddCopy,   command_line::AddFork,   command_line::AddSplit,
        command_line::AddDiff,   command_line::AddMarker, command_line::AddStat,
        command_line::AddCheck})
    commands.push_back(add(app));

  // For tools/install: what can be known from the above alone.
  std::string manual;
  CLI::App* manual_command =
      app.add_subcommand("manual", "Print a man page, or a completion for a shell");
  manual_command
      ->add_option(
          "WHAT", manual,
          "canvas, or a command: its man page; bash, zsh or fish: its completion; commands")
      ->required();
  manual_command->footer("\nExample:\n  canvas manual import | man -l -\n");

  try {
    app.parse(argc, argv);
    for (const Command& command : commands)
      if (*command.app && command.check) command.check();
  } catch (const CLI::ParseError& error) {
    return ReportUsage(app, error, argc, argv);
  }

  if (cli::TheGlobals().quiet) cli::ProgressBar::TurnOff();
  if (cli::TheGlobals().json) cli::ProgressBar::TellTo(cli::TellProgress);
  if (*manual_command) return PrintManual(app, manual);
  const auto chosen = std::ranges::find_if(commands, [](const Command& c) { return bool(*c.app); });
  if (chosen->goes_on_unread) std::signal(SIGPIPE, SIG_IGN);
  return chosen->run();
}

}  // namespace

int main(int argc, char** argv) {
  OpenStandardDescriptors();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file size is an error like others
  // Line by line into a pipe too: what was said is out, whatever ends the process.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  int code = 1;
  try {
    code = Run(argc, argv);
  } catch (const std::exception& error) {  // of the libraries the tool prints with
    PrintError(error.what());
  }
  if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || cli::ReaderLeft()) return code;
  PrintError("standard output: what was printed is lost (check the disk, or where it leads)");
  return code == 0 ? 1 : code;
}
