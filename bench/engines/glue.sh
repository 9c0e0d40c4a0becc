#!/usr/bin/env bash
# The benchmark's job in Spark, by the script of the Glue job: INPUT OUTPUT.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
manifest=$("$root/build/bench/bin/manifest" "$root/bench/orders.odcs.yaml" "$1" "$2")
# Use both compilers of the JVM, as on Glue. run_local.sh is set for small files.
FIRN_SPARK_CONF=$(mktemp)
trap 'rm -f "$FIRN_SPARK_CONF"' EXIT
export FIRN_SPARK_CONF
echo "spark.driver.extraJavaOptions -XX:+UseParallelGC -Xss4m" >"$FIRN_SPARK_CONF"
"$root/glue/run_local.sh" "$root/glue/transform.py" --manifest "$manifest"
