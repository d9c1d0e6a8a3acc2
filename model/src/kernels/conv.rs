//! 3x3 convolution, stride 1, zero padding 1, with bias and ReLU fused. Max unpooling before or max pooling after it
//! can be fused too, so that the full-size intermediate never leaves the first-level cache.
//!
//! Layout is NCHW. The convolution is Winograd along y (see [`winograd`]) and direct along x, so that all loads are of
//! whole vectors and nothing is shuffled: four output rows come from six rows of products, each a convolution with
//! three taps. The register blocks are some output channels by two vectors of pixels; each vector loaded serves a whole
//! block.
//!
//! The inner loops use no closures: closures would be compiled without the target features of the surrounding function.
#![allow(unsafe_code)]

use super::padded::{self, with_scratch};
use super::simd::{Simd, dispatch, width};
use super::winograd::{self, PRODUCTS, ROWS};
use super::{Shape, pool, strip};
use crate::parallel::{Shared, Unwritten, for_each};
use std::mem::MaybeUninit;

/// Winograd-transformed filters in the order in which the kernel reads them: blocks of output channels, within each
/// block `[product][c][3][channel of the block]`.
struct Packed {
    outputs: usize,
    blocks: Vec<Block>,
    weights: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Block {
    first: usize,
    size: usize,
}

impl Packed {
    /// Packs the filters given by `at(o, c, tap)`; `tap` runs row by row through the 3x3 window.
    fn new(outputs: usize, inputs: usize, at: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut blocks = Vec::new();
        let mut weights = vec![0.0; PRODUCTS * inputs * 3 * outputs];
        let mut rest = weights.as_mut_slice();
        let mut first = 0;
        while first < outputs {
            let mut size = width().block;
            while first + size > outputs {
                size /= 2;
            }
            let (mine, after) = rest.split_at_mut(PRODUCTS * inputs * 3 * size);
            rest = after;
            for (c, kx, b) in
                (0..inputs).flat_map(|c| (0..3).flat_map(move |kx| (0..size).map(move |b| (c, kx, b))))
            {
                let column = [0, 3, 6].map(|row| at(first + b, c, row + kx));
                for (product, value) in winograd::filter(column).into_iter().enumerate() {
                    mine[((product * inputs + c) * 3 + kx) * size + b] = value;
                }
            }
            blocks.push(Block { first, size });
            first += size;
        }
        Self { outputs, blocks, weights }
    }
}

/// `out[n, o, y, x] = relu?(bias[o] + Σ over c, ky, kx of weight[o, c, ky, kx] · x[n, c, y + ky - 1, x + kx - 1])`.
///
/// `x` is `[n, c, h, w]` (`shape`), `weight` is `[outputs, c, 3, 3]`, `bias` is `[outputs]`; the result is `[n,
/// outputs, h, w]`.
pub fn forward(x: &[f32], shape: Shape, weight: &[f32], bias: &[f32], relu: bool) -> Vec<f32> {
    assert_eq!(weight.len(), bias.len() * shape.c * 9);
    whole(Source { x, gate: None, places: None, shape }, filters(weight, shape.c), bias, relu)
}

/// [`forward`], then [`pool::max_pool`]: values and places, both `[n, outputs, h / 2, w / 2]`. `h` and `w` must be
/// even.
pub fn forward_pooled(
    x: &[f32],
    shape: Shape,
    weight: &[f32],
    bias: &[f32],
    relu: bool,
) -> (Vec<f32>, Vec<i32>) {
    assert!(
        weight.len() == bias.len() * shape.c * 9 && shape.h.is_multiple_of(2) && shape.w.is_multiple_of(2)
    );
    let source = Source { x, gate: None, places: None, shape };
    let len = shape.n * bias.len() * shape.plane() / 4;
    let (mut values, mut places) = (Vec::with_capacity(len), Vec::with_capacity(len));
    let out = Out::Pooled(Shared::spare(&mut values, len), Shared::spare(&mut places, len));
    convolve(source, filters(weight, shape.c), bias, relu, out);
    // SAFETY: the tasks cover the output, and each task writes all channels of its own windows.
    unsafe {
        values.set_len(len);
        places.set_len(len);
    }
    (values, places)
}

/// [`pool::max_unpool`] of `x` and `places`, `[n, c, h / 2, w / 2]`, to `shape` `[n, c, h, w]`, then [`forward`].
pub fn forward_unpooled(
    x: &[f32],
    places: &[i32],
    shape: Shape,
    weight: &[f32],
    bias: &[f32],
    relu: bool,
) -> Vec<f32> {
    assert!(
        weight.len() == bias.len() * shape.c * 9 && shape.h.is_multiple_of(2) && shape.w.is_multiple_of(2)
    );
    whole(Source { x, gate: None, places: Some(places), shape }, filters(weight, shape.c), bias, relu)
}

/// The gradient of [`forward`]'s input: again a convolution, of the output gradient with the kernel rotated by 180
/// degrees and its channels swapped.
///
/// `gradient` is `[n, outputs, h, w]` (`shape`), `weight` is `[outputs, inputs, 3, 3]`; the result is `[n, inputs, h,
/// w]`. `gate` is the output of a fused ReLU: the gradient passes where it is positive.
pub fn backward(gradient: &[f32], gate: Option<&[f32]>, shape: Shape, weight: &[f32]) -> Vec<f32> {
    let inputs = weight.len() / (shape.c * 9);
    assert_eq!(weight.len(), inputs * shape.c * 9);
    let filter = |c: usize, o: usize, tap: usize| weight[(o * inputs + c) * 9 + 8 - tap];
    whole(Source { x: gradient, gate, places: None, shape }, filter, &vec![0.0; inputs], false)
}

/// Accessor `(o, c, tap)` for weights in the layout `[outputs, inputs, 3, 3]`.
fn filters(weight: &[f32], inputs: usize) -> impl Fn(usize, usize, usize) -> f32 {
    move |o, c, tap| weight[(o * inputs + c) * 9 + tap]
}

/// The input of a convolution, `[n, c, h, w]` (`shape`), taken as zero where `gate` is not positive. If there are
/// `places`, `x` is the input of a max unpooling, `[n, c, h / 2, w / 2]`.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub x: &'a [f32],
    pub gate: Option<&'a [f32]>,
    pub places: Option<&'a [i32]>,
    pub shape: Shape,
}

