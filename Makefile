# make demo   install into .venv and carry the MiniLM sentence encoder to two chips
# make test   all checks: lint, format, types, tests
# make explore  the property tests again, with fresh random examples until one fails (ROUNDS times)
# make clean  remove what the above made
#
# A second run installs nothing, unless the requirements changed. Needs Python 3.11 or newer.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Asked for by itself and first, so that pip takes the build at hand for this machine.
TORCH ?= $(shell sed -n 's/^torch==/&/p' constraints.txt)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: demo test explore clean

demo: $(VENV)/.demo
	$(BIN)/glia port examples/minilm.py:encoder --to inf2,trn2 --against h100,l4

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

ROUNDS ?= 5

explore: $(VENV)/.dev
	for round in $$(seq $(ROUNDS)); do \
	  HYPOTHESIS_PROFILE=explore OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -q -m "hypothesis and not slow" \
	    || exit 1; \
	done

clean:
	rm -rf $(VENV) build glia-report src/*.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "installing PyTorch (some hundred megabytes, once) ..."
	$(INSTALL) $(TORCH)
	@echo "installing glia and the demo's model ..."
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(INSTALL) --editable '.[dev]'
	@touch $@

# Debian's python3 comes without ensurepip unless python3-venv is there; its pip can help out.
$(BIN)/pip:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: got '$(PYTHON)', expected Python 3.11 or newer; name one: make PYTHON=..."; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || \
	  { "$(PYTHON)" -m venv --without-pip $(VENV) && \
	    "$(PYTHON)" -m pip --quiet --python $(BIN)/python install pip; } || \
	  { echo "make: $(PYTHON) cannot make a virtual environment; install it first, on Debian:" \
	    "apt install python3-venv"; rm -rf $(VENV); exit 1; }
