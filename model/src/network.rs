//! The deconvolution network.
//!
//! ```text
//! image  3 ─ conv ─ conv ─ pool ┐                                   ┌ unpool ─ deconv ─ deconv ─ 2 logits
//!            └── w0 ──┘         │ conv ─ conv ─ pool ┐       ┌ unpool ─ deconv ─ deconv ┘
//!                               │  └── w1 ──┘        │ ...   │
//!                               └────── indices ─────┼───────┘
//! ```
//!
//! Three encoder stages (conv 3x3 - ReLU - conv 3x3 - ReLU - max pooling 2x2 with indices), dropout, and three
//! decoder stages that mirror them (max unpooling with the encoder's indices - deconv 3x3 - ReLU - deconv 3x3 -
//! ReLU). After Noh, Hong, Han: Learning Deconvolution Network for Semantic Segmentation, ICCV 2015. The last layer
//! gives the logits of background and red blood cell and has no ReLU.

use crate::backend::{SegBackend, conv3x3, max_pool2, max_unpool2};
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Height and width of a network input are multiples of this: three poolings by 2.
pub const ALIGNMENT: usize = 8;

/// How far a pixel of the input can reach into the output, in pixels, rounded up to [`ALIGNMENT`]. Walking back from
/// an aligned block of output pixels through the six deconvolutions, the unpoolings and the encoder gives 30.
pub const HALO: usize = 32;

/// What a network looks like and what it was trained for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Channels of the three stages.
    pub widths: [usize; 3],
    /// Cell diameter in pixels at which the network works; images are resampled to it.
    pub working_diameter: f32,
    /// Probability that dropout zeroes an element between encoder and decoder, in training.
    pub dropout: f64,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { widths: [16, 32, 64], working_diameter: 40.0, dropout: 0.5 }
    }
}

impl NetworkConfig {
    /// A network with random weights.
    pub fn init<B: SegBackend>(&self, device: &B::Device) -> Network<B> {
        let [w0, w1, w2] = self.widths;
        Network {
            encoder: vec![
                EncoderStage::init(3, w0, device),
                EncoderStage::init(w0, w1, device),
                EncoderStage::init(w1, w2, device),
            ],
            dropout: DropoutConfig::new(self.dropout).init(),
            decoder: vec![
                DecoderStage::init(w2, w1, device),
                DecoderStage::init(w1, w0, device),
                DecoderStage::init(w0, 2, device),
            ],
        }
    }
}

/// The whole network: `[n, 3, h, w]` in, logits `[n, 2, h, w]` out.
#[derive(Module, Debug)]
pub struct Network<B: Backend> {
    encoder: Vec<EncoderStage<B>>,
    dropout: Dropout,
    decoder: Vec<DecoderStage<B>>,
}

impl<B: SegBackend> Network<B> {
    /// `[n, 3, h, w]` to `[n, 2, h, w]`: logits of background and red blood cell. `h` and `w` are multiples of [`ALIGNMENT`].
    pub fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = image;
        let mut indices = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            let (pooled, places) = stage.forward(x); // [n, w, h / 2, w / 2]
            indices.push(places);
            x = pooled;
        }
        x = self.dropout.forward(x); // [n, w2, h / 8, w / 8]
        let last = self.decoder.len() - 1;
        for (depth, stage) in self.decoder.iter().enumerate() {
            let places = indices.pop().unwrap_or_else(|| unreachable!("as many decoder as encoder stages"));
            x = stage.forward(x, places, depth < last); // [n, w, 2 h, 2 w]
        }
        x
    }
}

/// conv - ReLU - conv - ReLU - max pooling with indices.
#[derive(Module, Debug)]
pub struct EncoderStage<B: Backend> {
    first: Conv3x3<B>,
    second: Conv3x3<B>,
}

impl<B: SegBackend> EncoderStage<B> {
    fn init(inputs: usize, outputs: usize, device: &B::Device) -> Self {
        Self { first: Conv3x3::init(inputs, outputs, device), second: Conv3x3::init(outputs, outputs, device) }
    }

    /// `[n, inputs, h, w]` to values and window places, both `[n, outputs, h / 2, w / 2]`.
    fn forward(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
        let x = self.first.forward(x);
        let x = self.second.forward(x);
        max_pool2(x)
    }
}

/// max unpooling - deconv - ReLU - deconv - ReLU.
#[derive(Module, Debug)]
pub struct DecoderStage<B: Backend> {
    first: Deconv3x3<B>,
    second: Deconv3x3<B>,
}

impl<B: SegBackend> DecoderStage<B> {
    fn init(inputs: usize, outputs: usize, device: &B::Device) -> Self {
        // Three of four inputs of the first are the zeros of the unpooling.
        Self {
            first: Deconv3x3::init(inputs, inputs, 4.0, device),
            second: Deconv3x3::init(inputs, outputs, 1.0, device),
        }
    }

    /// `[n, inputs, h, w]` to `[n, outputs, 2 h, 2 w]`.
    fn forward(&self, x: Tensor<B, 4>, places: Tensor<B, 4, Int>, relu: bool) -> Tensor<B, 4> {
        let x = max_unpool2(x, places);
        let x = self.first.forward(x, true);
        self.second.forward(x, relu)
    }
}

/// 3x3 convolution, stride 1, padding 1, and ReLU.
#[derive(Module, Debug)]
pub struct Conv3x3<B: Backend> {
    /// `[outputs, inputs, 3, 3]`
    weight: Param<Tensor<B, 4>>,
    /// `[outputs]`
    bias: Param<Tensor<B, 1>>,
}

impl<B: SegBackend> Conv3x3<B> {
    fn init(inputs: usize, outputs: usize, device: &B::Device) -> Self {
        Self { weight: he([outputs, inputs, 3, 3], 9.0 * inputs as f64, device), bias: zeros(outputs, device) }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        conv3x3(x, self.weight.val(), self.bias.val(), true)
    }
}

/// 3x3 deconvolution (transposed convolution), stride 1, padding 1.
#[derive(Module, Debug)]
pub struct Deconv3x3<B: Backend> {
    /// `[inputs, outputs, 3, 3]`, as transposed convolutions keep it.
    weight: Param<Tensor<B, 4>>,
    /// `[outputs]`
    bias: Param<Tensor<B, 1>>,
}

impl<B: SegBackend> Deconv3x3<B> {
    /// `sparsity`: of how many inputs one is not zero.
    fn init(inputs: usize, outputs: usize, sparsity: f64, device: &B::Device) -> Self {
        let fan_in = 9.0 * inputs as f64 / sparsity;
        Self { weight: he([inputs, outputs, 3, 3], fan_in, device), bias: zeros(outputs, device) }
    }

    /// At stride 1 and padding 1 a deconvolution is the convolution with the kernel turned by 180 degrees and its
    /// channels swapped.
    fn forward(&self, x: Tensor<B, 4>, relu: bool) -> Tensor<B, 4> {
        conv3x3(x, self.weight.val().flip([2, 3]).swap_dims(0, 1), self.bias.val(), relu)
    }
}

/// Normal with variance `2 / fan_in` (He et al., Delving Deep into Rectifiers, 2015).
fn he<B: Backend>(shape: [usize; 4], fan_in: f64, device: &B::Device) -> Param<Tensor<B, 4>> {
    Param::from_tensor(Tensor::random(shape, Distribution::Normal(0.0, (2.0 / fan_in).sqrt()), device))
}

fn zeros<B: Backend>(len: usize, device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::zeros([len], device))
}
