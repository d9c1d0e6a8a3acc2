//! `cargo xtask bench`: how fast the network is, natively and in the browser.

use crate::browser::Browser;
use crate::page::{self, Profile};
use crate::{checks, paths, process};
use anyhow::Result;
use std::path::Path;

/// Times the page as it is shipped and the native program, then runs the crates' own benchmarks, if they have any.
pub fn run(trunk: Option<&Path>) -> Result<()> {
    Browser::ensure()?;
    page::build(Profile::Dist, trunk, &paths::dist())?;
    process::run(process::cargo().arg("build").args(checks::NATIVE))?;
    let mut programs = process::cargo();
    programs.arg("run").args(checks::NATIVE).args(["--bin", "bench", "--"]).arg(paths::dist());
    process::run(&mut programs)?;
    if ["model/benches", "trainer/benches"].iter().any(|folder| paths::root().join(folder).is_dir()) {
        process::run(process::cargo().arg("bench").args(&checks::NATIVE[1..]).args(["--bench", "*"]))?;
    }
    Ok(())
}
