# firn: `make` lists the targets. Everything that a fresh machine lacks beyond
# Go, Python 3.11 or 3.12, Node, Java 17 and Maven is installed below build/ and node_modules/.

MAKEFLAGS += --no-print-directory --warn-undefined-variables
SHELL := /bin/bash -euo pipefail

PYTHON ?= $(shell for python in python3.12 python3.11 python3; do $$python -c "" 2>/dev/null && command -v $$python && break; done)
VENVS := build/venv
BIN := build/bin

# golangci-lint and actionlint are built here from their modules, pinned.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
D2 := oss.terrastruct.com/d2@v0.7.1

# One set of build flags everywhere, so that every package is compiled once: for the
# command, the functions, the tests and the CDK app.
export CGO_ENABLED = 0
export GOFLAGS = -trimpath
# The linter's cache holds paths: a clone elsewhere would be told of this one's.
export GOLANGCI_LINT_CACHE = $(CURDIR)/build/golangci-lint
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = true

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### Set-up

.PHONY: prerequisites
prerequisites:
	@scripts/prerequisites.sh "$(PYTHON)"

.PHONY: setup
setup: prerequisites $(VENVS)/aws/.done $(VENVS)/snowflake/.done $(VENVS)/dbt/.done $(VENVS)/glue/.done build/jars/.done node_modules/.done firn ## install what the laptop's cloud needs

# Each tool has an environment of its own. A lock that changed makes it anew.
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
	@echo "keeping the classes that Spark loads"
	@glue/archive.sh $@

build/jars/.done: glue/jars.txt
	@echo "fetching the jars of S3A"
	@glue/jars.sh build/jars
	@touch $@

$(VENVS)/bench/.done: bench/requirements.txt $(VENVS)/uv/.done
	@echo "installing the engines that the benchmark compares with"
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
demo: setup ## the whole path on a laptop, proved row by row
	@$(BIN)/firn demo

.PHONY: up down
up: setup ## start the laptop's cloud
	@$(BIN)/firn up
down: firn ## stop the laptop's cloud
	@$(BIN)/firn down

##### Check and test

.PHONY: check
check: structure lint unit ## lint, vet and unit tests: for every few minutes

.PHONY: structure
structure: ## what CI asks first: Python syntax, layout, SQL and dbt models
	@scripts/structure.sh "$(PYTHON)"

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/actionlint $(VENVS)/lint/.done ## all linters
	@$(BIN)/golangci-lint run $(GO_PACKAGES) ./infra/... ./test/path/... ./test/engines/... ./test/airflow/...
	@$(VENVS)/lint/bin/ruff check --quiet local glue airflow && $(VENVS)/lint/bin/ruff format --quiet --check local glue airflow
	@$(VENVS)/lint/bin/sqlfluff lint --quiet dbt/models
	@$(BIN)/actionlint
	@$(VENVS)/lint/bin/zizmor --offline --quiet .github/workflows

.PHONY: contract-diff
contract-diff: firn ## what the contracts change of the last release's tables
	@scripts/contracts.sh $(BIN)/firn

.PHONY: unit
unit: $(VENVS)/aws/.done $(VENVS)/snowflake/.done ## Go's unit tests
	@go vet $(GO_PACKAGES) ./infra/... ./test/path/... ./test/engines/... ./test/airflow/...
	@go vet -tags account ./test/account
	@go test $(GO_PACKAGES)

.PHONY: test
test: ## the suites that CI runs
	@scripts/suites.sh

.PHONY: test-race
test-race: $(VENVS)/aws/.done $(VENVS)/snowflake/.done ## Go's unit tests with the race detector (needs a C compiler); -short leaves out the largest objects
	@CGO_ENABLED=1 GOFLAGS= go test -race -short ./functions/... ./internal/... ./local/usgs/...

.PHONY: test-infra
test-infra: node_modules/.done ## assertions on the CDK's template
	@go test ./infra/...

.PHONY: test-contracts
test-contracts: $(VENVS)/contracts/.done ## datacontract lint on every contract
	@for contract in datasets/*/*/contract.odcs.yaml; do $(VENVS)/contracts/bin/datacontract lint "$$contract" >build/datacontract.log 2>&1 || { cat build/datacontract.log; exit 1; }; done
	@echo "$$(ls datasets/*/*/contract.odcs.yaml | wc -l) contracts pass datacontract lint"

.PHONY: test-aws test-snowflake
test-aws: $(VENVS)/aws-dev/.done ## the AWS stand-in's own tests
	@cd local/aws && ../../$(VENVS)/aws-dev/bin/python -m pytest -q
