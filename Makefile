# On the first run, each command makes .venv and installs the requirements.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.PHONY: demo test check docs install peers speed clean

demo: $(READY)  ## render, build, train, evaluate: every step on the embedded dataset
	$(BIN)/python -m albar_bench demo

test: $(READY)  ## the tests, on all cores (8 at most: each process may load a network)
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

check: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## the documentation as a site, in site/; a dead link or an unlisted page is an error
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/python -m mkdocs build
	@echo "open site/index.html (to search in it: $(BIN)/python -m http.server --directory site)"

peers: $(READY)  ## the libraries that `make speed` compares with; not part of the installation
	$(BIN)/python -m pip install --quiet --editable '.[peers]'

speed: $(READY)  ## the table of speed goals; CLIPS=FOLDER has real videos (docs/speed.md)
	$(BIN)/python perf/table.py $(CLIPS)

install: $(READY)  ## only the environment

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet 'setuptools>=69' wheel --editable '.[train,sam,generate,ray,dev]'
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[all,dev]' \
	  || { $(BIN)/python -m pip install --quiet scikit-learn && \
	       echo "actionformer could not be built (is there a C++ compiler?): bench downstream localize cannot train heads"; }
	touch $@

clean:  ## delete the output of the demo (the environment stays)
	rm -rf demo
