SHELL := /bin/bash
.DEFAULT_GOAL := help
UV_VERSION := 0.13.8
UV := .tools/bin/uv
BIN := .venv/bin
SAM := SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export PATH := $(PATH):/usr/sbin:/sbin

# The first interpreter that really runs: a version manager's shim exists even where its Python does not.
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)

TYPED := layers/mayfly/mayfly layers/protocol/mayfly_protocol layers/instance/mayfly_instance layers/instance/bundle.py \
	lab/mayfly_lab lab/mayfly_fakes lab/buildkite_emulator lab/generate_docs.py lab/tests cli/mayfly_cli functions build tests conftest.py
STACKS = $(wildcard stacks/*.yaml)
SHELL_FILES = $$($(BIN)/shfmt -f $(wildcard .ci layers lab))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- environments

.tools/ok:
	@test -n "$(PYTHON)" || { echo "Mayfly needs Python 3.11 or newer on PATH" >&2; exit 1; }
	"$(PYTHON)" -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/ok: .tools/ok requirements/dev.txt pyproject.toml lab/pyproject.toml
	$(BIN)/python -c '' 2>/dev/null || $(UV) venv --quiet --clear --python "$(PYTHON)" .venv
	$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . --editable lab
	@touch $@

# The SAM CLI pins its own boto3, so it needs an environment of its own.
.tools/sam/ok: .tools/ok requirements/sam.txt
	.tools/sam/bin/python -c '' 2>/dev/null || $(UV) venv --quiet --clear --python "$(PYTHON)" .tools/sam
	$(UV) pip sync --quiet --python .tools/sam/bin/python --require-hashes requirements/sam.txt
	@touch $@

# pip-audit and CycloneDX, apart from what is tested and shipped.
.tools/audit/ok: .tools/ok requirements/audit.txt
	.tools/audit/bin/python -c '' 2>/dev/null || $(UV) venv --quiet --clear --python "$(PYTHON)" .tools/audit
	$(UV) pip sync --quiet --python .tools/audit/bin/python --require-hashes requirements/audit.txt
	@touch $@

# Playwright drives the browser of this machine; it brings a Node.js of its own.
.tools/browser/ok: .tools/ok requirements/browser.txt
	.tools/browser/bin/python -c '' 2>/dev/null || $(UV) venv --quiet --clear --python "$(PYTHON)" .tools/browser
	$(UV) pip sync --quiet --python .tools/browser/bin/python --require-hashes requirements/browser.txt
	@touch $@

.PHONY: install
install: .venv/ok ## set up .venv with everything that the other targets need

# The layer's lock comes first and constrains the others, so the tests run the versions that are deployed.
.PHONY: lock
lock: .tools/ok ## resolve and pin all requirements of requirements/*.in and lab/pyproject.toml
	set -e; compile() { $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url "$$@"; }; \
	compile --upgrade --output-file layers/dependencies/requirements.txt requirements/runtime.in; \
	compile --upgrade --constraint layers/dependencies/requirements.txt \
		--extra tests --no-emit-package mayfly \
		--output-file requirements/dev.txt requirements/dev.in lab/pyproject.toml; \
	compile --upgrade --output-file requirements/sam.txt requirements/sam.in; \
	compile --upgrade --output-file requirements/audit.txt requirements/audit.in; \
	compile --upgrade --output-file requirements/browser.txt requirements/browser.in

# ---------------------------------------------------------------- what is deployed

.PHONY: bundle
bundle: .venv/ok ## write user data, repeated parts and the bundle's SHA-256 into the templates
	$(BIN)/python -m build.embed

.PHONY: docs
docs: .venv/ok ## renew the generated blocks of the documents
	$(BIN)/python -m build.docs --write
	$(BIN)/python -m tests.security.generate_docs --write
	$(BIN)/python -m tests.security.generate_cases --write
	$(BIN)/python -m tests.cli.operations.generate_docs --write
	PYTHONPATH=.:lab/tests $(BIN)/python lab/generate_docs.py --write

.PHONY: build
build: .venv/ok .tools/sam/ok bundle ## run sam build, for arm64 and without a container
	UV="$(abspath $(UV))" PYTHON="$(PYTHON)" $(SAM) build

.PHONY: validate
validate: .venv/ok .tools/sam/ok ## check the templates, as written and as translated
	$(SAM) validate --lint --template template.yaml
	for each in $(STACKS); do $(SAM) validate --lint --template "$$each" || exit 1; done
	mkdir -p .build && $(BIN)/python -m build.translate template.yaml >.build/template.json
	$(BIN)/cfn-lint template.yaml $(STACKS) .build/template.json
	$(BIN)/python -m build.embed --check

# ---------------------------------------------------------------- what it is made of

.PHONY: audit
audit: .venv/ok .tools/audit/ok ## ask for known vulnerabilities of all locked packages; fails if nobody answers
	$(BIN)/python -m build.audit .tools/audit/bin/pip-audit

SBOM ?= .build/mayfly.cdx.json

.PHONY: sbom
sbom: .venv/ok .tools/audit/ok ## write a CycloneDX bill of what is shipped: SBOM=FILE
	$(BIN)/python -m build.sbom .tools/audit/bin/cyclonedx-py "$(SBOM)"

# ---------------------------------------------------------------- checks

.PHONY: format
format: .venv/ok ## format all sources
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/shfmt -w $(SHELL_FILES)

.PHONY: lint
lint: .venv/ok ## check format, lint and types of Python and shell
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/shfmt -d $(SHELL_FILES)
	$(BIN)/shellcheck $(SHELL_FILES)

.PHONY: test-unit
test-unit: .venv/ok ## run the tests that need only Python: decisions, ticks, ports' contracts, the host
	$(RUN_TESTS) -q tests/unit tests/protocol tests/property tests/architecture tests/contract tests/instance $(PYTEST)

# The tests of a file stay in one process, because they share a local AWS and a process can hold only one.
WORKERS = 2
RUN_TESTS = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Tests that run hosts and commands wait for them, a third of the time: one more test than cores runs at once.
.PHONY: test
test: WORKERS = 3
test: .venv/ok .tools/sam/ok ## run the product's tests, except the slow tests
	$(RUN_TESTS) -m "not slow" tests $(PYTEST)

# Tests of the lab with a target of their own.
APART = $(addprefix --ignore lab/tests/,attacks browser e2e iam judges)

.PHONY: test-lab
test-lab: .venv/ok ## run the lab's tests: emulator, local AWS, machines, stories of the whole system
	$(RUN_TESTS) -m "not slow and not whole and not vm" lab/tests $(APART) $(PYTEST)

# The time is the first seed: each run meets others, and prints which. CI runs seeds that are known to hold.
SIM ?= --from $$(date +%s) --seeds 1000

.PHONY: sim
sim: .venv/ok ## run the shipped loops on a virtual clock through every fault: SIM="--seeds 10000"
	$(BIN)/mayfly-lab sim $(SIM)

.PHONY: judges
judges: .venv/ok ## let AWS's own metadata mock and event matcher judge the lab; fetches them with Go and Maven
	lab/tests/judges/fetch.sh
	$(RUN_TESTS) lab/tests/judges $(PYTEST)

.PHONY: iam
iam: .venv/ok ## let an independent evaluator of IAM policies judge ours and the deployed policies; needs Node.js
	lab/tests/iam/fetch.sh
	$(RUN_TESTS) lab/tests/iam $(PYTEST)

# Reports and pages are tested where a browser is. Screenshots for people lie in .build/browser afterwards.
.PHONY: browser
browser: .venv/ok .tools/browser/ok ## look at reports and pages in a headless Chromium; needs Chromium and npm
	@set -e; why="$$(lab/tests/browser/fetch.sh)"; \
	if [[ -n $$why ]]; then echo "$@: skipped: $$why"; exit 0; fi; \
	.tools/browser/bin/python -m pytest -q --confcutdir lab/tests/browser lab/tests/browser $(PYTEST)

# The slow tests wait for labs and for commands, so one more test than cores runs at once.
.PHONY: test-slow
test-slow: WORKERS = 3
test-slow: .venv/ok .tools/sam/ok .tools/audit/ok ## run the tests that take minutes: every fault, dying functions, commands as subprocesses
	$(RUN_TESTS) -m slow tests lab/tests $(APART) $(PYTEST)

.PHONY: e2e
e2e: .venv/ok ## run every kind of job with the buildkite-agent on PATH and with the stand-in
	@buildkite-agent --version 2>/dev/null || echo "no buildkite-agent on PATH: the stand-in alone runs the jobs"
	$(RUN_TESTS) lab/tests/e2e $(PYTEST)

# Trees are made before the tests, so that the tests' time does not hold the time of the first build.
WHOLE = set -e; why="$$($(BIN)/python -m mayfly_lab.machines.whole.needs $(1))"; \
	if [[ -n $$why ]]; then echo "$@: skipped: $$why"; exit 0; fi; \
	$(BIN)/python -m mayfly_lab.machines.whole.trees_command make; \
	$(RUN_TESTS) -m $(2) lab/tests/whole $(PYTEST)

.PHONY: machine-test
machine-test: .venv/ok ## run the host on whole machines, containers with a systemd of their own; needs root
	@$(call WHOLE,container,whole)

.PHONY: machine-test-vm
machine-test-vm: .venv/ok ## run the host on virtual machines, before a release; needs root, and minutes without KVM
	@$(call WHOLE,vm,vm)

.PHONY: machine-tree
machine-tree: .venv/ok ## make the trees of whole machines, and remove older ones; no machine may run; needs root
	$(BIN)/python -m mayfly_lab.machines.whole.trees_command renew

# Lab and whole machines in one run, because its end is one matrix; what this machine cannot try is told with the reason.
# Machines boot and end while their tests wait, so more tests than cores take turns.
.PHONY: attacks
attacks: WORKERS = 4
attacks: .venv/ok ## try every attack of docs/attacks.md, and print the matrix; needs root, and Debian for whole machines
	$(RUN_TESTS) -q --all-attacks lab/tests/attacks $(PYTEST)

.PHONY: demo
demo: .venv/ok ## run jobs through the whole system on this machine, without an account
	$(BIN)/mayfly-lab demo $(DEMO)

LATENCY = --latency=buildkite=100ms,aws=15ms

.PHONY: bench-hot
bench-hot: .venv/ok ## measure 200 jobs on hot machines for each agent, with latencies and secrets too; needs an idle machine
	set -e; for agent in $$(command -v buildkite-agent || true) stand-in; do \
		for more in "" "$(LATENCY)" "$(LATENCY) --secrets 10"; do \
			$(BIN)/mayfly-lab bench --agent "$$agent" $$more $(BENCH); \
		done; \
	done

# ---------------------------------------------------------------- a real account

# ARGS holds the arguments: make preflight ARGS="QueueKey=default VpcId=vpc-0123 Subnets=subnet-0123".
.PHONY: agent-release
agent-release: .venv/ok ## print the parameters for a release of the agent: ARGS="3.138"
	$(BIN)/mayfly agent-release $(ARGS)

.PHONY: preflight
preflight: .venv/ok ## check an account before the first deployment: ARGS="Name=value …"
	$(BIN)/mayfly preflight $(ARGS)

.PHONY: first-job
first-job: .venv/ok ## run a first job on a queue and show its log: ARGS="--queue KEY"
	$(BIN)/mayfly first-job $(ARGS)

.PHONY: check-buildkite
check-buildkite: .venv/ok ## check that Buildkite behaves as the lab's emulator does: ARGS="--queue KEY"
	$(BIN)/mayfly check-buildkite $(ARGS)

.PHONY: check-aws
check-aws: .venv/ok ## check that IAM judges requests as the templates need
	$(BIN)/mayfly check-aws $(ARGS)

.PHONY: check-policies
check-policies: .venv/ok ## ask AWS about each case of the table of permissions: ARGS="--stack NAME --queue KEY"
	$(BIN)/mayfly check-policies $(ARGS)

.PHONY: check-image
check-image: .venv/ok ## try on an Amazon Linux instance what a host needs: ARGS="--region REGION"
	$(BIN)/mayfly check-image $(ARGS)

.PHONY: check-profiles
check-profiles: .venv/ok ## measure when the metadata service follows a replaced profile: ARGS="--region REGION"
	$(BIN)/mayfly check-profiles $(ARGS)

.PHONY: uninstall
uninstall: .venv/ok ## delete a stack or a queue: ARGS="--queue KEY"
	$(BIN)/mayfly uninstall $(ARGS)

.PHONY: clean
clean: ## remove build results and caches; keep .venv, .tools and the trees of whole machines
	rm -rf .aws-sam .build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: clean-trees
clean-trees: .venv/ok ## remove the trees and disks of whole machines; no machine may run; needs root
	$(BIN)/python -m mayfly_lab.machines.whole.trees_command remove
