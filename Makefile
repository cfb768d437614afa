# Two commands for a fresh machine: `make demo` and `make test`. Both install what is missing first.

.DEFAULT_GOAL := help
FUZZ_SECONDS ?= 600
comma := ,
# The processors of a Pi 3, a Pi 4 (a Jetson Nano's is in between), a Pi 5, and all that the emulator knows.
ARM_CPUS ?= cortex-a53 cortex-a72 cortex-a76 max
# Those of a Pi 3, a Pi 4, a Pi 5.
BOARD_CPUS ?= cortex-a53 cortex-a72 cortex-a76
MINUTES ?= 60
REPOSITORY ?= target/repository
# The program as the tests have it: what they need turns on features of what it needs, and without the tests everything
# would be compiled a second time.
BUILD_BESIDE_TESTS = cargo build --quiet --locked --bins --tests
# The native kernels run the bundled models on these processors, so the demo leaves tract out, which is half of a first build.
ifneq ($(filter x86_64-% aarch64-%,$(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')),)
DEMO_FEATURES := --no-default-features
DEMO_SAYS := (without tract, the general backend, which the bundled models do not need)
endif
# What a package is made for, and how the program in it is built: `dev` takes a minute, `release` ten.
DEB_ARCH ?= $(shell dpkg --print-architecture 2>/dev/null)
DEB_PROFILE ?= release
.PHONY: help advisories demo test test-rust test-web test-firefox test-models test-homeassistant soak endurance crates lint bench bench-page bench-views bench-peers bench-inference bench-instructions cross-aarch64 portable test-aarch64 appliance appliance-all appliance-arm64 fuzz miri deny release docs deb dist image test-image addon test-addon repository clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Label the bundled photographs and show what arrives over a private broker
	@.ci/setup demo
	@[ -x target/debug/glimpsed ] || echo "demo: compiling glimpsed; the first time this takes some minutes on a small machine $(DEMO_SAYS)"
	cargo build --locked $(DEMO_FEATURES)
	@target/debug/glimpsed demo $(ARGS)

test: test-rust ## Run the test suite: the program, the models' scripts, the page in a browser (ARGS for nextest: the program alone)
	@if [ -z "$(ARGS)" ]; then $(MAKE) --no-print-directory test-models test-web; fi

test-rust: ## Run the tests of the program alone (ARGS for nextest, as for `make test`)
	@.ci/setup test
	cargo nextest run --locked $(ARGS)
	@if [ -z "$(ARGS)" ]; then cargo test --quiet --locked --workspace --doc; fi

test-web: ## Drive the page in a headless Chromium and the HTTP interface from its OpenAPI document (WEB_ARGS for pytest)
	@.ci/setup web
	$(BUILD_BESIDE_TESTS)
	packaging/manual
	tests/web/run $(WEB_ARGS)

docs: ## Make the manual with its search in target/manual (mdBook); the daemon of this checkout serves it at /docs
	@.ci/setup docs
	packaging/manual

test-firefox: ## Drive the page in a headless Firefox too (WEB_ARGS for pytest; installs Firefox and compiles geckodriver the first time)
	@.ci/setup firefox
	$(BUILD_BESIDE_TESTS)
	tests/web/run firefox $(WEB_ARGS)

bench-page: ## Time the page on loopback and over 400 kbit/s with 400 ms, and watch it for PAGE_SECONDS (300); fails above its limits
	@.ci/setup web
	$(BUILD_BESIDE_TESTS)
	tests/web/run --collect-only -q >/dev/null
	PYTHONDONTWRITEBYTECODE=1 SE_AVOID_STATS=true target/web/venv/bin/python tests/web/times.py

test-models: ## Run the tests that need onnxruntime: models/quantize.py, and each layer of integers
	@.ci/setup test
	test -x target/models-venv/bin/python || python3 -m venv target/models-venv
	target/models-venv/bin/pip install --quiet --disable-pip-version-check -r models/requirements.txt
	cargo nextest run --locked --run-ignored only -E 'test(quantize::) + test(resnet_18_gives) + test(onnxruntime_gives) + test(parity::)'

test-homeassistant: ## Run the daemon beside a real Home Assistant and mosquitto (as root; downloads 1 GB the first time)
	@.ci/setup test
	$(BUILD_BESIDE_TESTS)
	tests/homeassistant/setup
	tests/homeassistant/check.py target/debug/glimpsed

soak: ## Run the tests that take minutes: long outages of the broker, a hundred switches of the model, many at the page
	@.ci/setup test
	cargo nextest run --locked --run-ignored only -E 'test(mqtt::) + test(switching::) + test(web::load) + test(web::heat)' --no-capture $(ARGS)

endurance: release ## Run the daemon at full rate for MINUTES (60), nicely: it may not grow, leak or write to a disk
	nice -n 19 benches/endurance.py --minutes $(MINUTES) $(ARGS)

crates: ## Check that each crate and what is fuzzed builds alone: the whole workspace turns on features that one of them may lack (ARGS="test": run their tests)
	@.ci/setup test
	for crate in base jpeg teach mqtt core; do cargo $(or $(ARGS),check) --quiet --locked -p glimpsed-$$crate --lib --tests || exit 1; done
	cargo $(or $(ARGS),check) --quiet --locked -p glimpsed-inference --no-default-features --lib --tests
	cd fuzz && cargo check --quiet --locked --features daemon

lint: ## Check the format, run clippy, build the documentation; warnings are errors
	@.ci/setup test
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked -p glimpsed-inference --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

bench: release ## Measure each stage and the whole daemon, and compare with the last run (ARGS for benches/daemon.py)
	cargo bench --locked -p glimpsed -p glimpsed-jpeg -p glimpsed-mqtt --bench stages --bench decoding --bench outbox
	benches/daemon.py $(ARGS)
	benches/idle.py

bench-views: release ## Several cameras and views beside one: memory, processor time, fairness (ARGS for benches/views.py; a quiet machine)
	benches/views.py $(ARGS)

bench-peers: ## Measure beside what a user would run instead: onnxruntime, ncnn, LiteRT, OpenCV, paho (ARGS="--quick", "--help")
	@.ci/setup peers
	$(if $(findstring --binary,$(ARGS)),,cargo build --release --locked)
	PYTHONPATH=benches python3 -m peers $(ARGS)

bench-inference: ## Time inference beside onnxruntime and tract (ARGS: ONNX files)
	@.ci/setup demo
	benches/inference.py $(ARGS)

bench-instructions: ## Count the instructions of an inference on emulated Arm boards (ARGS: ONNX files)
	@.ci/setup cross
	benches/instructions.py $(ARGS)

cross-aarch64: ## Build for 64-bit Arm boards, into target/cross
	@.ci/setup cross
	.ci/cross cargo build --locked $(ARGS)

portable: ## Build for DEB_ARCH and glibc 2.27 (Jetson Nano, Ubuntu 18.04) or newer, into target/portable
	@.ci/setup portable
	@[ "$(DEB_ARCH)" = "$$(dpkg --print-architecture)" ] || .ci/setup cross
	.ci/portable $(DEB_ARCH) $(DEB_PROFILE)

test-aarch64: ## Run the tests of inference and of the JPEG decoder on emulated Arm processors (ARM_CPUS)
	@.ci/setup cross
	for cpu in $(ARM_CPUS); do \
	    echo "$$cpu:" && CROSS_CPU=$$cpu .ci/cross cargo test --quiet --locked -p glimpsed-inference -p glimpsed-jpeg --no-default-features --lib --tests || exit 1; \
	done

appliance: ## Put the program through the core of its scenarios, in a Debian guest with a V4L2 driver
	@$(MAKE) --no-print-directory appliance-all ARGS="--core $(ARGS)"

appliance-all: ## Put it through all of them, and cut the power ten times
	@.ci/setup demo
	@tests/appliance/setup
	$(BUILD_BESIDE_TESTS)
	@if [ -n "$(ARGS)" ]; then tests/appliance/run --binary target/debug/glimpsed $(ARGS); else \
	    $(MAKE) --no-print-directory deb DEB_PROFILE=dev && \
	    tests/appliance/run --binary target/debug/glimpsed --deb "$$(ls -t target/debian/glimpsed_*.deb | head -1)" && \
	    tests/appliance/run --binary target/debug/glimpsed --power-cuts 10; fi

appliance-arm64: ## Install the package in a Debian guest for 64-bit Arm, and label there, as the processor of each board (BOARD_CPUS)
	@tests/appliance/setup arm64
	$(MAKE) --no-print-directory deb DEB_ARCH=arm64
	for cpu in $(BOARD_CPUS); do \
	    echo "$$cpu:" && tests/appliance/run --arch arm64 --processor $$cpu \
	        --binary target/portable/aarch64-unknown-linux-gnu/release/glimpsed \
	        --deb "$$(ls -t target/debian/glimpsed_*_arm64.deb | head -1)" --scenario package --scenario as_the_documents_say --scenario board --scenario service $(ARGS) || exit 1; \
	done

fuzz: ## Fuzz what reads bytes from cameras, brokers and model files: FUZZ_SECONDS (600) each, on a nightly compiler with cargo-fuzz
	for target in splitter decoder pictures inbound packets compiler; do \
	    seeds=../tests/fixtures/images; [ $$target = compiler ] && seeds=../crates/inference/tests/fixtures/exports; \
	    features=; case $$target in splitter|pictures|inbound) features="--features daemon";; esac; \
	    mkdir -p fuzz/corpus/$$target && (cd fuzz && cargo +nightly fuzz run --dev $$features $$target corpus/$$target $$seeds -- \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=30 -rss_limit_mb=3072) || exit 1; \
	done

miri: ## Run the native kernels (portable and AVX2), their threads and their memory under Miri, on a nightly with miri and rust-src
	PROPTEST_CASES=4 RUSTFLAGS="$(if $(filter x86_64,$(shell uname -m)),-Ctarget-feature=+avx2$(comma)+fma)" MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-permissive-provenance" \
	    cargo +nightly miri test --locked -p glimpsed-inference --no-default-features --lib -- native::thread_pool native::aligned native::pointwise native::kernels outputs_are_those

advisories: ## Check the dependencies for known vulnerabilities (needs the network)
	@.ci/setup ci
	cargo deny --log-level error check advisories

deny: ## Check licences and sources of the dependencies (known vulnerabilities: make advisories)
	@.ci/setup ci
	cargo deny --log-level error check bans licenses sources

release: ## Build the optimised program
	@.ci/setup demo
	cargo build --release --locked

deb: ## Make the Debian package, into target/debian (DEB_ARCH=arm64 for the boards, DEB_PROFILE=dev to have it soon)
	@.ci/setup deb
	@if [ "$(DEB_ARCH) $(DEB_PROFILE)" = "$$(dpkg --print-architecture) dev" ]; then $(BUILD_BESIDE_TESTS); \
	    else $(MAKE) --no-print-directory portable; fi
	packaging/build-deb $(DEB_ARCH) $(DEB_PROFILE)

image: ## Make the container image, into target/image and podman's store (DEB_ARCH=arm64 for the boards, DEB_PROFILE=dev to have it soon)
	@.ci/setup image
	@if [ "$(DEB_ARCH) $(DEB_PROFILE)" = "$$(dpkg --print-architecture) dev" ]; then $(BUILD_BESIDE_TESTS); \
	    else $(MAKE) --no-print-directory portable; fi
	packaging/manual
	packaging/build-image $(DEB_ARCH) $(DEB_PROFILE)

test-image: ## Run the image that was made last under podman, beside a real broker and a real RTSP camera (as root; ARGS for unittest)
	@.ci/setup test-image
	tests/image/run "$$(ls -t target/image/glimpsed-*-$$(dpkg --print-architecture).tar.gz | head -1)" $(ARGS)

repository: ## Make both packages and add them to a signed apt repository, REPOSITORY (target/repository), with the key REPOSITORY_KEY of gpg
	@.ci/setup repository
	$(MAKE) --no-print-directory deb DEB_ARCH=amd64
	$(MAKE) --no-print-directory deb DEB_ARCH=arm64
	packaging/repository $(REPOSITORY) add $$(for arch in amd64 arm64; do ls -t target/debian/glimpsed_*_$$arch.deb | head -1; done)

addon: image ## Make the folder that Home Assistant takes as an app, into target/homeassistant (DEB_ARCH, DEB_PROFILE as for image)
	packaging/build-addon

test-addon: ## Check the app's files against the Supervisor's schema, and run it beside a stand-in for the Supervisor (as root; ARGS for pytest)
	@.ci/setup web
	@.ci/setup test-image
	tests/addon/run $(ARGS)

dist: ## Make what a release consists of, into target/dist: both packages, archives, what is linked, sums
	@.ci/setup dist
	$(MAKE) --no-print-directory deb DEB_ARCH=amd64 DEB_PROFILE=release
	$(MAKE) --no-print-directory deb DEB_ARCH=arm64 DEB_PROFILE=release
	packaging/dist

clean: ## Remove what was built
	cargo clean
