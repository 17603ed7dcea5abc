#include "tools/command_line/command_line.h"

#include "tools/cli/terminal.h"

namespace canvas::command_line {

CLI::App* AddCommand(CLI::App& app, const char* name, const char* purpose, std::string& file,
                     const std::string& example, std::string* action,
                     const std::vector<std::string>& actions) {
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

void AddOpening(CLI::App* command) {
  command
      ->add_option("--map-limit", cli::TheGlobals().max_map_bytes,
                   "address space to use, in bytes (k, M, G are powers of 1024); default: as much "
                   "as the canvas is long, or as there is")
      ->transform(CLI::AsSizeValue(false));
}

int Failed(const Error& error) {
  cli::Report(error);
  return 1;
}

}  // namespace canvas::command_line
