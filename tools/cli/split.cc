// split: one canvas into several along the timeline, all of them or none.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/copy.h"
#include "tools/cli/event_lanes.h"
#include "tools/cli/signals.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNanoseconds = 1'000'000'000;
constexpr std::size_t kMostPieces = 10000;

// Where one piece ends and the next begins.
struct Cut {
  Position position;
  std::int64_t key = 0;  // what cuts are ordered by: nanoseconds, or frames
  Rate key_rate{kNanoseconds, 1};
};

// In frames, or exactly in nanoseconds.
Result<Cut> CutAt(const Position& position, std::optional<Rate> frames_of) {
  if (frames_of) {
    CANVAS_ASSIGN(const Frame frame, position.ToFrame(*frames_of));
    return Cut{{.is_frame = true, .time = {}, .frame = frame}, frame.value(), *frames_of};
  }
  return Cut{position, position.time.num * (kNanoseconds / position.time.den),
             Rate{kNanoseconds, 1}};
}

struct Piece {
  std::size_t number = 0;  // from 1
  std::string path;
  std::string part;  // its name until all are whole
  Cut from;
  std::vector<LaneCopy> lanes;
  std::uint64_t pages = 1;
  bool any = false;        // something is written in it
  bool exchanged = false;  // `part` is what was replaced
};

// Where --at and --every cut, ascending, without the beginning.
Result<std::vector<Cut>> Cuts(const SplitArguments& arguments, const Canvas& canvas,
                              const std::vector<LaneInfo>& lanes) {
  std::vector<Position> given;
  const std::vector<std::string> texts =
      arguments.every ? std::vector{*arguments.every} : arguments.at;
  for (const std::string& text : texts) {
    CANVAS_ASSIGN(const Position position, ParsePosition(text));
    given.push_back(position);
  }
  std::optional<Rate> frames_of;
  if (std::ranges::any_of(given, &Position::is_frame)) {
    frames_of = lanes.front().rate;
    for (const LaneInfo& lane : lanes)
      if (lane.rate != *frames_of)
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("lanes '{}' and '{}' have other rates: a number of frames is no "
                                "one moment of both",
                                lanes.front().name, lane.name),
                    "give seconds, or a clock");
  }
  std::vector<Cut> cuts;
  if (arguments.every) {
    CANVAS_ASSIGN(const Cut step, CutAt(given.front(), frames_of));
    if (step.key <= 0)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--every {}: a piece has some length", *arguments.every));
    Frame end(0);
    for (const LaneInfo& lane : lanes) {
      CANVAS_ASSIGN(const LaneExtent extent, ExtentOf(canvas, lane));
      end = std::max(end, ToRateUp(extent.end, lane.rate, step.key_rate));
    }
    for (std::int64_t key = step.key; key < end.value(); key += step.key) {
      if (cuts.size() + 1 == kMostPieces)
        return Fail(ErrorCode::kLimit, fmt::format("more than {} pieces", kMostPieces),
                    "give a longer --every");
      Cut cut = step;
      cut.key = key;
      if (frames_of)
        cut.position.frame = Frame(key);
      else
        cut.position.time = {key, kNanoseconds};
      cuts.push_back(cut);
    }
    return cuts;
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    CANVAS_ASSIGN(const Cut cut, CutAt(given[i], frames_of));
    const std::uint32_t page_seconds = canvas.Info().page_seconds;
    CANVAS_ASSIGN(const Frame frame, cut.position.ToFrame(lanes.front().rate));
    if (frame >= FirstFrameOfPage(canvas.capacity_pages(), lanes.front().rate, page_seconds))
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--at {} lies past the capacity", texts[i]), "give an earlier time");
    if (cut.key > 0) cuts.push_back(cut);
  }
  std::ranges::sort(cuts, {}, &Cut::key);
  const auto twice = std::ranges::unique(cuts, {}, &Cut::key);
  cuts.erase(twice.begin(), twice.end());
  return cuts;
}

