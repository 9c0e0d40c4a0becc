#!/usr/bin/env bash
# The first check of CI. The main files of the repository exist, every Python file
# parses, each dataset has its SQL file and dbt model, and every SQL file has
# balanced quotes and parentheses.
# Usage: structure.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "structure: $*" >&2
    exit 1
}

for path in functions/{ingest,route,transform,load,alert}/main.go infra/main.go airflow/dags/firn.py dbt/dbt_project.yml snowflake datasets glue/transform.py glue/firn_glue \
    go.mod cdk.json Makefile README.md internal cmd/firn local docs; do
    [ -e "$path" ] || fail "$path is missing"
done

git ls-files -z --cached --others --exclude-standard -- '*.py' | xargs -0 "$1" -c '
import ast, pathlib, sys
for name in sys.argv[1:]:
    ast.parse(pathlib.Path(name).read_text(encoding="utf-8"), name)
print(len(sys.argv) - 1, "Python files parse")
'

for contract in datasets/*/*/contract.odcs.yaml; do
    entity=$(basename "$(dirname "$contract")")
    source=$(basename "$(dirname "$(dirname "$contract")")")
    [ -s "snowflake/R__dataset_${source}_${entity}.sql" ] || fail "snowflake/R__dataset_${source}_${entity}.sql is missing: go generate ./internal/snowflake/ddl"
    [ -s "dbt/models/staging/${source}/stg_${source}_${entity}.sql" ] || fail "dbt/models/staging/${source}/stg_${source}_${entity}.sql is missing"
done
for mart in fact_flight fact_earthquake dim_airline dim_airport dim_aircraft dim_date; do
    [ -s "dbt/models/marts/$mart.sql" ] || fail "dbt/models/marts/$mart.sql is missing"
done

# Every test that the documents name must exist.
for test in $(grep -ohE '`Test[A-Za-z0-9]+`' README.md docs/*.md | tr -d '`' | sort -u); do
    git grep --untracked -qE "func $test\(" -- '*_test.go' || fail "the documents name $test, but no such test exists"
done

# Quotes and parentheses are closed, and no file is empty.
git ls-files -z --cached --others --exclude-standard -- 'snowflake/*.sql' 'dbt/**/*.sql' | xargs -0 "$1" scripts/outline.py
