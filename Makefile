# `make demo` and `make test` need Python 3.11 or later, pip and make: the rest is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# uv installs in seconds what takes pip minutes, and installs from PyPI like everything else.
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt

BENCHMARKS := training hog hog_svm loading pretrained larger_than_memory data_parallel cluster scaling

.PHONY: demo test test-precision coverage mutants soak docs bench bench-quick lint format clean

demo: .venv/installed
	$(BIN)/python examples/compare_cnn_and_hog.py

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto

# What trains, once more: in fp32 where the processor computes in bf16, in emulated bf16 where it does not.
test-precision: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --precision other

# Lines and branches that the tests reach; fewer than 95 % of them fail.
coverage: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --cov sk_emotion --cov-branch --cov-fail-under 95 \
		--cov-report term:skip-covered

# Which small changes of the code no test notices: hours on one core; it goes on from where it was stopped.
mutants: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

# What takes too long for every change: mutated pictures and model files for half an hour each, and 200 trainings in a row.
MINUTES ?= 30
soak: .venv/installed-dev
	$(BIN)/python tests/soak/fuzz_pictures.py --minutes $(MINUTES)
	$(BIN)/python tests/soak/fuzz_models.py --minutes $(MINUTES)
	$(BIN)/python tests/soak/memory.py

# Two pages of the gallery at once, one thread each. Nothing is downloaded; a warning or a link that leads nowhere fails.
docs: .venv/installed-docs
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build --fail-on-warning --keep-going --jobs 2 docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

# Each says what it measures and takes --help; what is promised is asserted. The short form only shows that they run.
bench: .venv/installed-dev
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
	rm -rf .venv mutants demo results dist docs/_build docs/api docs/gallery examples/demo examples/results

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(INSTALL) --group dev
	touch $@

.venv/installed-docs: .venv/installed
	$(INSTALL) --group docs
	touch $@
