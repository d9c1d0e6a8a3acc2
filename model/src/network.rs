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

/// Whether dropout and batch normalisation are compiled in; both act only in training. The page is built without them
/// and their kernels. Native builds always include them, so that tests of a network in training do not need the
/// trainer's features.
const TRAINS: bool = cfg!(feature = "train") || cfg!(not(target_arch = "wasm32"));

/// Height and width of a network input must be multiples of this: three poolings by 2.
pub const ALIGNMENT: usize = 8;

/// Width of the border that a tile needs so that its core is exact: the receptive field reaches 30 pixels beyond an
/// aligned block of output pixels (traced back through the six deconvolutions, the unpoolings and the encoder), rounded
/// up to [`ALIGNMENT`].
pub const HALO: usize = 32;

/// Permitted number of channels of a stage.
pub const WIDTHS: std::ops::RangeInclusive<usize> = 1..=1024;

/// Creates a layer's initial weights from their shape and fan-in (number of inputs that contribute to one output).
type Init<B, D> = fn([usize; 4], f64, &D) -> Param<Tensor<B, 4>>;

/// Architecture of a network, and what it was trained for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Number of channels of each of the three stages.
    pub widths: [usize; 3],
    /// Cell diameter in pixels that the network is trained for; images are resampled so that their cells have it.
    pub working_diameter: f32,
    /// The illuminations in the training set. `None`: unknown; images are then not colour-corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lights: Option<Lights>,
    /// Dropout probability between encoder and decoder, in training only.
    pub dropout: f64,
    /// Whether every layer but the last is batch-normalised. In training only: [`Network::fold`] removes it.
    #[serde(default)]
    pub batch_norm: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { widths: [16, 32, 64], working_diameter: 34.0, lights: None, dropout: 0.5, batch_norm: true }
    }
}

impl NetworkConfig {
    /// Validates a configuration read from a file.
    ///
    /// # Errors
    ///
    /// A description of the first value that is out of range.
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

    /// The colour correction that brings an image into an illumination known from training.
    pub(crate) fn correction(&self, image: &RgbImage) -> Correction {
        self.lights.map_or_else(|| Correction::none(image), |lights| lights.correction(image))
    }

    /// The configuration of the network after [`Network::fold`].
    pub fn folded(&self) -> Self {
        Self { batch_norm: false, ..self.clone() }
    }

    /// A network with random initial weights.
    pub fn init<B: SegBackend>(&self, device: &B::Device) -> Network<B> {
        self.filled(device, he)
    }

    /// A network of zeros, to load weights into. Random initialisation would add the random-number kernels to the page,
    /// which never needs them.
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
            // After unpooling, three of four inputs of the first layer are zero.
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

/// The whole network: normalised image `[n, 3, h, w]` in, logits `[n, 2, h, w]` out.
#[derive(Module, Debug)]
pub struct Network<B: Backend> {
    encoder: Vec<EncoderStage<B>>,
    dropout: Dropout,
    decoder: Vec<DecoderStage<B>>,
}

type NormAndBias<'a, B> = (&'a mut Option<Norm<B>>, Tensor<B, 1>);

/// Mean and variance, each `[c]`, of every batch-normalised layer, in the order of the forward pass.
pub type Statistics<B> = Vec<[Tensor<B, 1>; 2]>;

