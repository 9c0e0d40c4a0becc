#!/usr/bin/env bash
# Prints each contract's changes to the table of the last release.
# Usage: contracts.sh FIRN. FIRN is the path of the firn command. The last release
# is the newest tag v… before this commit. Without a tag, nothing is compared.
# Exits with 1 if a table can't be changed in place.
set -uo pipefail
firn=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
if ! release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    echo "no release yet: no contract to compare"
    exit 0
fi
old=$(mktemp)
trap 'rm -f "$old"' EXIT
failed=0
for contract in datasets/*/*/contract.odcs.yaml; do
    git show "$release:$contract" >"$old" 2>/dev/null || { echo "$contract is new"; continue; }
    "$firn" contract diff "$old" "$contract" || failed=1
done
exit "$failed"
