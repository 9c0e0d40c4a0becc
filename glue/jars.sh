#!/usr/bin/env bash
# Downloads the jars of jars.txt with Maven and checks their SHA-256 sums.
# Usage: jars.sh FOLDER. Existing jars with the right sum aren't downloaded again.
# Needs Java 17 and mvn.
set -euo pipefail

folder=${1:?usage: jars.sh FOLDER}
list=$(dirname "$0")/jars.txt
mkdir -p "$folder"

while read -r coordinate sum; do
    IFS=: read -r _ name version <<<"$coordinate"
    jar=$folder/$name-$version.jar
    if ! sha256sum --check --status <<<"$sum  $jar" 2>/dev/null; then
        mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
            -Dartifact="$coordinate" -DoutputDirectory="$folder" </dev/null
        sha256sum --check --status <<<"$sum  $jar" || {
            echo "$jar doesn't have the SHA-256 sum of jars.txt: delete the file, then run jars.sh again" >&2
            exit 1
        }
    fi
done < <(grep -v '^#' "$list")
