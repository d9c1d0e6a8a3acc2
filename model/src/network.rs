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

use crate::RgbImage;
use crate::backend::{SegBackend, conv3x3, conv3x3_pool2, max_pool2, norm_relu, unpool2_conv3x3};
use crate::kernels::norm::EPSILON;
use crate::light::{Correction, Lights};
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Dropout and batch normalisation are there in training only. The page is compiled without them and their kernels;
/// native programs have them always, so that a test need not build the trainer's features to see a network that trains.
const TRAINS: bool = cfg!(feature = "train") || cfg!(not(target_arch = "wasm32"));

/// Height and width of a network input are multiples of this: three poolings by 2.
pub const ALIGNMENT: usize = 8;

/// How far a pixel of the input can reach into the output, in pixels, rounded up to [`ALIGNMENT`]. Walking back from
/// an aligned block of output pixels through the six deconvolutions, the unpoolings and the encoder gives 30.
pub const HALO: usize = 32;

/// Channels that a stage may have.
pub const WIDTHS: std::ops::RangeInclusive<usize> = 1..=1024;

/// A layer's first weights, from their shape and the number of inputs that reach an output.
type Init<B, D> = fn([usize; 4], f64, &D) -> Param<Tensor<B, 4>>;

/// What a network looks like and what it was trained for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Channels of the three stages.
    pub widths: [usize; 3],
    /// Cell diameter in pixels at which the network works; images are resampled to it.
    pub working_diameter: f32,
    /// The lights it was trained in. `None`: not known, images are shown to it as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lights: Option<Lights>,
    /// Probability that dropout zeroes an element between encoder and decoder, in training.
    pub dropout: f64,
    /// Whether each layer but the last is batch-normalised. In training only: [`Network::fold`] takes it out again.
    #[serde(default)]
    pub batch_norm: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { widths: [16, 32, 64], working_diameter: 34.0, lights: None, dropout: 0.5, batch_norm: true }
    }
}

impl NetworkConfig {
    /// Says what is wrong with a configuration that comes from a file.
    pub fn check(&self) -> Result<(), String> {
        if !self.widths.iter().all(|width| WIDTHS.contains(width)) {
            return Err(format!(
                "widths {:?} outside of {} to {}",
                self.widths,
                WIDTHS.start(),
                WIDTHS.end()
            ));
        }
        if !(4.0..=1000.0).contains(&self.working_diameter) {
            return Err(format!("a working diameter of {} pixels", self.working_diameter));
        }
        if !self.lights.is_none_or(|lights| lights.possible()) {
            return Err("lights that no image is taken in".into());
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(format!("a dropout of {}", self.dropout));
        }
        Ok(())
    }

    /// What brings an image into a light that it knows.
    pub(crate) fn correction(&self, image: &RgbImage) -> Correction {
        self.lights.map_or_else(|| Correction::none(image), |lights| lights.correction(image))
    }

    /// What describes the network after [`Network::fold`].
    pub fn folded(&self) -> Self {
        Self { batch_norm: false, ..self.clone() }
    }

    /// A network with random weights.
    pub fn init<B: SegBackend>(&self, device: &B::Device) -> Network<B> {
        self.filled(device, he)
    }

    /// A network to load weights into: all zeros. Random numbers would cost the page, which never draws any, their
    /// kernels.
    pub fn blank<B: SegBackend>(&self, device: &B::Device) -> Network<B> {
        self.filled(device, |shape, _, device| Param::from_tensor(Tensor::zeros(shape, device)))
    }

