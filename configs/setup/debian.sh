#!/usr/bin/env bash
# Installs what a build needs and a bare Debian machine lacks; does nothing where all is there.
# Wanted beforehand: the Rust toolchain, gcc, make, python3, and root where something is missing.
set -euo pipefail

missing=()
need() { # need PACKAGE... : for the check that failed just before
    missing+=("$@")
}
have() {
    command -v "$1" >/dev/null 2>&1
}

have cmake || need cmake
have g++ || need g++
have make || need make
have git || need git
# bindgen reads llama.cpp's headers through libclang.
compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || compgen -G '/usr/lib/*-linux-gnu/libclang*.so*' >/dev/null ||
    [ -n "${LIBCLANG_PATH:-}" ] || need libclang-dev
python3 -m pip --version >/dev/null 2>&1 || need python3-pip
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || need python3-venv

if ! have cargo; then
    echo "setup: cargo is not there: install the Rust toolchain first (https://rustup.rs)" >&2
    exit 1
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if ! have apt-get; then
    echo "setup: these are missing, and there is no apt-get to install them: ${missing[*]}" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "setup: these are missing and only root can install them: ${missing[*]}" >&2
    echo "setup: run this first: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
