# Needs Python 3.11 or newer and make, nothing else. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY_TO_RUN := $(VENV)/.ready-run
READY := $(VENV)/.ready-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY_TO_RUN) ## start API, workers and an AWS emulator on this machine (ARGS='--workers 4')
	@exec $(BIN)/python -m darkroom.local $(ARGS)

run-serverless: $(READY_TO_RUN) ## start the same as Lambda functions behind API Gateway, on the AWS emulator
	@exec $(BIN)/python -m darkroom.local.serverless $(ARGS)

# Tests with processes mostly wait: more of them run at a time than there are CPUs. --dist loadscope gives the tests of
# a class, or else of a module, to one of pytest's workers, so that they share what their fixtures start.
# In their order the many short unit tests come last, and fill the gaps.
PYTEST := $(BIN)/python -m pytest
AT_ONCE := -n $(or $(JOBS),8) --dist loadscope --no-loadscope-reorder

test: $(READY) ## what a change may break: every guarantee, without Docker (ARGS='-k resize' JOBS=8)
	$(PYTEST) $(AT_ONCE) -m "not exhaustive and not compose" --durations=20 $(ARGS)

test-all: $(READY) ## every case of each matrix once, API and workers under their policies; a part under faults and on Lambda
	$(PYTEST) $(AT_ONCE) -m "not compose" --durations=20 $(addprefix --ignore=,$(UNDER_POLICIES)) $(ARGS)
	$(MAKE) policies ARGS=--durations=20
	$(MAKE) faults ARGS="-k TestWork"
	$(MAKE) lambda-api PAYLOAD=1 ARGS="-k 'not contract'"
	$(MAKE) lambda-api ARGS="-k 'test_upload or test_follow or test_results or test_direct_uploads'"

test-unit: $(READY) ## the tests that need neither network nor processes
	$(PYTEST) tests/unit -m "not exhaustive" $(ARGS)

test-integration: $(READY) ## real processes on the emulator, or on AWS_ENDPOINT_URL; every case of each matrix
	$(PYTEST) $(AT_ONCE) tests/integration $(ARGS)

test-e2e: $(READY) ## docker compose up, as the README says it (needs Docker)
	$(PYTEST) tests/e2e --durations=10 $(ARGS)

fuzz: $(READY) ## 20,000 damaged photos of every kind (PHOTOS=100000 SEED=1 ARGS='--folder FOLDER'); findings are kept in .darkroom/fuzz
	@$(BIN)/python -m tests.support.fuzz $(addprefix --photos ,$(PHOTOS)) $(addprefix --seed ,$(SEED)) $(ARGS)

attack: $(READY) ## requests made from the OpenAPI document, other ones each time (REQUESTS=300 SEED=1)
	ATTACK_REQUESTS=$(or $(REQUESTS),300) ATTACK_SEED=$(or $(SEED),$(shell date +%s)) \
		$(PYTEST) tests/integration/api/test_contract.py -s --timeout 7200 $(ARGS)

faults: $(READY) ## tests of processes with a proxy of faults before AWS (SEED=7 ARGS='-k sweep')
	FAULTS=$(or $(SEED),1) $(PYTEST) tests/integration/test_worker*.py tests/integration/test_sweep.py tests/integration/api $(ARGS)

lambda-api: $(READY) ## the API's tests with its Lambda function in place of gunicorn (PAYLOAD=1 for payload format 1.0)
	API=lambda$(PAYLOAD) $(PYTEST) $(AT_ONCE) tests/integration/api $(ARGS)

policies: $(READY) ## tests of processes that may do nothing but what deploy/aws/policies.yaml says (ARGS='-k sweep')
	POLICIES=1 $(PYTEST) $(AT_ONCE) $(UNDER_POLICIES) $(ARGS)

# Those of API and workers. Not the tests of the command line, which is an operator's and may do more, and not those
# that ask AWS for nothing that the others do not ask for.
UNDER_POLICIES := $(filter-out $(patsubst %,tests/integration/api/test_%.py,connections contract hostile_requests limits silence slow_callers slow_readers streaming), \
	$(wildcard $(addprefix tests/integration/,test_worker*.py test_sweep.py test_dead_letters.py test_webhooks*.py test_by_url.py \
	$(addprefix test_ingest_,direct_uploads.py two_at_once.py drops.py messages.py failures.py sweep.py) api/test_*.py)))

