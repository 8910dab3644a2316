# `make` lists the commands. Everything installs itself into .venv; PostgreSQL comes from a wheel unless DATABASE_URL
# names a server; events go through RabbitMQ where BROKER_URL names one.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python
export PYTHONUNBUFFERED := 1
PROOF := tests/proof
# The daily tests: no whole processes, no slice of the proof, no shop with a long past, and not the own suites of what runs and
# stands in for the world on one's own machine. Of one context: its own tests, the doors, and the quick guards that name what a
# new column, table, setting, status, refusal or event must join.
OWN = $(wildcard tests/unit/$(CONTEXT) tests/integration/$(CONTEXT))
GUARDS := tests/architecture tests/integration/audit/test_list.py tests/integration/admin tests/deploy/test_configuration.py \
    tests/proof/model/test_tables.py tests/unit/shop/test_errors_page.py tests/unit/shop/test_catalogue.py
DAILY = $(if $(CONTEXT),$(or $(OWN),$(error CONTEXT=$(CONTEXT) has no tests; name a folder of tests/integration)) $(GUARDS),\
    $(addprefix tests/,unit integration architecture) $(addprefix --ignore=tests/,unit/local integration/growth \
    $(addprefix integration/database/test_,embedded_postgres.py embedded_rabbitmq.py projects.py)))
# What a database per context can change. Rules, refusals at the edge, and the files of docker/ are the same with one.
FIVE := $(addprefix tests/,integration acceptance process architecture/test_sql.py proof) --ignore=tests/proof/security
# What pytest is told besides; .ci/run tells it by this what cannot come out differently (tests/layouts.py).
OPTIONS :=
# Processes that share the tests between them: two for each core, up to eight. A test waits for PostgreSQL, for a thread or for a
# process half of its time, and another one uses the core meanwhile.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * min(4, os.cpu_count() or 1))')
# What judges how long a recovery takes needs the machine for itself.
TIMED := tests/proof/processes tests/proof/broker
# What each test of the campaign found, at the commit that its first line names; the table is summed up from it.
PROOF_LOG := var/proof.jsonl
CAMPAIGN = PROVE=full $(RUN) -m pytest -q --proof-log $(PROOF_LOG) --proof-file docs/proof.md

# What requirements.txt pins, by the uv that it pins; by pip where uv is not to be had (pip.conf may name a mirror of its own).
PIP := bin/pip install --quiet --disable-pip-version-check --require-hashes
define install
@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > $(1)/uv.txt
@echo "$(1): install what $(2) pins"
@{ $(1)/$(PIP) -r $(1)/uv.txt && $(1)/bin/uv pip install --quiet --python $(1)/bin/python --require-hashes -r $(2); } \
    || $(1)/$(PIP) -r $(2)
endef

.PHONY: help demo run test coverage uncovered test-all test-five prove prove-full bench soak chaos simulate check format requirements examples schema site model clean

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(call install,.venv,requirements.txt)
	@touch $@

demo: .venv/installed  ## Run every journey of an order over HTTP, faults included, and audit the result
	@$(RUN) -m local.demo

run: .venv/installed  ## Serve a shop with its storefront, API and admin until Ctrl-C
	@$(RUN) -m local.run

test: .venv/installed  ## Run the daily tests (CONTEXT=payments: what a change of that context can break)
	$(RUN) -m pytest -n $(WORKERS) --dist loadgroup $(OPTIONS) $(DAILY)

coverage: .venv/installed  ## Run the daily tests and list the lines that they do not reach (CONTEXT=payments: of that context)
	@rm -rf var/coverage
	REACHED=var/coverage $(RUN) -m pytest -n $(WORKERS) --dist loadgroup $(OPTIONS) $(DAILY)
	@$(MAKE) --silent uncovered

# What was reached since var/coverage was removed: the share of all lines, and the lines that were not, also in missing.txt.
uncovered: .venv/installed
	@$(RUN) -m coverage combine --quiet --keep --data-file=var/coverage/all var/coverage/data.* && \
	$(RUN) -m coverage report --ignore-errors --data-file=var/coverage/all $(if $(CONTEXT),--include='$(CONTEXT)/*') > var/coverage/missing.txt; \
	ended=$$?; cat var/coverage/missing.txt; exit $$ended

test-all: .venv/installed  ## Run all tests, slices of the proof included (PostgreSQL is real; with BROKER_URL also RabbitMQ)
	$(RUN) -m pytest -n $(WORKERS) --dist loadgroup tests