    fn filled<B: SegBackend>(&self, device: &B::Device, weights: Init<B, B::Device>) -> Network<B> {
        let [w0, w1, w2] = self.widths;
        let stage = |inputs, outputs| EncoderStage {
            first: Conv3x3::init(inputs, outputs, self.batch_norm, device, weights),
            second: Conv3x3::init(outputs, outputs, self.batch_norm, device, weights),
        };
        let mirror = |inputs, outputs, norm| DecoderStage {
            // Three of four inputs of the first are the zeros of the unpooling.
            first: Deconv3x3::init(inputs, inputs, 4.0, self.batch_norm, device, weights),
            second: Deconv3x3::init(inputs, outputs, 1.0, norm, device, weights),
        };
        Network {
            encoder: vec![stage(3, w0), stage(w0, w1), stage(w1, w2)],
            dropout: DropoutConfig::new(self.dropout).init(),
            decoder: vec![
                mirror(w2, w1, self.batch_norm),
                mirror(w1, w0, self.batch_norm),
                mirror(w0, 2, false),
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

/// Mean and variance `[c]` of each batch-normalised layer, in the order of the forward pass.
pub type Statistics<B> = Vec<[Tensor<B, 1>; 2]>;

impl<B: SegBackend> Network<B> {
    /// `[n, 3, h, w]` to `[n, 2, h, w]`: logits of background and red blood cell. `h` and `w` are multiples of
    /// [`ALIGNMENT`].
    pub fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward_with_statistics(image).0
    }

    /// The same, with the statistics of the batch at each batch-normalised layer.
    pub fn forward_with_statistics(&self, image: Tensor<B, 4>) -> (Tensor<B, 4>, Statistics<B>) {
        let mut statistics = Vec::new();
        let mut x = image;
        let mut indices = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            let (pooled, places) = stage.forward(x, &mut statistics); // [n, width, h / 2, w / 2]
            indices.push(places);
            x = pooled;
        }
        if TRAINS {
            x = self.dropout.forward(x); // [n, w2, h / 8, w / 8]
        }
        let last = self.decoder.len() - 1;
        for (depth, (stage, places)) in self.decoder.iter().zip(indices.into_iter().rev()).enumerate() {
            x = stage.forward(x, places, depth < last, &mut statistics); // [n, width, 2 h, 2 w]
        }
        (x, statistics)
    }

    /// The same function without batch normalisation, for inference: each layer takes up the scale and shift that the
    /// statistics give: those of each batch-normalised layer, in the order of
    /// [`forward_with_statistics`](Self::forward_with_statistics).
    pub fn fold(mut self, statistics: Statistics<B>) -> Self {
        let mut statistics = statistics.into_iter();
        for stage in &mut self.encoder {
            for layer in [&mut stage.first, &mut stage.second] {
                if let Some((scale, bias)) = folded(layer.norm.take(), layer.bias.val(), &mut statistics) {
                    let scale = scale.reshape([-1, 1, 1, 1]);
                    layer.weight = layer.weight.clone().map(|weight| weight * scale);
                    layer.bias = layer.bias.clone().map(|_| bias);
                }
            }
        }
        for stage in &mut self.decoder {
            for layer in [&mut stage.first, &mut stage.second] {
                if let Some((scale, bias)) = folded(layer.norm.take(), layer.bias.val(), &mut statistics) {
                    let scale = scale.reshape([1, -1, 1, 1]);
                    layer.weight = layer.weight.clone().map(|weight| weight * scale);
                    layer.bias = layer.bias.clone().map(|_| bias);
                }
            }
        }
        assert!(statistics.next().is_none(), "statistics of more layers than are batch-normalised");
        self
    }

    /// The same network with `logit` added to the logit of red blood cell: where it drew the outline at probability
    /// `t`, it draws it at one half with `logit = ln((1 - t) / t)`.
    pub fn shift(mut self, logit: f32) -> Self {
        if let Some(stage) = self.decoder.last_mut() {
            stage.second.bias = stage.second.bias.clone().map(|bias| {
                let added = Tensor::from_floats([0.0, logit], &bias.device());
                bias + added
            });
        }
        self
    }
}

/// Scale of the weights and new bias that stand for a batch normalisation.
fn folded<B: Backend>(
    norm: Option<Norm<B>>,
    bias: Tensor<B, 1>,
    statistics: &mut impl Iterator<Item = [Tensor<B, 1>; 2]>,
) -> Option<(Tensor<B, 1>, Tensor<B, 1>)> {
    let norm = norm?;
    let [mean, variance] = statistics.next().expect("statistics of each batch-normalised layer");
    let scale = norm.gamma.val() / variance.add_scalar(EPSILON).sqrt();
    let bias = norm.beta.val() + (bias - mean) * scale.clone();
    Some((scale, bias))
}

/// conv - ReLU - conv - ReLU - max pooling with indices.
#[derive(Module, Debug)]
pub struct EncoderStage<B: Backend> {
    first: Conv3x3<B>,
    second: Conv3x3<B>,
}

impl<B: SegBackend> EncoderStage<B> {
    /// `[n, inputs, h, w]` to values and window places, both `[n, outputs, h / 2, w / 2]`.
    fn forward(&self, x: Tensor<B, 4>, statistics: &mut Statistics<B>) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
        let x = self.first.forward(x, statistics);
        self.second.forward_pooled(x, statistics)
    }
}

/// max unpooling - deconv - ReLU - deconv - ReLU.
#[derive(Module, Debug)]
pub struct DecoderStage<B: Backend> {
    first: Deconv3x3<B>,
    second: Deconv3x3<B>,
}

impl<B: SegBackend> DecoderStage<B> {
    /// `[n, inputs, h, w]` to `[n, outputs, 2 h, 2 w]`.
    fn forward(
        &self,
        x: Tensor<B, 4>,
        places: Tensor<B, 4, Int>,
        relu: bool,
        statistics: &mut Statistics<B>,
    ) -> Tensor<B, 4> {
        let x = self.first.forward_unpooled(x, places, statistics);
        self.second.forward(x, relu, statistics)
    }
}

/// 3x3 convolution, stride 1, padding 1, batch normalisation while training, and ReLU.
#[derive(Module, Debug)]
pub struct Conv3x3<B: Backend> {
    /// `[outputs, inputs, 3, 3]`
    weight: Param<Tensor<B, 4>>,
    /// `[outputs]`
    bias: Param<Tensor<B, 1>>,
    norm: Option<Norm<B>>,
}

impl<B: SegBackend> Conv3x3<B> {
    fn init(
        inputs: usize,
        outputs: usize,
        norm: bool,
        device: &B::Device,
        weights: Init<B, B::Device>,
    ) -> Self {
        Self {
            weight: weights([outputs, inputs, 3, 3], 9.0 * inputs as f64, device),
            bias: constant(outputs, 0.0, device),
            norm: (norm && TRAINS).then(|| Norm::init(outputs, device)),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, statistics: &mut Statistics<B>) -> Tensor<B, 4> {
        let x = conv3x3(x, self.weight.val(), self.bias.val(), self.norm.is_none());
        normalise(x, self.norm.as_ref(), statistics)
    }

    /// The same and max pooling.
    fn forward_pooled(
        &self,
        x: Tensor<B, 4>,
        statistics: &mut Statistics<B>,
    ) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
        match self.norm.as_ref().filter(|_| TRAINS) {
            // Nothing may come between a convolution and its normalisation.
            Some(_) => max_pool2(self.forward(x, statistics)),
            None => conv3x3_pool2(x, self.weight.val(), self.bias.val(), true),
        }
    }
}

/// 3x3 deconvolution (transposed convolution), stride 1, padding 1, batch normalisation while training, and ReLU.
#[derive(Module, Debug)]
pub struct Deconv3x3<B: Backend> {
    /// `[inputs, outputs, 3, 3]`, as transposed convolutions keep it.
    weight: Param<Tensor<B, 4>>,
    /// `[outputs]`
    bias: Param<Tensor<B, 1>>,
    norm: Option<Norm<B>>,
}

impl<B: SegBackend> Deconv3x3<B> {
    /// `sparsity`: of how many inputs one is not zero.
    fn init(
        inputs: usize,
        outputs: usize,
        sparsity: f64,
        norm: bool,
        device: &B::Device,
        weights: Init<B, B::Device>,
    ) -> Self {
        Self {
            weight: weights([inputs, outputs, 3, 3], 9.0 * inputs as f64 / sparsity, device),
            bias: constant(outputs, 0.0, device),
            norm: (norm && TRAINS).then(|| Norm::init(outputs, device)),
        }
    }

