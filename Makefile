# make demo   sets up .venv, then extracts, trains, evaluates and classifies on two photographs; leaves pictures in demo/
# make test   sets up .venv, then runs the tests
# make bench  sets up PySpacer beside it, then measures the two in turn: some 15 minutes, BENCH_ARGS=--quick for two
# make lint | env | clean

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed
PINS := $(addprefix requirements/,torch.txt core.txt networks.txt plots.txt dev.txt dev-no-deps.txt)
BENCH_VENV := benchmarks/.pyspacer-env
BENCH_PIP := $(BENCH_VENV)/bin/pip --disable-pip-version-check --quiet
BENCH_STAMP := $(BENCH_VENV)/.installed
BENCH_PINS := $(addprefix requirements/,torch.txt bench-pyspacer.txt bench-pyspacer-no-deps.txt)
export PEER_PYTHON
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# PyPI's torch for Linux is a GPU build of several GB; the CPU build stands in PyTorch's own index. A machine with a wheel
# house of its own (PIP_FIND_LINKS, or find-links in pip's configuration) is expected to keep the CPU build there.
WHEEL_HOUSE := $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
TORCH_INDEX ?= $(if $(WHEEL_HOUSE),,--extra-index-url https://download.pytorch.org/whl/cpu)

.PHONY: env demo test lint bench wheel clean
.DEFAULT_GOAL := demo

env: $(STAMP)

$(STAMP): $(PINS) setup.cfg pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "spacer_like needs Python 3.11, and there is no '$(PYTHON)' here. Install it (Debian: apt-get install python3.11-venv;" \
	       "pyenv: pyenv install 3.11), or name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "spacer_like needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version)." >&2; exit 1; }
	@echo "Setting up $(VENV): a few minutes, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install $(TORCH_INDEX) -r requirements/torch.txt
	$(PIP) install -r requirements/core.txt -r requirements/networks.txt -r requirements/plots.txt -r requirements/dev.txt
	$(PIP) install --no-deps -r requirements/dev-no-deps.txt
	$(PIP) install --no-deps --editable .
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/points/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

# PEER_PYTHON names a ready environment with PySpacer, which asks for another scikit-learn and needs one of its own.
bench: $(STAMP) $(if $(PEER_PYTHON),,$(BENCH_STAMP))
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

$(BENCH_STAMP): $(BENCH_PINS) | $(STAMP)
	@echo "Setting up PySpacer in $(BENCH_VENV): a few minutes, once."
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_PIP) install $(TORCH_INDEX) -r requirements/torch.txt
	$(BENCH_PIP) install -r requirements/bench-pyspacer.txt
	$(BENCH_PIP) install --no-deps -r requirements/bench-pyspacer-no-deps.txt
	@touch $@

wheel: $(STAMP)
	$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf $(VENV) $(BENCH_VENV) benchmarks/.work demo build dist ./*.egg-info .coverage htmlcov