impl<'a> Source<'a> {
    /// `R` consecutive rows of a channel and of its gate, `zeros` where they lie outside the image. Row `above` is
    /// counted from the padding row above the image.
    #[inline(always)]
    pub fn rows<const R: usize>(
        &self,
        n: usize,
        c: usize,
        above: usize,
        zeros: &'a [f32],
    ) -> ([&'a [f32]; R], Option<[&'a [f32]; R]>) {
        let Shape { h, w, .. } = self.shape;
        let plane = (n * self.shape.c + c) * self.shape.plane();
        let (mut from, mut gates) = ([&zeros[..w]; R], [&zeros[..w]; R]);
        for (row, (from, gates)) in from.iter_mut().zip(&mut gates).enumerate() {
            if (1..=h).contains(&(above + row)) {
                let at = plane + (above + row - 1) * w;
                *from = &self.x[at..at + w];
                *gates = self.gate.map_or(*from, |gate| &gate[at..at + w]);
            }
        }
        (from, self.gate.is_some().then_some(gates))
    }
}

/// Destination of the result.
#[derive(Clone, Copy)]
enum Out<'a> {
    Whole(Unwritten<'a>),
    /// Max-pooled: the largest value of each window, and its place.
    Pooled(Unwritten<'a>, Unwritten<'a, i32>),
}

fn whole(source: Source, filter: impl Fn(usize, usize, usize) -> f32, bias: &[f32], relu: bool) -> Vec<f32> {
    let len = source.shape.n * bias.len() * source.shape.plane();
    let mut values = Vec::with_capacity(len);
    convolve(source, filter, bias, relu, Out::Whole(Shared::spare(&mut values, len)));
    // SAFETY: the tasks cover the output, and each task writes all channels of its own rows.
    unsafe { values.set_len(len) };
    values
}

