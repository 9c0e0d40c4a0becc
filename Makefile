# `make` lists the targets. A machine needs Go, Python 3.11 or 3.12, Node, Java 17 and
# Maven. `make setup` installs all other tools below build/ and node_modules/.

MAKEFLAGS += --no-print-directory --warn-undefined-variables
SHELL := /bin/bash -euo pipefail

PYTHON ?= $(shell for python in python3.12 python3.11 python3; do $$python -c "" 2>/dev/null && command -v $$python && break; done)
VENVS := build/venv
BIN := build/bin

# The versions of the tools that are built from Go modules.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
D2 := oss.terrastruct.com/d2@v0.7.1

# All builds use the same flags, so that Go compiles each package once: for the command,
# the functions, the tests and the CDK app.
export CGO_ENABLED = 0
export GOFLAGS = -trimpath
# The linter's cache contains paths, so each clone has a cache of its own.
export GOLANGCI_LINT_CACHE = $(CURDIR)/build/golangci-lint
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = true

# The Go packages without the CDK app. The race detector would compile the CDK's
# library, which takes minutes, and the app has no concurrency.
WITHOUT_CDK = $$(go list ./... | grep -v /infra)
# The folders of the Go test files with a line that begins with $(1).
folders = $$(git grep --untracked -l '^$(1)' -- '*_test.go' | xargs -n 1 dirname | sort -u | sed 's|^|./|')

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### Set-up

.PHONY: prerequisites
prerequisites:
	@scripts/prerequisites.sh "$(PYTHON)"

.PHONY: setup installed
setup: installed ## install the tools of the laptop's cloud
	@echo
	@echo "firn is installed. Type build/bin/firn, or put the folder on PATH:"
	@echo "    export PATH=\"$(CURDIR)/$(BIN):\$$PATH\""
	@echo "Next: 'make demo' loads the sample files on this machine, or 'build/bin/firn up' starts the laptop's cloud."
installed: prerequisites $(VENVS)/aws/.done $(VENVS)/snowflake/.done $(VENVS)/dbt/.done $(VENVS)/glue/.done build/jars/.done node_modules/.done firn

# Each tool has a Python environment of its own. A change of the lock file makes a new
# environment.
venv = $(VENVS)/uv/bin/uv venv --quiet --clear --no-python-downloads --python "$(PYTHON)" $(VENVS)/$(1) && \
	$(VENVS)/uv/bin/uv pip sync --quiet --require-hashes --python $(VENVS)/$(1)/bin/python $(2) && \
	touch $(VENVS)/$(1)/.done

$(VENVS)/uv/.done: scripts/uv.txt
	@echo "installing uv"
	@"$(PYTHON)" -m venv $(VENVS)/uv
	@$(VENVS)/uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.txt
	@touch $@

$(VENVS)/aws/.done: local/aws/requirements.txt $(VENVS)/uv/.done
	@echo "installing the AWS stand-in"
	@$(call venv,aws,$<)

$(VENVS)/aws-dev/.done: local/aws/requirements-dev.txt $(VENVS)/uv/.done
	@$(call venv,aws-dev,$<)

$(VENVS)/snowflake/.done: local/snowflake/requirements.txt $(VENVS)/uv/.done
	@echo "installing the Snowflake stand-in"
	@$(call venv,snowflake,$<)

$(VENVS)/snowflake-dev/.done: local/snowflake/requirements-dev.txt $(VENVS)/uv/.done
	@$(call venv,snowflake-dev,$<)

$(VENVS)/dbt/.done: dbt/requirements.txt $(VENVS)/uv/.done
	@echo "installing dbt"
	@$(call venv,dbt,$<)

$(VENVS)/glue/.done: glue/requirements.txt $(VENVS)/uv/.done
	@echo "installing PySpark"
	@$(call venv,glue,$<)

$(VENVS)/glue-dev/.done: glue/requirements-dev.txt $(VENVS)/uv/.done
	@$(call venv,glue-dev,$<)

