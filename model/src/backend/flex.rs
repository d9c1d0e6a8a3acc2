//! The CPU back end (Flex): a thin shell around [`crate::kernels`].

use super::tile::{Turned, normalise};
use super::{ConvGradients, Normalised, SegBackend, SegBackward, TileBackend};
use crate::kernels::{Shape, conv, conv_backward, norm, pool};
use crate::{Error, RgbImage};
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};
use std::ops::Range;

/// A contiguous tensor and its shape.
struct View {
    tensor: FlexTensor,
    shape: Shape,
}

impl View {
    fn new(tensor: FlexTensor) -> Self {
        let dims: Vec<usize> = tensor.layout().shape().iter().copied().collect();
        // Biases and other per-channel vectors have one dimension, everything else four.
        let shape = match dims[..] {
            [n, c, h, w] => Shape { n, c, h, w },
            _ => Shape { n: 1, c: dims.iter().product(), h: 1, w: 1 },
        };
        Self { tensor: tensor.to_contiguous(), shape }
    }

    fn floats(&self) -> &[f32] {
        &self.tensor.storage::<f32>()[self.tensor.layout().start_offset()..][..self.shape.len()]
    }

    fn ints(&self) -> &[i32] {
        &self.tensor.storage::<i32>()[self.tensor.layout().start_offset()..][..self.shape.len()]
    }
}

