SHELL := /bin/bash
.DEFAULT_GOAL := help
UV_VERSION := 0.13.8
UV := .tools/bin/uv
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export PATH := $(PATH):/usr/sbin:/sbin

# The first interpreter that really runs: a version manager's shim exists even where its Python does not.
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)

.PHONY: help
help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/ok:
	@test -n "$(PYTHON)" || { echo "Mayfly needs Python 3.11 or newer on PATH" >&2; exit 1; }
	"$(PYTHON)" -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/ok: .tools/ok requirements/dev.txt pyproject.toml
	$(UV) venv --quiet --clear --python "$(PYTHON)" .venv
	$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install
install: .venv/ok ## set up .venv with everything that the other targets need

.PHONY: lock
lock: .tools/ok ## pin requirements/*.txt anew from requirements/*.in
	for name in runtime dev sam; do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done
