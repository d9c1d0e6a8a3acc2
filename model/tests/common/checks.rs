//! Checks of each back-end operation against its naive reference.

use super::naive::{self, Case};
use super::random::Random;
use burn::backend::Flex;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData, TensorPrimitive};
use rbc_model::RgbImage;
use rbc_model::backend::{
    SegBackend, SegBackward, TileBackend, conv3x3, conv3x3_pool2, max_pool2, max_unpool2, unpool2_conv3x3,
};

/// Odd numbers of channels; heights and widths below, at and above the block sizes of the kernels.
const CONVOLUTIONS: [Case; 14] = [
    Case { n: 1, c: 1, o: 1, h: 1, w: 1 },
    Case { n: 1, c: 3, o: 16, h: 8, w: 8 },
    Case { n: 2, c: 5, o: 7, h: 9, w: 11 },
    Case { n: 1, c: 16, o: 2, h: 16, w: 24 },
    Case { n: 3, c: 7, o: 33, h: 5, w: 17 },
    Case { n: 1, c: 64, o: 64, h: 6, w: 10 },
    Case { n: 1, c: 2, o: 8, h: 1, w: 40 },
    Case { n: 2, c: 64, o: 3, h: 33, w: 2 },
    Case { n: 1, c: 32, o: 16, h: 19, w: 67 },
    Case { n: 1, c: 9, o: 12, h: 70, w: 5 },
    Case { n: 35, c: 2, o: 3, h: 5, w: 4 },
    Case { n: 2, c: 1, o: 5, h: 40, w: 1 },
    Case { n: 1, c: 4, o: 4, h: 65, w: 130 },
    // More bands than the weight gradient processes at once.
    Case { n: 1, c: 64, o: 64, h: 44, w: 37 },
];

/// `[n, c, h, w]` of the large side.
const POOLINGS: [[usize; 4]; 6] =
    [[1, 1, 2, 2], [2, 3, 4, 6], [1, 16, 8, 8], [3, 5, 10, 14], [1, 7, 2, 66], [2, 1, 130, 4]];

pub fn tensor<B: Backend, const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

pub async fn floats<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data_async().await.expect("read back").to_vec().expect("32-bit floats")
}

async fn ints<B: Backend>(tensor: Tensor<B, 4, Int>) -> Vec<i32> {
    let data = tensor.into_data_async().await.expect("read back");
    data.convert::<i32>().to_vec().expect("integers")
}

/// Fails unless `found` is `expected` to within `tolerance` of its largest magnitude (at least 1).
pub fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let scale = expected.iter().fold(1.0, |scale: f64, value| scale.max(value.abs()));
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(f) - e).abs();
        assert!(difference <= tolerance * scale, "{what}: element {i} is {f}, not {e}");
    }
}

/// The convolution with and without ReLU.
pub async fn convolution<B: SegBackend>(device: &B::Device) {
    for (seed, case) in CONVOLUTIONS.into_iter().enumerate() {
        let Case { n, c, o, h, w } = case;
        let mut random = Random::new(seed as u64);
        let (x, weight, bias) = (random.coarse(n * c * h * w), random.values(o * c * 9), random.values(o));
        for relu in [false, true] {
            let out = conv3x3::<B>(
                tensor(&x, [n, c, h, w], device),
                tensor(&weight, [o, c, 3, 3], device),
                tensor(&bias, [o], device),
                relu,
            );
            assert_eq!(out.dims(), [n, o, h, w]);
            close(
                &format!("{case:?} relu {relu}"),
                &floats(out).await,
                &naive::conv(case, &x, &weight, &bias, relu),
                1e-5,
            );
        }
    }
}

