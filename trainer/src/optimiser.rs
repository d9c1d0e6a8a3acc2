//! Muon for the convolution kernels, AdamW for all other parameters.
//!
//! Parameters are stepped together, not one by one: on a GPU the network's 46 would take more than a thousand kernel
//! launches a step, each longer than its arithmetic.

use burn::module::{AutodiffModule, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use std::collections::{BTreeMap, VecDeque};

/// Share of the velocity that remains at each step; Nesterov's form.
const MOMENTUM: f64 = 0.95;
/// Coefficients of the Newton-Schulz iteration, and the number of its steps.
const NEWTON_SCHULZ: [f32; 3] = [3.4445, -4.775, 2.0315];
const STEPS: usize = 5;

/// To Muon, a convolution kernel `[a, b, 3, 3]` is the matrix `[a, 9 b]`: the step is the momentum with all singular
/// values made equal (Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024), scaled to the
/// length of an AdamW step (Liu et al., Muon is Scalable for LLM Training, 2025) so that one learning rate serves both.
/// For a deconvolution `a` are the inputs, since its kernel is stored transposed: an equal step in another basis than that
/// of the layer's linear map. The last layer is not left to AdamW, as the authors would. Biases and the parameters of batch
/// normalisation are not matrices and are left to AdamW.
#[derive(Clone)]
pub struct KernelMuon<B: Backend> {
    rest: AdamW,
    moments: Option<Moments<B>>,
}

/// What the optimiser remembers between steps.
#[derive(Record, Clone)]
pub struct Moments<B: Backend> {
    /// The velocity of each group of kernels, as in [`Group::stack`].
    kernels: Vec<Tensor<B, 3>>,
    /// AdamW's moments of all other parameters, one after the other.
    rest: AdaptiveMomentumState<B, 1>,
}

impl<B: Backend> KernelMuon<B> {
    /// `weight_decay` applies to AdamW only.
    pub fn new(weight_decay: f32) -> Self {
        Self { rest: AdamWConfig::new().with_weight_decay(weight_decay).build(), moments: None }
    }

    /// The module after a step.
    pub fn step<A, M>(&mut self, rate: f64, module: M, gradients: &GradientsParams) -> M
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A>,
    {
        let mut found = Gather::<A> { gradients, kernels: Vec::new(), rest: Vec::new() };
        module.visit(&mut found);
        let (velocities, moments) = match self.moments.take() {
            Some(moments) => (Some(moments.kernels), Some(AdamWState::new(moments.rest))),
            None => (None, None),
        };
        let (kernels, velocities) = step_kernels(rate, found.kernels, velocities);
        let (values, gradients) = found.rest.into_iter().map(|[value, gradient]| (value, gradient)).unzip();
        let (rest, moments) =
            self.rest.step(rate, Tensor::cat(values, 0), Tensor::cat(gradients, 0), moments);
        self.moments = moments.map(|moments| Moments { kernels: velocities, rest: moments.momentum });
        module.map(&mut Put::<B> { kernels: kernels.into(), rest, used: 0 })
    }

    /// The moments, to be recorded beside the module's parameters.
    pub fn to_record<A: AutodiffBackend<InnerBackend = B>>(&self) -> Option<Moments<A>> {
        let moments = self.moments.clone()?;
        let rest = moments.rest;
        Some(Moments {
            kernels: moments.kernels.into_iter().map(Tensor::from_inner).collect(),
            rest: AdaptiveMomentumState {
                time: rest.time,
                moment_1: Tensor::from_inner(rest.moment_1),
                moment_2: Tensor::from_inner(rest.moment_2),
                max_moment_2: rest.max_moment_2.map(Tensor::from_inner),
            },
        })
    }

    /// The optimiser with the moments of a record.
    pub fn load_record<A: AutodiffBackend<InnerBackend = B>>(mut self, record: Option<Moments<A>>) -> Self {
        self.moments = record.map(|moments| Moments {
            kernels: moments.kernels.into_iter().map(Tensor::inner).collect(),
            rest: AdaptiveMomentumState {
                time: moments.rest.time,
                moment_1: moments.rest.moment_1.inner(),
                moment_2: moments.rest.moment_2.inner(),
                max_moment_2: moments.rest.max_moment_2.map(Tensor::inner),
            },
        });
        self
    }
}

/// Collects the parameters with their gradients, in the module's order.
struct Gather<'a, A: AutodiffBackend> {
    gradients: &'a GradientsParams,
    /// Kernels as matrices.
    kernels: Vec<[Tensor<A::InnerBackend, 2>; 2]>,
    rest: Vec<[Tensor<A::InnerBackend, 1>; 2]>,
}

impl<A: AutodiffBackend> ModuleVisitor<A> for Gather<'_, A> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<A, D>>) {
        let value = param.val().inner();
        let gradient = self.gradients.get(param.id).unwrap_or_else(|| value.zeros_like());
        if D == 4 {
            self.kernels.push([value, gradient].map(|x| x.flatten(1, D - 1)));
        } else {
            self.rest.push([value, gradient].map(|x| x.flatten(0, D - 1)));
        }
    }
}

