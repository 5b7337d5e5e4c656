# Everything a person types. The environment comes from the lock files, by a uv that pip brings along; stamp files
# make a second run start at once. Needs Python 3.11 or newer and nothing else of ours.

PYTHON ?= python3
UV_VERSION := 0.13.9

UV := .tools/bin/uv
UV_STAMP := .tools/uv-$(UV_VERSION)
BIN := .venv/bin

# uv takes the Python it is given: fetching another one is not what "make run" was asked for.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PIP_ROOT_USER_ACTION := ignore
# The cache may be on another disk, where uv would warn that it cannot link.
export UV_LINK_MODE ?= copy

# Tests wait for processes and clocks more than for the processor: half as many again as there are cores.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2); echo $$(((n * 3 + 1) / 2)))

# A file's tests stay together, for what they share; tests/conftest.py says in which order the files come.
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Where CI runs ("CI" is set there) a test that failed is run once more; both its traceback and the count of such tests are shown.

.PHONY: help install run test test-fast check bench lock clean

help:
	@echo 'make run       start Synctail with a demo shop, and print a sign-in link'
	@echo 'make install   install what Synctail needs, and the command'
	@echo 'make test      run all checks and all tests'
	@echo 'make test-fast run the tests that need no browser and end within a minute'
	@echo 'make check     formatter, linter, types of Python and JavaScript, import rules'
	@echo 'make bench     measure, next to the peers that can be had'
	@echo 'make lock      write the lock files from pyproject.toml'
	@echo 'make clean     remove the environment and the caches; .data stays'

install: .venv/.ready-to-run $(BIN)/synctail

run: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/python -m demo

test: check
	@node --test --test-reporter=dot tests/js/*/*.test.js
	@tests/install-browser.sh
	@tests/install-systems.sh
	@$(PYTEST) $(if $(CI),--reruns 1 --rerun-show-tracebacks)

# While working: no browser, no PostgreSQL, OpenSSH or Node, nothing that takes long.
test-fast: .venv/.ready-to-test
	@$(PYTEST) -q --durations 3 -m 'not (browser or chaos or systems or slow)'

# The tests start some two hundred processes of Python: what they import is compiled once, whatever is set outside.
test test-fast: export PYTHONDONTWRITEBYTECODE :=

check: .venv/.ready-to-test node_modules/.ready-to-test
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@node_modules/.bin/tsc

# "make bench QUICK=1" only shows that everything works.
bench: .venv/.ready-to-test
	@bench/install-peers.sh
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

lock: $(UV_STAMP)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --extra cli \
		--group run -o requirements.lock
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --extra cli \
		--group dev -c requirements.lock -o requirements-dev.lock

clean:
	@rm -rf .venv .tools node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# "install", not "sync": sync would throw out what the tests need. The development lock pins the same versions and
# more, so an environment made for the tests runs everything too (it touches both stamps).
.venv/.ready-to-run: requirements.lock | $(UV_STAMP) $(BIN)/python
	@echo 'Installing what Synctail needs …'
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@touch $@

.venv/.ready-to-test: requirements-dev.lock requirements.lock | $(UV_STAMP) $(BIN)/python
	@echo 'Installing what the tests need …'
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@touch .venv/.ready-to-run $@

# The command, which needs no installing: from any folder it finds the code here, and never what lies where it is called
# (-P). Written anew where the environment is.
$(BIN)/synctail: Makefile | $(BIN)/python
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/python" -P -m synctail.cli "$$@"\n' '$(CURDIR)' '$(CURDIR)/$(BIN)' > $@
	@chmod +x $@

# Only for checks and tests: the pages need no package and no build. The lock file names versions and their hashes, and
# no addresses, so any registry and any mirror will do.
node_modules/.ready-to-test: package-lock.json
	@tests/install-node.sh
	@echo 'Installing what the tests of the pages need …'
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# A link to the Python it was made with: when that has gone, so has this target, and the environment is made anew.
$(BIN)/python: | $(UV_STAMP)
	@$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" .venv

$(UV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'Synctail needs Python 3.11 or newer, and "$(PYTHON)" is not. Name one: make run PYTHON=python3.12' >&2; \
		exit 1; }
	@echo 'Installing uv …'
	@rm -rf .tools && mkdir .tools
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv==$(UV_VERSION); \
	elif $(PYTHON) -m venv .tools/venv >/dev/null 2>&1; then \
		.tools/venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && \
		mkdir .tools/bin && ln -s ../venv/bin/uv $(UV); \
	else \
		echo '"$(PYTHON)" has neither pip nor venv. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; \
	fi
	@touch $@
