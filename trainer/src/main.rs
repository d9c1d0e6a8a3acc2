//! `trainer`: trains, measures and applies the red blood cell segmentation network.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod augment;
mod calibrate;
mod card;
mod chart;
mod check;
mod checkpoint;
mod classes;
mod cli;
mod compare;
mod data_files;
mod dataset;
mod device;
mod evaluate;
mod export;
mod field;
mod files;
mod fit;
#[cfg(test)]
mod fixture;
mod folds;
mod inputs;
mod instances;
mod lock;
mod manifest;
mod masks;
mod optimiser;
mod outputs;
mod predict;
mod problem;
mod progress;
mod queue;
mod recipe;
mod records;
mod report;
mod results;
mod run_files;
mod say;
mod score;
mod shipped;
mod signature;
mod synth;
mod table;
mod train;
mod trial;

use anyhow::Result;
use cli::Command;
use std::process::ExitCode;

/// Keeps freed memory for the next tensor: returning megabytes to the system and faulting them in again costs more than
/// the arithmetic of the small layers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit status for a command line that makes no sense.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match cli::parse() {
        Ok(cli) => cli.command,
        Err(cli::Refused::Answer(text)) => {
            say::out!("{}", text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(cli::Refused::Error(what)) => {
            say::err!("error: {what}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::err!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Synth(args) => synth::run(&args),
        Command::Check(args) => check::run(&args.data),
        Command::Train(args) => train::run(&args),
        Command::Export(args) => export::run(&args),
    }
}
