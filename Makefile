# `make help` names the targets.
PYTHON ?= python3
BIN := .venv/bin
# Two workers more than processors: tests wait, too. A worker that has nothing left takes tests of another.
PARALLEL ?= -n $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 2))) --dist worksteal

# Each process that is started would compile dbaudit anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-matrix soak lint types format samples constraints bench reference wheel clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv with dbaudit in it, and see that a database server is there (as root on Debian: install one)
	@PYTHON="$(PYTHON)" scripts/setup

demo: setup ## Run the main job on the sample dumps; succeeds when the verdict is the expected one
	@scripts/demo

test: setup lint types ## Style, types and all tests: on MariaDB, and on every server of the matrix that is here
	@export PARALLEL="$(PARALLEL)"; exec scripts/test $(PYTEST)

test-matrix: ## The same on MySQL 5.6, MySQL 9 and MariaDB 10.11, made or pulled where absent, with coverage
	@DBAUDIT_TEST_INSIST=1 $(MAKE) --no-print-directory test

soak: setup ## An hour of harder tests: more examples, fuzzed dumps, kills at every stage (SOAK=SECONDS)
	@export PARALLEL="$(PARALLEL)"; exec scripts/soak $(SOAK)

lint: ## Style
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

types: ## Types
	$(BIN)/mypy

format: ## Write the style
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

samples: ## Write the sample dumps in fixtures/dumps again
	$(BIN)/python fixtures/dumps/generate.py

constraints: ## Write constraints.txt from what .venv holds
	$(BIN)/python -m pip freeze --exclude-editable --exclude dbaudit > constraints.txt

bench: ## Side-by-side benchmarks against peers
	@for each in bench/*.py; do echo "== $$each"; $(BIN)/python "$$each" || exit 1; done

reference: ## Render a reference again: make reference FROM=nova.sql SERVICE=nova RELEASE=kilo
	@$(BIN)/python scripts/build-reference "$(FROM)" "$(SERVICE)" "$(RELEASE)"

wheel: ## Build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## Remove what is built here; caches outside stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
