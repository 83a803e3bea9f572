# The guide that cannot go stale. `make demo` shows the product at work, `make test` runs every test, `make check` reads
# the code. Each sets up what it needs on a Debian machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: help demo test check bench fuzz faults quality serve format words lock cli-docs clean

help:  ## Print the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(STAMP): requirements/dev.txt pyproject.toml
	@sh scripts/python.sh "$(PYTHON)" "$(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)  ## Load a sample newsroom, gather, draft, approve and send it into a maildir; print where to look
	@sh scripts/chromium.sh || echo "Going on without pictures."
	@$(BIN)/python -m demo.run

test: $(STAMP)  ## Run every test, with Chromium and PostgreSQL (installed through apt where missing)
	@sh scripts/chromium.sh
	@sh scripts/mail-tools.sh
	@sh scripts/with-postgresql.sh $(BIN)/python -m pytest -n $(JOBS) $(PYTEST)

check: $(STAMP)  ## Types, lint, format, arrows between modules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP)  ## Measure; nothing here is a test
	@sh scripts/chromium.sh
	@sh scripts/mail-tools.sh
	@sh scripts/postfix.sh
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

fuzz: $(STAMP)  ## Read 50,000 damaged documents with every parser (make test reads 5,000)
	@$(BIN)/python -m tests.fuzz --cases 50000 --seed 0

faults: $(STAMP)  ## Kill, cut and confuse a sending a thousand times; print what was lost, repeated and held
	@sh scripts/with-postgresql.sh $(BIN)/python -m tests.faults --kills 1000 --recipients 20000

quality: $(STAMP)  ## Precision and recall of regions and of grouping, on the labelled set
	@$(BIN)/python bench/quality.py --halves

serve: $(STAMP)  ## Serve the demo's pages again (after `make demo`)
	@$(BIN)/python -m demo.serve

format: $(STAMP)  ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

cli-docs: $(STAMP)  ## Write docs/cli.md from the commands' own help
	@$(BIN)/python scripts/cli_docs.py > docs/cli.md

words: $(STAMP)  ## Collect the fixed phrases of the mails, and bring the catalogues up to date
	@$(BIN)/python scripts/words.py

lock: $(STAMP)  ## Resolve the dependencies again, with hashes and without index addresses
	@$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -o requirements/core.txt
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -o requirements/dev.txt

clean:  ## Remove what was built and made, but not your data
	@rm -rf $(VENV) dist build var/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