/// A convolution whose weights are a rotated and swapped view, as deconvolutions pass them, and whose input is a view
/// as well.
pub async fn convolution_of_views<B: SegBackend>(device: &B::Device) {
    let case = Case { n: 2, c: 5, o: 6, h: 7, w: 12 };
    let Case { n, c, o, h, w } = case;
    let mut random = Random::new(77);
    let (x, weight, bias) = (random.values(n * c * h * w), random.values(c * o * 9), random.values(o));
    let turned: Vec<f32> =
        (0..o * c * 9).map(|i| weight[((i / 9 % c) * o + i / 9 / c) * 9 + 8 - i % 9]).collect();
    let columns_first: Vec<f32> =
        (0..n * c * w * h).map(|i| x[i / (w * h) * h * w + i % h * w + i / h % w]).collect();
    let out = conv3x3::<B>(
        tensor::<B, 4>(&columns_first, [n, c, w, h], device).swap_dims(2, 3),
        tensor::<B, 4>(&weight, [c, o, 3, 3], device).flip([2, 3]).swap_dims(0, 1),
        tensor(&bias, [o], device),
        true,
    );
    close("views", &floats(out).await, &naive::conv(case, &x, &turned, &bias, true), 1e-5);
}

/// Backward pass of the convolution, with and without ReLU, with and without the gradient of the input.
pub async fn convolution_backward<B: SegBackward>(device: &B::Device) {
    for (seed, case) in CONVOLUTIONS.into_iter().enumerate() {
        let Case { n, c, o, h, w } = case;
        let mut random = Random::new(100 + seed as u64);
        let (x, weight) = (random.coarse(n * c * h * w), random.values(o * c * 9));
        let (output, gradient) = (random.coarse(n * o * h * w), random.values(n * o * h * w));
        let output: Vec<f32> = output.into_iter().map(|value| value.max(0.0)).collect();
        for (relu, with_input) in [(false, true), (true, true), (true, false)] {
            let what = format!("{case:?} relu {relu} input {with_input}");
            let primitive =
                |values: &[f32], shape| tensor::<B, 4>(values, shape, device).into_primitive().tensor();
            let found = B::conv3x3_backward(
                primitive(&x, [n, c, h, w]),
                primitive(&weight, [o, c, 3, 3]),
                relu.then(|| primitive(&output, [n, o, h, w])),
                primitive(&gradient, [n, o, h, w]),
                with_input,
            );
            let gate = relu.then_some(output.as_slice());
            let [input, weight, bias] = naive::conv_backward(case, &x, &weight, gate, &gradient);
            assert_eq!(found.input.is_some(), with_input, "{what}");
            if let Some(found) = found.input {
                let found: Tensor<B, 4> = Tensor::from_primitive(TensorPrimitive::Float(found));
                assert_eq!(found.dims(), [n, c, h, w]);
                close(&format!("{what}: input"), &floats(found).await, &input, 1e-5);
            }
            let of_weight: Tensor<B, 4> = Tensor::from_primitive(TensorPrimitive::Float(found.weight));
            assert_eq!(of_weight.dims(), [o, c, 3, 3]);
            close(&format!("{what}: weight"), &floats(of_weight).await, &weight, 1e-5);
            let of_bias: Tensor<B, 1> = Tensor::from_primitive(TensorPrimitive::Float(found.bias));
            close(&format!("{what}: bias"), &floats(of_bias).await, &bias, 1e-5);
        }
    }
}

/// Batch normalisation with ReLU, forward and backward; planes below, at and above the block size of the kernels.
pub async fn normalisation<B: SegBackward>(device: &B::Device) {
    for (seed, shape) in [[2, 3, 5, 7], [1, 4, 1, 2], [3, 2, 7, 11], [2, 1, 8, 16]].into_iter().enumerate() {
        let [n, c, h, w] = shape;
        let mut random = Random::new(400 + seed as u64);
        let (x, gradient) = (random.values(n * c * h * w), random.values(n * c * h * w));
        let (gamma, beta) = (random.values(c), random.values(c));
        let four = |values: &[f32]| tensor::<B, 4>(values, shape, device).into_primitive().tensor();
        let one = |values: &[f32]| tensor::<B, 1>(values, [c], device).into_primitive().tensor();
        let found = B::norm_relu(four(&x), one(&gamma), one(&beta));
        let back = B::norm_relu_backward(four(&x), one(&gamma), found.clone(), four(&gradient));
        let expected = naive::normalisation([n, c, h * w], &x, &gamma, &beta, &gradient);
        let [of_x, of_gamma, of_beta] = back;
        let names = ["output", "gradient of x", "mean", "variance", "gradient of gamma", "gradient of beta"];
        let found = [
            floats(Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(found.output))).await,
            floats(Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(of_x))).await,
            floats(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(found.mean))).await,
            floats(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(found.variance))).await,
            floats(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(of_gamma))).await,
            floats(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(of_beta))).await,
        ];
        for ((name, found), expected) in names.into_iter().zip(&found).zip(&expected) {
            close(&format!("{shape:?}: {name}"), found, expected, 1e-4);
        }
    }
}

