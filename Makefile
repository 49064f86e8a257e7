# `make demo` and `make test` need Python 3.11 or later, pip and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# uv is much faster than pip.
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt

BENCHMARKS := training few_faces hog hog_svm loading photos pretrained larger_than_memory data_parallel cluster scaling

.PHONY: demo test test-precision coverage mutants soak onnx docs bench bench-quick lint format clean

demo: .venv/installed
	$(BIN)/python examples/compare_cnn_and_hog.py

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# Run the training tests in the other precision: fp32 on processors with bf16, emulated bf16 on others.
test-precision: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --precision other

# Measure line and branch coverage; fail below 95%.
coverage: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov sk_emotion --cov-branch --cov-fail-under 95 \
		--cov-report term:skip-covered

# Mutation testing; takes hours on one core and resumes where it was interrupted.
mutants: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

# Long-running tests: fuzzed images and model files, and memory use over 200 trainings. Results depend only on the seed.
PICTURES ?= 20000
MODELS ?= 500
SEED ?= 0
soak: .venv/installed-dev
	$(BIN)/python tests/soak/fuzz_pictures.py --count $(PICTURES) --seed $(SEED)
	$(BIN)/python tests/soak/fuzz_models.py --count $(MODELS) --seed $(SEED)
	$(BIN)/python tests/soak/fuzz_onnx.py --count $(MODELS) --seed $(SEED)
	$(BIN)/python tests/soak/memory.py

# Export the included models, after their weights or the parameters of their loaders have changed.
onnx: .venv/installed-dev
	for name in fer2013 human-emotions; do \
		$(BIN)/sk-emotion export $$name sk_emotion/pretrained/$$name.onnx || exit 1; \
	done

# Run two gallery pages in parallel, one thread each. Warnings and broken links are errors.
docs: .venv/installed-docs
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build --fail-on-warning --keep-going --jobs 2 docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

# Each benchmark supports --help and asserts its bounds. bench-quick only checks that the benchmarks run.
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
