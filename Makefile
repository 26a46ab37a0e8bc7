# Everything runs in .venv, which each target brings up to date by itself from the versions in constraints.txt.
# Needed on the machine: GNU make, bash, and Python 3.11 or later as $(PYTHON).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
WORKERS ?= 2
SEED ?= 0
ARGS ?=

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# One stamp for the package and one for each dependency group of pyproject.toml, so that a second run is instant.
INSTALLED := $(VENV)/.installed
TESTING := $(INSTALLED)-test
CHECKING := $(INSTALLED)-check
WRITING := $(INSTALLED)-docs

$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing the package into $(VENV)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, $(PYTHON) is " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --constraint constraints.txt --upgrade pip
	@$(PIP) install --quiet --constraint constraints.txt --build-constraint constraints.txt --editable .
	@touch $@

$(INSTALLED)-%: $(INSTALLED)
	@echo "installing what $* needs into $(VENV)" >&2
	@$(PIP) install --quiet --constraint constraints.txt --group $*
	@touch $@

.PHONY: venv
venv: $(INSTALLED) $(TESTING) $(CHECKING) $(WRITING) ## make .venv with everything that development needs

# Nobody else uses the provider of the demonstration: without a margin the last reader need not wait for the next minute.
.PHONY: demo
demo: $(INSTALLED) ## analyze an example screenplay while its model service is in trouble; offline
	@mkdir -p out
	UNDERSTUDY_LIMITS__MARGIN=1 $(BIN)/understudy analyze examples/the_last_reel.fountain --trouble --out out/analysis.json $(ARGS)

# Some tests ask the type checkers. A selection of tests is not held to the bound of coverage.
# The report of coverage stands between pytest's last line and the end; the last line is said once more.
.PHONY: test
test: $(INSTALLED) $(TESTING) $(CHECKING) ## run the tests with branch coverage (ARGS="-k name", WORKERS=8)
	@mkdir -p .make
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) $(ARGS) 2>&1 | tee .make/pytest.log
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(if $(ARGS),--fail-under=0)
	@tail -n 1 .make/pytest.log

.PHONY: check
check: $(INSTALLED) $(TESTING) $(CHECKING) $(WRITING) ## lint, format, types, layers and the documentation, all strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --warnings
	$(BIN)/pytest -q tests/test_layers.py
	$(BIN)/mkdocs --quiet build --strict

.PHONY: bench
bench: $(INSTALLED) ## measure; prints one JSON object a line
	@$(BIN)/python benchmarks/run.py $(ARGS)

.PHONY: soak
soak: $(INSTALLED) ## a virtual day at 95 % load against the simulated provider; prints one JSON line per mode (ARGS="--hours 2")
	@$(BIN)/python benchmarks/soak.py $(ARGS)

.PHONY: burst
burst: $(INSTALLED) ## bursts, an overload and storms, against a yardstick; prints one JSON line per workload and mode (ARGS=storms)
	@$(BIN)/python benchmarks/burst.py $(ARGS)

.PHONY: outage
outage: $(INSTALLED) ## a provider down for ten minutes under 200 callers, in virtual time; prints one JSON line (ARGS=--bare)
	@$(BIN)/python benchmarks/outage.py $(ARGS)

.PHONY: conformance
conformance: $(INSTALLED) ## hold the code against tables of cases with their sources; the last line is JSON (ARGS="breaker waits")
	@PYTHONPATH=benchmarks $(BIN)/python -m conformance $(ARGS)

.PHONY: chaos
chaos: $(INSTALLED) ## crash a tree of twenty actors all over under 50,000 messages; prints one JSON line (SEED=7)
	@$(BIN)/python tests/supervisors/chaos.py --seed "$(SEED)" $(ARGS)

.PHONY: docs
docs: $(INSTALLED) $(WRITING) ## build the documentation into site/, warnings are errors
	$(BIN)/mkdocs build --strict

.PHONY: plots
plots: $(INSTALLED) ## draw the pictures of the documentation again, from runs in virtual time
	$(BIN)/python docs/plots/limits.py

.PHONY: format
format: $(INSTALLED) $(CHECKING) ## format the code and apply the linter's safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: clean
clean: ## remove what was built and measured; .venv stays
	rm -rf .make .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov build dist out site

# Pins what a fresh environment resolves to today: names and versions, for every platform (a constraint on a package
# that a platform does not install has no effect there). Run it to move to newer versions, then `make check test`.
.PHONY: constraints
constraints: ## pin today's newest versions of all dependencies in constraints.txt
	rm -rf .make/constraints
	$(PYTHON) -m venv .make/constraints
	.make/constraints/bin/python -m pip install --quiet --upgrade pip
	.make/constraints/bin/python -m pip install --quiet . hatchling --group test --group check --group docs
	@echo '# Written by `make constraints`: the versions that development and the gate use.' > constraints.txt
	.make/constraints/bin/python -m pip freeze --all --exclude understudy --exclude setuptools >> constraints.txt
	@! grep -n '@\|://' constraints.txt
	rm -rf .make/constraints
