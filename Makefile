# Every target sets up what it needs; a second call installs nothing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
DEVICE ?= cuda
SCALE ?= 1

.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY)  ## .venv with the program, its libraries and the developers' tools

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=python3.12 takes another one")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

run: install  ## a first ablation, small, on the best data at hand
	$(BIN)/python -m runner -m sweep=init_ablation train=smoke data.download=false
	@echo
	@echo "Next: $(BIN)/python -m runner      says what else there is to try"
	@echo "      source $(BIN)/activate       once in a shell makes it: python -m runner"

ui: install  ## browse the runs in MLflow
	$(BIN)/python -m runner ui

test: check  ## lint, types and every test but the slow ones
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder

test-all: check  ## the slow tests too
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m ''

check: install  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## rewrite the code in the project's format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: install  ## time it beside its peers, in 15 minutes; ROWS="one-run logging" for some of it
	$(BIN)/python benchmarks/bench.py cpu --scale=$(SCALE) $(ROWS)

bench-gpu: install  ## the same on a GPU; DEVICE=cpu SCALE=0.01 only tries it
	$(BIN)/python benchmarks/bench.py gpu --device=$(DEVICE) --scale=$(SCALE) $(ROWS)

.PHONY: help install run ui test test-all check format bench bench-gpu
