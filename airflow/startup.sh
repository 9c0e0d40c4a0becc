#!/bin/bash
# Amazon MWAA's startup script. The script installs dbt into an environment of its
# own, so that dbt and Airflow share no package, and sets the DAGs' variables.
#
# Set FIRN_BUCKET to the environment's bucket. The bucket's dags/ must have the
# folders dbt and datasets. MWAA runs this script before the start of each
# scheduler, worker and web server, and keeps the exported variables
# (docs.aws.amazon.com/mwaa/latest/userguide, using-startup-script). The image
# includes the AWS command line.
FIRN_BUCKET=CHANGE-ME
export FIRN_HOME=/usr/local/airflow/dags
export FIRN_DBT=/usr/local/airflow/firn-dbt/bin/dbt
export SNOWFLAKE_ACCOUNT=MYORG-ACCOUNT
export FIRN_DBT_TARGET=account

# The web server doesn't run dbt.
if [ "${MWAA_AIRFLOW_COMPONENT:-worker}" != webserver ]; then
    python3 -m venv "$(dirname "$(dirname "$FIRN_DBT")")" &&
        aws s3 cp --quiet "s3://$FIRN_BUCKET/dags/dbt/requirements.txt" /tmp/firn-dbt.txt &&
        "$(dirname "$FIRN_DBT")/pip" install --quiet --require-hashes --no-deps -r /tmp/firn-dbt.txt
fi
