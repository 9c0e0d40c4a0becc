#!/usr/bin/env bash
# Runs a group of suites in sequence, and prints the time and the budget of each suite.
# Usage: suites.sh test|long. A suite is a target of the Makefile.
# A suite above its budget gets a note but doesn't fail, because machines differ.
# Exits with 1 if a suite failed.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build

# suite, budget and variables: the budget is in seconds on two cores, after the
# installation of all tools
case "${1:-}" in
test)
    suites=(
        "structure 10"
        "lint 60"
        "prose 15"
        "test-race 360"
        "test-large 40"
        "test-contracts 20"
        "test-infra 60"
        "test-aws 110"
        "test-snowflake 75"
        "test-glue 140"
        "test-path 200"
        "test-chaos 60"
        "test-demo 90"
        "test-airflow 70"
    )
    ;;
long)
    # A variable of the command line or of the environment replaces a variable here:
    # make test-long RUNS=20.
    suites=(
        "contract-diff 10"
        "border 300"
        "test-stock 360"
        "test-receipts 180"
        "test-outage 300"
        "airflow 480"
        "chaos 1500 OBJECTS=${OBJECTS:-3000}"
        "test-loaders 840 RUNS=${RUNS:-5}"
        "fuzz 900 FUZZ_FILES=${FUZZ_FILES:-300} FUZZ_TIME=${FUZZ_TIME:-2m}"
        "bench-check 20"
        "bench-path 240"
        "bench-reads 300"
        "bench-quick 900"
    )
    ;;
*)
    echo "usage: suites.sh test|long" >&2
    exit 2
    ;;
esac

report=()
failed=0
all=0
begun=$(date +%s)
for line in "${suites[@]}"; do
    read -r suite budget variables <<<"$line"
    echo "== make $suite $variables"
    started=$(date +%s)
    verdict=passed
    # shellcheck disable=SC2086 # no variable has a blank
    make "$suite" $variables || { verdict=FAILED; failed=$((failed + 1)); }
    took=$(($(date +%s) - started))
    note=""
    [ "$took" -le "$budget" ] || note="over its budget"
    report+=("$(printf '%-16s %6s   %5d s of %4d s  %s' "$suite" "$verdict" "$took" "$budget" "$note")")
    all=$((all + budget))
done

printf '\n'
printf '%s\n' "${report[@]}"
printf '\n%d passed, %d failed; %d s of %d s\n' "$((${#suites[@]} - failed))" "$failed" "$(($(date +%s) - begun))" "$all"
[ "$failed" -eq 0 ]