impl<B: SegBackend> Network<B> {
    /// Maps `[n, 3, h, w]` to the logits of background and red blood cell, `[n, 2, h, w]`. `h` and `w` must be
    /// multiples of [`ALIGNMENT`].
    pub fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward_with_statistics(image).0
    }

    /// Like [`forward`](Self::forward), but also returns the batch statistics of each batch-normalised layer.
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

    /// Removes batch normalisation for inference: each layer's weights and bias absorb the scale and shift given by
    /// `statistics`, one entry per batch-normalised layer in the order of
    /// [`forward_with_statistics`](Self::forward_with_statistics).
    ///
    /// # Panics
    ///
    /// If the number of entries differs from the number of batch-normalised layers.
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

    /// The reverse of [`fold`](Self::fold), so that a network for inference can be trained further: inserts a batch
    /// normalisation after every layer but the last, whose scale and shift undo what it does to batches with these
    /// statistics. `statistics` measures a network on the training images as
    /// [`forward_with_statistics`](Self::forward_with_statistics) does; it is called once per layer, because the
    /// statistics of a layer depend on the normalisations before it.
    ///
    /// # Panics
    ///
    /// If `statistics` returns fewer entries than there are batch-normalised layers.
    pub fn unfold(mut self, statistics: impl Fn(&Self) -> Statistics<B>) -> Self {
        let layers = self.norms().len();
        for (norm, bias) in self.norms() {
            *norm = Some(Norm::init(bias.dims()[0], &bias.device()));
        }
        for layer in 0..layers {
            let [mean, variance] = statistics(&self).swap_remove(layer);
            *self.norms().swap_remove(layer).0 = Some(Norm {
                gamma: Param::from_tensor(variance.add_scalar(EPSILON).sqrt()),
                beta: Param::from_tensor(mean),
            });
        }
        self
    }

    /// The batch normalisations and biases of all layers but the last, in the order of the forward pass.
    fn norms(&mut self) -> Vec<NormAndBias<'_, B>> {
        let encoder = self.encoder.iter_mut().flat_map(|stage| [&mut stage.first, &mut stage.second]);
        let decoder = self.decoder.iter_mut().flat_map(|stage| [&mut stage.first, &mut stage.second]);
        let mut norms: Vec<_> = encoder.map(|layer| (&mut layer.norm, layer.bias.val())).collect();
        norms.extend(decoder.map(|layer| (&mut layer.norm, layer.bias.val())));
        norms.pop();
        norms
    }

    /// Adds `logit` to the logit of red blood cell. With `logit = ln((1 - t) / t)`, the outline that was at probability
    /// `t` is at one half.
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

/// Weight scale and new bias that replace a batch normalisation, both `[c]`. `None` if there is none.
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
    /// `[n, inputs, h, w]` to pooled values and window places, both `[n, outputs, h / 2, w / 2]`.
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

/// 3x3 convolution, stride 1, zero padding 1, then batch normalisation (in training) and ReLU.
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

    /// [`forward`](Self::forward), then max pooling.
    fn forward_pooled(
        &self,
        x: Tensor<B, 4>,
        statistics: &mut Statistics<B>,
    ) -> (Tensor<B, 4>, Tensor<B, 4, Int>) {
        match self.norm.as_ref().filter(|_| TRAINS) {
            // Batch normalisation stands between convolution and pooling, so the fused kernel does not apply.
            Some(_) => max_pool2(self.forward(x, statistics)),
            None => conv3x3_pool2(x, self.weight.val(), self.bias.val(), true),
        }
    }
}

/// 3x3 deconvolution (transposed convolution), stride 1, padding 1, then batch normalisation (in training) and ReLU.
#[derive(Module, Debug)]
pub struct Deconv3x3<B: Backend> {
    /// `[inputs, outputs, 3, 3]`, the usual layout of transposed convolutions.
    weight: Param<Tensor<B, 4>>,
    /// `[outputs]`
    bias: Param<Tensor<B, 1>>,
    norm: Option<Norm<B>>,
}

impl<B: SegBackend> Deconv3x3<B> {
    /// `sparsity`: one in this many inputs is non-zero, which reduces the fan-in.
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

    /// The equivalent convolution kernel, `[outputs, inputs, 3, 3]`: at stride 1 and padding 1 a deconvolution is a
    /// convolution with the kernel rotated by 180 degrees and its channels swapped.
    fn turned(&self) -> Tensor<B, 4> {
        self.weight.val().flip([2, 3]).swap_dims(0, 1)
    }

    fn forward(&self, x: Tensor<B, 4>, relu: bool, statistics: &mut Statistics<B>) -> Tensor<B, 4> {
        let x = conv3x3(x, self.turned(), self.bias.val(), relu && self.norm.is_none());
        normalise(x, self.norm.as_ref(), statistics)
    }

    /// Max unpooling, then [`forward`](Self::forward) with ReLU.
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

/// Learned scale and shift of a batch normalisation, both `[c]`.
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

/// Applies batch normalisation and ReLU if `norm` is given (and compiled in), and records the batch statistics.
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

/// Normal distribution with variance `2 / fan_in` (He et al., Delving Deep into Rectifiers, 2015).
fn he<B: Backend>(shape: [usize; 4], fan_in: f64, device: &B::Device) -> Param<Tensor<B, 4>> {
    Param::from_tensor(Tensor::random(shape, Distribution::Normal(0.0, (2.0 / fan_in).sqrt()), device))
}

fn constant<B: Backend>(len: usize, value: f32, device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::full([len], value, device))
}
