// How the arguments of `canvas` are written: what its commands have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "canvas/base/error.h"
#include "tools/cli/answer.h"
#include "tools/cli/commands.h"
#include "tools/cli/signals.h"

namespace canvas::command_line {

inline constexpr const char* kTimes =
    "\nTIME is seconds (90, 90.5), a clock (1:30, 1:02:03.250) or frames of the lane (4320000f).\n";
inline constexpr const char* kTimesOfLane =
    "\nTIME is seconds (90, 90.5), a clock (1:30, 1:02:03.250) or frames of the lane (4320000f); "
    "with\n"
    "a minus, so long before the lane's end (--from=-10).\n";

struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;          // answers the exit code
  std::function<void()> check = {};  // throws CLI::Error where arguments do not fit together
  // It does all of what it was asked for, and leaves no lane half done, when nobody reads any more
  // what it says (`| head -1`).
  bool goes_on_unread = false;
};

// Adds a subcommand that works on FILE, with an example below its help; of several actions, the
// first word is one.
CLI::App* AddCommand(CLI::App& app, const char* name, const char* purpose, std::string& file,
                     const std::string& example, std::string* action = nullptr,
                     const std::vector<std::string>& actions = {});
// The options of one that opens FILE.
void AddOpening(CLI::App* command);

int Failed(const Error& error);

// A command that is done, or fails.
template <typename Arguments>
Command Runs(CLI::App* app, std::shared_ptr<Arguments> arguments,
             Result<void> (*run)(const Arguments&)) {
  return {app, [arguments, run] {
            cli::InstallBusGuard(arguments->file);
            const Result<void> result = run(*arguments);
            return result ? 0 : Failed(result.error());
          }};
}

// The commands, by what they are about. `canvas --help` lists them in another order.
//
// Canvases.
Command AddCreate(CLI::App& app);
Command AddInfo(CLI::App& app);
Command AddList(CLI::App& app);
Command AddWatch(CLI::App& app);
Command AddDu(CLI::App& app);
Command AddResize(CLI::App& app);
Command AddCheck(CLI::App& app);
// The samples of lanes.
Command AddImport(CLI::App& app);
Command AddExport(CLI::App& app);
Command AddCat(CLI::App& app);
Command AddStat(CLI::App& app);
// The events of lanes.
Command AddEvents(CLI::App& app);
Command AddNotes(CLI::App& app);
// Lanes and markers, edited.
Command AddRemove(CLI::App& app);
Command AddSilence(CLI::App& app);
Command AddRename(CLI::App& app);
Command AddDescribe(CLI::App& app);
Command AddMarker(CLI::App& app);
// Two canvases, or several.
Command AddCopy(CLI::App& app);
Command AddFork(CLI::App& app);
Command AddSplit(CLI::App& app);
Command AddDiff(CLI::App& app);

}  // namespace canvas::command_line
