#include "canvas/storage/header_codec.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>

#include "schema/header.capnp.h"

namespace canvas::storage {
namespace {

std::string ToStd(capnp::Text::Reader text) { return std::string(text.begin(), text.size()); }

capnp::Text::Reader ToText(const std::string& text) { return {text.c_str(), text.size()}; }

void Encode(schema::Rational::Builder to, Rate from) {
  to.setNum(from.num);
  to.setDen(from.den);
}

Rate Decode(schema::Rational::Reader from) { return {from.getNum(), from.getDen()}; }

void Encode(schema::Provenance::Builder to, const Provenance& from) {
  to.setWriter(ToText(from.writer));
  to.setTool(ToText(from.tool));
  to.setHasSeed(from.seed.has_value());
  to.setSeed(from.seed.value_or(0));
  to.setCreatedUnixNs(from.created_unix_ns);
}

Provenance Decode(schema::Provenance::Reader from) {
  Provenance to{ToStd(from.getWriter()), ToStd(from.getTool()), std::nullopt,
                from.getCreatedUnixNs()};
  if (from.getHasSeed()) to.seed = from.getSeed();
  return to;
}

void Encode(schema::RangeProvenance::Builder to, const RangeProvenance& from);
void Encode(schema::Lane::Builder to, const LaneRecord& from);
void Encode(schema::TempoMap::Tempo::Builder to, const Tempo& from);
void Encode(schema::TempoMap::Meter::Builder to, const Meter& from);
void Encode(schema::TempoMap::Builder to, const TempoMap& from);
void Encode(schema::Marker::Builder to, const MarkerRecord& from);

// Fills list `to`, already of the right size, from `from`.
template <typename List, typename Records>
void EncodeList(List to, const Records& from) {
  for (unsigned i = 0; i < to.size(); ++i) Encode(to[i], from[i]);
}

template <typename Records>
unsigned Size(const Records& records) {
  return static_cast<unsigned>(records.size());
}

void Encode(schema::RangeProvenance::Builder to, const RangeProvenance& from) {
  to.getRange().setFirst(from.range.first.value());
  to.getRange().setEnd(from.range.end.value());
  Encode(to.initProvenance(), from.provenance);
}

void Encode(schema::Lane::Builder to, const LaneRecord& from) {
  to.setId(from.id.value());
  to.setName(ToText(from.name));
  to.setKind(static_cast<schema::Lane::Kind>(from.kind));
  to.setChannels(from.channels);
  Encode(to.initRate(), from.rate);
  to.setSampleFormat(schema::Lane::SampleFormat::FLOAT32);
  to.setSlotKind(static_cast<schema::Lane::SlotKind>(from.slots.kind));
  to.setFirstSlot(from.slots.first);
  to.setSlotCount(from.slots.count);
  to.setDescription(ToText(from.description));
  Encode(to.initProvenance(), from.provenance);
  EncodeList(to.initRangeProvenance(Size(from.range_provenance)), from.range_provenance);
  to.setSourceTicksPerQuarter(from.source_ticks_per_quarter);
  to.setTempoMapId(from.tempo_map_id);
}

LaneRecord Decode(schema::Lane::Reader from) {
  LaneRecord to;
  to.id = LaneId(from.getId());
  to.name = ToStd(from.getName());
  // A kind or format that is not known here is refused by ValidateHeader.
  to.kind = from.getSampleFormat() == schema::Lane::SampleFormat::FLOAT32 &&
                    from.getKind() <= schema::Lane::Kind::BUS
                ? static_cast<LaneKind>(from.getKind())
                : LaneKind::kUnknown;
  to.channels = from.getChannels();
  to.rate = Decode(from.getRate());
  to.slots = {from.getSlotKind() == schema::Lane::SlotKind::SMALL ? format::SlotKind::kSmall
                                                                  : format::SlotKind::kWide,
              from.getFirstSlot(), from.getSlotCount()};
  to.description = ToStd(from.getDescription());
  to.provenance = Decode(from.getProvenance());
  for (const auto& range : from.getRangeProvenance())
    to.range_provenance.push_back(
        {{Frame(range.getRange().getFirst()), Frame(range.getRange().getEnd())},
         Decode(range.getProvenance())});
  to.source_ticks_per_quarter = from.getSourceTicksPerQuarter();
  to.tempo_map_id = from.getTempoMapId();
  return to;
}

void Encode(schema::TempoMap::Tempo::Builder to, const Tempo& from) {
  to.setTick(from.tick.value());
  to.setNsPerQuarter(from.ns_per_quarter);
}

void Encode(schema::TempoMap::Meter::Builder to, const Meter& from) {
  to.setTick(from.tick.value());
  to.setNumerator(from.numerator);
  to.setDenominator(from.denominator);
}

void Encode(schema::TempoMap::Builder to, const TempoMap& from) {
  to.setId(from.id);
  to.setName(ToText(from.name));
  EncodeList(to.initTempi(Size(from.tempi)), from.tempi);
  EncodeList(to.initMeters(Size(from.meters)), from.meters);
}

TempoMap Decode(schema::TempoMap::Reader from) {
  TempoMap to{from.getId(), ToStd(from.getName()), {}, {}};
  for (const auto& tempo : from.getTempi())
    to.tempi.push_back({Tick(tempo.getTick()), tempo.getNsPerQuarter()});
  for (const auto& meter : from.getMeters())
    to.meters.push_back({Tick(meter.getTick()), meter.getNumerator(), meter.getDenominator()});
  return to;
}

void Encode(schema::Marker::Builder to, const MarkerRecord& from) {
  to.setTimeNum(from.time_num);
  to.setTimeDen(from.time_den);
  to.setName(ToText(from.name));
  to.setColor(from.color);
}

Header DecodeRoot(schema::Header::Reader from) {
  Header to;
  to.next_lane_id = from.getNextLaneId();
  for (const auto& lane : from.getLanes()) to.lanes.push_back(Decode(lane));
  to.next_tempo_map_id = from.getNextTempoMapId();
  for (const auto& map : from.getTempoMaps()) to.tempo_maps.push_back(Decode(map));
  for (const auto& marker : from.getMarkers())
    to.markers.push_back(
        {marker.getTimeNum(), marker.getTimeDen(), ToStd(marker.getName()), marker.getColor()});
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

}  // namespace

std::vector<std::byte> EncodeHeader(const Header& header) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::Header>();
  root.setNextLaneId(header.next_lane_id);
  EncodeList(root.initLanes(Size(header.lanes)), header.lanes);
  root.setNextTempoMapId(header.next_tempo_map_id);
  EncodeList(root.initTempoMaps(Size(header.tempo_maps)), header.tempo_maps);
  EncodeList(root.initMarkers(Size(header.markers)), header.markers);
  if (header.wall_clock_origin_unix_ns) {
    root.getWallClock().setIsSet(true);
    root.getWallClock().setOriginUnixNs(*header.wall_clock_origin_unix_ns);
  }
  if (header.timecode) {
    auto timecode = root.getTimecode();
    timecode.setIsSet(true);
    Encode(timecode.initRate(), header.timecode->rate);
    timecode.setDropFrame(header.timecode->drop_frame);
    timecode.setOffsetFrames(header.timecode->offset_frames);
  }
  root.setTitle(ToText(header.title));
  root.setDescription(ToText(header.description));
  Encode(root.initProvenance(), header.provenance);
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  std::vector<std::byte> flat(bytes.size());
  std::memcpy(flat.data(), bytes.begin(), bytes.size());
  return flat;
}

Result<Header> DecodeHeader(std::span<const std::byte> message) {
  const auto corrupt = [](const char* what) {
    return Fail(ErrorCode::kCorrupt, std::string("header: not a readable message: ") + what);
  };
  if (message.size() % sizeof(capnp::word) != 0) return corrupt("its length is no number of words");
  // A copy of our own, aligned as the reader asks.
  auto words = kj::heapArray<capnp::word>(message.size() / sizeof(capnp::word));
  std::memcpy(words.asBytes().begin(), message.data(), message.size());
  capnp::ReaderOptions options;
  // Each byte may be visited a few times; pointers that make it visit more are an attack.
  options.traversalLimitInWords = words.size() * 8 + 1024;
  options.nestingLimit = 32;
  try {
    capnp::FlatArrayMessageReader reader(words, options);
    return DecodeRoot(reader.getRoot<schema::Header>());
  } catch (const kj::Exception& exception) {
    return corrupt(exception.getDescription().cStr());
  } catch (const std::bad_alloc&) {
    return corrupt("it claims more than memory holds");
  }
}

}  // namespace canvas::storage
