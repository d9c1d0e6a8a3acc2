//! CubeCL back ends (CUDA, wgpu, WebGPU): a thin shell around the kernels in `conv`, `conv_backward` and `pool`.

mod conv;
mod conv_backward;
mod pool;

use super::{ConvGradients, SegBackend, SegBackward};
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};

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

    fn max_pool2(x: FloatTensor<Self>) -> (FloatTensor<Self>, IntTensor<Self>) {
        pool::max_pool(x, I::dtype())
    }

    fn max_unpool2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        pool::max_unpool(x, places)
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

    fn max_gather2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        pool::gather(x, places)
    }
}
