#!/usr/bin/env bash
# Whether DOCUMENT shows CODE, word for word, in a block of C++; and whether EXAMPLE, which is built
# from it, runs.
set -euo pipefail
document=$1 code=$2 example=$(realpath "$3")
shown=$(awk '/^```cpp$/ { on = 1; next } /^```$/ { on = 0 } on' "$document")
if ! diff <(echo "$shown") "$code"; then
  echo "$document and $code differ (above): the README's example is that file" >&2
  exit 1
fi
cd "$(mktemp -d -p "$TEST_TMPDIR")"
[ "$("$example")" = $'256 frames\n0.25' ]
