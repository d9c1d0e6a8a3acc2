#!/usr/bin/env bash
# Runs everything that needs an NVIDIA GPU:
#
#     bench/gpu.sh [DATA [OUT]]     DATA has rbc-164/ and fields/; without it, training uses synthetic smears
#
# 1. the tests of the kernels on CUDA, 2. the speed of network and training step, 3. the same in PyTorch, if it is
# installed, 4. one fold of one epoch, after the device's trial, which compares a training step with the CPU's, 5. training
# of the five folds and the final network, timed. What each prints is kept in OUT/N-NAME.log; a step that fails does not
# stop those after it.
#
# On a machine without Rust or network, with programs that were built elsewhere for the same kind of Linux:
#
#     bench/gpu.sh --build DIR      builds them into DIR, on a machine with Rust
#     PREBUILT=DIR bench/gpu.sh DATA OUT
set -euo pipefail
cd "$(dirname "$0")/.."

# Builds a program, or finds it prebuilt; prints its path. Arguments: name, cargo's arguments.
program() {
    local name=$1
    shift
    if [ -n "${PREBUILT:-}" ]; then
        echo "$PREBUILT/$name"
        return
    fi
    cargo "$@" --release --message-format=json-render-diagnostics |
        python3 -c 'import json,sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])'
}
tests() { program gpu-tests test --no-run -p rbc-model --features cuda,train --test gpu; }
speed() { program speed build -p rbc-model --features cuda,train --example speed; }
trainer() { program trainer build -p trainer; }

if [ "${1:-}" = --build ]; then
    mkdir -p "$2"
    for name in tests speed trainer; do
        built=$($name)
        cp "$built" "$2/$([ $name = tests ] && echo gpu-tests || echo $name)"
    done
    ls -l "$2"
    exit
fi

data=()
if [ -n "${1:-}" ]; then
    folder=$(realpath "$1")
    data=(--data "$folder/rbc-164" --fields "$folder/fields" --synthetic 72)
fi
out=$(realpath -m "${2:-runs/cuda}")

# What would otherwise be found after all the builds.
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
# The kernels are compiled at run time, by NVRTC and with CUDA's headers, which are looked for in these places.
toolkit=
for home in "${CUDA_PATH:-/usr/local/cuda}" /opt/cuda /usr; do
    if [ -z "$toolkit" ] && [ -f "$home/include/cuda_runtime.h" ]; then toolkit=$home; fi
done
if [ -z "$toolkit" ]; then
    echo "no CUDA toolkit (NVRTC and headers) found: install it, or set CUDA_PATH to its folder" >&2
    exit 1
fi
export CUDA_PATH=$toolkit
if [ -e "$out" ]; then
    echo "$out is there already: delete it, or name another folder for the results" >&2
    exit 1
fi
mkdir -p "$out"

failed=0
step() {
    local name=$1
    shift
    echo "== $name"
    { time "$@"; } 2>&1 | tee "$out/$name.log" || { echo "$name failed" >&2; failed=1; }
}
tests=$(tests) speed=$(speed) trainer=$(trainer)
step 1-tests "$tests"
step 2-speed "$speed" model-weights/rbc.safetensors
if python3 -c 'import torch' 2>/dev/null; then
    step 3-pytorch python3 bench/pytorch.py
else
    echo 'no PyTorch here: not compared'
fi
step 4-trial "$trainer" train "${data[@]}" --device cuda --epochs 1 --fold 0 --out "$out/trial"
step 5-training "$trainer" train "${data[@]}" --device cuda --out "$out/run"
exit $failed
