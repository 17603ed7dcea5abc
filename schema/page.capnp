@0xe59f86be2fb0c28a;
# A page's metadata: what the lanes' bytes on that page do not say themselves. One immutable
# snapshot a generation. All of it is provisional: no code writes or reads it yet.

using Cxx = import "/capnp/c++.capnp";
using Common = import "/schema/common.capnp";
$Cxx.namespace("canvas::schema");

struct PageMetadata {
  page @0 :UInt32;
  presence @1 :List(LanePresence);
  refs @2 :List(Ref);                     # in their order of application
  latentSpans @3 :List(LatentSpan);
  attachments @4 :List(Attachment);
  nextRefId @5 :UInt64 = 1;               # ids are never reused within a page
}

struct LanePresence {
  # What a lane means to be on this page; what is written is known per block, outside the snapshot.
  laneId @0 :UInt32;
  generation @1 :UInt64;                  # of the lane's part when this was written
  muted @2 :Bool;
  note @3 :Text;
}

struct Ref {
  # Content that stands elsewhere, heard here through a transform.
  id @0 :UInt64;
  laneId @1 :UInt32;                      # the lane it sounds in
  destinationStart @2 :Int64;             # frames of that lane
  length @3 :Int64;                       # frames of that lane
  source @4 :Source;                      # the main input
  transform @5 :Transform;
  provenance @6 :Common.Provenance;
}

struct Source {
  sourceStart @0 :Int64;                  # frames at the source's own rate
  sourceLength @1 :Int64;                 # 0: as the destination and the transform ask
  union {
    samePage @2 :UInt32;                  # a lane, at the same page
    otherPage @3 :PageSource;
    selfEarlier @4 :UInt64;               # the same lane, this many frames earlier; at least one
    file @5 :Common.ContentAddress;
    bus @6 :Text;                         # a bus lane, by name
  }

  struct PageSource {
    laneId @0 :UInt32;
    page @1 :UInt32;
  }
}

struct NamedInput {
  name @0 :Text;                          # "key" of a sidechain, "dry" of a mix
  source @1 :Source;
}

struct Transform {
  inputs @0 :List(NamedInput);            # beside the main source
  union {
    direct @1 :Void;
    gain @2 :Gain;
    mix @3 :Mix;
    sidechain @4 :Sidechain;
    pitchShift @5 :PitchShift;
    timeStretch @6 :TimeStretch;
    delay @7 :Delay;
    other @8 :Other;
  }

  struct Gain { linear @0 :Float64 = 1; }
  struct Mix { gains @0 :List(Float64); } # linear: the main source, then the inputs in order
  struct Sidechain {
    processor @0 :Text;
    params @1 :Text;                      # JSON
  }
  struct PitchShift { cents @0 :Float64; }
  struct TimeStretch {
    ratio @0 :Common.Rational;            # output duration over input duration
    algorithm @1 :Text;
  }
  struct Delay {
    frames @0 :Int64;
    feedback @1 :Float64;
    wet @2 :Float64 = 1;
  }
  struct Other {
    name @0 :Text;
    params @1 :Text;                      # JSON
  }
}

struct LatentSpan {
  # Material that a model may make, is making, or has made. Status (pending, running, resolved,
  # approved, rejected, failed), progress and claim change too often for a snapshot: they are fixed
  # words, found by `statusIndex`.
  id @0 :Common.Uuid;
  laneId @1 :UInt32;
  start @2 :Int64;                        # frames of the lane
  length @3 :Int64;
  tool @4 :Text;
  params @5 :Text;                        # JSON
  context @6 :Context;
  content @7 :Common.ContentAddress;      # when resolved; no digest before
  statusIndex @8 :UInt32;
  provenance @9 :Common.Provenance;

  struct Context {
    temperature @0 :Float64;
    topP @1 :Float64;
    topK @2 :UInt32;
    hasSeed @3 :Bool;
    seed @4 :UInt64;
    maxTokens @5 :UInt32;
    durationSeconds @6 :Float64;
    guidanceScale @7 :Float64;
    variant @8 :Text;
  }
}

struct Attachment {
  # Anything else that belongs to a stretch of the page: a score, an image, a note.
  name @0 :Text;
  laneId @1 :UInt32;                      # 0: the page as a whole
  range @2 :Common.FrameRange;            # of that lane; empty for the page
  union {
    content @3 :Common.ContentAddress;
    inlineData @4 :Data;                  # small things only
    text @5 :Text;
  }
  mediaType @6 :Text;
}
