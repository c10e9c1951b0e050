#!/usr/bin/env bash
# Builds llamero with CUDA. Where no toolkit is installed, one is put together from PyPI's wheels.
#   cuda.sh DEST    toolkit in DEST/toolkit, binary in DEST/release; CUDA_ARCHS names the GPU generations (CMake's numbers)
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p "$1"
dest=$(cd "$1" && pwd)
archs=${CUDA_ARCHS:-90}

# Makes DEST/toolkit/venv and prints the folder that nvcc and CMake take as a toolkit.
fetch_toolkit() {
    local venv=$dest/toolkit/venv root
    if [ ! -e "$dest/toolkit/complete" ]; then
        echo "cuda: fetching the toolkit's wheels into $dest/toolkit" >&2
        rm -rf "$dest/toolkit"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install -q ninja 'nvidia-cuda-nvcc==13.*' 'nvidia-nvvm==13.*' 'nvidia-cuda-crt==13.*' \
            'nvidia-cuda-runtime==13.*' 'nvidia-cuda-cccl==13.*' 'nvidia-cublas==13.*' >&2
    fi
    root=$(echo "$venv"/lib/python3*/site-packages/nvidia/cu13)
    if [ ! -e "$dest/toolkit/complete" ]; then
        [ -e "$root/lib64" ] || ln -s lib "$root/lib64"
        # The wheels hold versioned libraries only; the linker asks for the plain names.
        for name in cudart cublas cublasLt; do
            (cd "$root/lib" && ln -sf "lib$name".so.1* "lib$name.so")
        done
        # Asked for by the llama.cpp crate and not in the wheels: the shared libraries below stand in.
        for name in cublas_static cublasLt_static culibos; do
            [ -e "$root/lib/lib$name.a" ] || ar rcs "$root/lib/lib$name.a"
        done
        touch "$dest/toolkit/complete"
    fi
    echo "$root"
}

flags="-C target-cpu=native"
if command -v nvcc >/dev/null 2>&1; then
    echo "cuda: using $(command -v nvcc)"
else
    toolkit=$(fetch_toolkit)
    echo "cuda: using the toolkit in $toolkit"
    export CUDA_PATH=$toolkit CUDAToolkit_ROOT=$toolkit
    export CUDACXX=$toolkit/bin/nvcc CMAKE_CUDA_COMPILER=$toolkit/bin/nvcc CMAKE_GENERATOR=Ninja
    export PATH=$dest/toolkit/venv/bin:$toolkit/bin:$PATH
    flags+=" -L native=$toolkit/lib -C link-arg=-L$toolkit/lib -C link-arg=-lcublas -C link-arg=-lcublasLt"
    flags+=" -C link-arg=-Wl,-rpath,$toolkit/lib"
fi
export CMAKE_CUDA_ARCHITECTURES=$archs
RUSTFLAGS=$flags cargo build --release --features cuda --target-dir "$dest"
