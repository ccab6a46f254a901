# `make` lists what there is to do. All set-up happens by itself, in .venv.

AIRFLOW = 3.3.2
PYTHON =
ARGS =

SHELL = /bin/sh
VENV = .venv/airflow-$(AIRFLOW)
VENV_PYTHON = $(VENV)/bin/python

# What a recipe does must not depend on the caller's shell: no Airflow of theirs is touched,
# no Python of theirs is loaded. Bytecode must be written: Airflow starts twice as fast with it.
unexport $(filter AIRFLOW_% AIRFLOW__% _AIRFLOW_%,$(.VARIABLES))
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONSTARTUP
unexport PYTHONOPTIMIZE PYTHONSAFEPATH PYTHONWARNINGS PYTHONDEVMODE __PYVENV_LAUNCHER__
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV
unexport PYTEST_ADDOPTS PYTEST_PLUGINS MYPYPATH

.PHONY: help demo test docs bench cluster bench-limits lint format build constraints clean venv

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' Makefile | awk -F '|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "demo, test and lint take AIRFLOW=... (now $(AIRFLOW); each version that constraints/ has)"
	@echo "and PYTHON=... (an interpreter that this Airflow supports; by default the first on the PATH)."

demo: venv ## run the example DAG in real Airflow against a local RingCX
	@NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost $(VENV_PYTHON) scripts/demo.py $(ARGS)

test: venv ## run all tests (ARGS="-k move -n 0" adds arguments for pytest)
	@home=$$(mktemp -d) || exit 1; \
	trap 'rm -rf "$$home"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	AIRFLOW_HOME="$$home" $(VENV_PYTHON) -m pytest -n 2 tests $(ARGS)

docs: ## build the documentation into site/ (ARGS="serve" serves it while you edit)
	@sh scripts/docs-venv.sh "$(PYTHON)"
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/python -m mkdocs $(or $(ARGS),build --strict)

bench: venv ## measure the sandbox (ARGS=search measures searches only)
	@for bench in tests/benchmarks/bench_$(or $(ARGS),*).py; do $(VENV_PYTHON) "$$bench" || exit 1; done

cluster: venv ## kill a worker of a real Airflow cluster in the middle of a bulk action, and look at the leads
	@sh scripts/venv.sh "$(AIRFLOW)" "$(PYTHON)" cluster
	@$(VENV_PYTHON) scripts/cluster.py $(ARGS)

bench-limits: venv ## measure how near to RingCX's limits it comes, in nine minutes (ARGS="one-task celery")
	@sh scripts/venv.sh "$(AIRFLOW)" "$(PYTHON)" cluster
	@$(VENV_PYTHON) tests/benchmarks/limits $(ARGS)

lint: venv ## check style, formatting and types
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

format: venv ## put the code into the form that lint asks for
	$(VENV_PYTHON) -m ruff check --fix-only --exit-zero .
	$(VENV_PYTHON) -m ruff format .

build: venv ## make the wheel and the source distribution in dist/
	@rm -rf dist
	$(VENV_PYTHON) -m build

constraints: ## renew the pinned releases in constraints/
	@sh scripts/constraints.sh "$(or $(PYTHON),python3)"

clean: ## remove everything that make created
	rm -rf .venv dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -type d -name __pycache__ -prune -exec rm -rf {} +

venv:
	@sh scripts/venv.sh "$(AIRFLOW)" "$(PYTHON)"
