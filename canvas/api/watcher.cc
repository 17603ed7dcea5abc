#include "canvas/api/watcher.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "canvas/api/core.h"

namespace canvas {
namespace {

using metadata::OwnerInfo;

bool SameOwner(const OwnerInfo& a, const OwnerInfo& b) {
  return a.lane == b.lane && a.pages == b.pages && a.pid == b.pid &&
         a.since_unix_ns == b.since_unix_ns;
}

bool SameLane(const LaneInfo& a, const LaneInfo& b) {
  return a.name == b.name && a.description == b.description;
}

}  // namespace

struct Watcher::State {
  explicit State(std::shared_ptr<CanvasCore> canvas_core) : core(std::move(canvas_core)) {}

  Result<std::vector<Change>> Look();
  void CompareMetadata(const metadata::Header& header, std::vector<Change>& changes);
  void CompareLanes(const metadata::Header& header, std::vector<Change>& changes);
  void LookAtLane(const part::Content& content, const LaneInfo& lane,
                  const std::vector<PageIndex>& pages, std::vector<Change>& changes);
  static void ComparePart(const part::Content& content, const LaneInfo& lane, PageIndex page,
                          const part::PartTrace& before, const part::PartTrace& now,
                          std::vector<Change>& changes);

  std::shared_ptr<CanvasCore> core;
  std::uint32_t seen = 0;
  std::uint64_t generation = 0;
  std::shared_ptr<const metadata::Header> last_header;
  std::vector<LaneInfo> lanes;
  std::map<LaneId, LaneInfo> known;  // every lane there has been: owners outlive them
  std::vector<OwnerInfo> owners;
  std::map<std::pair<LaneId, std::uint64_t>, part::PartTrace> parts;  // by lane and page
};

Watcher::Watcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Watcher::Watcher(Watcher&&) noexcept = default;
Watcher& Watcher::operator=(Watcher&&) noexcept = default;
Watcher::~Watcher() = default;

Result<Watcher> Watcher::Make(std::shared_ptr<CanvasCore> core) {
  auto state = std::make_unique<State>(std::move(core));
  CANVAS_TRY(state->Look());
  return Watcher(std::move(state));
}

void Watcher::State::ComparePart(const part::Content& content, const LaneInfo& lane, PageIndex page,
                                 const part::PartTrace& before, const part::PartTrace& now,
                                 std::vector<Change>& changes) {
  const Frame start = content.place().timeline.FirstFrame(page.value());
  content.Compare(
      before, now, [&](part::Difference difference, std::uint64_t first, std::uint64_t end) {
        if (first >= end) return;
        const Change::Kind kind = difference == part::Difference::kErased ? Change::Kind::kErased
                                  : difference == part::Difference::kGrew
                                      ? Change::Kind::kGrew
                                      : Change::Kind::kRewritten;
        const FrameRange frames{start + static_cast<std::int64_t>(first),
                                start + static_cast<std::int64_t>(end)};
        if (!changes.empty() && changes.back().kind == kind && changes.back().lane.id == lane.id &&
            changes.back().frames.end == frames.first) {
          changes.back().frames.end = frames.end;
          return;
        }
        changes.push_back({.kind = kind, .lane = lane, .frames = frames});
      });
}

void Watcher::State::LookAtLane(const part::Content& content, const LaneInfo& lane,
                                const std::vector<PageIndex>& pages, std::vector<Change>& changes) {
  for (const PageIndex index : pages) {
    const std::uint64_t page = index.value();
    std::optional<part::PartTrace> seen_now = content.Trace(content.Part(*core->file, index));
    if (!seen_now) continue;
    part::PartTrace& now = *seen_now;
    const auto found = parts.find({lane.id, page});
    if (found == parts.end() && now.life == 0) continue;
    part::PartTrace& before = found != parts.end() ? found->second : parts[{lane.id, page}];
    if (before == now) continue;
    ComparePart(content, lane, index, before, now, changes);
    before = std::move(now);
  }
}

void Watcher::State::CompareLanes(const metadata::Header& header, std::vector<Change>& changes) {
  std::vector<LaneInfo> now;
  std::ranges::transform(header.lanes, std::back_inserter(now), ToInfo);
  for (const LaneInfo& lane : lanes)
    if (std::ranges::find(now, lane.id, &LaneInfo::id) == now.end()) {
      changes.push_back({.kind = Change::Kind::kLaneRemoved, .lane = lane});
      std::erase_if(parts, [&](const auto& part) { return part.first.first == lane.id; });
    }
  for (const LaneInfo& lane : now) {
    const auto old = std::ranges::find(lanes, lane.id, &LaneInfo::id);
    if (old == lanes.end())
      changes.push_back({.kind = Change::Kind::kLaneAdded, .lane = lane});
    else if (!SameLane(*old, lane))
      changes.push_back({.kind = Change::Kind::kLaneEdited, .lane = lane, .before = *old});
  }
  for (const LaneInfo& lane : now) known[lane.id] = lane;
  lanes = std::move(now);
}

void Watcher::State::CompareMetadata(const metadata::Header& header, std::vector<Change>& changes) {
  CompareLanes(header, changes);
  const auto rest = [](metadata::Header all) {
    all.lanes.clear();
    all.next_lane_id = 0;
    return all;
  };
  // Something else as well, or something of a lane that has no event of its own.
  if (changes.empty() || (last_header != nullptr && !(rest(header) == rest(*last_header))))
    changes.push_back({.kind = Change::Kind::kMetadataEdited});
}

Result<std::vector<Change>> Watcher::State::Look() {
  std::vector<Change> changes;
  seen = core->file->ReadChange();  // first: what comes after is the next look's
  CANVAS_ASSIGN(const auto version, core->headers.CurrentVersion());
  const auto& header = version.value;
  if (version.generation != generation) CompareMetadata(*header, changes);
  generation = version.generation;
  last_header = header;
  CANVAS_ASSIGN(std::vector<OwnerInfo> living, core->owners.Living());
  const auto missing_in = [](const std::vector<OwnerInfo>& all) {
    return [&all](const OwnerInfo& owner) {
      return std::ranges::none_of(all, [&](const OwnerInfo& o) { return SameOwner(o, owner); });
    };
  };
  const auto owner_change = [&](Change::Kind kind, const OwnerInfo& owner) {
    Change change{.kind = kind, .owner = owner};
    if (const auto lane = known.find(owner.lane); lane != known.end()) change.lane = lane->second;
    changes.push_back(std::move(change));
  };
  // An owner that handed a lane on leaves before the next one comes; one that just left, after what
  // it did.
  const auto handed_on = [&](const OwnerInfo& owner) {
    return std::ranges::any_of(living, [&](const OwnerInfo& next) {
      return next.lane == owner.lane && next.pages.Overlaps(owner.pages);
    });
  };
  for (const OwnerInfo& owner : owners)
    if (missing_in(living)(owner) && handed_on(owner))
      owner_change(Change::Kind::kOwnerLeft, owner);
  for (const OwnerInfo& owner : living)
    if (missing_in(owners)(owner)) owner_change(Change::Kind::kOwnerCame, owner);
  // Lane by lane, as changes are told; of each the pages where it may have something.
  CANVAS_ASSIGN(const auto contents, part::Contents::Of(*header, core->file->geometry()));
  std::vector<std::vector<PageIndex>> pages(contents.lanes.size());
  part::ForEachPart(*core->file, contents,
                    [&](std::size_t at, PageIndex page) { pages[at].push_back(page); });
  for (std::size_t at = 0; at < pages.size(); ++at)
    if (!pages[at].empty())
      LookAtLane(*contents.lanes[at], ToInfo(header->lanes[contents.records[at]]), pages[at],
                 changes);
  for (const OwnerInfo& owner : owners)
    if (missing_in(living)(owner) && !handed_on(owner))
      owner_change(Change::Kind::kOwnerLeft, owner);
  owners = std::move(living);
  for (Change& change : changes) change.generation = generation;
  return changes;
}

Result<std::vector<Change>> Watcher::Next(std::chrono::milliseconds timeout) {
  return NoThrow([&]() -> Result<std::vector<Change>> {
    using Clock = std::chrono::steady_clock;
    if (state_ == nullptr) return Fail(ErrorCode::kClosed, "this watcher was moved from");
    const auto end = Clock::now() + std::min(timeout, kLongestWait);
    // A look finds nothing where only a wake came, or a change that was undone.
    for (;;) {
      CANVAS_TRY(state_->core->file->CheckUsable());
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(end - Clock::now());
      if (left.count() > 0)
        state_->core->file->WaitChange(state_->seen, static_cast<std::uint64_t>(left.count()));
      CANVAS_ASSIGN(auto changes, state_->Look());
      if (!changes.empty() || Clock::now() >= end) return changes;
    }
  });
}

}  // namespace canvas
