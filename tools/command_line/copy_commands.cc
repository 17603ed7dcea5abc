// Commands about more than one canvas.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "tools/cli/commands.h"
#include "tools/command_line/command_line.h"

namespace canvas::command_line {

Command AddCopy(CLI::App& app) {
  const auto arguments = std::make_shared<cli::CopyArguments>();
  cli::CopyArguments& copy = *arguments;
  CLI::App* command = AddCommand(
      app, "cp", "Copy lanes to another canvas, which is made where there is none", copy.file,
      std::string(
          "  canvas cp song.canvas copy.canvas\n"
          "  canvas cp song.canvas mix.canvas --lane 'drums*' --from 1:00 --to 2:00 --at 0\n"
          "\nBeside whoever writes: every block is one version of it. Other ways of copying "
          "need to\nbe told that the file has holes: cp --sparse=always, rsync -S, tar -S.\n") +
          kTimesOfLane);
  command->add_option("INTO", copy.into, "the other canvas")->required();
  command->add_option("--lane", copy.lanes, "lanes to copy: names, or 'drums*'; default: all")
      ->take_all();
  command->add_option("--as", copy.as, "what the lane is to be called there");
  command->add_option("--from", copy.from, "TIME of the first frame to copy");
  command->add_option("--to", copy.to, "TIME after the last");
  command->add_option("--at", copy.at, "TIME that the first is to have there; default: the same");
  command->add_flag("--overwrite", copy.overwrite,
                    "replace what the lanes there hold; without it, that is refused");
  AddOpening(command);
  Command done = Runs(command, arguments, cli::RunCopy);
  done.goes_on_unread = true;
  return done;
}

Command AddFork(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ForkArguments>();
  cli::ForkArguments& fork = *arguments;
  CLI::App* command = AddCommand(
      app, "fork", "Make a canvas that shares its blocks with another (reflink)", fork.file,
      "  canvas fork song.canvas before-the-mix.canvas\n"
      "\nAt once, and at no cost until either is written to; on xfs and btrfs. Beside writers "
      "the new\ncanvas is as if all of them had been killed at one instant: across all lanes, "
      "every block old\nor new. It has a uuid of its own, and no owners. What is still shared is "
      "copied when it is\nwritten to, in either canvas, and room for that is not reserved: on a "
      "full disk a writer of\neither is ended. Where there are no reflinks, canvas cp copies: "
      "each block is one version, and\nblocks may be of different instants.\n");
  command->add_option("INTO", fork.into, "the new canvas")->required();
  command->add_flag("--copy", fork.copy, "copy as cp does, where the file system has no reflinks");
  AddOpening(command);
  return Runs(command, arguments, cli::RunFork);
}

Command AddSplit(CLI::App& app) {
  const auto arguments = std::make_shared<cli::SplitArguments>();
  cli::SplitArguments& split = *arguments;
  CLI::App* command = AddCommand(
      app, "split", "Cut a canvas into several along the timeline", split.file,
      std::string(
          "  canvas split set.canvas --at 12:30 --at 48:00 --out-dir songs\n"
          "  canvas split day.canvas --every 1:00:00 --out-dir hours\n"
          "\nThe pieces are called day-01.canvas and so on; a number is left out where nothing "
          "is\nwritten. Each starts at zero and has all lanes, with their names, descriptions and "
          "speakers.\nTempo maps go to the first piece alone, as their ticks count from the "
          "beginning; those of\nlanes of events go with these. All pieces are made, or none; "
          "every block is one version, as\nwith cp.\n") +
          kTimes);
  CLI::Option* split_at =
      command->add_option("--at", split.at, "TIME to cut at; several times")->take_all();
  CLI::Option* split_every =
      command->add_option("--every", split.every, "TIME that a piece is long")->excludes(split_at);
  command->add_option("--out-dir", split.out_dir, "folder to put the pieces in")->required();
  command->add_flag("--force", split.force,
                    "replace canvases that are there, of the pieces' names");
  AddOpening(command);
  Command done = Runs(command, arguments, cli::RunSplit);
  done.check = [=] {
    if (!*split_at && !*split_every) throw CLI::RequiredError("--at or --every");
  };
  return done;
}

Command AddDiff(CLI::App& app) {
  const auto arguments = std::make_shared<cli::DiffArguments>();
  cli::DiffArguments& diff = *arguments;
  CLI::App* command = AddCommand(
      app, "diff", "Say where two canvases, or two lanes, differ; exit 1 if they do", diff.file,
      "  canvas diff song.canvas copy.canvas\n"
      "  canvas diff song.canvas song.canvas --lane 'take 1' --with 'take 2'\n");
  command->add_option("OTHER", diff.other, "the other canvas")->required();
  CLI::Option* diff_lane = command->add_option("--lane", diff.lane, "only these lanes");
  command->add_option("--with", diff.with, "the lane of the other to compare with")
      ->needs(diff_lane);
  AddOpening(command);
  // As diff(1): 2 is trouble.
  return {command, [arguments] {
            cli::InstallBusGuard(arguments->file);
            const auto same = cli::RunDiff(*arguments);
            if (same) return *same ? 0 : 1;
            cli::Report(same.error());
            return 2;
          }};
}

}  // namespace canvas::command_line
