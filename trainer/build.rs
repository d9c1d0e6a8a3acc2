//! Sets `cfg(shipped_weights)` if there are shipped weights to build into the program. The trainer that makes them must
//! build without them.

use std::path::Path;

fn main() {
    let weights = "../model-weights/rbc.safetensors";
    println!("cargo::rustc-check-cfg=cfg(shipped_weights)");
    // The folder, not the file: Cargo takes a missing file as changed and would run this script at every build.
    println!("cargo::rerun-if-changed=../model-weights");
    if Path::new(weights).exists() {
        println!("cargo::rustc-cfg=shipped_weights");
    }
}
