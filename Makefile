# Everything a working copy is asked for. Needs make and Python 3.11 or newer; all else comes from PyPI and npm into
# .venv/ and js/node_modules/. `make help` lists the targets.

PYTHON ?= $(or $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
TEST_ARGS ?=

# The environment is made anew when the lock changes or the working copy moves (an editable install holds its path);
# the project is installed anew when its metadata change. Otherwise both cost nothing.
LOCKED := $(VENV)/locked-$(shell { pwd; cat requirements/dev.txt; } | cksum | tr ' ' '-')
INSTALLED := $(VENV)/installed-$(shell { pwd; cat requirements/dev.txt pyproject.toml hatch_build.py; } | cksum | tr ' ' '-')
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: help setup js demo demo-check test core-coverage check format bench bench-lock soak proof oldest lock build clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST) | sort

setup: $(INSTALLED) js ## everything installed and built, and nothing more

$(LOCKED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, and $(PYTHON) is {sys.version.split()[0]}. Say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

$(INSTALLED): $(LOCKED)
	PARTYSYNC_SKIP_JS=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

js: $(LOCKED) ## the bundle, and the package for web pages, when their sources changed
	@$(BIN)/python hatch_build.py

demo: setup ## JupyterLab with two notebooks side by side, sharing one room of penguins
	@$(BIN)/python notebooks/demo.py $(DEMO_ARGS)

demo-check: setup ## start the demo without a browser, see that each notebook saw the other's edits, stop
	@$(BIN)/python notebooks/demo.py --check

# What has no clock may share the machine, in the long run as well.
CLOCKLESS := tests/convergence tests/power tests/histories/test_checker.py tests/hostile/test_decoder.py
REST := --ignore=tests/core --ignore=tests/e2e $(CLOCKLESS:%=--ignore=%)
TOGETHER := -m "not soak and not alone" -n

# Two at a time, or three where most of them wait for something; and then, one by one, what holds times to a bound. The
# browser tests run apart, for Playwright leaves an event loop running in the thread that the others use, and one by one
# (docs/decisions/tests.md).
test: setup ## every test: core (100 % of its branches), the browser side, all the rest
	@failed=0; \
	$(MAKE) --no-print-directory core-coverage || failed=1; \
	$(BIN)/python hatch_build.py test || failed=1; \
	$(BIN)/python -m pytest tests/e2e -m "not soak" $(TEST_ARGS) || failed=1; \
	$(BIN)/python -m pytest $(CLOCKLESS) $(TOGETHER) 2 --dist loadgroup $(TEST_ARGS) || failed=1; \
	$(BIN)/python -m pytest tests $(REST) $(TOGETHER) 3 --dist loadfile $(TEST_ARGS) || failed=1; \
	$(BIN)/python -m pytest tests $(REST) -m "alone and not soak" $(TEST_ARGS) || failed=1; \
	test -n "$(CHROMIUM)" || echo "The browser tests (tests/e2e) were SKIPPED: no Chromium here (apt install chromium)."; \
	exit $$failed

core-coverage: setup ## the tests of core alone, and that they reach every branch of it
	$(BIN)/python -m pytest tests/core --cov --cov-fail-under=100 $(TOGETHER) 2

check: setup ## ruff, the types of Python (mypy, strict) and of the browser side (tsc)
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	@$(BIN)/python hatch_build.py check

format: setup ## ruff's formatter and its safe corrections
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

BENCHED := $(VENV)/benched-$(shell { pwd; cat requirements/dev.txt requirements/bench.txt; } | cksum | tr ' ' '-')

$(BENCHED): $(LOCKED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/bench.txt
	@touch $@

bench: setup $(BENCHED) ## the measurements, beside peers and floors; a whole run rewrites docs/performance.md (BENCH_ARGS=--quick: a smoke)
	@$(BIN)/python -m compileall -q server partysync_widget # as pip does: a start would compile what has no bytecode
	$(BIN)/python -m partysync_server bench --out build/bench --docs docs $(BENCH_ARGS)

bench-lock: ## pin what the measurements need beside that, as `make lock` does, in requirements/bench.txt
	@mkdir -p build && $(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv
	build/uv/bin/uv pip compile pyproject.toml --extra bench --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-emit-find-links --no-emit-package partysync-widget \
		--constraint requirements/dev.txt --custom-compile-command "make bench-lock" --quiet $(UPGRADE) \
		--output-file requirements/bench.txt

soak: setup ## the tests that run for a long time
	$(BIN)/python -m pytest -m soak --timeout=0 $(TEST_ARGS)
	PARTYSYNC_KILLS=500 $(BIN)/python -m pytest tests/faults/test_kill9.py -s $(TEST_ARGS)

# What has no clock runs beside what has one, and gives way to it. The figures are of one run: where a suite fails,
# docs/proof.md stays as it was.
PROVE := PARTYSYNC_PROOF=1 PARTYSYNC_FIGURES=build/figures.jsonl
PYTEST := $(BIN)/python -m pytest -m "not soak" -o faulthandler_timeout=0

proof: setup ## the long way through every suite that breaks things on purpose; writes docs/proof.md
	@mkdir -p build && rm -f build/figures.jsonl
	@$(PROVE) nice $(PYTEST) $(CLOCKLESS) $(TEST_ARGS) > build/proof-clockless.log 2>&1 & clockless=$$!; \
	$(PROVE) $(PYTEST) tests/protocol tests/faults tests/histories tests/hostile $(CLOCKLESS:%=--ignore=%) $(TEST_ARGS); timed=$$?; \
	wait $$clockless; failed=$$?; cat build/proof-clockless.log; test $$timed = 0 && test $$failed = 0
	$(BIN)/python docs/proof.py build/figures.jsonl

# uv only here: the lock it writes is a plain requirements file, and pip installs it.
lock: ## pin what pyproject.toml asks for, with hashes, in requirements/dev.txt (UPGRADE=--upgrade for the newest)
	@mkdir -p build requirements && $(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv
	build/uv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-emit-find-links --no-emit-package partysync-widget \
		--custom-compile-command "make lock" --quiet $(UPGRADE) --output-file requirements/dev.txt

oldest: js ## the tests of core, server and kernel client on the oldest versions pyproject.toml allows
	@$(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv
	build/uv/bin/uv venv --quiet --clear --python $(PYTHON) build/oldest
	build/uv/bin/uv pip install --quiet --python build/oldest --resolution lowest-direct .
	build/uv/bin/uv pip install --quiet --python build/oldest pytest pytest-timeout hypothesis
	JUPYTER_PLATFORM_DIRS=1 build/oldest/bin/python -m pytest -m "not soak" --ignore=tests/e2e --ignore=tests/notebooks \
		--ignore=tests/test_packaging.py --ignore=tests/test_docs.py --ignore=tests/web $(TEST_ARGS)

build: setup ## the wheel and the sdist, in dist/
	$(BIN)/python -m hatchling build --clean

clean: ## remove all that was installed, built and run
	rm -rf $(VENV) js/node_modules js/web/dist partysync_widget/static dist build .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache test-results
