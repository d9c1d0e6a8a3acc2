//! Burn backend extension: the operations of the network that Burn lacks or does not run fast enough.
//!
//! [`SegBackend`] is implemented for the CPU (Flex), for every CubeCL back end (CUDA, wgpu, WebGPU) and, for those that
//! implement [`SegBackward`], for `Autodiff`. All code above this module is generic over `B: SegBackend`, or
//! [`TileBackend`] where it segments images.

#[cfg(feature = "train")]
mod autodiff;
#[cfg(feature = "cube")]
mod cube;
mod flex;
mod tile;

pub use crate::kernels::norm::EPSILON;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{Int, Tensor, TensorPrimitive};
pub(crate) use tile::{MOST, STEPS};
pub use tile::{TileBackend, normalise};

/// Gradients of [`SegBackend::conv3x3`].
pub struct ConvGradients<B: Backend> {
    /// `[n, c, h, w]`; `None` if it was not requested.
    pub input: Option<FloatTensor<B>>,
    /// `[o, c, 3, 3]`
    pub weight: FloatTensor<B>,
    /// `[o]`
    pub bias: FloatTensor<B>,
}

/// Result of [`SegBackend::norm_relu`].
#[derive(Clone, Debug)]
pub struct Normalised<B: Backend> {
    /// `[n, c, h, w]`
    pub output: FloatTensor<B>,
    /// Batch mean, `[c]`.
    pub mean: FloatTensor<B>,
    /// Batch variance, `[c]`; biased (divided by the number of samples).
    pub variance: FloatTensor<B>,
}

/// A back end that can run the network forward.
pub trait SegBackend: Backend {
    /// 3x3 convolution, stride 1, zero padding 1, plus bias, then ReLU if `relu`.
    ///
    /// `x` is `[n, c, h, w]`, `weight` is `[o, c, 3, 3]`, `bias` is `[o]`; the result is `[n, o, h, w]`.
    fn conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// [`conv3x3`](Self::conv3x3), then [`max_pool2`](Self::max_pool2). `h` and `w` must be even.
    fn conv3x3_pool2(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> (FloatTensor<Self>, IntTensor<Self>) {
        Self::max_pool2(Self::conv3x3(x, weight, bias, relu))
    }

    /// [`max_unpool2`](Self::max_unpool2), then [`conv3x3`](Self::conv3x3).
    fn unpool2_conv3x3(
        x: FloatTensor<Self>,
        places: IntTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        Self::conv3x3(Self::max_unpool2(x, places), weight, bias, relu)
    }

    /// Batch normalisation over `n, h, w` with the statistics of the batch itself, then ReLU; for training only. `x` is
    /// `[n, c, h, w]`; `gamma` and `beta` are `[c]`.
    fn norm_relu(x: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: FloatTensor<Self>)
    -> Normalised<Self>;

    /// 2x2 max pooling, stride 2, with indices: `[n, c, h, w]` (`h` and `w` even) to values and window places, both
    /// `[n, c, h / 2, w / 2]`. A place is 0 to 3, row by row through the 2x2 window; of equal values the first wins.
    fn max_pool2(x: FloatTensor<Self>) -> (FloatTensor<Self>, IntTensor<Self>);

    /// Max unpooling: values and places `[n, c, h, w]` to `[n, c, 2 h, 2 w]`, each value at its place, zero elsewhere.
    /// Also the backward pass of [`max_pool2`](Self::max_pool2).
    fn max_unpool2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self>;
}

/// A back end to train on: it also has the backward passes, on which the `Autodiff` implementation is based.
pub trait SegBackward: TileBackend {
    /// The backward pass of [`conv3x3`](SegBackend::conv3x3). `output` is its result if ReLU was fused, else `None`.
    /// The gradient of `x` is computed only `with_input`.
    fn conv3x3_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output: Option<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        with_input: bool,
    ) -> ConvGradients<Self>;

    /// The backward pass of [`norm_relu`](SegBackend::norm_relu): gradients of `x`, `gamma` and `beta`. `found` is the
    /// result of the forward pass.
    fn norm_relu_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        found: Normalised<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];

    /// The backward pass of [`max_unpool2`](SegBackend::max_unpool2): `[n, c, 2 h, 2 w]` to `[n, c, h, w]`, taking from
    /// each window the element at its place.
    fn max_gather2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self>;
}

/// [`SegBackend::conv3x3`] on tensors.
pub fn conv3x3<B: SegBackend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    relu: bool,
) -> Tensor<B, 4> {
    let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
    float(B::conv3x3(x.tensor(), weight.tensor(), bias.tensor(), relu))
}

/// [`SegBackend::conv3x3_pool2`] on tensors.
pub fn conv3x3_pool2<B: SegBackend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    relu: bool,
) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
    let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
    let (values, places) = B::conv3x3_pool2(x.tensor(), weight.tensor(), bias.tensor(), relu);
    (float(values), Tensor::from_primitive(places))
}

/// [`SegBackend::unpool2_conv3x3`] on tensors.
pub fn unpool2_conv3x3<B: SegBackend>(
    x: Tensor<B, 4>,
    places: Tensor<B, 4, Int>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    relu: bool,
) -> Tensor<B, 4> {
    let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
    float(B::unpool2_conv3x3(x.tensor(), places.into_primitive(), weight.tensor(), bias.tensor(), relu))
}

/// [`SegBackend::norm_relu`] on tensors: the output, and the batch's mean and variance.
pub fn norm_relu<B: SegBackend>(
    x: Tensor<B, 4>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
) -> (Tensor<B, 4>, [Tensor<B, 1>; 2]) {
    let (x, gamma, beta) = (x.into_primitive(), gamma.into_primitive(), beta.into_primitive());
    let found = B::norm_relu(x.tensor(), gamma.tensor(), beta.tensor());
    (float(found.output), [float(found.mean), float(found.variance)])
}

/// [`SegBackend::max_pool2`] on tensors.
pub fn max_pool2<B: SegBackend>(x: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
    let (values, places) = B::max_pool2(x.into_primitive().tensor());
    (float(values), Tensor::from_primitive(places))
}

/// [`SegBackend::max_unpool2`] on tensors.
pub fn max_unpool2<B: SegBackend>(x: Tensor<B, 4>, places: Tensor<B, 4, Int>) -> Tensor<B, 4> {
    float(B::max_unpool2(x.into_primitive().tensor(), places.into_primitive()))
}

fn float<B: Backend, const D: usize>(tensor: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}