build/spark.jsa: glue/archive.sh glue/warm_up.py glue/run_local.sh glue/transform.py $(wildcard glue/firn_glue/*.py) $(VENVS)/glue/.done build/jars/.done
	@echo "archiving the classes of Spark, for a faster start"
	@glue/archive.sh $@

build/jars/.done: glue/jars.txt
	@echo "fetching the jars of Spark's S3 client"
	@glue/jars.sh build/jars
	@touch $@

$(VENVS)/bench/.done: bench/requirements.txt $(VENVS)/uv/.done
	@echo "installing the engines of the benchmark"
	@$(call venv,bench,$<)

$(VENVS)/contracts/.done: datasets/requirements.txt $(VENVS)/uv/.done
	@$(call venv,contracts,$<)

$(VENVS)/airflow/.done: airflow/requirements-dev.txt $(VENVS)/uv/.done
	@echo "installing Airflow"
	@$(call venv,airflow,$<)

$(VENVS)/lint/.done: scripts/lint.txt $(VENVS)/uv/.done
	@$(call venv,lint,$<)

node_modules/.done: package-lock.json
	@echo "installing the CDK's command"
	@npm ci --silent --no-audit --no-fund
	@touch $@

$(BIN)/golangci-lint $(BIN)/actionlint $(BIN)/d2:
	@echo "building $(@F) (once)"
	@mkdir -p build/tools && cd build/tools && GOFLAGS=-mod=mod GOBIN="$(CURDIR)/$(BIN)" go install \
		$(if $(findstring golangci,$@),$(GOLANGCI),$(if $(findstring d2,$@),$(D2),$(ACTIONLINT)))

.PHONY: firn
firn: ## build the operator's command, build/bin/firn
	@go build -buildvcs=false -o $(BIN)/firn ./cmd/firn

##### Use

.PHONY: demo
demo: installed ## load the sample files on the laptop's cloud and compare every row
	@$(BIN)/firn demo

.PHONY: up down
up: installed ## start the laptop's cloud
	@$(BIN)/firn up
down: firn ## stop the laptop's cloud
	@$(BIN)/firn down

##### Check: the loop of a contributor

.PHONY: check
check: structure lint prose unit ## structure, linters, plain English and unit tests: after each change

.PHONY: structure
structure: ## the first check of CI: Python syntax, folders, SQL, layers, generated files
	@scripts/structure.sh "$(PYTHON)"

# The linter runs go vet too, with all build tags (.golangci.yml).
.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/actionlint $(VENVS)/lint/.done ## all linters
	@$(BIN)/golangci-lint run ./...
	@$(VENVS)/lint/bin/ruff check --quiet $(PYTHON_FOLDERS) && $(VENVS)/lint/bin/ruff format --quiet --check $(PYTHON_FOLDERS)
	@$(VENVS)/lint/bin/sqlfluff lint --quiet dbt/models
	@$(BIN)/actionlint
	@$(VENVS)/lint/bin/zizmor --offline --quiet .github/workflows

.PHONY: prose
prose: ## plain English in comments, messages, mails and documents
	@cd scripts/prose && PYTHONDONTWRITEBYTECODE=1 "$(PYTHON)" -m unittest --quiet 2>../../build/prose.log || { cat ../../build/prose.log; exit 1; }
	@"$(PYTHON)" scripts/prose/prose.py

.PHONY: unit
unit: ## Go's unit tests: need only Go
	@go test ./...

PYTHON_FOLDERS := local glue airflow scripts bench

.PHONY: fmt
fmt: $(BIN)/golangci-lint $(VENVS)/lint/.done ## format Go, Python and SQL
	@$(BIN)/golangci-lint fmt
	@$(VENVS)/lint/bin/ruff check --quiet --select I --fix $(PYTHON_FOLDERS) && $(VENVS)/lint/bin/ruff format --quiet $(PYTHON_FOLDERS)
	@$(VENVS)/lint/bin/sqlfluff format --quiet dbt/models

# Golden files of tests and lock files are not part: see CONTRIBUTING.md.
.PHONY: generate docs
generate: docs ## write all generated files: the SQL of the contracts and of the benchmark, and the pictures
	@go generate ./...
docs: $(BIN)/d2 ## draw the pictures of docs/
	@scripts/pictures.sh $(BIN)/d2

.PHONY: contract-diff
contract-diff: firn ## the changes of the tables since the last release
	@scripts/contracts.sh $(BIN)/firn

##### Test: `make test` runs each Go test once. test-race takes the unit tests and the tests
##### with a stand-in, test-large takes the tests with large objects, which the race detector
##### would make slow, and test-infra takes the CDK app.

.PHONY: test
test: ## all suites of CI, each with its time and budget: before a push
	@scripts/suites.sh test

.PHONY: test-long
test-long: ## all other suites, about an hour: CI runs these suites every week
	@scripts/suites.sh long

.PHONY: test-standin
test-standin: $(VENVS)/aws/.done $(VENVS)/snowflake/.done ## the Go packages with a test beside a stand-in
	@go test -tags standin $(call folders,//go:build standin)

.PHONY: test-race
test-race: $(VENVS)/aws/.done $(VENVS)/snowflake/.done ## unit tests and tests beside a stand-in, with the race detector (needs a C compiler)
	@CGO_ENABLED=1 GOFLAGS= go test -race -tags standin -timeout 20m -skip '^TestLarge' $(WITHOUT_CDK)

.PHONY: test-large
test-large: ## Go tests with large objects, without the race detector
	@go test -run '^TestLarge' $(call folders,func TestLarge)

.PHONY: test-infra
test-infra: node_modules/.done ## tests of the CDK's template
	@go test -tags cdk ./infra/...

.PHONY: test-contracts
test-contracts: $(VENVS)/contracts/.done ## datacontract lint on every contract
	@for contract in datasets/*/*/contract.odcs.yaml; do $(VENVS)/contracts/bin/datacontract lint "$$contract" >build/datacontract.log 2>&1 || { cat build/datacontract.log; exit 1; }; done
	@echo "$$(ls datasets/*/*/contract.odcs.yaml | wc -l) contracts pass datacontract lint"

.PHONY: test-aws test-snowflake
test-aws: $(VENVS)/aws-dev/.done ## the AWS stand-in's own tests
	@cd local/aws && ../../$(VENVS)/aws-dev/bin/python -m pytest -q
test-snowflake: $(VENVS)/snowflake-dev/.done ## the Snowflake stand-in's own tests
	@cd local/snowflake && ../../$(VENVS)/snowflake-dev/bin/python -m pytest -q

ENDTOEND = go test -count=1 -tags endtoend

# Spark starts once for all cases, and once for the random files.
.PHONY: test-glue
test-glue: $(VENVS)/glue-dev/.done $(VENVS)/glue/.done build/jars/.done build/spark.jsa ## both engines on the same cases and on random files
	@cd glue && ../$(VENVS)/glue-dev/bin/python -m pytest -q
	@$(ENDTOEND) -timeout 20m ./test/engines/... -differential 30

.PHONY: test-path
test-path: installed build/spark.jsa ## end to end on the laptop's cloud
	@$(ENDTOEND) -timeout 20m ./test/path/...

.PHONY: test-demo
test-demo: installed ## the demo, with changed files and with missing rows
	@$(ENDTOEND) -timeout 20m ./test/samples -run TestDemoCountsRows -demo

.PHONY: test-airflow
test-airflow: installed $(VENVS)/airflow/.done ## the DAGs on the laptop's cloud, without a scheduler
	@$(ENDTOEND) -timeout 20m ./test/airflow/...

# The short form has a fixed seed, so that its time is comparable.
.PHONY: test-chaos
test-chaos: installed build/spark.jsa ## the short form of `make chaos`: 120 objects
	@$(call chaos,1,120)

# Runs test/chaos with SEED, or with the seed $(1) for SEED=0. $(2) is the number of objects.
chaos = seed=$(SEED); [ "$$seed" != 0 ] || seed=$(1); \
	echo "make $@ SEED=$$seed OBJECTS=$(2) replays this run"; \
	$(ENDTOEND) -timeout 120m ./test/chaos -seed "$$seed" -objects $(2)

##### Long tests: `make test-long` runs each of these targets

RUNS ?= 10
SEED ?= 0
FUZZ_FILES ?= 2000
FUZZ_TIME ?= 10m
# The random files of a week have a seed of their own.
FUZZ_SEED ?= $(shell date +%G%V)

.PHONY: fuzz
fuzz: $(VENVS)/glue/.done build/jars/.done build/spark.jsa ## both engines on FUZZ_FILES=2000 random files of a FUZZ_SEED, and Go's readers for FUZZ_TIME=10m each
	@echo "random files of FUZZ_SEED=$(FUZZ_SEED)"
	@$(ENDTOEND) -timeout 120m ./test/engines/... -run RandomFiles -differential $(FUZZ_FILES) -seed $(FUZZ_SEED) -parallel 4
	@for target in FuzzCSV FuzzNDJSON; do go test ./internal/transform -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x; done

.PHONY: border
border: node_modules/.done ## firn without the sample project: unit tests and the stack
	@scripts/border.sh

.PHONY: test-stock
test-stock: $(VENVS)/aws-dev/.done $(VENVS)/snowflake-dev/.done ## each fixed gap still fails on the published stand-in
	@cd local/aws && ../../$(VENVS)/aws-dev/bin/python -m pytest -q --stock
	@cd local/snowflake && ../../$(VENVS)/snowflake-dev/bin/python -m pytest -q --stock

.PHONY: test-loaders
test-loaders: $(VENVS)/aws/.done $(VENVS)/snowflake/.done ## RUNS=10 runs of 16 loader processes, and a kill at every statement
	@$(ENDTOEND) -timeout 120m ./test/loaders -v -runs $(RUNS) -seed $(SEED) -every-kill

OBJECTS ?= 3000

.PHONY: chaos
chaos: installed build/spark.jsa ## OBJECTS=3000 objects under faults of all kinds, judged by an oracle apart from firn; SEED=n replays a run
	@$(call chaos,$$(date +%s),$(OBJECTS)) -v

.PHONY: test-receipts
test-receipts: installed ## a thousand receipts wait for the load function, then five hundred with three bad receipts
	@$(ENDTOEND) -timeout 20m ./test/path/... -run Receipts -receipts 1000 -v

.PHONY: test-outage
test-outage: installed ## stop the stand-ins and start the stand-ins again: two mails, no dead letter, no lost row
	@$(ENDTOEND) -timeout 20m ./test/path/... -run 'Outage|KilledStandIn' -outage -v

.PHONY: airflow
airflow: installed $(VENVS)/airflow/.done ## the DAGs under a real scheduler: a scheduled run, a backfill, a killed scheduler
	@$(ENDTOEND) -timeout 40m ./test/airflow/... -scheduler

.PHONY: account
account: ## the load protocol's suite on a real account, outside `make test-long` (docs/account.md)
	@go test -count=1 -timeout 60m -tags account ./test/account -v

##### Measure

BENCH = PYTHONPATH=bench PYTHONDONTWRITEBYTECODE=1 $(VENVS)/bench/bin/python -m run

.PHONY: bench bench-quick bench-check
bench: $(VENVS)/bench/.done $(VENVS)/aws/.done $(VENVS)/glue/.done build/jars/.done ## long: measure the engines on 10 million rows and write bench/README.md
	@$(BENCH)
bench-quick: $(VENVS)/bench/.done $(VENVS)/aws/.done $(VENVS)/glue/.done build/jars/.done ## the same on 1 million rows, printed only
	@$(BENCH) --quick
bench-check: $(VENVS)/bench/.done ## compare the rows of the engines on 20,000 rows, without a measurement
	@$(BENCH) --check

.PHONY: bench-path
bench-path: installed ## the whole path on a laptop's cloud of its own: a small file, and 200 files at once; prints a section of bench/README.md
	@go run ./bench/path

.PHONY: clean
clean: ## remove all built and installed files
	@rm -rf build node_modules