/// Pooling: values and places, with ties and zeros; of equal values the first wins.
pub async fn pooling<B: SegBackend>(device: &B::Device) {
    for (seed, shape) in POOLINGS.into_iter().enumerate() {
        let [n, c, h, w] = shape;
        let x = Random::new(200 + seed as u64).coarse(n * c * h * w);
        let (values, places) = max_pool2::<B>(tensor(&x, shape, device));
        assert_eq!((values.dims(), places.dims()), ([n, c, h / 2, w / 2], [n, c, h / 2, w / 2]));
        let expected = naive::max_pool(&x, w);
        assert_eq!((floats(values).await, ints(places).await), expected, "{shape:?}");
    }
}

/// Convolution fused with pooling after it, and with unpooling before it, against the separate definitions. Expected
/// places come from this back end's own convolution, as rounding decides between near ties.
pub async fn fused<B: SegBackend>(device: &B::Device) {
    for (seed, [n, c, h, w]) in POOLINGS.into_iter().enumerate() {
        for (o, relu) in [(1, true), (5, false), (16, true)] {
            let (case, what) = (Case { n, c, o, h, w }, format!("{n} {c} {o} {h} {w} relu {relu}"));
            let mut random = Random::new(500 + seed as u64);
            let (weight, bias) = (random.values(o * c * 9), random.values(o));
            let filter =
                || (tensor::<B, 4>(&weight, [o, c, 3, 3], device), tensor::<B, 1>(&bias, [o], device));

            let x = random.coarse(n * c * h * w);
            let ((weights, biases), input) = (filter(), tensor::<B, 4>(&x, [n, c, h, w], device));
            let whole = conv3x3(input.clone(), weights.clone(), biases.clone(), relu);
            let (values, places) = conv3x3_pool2(input, weights, biases, relu);
            assert_eq!((values.dims(), places.dims()), ([n, o, h / 2, w / 2], [n, o, h / 2, w / 2]));
            let (of_whole, expected) = naive::max_pool(&floats(whole).await, w);
            assert_eq!(ints(places).await, expected, "{what}: places");
            let values = floats(values).await;
            close(&what, &values, &of_whole.into_iter().map(f64::from).collect::<Vec<_>>(), 1e-6);
            let convolved: Vec<f32> =
                naive::conv(case, &x, &weight, &bias, relu).into_iter().map(|value| value as f32).collect();
            let expected = naive::max_pool(&convolved, w).0.into_iter().map(f64::from);
            close(&what, &values, &expected.collect::<Vec<_>>(), 1e-5);

            let (small, places) = (random.coarse(n * c * h * w / 4), random.places(n * c * h * w / 4));
            let half = [n, c, h / 2, w / 2];
            let on_device = Tensor::from_data(TensorData::new(places.clone(), half), device);
            let (weights, biases) = filter();
            let out = unpool2_conv3x3(tensor::<B, 4>(&small, half, device), on_device, weights, biases, relu);
            assert_eq!(out.dims(), [n, o, h, w]);
            let spread = naive::max_unpool(&small, &places, w);
            close(&what, &floats(out).await, &naive::conv(case, &spread, &weight, &bias, relu), 1e-5);
        }
    }
}

/// Unpooling, and the gather that is its backward pass.
pub async fn unpooling<B: SegBackward>(device: &B::Device) {
    for (seed, shape) in POOLINGS.into_iter().enumerate() {
        let [n, c, h, w] = shape;
        let mut random = Random::new(300 + seed as u64);
        let len = n * c * h * w;
        let (small, large, places) = (random.coarse(len / 4), random.values(len), random.places(len / 4));
        let on_device: Tensor<B, 4, Int> =
            Tensor::from_data(TensorData::new(places.clone(), [n, c, h / 2, w / 2]), device);
        let out = max_unpool2::<B>(tensor(&small, [n, c, h / 2, w / 2], device), on_device.clone());
        assert_eq!(out.dims(), shape);
        assert_eq!(floats(out).await, naive::max_unpool(&small, &places, w), "unpool {shape:?}");
        let x = tensor::<B, 4>(&large, shape, device).into_primitive().tensor();
        let gathered: Tensor<B, 4> =
            Tensor::from_primitive(TensorPrimitive::Float(B::max_gather2(x, on_device.into_primitive())));
        assert_eq!(gathered.dims(), [n, c, h / 2, w / 2]);
        assert_eq!(floats(gathered).await, naive::max_gather(&large, &places, w), "gather {shape:?}");
    }
}

