# `make` lists the targets. Each target installs what it needs into .venv.

AIRFLOW = 3.3.2
PYTHON =
ARGS =

SHELL = /bin/sh
VENV = .venv/airflow-$(AIRFLOW)
VENV_PYTHON = $(VENV)/bin/python

# Recipes must not depend on the caller's environment: they neither change an existing Airflow nor
# load modules from another Python. Bytecode is written because Airflow starts twice as fast with it.
unexport $(filter AIRFLOW_% AIRFLOW__% _AIRFLOW_%,$(.VARIABLES))
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONSTARTUP
unexport PYTHONOPTIMIZE PYTHONSAFEPATH PYTHONWARNINGS PYTHONDEVMODE __PYVENV_LAUNCHER__
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV
unexport PYTEST_ADDOPTS PYTEST_PLUGINS MYPYPATH

.PHONY: help demo test coverage test-all test-dags test-slow docs docs-pages bench cluster bench-limits bench-load bench-export bench-sync lint format build constraints clean venv

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' Makefile | awk -F '|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "demo, test and lint accept AIRFLOW=... (default $(AIRFLOW); the versions in constraints/)"
	@echo "and PYTHON=... (an interpreter that this Airflow supports; default: the first on the PATH)."

demo: venv ## run the example DAG in real Airflow against the sandbox
	@NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost $(VENV_PYTHON) scripts/demo.py $(ARGS)

test: venv ## run all tests but the slow ones (ARGS="-k move -n 0" passes arguments to pytest)
	@home=$$(mktemp -d) || exit 1; \
	trap 'rm -rf "$$home"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	AIRFLOW_HOME="$$home" $(VENV_PYTHON) -m pytest -n 2 tests $(ARGS)

coverage: ## run all tests but the slow ones and list the lines that none of them runs
	@$(MAKE) test ARGS="--cov --cov-report=term-missing $(ARGS)"

# Versions on which test-all runs the DAG tests only; all tests run on the oldest and the newest Airflow.
OTHER_AIRFLOWS = 3.0.6 3.1.8 3.2.2
DAG_TESTS = tests/dags tests/unit/operators tests/unit/sensors tests/unit/triggers tests/test_provider.py

test-all: ## run all tests, with the slow ones, on Airflow 3.3.2 and 2.11.2, and the DAG tests on the versions between
	@$(MAKE) test AIRFLOW=3.3.2
	@$(MAKE) test AIRFLOW=2.11.2
	@for airflow in $(OTHER_AIRFLOWS); do $(MAKE) test-dags AIRFLOW=$$airflow || exit 1; done
	@for airflow in 3.3.2 2.11.2; do $(MAKE) test-slow AIRFLOW=$$airflow || exit 1; done

test-dags: venv ## run the tests that need Airflow (AIRFLOW=3.0.6, 3.1.8 or 3.2.2)
	@home=$$(mktemp -d) || exit 1; \
	trap 'rm -rf "$$home"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	AIRFLOW_HOME="$$home" $(VENV_PYTHON) -m pytest -n 2 --timeout 900 $(DAG_TESTS) $(ARGS)

test-slow: venv ## run the slow tests (ARGS="--turn 7 --time-limit 60" runs a part, 7 is any number)
	@home=$$(mktemp -d) || exit 1; \
	trap 'rm -rf "$$home"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	AIRFLOW_HOME="$$home" $(VENV_PYTHON) -m pytest -n 2 -m slow tests $(ARGS)

docs: ## build the documentation into site/ (ARGS=serve serves it while you edit)
	@sh scripts/docs-venv.sh "$(PYTHON)"
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/python -m mkdocs $(or $(ARGS),build --strict)

docs-pages: venv ## rewrite the pages and tables of docs/ that are generated from the code
	@for name in lead_actions retry_matrix sandbox_fidelity search_criteria rate_limits bulk_action_diagram; do \
	$(VENV_PYTHON) scripts/docs/$$name.py || exit 1; done

bench: venv ## run the sandbox's benchmarks (ARGS=search runs one of them)
	@for bench in tests/benchmarks/bench_$(or $(ARGS),*).py; do \
	$(VENV_PYTHON) -m "tests.benchmarks.$$(basename "$$bench" .py)" || exit 1; done

cluster: venv ## kill a worker of a real Airflow cluster during a bulk action, then check the leads
	@sh scripts/venv.sh "$(AIRFLOW)" "$(PYTHON)" cluster
	@$(VENV_PYTHON) -m tests.system.cluster $(ARGS)

bench-limits: venv ## measure throughput under RingCX's limits, half an hour (ARGS=latency: only over latency)
	@sh scripts/venv.sh "$(AIRFLOW)" "$(PYTHON)" cluster
	@$(VENV_PYTHON) -m tests.benchmarks.limits $(ARGS)

bench-load: venv ## measure loads, 15 minutes (ARGS=throughput, memory or safety runs one of them)
	@$(VENV_PYTHON) -m tests.benchmarks.load $(ARGS)

bench-export: venv ## measure exports, ten minutes (ARGS=throughput or memory runs one of them)
	@$(VENV_PYTHON) -m tests.benchmarks.export $(ARGS)

bench-sync: venv ## measure syncs, 20 minutes (ARGS=planning, applying or accidents runs one of them)
	@$(VENV_PYTHON) -m tests.benchmarks.sync $(ARGS)

lint: venv ## check style, formatting, types, import layers, spelling and wording
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV_PYTHON) -m codespell_lib
	$(VENV_PYTHON) scripts/lint/check_words.py

format: venv ## format the code and apply automatic fixes
	$(VENV_PYTHON) -m ruff check --fix-only --exit-zero .
	$(VENV_PYTHON) -m ruff format .

build: venv ## build the wheel and the source distribution in dist/
	@rm -rf dist
	$(VENV_PYTHON) -m build

constraints: ## update the pinned releases in constraints/
	@sh scripts/constraints.sh "$(or $(PYTHON),python3)"

clean: ## remove virtual environments, build results and caches
	rm -rf .venv dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -type d -name __pycache__ -prune -exec rm -rf {} +

venv:
	@sh scripts/venv.sh "$(AIRFLOW)" "$(PYTHON)"
