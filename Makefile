# Every target makes the environment it needs first; the first run of any of them downloads about 1 GB.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM_VENV := .venv-vllm
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
export DAGSTER_HOME := $(CURDIR)/dagster_home
export BIAS_PLATFORM_LAKE ?= $(CURDIR)/data/lake
export OMP_NUM_THREADS ?= 1

.PHONY: help environment vllm demo demo-persona test test-all lint ui clean-environment

help:
	@echo "make demo   train small models, run the demo study through Dagster, print the report"
	@echo "make demo-persona  the persona study on posts, tweets and memes, the same way"
	@echo "make test   lint, types, layering and all tests; those of an engine whose environment is not there are skipped"
	@echo "make ui     serve the Dagster UI on this machine only (PORT=3000)"
	@echo "make vllm   make the environment of the engine vllm: its CUDA build where a GPU is, else its CPU build (3 GB)"
	@echo "make test-all   make vllm, then make test with nothing skipped for want of it"

environment: $(VENV)/.complete

$(VENV)/.complete: pyproject.toml constraints.txt Makefile
	@echo "== making the environment in $(VENV) (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@.ci/install-torch $(BIN)/python $(TORCH_CPU_INDEX)
	@echo "== installing the packages"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[orchestration,models,endpoints,development]'
	@$(BIN)/python -c 'import torch, sys; sys.exit(torch.version.cuda is not None and not torch.cuda.is_available())' || \
	  echo "note: this torch carries CUDA although no GPU is here; the CPU build would be smaller"
	@touch $@
	@echo "== environment ready"

vllm: $(VLLM_VENV)/.complete

$(VLLM_VENV)/.complete: pyproject.toml constraints-vllm.txt constraints-vllm-cuda.txt .ci/install-vllm .ci/install-torch
	@echo "== making the environment in $(VLLM_VENV) (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	@.ci/install-vllm $(VLLM_VENV)/bin/python $(TORCH_CPU_INDEX)
	@touch $@
	@echo "== environment of vllm ready"

demo: environment
	@$(BIN)/bias-platform demo

demo-persona: environment
	@$(BIN)/bias-platform demo --persona

test: environment
	@echo "== lint"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== types"; $(BIN)/mypy
	@echo "== layering"; $(BIN)/lint-imports
	@echo "== definitions"; $(BIN)/dagster definitions validate && $(BIN)/dg check defs
	@echo "== tests"; $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-all: vllm
	@BIAS_PLATFORM_TEST_VLLM=1 $(MAKE) --no-print-directory test

ui: environment
	@$(BIN)/bias-platform prepare
	@echo "== the Dagster UI will be at http://127.0.0.1:$(or $(PORT),3000)  (Ctrl-C ends it)"
	@$(BIN)/dagster dev --host 127.0.0.1 --port $(or $(PORT),3000)

clean-environment:
	rm -rf $(VENV) $(VLLM_VENV)
