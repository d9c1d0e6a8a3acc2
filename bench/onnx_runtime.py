#!/usr/bin/env python3
"""The same network with the same weights in ONNX Runtime, CPU: milliseconds for each size.

    pip install onnx onnxruntime safetensors numpy
    python3 bench/onnx_runtime.py [WEIGHTS.safetensors]

Builds the ONNX graph (convolutions, max pooling with indices, max unpooling) from the weights and times it as
`model/examples/speed.rs` times ours: the median of several passes.
"""
import statistics
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


def graph(weights):
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def layer(x, name, deconv, relu):
        weight = weights[f"{name}.weight"]
        if deconv:  # stride 1, padding 1: a convolution with the kernel turned and its channels swapped
            weight = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        inputs = [x, constant(f"{name}.w", weight), constant(f"{name}.b", weights[f"{name}.bias"])]
        nodes.append(helper.make_node("Conv", inputs, [f"{name}.y"], kernel_shape=[3, 3], pads=[1] * 4))
        if not relu:
            return f"{name}.y"
        nodes.append(helper.make_node("Relu", [f"{name}.y"], [f"{name}.r"]))
        return f"{name}.r"

    x, pools = "image", []
    for stage in range(3):
        for part in ("first", "second"):
            x = layer(x, f"encoder.{stage}.{part}", False, True)
        nodes.append(
            helper.make_node("MaxPool", [x], [f"pool{stage}", f"at{stage}"], kernel_shape=[2, 2], strides=[2, 2])
        )
        x = f"pool{stage}"
        pools.append(f"at{stage}")
    for stage in range(3):
        nodes.append(
            helper.make_node("MaxUnpool", [x, pools.pop()], [f"up{stage}"], kernel_shape=[2, 2], strides=[2, 2])
        )
        x = layer(f"up{stage}", f"decoder.{stage}.first", True, True)
        x = layer(x, f"decoder.{stage}.second", True, stage < 2)
    shape = [1, 3, "height", "width"]
    made = helper.make_graph(
        nodes,
        "rbc",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 2, "height", "width"])],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main():
    file = sys.argv[1] if len(sys.argv) > 1 else "model-weights/rbc.safetensors"
    session = onnxruntime.InferenceSession(graph(load_file(file)), providers=["CPUExecutionProvider"])
    print("ONNX Runtime", onnxruntime.__version__, "CPU")
    random = np.random.default_rng(0)
    for side in (128, 512, 1024, 2048):
        image = random.standard_normal((1, 3, side, side), dtype=np.float32)
        rounds, seconds = (21 if side < 1024 else 5), []
        for _ in range(rounds + 2):
            start = time.perf_counter()
            session.run(None, {"image": image})
            seconds.append(time.perf_counter() - start)
        middle = statistics.median(seconds[2:])
        print(f"forward {side:5}: {1e3 * middle:9.2f} ms {side * side / 1e6 / middle:8.2f} MP/s")


if __name__ == "__main__":
    main()
