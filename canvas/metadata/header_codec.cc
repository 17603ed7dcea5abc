#include "canvas/metadata/header_codec.h"

#include <capnp/message.h>
#include <capnp/orphan.h>
#include <kj/debug.h>

#include <map>

#include "canvas/metadata/capnp_message.h"
#include "schema/header.capnp.h"

namespace canvas::metadata {
namespace {

constexpr const char* kWhat = "header";

std::string ToStd(capnp::Text::Reader text) { return std::string(text.begin(), text.size()); }

capnp::Text::Reader ToText(const std::string& text) { return {text.c_str(), text.size()}; }

template <typename Records>
unsigned Size(const Records& records) {
  return static_cast<unsigned>(records.size());
}

// Encode stores what differs from what is there; the rest, known or not, stays.

void Encode(schema::Rational::Builder to, Rate from) {
  to.setNum(from.num);
  to.setDen(from.den);
}

Rate Decode(schema::Rational::Reader from) { return {from.getNum(), from.getDen()}; }

Provenance Decode(schema::Provenance::Reader from) {
  Provenance to{ToStd(from.getWriter()), ToStd(from.getTool()), std::nullopt,
                from.getCreatedUnixNs()};
  if (from.getHasSeed()) to.seed = from.getSeed();
  return to;
}

void Encode(schema::Provenance::Builder to, const Provenance& from) {
  if (Decode(to.asReader()) == from) return;
  to.setWriter(ToText(from.writer));
  to.setTool(ToText(from.tool));
  to.setHasSeed(from.seed.has_value());
  to.setSeed(from.seed.value_or(0));
  to.setCreatedUnixNs(from.created_unix_ns);
}

RangeProvenance Decode(schema::RangeProvenance::Reader from) {
  return {{Frame(from.getRange().getFirst()), Frame(from.getRange().getEnd())},
          Decode(from.getProvenance())};
}

void Encode(schema::RangeProvenance::Builder to, const RangeProvenance& from) {
  to.getRange().setFirst(from.range.first.value());
  to.getRange().setEnd(from.range.end.value());
  Encode(to.getProvenance(), from.provenance);
}

Tempo Decode(schema::TempoMap::Tempo::Reader from) {
  return {Tick(from.getTick()), from.getNsPerQuarter()};
}

void Encode(schema::TempoMap::Tempo::Builder to, const Tempo& from) {
  to.setTick(from.tick.value());
  to.setNsPerQuarter(from.ns_per_quarter);
}

Meter Decode(schema::TempoMap::Meter::Reader from) {
  return {Tick(from.getTick()), from.getNumerator(), from.getDenominator()};
}

void Encode(schema::TempoMap::Meter::Builder to, const Meter& from) {
  to.setTick(from.tick.value());
  to.setNumerator(from.numerator);
  to.setDenominator(from.denominator);
}

// Found by the templates below, which are no members of the schema's namespace.
LaneRecord Decode(schema::Lane::Reader from);
void Encode(schema::Lane::Builder to, const LaneRecord& from);
TempoMap Decode(schema::TempoMap::Reader from);
void Encode(schema::TempoMap::Builder to, const TempoMap& from);
Marker Decode(schema::Marker::Reader from);
void Encode(schema::Marker::Builder to, const Marker& from);
SourceTag Decode(schema::Tag::Reader from);
void Encode(schema::Tag::Builder to, const SourceTag& from);

// What a list may claim to hold. An element may take no bytes of the message at all.
constexpr unsigned kMostElements = 1U << 20;
constexpr unsigned kMostLanes = 1U << 16;  // and tempo maps

template <typename List>
void CheckSize(List list, unsigned most) {
  KJ_REQUIRE(list.size() <= most, "a list of too many elements", list.size(), most);
}

// How many bytes of records a message may still become (DecodeHeader). Several pointers may name
// the same list: so what lists claim together says nothing of what is there.
thread_local std::uint64_t t_room = ~std::uint64_t{0};

std::string Decode(capnp::Text::Reader from) { return ToStd(from); }

template <typename Record, typename List>
std::vector<Record> DecodeList(List from) {
  CheckSize(from, kMostElements);
  if (from.size() > t_room / sizeof(Record)) KJ_FAIL_REQUIRE("it claims more than it holds");
  t_room -= from.size() * sizeof(Record);
  std::vector<Record> to;
  to.reserve(from.size());
  for (const auto& each : from) to.push_back(Decode(each));
  return to;
}

SourceTag Decode(schema::Tag::Reader from) {
  return {ToStd(from.getName()), ToStd(from.getValue())};
}

void Encode(schema::Tag::Builder to, const SourceTag& from) {
  to.setName(ToText(from.name));
  to.setValue(ToText(from.value));
}

// A list within a record: as it is where it says the same, or else made anew by `init`.
template <typename Record, typename List, typename Init>
void EncodeList(List there, const std::vector<Record>& records, Init init) {
  if (DecodeList<Record>(there) == records) return;
  auto to = init(Size(records));
  for (unsigned i = 0; i < to.size(); ++i) Encode(to[i], records[i]);
}

// A kind that a newer program has, or a sample format: known to be not known.
LaneKind DecodeKind(schema::Lane::Reader from) {
  if (from.getKind() > schema::Lane::Kind::BUS) return LaneKind::kUnknown;
  const auto kind = static_cast<LaneKind>(from.getKind());
  if (HoldsFrames(kind) && from.getSampleFormat() != schema::Lane::SampleFormat::FLOAT32)
    return LaneKind::kUnknown;
  return kind;
}

format::SlotRun DecodeSlots(schema::Lane::Reader from) {
  switch (from.getSlotKind()) {
    case schema::Lane::SlotKind::WIDE:
      return {format::SlotKind::kWide, from.getFirstSlot(), from.getSlotCount()};
    case schema::Lane::SlotKind::SMALL:
      return {format::SlotKind::kSmall, from.getFirstSlot(), from.getSlotCount()};
  }
  return {format::SlotKind::kWide, 0, 0};
}

LaneRecord Decode(schema::Lane::Reader from) {
  LaneRecord to;
  to.id = LaneId(from.getId());
  to.name = ToStd(from.getName());
  to.kind = DecodeKind(from);
  to.channels = from.getChannels();
  to.rate = Decode(from.getRate());
  to.slots = DecodeSlots(from);
  to.description = ToStd(from.getDescription());
  to.provenance = Decode(from.getProvenance());
  to.range_provenance = DecodeList<RangeProvenance>(from.getRangeProvenance());
  to.source_ticks_per_quarter = from.getSourceTicksPerQuarter();
  to.tempo_map_id = from.getTempoMapId();
  to.speakers = from.getSpeakers();
  to.tags = DecodeList<SourceTag>(from.getTags());
  return to;
}

void Encode(schema::Lane::Builder to, const LaneRecord& from) {
  const LaneRecord there = Decode(to.asReader());
  if (there == from) return;
  to.setId(from.id.value());
  if (there.name != from.name) to.setName(ToText(from.name));
  if (there.kind != from.kind) {
    to.setKind(static_cast<schema::Lane::Kind>(from.kind));
    if (HoldsFrames(from.kind)) to.setSampleFormat(schema::Lane::SampleFormat::FLOAT32);
  }
  to.setChannels(from.channels);
  if (there.rate != from.rate) Encode(to.getRate(), from.rate);
  if (there.slots != from.slots) {
    to.setSlotKind(static_cast<schema::Lane::SlotKind>(from.slots.kind));
    to.setFirstSlot(from.slots.first);
    to.setSlotCount(from.slots.count);
  }
  if (there.description != from.description) to.setDescription(ToText(from.description));
  Encode(to.getProvenance(), from.provenance);
  EncodeList(to.asReader().getRangeProvenance(), from.range_provenance,
             [&](unsigned size) { return to.initRangeProvenance(size); });
  to.setSourceTicksPerQuarter(from.source_ticks_per_quarter);
  to.setTempoMapId(from.tempo_map_id);
  to.setSpeakers(from.speakers);
  EncodeList(to.asReader().getTags(), from.tags, [&](unsigned size) { return to.initTags(size); });
}

TempoMap Decode(schema::TempoMap::Reader from) {
  return {from.getId(), ToStd(from.getName()), DecodeList<Tempo>(from.getTempi()),
          DecodeList<Meter>(from.getMeters())};
}

void Encode(schema::TempoMap::Builder to, const TempoMap& from) {
  const TempoMap there = Decode(to.asReader());
  to.setId(from.id);
  if (there.name != from.name) to.setName(ToText(from.name));
  EncodeList(to.asReader().getTempi(), from.tempi,
             [&](unsigned size) { return to.initTempi(size); });
  EncodeList(to.asReader().getMeters(), from.meters,
             [&](unsigned size) { return to.initMeters(size); });
}

// A den that does not fit becomes a negative one, which no rule lets pass.
Marker Decode(schema::Marker::Reader from) {
  Marker to;
  to.id = from.getId();
  to.start = {from.getTimeNum(), static_cast<std::int64_t>(from.getTimeDen())};
  to.end = {from.getEndNum(), static_cast<std::int64_t>(from.getEndDen())};
  to.lane = LaneId(from.getLaneId());
  to.name = ToStd(from.getName());
  to.color = from.getColor();
  to.tags = DecodeList<std::string>(from.getTags());
  to.json = ToStd(from.getJson());
  return to;
}

void Encode(schema::Marker::Builder to, const Marker& from) {
  const Marker there = Decode(to.asReader());
  to.setId(from.id);
  to.setTimeNum(from.start.num);
  to.setTimeDen(static_cast<std::uint64_t>(from.start.den));
  to.setEndNum(from.end.num);
  to.setEndDen(static_cast<std::uint64_t>(from.end.den));
  to.setLaneId(from.lane.value());
  to.setColor(from.color);
  if (there.name != from.name) to.setName(ToText(from.name));
  if (there.tags != from.tags) {
    auto tags = to.initTags(Size(from.tags));
    for (unsigned i = 0; i < tags.size(); ++i) tags.set(i, ToText(from.tags[i]));
  }
  if (there.json != from.json) to.setJson(ToText(from.json));
}

Header DecodeRoot(schema::Header::Reader from) {
  Header to;
  to.next_lane_id = from.getNextLaneId();
  CheckSize(from.getLanes(), kMostLanes);
  CheckSize(from.getTempoMaps(), kMostLanes);
  to.lanes = DecodeList<LaneRecord>(from.getLanes());
  to.next_tempo_map_id = from.getNextTempoMapId();
  to.tempo_maps = DecodeList<TempoMap>(from.getTempoMaps());
  to.next_marker_id = from.getNextMarkerId();
  CheckSize(from.getMarkers(), kMaxMarkers);
  to.markers = DecodeList<Marker>(from.getMarkers());
  if (from.getWallClock().getIsSet())
    to.wall_clock_origin_unix_ns = from.getWallClock().getOriginUnixNs();
  if (const auto timecode = from.getTimecode(); timecode.getIsSet())
    to.timecode = TimecodeRecord{Decode(timecode.getRate()), timecode.getDropFrame(),
                                 timecode.getOffsetFrames()};
  to.title = ToStd(from.getTitle());
  to.description = ToStd(from.getDescription());
  to.provenance = Decode(from.getProvenance());
  return to;
}

// Which record an element is of.
std::uint32_t KeyOf(const LaneRecord& lane) { return lane.id.value(); }
std::uint32_t KeyOf(const TempoMap& map) { return map.id; }
std::uint32_t KeyOf(const Marker& marker) { return marker.id; }

// A list of records with elements large enough for whatever the elements of `before` hold. An
// element begins as that of `before` with its key, or as nothing.
template <typename Element, typename Record>
capnp::Orphan<capnp::List<Element>> Merge(capnp::Orphanage orphanage,
                                          typename capnp::List<Element>::Reader before,
                                          const std::vector<Record>& was,
                                          const std::vector<Record>& records) {
  std::map<decltype(KeyOf(records[0])), unsigned> places;
  for (unsigned i = 0; i < Size(was); ++i) places.emplace(KeyOf(was[i]), i);
  auto fresh = orphanage.newOrphan<capnp::List<Element>>(Size(records));
  typename capnp::List<Element>::Reader lists[] = {before, fresh.getReader()};
  // The size of an element is that of the larger one (orphan.h).
  auto merged = orphanage.newOrphanConcat(kj::arrayPtr(lists, 2));
  auto to = merged.get();
  for (unsigned i = 0; i < Size(records); ++i) {
    const auto mine = places.find(KeyOf(records[i]));
    to.setWithCaveats(i, mine == places.end() ? fresh.getReader()[i] : before[mine->second]);
    Encode(to[i], records[i]);
  }
  merged.truncate(Size(records));
  return merged;
}

void Encode(schema::Header::Builder root, schema::Header::Reader before, const Header& header,
            capnp::Orphanage orphanage) {
  const Header there = DecodeRoot(before);
  root.setNextLaneId(header.next_lane_id);
  if (there.lanes != header.lanes)
    root.adoptLanes(Merge<schema::Lane>(orphanage, before.getLanes(), there.lanes, header.lanes));
  root.setNextTempoMapId(header.next_tempo_map_id);
  if (there.tempo_maps != header.tempo_maps)
    root.adoptTempoMaps(Merge<schema::TempoMap>(orphanage, before.getTempoMaps(), there.tempo_maps,
                                                header.tempo_maps));
  root.setNextMarkerId(header.next_marker_id);
  if (there.markers != header.markers)
    root.adoptMarkers(
        Merge<schema::Marker>(orphanage, before.getMarkers(), there.markers, header.markers));
  if (there.wall_clock_origin_unix_ns != header.wall_clock_origin_unix_ns) {
    root.getWallClock().setIsSet(header.wall_clock_origin_unix_ns.has_value());
    root.getWallClock().setOriginUnixNs(header.wall_clock_origin_unix_ns.value_or(0));
  }
  if (there.timecode != header.timecode) {
    const TimecodeRecord record = header.timecode.value_or(TimecodeRecord{});
    auto timecode = root.getTimecode();
    timecode.setIsSet(header.timecode.has_value());
    Encode(timecode.getRate(), record.rate);
    timecode.setDropFrame(record.drop_frame);
    timecode.setOffsetFrames(record.offset_frames);
  }
  if (there.title != header.title) root.setTitle(ToText(header.title));
  if (there.description != header.description) root.setDescription(ToText(header.description));
  Encode(root.getProvenance(), header.provenance);
}

}  // namespace

Result<std::vector<std::byte>> EncodeHeader(const Header& header,
                                            std::span<const std::byte> before) {
  CANVAS_TRY(CheckTexts(header));
  return NoKjException(kWhat, ErrorCode::kLimit, [&]() -> Result<std::vector<std::byte>> {
    CANVAS_TRY(CheckWords(kWhat, before));
    // Two copies: one to change, and one to read of, which needs no limit any more.
    capnp::MallocMessageBuilder edited;
    capnp::MallocMessageBuilder there;
    if (before.empty()) {
      edited.initRoot<schema::Header>();
      there.initRoot<schema::Header>();
    } else {
      edited.setRoot(Message<schema::Header>(before).root());
      there.setRoot(Message<schema::Header>(before).root());
    }
    Encode(edited.getRoot<schema::Header>(), there.getRoot<schema::Header>().asReader(), header,
           edited.getOrphanage());
    return Flatten<schema::Header>(edited.getRoot<schema::Header>().asReader());
  });
}

Result<Header> DecodeHeader(std::span<const std::byte> message) {
  CANVAS_TRY(CheckWords(kWhat, message));
  // A record takes less than eight times what its element takes in a message.
  struct Room {
    explicit Room(std::uint64_t bytes) { t_room = bytes; }
    ~Room() { t_room = ~std::uint64_t{0}; }
  };
  constexpr std::uint64_t kSmall = 4096;
  const Room room(message.size() * 8 + kSmall);
  try {
    return DecodeRoot(Message<schema::Header>(message).root());
  } catch (const kj::Exception& exception) {
    return Unreadable(kWhat, exception.getDescription().cStr());
  }
}

}  // namespace canvas::metadata
