# The two that matter: `make demo` and `make test`. `make` alone lists the others.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
LOCK := requirements.txt requirements/torch.txt pyproject.toml $(wildcard requirements/*.in) requirements/install.sh
JOBS ?= 2
# A file stays in one process, with the servers that its tests share; the longest come first (tests/conftest.py).
BESIDE := -n $(JOBS) --dist loadfile --no-loadscope-reorder
# Tests that start whole services; some promise seconds, so they run one after another when the others are done.
SERVICES := $(wildcard tests/e2e tests/faults)

.PHONY: help demo cats-report up flower models-report test lint fmt unit services faults deep acceptance integrations soak bench docs rows lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## ------------------------------------------------------------------------------------------------ see it work
demo: .venv/.demo-ready ## Scan sample pictures with the whole service on this machine (PHOTOS=folder adds yours)
	@$(BIN)/scanmill demo $(if $(PHOTOS),--photos "$(PHOTOS)") $(ARGS)

cats-report: .venv/.demo-ready ## Scan the photographs below DIR=folder and write one page: pictures, findings, failures, rates
	@$(BIN)/scanmill report "$(DIR)" $(ARGS)

up: .venv/.demo-ready ## Run the whole service on this machine, with embedded servers
	@$(BIN)/scanmill up $(ARGS)

flower: .venv/.demo-ready ## Watch the workers of a running `make up` or `make demo` in Flower
	@monitoring/flower/run.sh

models-report: .venv/.test-ready ## Every model's card on one page: var/models-report/index.html (DATA=folder adds pictures)
	@$(BIN)/python -m training.report $(if $(DATA),--data "$(DATA)") --pack models/starter --out var/models-report $(ARGS)

## ------------------------------------------------------------------------------------------------ see it right
test: .venv/.test-ready ## Everything that must hold: lint, types, import rules, all tests
	@$(MAKE) lint unit services

lint: .venv/.test-ready ## ruff, formatting, mypy --strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/.test-ready ## Put the code into the house's format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

unit: .venv/.test-ready ## Tests of parts, and of the API with its servers
	$(BIN)/pytest tests $(addprefix --ignore=,$(SERVICES)) $(BESIDE) $(ARGS)

services: .venv/.test-ready ## Tests that start whole services
	$(BIN)/pytest $(SERVICES) $(ARGS)

faults: .venv/.test-ready ## Kill every process at every point of every stage (long)
	$(BIN)/pytest tests/faults tests/integration/db/test_machine.py -m "not soak" $(ARGS)

deep: .venv/.test-ready ## What takes minutes and breaks nothing: whole trainings, larger networks, more examples (long)
	$(BIN)/pytest tests $(addprefix --ignore=,tests/faults tests/e2e/test_acceptance.py) -m "slow and not soak" $(BESIDE) $(ARGS)

acceptance: .venv/.test-ready ## 200 real photographs with planted trouble, counted to the last line (needs ../shared/training)
	$(BIN)/pytest tests/e2e/test_acceptance.py -m "slow or not slow" $(ARGS)

integrations: .venv/.test-ready ## Build and run the samples of docs/integrations (needs a JDK, Maven, Node, npm)
	docs/integrations/check.sh
	$(BIN)/pytest tests/contracts/test_flarenet.py -m "slow or not slow" -k "sample or busy or browser" $(ARGS)

soak: .venv/.test-ready ## Random faults for MINUTES (60), then every promise checked
	SOAK_MINUTES=$(or $(MINUTES),60) $(BIN)/pytest tests/faults -m soak --timeout 0 $(ARGS)

bench: .venv/.test-ready ## Measure, and compare with the figures in bench/
	$(BIN)/python -m bench $(ARGS)

## ------------------------------------------------------------------------------------------------ keep house
.venv/.demo-ready: $(LOCK)
	@PYTHON="$(PYTHON)" requirements/install.sh demo

.venv/.test-ready: $(LOCK)
	@PYTHON="$(PYTHON)" requirements/install.sh test

docs: .venv/.test-ready ## Write the tables in docs/ that are made from the code
	@$(BIN)/python -m tests.house.tables

rows: .venv/.test-ready ## Print every requirement and what shows that it is met; fails where one lacks it
	@$(BIN)/python -m tests.house.rows

lock: ## Lock the versions in requirements/ again (needs uv; ARGS=--upgrade moves them)
	@uv pip compile --quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock" $(ARGS) \
		requirements/test.in requirements/extras.in -o requirements.txt
	@sed -n 's/^onnxruntime==\([^ ]*\).*/onnxruntime-gpu==\1/p' requirements.txt > .venv/gpu.constraints
	@uv pip compile --quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --no-annotate \
		requirements/onnxruntime-gpu.in -c requirements.txt -c .venv/gpu.constraints -o requirements/onnxruntime-gpu.txt
	@uv pip compile --quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --no-annotate \
		requirements/torch.in -c requirements.txt -o requirements/torch.txt
	@uv pip compile --quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --no-annotate \
		requirements/mlflow.in -c requirements.txt -o requirements/mlflow.txt

clean: ## Remove what make made: .venv, caches, the demo's data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var/demo *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
