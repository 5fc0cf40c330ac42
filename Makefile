# make demo    reduce the demo's network, compare both, benchmark both: one table at the end
# make test    all checks and tests
# make table   what each method loses on the trained networks, at several speed-ups (hours)
# Everything is installed into .venv, once; PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test lint table train-demo clean
.NOTPARALLEL:

demo: $(VENV)/.export
	@$(RUN) -m export.demo

test: lint $(VENV)/.pnnx
	OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest -q

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

table: $(VENV)/.dev
	@$(RUN) tests/benchmarks/method_table.py

train-demo: $(VENV)/.train
	$(RUN) -m export.demo.train

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find edge_runtime export tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: pi-infer needs Python 3.11 or newer; try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "make: this Python cannot make virtual environments; try: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.export: EXTRAS := export
$(VENV)/.dev: EXTRAS := export,dev
$(VENV)/.train: EXTRAS := export,train

# Asks pip without a network whether all is there already, so that a complete .venv downloads nothing.
$(VENV)/.export $(VENV)/.dev $(VENV)/.train: pyproject.toml | $(VENV)/bin/python
	@$(RUN) -c "$$REQUIREMENTS" $(EXTRAS) > $@.txt
	@$(RUN) -m pip show -q pi-infer 2>/dev/null && $(RUN) -m pip install -q --no-index -r $@.txt 2>/dev/null || \
	  { echo "Installing pi-infer[$(EXTRAS)] into $(VENV) ..."; $(RUN) -m pip install -q -e '.[$(EXTRAS)]'; }
	@touch $@

# The converter for ncnn. Of what its package asks for, torch, only its Python module has need.
$(VENV)/.pnnx: pyproject.toml | $(VENV)/.dev
	@$(RUN) -m pip show -q pnnx 2>/dev/null || $(RUN) -m pip install -q --no-deps 'pnnx>=20240819'
	@touch $@

define REQUIREMENTS
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = sys.argv[1].split(",")
print(*project["dependencies"], *(need for extra in extras for need in project["optional-dependencies"][extra]), sep="\n")
endef
export REQUIREMENTS
