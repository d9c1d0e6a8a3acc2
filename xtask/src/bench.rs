//! `cargo xtask bench`: how fast the network is, natively and in the browser.

use crate::browser::Browser;
use crate::page::{self, Profile};
use crate::{checks, paths, process, tools};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Times the page as it is shipped and the native program, then runs the crates' own benchmarks, if they have any.
pub fn run(trunk: Option<&Path>) -> Result<()> {
    Browser::ensure()?;
    page::build(Profile::Dist, trunk, &paths::dist())?;
    process::run(process::cargo().arg("build").args(checks::NATIVE))?;
    let mut programs = process::cargo();
    programs.arg("run").args(checks::NATIVE).args(["--bin", "bench", "--"]).arg(paths::dist());
    match peer() {
        Ok(folder) => _ = programs.arg(folder),
        Err(error) => println!("bench: without ONNX Runtime Web beside the page: {error:#}"),
    }
    process::run(&mut programs)?;
    match onnx_runtime(&[]) {
        Ok(()) => {
            let mut ours = process::cargo();
            ours.args([
                "run",
                "--release",
                "-p",
                "rbc-model",
                "--features",
                "train",
                "--example",
                "speed",
                "--",
            ]);
            process::run(ours.arg(weights()))?;
        }
        Err(error) => println!("bench: without ONNX Runtime beside the native program: {error:#}"),
    }
    if ["model/benches", "trainer/benches"].iter().any(|folder| paths::root().join(folder).is_dir()) {
        process::run(process::cargo().arg("bench").args(&checks::NATIVE[1..]).args(["--bench", "*"]))?;
    }
    Ok(())
}

fn weights() -> PathBuf {
    paths::root().join("model-weights/rbc.safetensors")
}

/// Runs bench/onnx_runtime.py, which times the same network in ONNX Runtime or writes it down.
fn onnx_runtime(arguments: &[&OsStr]) -> Result<()> {
    let mut python = Command::new("python3");
    python.arg(paths::root().join("bench/onnx_runtime.py")).arg(weights()).args(arguments);
    process::run(&mut python).context("it takes `pip install onnx onnxruntime safetensors numpy`")
}

/// A folder with the page that times the same network in ONNX Runtime Web.
fn peer() -> Result<PathBuf> {
    let scripts = tools::onnx_runtime_web().context("npm could not install it")?;
    let folder = paths::target().join("bench");
    let dist = folder.join("dist");
    std::fs::create_dir_all(&dist)?;
    for script in std::fs::read_dir(scripts)? {
        let script = script?;
        std::fs::copy(script.path(), dist.join(script.file_name()))?;
    }
    std::fs::copy(paths::root().join("bench/onnx_runtime_web/index.html"), folder.join("index.html"))?;
    onnx_runtime(&["--export".as_ref(), folder.as_os_str()])?;
    Ok(folder)
}
