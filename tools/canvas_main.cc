// `canvas`: the command-line tool. This file is how its arguments are written; tools/cli does the
// work.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>

#include "tools/cli/commands.h"
#include "tools/cli/signals.h"

namespace {

namespace cli = canvas::cli;

constexpr const char* kTimes =
    "\nTIME is seconds (90, 90.5), a clock (1:30, 1:02:03.250) or frames of the lane (4320000f).\n";

// Adds a subcommand that works on FILE, with an example below its help.
CLI::App* AddCommand(CLI::App& app, const char* name, const char* purpose, std::string& file,
                     const std::string& example) {
  CLI::App* command = app.add_subcommand(name, purpose);
  command->add_option("FILE", file, "the canvas")->required();
  command->footer("\nExample:\n" + example);
  return command;
}

// Never fails: there may be no standard error.
void PrintError(const std::string& message) {
  std::fputs(("canvas: " + message + "\n").c_str(), stderr);
}

int Report(const canvas::Error& error) {
  PrintError(error.Message());
  return 1;
}

// A canvas must not be opened as descriptor 1 and be printed into.
void OpenStandardDescriptors() {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDWR);
  if (fd >= 0) close(fd);
}

int ReportUsage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
  PrintError(fmt::format("{} (see `canvas --help`)", error.what()));
  return 2;
}

int Run(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");
  CLI::App app("Stores audio along a timeline in one sparse file that several processes share.",
               "canvas");
  app.require_subcommand(1);
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
      ->capture_default_str();
  create_command->add_option("--page-seconds", create.page_seconds, "length of a page")
      ->capture_default_str();
  create_command->add_option("--slots", create.slots, "wide slots: one for each stereo lane")
      ->capture_default_str();
  create_command
      ->add_option("--small-slots", create.small_slots, "small slots: one for each low-rate signal")
      ->capture_default_str();
  create_command
      ->add_option("--hours", create.hours, "length of the timeline; unwritten time costs no disk")
      ->capture_default_str();

  cli::ImportArguments import;
  CLI::App* import_command = AddCommand(
      app, "import", "Put audio files into lanes", import.file,
      std::string("  canvas import song.canvas intro.wav verse.wav --lane voice --at 1:30\n") +
          kTimes);
  import_command->add_option("INPUT", import.inputs, "audio files, any that libsndfile reads")
      ->required();
  import_command->add_option(
      "--lane", import.lane,
      "lane to put them in, end to end; default: one lane each, named like the file");
  import_command->add_option("--at", import.at, "TIME of the first frame")->capture_default_str();

  import_command
      ->add_option("--wait", import.wait_seconds,
                   "SECONDS to wait for a lane that another process owns; default: refuse at once")
      ->check([](const std::string& text) {
        // Written so that what is no number at all (nan) is refused too.
        const double seconds = std::strtod(text.c_str(), nullptr);
        return seconds >= 0 && seconds <= 1e6 ? "" : "it is 0 to 1000000 seconds";
      });

  cli::ExportArguments to_wav;
  const std::map<std::string, cli::SampleFormat> formats = {{"float", cli::SampleFormat::kFloat},
                                                            {"pcm16", cli::SampleFormat::kPcm16},
                                                            {"pcm24", cli::SampleFormat::kPcm24}};
  std::string format = "float";
  CLI::App* export_command = AddCommand(
      app, "export", "Write a lane to a WAV file", to_wav.file,
      std::string(
          "  canvas export song.canvas --lane voice --out voice.wav --from 1:30 --to 2:00\n") +
          kTimes);
  export_command->add_option("--lane", to_wav.lane, "lane to write")->required();
  export_command->add_option("--out", to_wav.out, "WAV file to make; RF64 past 4 GB")->required();
  export_command->add_option("--from", to_wav.from,
                             "TIME of the first frame; default: the lane's first written");
  export_command->add_option("--to", to_wav.to,
                             "TIME after the last frame; default: the lane's last written");
  export_command->add_option("--format", format, "float (bit-exact), pcm16 or pcm24")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();

  cli::ReportArguments info;
  CLI::App* info_command = AddCommand(app, "info", "Show what is in a canvas", info.file,
                                      "  canvas info song.canvas --json\n");
  info_command->add_flag("--json", info.json, "as JSON");

  cli::ReportArguments watch;
  CLI::App* watch_command =
      AddCommand(app, "watch", "Follow what others do to a canvas, until Ctrl-C", watch.file,
                 "  canvas watch song.canvas --json\n");
  watch_command->add_flag("--json", watch.json, "a JSON object a line");

  cli::ReportArguments du;
  CLI::App* du_command = AddCommand(app, "du", "Show what a canvas costs on disk", du.file,
                                    "  canvas du song.canvas\n");
  du_command->add_flag("--json", du.json, "as JSON");

  cli::RemoveArguments remove;
  CLI::App* remove_command = AddCommand(
      app, "rm", "Give the space of a lane back", remove.file,
      std::string("  canvas rm song.canvas --lane voice --from 1:30 --to 10:00\n") + kTimes);
  remove_command->add_option("--lane", remove.lane, "lane to remove")->required();
  remove_command->add_option("--from", remove.from, "only from this TIME on; the lane stays");
  remove_command->add_option("--to", remove.to, "only up to this TIME; the lane stays");

  std::string check_file;
  CLI::App* check_command = AddCommand(app, "check", "Look for anything wrong, without changing it",
                                       check_file, "  canvas check song.canvas\n");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportUsage(app, error);
  }
  to_wav.format = formats.at(format);

  const auto run = [](const std::string& file, auto command) {
    cli::InstallBusGuard(file);
    const canvas::Result<void> result = command();
    return result ? 0 : Report(result.error());
  };
  if (*create_command) return run(create.file, [&] { return cli::RunCreate(create); });
  if (*import_command) return run(import.file, [&] { return cli::RunImport(import); });
  if (*export_command) return run(to_wav.file, [&] { return cli::RunExport(to_wav); });
  if (*info_command) return run(info.file, [&] { return cli::RunInfo(info); });
  if (*watch_command) return run(watch.file, [&] { return cli::RunWatch(watch); });
  if (*du_command) return run(du.file, [&] { return cli::RunDu(du); });
  if (*remove_command) return run(remove.file, [&] { return cli::RunRemove(remove); });
  (void)check_command;  // the only one left
  cli::InstallBusGuard(check_file);
  const auto ok = cli::RunCheck(check_file);
  return ok ? (*ok ? 0 : 1) : Report(ok.error());
}

}  // namespace

int main(int argc, char** argv) {
  OpenStandardDescriptors();
  int code = 1;
  try {
    code = Run(argc, argv);
  } catch (const std::exception& error) {  // of the libraries the tool prints with
    PrintError(error.what());
  }
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  PrintError("standard output: what was printed is lost (check the disk, or where it leads)");
  return code == 0 ? 1 : code;
}
