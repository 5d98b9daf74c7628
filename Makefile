# `make demo` and `make test` do all set-up themselves; they need Rust and Python 3.10 or newer, and nothing else.

CARGO ?= cargo
PYTHON ?= python3
export PYTHON

.PHONY: help venv build demo test conformance lint fmt clean-venv

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 14

venv: .venv/.dev ## the Python environment of sandbox and tests (.venv)

# Markers inside the environment: installing happens once for each change of a requirements file.
.venv/.sandbox: requirements-sandbox.txt scripts/venv
	scripts/venv requirements-sandbox.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements-sandbox.txt scripts/venv
	scripts/venv requirements-dev.txt
	@touch .venv/.sandbox $@

build: ## the release binary, target/release/countersign
	$(CARGO) build --release

demo: .venv/.sandbox build ## the story of the incident, played against a local cloud
	target/release/countersign demo

test: venv ## all tests
	$(CARGO) test

conformance: ## AWS's official protocol and endpoint tests, downloaded with botocore's source package
	scripts/conformance.sh

lint: ## formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets

fmt: ## formats the code
	$(CARGO) fmt

clean-venv: ## removes the Python environment
	rm -rf .venv
