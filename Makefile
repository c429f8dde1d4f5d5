# Every target sets up what it needs first: Python packages in .venv, pinned with hashes in requirements/, and the
# tests' Node packages in tests/node. Nothing is installed again until a pin changes.

PYTHON ?= python3
ARGS ?=

PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check
PYTEST := .venv/bin/pytest
NODE := $(if $(wildcard tests/node/package-lock.json),tests/node/node_modules/.installed)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test faults deployment check format bench sizes refreshes setup lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  Options go into ARGS: make demo ARGS=--exit, make test ARGS="tests/domain -k state"'

demo: .venv/installed-server ## Start the vault with a sandbox provider, connect an account, call its API
	@.venv/bin/holdfast demo $(ARGS)

serve: .venv/installed-server ## Start the vault; data in ./holdfast-data
	@.venv/bin/holdfast serve $(ARGS)

test: .venv/installed-dev $(NODE) ## Run every test
	@$(PYTEST) --numprocesses logical --maxprocesses 4 --dist worksteal --ignore tests/deploy $(ARGS)

deployment: .venv/installed-dev ## Start what is in deploy/, four nodes of it, and replace them under load
	@$(PYTEST) tests/deploy $(ARGS)

faults: .venv/installed-dev ## Search every state of the refresh protocol's model, then break it simulated and for real; minutes
	@.venv/bin/python -m tests.model.run
	@.venv/bin/python -m tests.simulation.run
	@.venv/bin/python -m tests.faults.run $(ARGS)

check: .venv/installed-dev ## Formatting, lint, types, imports and the rules of the house, without the other tests
	@.venv/bin/ruff format --check --quiet || { echo 'make format puts this right.'; exit 1; }
	@.venv/bin/ruff check --quiet
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@$(PYTEST) --quiet tests/house

format: .venv/installed-dev ## Format the code and put right what the linter can
	@.venv/bin/ruff check --quiet --fix-only
	@.venv/bin/ruff format

bench: .venv/installed-dev ## Measure, as ratios to what the machine can do
	@.venv/bin/python -m tests.bench.run $(ARGS)

sizes: .venv/installed-dev ## Measure reads beside a thousand connections and a million
	@.venv/bin/python -m tests.bench.sizes $(ARGS)

refreshes: .venv/installed-dev ## Measure how many expired connections are refreshed a second
	@.venv/bin/python -m tests.bench.refreshes $(ARGS)

setup: .venv/installed-dev $(NODE) ## Only set up, for editors and debuggers

.venv/created:
	@$(PYTHON) scripts/check_python.py
	@$(PYTHON) -m venv .venv
	@touch $@

# The editable install builds with the pinned hatchling above it, so pip downloads nothing that has no hash.
.venv/installed-server: .venv/created requirements/build.txt requirements/server.txt pyproject.toml
	@echo 'Setting up .venv …'
	@$(PIP) --require-hashes -r requirements/build.txt -r requirements/server.txt
	@$(PIP) --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: .venv/installed-server requirements/dev.txt
	@echo 'Setting up .venv for development …'
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

tests/node/node_modules/.installed: tests/node/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo 'Setting up tests/node …'; \
	  cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && touch node_modules/.installed; \
	else echo 'Node.js is not installed; the tests with published JavaScript clients and providers are skipped.'; fi

# Ranges are in pyproject.toml, pins in requirements/. `make lock ARGS=--upgrade` takes the newest of everything.
COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate $(ARGS)

lock: .venv-lock/installed ## Pin again what pyproject.toml and tests/node/package.json ask for
	@$(COMPILE) --group lock --output-file requirements/lock.txt
	@$(COMPILE) --group build --output-file requirements/build.txt
	@$(COMPILE) --extra server -c requirements/build.txt pyproject.toml --output-file requirements/server.txt
	@$(COMPILE) --group dev -c requirements/build.txt -c requirements/server.txt --output-file requirements/dev.txt
	@$(if $(NODE),cd tests/node && npm install --package-lock-only --no-audit --no-fund --loglevel=error >/dev/null)

.venv-lock/installed: requirements/lock.txt
	@$(PYTHON) scripts/check_python.py
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@touch $@

clean: ## Remove everything that the other targets made
	@rm -rf .venv .venv-lock tests/node/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests scripts -type d -name __pycache__ -prune -exec rm -rf {} +
