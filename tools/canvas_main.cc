// `canvas`: the command-line tool. This file is how its arguments are written; tools/cli does the
// work.
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

namespace {

namespace cli = canvas::cli;

constexpr const char* kTimes =
    "\nTIME is seconds (90, 90.5), a clock (1:30, 1:02:03.250) or frames of the lane (4320000f).\n";
constexpr const char* kTimesOfLane =
    "\nTIME is seconds (90, 90.5), a clock (1:30, 1:02:03.250) or frames of the lane (4320000f); "
    "with\n"
    "a minus, so long before the lane's end (--from=-10).\n";

// Adds a subcommand that works on FILE, with an example below its help; of several actions, the
// first word is one.
CLI::App* AddCommand(CLI::App& app, const char* name, const char* purpose, std::string& file,
                     const std::string& example, std::string* action = nullptr,
                     const std::vector<std::string>& actions = {}) {
  CLI::App* command = app.add_subcommand(name, purpose);
  if (action != nullptr)
    command->add_option("ACTION", *action, "what to do: " + CLI::detail::join(actions, ", "))
        ->check(CLI::IsMember(actions))
        ->required();
  command->add_option("FILE", file, "the canvas")->required();
  command->footer("\nExample:\n" + example);
  command->add_flag(
      "--json", cli::TheGlobals().json,
      "answer in JSON, and errors too; of what is done, an object a line; on standard "
      "error, after a second and once in each, how far it is");
  command->add_flag("--quiet", cli::TheGlobals().quiet, "say nothing but what is wrong");
  command
      ->add_option_function<std::string>(
          "--color",
          [](const std::string& when) {
            cli::UseColor(when == "always"  ? cli::Color::kAlways
                          : when == "never" ? cli::Color::kNever
                                            : cli::Color::kAuto);
          },
          "colors: auto (on a terminal, unless NO_COLOR is set), always or never; default: auto")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->trigger_on_parse();
  command->add_flag("--allow-remote", cli::TheGlobals().allow_remote,
                    "on network and FUSE file systems too, where sharing may not work");
  return command;
}

// One for opening, too.
void AddOpening(CLI::App* command) {
  command
      ->add_option("--map-limit", cli::TheGlobals().max_map_bytes,
                   "address space to use, in bytes (k, M, G are powers of 1024); default: as much "
                   "as the canvas is long, or as there is")
      ->transform(CLI::AsSizeValue(false));
}

CLI::Option* AddLane(CLI::App* command, std::string& lane, const char* purpose) {
  return command->add_option("--lane", lane, purpose)->required();
}

// Never fails: there may be no standard error.
void PrintError(const std::string& message) { cli::Complain(message); }

int Failed(const canvas::Error& error) {
  cli::Report(error);
  return 1;
}

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
  CLI::App app("Stores audio along a timeline in one sparse file that several processes share.",
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

  cli::CreateArguments create;
  CLI::App* create_command = AddCommand(app, "create", "Make an empty canvas", create.file,
                                        "  canvas create song.canvas --rate 96000 --hours 2\n");
  create_command
      ->add_option("--rate", create.rate,
                   "sizes the slots: one holds a page of stereo at this rate, in Hz")
      ->check(CLI::Range(1.0, 4294967295.0))
      ->capture_default_str();
  create_command->add_option("--page-seconds", create.page_seconds, "length of a page")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  create_command->add_option("--slots", create.slots, "wide slots: one for each stereo lane")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  create_command
      ->add_option("--small-slots", create.small_slots, "small slots: one for each low-rate lane")
      ->check(CLI::Range(0, 3072))
      ->capture_default_str();
  create_command
      ->add_option("--hours", create.hours, "length of the timeline; unwritten time costs no disk")
      ->capture_default_str();
  create_command->add_option(
      "--mode", create.mode,
      "who may use it, in octal: 660 shares it with the group; default: 600");
  create_command->add_option("--title", create.title, "what it is, in words");

  cli::ImportArguments import;
  CLI::App* import_command = AddCommand(
      app, "import", "Put audio files into lanes", import.file,
      std::string("  canvas import song.canvas intro.wav verse.wav --lane voice --at 1:30\n"
                  "  ffmpeg -i talk.mp4 -f wav - | canvas import song.canvas - --lane talk\n") +
          kTimes);
  import_command
      ->add_option("INPUT", import.inputs,
                   "audio files, any that libsndfile reads; folders, for all below; - for a pipe")
      ->required();
  import_command->add_option(
      "--lane", import.lane,
      "lane to put them in, end to end; default: one lane each, named like the file");
  CLI::Option* at = import_command->add_option(
      "--at", import.at, "TIME of the first frame; bext: where the file says it lies; default: 0");
  import_command->add_flag("--append", import.append, "behind what the lane holds")->excludes(at);
  import_command->add_flag("--overwrite", import.overwrite,
                           "replace what the lane holds there; without it, that is refused");
  import_command->add_flag("--strict", import.strict, "refuse files that are cut short");
  import_command
      ->add_option("--jobs", import.jobs,
                   "lanes to fill at a time; default: as many as there are processors")
      ->check(CLI::Range(1, 256));
  import_command
      ->add_option("--wait", import.wait_seconds,
                   "SECONDS to wait for a lane that another process owns; default: refuse "
                   "at once")
      ->check([](const std::string& text) {
        // Written so that what is no number at all (nan) is refused too.
        const double seconds = std::strtod(text.c_str(), nullptr);
        return seconds >= 0 && seconds <= 1e6 ? "" : "it is 0 to 1000000 seconds";
      });
  AddOpening(import_command);

  cli::ExportArguments to_file;
  CLI::App* export_command = AddCommand(
      app, "export", "Write lanes to audio files", to_file.file,
      std::string("  canvas export song.canvas --lane voice --out voice.wav --from 1:30 --to 2:00\n"
                  "  canvas export song.canvas --all --out-dir stems --format flac,pcm24\n"
                  "  canvas export song.canvas --lane voice --out - | aplay\n") +
          kTimesOfLane);
  CLI::Option* lanes =
      export_command->add_option("--lane", to_file.lanes, "lanes to write: names, or 'drums*'")
          ->take_all();
  CLI::Option* all = export_command->add_flag("--all", to_file.all, "every lane")->excludes(lanes);
  CLI::Option* out = export_command->add_option("--out", to_file.out, "file to make; - for a pipe");
  CLI::Option* out_dir =
      export_command->add_option("--out-dir", to_file.out_dir, "folder to put a file a lane in")
          ->excludes(out);
  export_command->add_flag("--dither", to_file.dither, "before rounding to pcm16 or pcm24");
  export_command->add_flag("--bext", to_file.bext,
                           "say in the file where its first frame lies (WAV, RF64)");
  export_command
      ->add_option("--markers", to_file.markers,
                   "which markers become cue points of a WAV, RF64 or AIFF: those of the lane, all "
                   "(those of the whole canvas too) or none")
      ->check(CLI::IsMember({"lane", "all", "none"}))
      ->capture_default_str();
  export_command->add_flag("--force", to_file.force,
                           "replace a file that is there; a canvas never");
  export_command->add_option("--from", to_file.from,
                             "TIME of the first frame; default: the lane's first written");
  export_command->add_option("--to", to_file.to,
                             "TIME after the last frame; default: the lane's last written");
  export_command
      ->add_option(
          "--format", to_file.formats,
          "wav, rf64, w64, flac, aiff, caf, au, ogg or opus, default: as the name ends; and "
          "float (bit-exact), pcm16 or pcm24")
      ->check(CLI::IsMember({"wav", "rf64", "w64", "flac", "aiff", "caf", "au", "ogg", "opus",
                             "float", "pcm16", "pcm24"}))
      ->delimiter(',');
  AddOpening(export_command);

  cli::CatArguments cat;
  CLI::App* cat_command = AddCommand(
      app, "cat", "Print the samples of a lane as text, a frame a line", cat.file,
      std::string("  canvas cat song.canvas voice --from 1:30 --to 1:30.5 | head\n"
                  "\nA line is the frame's time in seconds and a sample a channel, with tabs "
                  "between; --json\nmakes it an object. Lines that begin with # tell what is not "
                  "written. Both are exact:\nthe time, given to --from, is this frame, and a "
                  "sample is read back as the same float.\nRaw samples for programs: canvas "
                  "export --out -.\n") +
          kTimesOfLane);
  cat_command->add_option("LANE", cat.lane, "its name")->required();
  cat_command->add_option("--from", cat.from,
                          "TIME of the first frame; default: the lane's first written");
  cat_command->add_option("--to", cat.to,
                          "TIME after the last frame; default: the lane's last written");
  cat_command->add_flag("--zeros", cat.zeros,
                        "zeros for what was never written, not one line for each gap");
  AddOpening(cat_command);

  cli::ReportArguments info;
  CLI::App* info_command = AddCommand(app, "info", "Show what is in a canvas", info.file,
                                      "  canvas info song.canvas --json\n");
  AddOpening(info_command);

  cli::ReportArguments list;
  CLI::App* list_command = AddCommand(app, "ls", "List what is written in each lane, and the gaps",
                                      list.file, "  canvas ls song.canvas\n");
  AddOpening(list_command);

  cli::ReportArguments watch;
  CLI::App* watch_command =
      AddCommand(app, "watch", "Follow what others do to a canvas, until Ctrl-C", watch.file,
                 "  canvas watch song.canvas --summary\n");
  watch_command->add_flag("--summary", watch.summary,
                          "what was written, once a second and lane at most");
  AddOpening(watch_command);

  cli::ReportArguments du;
  CLI::App* du_command = AddCommand(app, "du", "Show what a canvas costs on disk", du.file,
                                    "  canvas du song.canvas\n");
  AddOpening(du_command);

  cli::RangeArguments remove;
  CLI::App* remove_command = AddCommand(
      app, "rm", "Give the space of a lane back", remove.file,
      std::string("  canvas rm song.canvas --lane voice --from 1:30 --to 10:00\n") + kTimesOfLane);
  AddLane(remove_command, remove.lane, "lane to remove");
  remove_command->add_option("--from", remove.from, "only from this TIME on; the lane stays");
  remove_command->add_option("--to", remove.to, "only up to this TIME; the lane stays");
  AddOpening(remove_command);

  cli::RangeArguments silence;
  CLI::App* silence_command =
      AddCommand(app, "silence", "Write zeros over what a lane holds", silence.file,
                 std::string("  canvas silence song.canvas --lane voice --from 1:30 --to 1:32\n") +
                     kTimesOfLane);
  AddLane(silence_command, silence.lane, "lane to silence");
  silence_command->add_option("--from", silence.from, "from this TIME on; default: the beginning");
  silence_command->add_option("--to", silence.to, "up to this TIME; default: the end");
  AddOpening(silence_command);

  cli::ResizeArguments resize;
  CLI::App* resize_command = AddCommand(app, "resize", "Make the timeline longer", resize.file,
                                        "  canvas resize song.canvas --hours 48\n");
  resize_command->add_option("--hours", resize.hours, "its length from now on; it never shrinks")
      ->required();
  AddOpening(resize_command);

  cli::TextArguments rename;
  CLI::App* rename_command = AddCommand(app, "mv", "Give a lane another name", rename.file,
                                        "  canvas mv song.canvas voice 'lead voice'\n");
  rename_command->add_option("LANE", rename.lane, "its name")->required();
  rename_command->add_option("NAME", rename.text, "its new name")->required();
  AddOpening(rename_command);

  cli::TextArguments describe;
  CLI::App* describe_command =
      AddCommand(app, "describe", "Say in words what a lane is", describe.file,
                 "  canvas describe song.canvas voice 'second take, 3 March'\n");
  describe_command->add_option("LANE", describe.lane, "its name")->required();
  describe_command->add_option("TEXT", describe.text, "what it is")->required();
  AddOpening(describe_command);

  cli::CopyArguments copy;
  CLI::App* copy_command = AddCommand(
      app, "cp", "Copy lanes to another canvas, which is made where there is none", copy.file,
      std::string(
          "  canvas cp song.canvas copy.canvas\n"
          "  canvas cp song.canvas mix.canvas --lane 'drums*' --from 1:00 --to 2:00 --at 0\n"
          "\nBeside whoever writes: every block is one version of it. Other ways of copying "
          "need to\nbe told that the file has holes: cp --sparse=always, rsync -S, tar -S.\n") +
          kTimesOfLane);
  copy_command->add_option("INTO", copy.into, "the other canvas")->required();
  copy_command->add_option("--lane", copy.lanes, "lanes to copy: names, or 'drums*'; default: all")
      ->take_all();
  copy_command->add_option("--as", copy.as, "what the lane is to be called there");
  copy_command->add_option("--from", copy.from, "TIME of the first frame to copy");
  copy_command->add_option("--to", copy.to, "TIME after the last");
  copy_command->add_option("--at", copy.at,
                           "TIME that the first is to have there; default: the same");
  copy_command->add_flag("--overwrite", copy.overwrite,
                         "replace what the lanes there hold; without it, that is refused");
  AddOpening(copy_command);

  cli::ForkArguments fork;
  CLI::App* fork_command = AddCommand(
      app, "fork", "Make a canvas that shares its blocks with another (reflink)", fork.file,
      "  canvas fork song.canvas before-the-mix.canvas\n"
      "\nAt once, and at no cost until either is written to; on xfs and btrfs. Beside writers "
      "the new\ncanvas is as if all of them had been killed at one instant: across all lanes, "
      "every block old\nor new. It has a uuid of its own, and no owners. What is still shared is "
      "copied when it is\nwritten to, in either canvas, and room for that is not reserved: on a "
      "full disk a writer of\neither is ended. Where there are no reflinks, canvas cp copies: "
      "each block is one version, and\nblocks may be of different instants.\n");
  fork_command->add_option("INTO", fork.into, "the new canvas")->required();
  fork_command->add_flag("--copy", fork.copy,
                         "copy as cp does, where the file system has no reflinks");
  AddOpening(fork_command);

  cli::SplitArguments split;
  CLI::App* split_command = AddCommand(
      app, "split", "Cut a canvas into several along the timeline", split.file,
      std::string(
          "  canvas split set.canvas --at 12:30 --at 48:00 --out-dir songs\n"
          "  canvas split day.canvas --every 1:00:00 --out-dir hours\n"
          "\nThe pieces are called day-01.canvas and so on; a number is left out where nothing "
          "is\nwritten. Each starts at zero and has all lanes, with their names, descriptions and "
          "speakers.\nTempo maps go to the first piece alone: their ticks count from the "
          "beginning. All pieces\nare made, or none; every block is one version, as with cp.\n") +
          kTimes);
  CLI::Option* split_at =
      split_command->add_option("--at", split.at, "TIME to cut at; several times")->take_all();
  CLI::Option* split_every =
      split_command->add_option("--every", split.every, "TIME that a piece is long")
          ->excludes(split_at);
  split_command->add_option("--out-dir", split.out_dir, "folder to put the pieces in")->required();
  split_command->add_flag("--force", split.force,
                          "replace canvases that are there, of the pieces' names");
  AddOpening(split_command);

  cli::DiffArguments diff;
  CLI::App* diff_command = AddCommand(
      app, "diff", "Say where two canvases, or two lanes, differ; exit 1 if they do", diff.file,
      "  canvas diff song.canvas copy.canvas\n"
      "  canvas diff song.canvas song.canvas --lane 'take 1' --with 'take 2'\n");
  diff_command->add_option("OTHER", diff.other, "the other canvas")->required();
  CLI::Option* diff_lane = diff_command->add_option("--lane", diff.lane, "only these lanes");
  diff_command->add_option("--with", diff.with, "the lane of the other to compare with")
      ->needs(diff_lane);
  AddOpening(diff_command);

  cli::MarkerArguments marker;
  CLI::App* marker_command = AddCommand(
      app, "marker", "Add, list and remove named points and ranges of the timeline", marker.file,
      std::string("  canvas marker add song.canvas 1:30 --to 2:00 --name chorus --rgb '#ff8800'\n"
                  "  canvas marker add song.canvas 96000f --lane voice --tag breath --data "
                  "'{\"take\": 3}'\n"
                  "  canvas marker ls song.canvas\n"
                  "  canvas marker rm song.canvas 3 4\n") +
          kTimes,
      &marker.action, {"add", "ls", "rm"});
  marker_command->add_option("WHAT", marker.what,
                             "add: the TIME of the marker, or of its beginning; rm: the ids of "
                             "those to remove");
  marker_command->add_option("--to", marker.to, "TIME that the range ends at; default: a point");
  marker_command->add_option("--name", marker.name, "what it is called");
  marker_command->add_option("--rgb", marker.color, "such as '#ff8800'; black says none");
  marker_command
      ->add_option("--tag", marker.tags,
                   "a word to find it by, as often as there are; ls: only those that have it")
      ->allow_extra_args(false);
  marker_command->add_option("--data", marker.data, "JSON to keep with it");
  marker_command->add_option(
      "--lane", marker.lane,
      "the lane whose it is; default: the whole canvas; ls: only those of this lane");
  AddOpening(marker_command);

  cli::StatArguments stat;
  CLI::App* stat_command =
      AddCommand(app, "stat", "Measure lanes: peak, true peak, loudness, silence", stat.file,
                 "  canvas stat song.canvas --lane voice\n");
  stat_command
      ->add_option("--lane", stat.lanes, "lanes to measure: names, or 'drums*'; default: all")
      ->take_all();
  AddOpening(stat_command);

  cli::ReportArguments check;
  CLI::App* check_command = AddCommand(app, "check", "Look for anything wrong, without changing it",
                                       check.file, "  canvas check song.canvas\n");
  AddOpening(check_command);

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
    if (*export_command && !*lanes && !*all) throw CLI::RequiredError("--lane or --all");
    if (*export_command && !*out && !*out_dir) throw CLI::RequiredError("--out or --out-dir");
    if (*split_command && !*split_at && !*split_every) throw CLI::RequiredError("--at or --every");
  } catch (const CLI::ParseError& error) {
    return ReportUsage(app, error, argc, argv);
  }

