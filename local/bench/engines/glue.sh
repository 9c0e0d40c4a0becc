#!/usr/bin/env bash
# The job on Spark, by the script that runs on Glue: INPUT OUTPUT.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
manifest=$("$root/build/bench/bin/manifest" "$root/local/bench/orders.odcs.yaml" "$1" "$2")
"$root/glue/run_local.sh" "$root/glue/transform.py" --manifest "$manifest"
