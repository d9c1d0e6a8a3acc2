//! Implements the extension for `Autodiff<B>`, for every back end `B` with backward passes.

use super::{Normalised, SegBackend, SegBackward};
use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};

/// Tape node of `conv3x3`; parents are `[x, weight, bias]`.
#[derive(Debug)]
struct Conv3x3;

#[derive(Clone, Debug)]
struct ConvState<B: SegBackward> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    /// The result of the forward pass, if ReLU was fused.
    output: Option<FloatTensor<B>>,
}

impl<B: SegBackward> Backward<B, 3> for Conv3x3 {
    type State = ConvState<B>;

    fn backward(self, ops: Ops<ConvState<B>, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [x, weight, bias] = ops.parents;
        let state = ops.state;
        let found = B::conv3x3_backward(state.x, state.weight, state.output, gradient, x.is_some());
        if let (Some(node), Some(gradient)) = (x, found.input) {
            grads.register::<B>(node.id, gradient);
        }
        if let Some(node) = weight {
            grads.register::<B>(node.id, found.weight);
        }
        if let Some(node) = bias {
            grads.register::<B>(node.id, found.bias);
        }
    }
}

/// Tape node of the output of `norm_relu`; parents are `[x, gamma, beta]`. The statistics carry no gradient.
#[derive(Debug)]
struct NormRelu;

#[derive(Clone, Debug)]
struct NormState<B: SegBackward> {
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    found: Normalised<B>,
}

impl<B: SegBackward> Backward<B, 3> for NormRelu {
    type State = NormState<B>;

    fn backward(self, ops: Ops<NormState<B>, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let NormState { x, gamma, found } = ops.state;
        let gradients = B::norm_relu_backward(x, gamma, found, gradient);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Tape node of the values of `max_pool2`; the state is the places.
#[derive(Debug)]
struct MaxPool2;

impl<B: SegBackward> Backward<B, 1> for MaxPool2 {
    type State = IntTensor<B>;

    fn backward(self, ops: Ops<IntTensor<B>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| B::max_unpool2(gradient, ops.state));
    }
}

/// Tape node of `max_unpool2`; the state is the places.
#[derive(Debug)]
struct MaxUnpool2;

impl<B: SegBackward> Backward<B, 1> for MaxUnpool2 {
    type State = IntTensor<B>;

    fn backward(self, ops: Ops<IntTensor<B>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| B::max_gather2(gradient, ops.state));
    }
}

impl<B: SegBackward, C: CheckpointStrategy> SegBackend for Autodiff<B, C> {
    fn conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        match Conv3x3.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (x, weight) = (x.primitive, weight.primitive);
                let out = B::conv3x3(x.clone(), weight.clone(), bias.primitive, relu);
                let output = relu.then(|| out.clone());
                prep.finish(ConvState { x, weight, output }, out)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::conv3x3(x.primitive, weight.primitive, bias.primitive, relu))
            }
        }
    }

    fn norm_relu(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> Normalised<Self> {
        let nodes = [x.node.clone(), gamma.node.clone(), beta.node.clone()];
        let prep = NormRelu.prepare::<C>(nodes).compute_bound().stateful();
        let (x, gamma) = (x.primitive, gamma.primitive);
        let found = B::norm_relu(x.clone(), gamma.clone(), beta.primitive);
        let (mean, variance) =
            (Self::from_inner(found.mean.clone()), Self::from_inner(found.variance.clone()));
        let output = match prep {
            OpsKind::Tracked(prep) => prep.finish(NormState { x, gamma, found: found.clone() }, found.output),
            OpsKind::UnTracked(prep) => prep.finish(found.output),
        };
        Normalised { output, mean, variance }
    }

    fn max_pool2(x: FloatTensor<Self>) -> (FloatTensor<Self>, IntTensor<Self>) {
        match MaxPool2.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (values, places) = B::max_pool2(x.primitive);
                (prep.finish(places.clone(), values), places)
            }
            OpsKind::UnTracked(prep) => {
                let (values, places) = B::max_pool2(x.primitive);
                (prep.finish(values), places)
            }
        }
    }

    fn max_unpool2(x: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        match MaxUnpool2.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(places.clone(), B::max_unpool2(x.primitive, places)),
            OpsKind::UnTracked(prep) => prep.finish(B::max_unpool2(x.primitive, places)),
        }
    }
}
