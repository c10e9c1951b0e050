# llamero's commands. Each prints what it is doing; all set-up on a bare Debian machine happens in `setup`.

TARGET := $(or $(CARGO_TARGET_DIR),target)
say = @printf '\n== %s\n' "$(1)"

# What the checkers need: other flags for rustc, hence target folders of their own, and no llama.cpp in them.
CHECKED := --release --no-default-features --lib stream
HOST_TRIPLE = $(shell rustc -vV | sed -n 's/^host: //p')

# GPU generations that `make cuda` builds for, as CMake numbers them (90: H100).
CUDA_ARCHS ?= 90

.NOTPARALLEL:
.PHONY: help build setup test test-workspace test-loom test-asan lint bench serve demo cuda accept-serve accept-store accept-text accept-loadtest accept-gpu

help:
	@printf 'make build | test | lint | bench | serve | demo | cuda | accept-serve | accept-store | accept-text | accept-loadtest | accept-gpu\n'
	@printf 'The binaries lie in %s/release.\n' "$(TARGET)"

setup:
	@configs/setup/debian.sh

build: setup
	$(call say,building llamero into $(TARGET)/release)
	cargo build --release --workspace

test: test-workspace test-loom test-asan

test-workspace: setup
	$(call say,running the tests of the workspace)
	cargo test --release --workspace

test-loom: setup
	$(call say,running the rings under loom: every order of their atomic steps)
	RUSTFLAGS="--cfg loom -C target-cpu=native" cargo test $(CHECKED) --target-dir $(TARGET)/loom

# monoio's driver leaks 24 bytes when it is made, which the leak check would count: the one test that makes one is
# left out here (the other run has it).
test-asan: setup
	$(call say,running the rings under AddressSanitizer)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -C target-cpu=native" \
		cargo test $(CHECKED) --target $(HOST_TRIPLE) --target-dir $(TARGET)/asan -- --skip through_a_socket

lint: setup
	$(call say,checking the format)
	cargo fmt --all --check
	$(call say,running clippy)
	cargo clippy --release --workspace --all-targets -- -D warnings

# The release profile, because another one would build llama.cpp again.
bench: setup
	$(call say,running the benches)
	cargo bench --profile release --no-default-features --workspace --bench '*'

serve: build
	$(call say,serving; stop with Ctrl-C)
	$(TARGET)/release/llamero serve

demo: build
	$(call say,one chat with a small model)
	python3 configs/setup/demo.py --binary $(TARGET)/release/llamero --folder $(TARGET)/demo

cuda: setup
	$(call say,building with CUDA for architectures $(CUDA_ARCHS) into $(TARGET)/cuda/release: about 25 minutes on two cores)
	CUDA_ARCHS="$(CUDA_ARCHS)" configs/setup/cuda.sh $(TARGET)/cuda

# Points to run, as in ONLY=2,3; all without it. SHARED and PEERS name what is measured with.
ONLY ?=
GPU_POINTS := 2,4,5
ACCEPT := python3 tests/acceptance/serve.py --binaries $(TARGET)/release --demo $(TARGET)/demo

accept-serve: build
	$(call say,building the peer of the network core)
	cargo build --release --example peer-hyper
	$(call say,showing what serve has to show)
	$(ACCEPT) $(if $(ONLY),--only $(ONLY))

# As root: point 3 makes small disks and serves as another user.
accept-store: build
	$(call say,showing what the store has to show)
	python3 tests/acceptance/store.py --binaries $(TARGET)/release --demo $(TARGET)/demo $(if $(ONLY),--only $(ONLY))

accept-text: build
	$(call say,showing what text in and out has to show)
	python3 tests/acceptance/text.py --binaries $(TARGET)/release --demo $(TARGET)/demo $(if $(ONLY),--only $(ONLY))

# Asked first: a build with CUDA takes half an hour.
accept-gpu:
	@nvidia-smi -L 2>/dev/null || { echo 'accept-gpu: there is no GPU on this machine: points 2, 4 and 5 were not run'; exit 1; }
	$(MAKE) cuda
	cargo build --release -p llamero-loadtest
	$(call say,showing what serve has to show on a GPU)
	$(ACCEPT) --llamero $(TARGET)/cuda/release/llamero --gpu --only $(or $(ONLY),$(GPU_POINTS))

# Wants a machine that does nothing else. REPORT names the page that point 4 leaves.
REPORT ?= $(TARGET)/loadtest-report.html
accept-loadtest: build
	$(call say,showing what the load client has to show)
	python3 tests/acceptance/loadtest.py --binaries $(TARGET)/release --demo $(TARGET)/demo --html $(REPORT) $(if $(ONLY),--only $(ONLY))
