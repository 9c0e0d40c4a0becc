#!/bin/bash
# Amazon MWAA's startup script: gives dbt an environment of its own, so that it
# shares no package with Airflow, and tells the DAGs where things are.
#
# Set FIRN_BUCKET to the environment's bucket, below whose dags/ the folders dbt
# and datasets lie. MWAA runs this before each scheduler, worker and web server
# is started, and keeps the variables that it exports
# (docs.aws.amazon.com/mwaa/latest/userguide, using-startup-script). The image
# has the AWS command line.
FIRN_BUCKET=CHANGE-ME
export FIRN_HOME=/usr/test/airflow/dags
export FIRN_DBT=/usr/test/airflow/firn-dbt/bin/dbt
export SNOWFLAKE_ACCOUNT=MYORG-ACCOUNT
export FIRN_DBT_TARGET=account

# The web server builds nothing.
if [ "${MWAA_AIRFLOW_COMPONENT:-worker}" != webserver ]; then
    python3 -m venv "$(dirname "$(dirname "$FIRN_DBT")")" &&
        aws s3 cp --quiet "s3://$FIRN_BUCKET/dags/dbt/requirements.txt" /tmp/firn-dbt.txt &&
        "$(dirname "$FIRN_DBT")/pip" install --quiet --require-hashes --no-deps -r /tmp/firn-dbt.txt
fi