fn convolve(source: Source, filter: impl Fn(usize, usize, usize) -> f32, bias: &[f32], relu: bool, out: Out) {
    let shape = source.shape;
    let pooled = if source.places.is_some() { 4 } else { 1 };
    assert!(source.x.len() * pooled == shape.len());
    assert!(source.gate.is_none_or(|gate| gate.len() == shape.len()));
    assert!(source.places.is_none_or(|places| places.len() * pooled == shape.len()));
    let packed = Packed::new(bias.len(), shape.c, filter);
    let stride = padded::stride(shape.w, width().lanes);
    let bands = shape.h.div_ceil(ROWS);
    // Behind the products: a line of zeros (for rows above and below the image) and, if unpooling, the unpooled rows.
    let lines = PRODUCTS * shape.c + 1 + if source.places.is_some() { PRODUCTS } else { 0 };
    for_each(shape.n * bands, |task| {
        let rows = Rows { n: task / bands, y: task % bands * ROWS, stride };
        with_scratch(lines * stride, |scratch| {
            convolve_rows(source, rows, scratch, &packed, bias, relu, out);
        });
    });
}

/// Four rows of an image, from `y` on. `stride` is the number of floats per line of products.
#[derive(Clone, Copy)]
struct Rows {
    n: usize,
    y: usize,
    stride: usize,
}

fn convolve_rows(
    source: Source,
    rows: Rows,
    scratch: &mut [f32],
    packed: &Packed,
    bias: &[f32],
    relu: bool,
    out: Out,
) {
    dispatch!(rows_body::<S>(
        source: Source<'_>,
        rows: Rows,
        scratch: &mut [f32],
        packed: &Packed,
        bias: &[f32],
        relu: bool,
        out: Out<'_>,
    ))
}

#[inline(always)]
unsafe fn rows_body<S: Simd>(
    source: Source<'_>,
    rows: Rows,
    scratch: &mut [f32],
    packed: &Packed,
    bias: &[f32],
    relu: bool,
    out: Out<'_>,
) {
    let (shape, stride) = (source.shape, rows.stride);
    // SAFETY: the caller dispatched on the instruction set.
    unsafe {
        transform::<S>(source, rows, scratch);
        let mut weights = packed.weights.as_slice();
        for block in &packed.blocks {
            let (mine, rest) = weights.split_at(PRODUCTS * shape.c * 3 * block.size);
            weights = rest;
            let bias = &bias[block.first..][..block.size];
            let target = Target {
                out,
                channel: rows.n * packed.outputs + block.first,
                y: rows.y,
                rows: ROWS.min(shape.h - rows.y),
                relu,
            };
            match block.size {
                8 => block_body::<S, 8>(scratch, stride, shape, mine, bias, target),
                4 => block_body::<S, 4>(scratch, stride, shape, mine, bias, target),
                2 => block_body::<S, 2>(scratch, stride, shape, mine, bias, target),
                _ => block_body::<S, 1>(scratch, stride, shape, mine, bias, target),
            }
        }
    }
}

struct Target<'a> {
    out: Out<'a>,
    /// First channel of the block, counted through all images.
    channel: usize,
    y: usize,
    rows: usize,
    relu: bool,
}

/// Computes the Winograd products of each channel's six rows from `y - 1` on: `[product][c][stride]`. Each line starts
/// with one vector whose last element is the zero to the left of the image, and ends with zeros. Behind the products,
/// `scratch` has room for a line of zeros and, if there are places, for the unpooled rows.
#[inline(always)]
unsafe fn transform<S: Simd>(source: Source<'_>, rows: Rows, scratch: &mut [f32]) {
    let (Shape { c: channels, h, w, .. }, stride) = (source.shape, rows.stride);
    let step = channels * stride;
    let (products, lines) = scratch.split_at_mut(PRODUCTS * step);
    let (zeros, unpooled) = lines.split_at_mut(stride);
    zeros.fill(0.0);
    for c in 0..channels {
        let (from, gates) = if let Some(places) = source.places {
            let plane = (rows.n * channels + c) * source.shape.plane() / 4;
            for (row, line) in unpooled.chunks_exact_mut(stride).enumerate() {
                if (1..=h).contains(&(rows.y + row)) {
                    let y = rows.y + row - 1;
                    let at = plane + y / 2 * (w / 2);
                    let (values, places) = (&source.x[at..][..w / 2], &places[at..][..w / 2]);
                    pool::spread(values, places, (y % 2 * 2) as i32, &mut line[..w]);
                } else {
                    line[..w].fill(0.0);
                }
            }
            (std::array::from_fn(|row| &unpooled[row * stride..][..w]), None)
        } else {
            source.rows::<PRODUCTS>(rows.n, c, rows.y, zeros)
        };
        let to = &mut products[c * stride..][..(PRODUCTS - 1) * step + stride];
        // SAFETY: the caller dispatched on the instruction set.
        unsafe { strip::transform::<S>(&from, &gates, to, step, stride) };
    }
}

