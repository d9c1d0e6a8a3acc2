//! CubeCL back ends (CUDA, wgpu, WebGPU): a thin shell around the kernels in `conv`, `conv_backward`, `norm`, `pool` and `tile`.

mod conv;
mod conv_backward;
mod norm;
mod pool;
mod tile;

use super::tile::Turned;
use super::{ConvGradients, Normalised, SegBackend, SegBackward, TileBackend};
use crate::{Error, RgbImage};
use burn::tensor::ops::{FloatTensor, IntTensor, IntTensorOps};
use burn::tensor::{Tensor, TensorPrimitive};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use std::ops::Range;

impl<R, F, I, BT> SegBackend for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        conv::forward(x, weight, bias, relu)
    }

    fn norm_relu(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> Normalised<Self> {
        let [output, mean, variance] = norm::forward(x, gamma, beta);
        Normalised { output, mean, variance }
    }

    fn max_pool2(x: FloatTensor<Self>) -> (FloatTensor<Self>, IntTensor<Self>) {
        pool::max_pool(x, I::dtype())
    }

    fn max_unpool2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        pool::max_unpool(x, places)
    }
}

impl<R, F, I, BT> TileBackend for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    const TILES_AT_ONCE: usize = 2;

    async fn tile(
        pixels: &RgbImage,
        orientations: Range<usize>,
        network: impl Fn(Tensor<Self, 4>) -> Tensor<Self, 4>,
        device: &Self::Device,
    ) -> Result<Vec<f32>, Error> {
        let count = orientations.len();
        let upload = Self::int_from_data(tile::packed(pixels), device);
        let mut sum = None;
        for orientation in orientations {
            let turned = Turned::new(orientation, pixels.dimensions());
            let input = tile::input(upload.clone(), &turned, F::dtype());
            let output = network(Tensor::from_primitive(TensorPrimitive::Float(input)));
            sum = Some(tile::add(sum, output.into_primitive().tensor(), &turned, pixels.dimensions()));
        }
        let Some(sum) = sum else { return Ok(vec![0.0; (pixels.width() * pixels.height()) as usize]) };
        let failed = |error: &dyn std::fmt::Debug| Error::Compute(format!("the device failed: {error:?}"));
        let read = Self::int_into_data(tile::rounded(sum, count, I::dtype())).await;
        tile::unpacked(read.map_err(|error| failed(&error))?, count).map_err(|error| failed(&error))
    }
}

impl<R, F, I, BT> SegBackward for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn conv3x3_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output: Option<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
        with_input: bool,
    ) -> ConvGradients<Self> {
        let gradient = match output {
            Some(output) => conv_backward::gate(gradient, output),
            None => gradient,
        };
        let input = with_input.then(|| conv::backward_input(gradient.clone(), weight));
        let (weight, bias) = conv_backward::weight_and_bias(x, gradient);
        ConvGradients { input, weight, bias }
    }

    fn norm_relu_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        found: Normalised<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        norm::backward(x, gamma, [found.output, found.mean, found.variance], gradient)
    }

    fn max_gather2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        pool::gather(x, places)
    }
}
