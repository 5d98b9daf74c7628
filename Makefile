# `make demo` and `make test` do all set-up themselves; they need Rust and Python 3.10 or newer, and nothing else.

CARGO ?= cargo
PYTHON ?= python3
export PYTHON

.PHONY: help venv node clients build demo inspect test tools bench conformance packs-check ci lint fmt clean-venv

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

# The MCP Inspector, MCP's conformance suite and an OpenID provider.
node: $(patsubst %,tests/%/node_modules/.installed,inspector mcp oidc) ## what the tests need besides, run by the Node of .venv

tests/%/node_modules/.installed: tests/%/package-lock.json .venv/.dev
	cd tests/$* && PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --ignore-scripts --loglevel=error
	@touch $@

clients: tests/clients/node_modules/.installed ## Claude Code and Gemini CLI for the tests that ask them, 460 MB

# Claude Code's own program comes with its package for this platform; its script only puts it in place.
tests/clients/node_modules/.installed: tests/clients/package-lock.json .venv/.dev
	cd tests/clients && PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --ignore-scripts --loglevel=error
	cd tests/clients && "$(CURDIR)/.venv/bin/node" node_modules/@anthropic-ai/claude-code/install.cjs
	@touch $@

build: ## the release binary, target/release/countersign
	$(CARGO) build --release

# From the same unoptimised build as the tests: it is there minutes earlier, and the story is as fast.
demo: .venv/.sandbox ## the story of the incident, played against a local cloud
	$(CARGO) build --bin countersign
	target/debug/countersign demo

inspect: .venv/.sandbox tests/inspector/node_modules/.installed ## the MCP Inspector's page on a server before a local cloud; Ctrl-C ends it
	$(CARGO) build --bin countersign
	scripts/inspect.sh

# Without cvc5 the proofs about policies are skipped, without `make clients` what asks clients, and both say so.
test: venv node ## all tests
	$(CARGO) test

tools: ## docs/tools.md and the README's table, from manifests and cases
	UPDATE_TOOLS=1 UPDATE_README=1 $(CARGO) test --test it -- the_list_of_tools the_table_of_tools

bench: ## what the server, its record and its policies cost (proofs with cvc5)
	$(CARGO) bench --bench server --bench record --bench policy --bench policy

conformance: ## AWS's official protocol and endpoint tests, downloaded with botocore's source package
	scripts/conformance.sh

packs-check: ## that data/ is what its scripts make of the pinned packages
	$(PYTHON) scripts/model_pack.py --check
	$(PYTHON) scripts/iam_facts.py --check

ci: ## everything that continuous integration runs
	.ci/run

lint: ## formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets

fmt: ## formats the code
	$(CARGO) fmt

clean-venv: ## removes the Python environment
	rm -rf .venv