    /// At stride 1 and padding 1 a deconvolution is the convolution with the kernel turned by 180 degrees and its
    /// channels swapped.
    fn turned(&self) -> Tensor<B, 4> {
        self.weight.val().flip([2, 3]).swap_dims(0, 1)
    }

    fn forward(&self, x: Tensor<B, 4>, relu: bool, statistics: &mut Statistics<B>) -> Tensor<B, 4> {
        let x = conv3x3(x, self.turned(), self.bias.val(), relu && self.norm.is_none());
        normalise(x, self.norm.as_ref(), statistics)
    }

    /// Max unpooling and the same, with ReLU.
    fn forward_unpooled(
        &self,
        x: Tensor<B, 4>,
        places: Tensor<B, 4, Int>,
        statistics: &mut Statistics<B>,
    ) -> Tensor<B, 4> {
        let x = unpool2_conv3x3(x, places, self.turned(), self.bias.val(), self.norm.is_none());
        normalise(x, self.norm.as_ref(), statistics)
    }
}

/// Scale and shift of a batch normalisation, both `[c]`.
#[derive(Module, Debug)]
pub struct Norm<B: Backend> {
    gamma: Param<Tensor<B, 1>>,
    beta: Param<Tensor<B, 1>>,
}

impl<B: Backend> Norm<B> {
    fn init(channels: usize, device: &B::Device) -> Self {
        Self { gamma: constant(channels, 1.0, device), beta: constant(channels, 0.0, device) }
    }
}

/// Batch normalisation and ReLU, where there is any; remembers the batch's statistics.
fn normalise<B: SegBackend>(
    x: Tensor<B, 4>,
    norm: Option<&Norm<B>>,
    statistics: &mut Statistics<B>,
) -> Tensor<B, 4> {
    let Some(norm) = norm.filter(|_| TRAINS) else { return x };
    let (x, found) = norm_relu(x, norm.gamma.val(), norm.beta.val());
    statistics.push(found);
    x
}

/// Normal with variance `2 / fan_in` (He et al., Delving Deep into Rectifiers, 2015).
fn he<B: Backend>(shape: [usize; 4], fan_in: f64, device: &B::Device) -> Param<Tensor<B, 4>> {
    Param::from_tensor(Tensor::random(shape, Distribution::Normal(0.0, (2.0 / fan_in).sqrt()), device))
}

fn constant<B: Backend>(len: usize, value: f32, device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::full([len], value, device))
}