test-snowflake: $(VENVS)/snowflake-dev/.done ## the Snowflake stand-in's own tests
	@cd local/snowflake && ../../$(VENVS)/snowflake-dev/bin/python -m pytest -q

# Spark starts once for all cases, and once for the random files.
.PHONY: test-glue
test-glue: $(VENVS)/glue-dev/.done $(VENVS)/glue/.done build/jars/.done build/spark.jsa ## both engines against one suite, and against each other on random files
	@cd glue && ../$(VENVS)/glue-dev/bin/python -m pytest -q
	@go test -count=1 -timeout 20m ./test/engines/... -differential 30

.PHONY: fuzz
fuzz: $(VENVS)/glue/.done build/jars/.done ## long: both engines on 2,000 random files, and Go's readers for 10 minutes each
	@go test -count=1 -timeout 120m ./test/engines/... -run Differential -differential 2000 -parallel 4 -v
	@for target in FuzzCSV FuzzNDJSON; do go test ./internal/transform -run '^$$' -fuzz "^$$target$$" -fuzztime 10m -fuzzminimizetime 10x; done

.PHONY: test-stock
test-stock: $(VENVS)/aws-dev/.done $(VENVS)/snowflake-dev/.done ## each mended gap still fails on the stock stand-in
	@cd local/aws && ../../$(VENVS)/aws-dev/bin/python -m pytest -q --stock
	@cd local/snowflake && ../../$(VENVS)/snowflake-dev/bin/python -m pytest -q --stock

RUNS ?= 10
SEED ?= 0

.PHONY: test-loaders
test-loaders: $(VENVS)/aws/.done $(VENVS)/snowflake/.done ## long: RUNS=10 runs of 16 loaders as processes, and every statement killed
	@go test -count=1 -timeout 120m ./test/loaders -v -runs $(RUNS) -seed $(SEED) -every-kill

.PHONY: account
account: ## the load protocol's suite and questions on a real account (docs/account.md)
	@go test -count=1 -timeout 60m -tags account ./test/account -v

.PHONY: test-path
test-path: setup build/spark.jsa ## end to end on the laptop's cloud
	@go test -count=1 -timeout 20m ./test/path/...

.PHONY: test-receipts
test-receipts: setup ## a thousand receipts wait for the load function, then five hundred of which three are bad
	@go test -count=1 -timeout 20m ./test/path/... -run Receipts -receipts 1000 -v

.PHONY: test-outage
test-outage: setup ## end the laptop's Snowflake and AWS and start them again: two mails, no dead letter, no row lost; minutes
	@go test -count=1 -timeout 20m ./test/path/... -run 'TestSnowflakeGoes|TestASweepMends' -outage -v

.PHONY: test-demo
test-demo: setup ## the demo, as it is and with rows that go missing
	@go test -count=1 -timeout 20m ./cmd/firn/... -run TestDemoCountsRows -demo

.PHONY: test-airflow airflow
test-airflow: setup $(VENVS)/airflow/.done ## the DAGs' tests, with dag.test beside the laptop's cloud
	@go test -count=1 -timeout 20m ./test/airflow/...
airflow: setup $(VENVS)/airflow/.done ## long: the DAGs under a real scheduler: a scheduled run, a backfill, a killed scheduler
	@go test -count=1 -timeout 40m ./test/airflow/... -scheduler

##### Measure

BENCH = PYTHONPATH=bench PYTHONDONTWRITEBYTECODE=1 $(VENVS)/bench/bin/python -m run

.PHONY: bench bench-quick bench-check
bench: $(VENVS)/bench/.done $(VENVS)/aws/.done $(VENVS)/glue/.done build/jars/.done ## long: measure the engines on 10 million rows; writes bench/README.md
	@$(BENCH)
bench-quick: $(VENVS)/bench/.done $(VENVS)/aws/.done $(VENVS)/glue/.done build/jars/.done ## the same on 1 million rows, printed only
	@$(BENCH) --quick
bench-check: $(VENVS)/bench/.done ## equality of the engines' rows alone, on 20,000 rows
	@$(BENCH) --check

.PHONY: bench-path
bench-path: setup ## the whole path on a laptop's cloud of its own: one small file, and 200 at once; prints a section of bench/README.md
	@go run ./bench/path

##### Documents

.PHONY: docs
docs: $(BIN)/d2 node_modules/.done ## draw the pictures
	@$(BIN)/d2 --layout elk --bundle docs/architecture.d2 docs/architecture.svg

.PHONY: clean
clean: ## remove what was built and installed
	@rm -rf build node_modules