/// The sums of the six products for each channel of a block, over a strip of two vectors.
type Sums<V, const B: usize> = [[[MaybeUninit<V>; 2]; B]; PRODUCTS];

#[inline(always)]
unsafe fn block_body<S: Simd, const B: usize>(
    products: &[f32],
    stride: usize,
    shape: Shape,
    weights: &[f32],
    bias: &[f32],
    target: Target<'_>,
) {
    assert!(products.len() >= PRODUCTS * shape.c * stride && weights.len() == PRODUCTS * shape.c * 3 * B);
    assert!(bias.len() == B);
    let step = 2 * S::LANES;
    let mut x = 0;
    while x < shape.w {
        // Left uninitialised: zeroing would take a tenth of the time.
        let mut sums: Sums<S::V, B> = [[[MaybeUninit::uninit(); 2]; B]; PRODUCTS];
        for (product, sums) in sums.iter_mut().enumerate() {
            // SAFETY: x + step is at most the width rounded up to whole strips, which is two vectors less than the
            // stride.
            unsafe {
                // Starts at the left neighbour of pixel `x`.
                let from = products.as_ptr().add(product * shape.c * stride + S::LANES - 1 + x);
                let weights = weights.as_ptr().add(product * shape.c * 3 * B);
                let found = strip::convolve::<S, B>(from, shape.c, stride, weights);
                // Element by element: otherwise the sums do not stay in registers (seen in wasm).
                for (sum, found) in sums.iter_mut().zip(&found) {
                    *sum = [MaybeUninit::new(found[0]), MaybeUninit::new(found[1])];
                }
            }
        }
        for (b, &bias) in bias.iter().enumerate() {
            // SAFETY: all sums are written; the caller dispatched on the instruction set.
            unsafe {
                let rows = rows_of::<S, B>(&sums, b, bias, target.relu);
                write_rows::<S>(&rows, &target, b, shape, x);
            }
        }
        x += step;
    }
}

/// Four output rows of channel `b` of the block, bias and ReLU included.
#[inline(always)]
unsafe fn rows_of<S: Simd, const B: usize>(
    sums: &Sums<S::V, B>,
    b: usize,
    bias: f32,
    relu: bool,
) -> [[S::V; 2]; ROWS] {
    // SAFETY: upheld by the caller.
    unsafe {
        let mut m = [[S::zero(); PRODUCTS]; 2];
        for (product, sum) in sums.iter().enumerate() {
            (m[0][product], m[1][product]) = (sum[b][0].assume_init(), sum[b][1].assume_init());
        }
        let (left, right) = (winograd::output::<S>(m[0]), winograd::output::<S>(m[1]));
        let bias = S::splat(bias);
        let mut rows = [[S::zero(); 2]; ROWS];
        for (row, pair) in rows.iter_mut().enumerate() {
            *pair = [S::add(left[row], bias), S::add(right[row], bias)];
            if relu {
                // Operand order matters: this way NaN stays NaN.
                *pair = [S::max(S::zero(), pair[0]), S::max(S::zero(), pair[1])];
            }
        }
        rows
    }
}

/// Writes the part that lies within the image, whole or pooled.
#[inline(always)]
unsafe fn write_rows<S: Simd>(
    rows: &[[S::V; 2]; ROWS],
    target: &Target<'_>,
    b: usize,
    shape: Shape,
    x: usize,
) {
    let (plane, len) = ((target.channel + b) * shape.plane(), (2 * S::LANES).min(shape.w - x));
    // SAFETY: tasks write different rows and blocks different channels, so the writes are disjoint.
    unsafe {
        match target.out {
            Out::Whole(out) => {
                for (row, pair) in rows.iter().enumerate().take(target.rows) {
                    let at = plane + (target.y + row) * shape.w + x;
                    strip::put::<S>(out.slice(at, len), *pair);
                }
            }
            Out::Pooled(values, places) => {
                for half in 0..target.rows / 2 {
                    let at = plane / 4 + (target.y / 2 + half) * (shape.w / 2) + x / 2;
                    let (values, places) = (values.slice(at, len / 2), places.slice(at, len / 2));
                    strip::pool::<S>(rows[2 * half], rows[2 * half + 1], values, places);
                }
            }
        }
    }
}
