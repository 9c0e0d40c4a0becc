#!/usr/bin/env bash
# Fetches the jars of jars.txt by Maven and checks them. Usage: jars.sh FOLDER
# What is there and whole isn't fetched again. Needs Java 17 and mvn.
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
            echo "$jar isn't the file that jars.txt names: delete it and run this again" >&2
            exit 1
        }
    fi
done < <(grep -v '^#' "$list")
