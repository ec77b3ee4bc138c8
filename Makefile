# `make run` and `make test` need Python 3.11 or 3.12 and nothing else; ops/bootstrap.py sets up
# `.venv` for them, once. Options go through: make run ARGS="--port 9000", make test ARGS="-k feed".

# The first of these that works; `make PYTHON=/path/to/python3.12 ...` says otherwise.
PYTHONS = python3.12 python3.11 python3 python
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(firstword $(foreach name,$(PYTHONS),$(if \
	$(filter 0,$(shell $(name) -c '$(FITS)' >/dev/null 2>&1; echo $$?)),$(name))))

BIN = .venv/bin

.DEFAULT_GOAL = help
.PHONY: help run test check bench soak engines cluster image-test lock clean static ready-to-run ready-to-test has-python
.NOTPARALLEL:

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ready-to-run ## Set up what is missing and serve on this machine; Ctrl-C stops it.
	@exec $(BIN)/kinora run $(ARGS)

# Where nobody looks, a test that is skipped for want of an engine is a test that is missing.
test: ready-to-test static $(if $(filter true 1,$(CI)),engines) ## Set up what is missing, check the code, run every test, quick ones first.
	@exec $(BIN)/python -m pytest $(ARGS)

check: ready-to-test static ## Check style, types, layers, and that docs and API agree with the code.
	@exec $(BIN)/python -m pytest -q tests/architecture

bench: ready-to-test ## Measure, each figure beside its baseline of the same run.
	@exec $(BIN)/python -m tests.benchmarks $(ARGS)

soak: ready-to-test engines ## Harm a fleet at random with a crowd on it; ARGS="--minutes 30 --seed 7 --only redis".
	@exec $(BIN)/python -m tests.system.fleet.soak $(ARGS)

engines: ready-to-run ## Have Redis, NATS, MinIO, Cassandra and nginx in a cache folder of yours, once.
	@$(BIN)/kinora engines install

cluster: engines ## Start the whole fleet on this machine; .venv/bin/kinora cluster down stops it.
	@$(BIN)/kinora cluster up $(ARGS)

image-test: ready-to-test engines ## Build the image, and try it and engines in containers, with a Docker engine that runs.
	@exec $(BIN)/python -m tests.images $(ARGS)

lock: has-python ## Pin the dependencies of setup.cfg anew; ARGS=--upgrade takes the newest.
	@exec $(PYTHON) -I ops/bootstrap.py lock $(ARGS)

clean: ## Remove .venv, caches and build leftovers; never the data folder.
	@rm -rf .venv build dist htmlcov *.egg-info .coverage .coverage.*
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis
	@find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
	@echo "Removed .venv, caches and build leftovers. The data folder is as it was."

static:
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

ready-to-run: has-python
	@$(PYTHON) -I ops/bootstrap.py run

ready-to-test: has-python
	@$(PYTHON) -I ops/bootstrap.py test

has-python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo "$$NO_PYTHON" >&2; exit 1; }

define NO_PYTHON
Kinora needs Python 3.11 or 3.12, and $(if $(PYTHON),$(PYTHON) is neither,there is none on the PATH).
  Debian 12:       apt install python3.11 python3.11-venv
  Ubuntu 24.04:    apt install python3.12 python3.12-venv
  macOS:           brew install python@3.12
  elsewhere on this machine:  make PYTHON=/path/to/python3.12 ...
endef
export NO_PYTHON
