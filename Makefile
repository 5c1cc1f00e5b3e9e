# Glasshouse. `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.PHONY: help setup demo test check sdk-envs sdk-locks soak format reference clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## Build .venv and the runtimes of jobs; does nothing when they are up to date
	@python=$$(sh tools/find-python) && "$$python" tools/setup.py

demo: setup ## Run one explained credit decision end to end and stay up; EXIT=1 ends after it
	@.venv/bin/glasshouse demo credit $(if $(EXIT),--exit) $(if $(SOURCE),--source $(SOURCE)) $(if $(DATA),--data $(DATA))

test: setup sdk-envs ## Run every check: format, lint, types, import contracts, lock, docs, tests
	@.venv/bin/python tools/check.py

check: setup ## Run only the steps named: make check STEPS="lint types"
	@.venv/bin/python tools/check.py $(STEPS)

sdk-envs: setup ## Build the environments of the real clients that tests use
	@python=$$(sh tools/find-python) && "$$python" tools/setup.py clients

sdk-locks: setup ## Resolve the locks of those environments anew
	@cd tests/sdk && for name in *.in; do \
	    ../../.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	        --no-annotate --custom-compile-command "make sdk-locks" "$$name" -o "$${name%.in}.txt" || exit 1; \
	done

soak: setup sdk-envs ## Run the crash tests thousands of times (hours)
	@GLASSHOUSE_TEST_SOAK=1 .venv/bin/python -m pytest tests -m soak -q -p no:randomly --timeout 0

format: setup ## Format the sources
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

reference: setup ## Write docs/reference from the code
	@.venv/bin/python tools/reference.py

clean: ## Remove everything that was built here
	rm -rf .venv .venvs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
