#!/usr/bin/env bash
# Runs everything that needs an NVIDIA GPU:
#
#     bench/gpu.sh [DATA [OUT]]     DATA has rbc-164/ and fields/; without it, training uses synthetic smears
#
# 1. the tests of the kernels on CUDA, 2. the speed of network and training step, 3. the same in PyTorch, if it is
# installed, 4. training of the five folds and the final network, timed.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${2:-runs/cuda}
data=()
if [ -n "${1:-}" ]; then data=(--data "$1/rbc-164" --fields "$1/fields" --synthetic 72); fi

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
cargo test --release -p rbc-model --features cuda,train --test gpu
cargo run --release -p rbc-model --features cuda,train --example speed -- model-weights/rbc.safetensors
if python3 -c 'import torch' 2>/dev/null; then python3 bench/pytorch.py; else echo 'no PyTorch here: not compared'; fi
cargo build --release -p trainer
time target/release/trainer train "${data[@]}" --device cuda --out "$out"