/// Pooling and unpooling as inverses of each other.
pub async fn identities<B: SegBackend>(device: &B::Device) {
    for (seed, shape) in POOLINGS.into_iter().enumerate() {
        let [n, c, h, w] = shape;
        let mut random = Random::new(400 + seed as u64);
        let len = n * c * h * w;
        // Positive values at any place are recovered by pooling, with their places.
        let values: Vec<f32> = random.values(len / 4).iter().map(|value| value.abs() + 0.1).collect();
        let places = random.places(len / 4);
        let on_device = Tensor::from_data(TensorData::new(places.clone(), [n, c, h / 2, w / 2]), device);
        let spread = max_unpool2::<B>(tensor(&values, [n, c, h / 2, w / 2], device), on_device);
        let (pooled, found) = max_pool2(spread);
        assert_eq!((floats(pooled).await, ints(found).await), (values, places), "unpool, pool {shape:?}");
        // Pooling followed by unpooling keeps exactly the maxima.
        let x = random.distinct(len);
        let (pooled, found) = max_pool2::<B>(tensor(&x, shape, device));
        let kept = floats(max_unpool2(pooled, found)).await;
        assert_eq!(kept.iter().filter(|&&value| value != 0.0).count(), len / 4);
        assert!(kept.iter().zip(&x).all(|(&kept, &x)| kept == 0.0 || kept == x), "pool, unpool {shape:?}");
    }
}

/// Two logits for each pixel, that depend on its colour and, so that no orientation is like another, on its place.
fn slanted<B: SegBackend>(x: Tensor<B, 4>, steep: f32) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    let ramp: Vec<f32> = (0..h * w).map(|at| steep * (at + 1) as f32 / (h * w) as f32).collect();
    let ramp = tensor::<B, 4>(&ramp, [1, 1, h, w], &x.device());
    x.slice([0..1, 0..2]) * ramp
}

/// A tile in each orientation, in several and in none, against the CPU, whose ways through a tile have a test of their
/// own; logits beyond what 16 bits can tell keep their sign and stay large.
pub async fn tiles<B: TileBackend>(device: &B::Device) {
    let image = RgbImage::from_fn(24, 16, |x, y| image::Rgb([(7 * x) as u8, (11 * y) as u8, (x * y) as u8]));
    let on_cpu = |steep| move |x| slanted::<Flex>(x, steep);
    let mut seen = Vec::new();
    for orientations in [0..0, 0..1, 1..2, 2..3, 3..4, 4..5, 5..6, 6..7, 7..8, 0..2, 2..7, 0..8] {
        let found = B::tile(&image, orientations.clone(), |x| slanted(x, 1.0), device).await.expect("a tile");
        let expected = Flex::tile(&image, orientations.clone(), on_cpu(1.0), &Default::default()).await;
        let expected = expected.expect("a tile on the CPU");
        let steps = orientations.len() as f32 / 2048.0 + 1e-5;
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= steps), "{orientations:?}");
        assert_eq!((found.len(), seen.contains(&expected)), (24 * 16, false), "{orientations:?}");
        seen.push(expected);
    }
    let found = B::tile(&image, 0..2, |x| slanted(x, 1e4), device).await.expect("a tile");
    let expected =
        Flex::tile(&image, 0..2, on_cpu(1e4), &Default::default()).await.expect("a tile on the CPU");
    for (found, expected) in found.iter().zip(&expected) {
        // Two orientations of at most 31.99 each.
        let told = expected.clamp(-64.0, 64.0);
        assert!((found - told).abs() <= 0.03, "{found} for {expected}");
    }
}
