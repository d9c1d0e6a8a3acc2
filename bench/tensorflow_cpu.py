#!/usr/bin/env python3
"""Times the same network in TensorFlow on the CPU: forward pass and training step.

    pip install tensorflow-cpu
    python3 bench/tensorflow_cpu.py

Times the same work as `model/examples/speed.rs` in the same way: by the median of several passes. TensorFlow has no max
unpooling; here values are repeated and then kept only in pixels that equal their window's maximum. If there are
several, the logits differ, but the amount of work is the same.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

import timing

WIDTHS = (16, 32, 64)


def repeated(x):
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


class Network(tf.Module):
    def __init__(self, norm):
        super().__init__()
        ends = (3, *WIDTHS)
        pairs = [pair for a, b in zip(ends, WIDTHS) for pair in ((a, b), (b, b))]
        ends = (2, *WIDTHS)
        pairs += [pair for a, b in reversed(list(zip(ends, WIDTHS))) for pair in ((b, b), (b, a))]
        self.filters = [tf.Variable(tf.random.normal((3, 3, a, b), stddev=(2 / 9 / a) ** 0.5)) for a, b in pairs]
        self.biases = [tf.Variable(tf.zeros(b)) for _, b in pairs]
        self.gammas = [tf.Variable(tf.ones(b)) for _, b in pairs[:-1]] if norm else []

    def layer(self, x, at):
        # With stride 1 and padding 1, a transposed convolution is a convolution.
        x = tf.nn.conv2d(x, self.filters[at], 1, "SAME")
        if self.gammas and at < len(self.gammas):
            x, *_ = tf.compat.v1.nn.fused_batch_norm(x, self.gammas[at], self.biases[at], is_training=True)
        else:
            x = tf.nn.bias_add(x, self.biases[at])
        return x if at == len(self.filters) - 1 else tf.nn.relu(x)

    def __call__(self, x, train=False):
        masks = []
        for stage in range(3):
            x = self.layer(self.layer(x, 2 * stage), 2 * stage + 1)
            pooled = tf.nn.max_pool2d(x, 2, 2, "VALID")
            masks.append(tf.cast(tf.equal(x, repeated(pooled)), tf.float32))
            x = pooled
        if train:
            x = tf.nn.dropout(x, 0.5)
        for stage in range(3):
            x = repeated(x) * tf.stop_gradient(masks.pop())
            x = self.layer(self.layer(x, 6 + 2 * stage), 7 + 2 * stage)
        return x


def main():
    timing.head("TensorFlow " + tf.__version__ + ", CPU")
    network = Network(False)
    forward = tf.function(network)
    for side in timing.SIDES:
        image = tf.random.normal((1, side, side, 3))
        timing.timed("forward", side, 1, timing.rounds(side), lambda: forward(image).numpy())
    for norm in (False, True):
        network = Network(norm)
        variables = [*network.filters, *network.biases, *network.gammas]
        moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        images = tf.random.normal((8, 128, 128, 3))

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(network(images, train=True)))
            for variable, (mean, square), slope in zip(variables, moments, tape.gradient(loss, variables)):
                # Adam with decoupled weight decay.
                mean.assign(0.9 * mean + 0.1 * slope)
                square.assign(0.999 * square + 0.001 * slope * slope)
                variable.assign_sub(1e-4 * (mean / (tf.sqrt(square) + 1e-5) + 1e-4 * variable))
            return loss

        name = "step with normalisation" if norm else "step"
        timing.timed(name, 128, 8, 21, lambda: step().numpy())


if __name__ == "__main__":
    main()
