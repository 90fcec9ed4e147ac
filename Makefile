# Every task installs what it needs into .venv, once, and repeats nothing that is up to date.
PYTHON ?= python3
ARGS ?=
MODE := $(addprefix -,$(FASTNN_BUILD))
VENV := .venv$(MODE)
BUILD := build$(MODE)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The installed package is what runs: with safe paths Python does not look into the current folder, nor do its children.
RUN := PYTHONSAFEPATH=1 $(BIN)/python
PYTEST := $(RUN) -c "import sys, fastnn, pytest; print('testing', fastnn.__file__); \
	assert 'site-packages' in fastnn.__file__; sys.exit(pytest.main(sys.argv[1:]))"
SOURCES := setup.py pyproject.toml README.md LICENSE \
	$(shell find fastnn -name '*.py' -o -name '*.pyi' -o -name 'py.typed' -o -name '*.gz') \
	$(wildcard kernels/*.pyx kernels/*.pxi kernels/*/*.pxi kernels/*.h)

.NOTPARALLEL:
.PHONY: help demo test bench check sanitize sanitized wheel clean

help:
	@echo 'make demo    build, install into .venv, learn handwritten digits, draw demo/demo.png'
	@echo 'make test    all tests, on the installed package    (ARGS="-k adam -n 0" passes options to pytest)'
	@echo 'make bench   pytest-benchmark over bench/, results kept in .benchmarks/'
	@echo 'make check   ruff, mypy, cython-lint'
	@echo 'make sanitize   tests of the core with the sanitizers, for an hour   (ARGS="tests/test_sums.py" chooses others)'
	@echo 'make wheel   sdist and wheel in dist/'
	@echo 'make clean   removes everything that the tasks above made'

demo: $(VENV)/installed $(VENV)/extra-plots
	$(RUN) examples/demo.py --output demo

test: $(VENV)/installed $(VENV)/extra-test
	$(PYTEST) -n auto tests $(ARGS)

bench: $(VENV)/installed $(VENV)/extra-test
	$(PYTEST) bench --benchmark-only --benchmark-autosave $(ARGS)

check: $(VENV)/build-tools $(VENV)/extra-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint kernels/*.pyx kernels/*.pxi kernels/*/*.pxi

# Builds of their own, in .venv-sanitize and .venv-thread. Python itself is not instrumented, so their libraries come first.
SANITIZED := $(or $(ARGS),-q $(addprefix tests/test_,$(addsuffix .py,kernels primitives sums safety layers gradients threads loop)))
sanitize:
	FASTNN_BUILD=sanitize $(MAKE) sanitized LIBRARY=libasan.so
	FASTNN_BUILD=thread $(MAKE) sanitized LIBRARY=libtsan.so

# Tests ask for more memory than there is, which is told but is no fault. -s, as what ends the process may be told on the
# stream that pytest holds back. The thread sanitizer cannot see into BLAS.
PROGRAMS ?= 1000
SANITIZER_OPTIONS = LD_PRELOAD=$$LD_LIBRARY PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$(CURDIR)/$(BUILD)/report UBSAN_OPTIONS=print_stacktrace=1 \
	TSAN_OPTIONS=allocator_may_return_null=1:suppressions=$(CURDIR)/tests/thread_sanitizer.txt:log_path=$(CURDIR)/$(BUILD)/report
sanitized: export LD_LIBRARY = $(shell $(CC) -print-file-name=$(LIBRARY))
sanitized: $(VENV)/installed $(VENV)/extra-test
	rm -f $(BUILD)/report.*
	export $(SANITIZER_OPTIONS); $(PYTEST) -s $(SANITIZED); status=$$?; \
		test $$status = 0 && $(BIN)/python tests/fuzz.py --programs $(PROGRAMS) --seed 50001 --jobs 1; status=$$?; \
		cat $(BUILD)/report.* 2>/dev/null; if grep -qsE 'SUMMARY|runtime error' $(BUILD)/report.*; then exit 1; fi; exit $$status

wheel: $(VENV)/extra-dev
	rm -rf dist
	$(BIN)/pyproject-build --outdir dist
	@ls -l dist

clean:
	rm -rf .venv .venv-* build build-* dist demo pictures .benchmarks *.egg-info

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fastnn needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Build requirements stand in .venv, not in pip's throw-away environment: so the next build compiles only what changed.
# A change of flags compiles everything.
$(VENV)/build-tools: $(VENV)/created setup.py pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		> $(VENV)/build-tools.txt
	$(PIP) install -r $(VENV)/build-tools.txt
	rm -rf $(BUILD)
	@touch $@

$(VENV)/installed: $(VENV)/build-tools $(SOURCES)
	@echo 'Building and installing fastnn: about a minute the first time'
	@test ! -d $(BUILD) || find $(BUILD) -path '$(BUILD)/lib*' -type f ! -name '*.so' -delete  # modules that exist no more
	$(PIP) install --no-build-isolation .
	@touch $@

# The packages of one extra of pyproject.toml.
$(VENV)/extra-%: $(VENV)/created pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$*"], sep="\n")' \
		> $@.txt
	$(PIP) install -r $@.txt
	@touch $@
