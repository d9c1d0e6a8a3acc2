//! Batch normalisation with ReLU from plain tensor operations, for back ends without their own kernel.

use super::EPSILON;
use super::{Normalised, float};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// Mean over all dimensions but `c`: `[n, c, h, w]` to `[1, c, 1, 1]`.
fn mean<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    x.mean_dim(0).mean_dim(2).mean_dim(3)
}

fn channels<B: Backend>(of: FloatTensor<B>) -> Tensor<B, 4> {
    float::<B, 1>(of).reshape([1, -1, 1, 1])
}

/// See [`SegBackend::norm_relu`](super::SegBackend::norm_relu).
pub fn forward<B: Backend>(x: FloatTensor<B>, gamma: FloatTensor<B>, beta: FloatTensor<B>) -> Normalised<B> {
    let x: Tensor<B, 4> = float(x);
    let centre = mean(x.clone());
    let centred = x - centre.clone();
    let variance = mean(centred.clone() * centred.clone());
    let scale = channels::<B>(gamma) / variance.clone().add_scalar(EPSILON).sqrt();
    let output = burn::tensor::activation::relu(centred * scale + channels::<B>(beta));
    Normalised {
        output: primitive(output),
        mean: primitive(centre.reshape([-1])),
        variance: primitive(variance.reshape([-1])),
    }
}

/// See [`SegBackward::norm_relu_backward`](super::SegBackward::norm_relu_backward).
pub fn backward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    found: Normalised<B>,
    gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let x: Tensor<B, 4> = float(x);
    let [n, _, h, w] = x.dims();
    let count = (n * h * w) as f32;
    let inverse = channels::<B>(found.variance).add_scalar(EPSILON).sqrt().recip();
    let unit = (x - channels::<B>(found.mean)) * inverse.clone();
    let closed = float::<B, 4>(found.output).lower_equal_elem(0.0);
    let gradient = float::<B, 4>(gradient).mask_fill(closed, 0.0);
    let by_beta = mean(gradient.clone());
    let by_gamma = mean(gradient.clone() * unit.clone());
    let scale = channels::<B>(gamma) * inverse;
    let input = scale * (gradient - by_beta.clone() - unit * by_gamma.clone());
    [
        primitive(input),
        primitive(by_gamma.mul_scalar(count).reshape([-1])),
        primitive(by_beta.mul_scalar(count).reshape([-1])),
    ]
}