test-five: .venv/installed  ## Run what can differ with a database per context (FIVE=tests: everything)
	TEST_DATABASES=five $(RUN) -m pytest -n $(WORKERS) --dist loadgroup $(OPTIONS) $(FIVE)

prove: .venv/installed  ## Inject every kind of fault, in about ten minutes, and print what held
	PROVE=short $(RUN) -m pytest -q -n $(WORKERS) --dist load --maxschedchunk 1 $(OPTIONS) $(PROOF)

prove-full: .venv/installed  ## The same as a campaign of hours; writes docs/proof.md (ONLY=tests resumes it with these)
	@$(if $(ONLY),test -f $(PROOF_LOG) || { echo "there is no $(PROOF_LOG) to go on with: run make prove-full without ONLY"; exit 1; },rm -f $(PROOF_LOG))
	@timed="$(or $(filter $(TIMED),$(ONLY)),$(if $(ONLY),,$(TIMED)))"; \
	rest="$(if $(ONLY),$(filter-out $(TIMED),$(ONLY)),$(PROOF) $(addprefix --ignore=,$(TIMED)))"; \
	failed=0; \
	if [ -n "$$timed" ]; then $(CAMPAIGN) $$timed || failed=1; fi; \
	if [ -n "$$rest" ]; then $(CAMPAIGN) -n $(WORKERS) --dist load --maxschedchunk 1 $$rest || failed=1; fi; \
	exit $$failed

bench: .venv/installed  ## Measure what an order costs beside a plain Django shop, django-oscar, pgbench, Celery (ROWS=rate8,hot64)
	@$(RUN) -m tests.load $(ROWS)

soak: .venv/installed  ## Keep the shop at 70 % of its capacity for MINUTES (5) while dependencies fail (FAULTS=slow,away,holds)
	@$(RUN) -m tests.load.soak --minutes $(or $(MINUTES),5) $(if $(FAULTS),--faults $(FAULTS))

simulate: .venv/installed  ## Simulate N histories from SEED on; VERBOSE=1 tells each in words
	@$(RUN) -m tests.proof.simulator --histories $(or $(N),1000) --seed $(or $(SEED),20261125) $(if $(VERBOSE),--verbose) $(if $(SHRINK),--shrink)

chaos: .venv/installed  ## Kill, freeze and cut off real processes under a load of orders (ROUNDS, ORDERS, SEED choose)
	PROVE=full $(RUN) -m pytest -q -s tests/proof/processes

check: .venv/installed  ## Lint, types, doors, migrations, deployment settings, descriptions of API and events
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -r config local shop orders inventory payments shipping notifications -c pyproject.toml
	$(RUN) -m local.check

format: .venv/installed  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

examples: .venv/installed  ## Regenerate the examples in the API's description from what the shop answers
	EXAMPLES=write $(RUN) -m pytest -q tests/integration/orders/test_examples.py
	$(MAKE) schema

schema: .venv/installed  ## Regenerate docs/openapi.yaml and docs/asyncapi.yaml
	DJANGO_SETTINGS_MODULE=config.settings.test $(RUN) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml
	DJANGO_SETTINGS_MODULE=config.settings.test $(RUN) manage.py asyncapi --file docs/asyncapi.yaml

var/site-venv/installed: docs/site/requirements.txt
	$(PYTHON) -m venv var/site-venv
	$(call install,var/site-venv,$<)
	@touch $@

site: var/site-venv/installed  ## Build the documentation as a site, var/site; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 var/site-venv/bin/mkdocs build --strict && echo "open var/site/index.html"

model:  ## Check the saga's model with spin: exhaustive safety, liveness, and that each of its mutants is caught
	docs/model/check

requirements: .venv/installed  ## Pin the requirements again
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --generate-hashes --universal --no-header -o requirements.txt
	$(BIN)/uv pip compile -q pyproject.toml --generate-hashes --universal --no-header -o docker/requirements.txt
	$(BIN)/uv pip compile -q docs/site/requirements.in --generate-hashes --universal --no-header --python-version 3.11 -o docs/site/requirements.txt

clean:  ## Remove what the commands made, the embedded PostgreSQL's data included
	-@test -x $(RUN) && $(RUN) -m local stop
	-@test -x $(RUN) && env -u EMBEDDED_POSTGRES_DIR $(RUN) -m local remove
	rm -rf .venv var staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