/// Puts new values into the parameters, in the same order.
struct Put<B: Backend> {
    kernels: VecDeque<Tensor<B, 2>>,
    rest: Tensor<B, 1>,
    /// Number of elements of `rest` that have been put.
    used: usize,
}

impl<A: AutodiffBackend> ModuleMapper<A> for Put<A::InnerBackend> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
        let (id, old, mapper) = param.consume();
        let shape = old.shape();
        let new = if D == 4 {
            self.kernels.pop_front().expect("a matrix for each kernel").reshape(shape)
        } else {
            let from = self.used;
            self.used += shape.num_elements();
            self.rest.clone().slice(from..self.used).reshape(shape)
        };
        let new = Tensor::from_inner(new).set_require_grad(old.is_require_grad());
        Param::from_mapped_value(id, new, mapper)
    }
}

/// Matrices of equally many rows, lying down if they are taller than wide.
struct Group {
    /// Positions among all kernels.
    members: Vec<usize>,
    rows: usize,
    /// Columns of the widest.
    columns: usize,
}

impl Group {
    /// The groups that matrices of these shapes fall into.
    fn of(shapes: &[[usize; 2]]) -> Vec<Self> {
        let mut groups = BTreeMap::new();
        for (at, [rows, columns]) in shapes.iter().enumerate() {
            let (rows, columns) = (*rows.min(columns), *rows.max(columns));
            let group = groups.entry(rows).or_insert(Self { members: Vec::new(), rows, columns });
            group.members.push(at);
            group.columns = group.columns.max(columns);
        }
        groups.into_values().collect()
    }

    /// The members as `[members, rows, columns]`, with zeros on the right of narrower ones: they stay zero in the
    /// Newton-Schulz iteration and change nothing there.
    fn stack<B: Backend>(&self, matrices: &[Tensor<B, 2>]) -> Tensor<B, 3> {
        let lying = self.members.iter().map(|&at| {
            let matrix = lain_down(matrices[at].clone());
            match self.columns - matrix.dims()[1] {
                0 => matrix,
                lack => matrix.pad((0, lack, 0, 0), 0.0),
            }
        });
        Tensor::stack(lying.collect(), 0)
    }

    /// The member at this position of a stack, with its own shape.
    fn unstack<B: Backend>(
        &self,
        stack: &Tensor<B, 3>,
        at: usize,
        [rows, columns]: [usize; 2],
    ) -> Tensor<B, 2> {
        let own = stack.clone().slice([at..at + 1, 0..self.rows, 0..rows.max(columns)]);
        let own = own.reshape([self.rows, rows.max(columns)]);
        if rows > columns { own.transpose() } else { own }
    }
}

fn lain_down<B: Backend>(matrix: Tensor<B, 2>) -> Tensor<B, 2> {
    let [rows, columns] = matrix.dims();
    if rows > columns { matrix.transpose() } else { matrix }
}

/// Steps each kernel, given with its gradient; returns the new kernels and the velocities of the groups.
fn step_kernels<B: Backend>(
    rate: f64,
    kernels: Vec<[Tensor<B, 2>; 2]>,
    velocities: Option<Vec<Tensor<B, 3>>>,
) -> (Vec<Tensor<B, 2>>, Vec<Tensor<B, 3>>) {
    let shapes: Vec<[usize; 2]> = kernels.iter().map(|[value, _]| value.dims()).collect();
    let (mut values, gradients): (Vec<_>, Vec<_>) =
        kernels.into_iter().map(|[value, gradient]| (value, gradient)).unzip();
    let groups = Group::of(&shapes);
    let mut before = velocities.into_iter().flatten();
    let mut after = Vec::with_capacity(groups.len());
    for group in &groups {
        let gradient = group.stack(&gradients);
        let velocity = match before.next() {
            Some(velocity) => velocity.mul_scalar(MOMENTUM) + gradient.clone(),
            None => gradient.clone(),
        };
        let step = orthogonal(velocity.clone().mul_scalar(MOMENTUM) + gradient);
        for (at, &member) in group.members.iter().enumerate() {
            let shape = shapes[member];
            // The root mean square of an AdamW step is about 0.2.
            let length = rate * 0.2 * (shape[0].max(shape[1]) as f64).sqrt();
            let own = group.unstack(&step, at, shape).mul_scalar(length);
            values[member] = values[member].clone() - own;
        }
        after.push(velocity);
    }
    (values, after)
}

