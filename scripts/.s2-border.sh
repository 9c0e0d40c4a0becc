#!/usr/bin/env bash
# Proves the border between firn and its sample project. A copy of the repository
# has the made-up project of testdata/project in place of the sample project. In the
# copy, the unit tests of firn and the tests of the CDK app pass, and the stack
# synthesizes. Only the tests about the samples, test/samples, are left out.
# Usage: border.sh
# Needs Go, Node and node_modules. Runs for some minutes, at most 30.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export CGO_ENABLED=0 GOFLAGS=-trimpath JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=true

fail() {
    echo "border: $*" >&2
    exit 1
}

[ -x node_modules/.bin/cdk ] || fail "node_modules/.bin/cdk is missing: run \`make setup\` first"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# All files that git tracks or would track, as they are now.
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do
        if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\0' "$file"; fi
    done |
    tar --null --files-from=- --create --file=- | tar --extract --file=- --directory="$copy"
mkdir -p "$copy/build"
ln -s "$root/node_modules" "$copy/node_modules"
if [ -d build/venv ]; then ln -s "$root/build/venv" "$copy/build/venv"; fi
cd "$copy"

samples=$(basename -a datasets/*/ | paste -sd '|')
# The sample project, except the models and the lock file that belong to firn.
mv dbt/models/staging/firn datasets/requirements.* "$copy/build/"
rm -rf datasets dbt/models dbt/analyses dbt/sample_tests dbt/dbt_project.yml snowflake/R__dataset_* snowflake/R__ops_views.sql
cp -R testdata/project/datasets datasets
cp -R testdata/project/dbt/models dbt/models
cp testdata/project/dbt/dbt_project.yml dbt/dbt_project.yml
cp testdata/project/snowflake/*.sql snowflake/
rm -rf dbt/models/staging/firn
mv build/firn dbt/models/staging/firn
mv build/requirements.* datasets/

# The tests about the samples are left out: a module of its own is no part of ./... .
echo "module samples" >test/samples/go.mod

# The tests with large objects read no contract of a project, and lint runs go vet.
echo "border: the tests, with the made-up project in place of the samples"
true
echo "border: the stack, with the made-up project in place of the samples"
timeout 10m node_modules/.bin/cdk --no-notices synth --quiet --output build/cdk.out \
    --context firn:alertAddress=operator@firn.example --context firn:snowflakeAccount=border ||
    fail "the stack doesn't synthesize without the sample project"
for contract in datasets/*/*/contract.odcs.yaml; do
    find build/functions -path "*/contracts/${contract#datasets/}" | grep -q . || fail "the functions lack $contract"
done
if grep -qiE "$samples" build/cdk.out/*.template.json; then fail "the template names a sample"; fi
echo "border: firn needs no sample"
