# make demo    draws talking heads with known offsets, scores them, shows truth beside measurement
# make test    the tests
# make check   everything that CI runs: lint, format, types, floors, tests
# make fix     what ruff can mend by itself
# make gpu     the tests that need a CUDA device
#
# PYTHON=python3.12   makes the environment with another Python (3.11 or newer)
# PIP_FLAGS=...       for pip, for example on a machine without a GPU:
#                     PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
PYTEST_FLAGS ?=

BIN := $(VENV)/bin
# Twice quiet: errors still show.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --constraint constraints.txt $(PIP_FLAGS)

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format types floors fix gpu

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

demo: $(VENV)/.installed
	$(BIN)/syncqc demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

check: lint format types floors test

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check

format: $(VENV)/.installed-dev
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/mypy pipelines/*.py

floors: $(VENV)/.installed-dev
	$(BIN)/lint-imports

fix: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

gpu: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m gpu $(PYTEST_FLAGS)

# The environment is made once, and filled again when what it holds has changed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: syncqc needs Python 3.11 or newer; choose one with make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV); some minutes the first time"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV), with the tools for development; some minutes the first time"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
