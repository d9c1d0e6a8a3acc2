//! Runs the `trainer` program as users do.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The outcome of a run.
#[derive(Debug)]
pub struct Run {
    pub success: bool,
    /// The exit status; `None` if the program was killed.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The one line on standard error that contains `subject`; fails unless there is exactly one.
    pub fn line_about(&self, subject: &str) -> Result<&str> {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| line.contains(subject)).collect();
        ensure!(lines.len() == 1, "one line about {subject} expected:\n{}", self.stderr);
        Ok(lines[0])
    }

    /// Fails with the program's output unless it succeeded.
    pub fn succeeded(self) -> Result<Self> {
        ensure!(self.success, "trainer failed:\n{}{}", self.stdout, self.stderr);
        Ok(self)
    }
}

/// Runs `trainer` with these arguments and waits for its end.
pub fn trainer<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Run> {
    let program = program()?;
    let output = Command::new(&program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(Run {
        success: output.status.success(),
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs `trainer predict` on the CPU: segments images, or those in folders, and writes the results to `out`; `more` are
/// further options.
pub fn predict<P: AsRef<Path>>(inputs: &[P], out: &Path, more: &[&str]) -> Result<Run> {
    let words = ["predict", "--device", "cpu"].iter().chain(more).map(OsStr::new);
    let inputs = inputs.iter().map(|input| input.as_ref().as_os_str());
    trainer(words.chain([OsStr::new("--out"), out.as_os_str()]).chain(inputs))
}

/// Generates synthetic test images with masks in `folder`, in `test/images` and `test/masks`; returns the images'
/// paths.
pub fn synth(folder: &Path, images: usize, seed: u64) -> Result<Vec<PathBuf>> {
    let (images, seed) = (images.to_string(), seed.to_string());
    let words = ["synth", "--train", "0", "--test", &images, "--seed", &seed, "--out"].map(OsStr::new);
    trainer(words.into_iter().chain([folder.as_os_str()]))?.succeeded()?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.join("test/images"))? {
        found.push(entry?.path());
    }
    found.sort();
    Ok(found)
}

/// The program that was built along with the tests.
pub fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let name = format!("trainer{}", std::env::consts::EXE_SUFFIX);
    // The test programs are one folder below the other programs.
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(&name)).find(|file| file.is_file());
    // Without `--release` the tests lie in another folder, and the program must too.
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    found.with_context(|| {
        format!("no trainer beside {}; type\n    cargo build{profile} -p trainer", own.display())
    })
}
