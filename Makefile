# Daiko. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Python finds the project by the folder it is started in, whatever the caller exported.
unexport DJANGO_SETTINGS_MODULE PYTHONPATH

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

# The stamp is newer than the list it was made from, so a second start does not ask pip anything.
# Without a pip the folder is what an interrupted start left. With exec, what kills make's child kills
# the one that works, and not a shell around it.
$(VENV)/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/pip || echo "making $(VENV) (some seconds)"
	@test -x $(BIN)/pip || exec $(PYTHON) -m venv $(VENV)
	@echo "installing $$(grep -c '^[^ #]*==' $<) packages into $(VENV) (about a minute)"
	@exec $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## create .venv with the pinned dependencies

# Started so that killing make stops the demo too (SIGTERM, 15).
.PHONY: demo
demo: $(VENV)/.installed ## run the whole site with its demo world; PORT=8000 moves it
	@exec $(BIN)/python embedded/spawn.py $$PPID 15 $(BIN)/python -m demo

.PHONY: manage
manage: $(VENV)/.installed ## run manage.py at the running demo: ARGS="explain_token --agent concierge < token"
	@exec $(BIN)/python -m demo.manage $(ARGS)

.PHONY: test
test: $(VENV)/.installed ## run all tests, with real engines and a real browser; ARGS="-k word" picks
	@echo "starting PostgreSQL and Redis for the tests"
	@exec $(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: $(VENV)/.installed ## ruff, mypy, import-linter, migrations, system checks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.engines $(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python -m tests.engines $(BIN)/python manage.py check --fail-level WARNING

.PHONY: screenshots
screenshots: $(VENV)/.installed ## picture every page in both themes, into docs/screens/
	@exec $(BIN)/python -m tests.engines $(BIN)/python -m tests.browser.screenshots

.PHONY: chaos
chaos: $(VENV)/.installed ## 100,000 interleavings of refreshes, faults and kills; ARGS="--seed 1" repeats one
	@exec $(BIN)/python -m tests.engines $(BIN)/python -m tests.chaos $(ARGS)

.PHONY: bench
bench: $(VENV)/.installed ## measure the site against bare loops, on this machine; ARGS="--help" tells more
	@exec $(BIN)/python -m bench $(ARGS)

.PHONY: bench-peers
bench-peers: $(VENV)/.installed ## measure two gateways of others beside this one (installs them below var/)
	@exec $(BIN)/python -m bench --only peers --rate-seconds 12 --rounds 1 $(ARGS)

.PHONY: messages
messages: $(VENV)/.installed ## collect and compile what the site says, for its translations
	@exec $(BIN)/python -m tests.messages

# Hosts and paths of whoever compiles stay out of the lists.
COMPILE := var/tools/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

.PHONY: requirements
requirements: ## compile requirements*.txt from requirements*.in
	@test -x var/tools/bin/pip-compile || { $(PYTHON) -m venv var/tools; var/tools/bin/pip install --quiet pip-tools; }
	@$(COMPILE) --output-file requirements.txt requirements.in
	@$(COMPILE) --output-file requirements-dev.txt requirements-dev.in

.PHONY: clean
clean: ## remove .venv and caches; var/, with the demo's data and keys, stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage var/tools
