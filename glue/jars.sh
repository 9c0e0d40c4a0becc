#!/usr/bin/env bash
# Downloads the jars of jars.txt with Maven, and compares each jar with its checksum.
# Usage: jars.sh FOLDER
# A jar with the right checksum isn't downloaded again. Needs Java 17 and mvn.
set -euo pipefail

folder=${1:?usage: jars.sh FOLDER}
list=$(dirname "$0")/jars.txt
mkdir -p "$folder"
# Maven colours its output even without a terminal, so the output goes to a file.
log=$(mktemp)
trap 'rm -f "$log"' EXIT

count=$(grep -vc '^#' "$list")
number=0
while read -r coordinate sum; do
    number=$((number + 1))
    IFS=: read -r _ name version <<<"$coordinate"
    jar=$folder/$name-$version.jar
    if ! sha256sum --check --status <<<"$sum  $jar" 2>/dev/null; then
        echo "  jar $number of $count: $name-$version"
        mvn --batch-mode --quiet --no-transfer-progress -Dstyle.color=never \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
            -Dartifact="$coordinate" -DoutputDirectory="$folder" </dev/null >"$log" 2>&1 || {
            cat "$log" >&2
            exit 1
        }
        sha256sum --check --status <<<"$sum  $jar" || {
            echo "$jar has another checksum than in jars.txt: delete the file, and run this command again" >&2
            exit 1
        }
    fi
done < <(grep -v '^#' "$list")
