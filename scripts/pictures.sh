#!/usr/bin/env bash
# Draws each docs/*.d2 as an SVG file, and writes the checksums of both files to
# docs/pictures.sum. scripts/structure.sh compares the checksums, so that a stale
# picture is found without D2.
# Usage: pictures.sh D2. D2 is the path of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
for source in docs/*.d2; do
    "$1" --layout elk --bundle "$source" "${source%.d2}.svg" 2>build/d2.log || { cat build/d2.log >&2; exit 1; }
done
find docs -name '*.d2' -o -name '*.svg' | LC_ALL=C sort | xargs sha256sum >docs/pictures.sum
