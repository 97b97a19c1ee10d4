# make quickstart              small LFA-UNet: data, training, test, images (synthetic stack)
# make quickstart DATA=PATH    the same on the real ssTEM stack (folder or zip)
# make test                    the tests
# make lint                    ruff and mypy
# make docs                    the site of the docs, in docs/_build/html
# make wheel                   sdist and wheel, in dist
# make smoke PYTHON=python     smoke test on an environment of your own
# make stack-NAME              smoke test and tests on another stack: onedl, torch-2.1, oldest
PYTHON ?= python3
VENV ?= .venv
DATA ?=

INPUTS := setup.py requirements/*.txt requirements/stacks/*.txt mmseg_attn/version.py
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c requirements/constraints.txt
PYTEST := -m pytest -n auto --maxprocesses 4 --dist worksteal
PARTS := models ops compat engine evaluation datasets io apps/predict apps/rasters # what other stacks run

.PHONY: quickstart test docs lint wheel smoke clean

quickstart: $(VENV)/.installed
	$(BIN)/python tools/quickstart.py $(if $(DATA),--data "$(DATA)")

test: $(VENV)/.installed-tests
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST)

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -c docs -d docs/_build/doctrees -W --keep-going . docs/_build/html

lint: $(VENV)/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/.installed
	$(INSTALL) build
	$(BIN)/python -m build

# The environment of PYTHON.
smoke:
	$(PYTHON) -W ignore .ci/smoke.py smoke

# Another stack is an environment of its own, without a copy of this package.
stack-%: .venv-%/.installed
	.venv-$*/bin/python -W ignore .ci/smoke.py $*
	env -u MMSEG_ATTN_TEST_DATA OMP_NUM_THREADS=1 \
		.venv-$*/bin/python $(PYTEST) $(PARTS:%=tests/%)

.venv-%/.installed: requirements/stacks/%.txt $(wildcard requirements/*.txt)
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/pip install --disable-pip-version-check --no-cache-dir -q -c $< torch \
		-r requirements/runtime.txt -r requirements/$(if $(filter onedl,$*),onedl,lite).txt \
		-r requirements/medical.txt -r requirements/monai.txt -r requirements/scikit-image.txt \
		-r requirements/safetensors.txt \
		$(if $(filter torch-2.1,$*),-r requirements/timm.txt -r requirements/geo.txt) \
		hypothesis pytest pytest-xdist
	touch $@

.PRECIOUS: .venv-%/.installed

$(VENV)/.installed: $(wildcard $(INPUTS))
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch -e ".[lite]"
	touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	$(INSTALL) -e ".[tests,monai]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) .venv-onedl .venv-torch-2.1 .venv-oldest build dist docs/_build docs/_api *.egg-info mmseg_attn/.mim