// The pieces in which something is written.
Result<std::vector<Piece>> Plan(const SplitArguments& arguments, const Canvas& canvas,
                                const std::vector<LaneInfo>& lanes) {
  CANVAS_ASSIGN(const std::vector<Cut> cuts, Cuts(arguments, canvas, lanes));
  const std::uint32_t page_seconds = canvas.Info().page_seconds;
  std::vector<Piece> pieces(cuts.size() + 1);
  const std::size_t digits = std::to_string(pieces.size()).size();
  const fs::path source(arguments.file);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    piece.number = i + 1;
    piece.path =
        (fs::path(arguments.out_dir) / fmt::format("{}-{:0{}}{}", source.stem().string(), i + 1,
                                                   digits, source.extension().string()))
            .string();
    piece.part = fmt::format("{}.{}.part", piece.path, getpid());
    if (i > 0) piece.from = cuts[i - 1];
  }
  for (const LaneInfo& lane : lanes) {
    const Frame limit = FirstFrameOfPage(canvas.capacity_pages(), lane.rate, page_seconds);
    Frame first(0);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      Frame end = limit;
      if (i < cuts.size()) {
        CANVAS_ASSIGN(end, cuts[i].position.ToFrame(lane.rate));
        end = std::min(end, limit);
      }
      CANVAS_ASSIGN(const auto written, WrittenOf(canvas, lane, {first, end}));
      if (!written.empty()) pieces[i].any = true;
      pieces[i].lanes.push_back({lane, lane.name, {first, end}, Frame(0) - first, written});
      if (end > first)
        pieces[i].pages =
            std::max(pieces[i].pages,
                     PageOfFrame(Frame(0) + (end - first - 1), lane.rate, page_seconds) + 1);
      first = end;
    }
  }
  return pieces;
}

// Errors: kExists, and what may not be replaced at all.
Result<void> CheckName(const Piece& piece, bool force) {
  const auto refuse = [&](ErrorCode code, std::string what, std::string hint) {
    return std::unexpected(Error(code, std::move(what), std::move(hint)).About(piece.path));
  };
  struct stat status {};
  if (lstat(piece.path.c_str(), &status) != 0) return {};
  if (!force)
    return refuse(ErrorCode::kExists, "it exists already",
                  "choose another --out-dir, or give --force to replace it");
  if (!S_ISREG(status.st_mode) || !LooksLikeCanvas(piece.path))
    return refuse(ErrorCode::kInvalidArgument,
                  "it is no canvas, and --force replaces only canvases",
                  "choose another --out-dir");
  const auto there = OpenCanvas(piece.path);
  const auto owners = there ? there->Owners() : Result<std::vector<OwnerInfo>>{};
  if (owners && !owners->empty())
    return refuse(
        ErrorCode::kOwned,
        fmt::format("{} (pid {}) is writing to it", owners->front().name, owners->front().pid),
        "wait until it has finished, or choose another --out-dir");
  return {};
}

// Every piece under its name, or none.
Result<void> NameAll(std::vector<Piece*>& pieces, bool force) {
  const auto exchange = [](const Piece& piece) {
    return renameat2(AT_FDCWD, piece.part.c_str(), AT_FDCWD, piece.path.c_str(), RENAME_EXCHANGE) ==
           0;
  };
  Result<void> named;
  std::size_t done = 0;
  for (; done < pieces.size() && named; ++done) {
    Piece& piece = *pieces[done];
    if (force && access(piece.path.c_str(), F_OK) == 0) {
      piece.exchanged = exchange(piece);
      if (!piece.exchanged)
        named = std::unexpected(Error::FromErrno(errno, "giving it its name").About(piece.path));
    } else {
      named = GiveName(piece.part, piece.path);
    }
  }
  if (named) return {};
  for (std::size_t i = 0; i + 1 < done; ++i) {
    if (pieces[i]->exchanged)
      exchange(*pieces[i]);
    else
      rename(pieces[i]->path.c_str(), pieces[i]->part.c_str());
  }
  return named;
}

struct Made {
  Json lanes = Json::array();
  std::uint64_t tempo_maps_left_out = 0;
  std::uint64_t markers_left_out = 0;
};

Result<Made> Make(const Canvas& from, const Piece& piece, const StopFlag& stop) {
  CANVAS_TRY(MakeLike(from, piece.part, piece.pages, "canvas split"));
  CANVAS_ASSIGN(Canvas to, OpenCanvas(piece.part, "canvas split"));
  Made made;
  // Their ticks count from the beginning, and a cut need not fall on one. A lane of events takes
  // its own along, and says where that begins.
  if (piece.number == 1) CANVAS_TRY(CopyTempoMaps(from, to));
  CANVAS_ASSIGN(const auto markers, from.Markers());
  made.markers_left_out =
      static_cast<std::uint64_t>(std::ranges::count(markers, LaneId(0), &Marker::lane));
  CopyTargets targets(to);
  CANVAS_TRY(targets.Prepare(from, piece.lanes, false));
  if (piece.number != 1) {
    CANVAS_ASSIGN(const auto maps, from.TempoMaps());
    CANVAS_ASSIGN(const auto there, to.TempoMaps());
    made.tempo_maps_left_out = maps.size() - std::min(maps.size(), there.size());
  }
  for (std::size_t i = 0; i < piece.lanes.size(); ++i) {
    const LaneCopy& lane = piece.lanes[i];
    CANVAS_ASSIGN(const std::uint64_t frames, CopyLane(from, to, lane, targets.Begin(i), stop));
    CANVAS_TRY(CopyMarkers(from, to, lane, false));
    made.lanes.push_back({{"lane", lane.lane.name},
                          {"first_frame", lane.range.first.value()},
                          {HoldsEvents(lane.lane) ? "events" : "frames", frames}});
  }
  CANVAS_TRY(to.Close());
  return made;
}

