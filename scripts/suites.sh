#!/usr/bin/env bash
# Runs CI's suites in sequence, and prints the time and the budget of each suite.
# A suite above its budget gets a note but doesn't fail, because machines differ.
# Exits with 1 if a suite failed.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build

# suite and budget: seconds on two cores, after the installation of all tools
suites=(
    "check 330"
    "test-race 240"
    "test-contracts 30"
    "test-infra 120"
    "test-aws 120"
    "test-snowflake 90"
    "test-glue 240"
    "test-path 400"
    "test-demo 240"
    "test-airflow 180"
)

report=()
failed=0
for line in "${suites[@]}"; do
    read -r suite budget <<<"$line"
    echo "== make $suite"
    started=$(date +%s)
    verdict=passed
    make "$suite" || { verdict=FAILED; failed=$((failed + 1)); }
    took=$(($(date +%s) - started))
    note=""
    [ "$took" -le "$budget" ] || note="over its budget"
    report+=("$(printf '%-16s %6s   %5d s of %4d s  %s' "$suite" "$verdict" "$took" "$budget" "$note")")
done

printf '\n'
printf '%s\n' "${report[@]}"
printf '\n%d passed, %d failed\n' "$((${#suites[@]} - failed))" "$failed"
[ "$failed" -eq 0 ]
