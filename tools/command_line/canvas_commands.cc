// Commands about a whole canvas.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "tools/cli/commands.h"
#include "tools/command_line/command_line.h"

namespace canvas::command_line {

Command AddCreate(CLI::App& app) {
  const auto arguments = std::make_shared<cli::CreateArguments>();
  cli::CreateArguments& create = *arguments;
  CLI::App* command = AddCommand(app, "create", "Make an empty canvas", create.file,
                                 "  canvas create song.canvas --rate 96000 --hours 2\n");
  command
      ->add_option("--rate", create.rate,
                   "sizes the slots: one holds a page of stereo at this rate, in Hz")
      ->check(CLI::Range(1.0, 4294967295.0))
      ->capture_default_str();
  command->add_option("--page-seconds", create.page_seconds, "length of a page")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_option("--slots", create.slots, "wide slots: one for each stereo lane")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--small-slots", create.small_slots, "small slots: one for each low-rate lane")
      ->check(CLI::Range(0, 3072))
      ->capture_default_str();
  command
      ->add_option("--hours", create.hours, "length of the timeline; unwritten time costs no disk")
      ->capture_default_str();
  command->add_option("--mode", create.mode,
                      "who may use it, in octal: 660 shares it with the group; default: 600");
  command->add_option("--title", create.title, "what it is, in words");
  return Runs(command, arguments, cli::RunCreate);
}

Command AddInfo(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ReportArguments>();
  cli::ReportArguments& info = *arguments;
  CLI::App* command = AddCommand(app, "info", "Show what is in a canvas", info.file,
                                 "  canvas info song.canvas --json\n");
  AddOpening(command);
  return Runs(command, arguments, cli::RunInfo);
}

Command AddList(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ReportArguments>();
  cli::ReportArguments& list = *arguments;
  CLI::App* command = AddCommand(app, "ls", "List what is written in each lane, and the gaps",
                                 list.file, "  canvas ls song.canvas\n");
  AddOpening(command);
  return Runs(command, arguments, cli::RunList);
}

Command AddWatch(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ReportArguments>();
  cli::ReportArguments& watch = *arguments;
  CLI::App* command = AddCommand(app, "watch", "Follow what others do to a canvas, until Ctrl-C",
                                 watch.file, "  canvas watch song.canvas --summary\n");
  command->add_flag("--summary", watch.summary, "what was written, once a second and lane at most");
  AddOpening(command);
  return Runs(command, arguments, cli::RunWatch);
}

Command AddDu(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ReportArguments>();
  cli::ReportArguments& du = *arguments;
  CLI::App* command = AddCommand(app, "du", "Show what a canvas costs on disk", du.file,
                                 "  canvas du song.canvas\n");
  AddOpening(command);
  return Runs(command, arguments, cli::RunDu);
}

Command AddResize(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ResizeArguments>();
  cli::ResizeArguments& resize = *arguments;
  CLI::App* command = AddCommand(app, "resize", "Make the timeline longer", resize.file,
                                 "  canvas resize song.canvas --hours 48\n");
  command->add_option("--hours", resize.hours, "its length from now on; it never shrinks")
      ->required();
  AddOpening(command);
  return Runs(command, arguments, cli::RunResize);
}

Command AddCheck(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ReportArguments>();
  cli::ReportArguments& check = *arguments;
  CLI::App* command = AddCommand(app, "check", "Look for anything wrong, without changing it",
                                 check.file, "  canvas check song.canvas\n");
  AddOpening(command);
  return {command, [arguments] {
            cli::InstallBusGuard(arguments->file);
            const auto ok = cli::RunCheck(*arguments);
            return ok ? (*ok ? 0 : 1) : Failed(ok.error());
          }};
}

}  // namespace canvas::command_line
