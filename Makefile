# Every command for people and for CI; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RETRIEVAL ?= ../shared/retrieval

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench bench-retrieval bench-volume soak replicas manage clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-15s %s\n", $$1, $$2}'

$(VENV)/.run: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/.run ## Install and serve on http://localhost:3000 in development mode
	@DEV_MODE=true exec $(BIN)/python manage.py serve

test: $(VENV)/.dev ## Run the tests
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

format: $(VENV)/.dev ## Mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure the agent beside a direct call of the same provider
	$(BIN)/python -m bench

bench-retrieval: $(VENV)/.dev ## Measure how well search finds, on the collections in RETRIEVAL=folder
	$(BIN)/python -m bench.retrieval $(RETRIEVAL)

bench-volume: $(VENV)/.dev ## Measure the operators' pages with two million messages
	$(BIN)/python -m bench.volume

soak: $(VENV)/.dev ## Let people chat for minutes while everything breaks under them, and check every promise
	$(BIN)/python -m bench.soak

replicas: $(VENV)/.dev ## Try two replicas behind nginx and Caddy, with Redis and one Postgres (what is not installed is skipped)
	$(BIN)/python -m pytest -rs tests/test_replicas.py

manage: $(VENV)/.run ## Run a command in development mode: make manage ARGS="shell"
	@DEV_MODE=true $(BIN)/python manage.py $(ARGS)

clean: ## Remove what was installed; the data in var/ stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
