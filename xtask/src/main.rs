//! `cargo xtask`: the project's development tasks.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use xtask::browser::Engine;
use xtask::page::{self, Profile};
use xtask::server::Server;
use xtask::wasm::Toolchain;
use xtask::{bench, checks, paths, process, size, tools};

const HELP: &str = "\
cargo xtask setup           installs what is missing to build and test, and only that
cargo xtask serve           builds the page and serves it on this machine
cargo xtask dist            builds the page for others, the folder dist/, and weighs it
cargo xtask test            runs every check and every test, also in real browsers
cargo xtask bench           times the network natively and in the browser

  --port N                  serve: the port to serve on [default: 8080]; 0 takes any free one
  --no-trunk                serve, dist, test, bench: assemble the page without trunk";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String]) -> Result<()> {
    let asked_for_help = arguments.iter().any(|word| word == "--help" || word == "-h");
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) if name != "help" && !asked_for_help => (name, rest),
        _ => {
            println!("{HELP}");
            return Ok(());
        }
    };
    let options = |known: &[&str]| Options::parse(rest, known);
    match name.as_str() {
        "setup" => options(&[]).and_then(|_| setup()),
        "serve" => serve(&options(&["--port", "--no-trunk"])?),
        "dist" => dist(&options(&["--no-trunk"])?),
        "test" => test(&options(&["--no-trunk"])?),
        "bench" => bench::run(options(&["--no-trunk"])?.trunk().as_deref()),
        other => bail!("unknown command `{other}`; see cargo xtask help"),
    }
}

struct Options {
    port: u16,
    trunk: bool,
}

impl Options {
    /// Parses the options of a command, which takes those in `known`.
    fn parse(arguments: &[String], known: &[&str]) -> Result<Self> {
        let mut options = Self { port: 8080, trunk: true };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                other if !known.contains(&other) => {
                    bail!("this command has no option `{other}`; see cargo xtask help")
                }
                "--port" => {
                    let port = words.next().context("--port needs a number from 0 to 65535")?;
                    let number: Option<u16> = port.parse().ok();
                    options.port = number
                        .with_context(|| format!("--port needs a number from 0 to 65535, not {port}"))?;
                }
                _ => options.trunk = false,
            }
        }
        Ok(options)
    }

    /// trunk, if it is installed and wanted. It takes longer to compile than the page and does nothing that xtask
    /// cannot do without it, so only `setup` and `test` install it.
    fn trunk(&self) -> Option<PathBuf> {
        if self.trunk { tools::find_trunk() } else { None }
    }
}

/// A step of the setup; returns what is there now.
type Step = fn() -> Result<String>;

/// Takes every step, even after one has failed, so that a single run tells all that is missing.
fn setup() -> Result<()> {
    let steps: [(&str, Step); 9] = [
        ("compiler for the page", || {
            Ok(match Toolchain::ensure()? {
                Toolchain::Native => "the native toolchain".into(),
                Toolchain::Debian => "Debian's, /usr/bin/cargo".into(),
            })
        }),
        ("wasm-bindgen", || Ok(tools::wasm_bindgen()?.display().to_string())),
        ("trunk", || Ok(shown(tools::trunk()))),
        ("wasm-opt", || Ok(shown(tools::wasm_opt()))),
        ("formatter and linter", || components().map(|()| "cargo fmt, cargo clippy".into())),
        ("accessibility checker", || Ok(shown(tools::axe()))),
        ("browser for the tests", || Ok(Engine::Chromium.ensure()?.to_string())),
        ("Firefox for the tests", || Ok(optional(Engine::Firefox))),
        ("WebKit for the tests", || Ok(optional(Engine::WebKit))),
    ];
    let mut missing = Vec::new();
    for (what, step) in steps {
        match step() {
            Ok(found) => println!("{what}: {found}"),
            Err(error) => {
                println!("{what}: {error:#}");
                missing.push(what);
            }
        }
    }
    if !missing.is_empty() {
        bail!("not everything is ready, see above: {}", missing.join(", "));
    }
    Ok(())
}

/// A browser in which the tests open the page too, if it can be had.
fn optional(engine: Engine) -> String {
    engine.ensure().map_or_else(|error| format!("none: {error:#}"), |browser| browser.to_string())
}

/// The path of an optional tool.
fn shown(tool: Option<PathBuf>) -> String {
    tool.map_or_else(|| "none".into(), |path| path.display().to_string())
}

fn serve(options: &Options) -> Result<()> {
    // Before the build, which takes minutes, so that a taken port is noticed at once.
    let server = Server::start(&paths::site(), options.port)?;
    page::build(Profile::Release, options.trunk().as_deref(), &paths::site())?;
    println!("\nThe page is at {}  (Ctrl-C ends it)", server.url());
    loop {
        std::thread::park();
    }
}

fn dist(options: &Options) -> Result<()> {
    page::build(Profile::Dist, options.trunk().as_deref(), &paths::dist())?;
    let sizes = size::measure(&paths::dist())?;
    print!("{}", size::report(&sizes));
    size::check(&sizes)?;
    println!("ready for any web host: {}", paths::dist().display());
    Ok(())
}

fn test(options: &Options) -> Result<()> {
    components()?;
    let trunk = if options.trunk { tools::trunk() } else { None };
    checks::run(trunk.as_deref())
}

/// Installs the formatter and the linter, which rustup's minimal profile lacks.
fn components() -> Result<()> {
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if process::output(process::cargo().args([command, "--version"])).is_none() {
            // A distribution's Rust.
            if process::which("rustup").is_none() {
                bail!(
                    "cargo fmt and cargo clippy are needed; install your distribution's packages of them, for \
                     example\n    sudo apt-get install rustfmt rust-clippy\n    sudo dnf install rustfmt clippy"
                );
            }
            println!("setup: rustup component add {component}");
            process::run(Command::new("rustup").args(["component", "add", component])).with_context(
                || format!("cargo {command} is needed; type\n    rustup component add {component}"),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn an_option_is_refused_where_it_does_not_apply() {
        let parse = |words: &str, known: &[&str]| {
            let words: Vec<String> = words.split_whitespace().map(String::from).collect();
            let parsed = Options::parse(&words, known);
            parsed.map(|options| (options.port, options.trunk)).map_err(|error| error.to_string())
        };
        let all = ["--port", "--no-trunk"];
        assert_eq!(parse("", &[]), Ok((8080, true)));
        assert_eq!(parse("--port 0 --no-trunk", &all), Ok((0, false)));
        assert!(parse("--port 0", &["--no-trunk"]).is_err_and(|told| told.contains("`--port`")));
        assert!(parse("--port x", &all).is_err_and(|told| told.ends_with("65535, not x")));
        assert!(parse("--port", &all).is_err() && parse("--ports 1", &all).is_err());
    }
}
