//! Naive reference implementations in double precision, written directly from the definitions.

use rbc_model::backend::EPSILON;

/// Shape of a convolution: images, input channels, output channels, height, width.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub n: usize,
    pub c: usize,
    pub o: usize,
    pub h: usize,
    pub w: usize,
}

impl Case {
    /// Calls `body(output index, weight index, input index)` for every product of the convolution that is not with the
    /// zero padding.
    fn products(self, mut body: impl FnMut(usize, usize, usize)) {
        let Self { n, c, o, h, w } = self;
        for n in 0..n {
            for o_ in 0..o {
                for y in 0..h {
                    for x in 0..w {
                        let out = ((n * o + o_) * h + y) * w + x;
                        for c_ in 0..c {
                            for tap in 0..9 {
                                let (yy, xx) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                                if yy < h && xx < w {
                                    body(out, (o_ * c + c_) * 9 + tap, ((n * c + c_) * h + yy) * w + xx);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn channel(self, out: usize) -> usize {
        out / (self.h * self.w) % self.o
    }
}

pub fn conv(case: Case, x: &[f32], weight: &[f32], bias: &[f32], relu: bool) -> Vec<f64> {
    let mut sums = vec![0.0; case.n * case.o * case.h * case.w];
    case.products(|out, tap, from| sums[out] += f64::from(weight[tap]) * f64::from(x[from]));
    for (out, sum) in sums.iter_mut().enumerate() {
        *sum += f64::from(bias[case.channel(out)]);
        if relu {
            *sum = sum.max(0.0);
        }
    }
    sums
}

/// Gradients of input, weight and bias; `gate` is the output of the fused ReLU.
pub fn conv_backward(
    case: Case,
    x: &[f32],
    weight: &[f32],
    gate: Option<&[f32]>,
    gradient: &[f32],
) -> [Vec<f64>; 3] {
    let open = |out: usize| gate.is_none_or(|gate| gate[out] > 0.0);
    let gradient: Vec<f64> =
        gradient.iter().enumerate().map(|(out, &g)| if open(out) { f64::from(g) } else { 0.0 }).collect();
    let mut found = [vec![0.0; x.len()], vec![0.0; weight.len()], vec![0.0; case.o]];
    case.products(|out, tap, from| {
        found[0][from] += gradient[out] * f64::from(weight[tap]);
        found[1][tap] += gradient[out] * f64::from(x[from]);
    });
    for (out, g) in gradient.iter().enumerate() {
        found[2][case.channel(out)] += g;
    }
    found
}

/// Indices of the four elements of window `i`; `w` is the width of the large side.
fn window(i: usize, w: usize) -> [usize; 4] {
    let (row, column) = (i / (w / 2), i % (w / 2));
    let at = 2 * row * w + 2 * column;
    [at, at + 1, at + w, at + w + 1]
}

pub fn max_pool(x: &[f32], w: usize) -> (Vec<f32>, Vec<i32>) {
    (0..x.len() / 4)
        .map(|i| {
            let window = window(i, w).map(|at| x[at]);
            let mut place = 0;
            for (other, value) in window.iter().enumerate() {
                if *value > window[place] {
                    place = other;
                }
            }
            (window[place], place as i32)
        })
        .unzip()
}

pub fn max_unpool(x: &[f32], places: &[i32], w: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() * 4];
    for (i, (&value, &place)) in x.iter().zip(places).enumerate() {
        out[window(i, w)[place as usize]] = value;
    }
    out
}

pub fn max_gather(x: &[f32], places: &[i32], w: usize) -> Vec<f32> {
    places.iter().enumerate().map(|(i, &place)| x[window(i, w)[place as usize]]).collect()
}

/// Batch normalisation with ReLU of `[n, c, pixels]`: output, gradient of `x`, mean, variance, gradients of `gamma` and
/// `beta`. The gradient of `x` is derived step by step through variance and mean.
pub fn normalisation(
    [n, c, pixels]: [usize; 3],
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    gradient: &[f32],
) -> [Vec<f64>; 6] {
    let mut found = [0, 1, 2, 3, 4, 5].map(|kind| vec![0.0; if kind < 2 { x.len() } else { c }]);
    for channel in 0..c {
        let (gamma, beta) = (f64::from(gamma[channel]), f64::from(beta[channel]));
        let places: Vec<usize> = (0..n)
            .flat_map(|image| (image * c + channel) * pixels..(image * c + channel + 1) * pixels)
            .collect();
        let count = places.len() as f64;
        let mean = places.iter().map(|&at| f64::from(x[at])).sum::<f64>() / count;
        let variance = places.iter().map(|&at| (f64::from(x[at]) - mean).powi(2)).sum::<f64>() / count;
        let deviation = (variance + f64::from(EPSILON)).sqrt();
        let unit = |at: usize| (f64::from(x[at]) - mean) / deviation;
        let through = |at: usize| if gamma * unit(at) + beta > 0.0 { f64::from(gradient[at]) } else { 0.0 };
        let by_variance: f64 = places
            .iter()
            .map(|&at| through(at) * gamma * (f64::from(x[at]) - mean) * -0.5 / deviation.powi(3))
            .sum();
        let by_mean: f64 = places.iter().map(|&at| -through(at) * gamma / deviation).sum();
        for &at in &places {
            found[0][at] = (gamma * unit(at) + beta).max(0.0);
            found[1][at] = through(at) * gamma / deviation
                + by_variance * 2.0 * (f64::from(x[at]) - mean) / count
                + by_mean / count;
        }
        found[2][channel] = mean;
        found[3][channel] = variance;
        found[4][channel] = places.iter().map(|&at| through(at) * unit(at)).sum();
        found[5][channel] = places.iter().map(|&at| through(at)).sum();
    }
    found
}
