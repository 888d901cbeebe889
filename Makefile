# make demo   sets up .venv, then extracts, trains, evaluates and classifies on two photographs; leaves pictures in demo/
# make test   sets up .venv, then runs the tests, two at a time; PYTEST_ARGS="-n 0" one after the other
# make test-oldest  the tests of the core with the oldest packages that setup.cfg allows, in an environment of its own, PYTHON=python3.10
#             (or 3.11, 3.12); without torch
# make test-tensorflow  what TensorFlow and Keras write and train against ours, in an environment of its own
# make test-django VERSION=4.2  the tests of contrib/django and of examples/django with that Django (4.2, 5.2, 6.0 or 6.1, which needs Python 3.12), on SQLite
#             and, where there is a server, on PostgreSQL, in an environment of its own
# make bench  sets up PySpacer and pandas beside it, then measures in turn: half an hour, BENCH_ARGS=--quick for less;
#             make bench FAMILY=rarity, chips, tags, regression, growth or engines: that family alone, without PySpacer
# make lint | env | schema | clean

PYTHON ?= $(if $(filter 6.%,$(VERSION)),python3.12,python3.11)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed
OLDEST_VENV := .oldest-env
OLDEST_STAMP := $(OLDEST_VENV)/.installed
OLDEST_TESTS := $(addprefix tests/,messages storage data_classes points learning test_mailman.py test_config.py test_registry.py \
	test_exceptions.py test_import_purity.py extractors/test_base.py)
TENSORFLOW_VENV := .tensorflow-env
TENSORFLOW_PIP := $(TENSORFLOW_VENV)/bin/pip --disable-pip-version-check --quiet
TENSORFLOW_STAMP := $(TENSORFLOW_VENV)/.installed
TENSORFLOW_PINS := $(addprefix requirements/,torch.txt core.txt networks.txt tensorflow.txt tensorflow-no-deps.txt)
VERSION ?= 5.2
DJANGO_4.2 := 4.2.30
DJANGO_5.2 := 5.2.19
DJANGO_6.0 := 6.0.10
DJANGO_6.1 := 6.1.3
DJANGO_VENV := .django-env/$(VERSION)
DJANGO_STAMP := $(DJANGO_VENV)/.installed
NEED_TORCH := $(addprefix --ignore=tests/learning/,test_heads.py test_torch_training.py)
# Exact words and numbers of newer packages: pydantic's schema, scikit-learn's defaults and rounding, a retry of botocore's.
NEWER_ALONE := unannounced or objects_are_whole or knows_nothing_of_this_package or tree_that_is_not_whole or \
	takes_the_steps_of_scikit_learn or TooManyRequests
PINS := $(addprefix requirements/,torch.txt core.txt networks.txt encoders.txt plots.txt rarity.txt geo.txt search.txt tensorboard.txt galaxies.txt dask.txt django.txt dev.txt dev-no-deps.txt)
BENCH_VENV := benchmarks/.pyspacer-env
BENCH_PIP := $(BENCH_VENV)/bin/pip --disable-pip-version-check --quiet
BENCH_STAMP := $(BENCH_VENV)/.installed
BENCH_PINS := $(addprefix requirements/,torch.txt bench-pyspacer.txt bench-pyspacer-no-deps.txt)
PANDAS_VENV := benchmarks/.pandas-env
PANDAS_STAMP := $(PANDAS_VENV)/.installed
export PEER_PYTHON
export PANDAS_PYTHON
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# On Linux only a CPU build of torch will do, and pip must be told where there is one.
define NO_TORCH
There is no CPU build of torch 2.13.0 here. Name the index of CPU builds that PyTorch's installation page gives: \
export PIP_EXTRA_INDEX_URL=..., or a folder with the wheel: export PIP_FIND_LINKS=...; then run make again.
endef

.PHONY: env demo test test-oldest test-tensorflow test-django lint bench schema wheel clean
.DEFAULT_GOAL := demo

env: $(STAMP)

$(STAMP): $(PINS) setup.cfg pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "The pins are of Python 3.11, and there is no '$(PYTHON)' here. Install it (Debian: apt-get install python3.11-venv;" \
	       "pyenv: pyenv install 3.11), or name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The pins need Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version)." >&2; exit 1; }
	@echo "Setting up $(VENV): a few minutes, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -r requirements/torch.txt || { echo "$(NO_TORCH)" >&2; exit 1; }
	$(PIP) install -c requirements/torch.txt -r requirements/core.txt -r requirements/networks.txt -r requirements/encoders.txt -r requirements/plots.txt -r requirements/rarity.txt -r requirements/geo.txt -r requirements/search.txt -r requirements/tensorboard.txt -r requirements/galaxies.txt -r requirements/dask.txt -r requirements/django.txt -r requirements/dev.txt
	$(PIP) install --no-deps -r requirements/dev-no-deps.txt
	$(PIP) install --no-deps --editable .
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/points/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

