@0xb9afd9303505ba6f;
# The header: what holds for the whole canvas. One immutable snapshot a generation.

using Cxx = import "/capnp/c++.capnp";
using Common = import "/schema/common.capnp";
$Cxx.namespace("canvas::schema");

struct Header {
  nextLaneId @0 :UInt32 = 1;          # ids are never reused
  lanes @1 :List(Lane);               # ascending by id
  tempoMaps @2 :List(TempoMap);       # ascending by id
  markers @3 :List(Marker);           # ascending by position, then by id
  wallClock @4 :WallClock;            # provisional
  timecode @5 :Timecode;              # provisional
  title @6 :Text;
  description @7 :Text;
  provenance @8 :Common.Provenance;
  nextTempoMapId @9 :UInt32 = 1;
  nextMarkerId @10 :UInt32 = 1;
}

struct Lane {
  enum Kind {
    unknown @0;
    audio @1;       # interleaved float32 at an audio rate
    signal @2;      # interleaved float32 at any rate: parameters, envelopes, latents
    midi @3;        # provisional, as the two below
    records @4;     # timed opaque records
    bus @5;         # a named place that refs may read from; stores nothing
  }
  enum SampleFormat {
    none @0;
    float32 @1;
  }
  enum SlotKind {
    wide @0;
    small @1;
  }

  id @0 :UInt32;
  name @1 :Text;                          # 1 to 255 bytes of UTF-8, unique among the lanes
  kind @2 :Kind;
  channels @3 :UInt32;
  rate @4 :Common.Rational;               # frames per second
  sampleFormat @5 :SampleFormat;
  slotKind @6 :SlotKind;
  firstSlot @7 :UInt32;                   # counted within its kind of slot
  slotCount @8 :UInt32;                   # in a row
  description @9 :Text;
  provenance @10 :Common.Provenance;
  rangeProvenance @11 :List(RangeProvenance);  # provisional, as the two below
  sourceTicksPerQuarter @12 :UInt32;      # of the material the lane was made from; 0: none
  tempoMapId @13 :UInt32;                 # 0: none
  speakers @14 :UInt32;                   # where its channels sound: a bit each, ascending, numbered
                                          # as dwChannelMask of WAVEFORMATEXTENSIBLE does; 0: not said
  tags @15 :List(Tag);                    # what the file it came from said: tempo, key
}

struct Tag {
  name @0 :Text;                          # 1 to 255 characters from space to }, and no =
  value @1 :Text;
}

struct RangeProvenance {
  range @0 :Common.FrameRange;
  provenance @1 :Common.Provenance;
}

struct TempoMap {
  # Stepped: a value holds from its tick until the next entry's. 960 ticks per quarter note.
  id @0 :UInt32;                          # never reused
  name @1 :Text;
  tempi @2 :List(Tempo);                  # ascending by tick, the first at tick 0
  meters @3 :List(Meter);                 # likewise

  struct Tempo {
    tick @0 :Int64;
    nsPerQuarter @1 :UInt64;              # nanoseconds a quarter note lasts
  }
  struct Meter {
    tick @0 :Int64;
    numerator @1 :UInt16;
    denominator @2 :UInt16;               # a power of two
  }
}

struct Marker {
  # A point of the timeline, or, where the end is later, the range from the one to the other, half-open.
  timeNum @0 :Int64;                      # seconds, an exact rational in lowest terms: timeNum / timeDen
  timeDen @1 :UInt64 = 1;
  name @2 :Text;
  color @3 :UInt32;                       # 0xRRGGBB; 0: none
  id @4 :UInt32;                          # never reused
  endNum @5 :Int64;                       # likewise; equal to the time: a point
  endDen @6 :UInt64 = 1;
  laneId @7 :UInt32;                      # whose it is; 0: the whole canvas
  tags @8 :List(Text);                    # words to find it by
  json @9 :Text;                          # what a program keeps with it; meant to be JSON, unchecked
}

struct WallClock {
  # Where the canvas's time zero lies in the world.
  isSet @0 :Bool;
  originUnixNs @1 :Int64;
}

struct Timecode {
  # The SMPTE timecode of time zero, as frames at a rate.
  isSet @0 :Bool;
  rate @1 :Common.Rational;
  dropFrame @2 :Bool;
  offsetFrames @3 :Int64;
}
