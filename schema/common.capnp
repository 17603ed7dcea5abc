@0xd8aa822414b6a2ae;
# What the header and the pages' metadata have in common.
#
# Evolution: fields are only ever added, at the end, with the next number. A writer that does not
# know a field keeps it: it copies the version before as a whole, and changes what it means to change.
# What an older writer could make untrue by that sets a bit of the read-only-compatible features,
# which keeps such a writer out.
#
# Provisional: no code uses it yet, and it may still change.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("canvas::schema");

struct Rational {
  # An exact positive number: num / den. Rates are in hertz, ratios have no unit.
  num @0 :UInt64 = 0;
  den @1 :UInt64 = 1;
}

struct Uuid {
  # RFC 4122, the sixteen bytes in network order: `high` holds bytes 0 to 7, the first the highest.
  high @0 :UInt64;
  low @1 :UInt64;
}

struct FrameRange {
  # Half-open, in frames of the lane it speaks of.
  first @0 :Int64;
  end @1 :Int64;
}

struct ContentAddress {  # provisional
  # Content kept outside the canvas, found by its digest.
  enum Algorithm {
    unknown @0;
    blake3 @1;
  }
  algorithm @0 :Algorithm;
  digest @1 :Data;          # cut to its first bytes; 16 for BLAKE3
  byteLength @2 :UInt64;    # of the content
  mediaType @3 :Text;       # RFC 6838, "audio/flac"
}

struct Provenance {
  # Who made something, with what, when. For people and for reproduction; it decides nothing.
  writer @0 :Text;          # the name under which the canvas was opened
  tool @1 :Text;            # program or model, with its version
  hasSeed @2 :Bool;
  seed @3 :UInt64;
  createdUnixNs @4 :Int64;  # nanoseconds since 1970-01-01T00:00:00Z
}