/// Makes the singular values of each matrix about one (0.7 to 1.2), by Newton-Schulz iteration. `[n, rows, columns]`.
fn orthogonal<B: Backend>(matrices: Tensor<B, 3>) -> Tensor<B, 3> {
    let [a, b, c] = NEWTON_SCHULZ;
    let norm = matrices.clone().square().sum_dim(2).sum_dim(1).sqrt().clamp_min(1e-7);
    let mut x = matrices / norm;
    for _ in 0..STEPS {
        let gram = x.clone().matmul(x.clone().swap_dims(1, 2));
        let factor = gram.clone().mul_scalar(b) + gram.clone().matmul(gram).mul_scalar(c);
        x = x.clone().mul_scalar(a) + factor.matmul(x);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use burn::module::Module;
    use burn::optim::{AdjustLrFn, MuonConfig};

    fn matrix(shape: [usize; 2], seed: u32) -> Tensor<Flex, 2> {
        let values: Vec<f32> = (0..shape[0] * shape[1])
            .map(|at| {
                ((at as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) % 1000) as f32 / 500.0 - 1.0
            })
            .collect();
        Tensor::<Flex, 1>::from_floats(values.as_slice(), &Default::default()).reshape(shape)
    }

    fn floats<const D: usize>(of: &Tensor<Flex, D>) -> Vec<f32> {
        of.to_data().to_vec().expect("floats")
    }

    /// The rows of the gradient are orthogonal and of very different lengths; those of the step are of similar length.
    #[test]
    fn a_kernel_steps_as_far_in_every_direction() {
        let device = Default::default();
        let mut gradient = vec![0.0f32; 3 * 18];
        (gradient[0], gradient[18 + 5], gradient[36 + 9]) = (100.0, 1.0, 0.5);
        let gradient = Tensor::<Flex, 1>::from_floats(gradient.as_slice(), &device).reshape([3, 18]);
        let (stepped, _) = step_kernels(0.01, vec![[Tensor::zeros([3, 18], &device), gradient]], None);
        let rows: Vec<f32> = floats(&stepped[0].clone().abs().sum_dim(1));
        let longest = rows.iter().copied().fold(0.0, f32::max);
        assert!(rows.iter().all(|&row| row > 0.1 * longest), "{rows:?}");
        // For a singular value of 1 this is the rate times 0.2 sqrt(18); Muon's iteration yields values of 0.7 to 1.2.
        assert!((0.005..0.011).contains(&longest), "{rows:?}");
    }

    /// Narrow, wide and tall matrices in two groups, over three steps, against Burn's optimiser for a single matrix.
    #[test]
    fn kernels_together_step_as_each_does_alone() {
        let shapes = [[4, 9], [4, 36], [8, 72], [18, 4], [8, 36]];
        let alone = MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build::<Flex>();
        let mut together: Vec<_> = shapes.map(|shape| matrix(shape, 1)).into();
        let mut single = together.clone();
        let (mut velocities, mut states) = (None, vec![None; shapes.len()]);
        for step in 0..3 {
            let gradients = shapes.map(|shape| matrix(shape, 100 + step));
            let kernels =
                together.into_iter().zip(gradients.clone()).map(|(value, gradient)| [value, gradient]);
            let (new, after) = step_kernels(0.02, kernels.collect(), velocities);
            (together, velocities) = (new, Some(after));
            for (at, gradient) in gradients.into_iter().enumerate() {
                (single[at], states[at]) = alone.step(0.02, single[at].clone(), gradient, states[at].take());
            }
        }
        for (together, single) in together.iter().zip(&single) {
            let apart = floats(&(together.clone() - single.clone()).abs()).into_iter().fold(0.0, f32::max);
            assert!(apart < 1e-4, "{:?}: {apart}", single.dims());
        }
    }

    #[derive(Module, Debug)]
    struct Two<B: Backend> {
        kernel: Param<Tensor<B, 4>>,
        bias: Param<Tensor<B, 1>>,
        unused: Param<Tensor<B, 1>>,
    }

    #[test]
    fn what_is_no_kernel_goes_by_adamw() {
        type Train = Autodiff<Flex>;
        let device = Default::default();
        let module = Two::<Train> {
            kernel: Param::from_tensor(Tensor::zeros([2, 1, 3, 3], &device)),
            bias: Param::from_tensor(Tensor::zeros([2], &device)),
            unused: Param::from_tensor(Tensor::ones([3], &device)),
        };
        let slopes = Tensor::<Train, 1>::from_floats([3.0, -0.01], &device);
        let loss = (module.bias.val() * slopes).sum() + module.kernel.val().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        let stepped = KernelMuon::<Flex>::new(0.0).step(0.1, module, &gradients);
        let bias = floats(&stepped.bias.val().inner());
        assert!((bias[0] + 0.1).abs() < 1e-3 && (bias[1] - 0.1).abs() < 1e-3, "{bias:?}");
        assert_eq!(floats(&stepped.unused.val().inner()), [1.0; 3]);
        assert!(floats(&stepped.kernel.val().inner()).iter().all(|value| *value < 0.0));
        assert!(stepped.kernel.val().is_require_grad() && stepped.bias.val().is_require_grad());
    }
}
