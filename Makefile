# llamero's commands. Each prints what it is doing; all set-up on a bare Debian machine happens in `setup`.

TARGET := $(or $(CARGO_TARGET_DIR),target)
say = @printf '\n== %s\n' "$(1)"

# What the checkers need: other flags for rustc, hence target folders of their own, and no llama.cpp in them.
CHECKED := --release --no-default-features --lib stream
HOST_TRIPLE = $(shell rustc -vV | sed -n 's/^host: //p')

# GPU generations that `make cuda` builds for, as CMake numbers them (90: H100).
CUDA_ARCHS ?= 90

.NOTPARALLEL:
.PHONY: help build setup test test-workspace test-loom test-asan lint bench serve demo cuda

help:
	@printf 'make build | test | lint | bench | serve | demo | cuda\n'
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

test-asan: setup
	$(call say,running the rings under AddressSanitizer)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -C target-cpu=native" \
		cargo test $(CHECKED) --target $(HOST_TRIPLE) --target-dir $(TARGET)/asan

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