// The folders that are to be made for `path`, the innermost first.
std::vector<std::string> MissingFolders(const std::string& path) {
  std::vector<std::string> missing;
  for (fs::path folder = fs::path(path).lexically_normal(); !folder.empty();) {
    std::error_code ignored;
    if (!folder.filename().empty()) {
      if (fs::exists(folder, ignored)) break;
      missing.push_back(folder.string());
    }
    if (folder.parent_path() == folder) break;
    folder = folder.parent_path();
  }
  return missing;
}

Result<void> Split(const SplitArguments& arguments) {
  CANVAS_ASSIGN(const Canvas from, OpenCanvas(arguments.file));
  CANVAS_ASSIGN(std::vector<LaneInfo> lanes, from.Lanes());
  std::erase_if(lanes, [](const LaneInfo& lane) { return !IsKnown(lane); });
  if (lanes.empty()) return Fail(ErrorCode::kNotFound, "there are no lanes to split");
  CANVAS_ASSIGN(std::vector<Piece> pieces, Plan(arguments, from, lanes));
  std::vector<Piece*> made;
  for (Piece& piece : pieces)
    if (piece.any) made.push_back(&piece);
  if (made.empty()) return Fail(ErrorCode::kNotFound, "nothing is written in any lane");
  for (const Piece* piece : made) CANVAS_TRY(CheckName(*piece, arguments.force));
  // Whatever ends this: first the files go, and then the folders that were made for them.
  std::vector<std::string> litter;
  for (const Piece* piece : made) litter.push_back(piece->part);
  std::ranges::copy(MissingFolders(arguments.out_dir), std::back_inserter(litter));
  RemoveAllAtSignal(litter);
  const StopFlag stop;
  std::vector<std::pair<Json, std::string>> told;
  const auto make = [&]() -> Result<void> {
    std::error_code error;
    fs::create_directories(arguments.out_dir, error);
    if (error)
      return std::unexpected(
          Error::FromErrno(error.value(), "making the folder").About(arguments.out_dir));
    for (const Piece& piece : pieces) {
      const std::string from_text = FormatClock(Frame(piece.from.key), piece.from.key_rate);
      if (!piece.any) {
        told.emplace_back(Json{{"piece", piece.number}, {"into", nullptr}, {"left_out", true}},
                          fmt::format("piece {}, from {}: nothing is written there, left out\n",
                                      piece.number, from_text));
        continue;
      }
      auto one = Make(from, piece, stop);
      if (stop.raised()) return Fail(ErrorCode::kBusy, "stopped; nothing was made");
      if (!one) return std::unexpected(std::move(one).error().About(piece.path));
      std::string text = fmt::format("from {} -> {}: {}\n", from_text, Printable(piece.path),
                                     Count(from.Info().page_seconds * piece.pages, "second"));
      if (one->tempo_maps_left_out != 0)
        text += fmt::format("  {} left out: their ticks count from the beginning\n",
                            Count(one->tempo_maps_left_out, "tempo map"));
      if (one->markers_left_out != 0)
        text += fmt::format("  {} of no lane left out\n", Count(one->markers_left_out, "marker"));
      told.emplace_back(Json{{"piece", piece.number},
                             {"into", piece.path},
                             {"capacity_pages", piece.pages},
                             {"lanes", std::move(one->lanes)},
                             {"tempo_maps_left_out", one->tempo_maps_left_out},
                             {"markers_left_out", one->markers_left_out}},
                        std::move(text));
    }
    return {};
  };
  auto result = make();
  {
    const SignalHold hold;
    if (result && stop.raised()) result = Fail(ErrorCode::kBusy, "stopped; nothing was made");
    if (result) result = NameAll(made, arguments.force);
    // After success: what was replaced.
    for (const std::string& path : litter)
      if (unlink(path.c_str()) != 0 && !result) rmdir(path.c_str());
    RemoveAllAtSignal({});
  }
  if (result)
    for (const auto& [json, text] : told) Say(json, text);
  return result;
}

}  // namespace

Result<void> RunSplit(const SplitArguments& arguments) {
  auto split = Split(arguments);
  if (!split) return std::unexpected(std::move(split).error().About(arguments.file));
  return {};
}

}  // namespace canvas::cli