  if (cli::TheGlobals().quiet) cli::ProgressBar::TurnOff();
  if (cli::TheGlobals().json) cli::ProgressBar::TellTo(cli::TellProgress);
  if (*manual_command) return PrintManual(app, manual);

  // Who reads what they say may leave (`| head -1`): they do all of what they were asked for, and
  // leave no lane half done.
  if (*import_command || *copy_command) std::signal(SIGPIPE, SIG_IGN);
  const auto run = [](const std::string& file, auto command) {
    cli::InstallBusGuard(file);
    const canvas::Result<void> result = command();
    return result ? 0 : Failed(result.error());
  };
  if (*create_command) return run(create.file, [&] { return cli::RunCreate(create); });
  if (*import_command) return run(import.file, [&] { return cli::RunImport(import); });
  if (*export_command) return run(to_file.file, [&] { return cli::RunExport(to_file); });
  if (*cat_command) return run(cat.file, [&] { return cli::RunCat(cat); });
  if (*info_command) return run(info.file, [&] { return cli::RunInfo(info); });
  if (*list_command) return run(list.file, [&] { return cli::RunList(list); });
  if (*watch_command) return run(watch.file, [&] { return cli::RunWatch(watch); });
  if (*du_command) return run(du.file, [&] { return cli::RunDu(du); });
  if (*remove_command) return run(remove.file, [&] { return cli::RunRemove(remove); });
  if (*silence_command) return run(silence.file, [&] { return cli::RunSilence(silence); });
  if (*resize_command) return run(resize.file, [&] { return cli::RunResize(resize); });
  if (*rename_command) return run(rename.file, [&] { return cli::RunRename(rename); });
  if (*describe_command) return run(describe.file, [&] { return cli::RunDescribe(describe); });
  if (*copy_command) return run(copy.file, [&] { return cli::RunCopy(copy); });
  if (*fork_command) return run(fork.file, [&] { return cli::RunFork(fork); });
  if (*split_command) return run(split.file, [&] { return cli::RunSplit(split); });
  if (*marker_command) return run(marker.file, [&] { return cli::RunMarker(marker); });
  if (*stat_command) return run(stat.file, [&] { return cli::RunStat(stat); });
  if (*diff_command) {
    cli::InstallBusGuard(diff.file);
    const auto same = cli::RunDiff(diff);
    if (same) return *same ? 0 : 1;
    cli::Report(same.error());
    return 2;  // as diff(1): trouble
  }
  (void)check_command;  // the only one left
  cli::InstallBusGuard(check.file);
  const auto ok = cli::RunCheck(check);
  return ok ? (*ok ? 0 : 1) : Failed(ok.error());
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
