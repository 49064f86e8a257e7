# `make demo` and `make test` need Python 3.11 or later, pip and make: the rest is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# uv installs in seconds what takes pip minutes, and installs from PyPI like everything else.
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt

BENCHMARKS := training hog hog_svm loading pretrained

.PHONY: demo test bench bench-quick lint format clean

demo: .venv/installed
	$(BIN)/python examples/compare_cnn_and_hog.py

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Each says what it measures and takes --help; what is promised is asserted. The short form only shows that they run.
bench: .venv/installed
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py $(ARGUMENTS) || exit 1; done

bench-quick:
	$(MAKE) bench ARGUMENTS=--quick

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv demo results dist

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(INSTALL) --group dev
	touch $@
