// What a lane is, as users see it.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/base/time.h"
#include "canvas/base/units.h"
#include "canvas/metadata/header.h"

namespace canvas {

// What a lane holds. One of either takes a small slot where a page of it fits and one is free, and
// wide ones otherwise.
using LaneKind = metadata::LaneKind;
using metadata::LaneKindName;
// Whether a text can be a lane's name: 1 to 255 bytes of UTF-8 without control characters.
using metadata::ValidateLaneName;
// What the file that a lane came from says of itself, such as BPM or KEY: a name of 1 to 255
// characters from space to } without =, and a value of at most 4,096 bytes of UTF-8; at most 64 a
// lane. Kept for whoever writes such a file again; nothing here acts on them, and a tempo among
// them is no tempo map.
using metadata::kMaxSourceTags;
using metadata::kMaxSourceTagValueBytes;
using metadata::SourceTag;

// What a new lane shall be.
struct LaneSpec {
  std::string name = {};             // 1 to 255 bytes of UTF-8 without control characters, unique
  LaneKind kind = LaneKind::kAudio;  // frames: kAudio, kSignal; events: kMidi, kRecords
  std::uint32_t channels = 2;        // interleaved; of a lane of frames
  Rate rate{48000, 1};               // frames per second
  std::string description = {};
  // Of a lane of events: a page may hold many (event_writer.h says how many), at the cost of a wide
  // slot.
  bool dense = false;
  std::string tool = {};  // provenance: what makes the material
  // Where the channels sound, a bit for each, in ascending order, numbered as the dwChannelMask of
  // WAVEFORMATEXTENSIBLE numbers speakers (0x3: left and right; 0x3F: 5.1). Not more bits than
  // channels. 0: not said.
  std::uint32_t speakers = 0;
  std::vector<SourceTag> tags = {};
  // The tempo map that its events' ticks lie on, one that is there; 0: none. And how many ticks of
  // its source a quarter has; 0: not said.
  std::uint32_t tempo_map_id = 0;
  std::uint32_t source_ticks_per_quarter = 0;
};

struct LaneInfo {
  LaneId id;
  std::string name = {};
  LaneKind kind = LaneKind::kUnknown;
  std::uint32_t channels = 0;
  Rate rate;
  std::string description = {};
  std::uint32_t speakers = 0;  // see LaneSpec; of a file as it is there, unchecked
  std::vector<SourceTag> tags = {};
  std::uint32_t tempo_map_id = 0;  // see LaneSpec; the map may be gone
  std::uint32_t source_ticks_per_quarter = 0;
  bool dense = false;  // a lane of events in a wide slot
};

// How much of a lane is written: numbers of a moment, for a lane that is being written.
struct LaneExtent {
  std::uint64_t written_frames = 0;  // of a lane of frames
  std::uint64_t events = 0;          // of a lane of events
  std::uint64_t written_bytes = 0;
  Frame first;  // first written frame, and one past the last; equal where nothing is written
  Frame end;
};

// A lane, and how much of it is written: nothing, where its kind is not known here.
struct LaneSummary {
  LaneInfo lane;
  LaneExtent extent;
};

}  // namespace canvas