chaos: $(READY) ## 500 photos while workers are killed every 2 s (ARGS='--photos 500 --workers 4 --seed 1 --fifo')
	@$(BIN)/python -m tests.support.chaos $(ARGS)

scale: $(READY) ## capacity and cost: docs/scale.md anew (ARGS=measure, ARGS=calibrate: from new measurements)
	@$(BIN)/python -m bench.scale $(or $(ARGS),report)

bench: $(READY) ## what an order, an upload and a request cost, beside peers: docs/performance.md (ARGS=worker)
	@$(BIN)/python -m bench.performance --json docs/performance/measured.json $(ARGS)
	@$(BIN)/python -m bench.performance.write_document

bench-peers: $(READY) ## install sharp, pyvips and thumbor outside of the checkout, and compare with them (needs npm)
	@$(BIN)/python -m bench.performance.peers
	@$(BIN)/python -m bench.performance worker library quality $(ARGS)

gallery: $(READY) ## make docs/gallery: every operation on real photos, with the job to copy (ARGS="blur tint")
	@$(BIN)/python -m bench.gallery $(ARGS)

fidelity: $(READY) ## how true results are, to float arithmetic and beside sharp: docs/fidelity.md (ARGS=sizes)
	@$(BIN)/python -m bench.fidelity --json docs/fidelity/measured.json $(ARGS)
	@$(BIN)/python -m bench.fidelity.write_fidelity_page

bench-slow-callers: $(READY) ## a good client's waits while others read or send slowly (ARGS="--wave 'hung AWS'")
	@$(BIN)/python -m bench.slow_callers $(ARGS)

system-calls: $(READY) ## what the seccomp filter refuses to children; needs strace (ARGS='--without-filter --photos FOLDER')
	@$(BIN)/python -m bench.system_calls $(ARGS)

docs: $(READY) ## write .env.example and the tables in docs/operations.md and docs/metadata.md from the code
	@$(BIN)/python -m darkroom.cli.settings_docs
	@$(BIN)/python -m darkroom.cli.metadata_docs

audit: $(READY) ## known vulnerabilities in the locked packages, and the versions of everything (needs the internet)
	@$(BIN)/python -m darkroom.cli.audit $(ARGS)

lint: $(READY) ## what CI checks before it runs the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy examples/*/*.py
	$(BIN)/lint-imports

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

install: $(READY) ## set up .venv with everything, also for tests and lint

# What `make run` needs, in a new .venv. A stamp is touched last, so an interrupted install starts over.
# --no-deps: the lock files are complete, and requirements/overrides.txt says which requirement they leave out.
$(READY_TO_RUN): requirements/local.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Darkroom needs Python 3.11 or newer; this is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Installing what Darkroom needs to run into $(VENV) (170 MB, about half a minute) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements/local.txt
	@$(PIP) install --quiet --no-build-isolation --no-deps -e .
	@echo "Installed."
	@touch $@

# The tools for tests and lint, in addition.
$(READY): $(READY_TO_RUN) requirements/dev.txt
	@echo "Installing what tests and lint need in addition (750 MB more, about a minute) ..."
	@rm $(READY_TO_RUN)
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements/dev.txt
	@echo "Installed."
	@touch $(READY_TO_RUN) $@

# The image's dependencies first, so that nothing else holds them back. local.txt and dev.txt repeat their versions.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" --extra services --extra metadata --extra jxl --extra cdn $(ARGS) pyproject.toml

lock: ## choose the versions in requirements/*.txt again (needs uv; ARGS=--upgrade for the newest)
	$(LOCK) -o requirements/app.txt
	$(LOCK) --extra local --override requirements/overrides.txt -c requirements/app.txt -o requirements/local.txt
	$(LOCK) --extra local --group dev --override requirements/overrides.txt -c requirements/local.txt \
		-o requirements/dev.txt

clean: ## remove .darkroom (photos of `make run`) and the caches of tests and lint; keeps .venv
	rm -rf .darkroom .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv too
	rm -rf $(VENV) *.egg-info

.PHONY: help run run-serverless test test-all test-unit test-integration test-e2e fuzz attack faults policies lambda-api chaos scale bench bench-peers fidelity gallery bench-slow-callers system-calls docs audit lint format install lock clean distclean
