# What one does with this checkout. Nothing needs to be installed first but make and Python 3.11;
# `make test` installs what tests drive when it is root, and lists it when it is not.

# More arguments, as in: make test PYTEST_ARGS='-k detach -x'
PYTEST_ARGS ?=
BENCH_ARGS ?=

.PHONY: help run test check fix bench web soak

help:
	@echo 'make run     start bash in a box and attach to it (detach with ctrl-p ctrl-q)'
	@echo 'make test    run the tests'
	@echo 'make check   what a change must pass: format, lint, types, tests'
	@echo 'make fix     format, and fix what the linter can'
	@echo 'make bench   measure, as ratios to a ceiling written in C'
	@echo 'make web     build the page: web/dist from web/src'
	@echo 'make soak    run the long tests'

# The status of the shell you leave is not an error of make's; 125 is ptyd's own failure.
run:
	@scripts/setup run
	@.venv/bin/ptyd run -- bash || [ $$? -ne 125 ]

# Two at a time: most of a test is waiting for programs to start.
test:
	@scripts/setup test
	.venv/bin/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

check:
	@scripts/setup check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/pyright
	.venv/bin/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

fix:
	@scripts/setup test
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench:
	@scripts/setup test
	.venv/bin/python bench/run.py $(BENCH_ARGS)

web:
	@scripts/setup test
	cd web && npm ci && npm run check && npm run build

soak:
	@scripts/setup test
	.venv/bin/pytest -m soak $(PYTEST_ARGS) tests/soak
