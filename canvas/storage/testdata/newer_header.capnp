@0xc2a9bd5d0f2b8e11;
# The header as a program of the future might write it: /schema/header.capnp with more of everything.
# For header_store_test: an edit by today's program keeps what it does not know.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("canvas::newer");

struct Rational {
  num @0 :UInt64 = 0;
  den @1 :UInt64 = 1;
}

struct Provenance {
  writer @0 :Text;
  tool @1 :Text;
  hasSeed @2 :Bool;
  seed @3 :UInt64;
  createdUnixNs @4 :Int64;
  license @5 :Text;                       # new
}

struct Header {
  nextLaneId @0 :UInt32 = 1;
  lanes @1 :List(Lane);
  tempoMaps @2 :List(TempoMap);
  markers @3 :List(Marker);
  wallClock @4 :AnyPointer;
  timecode @5 :AnyPointer;
  title @6 :Text;
  description @7 :Text;
  provenance @8 :Provenance;
  nextTempoMapId @9 :UInt32 = 1;
  nextMarkerId @10 :UInt32 = 1;
  tuning @11 :Float64 = 440;              # new
  sections @12 :List(Text);               # new
  union {                                 # new
    plain @13 :Void;
    album @14 :Text;
  }
}

struct Lane {
  enum Kind {
    unknown @0;
    audio @1;
    signal @2;
    midi @3;
    records @4;
    bus @5;
    hologram @6;                          # new
  }
  enum SampleFormat {
    none @0;
    float32 @1;
    float16 @2;                           # new
  }
  enum SlotKind {
    wide @0;
    small @1;
  }
  id @0 :UInt32;
  name @1 :Text;
  kind @2 :Kind;
  channels @3 :UInt32;
  rate @4 :Rational;
  sampleFormat @5 :SampleFormat;
  slotKind @6 :SlotKind;
  firstSlot @7 :UInt32;
  slotCount @8 :UInt32;
  description @9 :Text;
  provenance @10 :Provenance;
  rangeProvenance @11 :AnyPointer;
  sourceTicksPerQuarter @12 :UInt32;
  tempoMapId @13 :UInt32;
  speakers @14 :UInt32;
  tags @15 :List(Tag);
  gain @16 :Float64 = 1;                  # new
  layout @17 :List(Text);                 # new
}

struct Tag {
  name @0 :Text;
  value @1 :Text;
  trust @2 :Float32;                      # new
}

struct Marker {
  timeNum @0 :Int64;
  timeDen @1 :UInt64 = 1;
  name @2 :Text;
  color @3 :UInt32;
  id @4 :UInt32;
  endNum @5 :Int64;
  endDen @6 :UInt64 = 1;
  laneId @7 :UInt32;
  tags @8 :List(Text);
  json @9 :Text;
  icon @10 :Text;                         # new
  weight @11 :Float64 = 1;                # new
}

struct TempoMap {
  id @0 :UInt32;
  name @1 :Text;
  tempi @2 :List(Tempo);
  meters @3 :List(Meter);
  swing @4 :Float32;                      # new

  struct Tempo {
    tick @0 :Int64;
    nsPerQuarter @1 :UInt64;
    ramp @2 :Bool;                        # new
  }
  struct Meter {
    tick @0 :Int64;
    numerator @1 :UInt16;
    denominator @2 :UInt16;
  }
}
