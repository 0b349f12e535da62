# Working on Bedplate, and with it from a checkout. `make` alone lists the verbs.
PYTHON ?= python3
JOBS ?= auto
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
PACKAGE := .venv/package-installed
TOOLS := .venv/tools-installed
TESTS = $(BIN)/python ci/in_memory.py $(BIN)/pytest -n $(JOBS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help new test check verify mutants bench bench-peers bench-twin lock examples docs recording bases doctor clean

help: ## list the verbs
	@sed -nE 's/^([a-z-]+):[^#]*## /  make \1\t/p' Makefile | expand -t 20

new: $(PACKAGE) ## start a project: make new DEST=../orders DOMAIN=http-api
	@test -t 0 && test -t 1 || set -- --defaults; \
	$(BIN)/bedplate new $(if $(DEST),'$(DEST)') $(if $(DOMAIN),--domain $(DOMAIN)) "$$@" $(ARGS)

test: $(TOOLS) ## run everything: unit, render, containers, emulator; installs an engine where there is none
	@ci/provision engine && $(TESTS) -m 'not slow' $(ARGS)

check: $(TOOLS) ## lint, types and the tests that need no engine
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy
	$(TESTS) -m 'not engine and not slow' $(ARGS)

verify: $(PACKAGE) ## emit projects and prove them, all pairs of answers: make verify ARGS="http-api --level run"
	@ci/provision engine && $(BIN)/bedplate verify $(or $(ARGS),--rows pairwise --keep-going)

mutants: $(TOOLS) ## break templates on purpose and expect verification to fail
	@ci/provision engine && $(TESTS) -m mutant $(ARGS)

bench: $(PACKAGE) ## time the command line against its limits
	@$(BIN)/python ci/bench_cli.py $(ARGS)

bench-peers: $(PACKAGE) ## measure an emitted http-api beside gin, chi, echo and go-zero; needs Go
	@$(BIN)/python bench/peers/compare.py $(ARGS)

bench-twin: $(PACKAGE) ## measure the firmware's filter, checksum and COBS beside the same in C
	@ci/provision engine && $(BIN)/python bench/twin/compare.py $(ARGS)

lock: $(PACKAGE) ## make the lock files that projects get: make lock ARGS=--check
	@ci/provision engine && $(BIN)/bedplate lock $(ARGS)

examples: $(PACKAGE) ## write the projects of examples/ anew, after a change of a template
	@$(BIN)/python ci/examples.py

docs: $(TOOLS) ## build the site of docs/ into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

recording: $(TOOLS) ## record bedplate new on a terminal, into docs/images/new.svg
	@$(BIN)/python ci/docs/recording.py

bases: $(PACKAGE) ## make the stand-ins for base images and the image of linters, if they are not there
	@ci/provision engine && $(BIN)/python ci/bases/build.py $(ARGS)

doctor: $(PACKAGE) ## say what is here, what each level needs and how to get it
	@$(BIN)/bedplate doctor $(ARGS)

clean: ## remove the virtual environment, caches and build results
	rm -rf .venv .cache build dist report site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# pip 23, which comes with Python 3.11, does not know dependency groups.
$(PACKAGE): pyproject.toml
	@ci/provision python && $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1' && $(BIN)/pip install --quiet --editable . && touch $@

$(TOOLS): $(PACKAGE)
	@$(BIN)/pip install --quiet --group dev && touch $@
