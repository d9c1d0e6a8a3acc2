//! `cargo xtask bench`: measures the speed of the network, natively and in the browser.

use crate::browser::Engine;
use crate::page::{self, Profile};
use crate::{checks, paths, process, tools};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Times the shipped page and the native program and, for comparison, the same network in what users could take
/// instead: ONNX Runtime Web, ONNX Runtime, TensorFlow.
pub fn run(trunk: Option<&Path>) -> Result<()> {
    Engine::Chromium.ensure()?;
    page::build(Profile::Dist, trunk, &paths::dist())?;
    process::run(process::cargo().arg("build").args(checks::NATIVE))?;
    // Cargo puts it beside this program.
    let mut programs = Command::new(std::env::current_exe()?.with_file_name("bench"));
    programs.arg(paths::dist());
    if std::env::var_os("RBC_PATIENCE").is_none() {
        // ONNX Runtime Web on WebGPU that a slow CPU computes.
        programs.env("RBC_PATIENCE", "1800");
    }
    match peer() {
        Ok(folder) => _ = programs.arg(folder),
        Err(error) => println!("bench: without ONNX Runtime Web beside the page: {error:#}"),
    }
    process::run(&mut programs)?;
    let mut ours = process::cargo();
    ours.args(["run", "--release", "-p", "rbc-model", "--features", "train", "--example", "speed", "--"]);
    let ours = table(ours.arg(weights()))?;
    for script in [&ONNX_RUNTIME, &TENSORFLOW] {
        match python(script).and_then(|mut peer| table(&mut peer)) {
            Ok(theirs) => ratios(&ours, &theirs),
            Err(error) => println!("bench: without {} beside the native program: {error:#}", script.file),
        }
    }
    Ok(())
}

/// Name and side of each job in a table printed by `model/examples/speed.rs`, and its time in milliseconds.
type Times = Vec<(String, f64)>;

/// Runs a program that prints such a table, shows the table and returns its times.
fn table(command: &mut Command) -> Result<Times> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it failed ({})", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    print!("\n{text}");
    Ok(text.lines().filter_map(job).collect())
}

/// Parses a line `NAME SIDE FIRST THEN RATE PEAK`.
fn job(line: &str) -> Option<(String, f64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name @ .., side, _, then, _, _] = words.as_slice() else { return None };
    let side: u32 = side.parse().ok()?;
    Some((format!("{}, {side}", name.join(" ")), then.parse().ok()?))
}

fn ratios(ours: &Times, theirs: &Times) {
    for (name, then) in theirs {
        if let Some((_, our)) = ours.iter().find(|(own, _)| own == name) {
            println!("{name:<32} this is {:.2} times as fast", then / our);
        }
    }
}

fn weights() -> PathBuf {
    paths::root().join("model-weights/rbc.safetensors")
}

/// A script in `bench/` and the PyPI packages that it needs.
struct Script {
    file: &'static str,
    packages: &'static [&'static str],
}

const ONNX_RUNTIME: Script =
    Script { file: "bench/onnx_runtime.py", packages: &["onnx", "onnxruntime", "safetensors", "numpy"] };
const TENSORFLOW: Script = Script { file: "bench/tensorflow_cpu.py", packages: &["tensorflow-cpu"] };

/// A command that runs a script in a virtual environment, into which only its own packages are installed: one that
/// this Python has no wheel of must not stop the other script.
fn python(script: &Script) -> Result<Command> {
    let folder = paths::target().join("bench-python");
    let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // An interrupted run leaves an environment without pip, a newer Python of the system one that doesn't start.
    if process::output(Command::new(&program).args(["-m", "pip", "--version"])).is_none() {
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
            .context("Python 3 with its module venv is needed; Debian's package of it is python3-venv")?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    process::run(Command::new(&program).args(install).args(script.packages))
        .with_context(|| format!("pip could not install what {} needs", script.file))?;
    let mut command = Command::new(&program);
    command.arg(paths::root().join(script.file)).current_dir(paths::root());
    Ok(command)
}

/// Prepares a folder with a page that times the same network in ONNX Runtime Web.
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
    process::run(python(&ONNX_RUNTIME)?.arg("--export").arg(&folder))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::job;

    #[test]
    fn the_lines_of_the_tables_are_read() {
        let line = "step with normalisation         128    130.20     92.31    1.42      310";
        assert_eq!(job(line), Some(("step with normalisation, 128".into(), 92.31)));
        assert_eq!(job("this, widths [16, 32, 64], CPU   side  first ms   then ms    MP/s  peak MB"), None);
    }
}
