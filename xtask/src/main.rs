//! `cargo xtask`: the project's development tasks.

use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode};
use xtask::browser::Browser;
use xtask::page::{self, Profile};
use xtask::server::Server;
use xtask::wasm::Toolchain;
use xtask::{bench, checks, paths, process, size, tools};

const HELP: &str = "\
cargo xtask setup           installs what is missing to build and test, and only that
cargo xtask serve           builds the page and serves it on this machine  [--port N] (8080)
cargo xtask dist            builds the page for others, the folder dist/, and weighs it
cargo xtask test            runs every check and every test, also in a real browser
cargo xtask bench           times the network natively and in the browser

  --no-trunk                serve, dist, test: assemble the page without trunk";

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
    let Some((name, rest)) = arguments.split_first() else {
        println!("{HELP}");
        return Ok(());
    };
    let options = Options::parse(rest)?;
    match name.as_str() {
        "setup" => setup(),
        "serve" => serve(&options),
        "dist" => dist(&options),
        "test" => test(&options),
        "bench" => bench::run(options.trunk().as_deref()),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command `{other}`; cargo xtask help lists them"),
    }
}

struct Options {
    port: u16,
    trunk: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { port: 8080, trunk: true };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--no-trunk" => options.trunk = false,
                "--port" => {
                    let port = words.next().context("--port needs a number")?;
                    options.port =
                        port.parse().with_context(|| format!("not the number of a port: {port}"))?;
                }
                other => bail!("there is no option `{other}`; cargo xtask help lists them"),
            }
        }
        Ok(options)
    }

    /// trunk, if it is installed and wanted. It takes longer to compile than the page and does nothing that xtask
    /// cannot do without it, so only `setup` and `test` install it.
    fn trunk(&self) -> Option<std::path::PathBuf> {
        if self.trunk { tools::find_trunk() } else { None }
    }
}

fn setup() -> Result<()> {
    let toolchain = Toolchain::ensure()?;
    println!(
        "compiler for the page: {}",
        match toolchain {
            Toolchain::Native => "the native toolchain",
            Toolchain::Debian => "Debian's, /usr/bin/cargo",
        }
    );
    println!("wasm-bindgen: {}", tools::wasm_bindgen()?.display());
    let shown =
        |path: Option<std::path::PathBuf>| path.map_or("none".into(), |path| path.display().to_string());
    println!("trunk: {}", shown(tools::trunk()));
    println!("wasm-opt: {}", shown(tools::wasm_opt()));
    components()?;
    let browser = Browser::ensure()?;
    println!("browser for the tests: {}, {}", browser.program.display(), browser.driver.display());
    Ok(())
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
            println!("setup: rustup component add {component}");
            process::run(Command::new("rustup").args(["component", "add", component])).with_context(
                || format!("cargo {command} is needed; type\n    rustup component add {component}"),
            )?;
        }
    }
    Ok(())
}
