//! Builds the shipped weights into the program, where there are any: the trainer that makes them must build without.

use std::path::Path;

fn main() {
    let weights = "../model-weights/rbc.safetensors";
    println!("cargo::rustc-check-cfg=cfg(shipped_weights)");
    // The folder: a file that is not there counts as changed at each build.
    println!("cargo::rerun-if-changed=../model-weights");
    if Path::new(weights).exists() {
        println!("cargo::rustc-cfg=shipped_weights");
    }
}
