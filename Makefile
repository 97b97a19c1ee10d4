# make quickstart              small LFA-UNet: data, training, test, pictures (synthetic stack)
# make quickstart DATA=PATH    the same on the real ssTEM stack (folder or zip)
# make test                    the tests
# make docs                    the site of the docs, in docs/_build/html
PYTHON ?= python3
VENV ?= .venv
DATA ?=

INPUTS := setup.py requirements/*.txt mmseg_attn/version.py
INSTALL := $(VENV)/bin/pip install --disable-pip-version-check -c requirements/constraints.txt

.PHONY: quickstart test docs lint clean

quickstart: $(VENV)/.installed
	$(VENV)/bin/python tools/quickstart.py $(if $(DATA),--data "$(DATA)")

test: $(VENV)/.installed-tests
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal

docs: $(VENV)/.installed-docs
	$(VENV)/bin/python -m sphinx -c docs -d docs/_build/doctrees -W --keep-going . docs/_build/html

lint: $(VENV)/.installed-tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

$(VENV)/.installed: $(wildcard $(INPUTS))
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch -e ".[lite]"
	touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	$(INSTALL) -e ".[tests]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/_api *.egg-info mmseg_attn/.mim
