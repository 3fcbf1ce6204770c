# Needs git, make, a C compiler and a Python ≥ 3.10; everything else goes into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The first Python that is new enough and can make a virtual environment; `make PYTHON=...` overrules the search.
PYTHON ?= $(shell scripts/find-python)
NATIVE_SOURCES := $(wildcard src/pytest_memory/*.[ch] src/pytest_memory/engines/native/*.[ch] src/pytest_memory/instruments/*.c src/pytest_memory/plugin/*.c src/pytest_memory/recorder/*.[ch])
INSTALLED := $(VENV)/.installed
# Options for pytest: make test PYTEST_ARGS='-k limit -x'
PYTEST_ARGS ?= -n 2
CODE := src tests benchmarks scripts setup.py

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

# --- environments: a stamp says which dependency groups are in .venv ---

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "no Python >= 3.10 with the venv module found; on Debian: apt-get install python3-venv python3-dev" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(VENV)/bin/python pyproject.toml setup.py $(NATIVE_SOURCES)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	$(PIP) install -q --upgrade 'pip>=25.1'
	$(PIP) install -q -e .
	@touch $@

$(INSTALLED)-demo: $(INSTALLED)
	$(PIP) install -q networkx
	@touch $@

$(INSTALLED)-%: $(INSTALLED)
	$(PIP) install -q --group $*
	@touch $@

# --- the product ---

.PHONY: demo
demo: $(INSTALLED)-demo ## Measure networkx's own tests and show the report
	@# From the environment's folder, with no ini file: pytest would load tests/conftest.py and what that needs.
	cd $(VENV) && bin/python -m pytest --memory -p no:cacheprovider -c /dev/null --rootdir=. --pyargs networkx.classes

.PHONY: test
test: $(INSTALLED)-test ## Run the whole suite (PYTEST_ARGS='-k limit')
	$(BIN)/python -m pytest $(PYTEST_ARGS)

FUZZ_EXAMPLES ?= 1200

.PHONY: fuzz
fuzz: $(INSTALLED)-test ## Feed the command line damaged files for a minute (FUZZ_EXAMPLES=100000 for hours)
	PYTEST_MEMORY_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -q tests/cli/test_fuzz.py

.PHONY: smoke
smoke: ## Run the quick half of the suite on every Python found here (3.10 to 3.14)
	scripts/smoke

.PHONY: check
check: lint types floors warnings news docs ## Run every check that is not a test

.PHONY: lint
lint: $(INSTALLED)-check ## Look for mistakes and unformatted code
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

.PHONY: format
format: $(INSTALLED)-check ## Format the code, and mend what can be mended
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: types
types: $(INSTALLED)-check $(INSTALLED)-test ## Check the types
	$(BIN)/mypy

.PHONY: floors
floors: $(INSTALLED)-check ## Check that a module imports only from floors below its own
	$(BIN)/lint-imports

.PHONY: warnings
warnings: $(INSTALLED) ## Compile the C sources with every warning as an error
	@include=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))'); \
	[ -e $$include/Python.h ] || { echo "skipped: there is no Python.h in $$include"; exit 0; }; \
	for source in $(filter %.c,$(NATIVE_SOURCES)); do \
		$(CC) -std=c11 -O2 -Wall -Wextra -Werror -fsyntax-only \
			-isystem $$include $$source || exit 1; \
	done

.PHONY: news
news: $(INSTALLED)-check ## Check that the news fragments make a changelog
	$(BIN)/towncrier build --draft --version next >/dev/null

.PHONY: docs
docs: $(INSTALLED)-docs ## Build the documentation into site/
	$(BIN)/mkdocs build --strict --quiet

.PHONY: bench
bench: $(INSTALLED) ## Measure what the plugin costs, against a run without it
	$(BIN)/python benchmarks/overhead.py

# --- the native engine's own trials ---

NATIVE := src/pytest_memory/engines/native
# The core without its Python face, and a stand-in for the interpreter.
CORE_TEST := tests/native/core_test.c $(filter-out $(addprefix $(NATIVE)/,module.c telling.c engine.c pyalloc.c frames.c),$(wildcard $(NATIVE)/*.c))
CORE_FLAGS := -std=c11 -g -O1 -Wall -Wextra -Werror -fno-builtin
STRESS_ARGS ?= --seconds 2
SANITIZERS ?= address,undefined thread

.PHONY: stress
stress: $(INSTALLED)-test ## Put the C engine under threads, forks, signals, lack of memory (STRESS_ARGS='--rounds 3')
	$(BIN)/python tests/stress/run.py $(STRESS_ARGS)

.PHONY: sanitize
sanitize: ## Test the C core under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	@mkdir -p build
	@for sanitizer in $(SANITIZERS); do \
		echo "sanitize  $$sanitizer"; \
		$(CC) $(CORE_FLAGS) -fsanitize=$$sanitizer -fno-sanitize-recover=all $(CORE_TEST) -o build/core-sanitized -lm -pthread && \
		build/core-sanitized || exit 1; \
	done

.PHONY: valgrind
valgrind: $(INSTALLED) ## Test the C core, and a whole Python with the engine in it, under valgrind's memcheck
	@mkdir -p build
	$(CC) $(CORE_FLAGS) $(CORE_TEST) -o build/core-test -lm -pthread
	valgrind -q --fair-sched=try --error-exitcode=9 build/core-test
	$(BIN)/python tests/stress/memcheck.py

.PHONY: elsewhere
elsewhere: ## Test the C core with musl, and on aarch64 under qemu, where their compilers are installed
	@mkdir -p build
	@if command -v musl-gcc >/dev/null; then \
		musl-gcc $(CORE_FLAGS) $(CORE_TEST) -o build/core-musl -lm -pthread && build/core-musl; \
	else echo "SKIPPED: musl (apt-get install musl-tools)"; fi
	@if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then \
		aarch64-linux-gnu-gcc $(CORE_FLAGS) $(CORE_TEST) -o build/core-aarch64 -lm -pthread && \
		qemu-aarch64 -L /usr/aarch64-linux-gnu build/core-aarch64; \
	else echo "SKIPPED: aarch64 (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)"; fi

.PHONY: outcomes
outcomes: ## Compare the outcomes of CPython's own tests with the engine on and without it, on every Python found
	scripts/outcomes

.PHONY: wheels
wheels: $(INSTALLED)-test ## Build the wheels that this machine can build; never one without the C engine
	scripts/wheels $(BIN)/python

.PHONY: clean
clean: ## Remove the environments and everything that was built
	rm -rf $(VENV) .venv-* build dist site wheelhouse .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
