//! `cargo xtask bench`: how fast the network is, natively and in the browser.

use crate::browser::Browser;
use crate::page::{self, Profile};
use crate::{checks, paths, process, tools};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Times the page as it is shipped and the native program, and beside them the same network in what users would take
/// instead: ONNX Runtime Web, ONNX Runtime, TensorFlow.
pub fn run(trunk: Option<&Path>) -> Result<()> {
    Browser::ensure()?;
    page::build(Profile::Dist, trunk, &paths::dist())?;
    process::run(process::cargo().arg("build").args(checks::NATIVE))?;
    // Beside this program: it was built with it.
    let mut programs = Command::new(std::env::current_exe()?.with_file_name("bench"));
    programs.arg(paths::dist());
    match peer() {
        Ok(folder) => _ = programs.arg(folder),
        Err(error) => println!("bench: without ONNX Runtime Web beside the page: {error:#}"),
    }
    process::run(&mut programs)?;
    // In turn, so that both have the same machine.
    let mut ours = process::cargo();
    ours.args(["run", "--release", "-p", "rbc-model", "--features", "train", "--example", "speed", "--"]);
    process::run(ours.arg(weights()))?;
    for script in ["bench/onnx_runtime.py", "bench/tensorflow_cpu.py"] {
        if let Err(error) = python(script, &[]) {
            println!("bench: without {script} beside the native program: {error:#}");
        }
    }
    Ok(())
}

fn weights() -> PathBuf {
    paths::root().join("model-weights/rbc.safetensors")
}

/// What the peers' scripts need from PyPI.
const PACKAGES: [&str; 5] = ["onnx", "onnxruntime", "safetensors", "numpy", "tensorflow-cpu"];

/// Runs one of the scripts in `bench/` over the shipped weights, with Python packages of its own.
fn python(script: &str, arguments: &[&OsStr]) -> Result<()> {
    let folder = paths::target().join("bench-python");
    let program = folder.join("bin/python");
    if !program.exists() {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    process::run(Command::new(&program).args(install).args(PACKAGES))
        .context("pip could not install the peers")?;
    process::run(Command::new(&program).arg(paths::root().join(script)).args(arguments))
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
    python("bench/onnx_runtime.py", &[weights().as_os_str(), "--export".as_ref(), folder.as_os_str()])?;
    Ok(folder)
}
