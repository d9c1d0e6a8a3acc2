//! The operations of the network on the CPU against naive references.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use burn::backend::Flex;
use common::{checks, known};
use pollster::block_on;

#[test]
fn convolution_is_the_definition() {
    block_on(checks::convolution::<Flex>(&Default::default()));
    block_on(checks::convolution_of_views::<Flex>(&Default::default()));
}

#[test]
fn backward_of_the_convolution_is_the_definition() {
    block_on(checks::convolution_backward::<Flex>(&Default::default()));
}

#[test]
fn batch_normalisation_is_the_definition() {
    block_on(checks::normalisation::<Flex>(&Default::default()));
}

#[test]
fn pooling_takes_the_first_among_equals() {
    block_on(checks::pooling::<Flex>(&Default::default()));
}

#[test]
fn fused_with_pooling_the_convolution_is_the_same() {
    block_on(checks::fused::<Flex>(&Default::default()));
}

#[test]
fn unpooling_and_gathering_follow_the_places() {
    block_on(checks::unpooling::<Flex>(&Default::default()));
}

#[test]
fn pooling_and_unpooling_undo_each_other() {
    block_on(checks::identities::<Flex>(&Default::default()));
}

#[test]
fn network_gives_the_stored_logits() {
    block_on(known::answer::<Flex>(&Default::default()));
}

#[test]
fn batch_normalisation_folds_in_and_out() {
    let device = Default::default();
    let (network, input) = (known::network::<Flex>([5, 8, 12], &device), known::input(24, 40, &device));
    let floats = |logits| block_on(checks::floats::<Flex, 4>(logits));
    let plain: Vec<f64> = floats(network.forward(input.clone())).into_iter().map(f64::from).collect();

    let unfolded = network.unfold(|network| network.forward_with_statistics(input.clone()).1);
    let (logits, statistics) = unfolded.forward_with_statistics(input.clone());
    assert_eq!(statistics.len(), 11, "every layer but the last is normalised");
    checks::close("unfolded", &floats(logits), &plain, 1e-3);
    checks::close("folded again", &floats(unfolded.fold(statistics).forward(input)), &plain, 1e-3);
}
