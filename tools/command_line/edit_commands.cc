// Commands that change lanes and markers.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "tools/cli/commands.h"
#include "tools/command_line/command_line.h"

namespace canvas::command_line {

namespace {

CLI::Option* AddLane(CLI::App* command, std::string& lane, const char* purpose) {
  return command->add_option("--lane", lane, purpose)->required();
}

}  // namespace

Command AddRemove(CLI::App& app) {
  const auto arguments = std::make_shared<cli::RangeArguments>();
  cli::RangeArguments& remove = *arguments;
  CLI::App* command = AddCommand(
      app, "rm", "Give the space of a lane back", remove.file,
      std::string("  canvas rm song.canvas --lane voice --from 1:30 --to 10:00\n") + kTimesOfLane);
  AddLane(command, remove.lane, "lane to remove");
  command->add_option("--from", remove.from, "only from this TIME on; the lane stays");
  command->add_option("--to", remove.to, "only up to this TIME; the lane stays");
  AddOpening(command);
  return Runs(command, arguments, cli::RunRemove);
}

Command AddSilence(CLI::App& app) {
  const auto arguments = std::make_shared<cli::RangeArguments>();
  cli::RangeArguments& silence = *arguments;
  CLI::App* command =
      AddCommand(app, "silence", "Write zeros over what a lane holds", silence.file,
                 std::string("  canvas silence song.canvas --lane voice --from 1:30 --to 1:32\n") +
                     kTimesOfLane);
  AddLane(command, silence.lane, "lane to silence");
  command->add_option("--from", silence.from, "from this TIME on; default: the beginning");
  command->add_option("--to", silence.to, "up to this TIME; default: the end");
  AddOpening(command);
  return Runs(command, arguments, cli::RunSilence);
}

Command AddRename(CLI::App& app) {
  const auto arguments = std::make_shared<cli::TextArguments>();
  cli::TextArguments& rename = *arguments;
  CLI::App* command = AddCommand(app, "mv", "Give a lane another name", rename.file,
                                 "  canvas mv song.canvas voice 'lead voice'\n");
  command->add_option("LANE", rename.lane, "its name")->required();
  command->add_option("NAME", rename.text, "its new name")->required();
  AddOpening(command);
  return Runs(command, arguments, cli::RunRename);
}

Command AddDescribe(CLI::App& app) {
  const auto arguments = std::make_shared<cli::TextArguments>();
  cli::TextArguments& describe = *arguments;
  CLI::App* command = AddCommand(app, "describe", "Say in words what a lane is", describe.file,
                                 "  canvas describe song.canvas voice 'second take, 3 March'\n");
  command->add_option("LANE", describe.lane, "its name")->required();
  command->add_option("TEXT", describe.text, "what it is")->required();
  AddOpening(command);
  return Runs(command, arguments, cli::RunDescribe);
}

Command AddMarker(CLI::App& app) {
  const auto arguments = std::make_shared<cli::MarkerArguments>();
  cli::MarkerArguments& marker = *arguments;
  CLI::App* command = AddCommand(
      app, "marker", "Add, list and remove named points and ranges of the timeline", marker.file,
      std::string("  canvas marker add song.canvas 1:30 --to 2:00 --name chorus --rgb '#ff8800'\n"
                  "  canvas marker add song.canvas 96000f --lane voice --tag breath --data "
                  "'{\"take\": 3}'\n"
                  "  canvas marker ls song.canvas\n"
                  "  canvas marker rm song.canvas 3 4\n") +
          kTimes,
      &marker.action, {"add", "ls", "rm"});
  command->add_option("WHAT", marker.what,
                      "add: the TIME of the marker, or of its beginning; rm: the ids of "
                      "those to remove");
  command->add_option("--to", marker.to, "TIME that the range ends at; default: a point");
  command->add_option("--name", marker.name, "what it is called");
  command->add_option("--rgb", marker.color, "such as '#ff8800'; black says none");
  command
      ->add_option("--tag", marker.tags,
                   "a word to find it by, as often as there are; ls: only those that have it")
      ->allow_extra_args(false);
  command->add_option("--data", marker.data, "JSON to keep with it");
  command->add_option(
      "--lane", marker.lane,
      "the lane whose it is; default: the whole canvas; ls: only those of this lane");
  AddOpening(command);
  return Runs(command, arguments, cli::RunMarker);
}

}  // namespace canvas::command_line
