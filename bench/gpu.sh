#!/usr/bin/env bash
# Runs everything that needs an NVIDIA GPU:
#
#     bench/gpu.sh [DATA [OUT]]     DATA has rbc-164/ and fields/; without it, training uses synthetic smears
#
# 1. the tests of the kernels on CUDA, 2. the speed of network and training step, 3. the same in PyTorch, if it is
# installed, 4. training of the five folds and the final network, timed.
set -euo pipefail
here=$(realpath "$(dirname "$0")/..")
data=()
if [ -n "${1:-}" ]; then
    folder=$(realpath "$1")
    data=(--data "$folder/rbc-164" --fields "$folder/fields" --synthetic 72)
fi
out=$(realpath -m "${2:-$here/runs/cuda}")
cd "$here"

# What would otherwise be found after all the builds.
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
# The kernels are compiled at run time, by NVRTC and with CUDA's headers, which are looked for in these places.
toolkit=
for home in "${CUDA_PATH:-/usr/local/cuda}" /opt/cuda /usr; do
    if [ -f "$home/include/cuda_runtime.h" ]; then toolkit=$home; fi
done
if [ -z "$toolkit" ]; then
    echo "no CUDA toolkit (NVRTC and headers) found: install it, or set CUDA_PATH to its folder" >&2
    exit 1
fi
if [ -e "$out" ]; then
    echo "$out is there already: delete it, or name another folder for the training run" >&2
    exit 1
fi

cargo test --release -p rbc-model --features cuda,train --test gpu
cargo run --release -p rbc-model --features cuda,train --example speed -- model-weights/rbc.safetensors
if python3 -c 'import torch' 2>/dev/null; then python3 bench/pytorch.py; else echo 'no PyTorch here: not compared'; fi
cargo build --release -p trainer
time cargo run --release -q -p trainer -- train "${data[@]}" --device cuda --out "$out"
