// What each subcommand of `canvas` does, apart from how its arguments are written.
//
// Each prints its results to standard output and answers the error that ends it, if one does.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "tools/cli/audio_file.h"

namespace canvas::cli {

struct CreateArguments {
  std::string file;
  std::uint64_t rate = 48000;
  std::uint32_t page_seconds = 30;
  std::uint32_t slots = 64;
  std::uint32_t small_slots = 128;
  std::string hours = "24";
};
Result<void> RunCreate(const CreateArguments& arguments);

struct ImportArguments {
  std::string file;
  std::vector<std::string> inputs;
  std::optional<std::string> lane;  // default: each input's own name
  std::string at = "0";
  double wait_seconds = 0;  // for a lane that another process owns
};
Result<void> RunImport(const ImportArguments& arguments);

struct ExportArguments {
  std::string file;
  std::string lane;
  std::string out;
  std::optional<std::string> from;
  std::optional<std::string> to;
  SampleFormat format = SampleFormat::kFloat;
};
Result<void> RunExport(const ExportArguments& arguments);

struct ReportArguments {
  std::string file;
  bool json = false;
};
Result<void> RunInfo(const ReportArguments& arguments);
// Until SIGINT or SIGTERM: a line for each change.
Result<void> RunWatch(const ReportArguments& arguments);
Result<void> RunDu(const ReportArguments& arguments);

struct RemoveArguments {
  std::string file;
  std::string lane;
  std::optional<std::string> from;
  std::optional<std::string> to;
};
Result<void> RunRemove(const RemoveArguments& arguments);

// Answers whether nothing is wrong.
Result<bool> RunCheck(const std::string& file);

// How an owner is told, in info and watch alike.
nlohmann::ordered_json OwnerJson(const OwnerInfo& owner);
// "all pages", "page 3", "pages 3 to 9".
std::string PagesText(PageRange pages);

}  // namespace canvas::cli
