# One-word targets; the environment lives in .venv. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test test-slow check bench report pins clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[test]'
	@touch $(STAMP)

demo: setup
	$(BIN)/python -m harness

# by files on two cores, the longest file first
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: setup
	$(BIN)/python -m pytest -m slow

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m pytest tests/benchmarks -m '' --benchmark-enable --benchmark-only

report: setup
	$(BIN)/python -m harness report results/reference/*/ --out reports/reference --readme README.md

pins: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --no-emit-index-url \
	  --custom-compile-command 'make pins' --upgrade --output-file constraints.txt pyproject.toml

clean:
	rm -rf .venv
