// Commands that bring samples in, and out, and measure them.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <string>

#include "tools/cli/commands.h"
#include "tools/cli/midi_export.h"
#include "tools/command_line/command_line.h"

namespace canvas::command_line {

Command AddImport(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ImportArguments>();
  cli::ImportArguments& import = *arguments;
  CLI::App* command = AddCommand(
      app, "import", "Put audio and MIDI files into lanes", import.file,
      std::string(
          "  canvas import song.canvas intro.wav verse.wav --lane voice --at 1:30\n"
          "  ffmpeg -i talk.mp4 -f wav - | canvas import song.canvas - --lane talk\n"
          "  canvas import song.canvas song.mid\n"
          "\nEach track of a MIDI file becomes a lane of events, called as the track is, or "
          "as --lane says\n(with a number, where there are several); its tempi become a "
          "tempo map of the canvas.\n") +
          kTimes);
  command
      ->add_option("INPUT", import.inputs,
                   "audio files, any that libsndfile reads; MIDI files; folders, for all below; - "
                   "for a pipe")
      ->required();
  command->add_option(
      "--lane", import.lane,
      "lane to put them in, end to end; default: one lane each, named like the file");
  CLI::Option* at = command->add_option(
      "--at", import.at, "TIME of the first frame; bext: where the file says it lies; default: 0");
  command->add_flag("--append", import.append, "behind what the lane holds")->excludes(at);
  command->add_flag("--overwrite", import.overwrite,
                    "replace what the lane holds there; without it, that is refused");
  command->add_flag("--strict", import.strict,
                    "refuse files that are cut short, and odd MIDI files");
  command->add_flag("--dense", import.dense,
                    "MIDI: a page of a lane holds 98,304 events, not 16,384, in a wide slot");
  command
      ->add_option("--jobs", import.jobs,
                   "lanes to fill at a time; default: as many as there are processors")
      ->check(CLI::Range(1, 256));
  command
      ->add_option("--wait", import.wait_seconds,
                   "SECONDS to wait for a lane that another process owns; default: refuse "
                   "at once")
      ->check([](const std::string& text) {
        // Written so that what is no number at all (nan) is refused too.
        const double seconds = std::strtod(text.c_str(), nullptr);
        return seconds >= 0 && seconds <= 1e6 ? "" : "it is 0 to 1000000 seconds";
      });
  AddOpening(command);
  Command done = Runs(command, arguments, cli::RunImport);
  done.goes_on_unread = true;
  return done;
}

Command AddExport(CLI::App& app) {
  const auto arguments = std::make_shared<cli::ExportArguments>();
  cli::ExportArguments& to_file = *arguments;
  CLI::App* command = AddCommand(
      app, "export", "Write lanes to audio files, or to a MIDI file", to_file.file,
      std::string("  canvas export song.canvas --lane voice --out voice.wav --from 1:30 --to 2:00\n"
                  "  canvas export song.canvas --all --out-dir stems --format flac,pcm24\n"
                  "  canvas export song.canvas --lane voice --out - | aplay\n"
                  "  canvas export song.canvas --out song.mid\n"
                  "\nA MIDI file takes all lanes of MIDI, or those that --lane names. Lanes of one "
                  "file that nobody\nedited are that file again, byte for byte.\n") +
          kTimesOfLane);
  CLI::Option* lanes =
      command->add_option("--lane", to_file.lanes, "lanes to write: names, or 'drums*'")
          ->take_all();
  CLI::Option* all = command->add_flag("--all", to_file.all, "every lane")->excludes(lanes);
  CLI::Option* out = command->add_option("--out", to_file.out, "file to make; - for a pipe");
  CLI::Option* out_dir =
      command->add_option("--out-dir", to_file.out_dir, "folder to put a file a lane in")
          ->excludes(out);
  command->add_flag("--dither", to_file.dither, "before rounding to pcm16 or pcm24");
  command->add_flag("--bext", to_file.bext,
                    "say in the file where its first frame lies (WAV, RF64)");
  command
      ->add_option("--markers", to_file.markers,
                   "which markers become cue points of a WAV, RF64 or AIFF: those of the lane, all "
                   "(those of the whole canvas too) or none")
      ->check(CLI::IsMember({"lane", "all", "none"}))
      ->capture_default_str();
  command->add_flag("--force", to_file.force, "replace a file that is there; a canvas never");
  command->add_option("--from", to_file.from,
                      "TIME of the first frame; default: the lane's first written");
  command->add_option("--to", to_file.to,
                      "TIME after the last frame; default: the lane's last written");
  command
      ->add_option(
          "--format", to_file.formats,
          "wav, rf64, w64, flac, aiff, caf, au, ogg, opus or mid, default: as the name ends; and "
          "float (bit-exact), pcm16 or pcm24")
      ->check(CLI::IsMember({"wav", "rf64", "w64", "flac", "aiff", "caf", "au", "ogg", "opus",
                             "mid", "float", "pcm16", "pcm24"}))
      ->delimiter(',');
  AddOpening(command);
  Command done = Runs(command, arguments, cli::RunExport);
  done.check = [=] {
    if (!*lanes && !*all && !cli::IsMidiExport(*arguments))
      throw CLI::RequiredError("--lane or --all");
    if (!*out && !*out_dir) throw CLI::RequiredError("--out or --out-dir");
  };
  return done;
}

Command AddCat(CLI::App& app) {
  const auto arguments = std::make_shared<cli::CatArguments>();
  cli::CatArguments& cat = *arguments;
  CLI::App* command = AddCommand(
      app, "cat", "Print the samples of a lane as text, a frame a line", cat.file,
      std::string("  canvas cat song.canvas voice --from 1:30 --to 1:30.5 | head\n"
                  "\nA line is the frame's time in seconds and a sample a channel, with tabs "
                  "between; --json\nmakes it an object. Lines that begin with # tell what is not "
                  "written. Both are exact:\nthe time, given to --from, is this frame, and a "
                  "sample is read back as the same float.\nRaw samples for programs: canvas "
                  "export --out -.\n") +
          kTimesOfLane);
  command->add_option("LANE", cat.lane, "its name")->required();
  command->add_option("--from", cat.from,
                      "TIME of the first frame; default: the lane's first written");
  command->add_option("--to", cat.to,
                      "TIME after the last frame; default: the lane's last written");
  command->add_flag("--zeros", cat.zeros,
                    "zeros for what was never written, not one line for each gap");
  AddOpening(command);
  return Runs(command, arguments, cli::RunCat);
}

Command AddStat(CLI::App& app) {
  const auto arguments = std::make_shared<cli::StatArguments>();
  cli::StatArguments& stat = *arguments;
  CLI::App* command = AddCommand(app, "stat", "Measure lanes: peak, true peak, loudness, silence",
                                 stat.file, "  canvas stat song.canvas --lane voice\n");
  command->add_option("--lane", stat.lanes, "lanes to measure: names, or 'drums*'; default: all")
      ->take_all();
  AddOpening(command);
  return Runs(command, arguments, cli::RunStat);
}

}  // namespace canvas::command_line
