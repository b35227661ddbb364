# make demo   everything from nothing: a virtual environment, the packages, then the main recipe on speech it makes itself
# make test   every check: ruff, mypy, pytest
# One thread: small models gain little from a second, and on a busy machine OpenMP spins.
# Python 3.11 to 3.13 with pip is all that is needed; choose one with `make test PYTHON=python3.12`.

PYTHON ?= python3
VENV ?= .venv
THREADS ?= 1
JOBS ?= 2
BIN := $(VENV)/bin
PACKAGES := $(wildcard speech_tl nmt_zero_shot recipes)

.PHONY: demo test clean

demo: $(VENV)/installed-synth
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m recipes.asr_multilingual --encoder tiny --sample-rate 8000 --batch-seconds 12 --batch-clips 8 --peak-rate 3e-3 --steps 1500 --augment-after 1 --monolingual sw --out runs/demo

test: $(VENV)/installed-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy $(PACKAGES)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

clean:
	rm -rf $(VENV)

# A stamp for each extra; a change of pyproject.toml installs again. Some systems ship venv without its own pip.
$(VENV)/installed-%: pyproject.toml | $(BIN)/python
	$(PYTHON) -m pip --python $(BIN)/python install --editable ".[$*]"
	touch $@

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "needs Python 3.11 to 3.13: make PYTHON=...")'
	$(PYTHON) -m venv --without-pip $(VENV)
