# Every target sets itself up: it needs Python 3.11 or newer, make, and a package index for pip.

PYTHON =          # the interpreter; by default the newest one that runs
VENV  ?= .venv
ARGS   =          # passed on by demo, the tests and bench
PINS   =          # more requirements for pip, such as 'jax==0.10.*'

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo lab test test-slow test-laws test-live check bench bench-smoke bench-torch notebooks docs pythons clean

RUN     = $(VENV)/bin/python
SCRIPTS = $(sort $(wildcard benchmarks/[a-z]*.py))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.with-apps ## train a character model and sample from it (ARGS="--minutes 1 --data book.txt")
	$(RUN) -m rnnjax text train $(ARGS)

lab: $(VENV)/.with-apps ## write the interactive page to runs/lab.html and open it
	$(RUN) -m rnnjax.lab

test: $(VENV)/.with-tests ## run the tests and the examples in docstrings, but for the slow ones
	$(RUN) -m pytest -n 2 -m "not slow" $(ARGS)

test-slow: $(VENV)/.with-tests ## run the slow tests
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(RUN) -m pytest -n 2 -m slow -rs $(ARGS)

test-laws: $(VENV)/.with-tests ## run the laws of cells and methods (in compiled loops with RNNJAX_NATIVE=1)
	$(RUN) -m pytest -n 2 -m "not slow" tests/test_cell_laws.py tests/test_engine*.py $(ARGS)

test-live: .venv-torch/.with-peers ## test conversions with the other libraries themselves, under a Python 3.11
	.venv-torch/bin/python -m pytest -n 2 tests/live $(ARGS)

check: $(VENV)/.with-tests ## check format, lint and types
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN) -m pyright --pythonpath $(RUN)

bench: $(VENV)/.with-benchmarks ## compare with other libraries and write the tables (on an idle machine)
	@for script in $(SCRIPTS); do echo "$$script"; $(RUN) $$script $(ARGS) || exit 1; done
	$(RUN) benchmarks/_tables.py

bench-smoke: $(VENV)/.with-benchmarks ## run every benchmark at a tiny size, only to see that it runs
	@printf '%s\n' $(SCRIPTS) | xargs -P 2 -I SCRIPT sh -c 'echo SCRIPT; exec $(RUN) SCRIPT --smoke'

bench-torch: .venv-torch/.with-torch ## install PyTorch for the benchmarks, under a Python 3.11, which it needs

notebooks: $(VENV)/.with-notebooks ## execute every notebook, and compare its outputs with those stored
	@results=$$(mktemp -d) && trap 'rm -rf "$$results"' EXIT && \
	printf '%s\n' notebooks/*.ipynb | xargs -P 2 -I NOTEBOOK \
	    $(RUN) -m nbconvert --to notebook --execute --output-dir "$$results"/NOTEBOOK NOTEBOOK && \
	$(RUN) docs/fresh.py "$$results"

docs: $(VENV)/.with-docs ## build the site in build/site, without network; any warning is an error
	$(RUN) docs/build.py
	$(RUN) docs/check.py

pythons: ## list the Python interpreters that can be used, the newest first
	@sh -c "$$FIND_PYTHONS"

clean: ## remove the virtual environments and the caches in this folder
	rm -rf .venv .venv-* build dist .pytest_cache .ruff_cache
	find rnnjax tests benchmarks -name __pycache__ -exec rm -rf {} +

# A candidate counts only if it runs: pyenv's shims exist, and fail, for versions not switched on.
define FIND_PYTHONS
for python in python3.14 python3.13 python3.12 python3.11 python3 \
              "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin/python3; do
    "$$python" -c '
import ensurepip, os, sys, venv
if (3, 11) <= sys.version_info < (3, 15) and sys.version_info.releaselevel == "final":
    print("%d.%d.%d" % sys.version_info[:3], os.path.realpath(sys.executable))
' 2> /dev/null
done | sort -t . -k 2,2nr -k 3,3nr | uniq
endef
export FIND_PYTHONS

# The stamp is written last, so an interrupted installation is taken up again.
$(VENV)/.with-%: pyproject.toml
	@$(RUN) -m pip --version > /dev/null 2>&1 || { \
	    python='$(strip $(PYTHON))'; \
	    [ "$$python" ] || python=$$(sh -c "$$FIND_PYTHONS" | head -n 1 | cut -d ' ' -f 2-); \
	    [ "$$python" ] || { \
	        echo "no Python 3.11 … 3.14 with venv runs here; name one: make PYTHON=…" >&2; exit 1; }; \
	    echo "creating $(VENV) with $$python"; \
	    "$$python" -m venv $(VENV); }
	@echo "installing rnnjax[$*] into $(VENV), which takes a minute or two the first time"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[$*]' $(PINS)
	@touch $@

# Without dependencies: those of PyTorch on CUDA, which no benchmark needs, are gigabytes.
.venv-torch/.with-torch:
	@python=$$(sh -c "$$FIND_PYTHONS" | grep '^3\.11\.' | head -n 1 | cut -d ' ' -f 2-); \
	[ "$$python" ] || { echo "no Python 3.11 with venv runs here" >&2; exit 1; }; \
	echo "creating .venv-torch with $$python"; \
	"$$python" -m venv .venv-torch
	@.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check --no-deps torch==2.13.0
	@.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check \
	    numpy filelock typing-extensions sympy networkx jinja2 fsspec 'setuptools>=77'
	@touch $@

.venv-torch/.with-peers: .venv-torch/.with-torch pyproject.toml
	@echo "installing rnnjax[tests,peers] into .venv-torch"
	@.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check \
	    --editable '.[tests,peers]' $(PINS)
	@touch $@
