#!/usr/bin/env bash
# Says what each contract changes of the table that the last release made.
# Usage: contracts.sh FIRN, the operator's command. The last release is the
# newest tag v… before this commit; without one there is nothing to compare.
# Exits 1 if a table can't be changed in place.
set -uo pipefail
firn=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
if ! release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    echo "no release yet: no table to change"
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
