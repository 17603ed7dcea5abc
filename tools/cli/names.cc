// What a person means by a name or a time.
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/terminal.h"

namespace canvas::cli {
namespace {

// Of letters that were left out, put in, mistaken for another or swapped with the next
// (Damerau 1964, as optimal string alignment).
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> last;
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::unexpected<Error> NoSuchLane(const std::vector<LaneInfo>& lanes, const std::string& name) {
  std::vector<std::string> names;
  for (const LaneInfo& lane : lanes) names.push_back(lane.name);
  const std::string nearest = NearestOf(name, names);
  return Fail(ErrorCode::kNotFound, fmt::format("there is no lane '{}'", Printable(name)),
              nearest.empty() ? "`canvas info` lists them"
                              : fmt::format("did you mean '{}'?", Printable(nearest)));
}

}  // namespace

std::string NearestOf(std::string_view text, const std::vector<std::string>& names) {
  std::string nearest;
  std::size_t least = std::max<std::size_t>(text.size() / 3, 1) + 1;
  for (const std::string& name : names)
    if (const std::size_t distance = Distance(text.substr(0, 255), name); distance < least) {
      least = distance;
      nearest = name;
    }
  return nearest;
}

Result<std::vector<LaneInfo>> LanesNamed(const std::vector<LaneInfo>& lanes,
                                         const std::string& pattern) {
  // A name as it is comes first: lanes may have stars in theirs.
  if (const auto lane = std::ranges::find(lanes, pattern, &LaneInfo::name); lane != lanes.end())
    return std::vector{*lane};
  std::vector<LaneInfo> found;
  for (const LaneInfo& lane : lanes)
    if (fnmatch(pattern.c_str(), lane.name.c_str(), 0) == 0) found.push_back(lane);
  if (!found.empty()) return found;
  return NoSuchLane(lanes, pattern);
}

Result<LaneInfo> LaneNamed(const std::vector<LaneInfo>& lanes, const std::string& name) {
  const auto lane = std::ranges::find(lanes, name, &LaneInfo::name);
  if (lane != lanes.end()) return *lane;
  return NoSuchLane(lanes, name);
}

Result<Frame> FrameAt(const std::string& text, Rate rate, Frame end) {
  const bool from_end = text.starts_with('-');
  CANVAS_ASSIGN(const Position position, ParsePosition(text.substr(from_end ? 1 : 0)));
  CANVAS_ASSIGN(const Frame frame, position.ToFrame(rate));
  if (!from_end) return frame;
  if (frame > end)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is before the beginning: the lane ends at {}", text,
                            FormatClock(end, rate)),
                "a time with a minus counts back from the lane's end");
  return end - static_cast<std::int64_t>(frame - Frame(0));
}

Result<FrameRange> RangeOf(const Canvas& canvas, const LaneReader& reader,
                           const std::optional<std::string>& from,
                           const std::optional<std::string>& to) {
  const Rate rate = reader.lane().rate;
  const LaneExtent extent = reader.Extent();
  if (extent.written_frames == 0 && !(from && to))
    return Fail(ErrorCode::kNotFound,
                fmt::format("lane '{}' has nothing written", reader.lane().name),
                "give --from and --to for silence");
  FrameRange range{extent.first, extent.end};
  if (from) {
    CANVAS_ASSIGN(range.first, FrameAt(*from, rate, extent.end));
  }
  if (to) {
    CANVAS_ASSIGN(range.end, FrameAt(*to, rate, extent.end));
  }
  const Frame limit = FirstFrameOfPage(canvas.capacity_pages(), rate, canvas.Info().page_seconds);
  if (range.first > limit || range.end > limit)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} lies past the capacity, {}",
                            range.first > limit ? "--from" : "--to", FormatClock(limit, rate)),
                "give an earlier time");
  if (range.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the range from {} to {} is empty", FormatClock(range.first, rate),
                            FormatClock(range.end, rate)),
                fmt::format("the lane holds {} to {}", FormatClock(extent.first, rate),
                            FormatClock(extent.end, rate)));
  return range;
}

std::uint64_t AllocatedBytes(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace canvas::cli
