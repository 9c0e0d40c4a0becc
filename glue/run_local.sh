#!/usr/bin/env bash
# Runs a Glue script on this machine. The AWS stand-in starts this script through
# MS_GLUE_RUNNER. Usage: run_local.sh SCRIPT [ARGUMENT...]
# Python finds modules beside the script and on PYTHONPATH.
# AWS_ENDPOINT_URL is the URL of S3, and the other AWS_* variables have region and
# credentials. Without AWS_ENDPOINT_URL, only file:// can be read.
# FIRN_GLUE_HOME is the folder with the Python environment, the jars and the
# optional archive of archive.sh (default: build/ of the repository).
# FIRN_SPARK_CONF is a file with more Spark settings. With FIRN_SPARK_ARCHIVE, the
# run writes an archive of classes to that file.
# Needs Java 17. Spark's temporary files are removed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${FIRN_GLUE_HOME:-$here/../build}
home=$(cd "$home" && pwd)
python=$home/venv/glue/bin/python
[ -x "$python" ] || { echo "EnvironmentError: $python is missing: run make setup" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/spark-XXXXXXXX")
trap 'rm -rf "$work"' EXIT

# Java ignores an archive of another Java or of other jars, without a warning.
archive=$home/spark.jsa
sharing=
if [ -n "${FIRN_SPARK_ARCHIVE:-}" ]; then
    sharing=-XX:ArchiveClassesAtExit=$FIRN_SPARK_ARCHIVE
elif [ -s "$archive" ]; then
    sharing=-XX:SharedArchiveFile=$archive
fi

# Glue's s3:// is S3A here, so a script has the same URIs in both places.
# Runs are short, so Java uses only its quick compiler (TieredStopAtLevel=1).
umask 077
cat >"$work/spark.conf" <<EOF
spark.master                            local[2]
spark.driver.memory                     1g
spark.driver.bindAddress                127.0.0.1
spark.driver.host                       127.0.0.1
spark.ui.enabled                        false
spark.ui.showConsoleProgress            false
spark.local.dir                         $work
spark.sql.warehouse.dir                 $work
spark.driver.extraJavaOptions           -Djava.io.tmpdir=$work -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m -Xlog:disable -Xlog:all=error:stderr $sharing
spark.sql.shuffle.partitions            2
spark.driver.extraClassPath             $(printf '%s:' "$home"/jars/*.jar)
EOF
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
    # S3A's TemporaryAWSCredentialsProvider of Hadoop 3.3.4 fails for a second thread while a first
    # thread creates the credentials.
    cat >>"$work/spark.conf" <<EOF
spark.hadoop.fs.s3.impl                 org.apache.hadoop.fs.s3a.S3AFileSystem
spark.hadoop.fs.s3a.endpoint            $AWS_ENDPOINT_URL
spark.hadoop.fs.s3a.endpoint.region     ${AWS_REGION:-us-east-1}
spark.hadoop.fs.s3a.path.style.access   true
spark.hadoop.fs.s3a.connection.ssl.enabled false
spark.hadoop.fs.s3a.aws.credentials.provider com.amazonaws.auth.EnvironmentVariableCredentialsProvider
spark.hadoop.fs.s3a.directory.marker.retention keep
spark.hadoop.fs.s3a.buffer.dir          $work
EOF
fi
[ -z "${FIRN_SPARK_CONF:-}" ] || cat "$FIRN_SPARK_CONF" >>"$work/spark.conf"

# Spark's Python workers use the driver's PYTHONPATH, without the script's own folder.
PYTHONPATH=$(cd "$(dirname "$1")" && pwd)${PYTHONPATH:+:$PYTHONPATH}
export SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON=$python PYTHONPATH
export PYSPARK_SUBMIT_ARGS="--properties-file $work/spark.conf pyspark-shell"
"$python" "$@" &
trap 'kill $! 2>/dev/null' TERM INT
wait $!
