#include "canvas/api/watcher.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "canvas/api/canvas.h"
#include "canvas/api/core.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"

namespace canvas {
namespace {

using metadata::OwnerInfo;

// What one part looked like.
struct PartLook {
  std::uint64_t life = 0;
  std::uint64_t low = 0;
  std::uint64_t mark = 0;
  struct Block {
    std::uint64_t number = 0;
    std::uint64_t version = 0;
    friend bool operator==(const Block&, const Block&) = default;
  };
  std::vector<Block> blocks;  // whose version is not zero, ascending
  friend bool operator==(const PartLook&, const PartLook&) = default;

  std::uint64_t Version(std::uint64_t block) const {
    const auto found = std::ranges::lower_bound(blocks, block, {}, &Block::number);
    return found != blocks.end() && found->number == block ? found->version : 0;
  }
  bool Written(std::uint64_t block) const {
    return format::Version::FromWord(Version(block)).written;
  }
};

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
  void LookAtLane(const part::LanePlace& place, const LaneInfo& lane,
                  const std::vector<PageIndex>& pages, std::vector<Change>& changes);
  void ComparePart(const part::LanePlace& place, const LaneInfo& lane, std::uint64_t page,
                   const PartLook& before, const PartLook& now, std::vector<Change>& changes) const;
  std::optional<PartLook> LookAtPart(const part::LanePlace& place, PageIndex page) const;

  std::shared_ptr<CanvasCore> core;
  std::uint32_t seen = 0;
  std::uint64_t generation = 0;
  std::shared_ptr<const metadata::Header> last_header;
  std::vector<LaneInfo> lanes;
  std::map<LaneId, LaneInfo> known;  // every lane there has been: owners outlive them
  std::vector<OwnerInfo> owners;
  std::map<std::pair<LaneId, std::uint64_t>, PartLook> parts;  // by lane and page
};

Watcher::Watcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Watcher::Watcher(Watcher&&) noexcept = default;
Watcher& Watcher::operator=(Watcher&&) noexcept = default;
Watcher::~Watcher() = default;

Result<Watcher> Canvas::Watch() const {
  return NoThrow([&]() -> Result<Watcher> {
    CANVAS_TRY(CheckOpen());
    auto state = std::make_unique<Watcher::State>(core_);
    CANVAS_TRY(state->Look());
    return Watcher(std::move(state));
  });
}

// Nothing where it comes and goes under our eyes: the next look tells.
std::optional<PartLook> Watcher::State::LookAtPart(const part::LanePlace& place,
                                                   PageIndex page) const {
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    const auto part = part::PartRef(*core->file, place, page).Find();
    if (!part) return PartLook();
    PartLook look{.life = part->life,
                  .low = 0,
                  .mark = std::min(sync::ReadMark(part->words), place.shape.FramesIn(page.value())),
                  .blocks = {}};
    look.low = sync::ReadLow(part->words);
    const std::uint64_t per_block = place.shape.frames_per_block();
    core->file->ForEachVersionStretch(
        page, place.slots, 0, (look.mark + per_block - 1) / per_block,
        [&](std::uint64_t first, std::uint64_t end) {
          for (std::uint64_t block = first; block < end; ++block)
            if (const std::uint64_t word = sync::ReadVersion(part->words, block).ToWord();
                word != 0)
              look.blocks.push_back({block, word});
        });
    if (sync::ReadLife(part->words) == part->life) return look;
  }
  return std::nullopt;
}

void Watcher::State::ComparePart(const part::LanePlace& place, const LaneInfo& lane,
                                 std::uint64_t page, const PartLook& before, const PartLook& now,
                                 std::vector<Change>& changes) const {
  const std::uint64_t per_block = place.shape.frames_per_block();
  const Frame start = place.shape.FirstFrame(page);
  const bool same_life = before.life == now.life;
  const auto emit = [&](Change::Kind kind, std::uint64_t first, std::uint64_t end) {
    if (first >= end) return;
    const FrameRange frames{start + static_cast<std::int64_t>(first),
                            start + static_cast<std::int64_t>(end)};
    if (!changes.empty() && changes.back().kind == kind && changes.back().lane.id == lane.id &&
        changes.back().frames.end == frames.first) {
      changes.back().frames.end = frames.end;
      return;
    }
    changes.push_back({.kind = kind, .lane = lane, .frames = frames});
  };
  // Readable frames of a block, as a range; empty where there are none.
  const auto readable = [&](const PartLook& look, std::uint64_t block) {
    if (!look.Written(block)) return std::pair<std::uint64_t, std::uint64_t>(0, 0);
    const std::uint64_t first = std::max(block * per_block, look.low);
    return std::pair(first, std::max(first, std::min((block + 1) * per_block, look.mark)));
  };
  std::vector<std::uint64_t> blocks;  // of either look, ascending
  for (const PartLook* look : {&before, &now})
    for (const auto& block : look->blocks) blocks.push_back(block.number);
  std::ranges::sort(blocks);
  blocks.erase(std::ranges::unique(blocks).begin(), blocks.end());
  for (const Change::Kind pass :
       {Change::Kind::kErased, Change::Kind::kRewritten, Change::Kind::kGrew}) {
    for (const std::uint64_t block : blocks) {
      const auto [old_first, old_end] = readable(before, block);
      const auto [first, end] = readable(now, block);
      const bool kept = same_life && old_first < old_end && first < end;
      if (pass == Change::Kind::kErased && !kept) emit(pass, old_first, old_end);
      if (pass == Change::Kind::kGrew && !kept) emit(pass, first, end);
      if (pass == Change::Kind::kGrew && kept) {
        emit(pass, first, std::min(old_first, end));
        emit(pass, std::max(old_end, first), end);
      }
      if (pass == Change::Kind::kRewritten && kept &&
          before.Version(block) >> 2 != now.Version(block) >> 2)
        emit(pass, std::max(block * per_block, now.low),
             std::min((block + 1) * per_block, now.mark));
    }
  }
}

void Watcher::State::LookAtLane(const part::LanePlace& place, const LaneInfo& lane,
                                const std::vector<PageIndex>& pages, std::vector<Change>& changes) {
  for (const PageIndex index : pages) {
    const std::uint64_t page = index.value();
    std::optional<PartLook> seen_now = LookAtPart(place, index);
    if (!seen_now) continue;
    PartLook& now = *seen_now;
    const auto found = parts.find({lane.id, page});
    if (found == parts.end() && now.life == 0) continue;
    PartLook& before = found != parts.end() ? found->second : parts[{lane.id, page}];
    if (before == now) continue;
    ComparePart(place, lane, page, before, now, changes);
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
  // Who handed a lane on leaves before the next one comes; who just left, after what it did.
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
  CANVAS_ASSIGN(const auto placed, PlacedLanes::Of(*header, core->file->geometry()));
  std::vector<std::vector<PageIndex>> pages(placed.places.size());
  part::ForEachPart(*core->file, placed.places,
                    [&](std::size_t at, PageIndex page) { pages[at].push_back(page); });
  for (std::size_t at = 0; at < pages.size(); ++at)
    if (!pages[at].empty())
      LookAtLane(placed.places[at], ToInfo(header->lanes[placed.records[at]]), pages[at], changes);
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