fn tensor<E: burn::tensor::Element, const D: usize>(values: Vec<E>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

impl SegBackend for Flex {
    fn conv3x3(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, relu: bool) -> FlexTensor {
        let (x, weight, bias) = (View::new(x), View::new(weight), View::new(bias));
        let Shape { n, h, w, .. } = x.shape;
        let out = conv::forward(x.floats(), x.shape, weight.floats(), bias.floats(), relu);
        tensor(out, [n, bias.shape.c, h, w])
    }

    fn conv3x3_pool2(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        relu: bool,
    ) -> (FlexTensor, FlexTensor) {
        let (x, weight, bias) = (View::new(x), View::new(weight), View::new(bias));
        let Shape { n, h, w, .. } = x.shape;
        let (values, places) =
            conv::forward_pooled(x.floats(), x.shape, weight.floats(), bias.floats(), relu);
        let shape = [n, bias.shape.c, h / 2, w / 2];
        (tensor(values, shape), tensor(places, shape))
    }

    fn unpool2_conv3x3(
        x: FlexTensor,
        places: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        relu: bool,
    ) -> FlexTensor {
        let (x, places, weight, bias) = (View::new(x), View::new(places), View::new(weight), View::new(bias));
        let Shape { n, c, h, w } = x.shape;
        let shape = Shape { n, c, h: 2 * h, w: 2 * w };
        let out =
            conv::forward_unpooled(x.floats(), places.ints(), shape, weight.floats(), bias.floats(), relu);
        tensor(out, [n, bias.shape.c, 2 * h, 2 * w])
    }

    fn norm_relu(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor) -> Normalised<Self> {
        let (x, gamma, beta) = (View::new(x), View::new(gamma), View::new(beta));
        let Shape { n, c, h, w } = x.shape;
        let (output, found) = norm::forward(x.floats(), x.shape, gamma.floats(), beta.floats());
        let (mean, variance) = (tensor(found.mean, [c]), tensor(found.variance, [c]));
        Normalised { output: tensor(output, [n, c, h, w]), mean, variance }
    }

    fn max_pool2(x: FlexTensor) -> (FlexTensor, FlexTensor) {
        let x = View::new(x);
        let Shape { n, c, h, w } = x.shape;
        let (values, places) = pool::max_pool(x.floats(), x.shape);
        (tensor(values, [n, c, h / 2, w / 2]), tensor(places, [n, c, h / 2, w / 2]))
    }

    fn max_unpool2(x: FlexTensor, places: FlexTensor) -> FlexTensor {
        let (x, places) = (View::new(x), View::new(places));
        let Shape { n, c, h, w } = x.shape;
        let shape = Shape { n, c, h: 2 * h, w: 2 * w };
        tensor(pool::max_unpool(x.floats(), places.ints(), shape), [n, c, 2 * h, 2 * w])
    }
}

impl TileBackend for Flex {
    const TILES_AT_ONCE: usize = 1;

    async fn tile(
        pixels: &RgbImage,
        orientations: Range<usize>,
        network: impl Fn(Tensor<Self, 4>) -> Tensor<Self, 4>,
        device: &Self::Device,
    ) -> Result<Vec<f32>, Error> {
        let (width, height) = pixels.dimensions();
        let mut sums = vec![0.0; width as usize * height as usize];
        for orientation in orientations {
            let turned = Turned::new(orientation, (width, height));
            let [rows, columns] = [turned.rows, turned.columns];
            let input = TensorData::new(input(pixels, &turned), [1, 3, rows, columns]);
            let output = View::new(network(Tensor::from_data(input, device)).into_primitive().tensor());
            let (background, cell) = output.floats().split_at(rows * columns);
            for (y, line) in sums.chunks_exact_mut(width as usize).enumerate() {
                for (x, sum) in line.iter_mut().enumerate() {
                    let at = turned.back.at(y, x);
                    *sum += cell[at] - background[at];
                }
            }
        }
        Ok(sums)
    }
}

/// The network's input for a turned tile, `[3, rows, columns]`.
fn input(pixels: &RgbImage, turned: &Turned) -> Vec<f32> {
    let plane = turned.rows * turned.columns;
    let mut values = vec![0.0; 3 * plane];
    for y in 0..turned.rows {
        for x in 0..turned.columns {
            let pixel = &pixels.as_raw()[3 * turned.there.at(y, x)..][..3];
            for (channel, &value) in pixel.iter().enumerate() {
                values[channel * plane + y * turned.columns + x] = normalise(f32::from(value));
            }
        }
    }
    values
}

impl SegBackward for Flex {
    fn conv3x3_backward(
        x: FlexTensor,
        weight: FlexTensor,
        output: Option<FlexTensor>,
        gradient: FlexTensor,
        with_input: bool,
    ) -> ConvGradients<Self> {
        let (x, weight, gradient) = (View::new(x), View::new(weight), View::new(gradient));
        let output = output.map(View::new);
        let outputs = gradient.shape.c;
        let Shape { n, c, h, w } = x.shape;
        let gate = output.as_ref().map(View::floats);
        let gradients = conv_backward::backward(
            x.floats(),
            x.shape,
            weight.floats(),
            outputs,
            gate,
            gradient.floats(),
            with_input,
        );
        ConvGradients {
            input: gradients.input.map(|input| tensor(input, [n, c, h, w])),
            weight: tensor(gradients.weight, [outputs, c, 3, 3]),
            bias: tensor(gradients.bias, [outputs]),
        }
    }

    fn norm_relu_backward(
        x: FlexTensor,
        gamma: FlexTensor,
        found: Normalised<Self>,
        gradient: FlexTensor,
    ) -> [FlexTensor; 3] {
        let (x, gamma, gradient) = (View::new(x), View::new(gamma), View::new(gradient));
        let (mean, variance, output) =
            (View::new(found.mean), View::new(found.variance), View::new(found.output));
        let statistics =
            norm::Statistics { mean: mean.floats().to_vec(), variance: variance.floats().to_vec() };
        let Shape { n, c, h, w } = x.shape;
        let (input, by_gamma, by_beta) = norm::backward(
            x.floats(),
            x.shape,
            gamma.floats(),
            &statistics,
            output.floats(),
            gradient.floats(),
        );
        [tensor(input, [n, c, h, w]), tensor(by_gamma, [c]), tensor(by_beta, [c])]
    }

    fn max_gather2(x: FlexTensor, places: FlexTensor) -> FlexTensor {
        let (x, places) = (View::new(x), View::new(places));
        let Shape { n, c, h, w } = x.shape;
        tensor(pool::gather(x.floats(), places.ints(), x.shape), [n, c, h / 2, w / 2])
    }
}
