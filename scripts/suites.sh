#!/usr/bin/env bash
# Runs the suites that CI runs, one after the other, and prints at the end what each took
# against its budget. A suite over its budget is said, not failed: machines
# differ. Exits 1 if a suite failed.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build

# suite, seconds it may take on two cores once everything is installed
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
