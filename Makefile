# Everything a person does here is one of these targets; `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-incident test check format crds policies states lock coverage mutation bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: $(STAMP) ## a virtual environment with everything, exactly as locked

$(STAMP): requirements.lock pyproject.toml
	@echo "==> virtual environment in $(VENV), as locked in requirements.lock"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## the main job on a real control plane; KEEP=1 leaves it running
	@$(BIN)/surefoot demo $(if $(KEEP),--keep)

demo-incident: $(STAMP) ## the incident replayed: as it was, with gates, the proper way; both audited
	@$(BIN)/surefoot demo incident

test: $(STAMP) ## everything, on a real kube-apiserver, etcd and Prometheus
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m surefoot.testbed.binaries
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(STAMP) ## formatter, linter, types, import contract, generated files
	@echo "==> format, lint, types, imports, generated files"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m surefoot.crdgen --check
	@$(BIN)/python -m surefoot.policies --check
	@$(BIN)/python -m surefoot.docgen --check

format: $(STAMP) ## let the formatter and the linter mend what they can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

crds: $(STAMP) ## generate crds/ from the models
	@$(BIN)/python -m surefoot.crdgen

policies: $(STAMP) ## generate manifests/policies
	@$(BIN)/python -m surefoot.policies

states: $(STAMP) ## generate docs/states.md from the state machine
	@$(BIN)/python -m surefoot.docgen

lock: ## resolve pyproject.toml anew into requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --extra testbed --group dev pyproject.toml -o requirements.lock

coverage: $(STAMP) ## what the tests reach in the decision core
	@$(BIN)/python -m pytest tests/unit tests/property --cov=surefoot.domain --cov-report=term-missing

# mutmut wants a source root called `src`: it gets a copy that has one. ONLY="surefoot.domain.soak*"
mutation: $(STAMP) ## which small defects in the decision core the tests do not notice
	@rm -rf build/mutation && mkdir -p build/mutation
	@cp -r tests pyproject.toml build/mutation && cp -r operator build/mutation/src
	@cd build/mutation && $(CURDIR)/$(BIN)/mutmut run $(ONLY) && $(CURDIR)/$(BIN)/mutmut results

bench: $(STAMP) ## speed, as ratios measured in one run
	@$(BIN)/python benchmarks/advance.py

clean: ## remove what was made here (the cache of built binaries stays)
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .coverage mutants
