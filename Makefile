# Every target makes the environment it needs; nothing has to be installed by hand but python3 (3.11+), pip and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEMO   ?= runs/demo
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check docs wheel clients hostile kills accept clean writers bits sweeps

help:     ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[draw,editor,export,gradients,serve,docs,dev]'
# torchrec names the CUDA build of fbgemm, so it comes without what it names; elsewhere its tests are skipped.
ifeq ($(shell uname -s),Linux)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt fbgemm-gpu-cpu tensordict torchmetrics pyre-extensions tqdm
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps torchrec
endif
	@touch $@

demo: $(READY)     ## compile, train on a simulated fund search, evaluate, draw what was learnt
	$(BIN)/aesm simulate -o $(DEMO)/data --rows 200k --seed 1 --overwrite
	$(BIN)/aesm compile $(DEMO)/data/fund_search.aesm -o $(DEMO)/plan
	$(BIN)/aesm train $(DEMO)/data/fund_search.aesm -o $(DEMO)/run --overwrite
	$(BIN)/aesm visualize $(DEMO)/run -o $(DEMO)/sharing.svg
	$(BIN)/aesm visualize $(DEMO)/run -o $(DEMO)/sharing.png
	$(BIN)/aesm visualize $(DEMO)/run -o $(DEMO)/report.html

test: $(READY)     ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

writers:           ## read files of a dozen other libraries, in environments of their own
	$(PYTHON) -m venv build/writers
	build/writers/bin/python -m pip install --quiet --disable-pip-version-check -e . pytest hypothesis -r tests/data/reading/writers.txt
	build/writers/bin/python -m pytest -p no:cacheprovider tests/data/reading/test_writers.py tests/data/reading/test_frames.py
	$(PYTHON) -m venv build/pandas2
	build/pandas2/bin/python -m pip install --quiet --disable-pip-version-check -e . pytest hypothesis 'pandas<3' pyarrow
	build/pandas2/bin/python -m pytest -p no:cacheprovider tests/data/reading/test_writers.py tests/data/reading/test_frames.py -k pandas

docs: $(READY)     ## the site of the documents, in build/docs; a warning fails
	$(BIN)/python -m sphinx -W --keep-going -q docs build/docs

wheel: $(READY)    ## build what is handed out, install it without the project, walk the tutorial with it
	$(BIN)/python -m pytest -n 0 tests/wheel.py

check: docs wheel  ## formatting, lint, types, the documents as a site, and the wheel
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clients: $(READY)  ## try the clients and runtimes of docs/serving.md, each in an environment of its own
	PYTHONPATH=. $(BIN)/python tests/clients/run.py
	AESM_COMPILED=1 $(BIN)/python -m pytest -n 0 tests/serving/test_score_pt2.py

hostile: $(READY)  ## a server among hostile clients: the table of docs/serving.md; on Linux
	$(BIN)/python -m tests.hostile

kills: $(READY)    ## kill every command at its operations on files, then fill the disk there; needs strace
	$(BIN)/python -m tests.kills
	$(BIN)/python -m tests.kills --full

accept: $(READY)   ## rewrite the golden files from what the code prints now
	$(BIN)/python -m pytest --accept

bits: $(READY)     ## train by every option with 1, 2 and 3 threads, twice: the same bits, in half an hour or more
	$(BIN)/python -m tests.bits

sweeps: $(READY)   ## try every planted mistake, ten times the examples, every architecture exported under names of every kind
	AESM_SWEEP=1 $(BIN)/python -m pytest -n $(WORKERS) tests/findings/test_independent_mistakes.py tests/plan/test_sizing.py tests/serving/test_export.py tests/serving/test_export_names.py tests/serving/test_parity.py tests/training/fit/test_precision.py
	AESM_SWEEP=1 $(BIN)/python -m pytest -n $(WORKERS) -m hypothesis
	$(BIN)/python -m tests.fuzz

clean:    ## remove the environment, the runs and the caches
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
