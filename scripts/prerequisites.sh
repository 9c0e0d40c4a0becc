#!/usr/bin/env bash
# Prints one line for each missing program. Usage: prerequisites.sh PYTHON
# Exits with 1 if a program is missing.
set -uo pipefail

exit_code=0
missing() {
    echo "firn needs $1: $2" >&2
    exit_code=1
}

# at_least HAVE WANT: succeeds if the dotted version HAVE isn't older than WANT.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

go_version=$(go env GOVERSION 2>/dev/null | sed 's/^go//')
[ -n "$go_version" ] || missing "Go 1.26" "install it and put it on PATH"
[ -z "$go_version" ] || at_least "$go_version" 1.26 || missing "Go 1.26" "this is $go_version"

python=${1:-}
python_version=$("${python:-false}" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
case "$python_version" in
3.11 | 3.12) "$python" -c 'import venv, ensurepip' 2>/dev/null || missing "Python's venv module" "install python$python_version-venv" ;;
"") missing "Python 3.11 or 3.12" "install it, or name it: make PYTHON=/path/to/python3.12 ..." ;;
*) missing "Python 3.11 or 3.12" "$python is $python_version; name another: make PYTHON=/path/to/python3.12 ..." ;;
esac

node_version=$(node --version 2>/dev/null | sed 's/^v//')
[ -n "$node_version" ] || missing "Node 20 or newer" "install it and put it on PATH"
[ -z "$node_version" ] || at_least "$node_version" 20 || missing "Node 20 or newer" "this is $node_version"
command -v npm >/dev/null || missing "npm" "it comes with Node"

# Spark 3.5 supports Java 8, 11 and 17 only. Glue has Java 17.
java=java named="java"
[ -z "${JAVA_HOME:-}" ] || java=$JAVA_HOME/bin/java named="JAVA_HOME's java"
java_version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
case "$java_version" in
17) ;;
"") missing "Java 17" "install openjdk-17-jre-headless, or name it: JAVA_HOME=/path/to/java-17 make ..." ;;
*) missing "Java 17" "$named is $java_version; name another: JAVA_HOME=/path/to/java-17 make ..." ;;
esac
command -v mvn >/dev/null || missing "mvn" "install maven"

exit $exit_code
