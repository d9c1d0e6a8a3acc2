//! The operations of the network on the CPU against naive references.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use burn::backend::Flex;
use common::checks;
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
    block_on(common::known::answer::<Flex>(&Default::default()));
}
