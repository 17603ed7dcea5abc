// The header in memory: plain values, as schema/header.capnp stores them, and the rules that hold
// among them.
//
// Thread safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/marker.h"
#include "canvas/base/tempo.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"
#include "canvas/format/geometry.h"
#include "canvas/format/lock_format.h"
#include "canvas/metadata/lane_kind.h"

namespace canvas::metadata {

struct Provenance {
  std::string writer;
  std::string tool;
  std::optional<std::uint64_t> seed;
  std::int64_t created_unix_ns = 0;
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

struct RangeProvenance {
  FrameRange range;
  Provenance provenance;
  friend bool operator==(const RangeProvenance&, const RangeProvenance&) = default;
};

// What a file says of itself and a lane that is made from it keeps: tempo, key.
struct SourceTag {
  std::string name;   // 1 to 255 characters from space to }, and no = (as in Vorbis comments)
  std::string value;  // UTF-8
  friend bool operator==(const SourceTag&, const SourceTag&) = default;
};
inline constexpr std::size_t kMaxSourceTags = 64;
inline constexpr std::size_t kMaxSourceTagNameBytes = 255;
inline constexpr std::size_t kMaxSourceTagValueBytes = 4096;
// Errors: kInvalidArgument naming what is wrong.
Result<void> ValidateSourceTags(std::span<const SourceTag> tags);

struct LaneRecord {
  LaneId id;
  std::string name;
  LaneKind kind = LaneKind::kAudio;  // kUnknown: its kind or sample format is not known here
  std::uint32_t channels = 0;
  Rate rate;
  format::SlotRun slots;  // count 0: it has none, or of a kind of slot that is not known here
  std::string description;
  Provenance provenance;
  std::vector<RangeProvenance> range_provenance;
  std::uint32_t source_ticks_per_quarter = 0;
  std::uint32_t tempo_map_id = 0;
  std::uint32_t speakers = 0;
  std::vector<SourceTag> tags;
  friend bool operator==(const LaneRecord&, const LaneRecord&) = default;
};

struct TimecodeRecord {
  Rate rate;
  bool drop_frame = false;
  std::int64_t offset_frames = 0;
  friend bool operator==(const TimecodeRecord&, const TimecodeRecord&) = default;
};

struct Header {
  std::uint32_t next_lane_id = 1;
  std::vector<LaneRecord> lanes;  // ascending by id
  std::uint32_t next_tempo_map_id = 1;
  std::vector<TempoMap> tempo_maps;
  std::uint32_t next_marker_id = 1;
  std::vector<Marker> markers;  // in the order of ComesBefore
  std::optional<std::int64_t> wall_clock_origin_unix_ns;
  std::optional<TimecodeRecord> timecode;
  std::string title;
  std::string description;
  Provenance provenance;

  const LaneRecord* Find(LaneId id) const;
  const LaneRecord* Find(std::string_view name) const;
  friend bool operator==(const Header&, const Header&) = default;
};

// 1 to 255 bytes of UTF-8 without control characters.
Result<void> ValidateLaneName(std::string_view name);

// The longest text there may be in a header: descriptions, titles, tools.
inline constexpr std::size_t kMaxTextBytes = 1024 * 1024;

// Whether the lanes fit the geometry and each other: ids ascending and below next_lane_id, names
// valid and unique, slots inside the geometry, as many as the shape needs, none taken twice. Of an
// opaque lane: all but the shape. And whether tempo maps and markers are valid, their ids below
// those to be given next, and in their order. The lane of a marker need not be there.
// Errors: kCorrupt, naming the lane, the tempo map or the marker.
Result<void> ValidateHeader(const Header& header, const format::Geometry& geometry);

// Whether the header's texts can be stored at all, before work is done on them.
// Errors: kLimit, naming the text.
Result<void> CheckTexts(const Header& header);

// The first run of free slots for such a lane: a small slot where a page of it fits one and one is
// free (not where it is to be `wide`), or else as many wide ones as it needs.
// Errors: kInvalidArgument (no number of slots would do), kLimit, saying how many of each are free.
Result<format::SlotRun> FindSlots(const Header& header, const format::Geometry& geometry,
                                  LaneKind kind, Rate rate, std::uint32_t channels,
                                  bool wide = false);

}  // namespace canvas::metadata