# pyarrow 15 goes through all objects of the process at each CSV file: its tests have a process of their own. Older versions of
# botocore leave sockets to the garbage collector.
test-oldest: $(OLDEST_STAMP)
	$(OLDEST_VENV)/bin/python -m pytest tests/tables $(PYTEST_ARGS)
	$(OLDEST_VENV)/bin/python -m pytest -n 2 --dist worksteal $(OLDEST_TESTS) $(NEED_TORCH) -k "not ($(NEWER_ALONE))" \
		-W ignore::pytest.PytestUnraisableExceptionWarning $(PYTEST_ARGS)

$(OLDEST_STAMP): requirements/oldest.txt setup.cfg
	test -x $(OLDEST_VENV)/bin/python || $(PYTHON) -m venv $(OLDEST_VENV)
	$(OLDEST_VENV)/bin/pip --disable-pip-version-check --quiet install -r requirements/oldest.txt
	$(OLDEST_VENV)/bin/pip --disable-pip-version-check --quiet install --no-deps --editable .
	@touch $@

test-tensorflow: $(TENSORFLOW_STAMP)
	$(TENSORFLOW_VENV)/bin/python -m pytest tests/tensorflow $(PYTEST_ARGS)

$(TENSORFLOW_STAMP): $(TENSORFLOW_PINS) setup.cfg
	test -x $(TENSORFLOW_VENV)/bin/python || $(PYTHON) -m venv $(TENSORFLOW_VENV)
	@$(TENSORFLOW_PIP) install -c requirements/networks.txt -r requirements/torch.txt || { echo "$(NO_TORCH)" >&2; exit 1; }
	$(TENSORFLOW_PIP) install -c requirements/torch.txt -c requirements/networks.txt -r requirements/core.txt -r requirements/tensorflow.txt
	$(TENSORFLOW_PIP) install --no-deps -r requirements/tensorflow-no-deps.txt
	$(TENSORFLOW_PIP) install --no-deps --editable .
	@touch $@

test-django: $(DJANGO_STAMP)
	$(DJANGO_VENV)/bin/python -m pytest -n 2 --dist worksteal tests/contrib tests/examples $(PYTEST_ARGS)

$(DJANGO_STAMP): requirements/core.txt requirements/django-tests.txt setup.cfg
	@test -n "$(DJANGO_$(VERSION))" || { echo "VERSION is one of 4.2, 5.2, 6.0 and 6.1." >&2; exit 1; }
	test -x $(DJANGO_VENV)/bin/python || $(PYTHON) -m venv $(DJANGO_VENV)
	$(DJANGO_VENV)/bin/pip --disable-pip-version-check --quiet install -r requirements/core.txt -r requirements/django-tests.txt Django==$(DJANGO_$(VERSION))
	$(DJANGO_VENV)/bin/pip --disable-pip-version-check --quiet install --no-deps --editable .
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

# PEER_PYTHON names a ready environment with PySpacer, which asks for another scikit-learn and needs one of its own.
bench: $(STAMP) $(if $(PEER_PYTHON)$(filter rarity chips tags regression growth engines,$(FAMILY)),,$(BENCH_STAMP)) \
		$(if $(PANDAS_PYTHON)$(filter points chips tags regression growth engines,$(FAMILY)),,$(PANDAS_STAMP))
	$(BIN)/python -m benchmarks $(if $(FAMILY),--family $(FAMILY)) $(BENCH_ARGS)

$(BENCH_STAMP): $(BENCH_PINS) | $(STAMP)
	@echo "Setting up PySpacer in $(BENCH_VENV): a few minutes, once."
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_PIP) install -r requirements/torch.txt
	$(BENCH_PIP) install -r requirements/bench-pyspacer.txt
	$(BENCH_PIP) install --no-deps -r requirements/bench-pyspacer-no-deps.txt
	@touch $@

$(PANDAS_STAMP): requirements/bench-rarity.txt | $(STAMP)
	test -x $(PANDAS_VENV)/bin/python || $(PYTHON) -m venv $(PANDAS_VENV)
	$(PANDAS_VENV)/bin/pip --disable-pip-version-check --quiet install -r requirements/bench-rarity.txt
	@touch $@

# After a message has changed.
schema: $(STAMP)
	$(BIN)/python -c 'import json, sys; from spacer_like.messages import json_schema; json.dump(json_schema(), sys.stdout, indent=1, sort_keys=True); print()' > docs/messages.schema.json

wheel: $(STAMP)
	$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf $(VENV) .django-env $(OLDEST_VENV) $(TENSORFLOW_VENV) $(BENCH_VENV) $(PANDAS_VENV) benchmarks/.work demo build dist ./*.egg-info .coverage htmlcov
