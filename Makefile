# The project's few commands; `make` alone lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help quickstart test lint

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/  —/'

quickstart: $(VENV)/installed  ## pretrain, tune and evaluate a tiny model, in minutes
	PATH="$(CURDIR)/$(BIN):$$PATH" bash launch/quickstart.sh

test: $(VENV)/installed-test  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/installed-test  ## check style, format and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/python -m mypy

$(VENV)/installed: setup.py
	@echo 'Installing into $(VENV); this takes a minute or two.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo 'Installing what the tests need.'
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@
