# Two commands matter: `make run` (needs only PyPI, never root) and `make test` (asks once before it installs Debian packages).
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test check audit sbom bench faults chaos coverage-table lock picture clean

run: $(VENV)/run-ready
	@exec $(BIN)/toritsugi run $(ARGS)

test: $(VENV)/test-ready
	@tests/install-packages
	$(BIN)/python -m tests $(ARGS)
	$(BIN)/python -m pytest tests/browser

check: $(VENV)/test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.audit

# As in `check`, but it fails also where the advisory services could not be asked.
audit: $(VENV)/test-ready
	$(BIN)/python -m tests.audit --strict

# What a release consists of: each package of the lock with its hashes, as CycloneDX. The same lock gives the same bytes.
sbom: $(VENV)/test-ready
	@mkdir -p build
	@$(BIN)/python -W ignore -m cyclonedx_py requirements deploy/requirements.lock --pyproject pyproject.toml \
		--output-reproducible --of JSON -o build/sbom.json
	@echo build/sbom.json

# Ratios against named peers, measured beside us in one run; no test has a limit of time.
bench: $(VENV)/test-ready $(VENV)/peers/ready
	@tests/install-packages
	@$(BIN)/python -m tests.bench $(ARGS)

# Other people's libraries that we only measure against.
$(VENV)/peers/ready: $(VENV)/bin/python tests/bench/peers.lock
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes --target $(VENV)/peers --upgrade -r tests/bench/peers.lock
	@touch $@

# Each fault of tests/faults on RabbitMQ, with SQLite and with PostgreSQL; FULL=1: at the size of a real night (docs/faults.md says how long).
faults: $(VENV)/test-ready
	@tests/install-packages
	@$(BIN)/python -m tests.faults $(if $(FULL),--full) $(ARGS)

# Faults by lot while people call: make chaos FOR=10m; the seed that it prints repeats it (SEED=…).
FOR ?= 10m
chaos: $(VENV)/test-ready
	@tests/install-packages
	@$(BIN)/python -m tests.faults --chaos $(FOR) $(if $(SEED),--seed $(SEED)) $(ARGS)

coverage-table: $(VENV)/test-ready
	@$(BIN)/python -m tests.coverage_table

# The lock files hold every package with its hashes; they are made anew only here.
lock: $(VENV)/run-ready
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o deploy/requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --extra dev -c deploy/requirements.lock -o deploy/requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header tests/bench/peers.txt -o tests/bench/peers.lock

# The pictures of the pages, taken by the browser test.
picture: $(VENV)/test-ready
	@tests/install-packages
	TORITSUGI_PICTURE=docs/page.png $(BIN)/python -m pytest tests/browser -k "first_page or story or pictures or forwarding"

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Please install Python 3.11 or newer: sudo apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Toritsugi needs Python 3.11 or newer; $(PYTHON) is older."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Please install the package python3-venv: sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run-ready: $(VENV)/bin/python pyproject.toml deploy/requirements.lock
	@echo "Installing Python packages into $(VENV) …" >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r deploy/requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/test-ready: $(VENV)/run-ready deploy/requirements-dev.lock
	@echo "Installing the tools for tests into $(VENV) …" >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r deploy/requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) data build *.egg-info
