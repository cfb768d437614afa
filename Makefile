# Two commands for a fresh machine: `make demo` and `make test`. Both install what is missing first.

.DEFAULT_GOAL := help
FUZZ_SECONDS ?= 600
.PHONY: help demo test soak lint bench bench-inference appliance appliance-all fuzz deny release clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Label the bundled photographs and show what arrives over a private broker
	@.ci/setup demo
	cargo build --quiet --locked
	@target/debug/glimpsed demo $(ARGS)

test: ## Run the whole test suite
	@.ci/setup test
	cargo nextest run --locked $(ARGS)

soak: ## Run the tests that take minutes: long outages of the broker
	@.ci/setup test
	cargo nextest run --locked --run-ignored only -E 'test(mqtt::)' --no-capture $(ARGS)

lint: ## Check the format, run clippy, build the documentation; warnings are errors
	@.ci/setup test
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

bench: release ## Measure the whole daemon: first label, frames a second, CPU a frame, memory
	benches/daemon.py $(ARGS)

bench-inference: ## Time inference beside onnxruntime and tract (ARGS: ONNX files)
	@.ci/setup demo
	benches/inference.py $(ARGS)

appliance: ## Put the program through the core of its scenarios, in a Debian guest with a V4L2 driver
	@$(MAKE) --no-print-directory appliance-all ARGS="--core $(ARGS)"

appliance-all: ## Put it through all of them
	@.ci/setup demo
	@tests/appliance/setup
	cargo build --quiet --locked
	tests/appliance/run --binary target/debug/glimpsed $(ARGS)

fuzz: ## Fuzz what reads bytes from cameras: FUZZ_SECONDS (600) each, on a nightly compiler with cargo-fuzz
	for target in splitter decoder; do \
	    mkdir -p fuzz/corpus/$$target && (cd fuzz && cargo +nightly fuzz run $$target corpus/$$target ../tests/fixtures/images -- \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=30 -rss_limit_mb=3072) || exit 1; \
	done

deny: ## Check licences and sources of the dependencies (the vulnerabilities need the network: cargo deny check)
	@.ci/setup ci
	cargo deny --log-level error check bans licenses sources

release: ## Build the optimised program
	@.ci/setup demo
	cargo build --release --locked

clean: ## Remove what was built
	cargo clean
