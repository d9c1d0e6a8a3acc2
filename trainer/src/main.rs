//! `trainer`: trains, measures and applies the red blood cell segmentation network.

mod cli;
mod dataset;
mod device;
mod folds;
mod manifest;
mod problem;
mod records;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        other => anyhow::bail!("not there yet: {other:?}"),
    }
}
