//! Muon for the convolution kernels, AdamW for all other parameters.

use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdjustLrFn, Muon, MuonConfig, MuonState, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

/// To Muon, a convolution kernel `[a, b, 3, 3]` is the matrix `[a, 9 b]`: the step is the momentum with all singular
/// values made equal (Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024), scaled to the
/// length of an AdamW step (Liu et al., Muon is Scalable for LLM Training, 2025) so that one learning rate serves both.
/// For a deconvolution `a` are the inputs, since its kernel is stored transposed: an equal step in another basis than that
/// of the layer's linear map. The last layer is not left to AdamW, as the authors would. Biases and the parameters of batch
/// normalisation are not matrices and are left to AdamW.
#[derive(Clone)]
pub struct KernelMuon<B: Backend> {
    kernels: Muon<B>,
    rest: AdamW,
}

/// The state for one parameter: either Muon's or AdamW's.
#[derive(Record, Clone)]
pub struct State<B: Backend, const D: usize> {
    kernel: Option<MuonState<B, 2>>,
    rest: Option<AdamWState<B, D>>,
}

impl<B: Backend> KernelMuon<B> {
    /// The optimiser for a module; `weight_decay` applies to AdamW only.
    pub fn init<A, M>(weight_decay: f32) -> OptimizerAdaptor<Self, M, A>
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A>,
    {
        let kernels = MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build();
        let rest = AdamWConfig::new().with_weight_decay(weight_decay).build();
        OptimizerAdaptor::from(Self { kernels, rest })
    }
}

impl<B: Backend> SimpleOptimizer<B> for KernelMuon<B> {
    type State<const D: usize> = State<B, D>;

    fn step<const D: usize>(
        &self,
        rate: f64,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<State<B, D>>,
    ) -> (Tensor<B, D>, Option<State<B, D>>) {
        let (kernel, rest) = state.map_or((None, None), |state| (state.kernel, state.rest));
        if D != 4 {
            let (parameter, rest) = self.rest.step(rate, parameter, gradient, rest);
            return (parameter, Some(State { kernel: None, rest }));
        }
        let shape = parameter.shape();
        let matrix = |x: Tensor<B, D>| x.flatten::<2>(1, D - 1);
        let (parameter, kernel) = self.kernels.step(rate, matrix(parameter), matrix(gradient), kernel);
        (parameter.reshape(shape), Some(State { kernel, rest: None }))
    }

    fn to_device<const D: usize>(state: State<B, D>, device: &B::Device) -> State<B, D> {
        State {
            kernel: state.kernel.map(|state| Muon::to_device(state, device)),
            rest: state.rest.map(|state| AdamW::to_device(state, device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    /// The rows of the gradient are orthogonal and of very different lengths; those of the step are of similar length.
    #[test]
    fn a_kernel_steps_as_far_in_every_direction() {
        let device = Default::default();
        let optimiser = KernelMuon::<Flex> {
            kernels: MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build(),
            rest: AdamWConfig::new().build(),
        };
        let mut gradient = vec![0.0f32; 3 * 18];
        (gradient[0], gradient[18 + 5], gradient[36 + 9]) = (100.0, 1.0, 0.5);
        let gradient = Tensor::<Flex, 1>::from_floats(gradient.as_slice(), &device).reshape([3, 2, 3, 3]);
        let (stepped, state) = optimiser.step(0.01, Tensor::zeros([3, 2, 3, 3], &device), gradient, None);
        assert!(state.is_some_and(|state| state.kernel.is_some() && state.rest.is_none()));
        let rows: Vec<f32> = stepped.reshape([3, 18]).abs().sum_dim(1).into_data().to_vec().expect("floats");
        let longest = rows.iter().copied().fold(0.0, f32::max);
        assert!(rows.iter().all(|&row| row > 0.1 * longest), "{rows:?}");
        // For a singular value of 1 this is the rate times 0.2 sqrt(18); Muon's iteration yields values of 0.7 to 1.2.
        assert!((0.005..0.011).contains(&longest), "{rows:?}");
    }

    #[test]
    fn what_is_no_kernel_goes_by_adamw() {
        let device = Default::default();
        let optimiser = KernelMuon::<Flex> {
            kernels: MuonConfig::new().build(),
            rest: AdamWConfig::new().with_weight_decay(0.0).build(),
        };
        let gradient = Tensor::<Flex, 1>::from_floats([3.0, -0.01], &device);
        let (stepped, _) = optimiser.step(0.1, Tensor::zeros([2], &device), gradient, None);
        let stepped: Vec<f32> = stepped.into_data().to_vec().expect("floats");
        assert!((stepped[0] + 0.1).abs() < 1e-3 && (stepped[1] - 0.1).abs() < 1e-3, "{stepped:?}");
    }
}
