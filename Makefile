# make demo             render a clip, track it and evaluate it, on a fresh machine
# make run VIDEO=x.mp4  track your own footage with the same set-up (ARGS="--overwrite ..." for options)
# make test             run linters, type checker and tests
# make help             print this list

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo run test clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(VENV)/installed
	$(BIN)/posetrack demo --overwrite $(ARGS)

run: export VIDEO := $(VIDEO)
run: $(VENV)/installed
	@test -n "$$VIDEO" || { echo 'Say which video: make run VIDEO=my.mp4' >&2; exit 2; }
	$(BIN)/posetrack run $(ARGS) -- "$$VIDEO"

test: $(VENV)/installed-dev
	$(BIN)/ruff check posetrack tests benchmarks examples
	$(BIN)/ruff format --check posetrack tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'posetrack needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo 'Cannot create a virtual environment; on Debian: apt install python3-venv' >&2; exit 2; }

$(VENV)/installed: pyproject.toml $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@$(MAKE) --no-print-directory usable-opencv
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# OpenCV's standard build needs the system's libGL for its windows. Without it (on servers), install the headless
# build of the same OpenCV: everything except `--show` works.
.PHONY: usable-opencv
usable-opencv:
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
		echo 'No libGL on this system: installing headless OpenCV (everything except --show works).'; \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall \
			opencv-contrib-python-headless; \
		$(BIN)/python -c 'import cv2'; }

clean:
	rm -rf $(VENV) build dist *.egg-info
