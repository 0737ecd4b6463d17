# make demo: fit toy scenes and show the result.  make test: everything that CI checks.
# make notebooks: execute notebooks that were changed, and keep the copies with their pictures in docs/notebooks.
# make test-lowest: the tests against the lowest versions of all dependencies.
# A virtual environment is made in $(VENV) and kept; VENV=/somewhere/else uses another one.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
OUT ?= demo

export MPLBACKEND := Agg

.PHONY: demo test lint types tests notebooks test-lowest clean
.DELETE_ON_ERROR:

demo: $(VENV)/.stamp-run
	@echo "== demo: renders toy scenes, fits them, writes $(OUT)/"
	$(BIN)/latentlabels demo --out $(OUT)

test: lint types tests

lint: $(VENV)/.stamp-dev
	@echo "== style and layers"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.stamp-dev
	@echo "== types"
	$(BIN)/mypy

# a worker that dies ends the run and is a failure; with another one in its place, pytest-xdist would wait for ever
tests: export OMP_NUM_THREADS = 1
tests: $(VENV)/.stamp-dev
	@echo "== tests"
	$(BIN)/python -m pytest -n 2 --dist loadscope --max-worker-restart=0 $(ARGS)

notebooks: $(VENV)/.stamp-dev
	@echo "== executing the notebooks whose copy in docs/notebooks is not in step with them"
	$(BIN)/python notebooks/publish.py $(ARGS)

test-lowest:
	@echo "== the tests against the lowest versions that pyproject.toml allows, in .venv-lowest"
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) tests/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt --editable '.[test]'
	@# libraries of different ages warn of each other's deprecations
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --dist loadscope -W ignore::DeprecationWarning $(ARGS)

$(BIN)/python:
	@echo "== making a virtual environment in $(VENV)"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "latentlabels needs Python 3.11 or later; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: pyproject.toml | $(BIN)/python
	@echo "== installing latentlabels (torch is large: some minutes the first time)"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	@echo "== installing latentlabels with its test dependencies (torch is large: some minutes the first time)"
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.stamp-run

clean:
	rm -rf $(VENV) .venv-lowest demo build .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
