#!/usr/bin/env python3
"""Times the same network with the same weights in ONNX Runtime on the CPU, for several image sizes.

    pip install onnx onnxruntime safetensors numpy
    python3 bench/onnx_runtime.py [WEIGHTS.safetensors] [--export FOLDER]

Builds the ONNX graph (convolutions, max pooling with indices, max unpooling) from the weights and times it as
`model/examples/speed.rs` times ours: by the median of several passes. With --export it writes indices.onnx and
masks.onnx for `cargo xtask bench` instead. ONNX Runtime Web's pooling on WebGPU has no indices; masks.onnx unpools to
all pixels that equal their window's maximum. If there are several, the logits differ, but the amount of work is the
same.
"""
import argparse
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

import timing


def graph(weights, masks=False):
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

    def double(x, name):
        how = dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        return helper.make_node("Resize", [x, "", "double"], [name], **how)

    if masks:
        constant("double", np.array([1, 1, 2, 2], np.float32))
    x, pools = "image", []
    for stage in range(3):
        for part in ("first", "second"):
            x = layer(x, f"encoder.{stage}.{part}", False, True)
        outputs = [f"pool{stage}"] if masks else [f"pool{stage}", f"at{stage}"]
        nodes.append(helper.make_node("MaxPool", [x], outputs, kernel_shape=[2, 2], strides=[2, 2]))
        if masks:
            nodes.append(double(f"pool{stage}", f"wide{stage}"))
            nodes.append(helper.make_node("Equal", [x, f"wide{stage}"], [f"is{stage}"]))
            nodes.append(helper.make_node("Cast", [f"is{stage}"], [f"at{stage}"], to=TensorProto.FLOAT))
        x = f"pool{stage}"
        pools.append(f"at{stage}")
    for stage in range(3):
        if masks:
            nodes.append(double(x, f"high{stage}"))
            nodes.append(helper.make_node("Mul", [f"high{stage}", pools.pop()], [f"up{stage}"]))
        else:
            places = [x, pools.pop()]
            unpool = helper.make_node("MaxUnpool", places, [f"up{stage}"], kernel_shape=[2, 2], strides=[2, 2])
            nodes.append(unpool)
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", nargs="?", default="model-weights/rbc.safetensors")
    parser.add_argument("--export", type=pathlib.Path, metavar="FOLDER")
    asked = parser.parse_args()
    # The shipped weights are stored in 16 bits.
    weights = {name: value.astype(np.float32) for name, value in load_file(asked.weights).items()}
    if asked.export:
        asked.export.joinpath("indices.onnx").write_bytes(graph(weights))
        asked.export.joinpath("masks.onnx").write_bytes(graph(weights, masks=True))
        return
    session = onnxruntime.InferenceSession(graph(weights), providers=["CPUExecutionProvider"])
    timing.head("ONNX Runtime " + onnxruntime.__version__ + ", CPU")
    random = np.random.default_rng(0)
    for side in timing.SIDES:
        image = random.standard_normal((1, 3, side, side), dtype=np.float32)
        timing.timed("forward", side, 1, timing.rounds(side), lambda: session.run(None, {"image": image}))


if __name__ == "__main__":
    main()
