// Commands that show what lanes of events hold.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "tools/cli/commands.h"
#include "tools/command_line/command_line.h"

namespace canvas::command_line {
namespace {

Command Add(CLI::App& app, const char* name, const char* purpose, const std::string& example,
            Result<void> (*run)(const cli::EventsArguments&)) {
  const auto arguments = std::make_shared<cli::EventsArguments>();
  cli::EventsArguments& events = *arguments;
  CLI::App* command = AddCommand(app, name, purpose, events.file, example + kTimesOfLane);
  command
      ->add_option("--lane", events.lanes,
                   "lanes to list: names, or 'drums*'; default: all that hold events")
      ->take_all();
  command->add_option("--from", events.from, "TIME of the first; default: the beginning");
  command->add_option("--to", events.to, "TIME after the last; default: the end");
  AddOpening(command);
  return Runs(command, arguments, run);
}

}  // namespace

Command AddEvents(CLI::App& app) {
  return Add(app, "events", "List the events of lanes, an event a line, by their time",
             "  canvas events song.canvas --lane piano --from 1:30 --to 2:00\n"
             "\nA line is the event's time, its tick in the file that it came from, its lane, and "
             "what it\nis. --json makes it an object, with the event's bytes.\n",
             cli::RunEvents);
}

Command AddNotes(CLI::App& app) {
  return Add(app, "notes", "List the notes of lanes of MIDI: when, how long, which",
             "  canvas notes song.canvas --lane piano\n"
             "\nC4 is 60. Those that nothing ends, and ends of none, are listed and named.\n",
             cli::RunNotes);
}

}  // namespace canvas::command_line
