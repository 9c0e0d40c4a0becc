#!/usr/bin/env bash
# The first check of CI. The main files of the repository exist, every Python file
# parses, each dataset has its SQL file and dbt model, no file of the product names
# a sample, every SQL file has balanced quotes and parentheses, and every picture
# is up to date. Go's unit tests compare the other generated files.
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
marts=(dbt/models/marts/*.sql)
[ -s "${marts[0]}" ] || fail "dbt/models/marts has no mart"
for description in dbt/models/marts/*.yml; do
    [ -s "${description%.yml}.sql" ] || fail "${description%.yml}.sql is missing, but $description describes it"
done

# No file of the product names a source of the sample project: the sources are the
# folders of datasets/. Addresses of the internet don't count. A name that the
# made-up project of the tests has too is left out.
project=(':!datasets' ':!dbt/models' ':!dbt/analyses' ':!dbt/sample_tests' ':!dbt/dbt_project.yml' ':!dbt/README.md' ':!snowflake/R__dataset_*' ':!snowflake/R__ops_views.sql'
    ':!test/samples' ':!docs' ':!README.md' ':!CHANGELOG.md')
for folder in datasets/*/; do
    source=$(basename "$folder")
    [ ! -d "testdata/project/datasets/$source" ] || continue
    named=$({
        git grep --untracked -nIiE "(^|[^a-z])$source([^a-z]|$)" -- . "${project[@]}"
        git grep --untracked -nIiE "(^|[^a-z])$source([^a-z]|$)" -- dbt/models/staging/firn
    } | sed -E 's#(https?://|github\.com/)[^ )"]*##g' | grep -iE ":.*:.*(^|[^a-z])$source([^a-z]|$)" || true)
    [ -z "$named" ] || fail "these files of the product name the sample source $source; use the made-up project in testdata/project:
$named"
done

# Every test that the documents name must exist.
for test in $(grep -ohE '`Test[A-Za-z0-9]+`' README.md docs/*.md | tr -d '`' | sort -u); do
    git grep --untracked -qE "func $test\(" -- '*_test.go' || fail "the documents name $test, but no such test exists"
done

# Quotes and parentheses are closed, and no file is empty.
git ls-files -z --cached --others --exclude-standard -- 'snowflake/*.sql' 'dbt/**/*.sql' | xargs -0 "$1" scripts/outline.py

# The pictures are those of the present sources.
sha256sum --check --quiet docs/pictures.sum || fail "a picture in docs/ is stale: run make generate"
for source in docs/*.d2; do
    grep -q " $source\$" docs/pictures.sum || fail "docs/pictures.sum lacks $source: run make generate"
done
