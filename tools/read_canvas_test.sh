#!/usr/bin/env bash
# Holds tools/read_canvas.py, which was written from canvas/FORMAT.md alone, against the library: every
# sample and every written stretch of canvases that are made to be difficult, and of recordings that the
# command-line tool imported. Where the document and the code part ways, this fails.
#
#   read_canvas_test.sh FIXTURE READER CHECKER TOOL
set -euo pipefail
fixture=$PWD/$1
reader=(python3 "$PWD/$2")
checker=$PWD/$3
tool=$PWD/$4
work=${TEST_TMPDIR:-$(mktemp -d)}/read_canvas
mkdir -p "$work"
cd "$work"
lanes=0

fail() {
  echo "read_canvas_test: $*" >&2
  exit 1
}

"$fixture" "$work"
for canvas in lanes torn killed; do
  for expected in "$canvas".canvas.*.f32; do
    lane=${expected#"$canvas".canvas.}
    lane=${lane%.f32}
    "${reader[@]}" extract "$canvas.canvas" "$lane" --out got.f32 --from 0 \
      || fail "$canvas, lane $lane: not extracted"
    cmp "$expected" got.f32 || fail "$canvas, lane $lane: other samples"
    "${reader[@]}" ranges "$canvas.canvas" "$lane" | tr '\t' ' ' >got.ranges
    cmp "${expected%.f32}.ranges" got.ranges || fail "$canvas, lane $lane: other stretches"
    lanes=$((lanes + 1))
  done
  "${reader[@]}" info "$canvas.canvas" | sed -n "/^marker/p" | cmp "$canvas.canvas.markers" - \
    || fail "$canvas: other markers"
  python3 "$checker" "$canvas.canvas" || fail "$canvas: the reader finds something wrong"
done
[ "$lanes" -ge 25 ] || fail "only $lanes lanes were compared"

# Recordings, by way of the tool.
if [ -d /usr/share/sounds/alsa ]; then
  "$tool" create songs.canvas >/dev/null
  "$tool" import songs.canvas /usr/share/sounds/alsa/*.wav --at 0:29 >/dev/null
  for wav in /usr/share/sounds/alsa/*.wav; do
    name=$(basename "$wav" .wav)
    "${reader[@]}" extract songs.canvas "$name" --out got.f32
    cmp <(sox -V1 "$wav" -t f32 -) got.f32 || fail "$name: other samples than in $wav"
    lanes=$((lanes + 1))
  done
else
  echo "SKIPPED: recordings: alsa-utils is not installed"
fi

# Not canvases, or no longer.
head -c 100000 lanes.canvas >short.canvas
printf 'RIFF' >riff.canvas
for bad in short.canvas riff.canvas missing.canvas; do
  if "${reader[@]}" info "$bad" 2>said; then fail "$bad was read"; fi
  if grep -q Traceback said; then fail "$bad: $(cat said)"; fi
  [ -s said ] || fail "$bad: no word about why"
done
echo "$lanes lanes agree, sample for sample"
