//! The toolchain that compiles for wasm32-unknown-unknown: rustup's, or Debian's packages where rustup cannot download
//! the target.

use crate::{paths, process, tools};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The platform that the page is compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's Rust for browsers; `rust-web-src` has the source of the standard library, which is compiled with the page.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust/library/std";
/// The name by which Debian's rustc calls its linker; a symbolic link into one of Debian's `lld` packages.
const DEBIAN_LINKER: &str = "/usr/bin/rust-lld";
/// The oldest supported Rust release, as in Cargo.toml.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The toolchain that compiles code for the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The native toolchain, which has the target.
    Native,
    /// /usr/bin/cargo, which also compiles the standard library.
    Debian,
}

impl Toolchain {
    /// Finds the toolchain of this machine, installing one if there is none.
    pub fn ensure() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        println!("setup: Rust's {TARGET} target is missing; the page is compiled for it");
        if process::which("rustup").is_some() {
            println!("setup: rustup target add {TARGET}");
            let mut add = Command::new("rustup");
            add.args(["target", "add", TARGET]);
            if let Err(error) = process::run_within(&mut add, Duration::from_secs(240)) {
                println!("setup: rustup could not fetch it: {error}");
            }
        }
        if Self::find().is_none() && tools::has_apt() {
            println!("setup: trying Debian's packages of Rust for browsers");
            if let Err(error) = install_debian() {
                println!("setup: {error:#}");
            }
        }
        match Self::find() {
            Some(found) => Ok(found),
            None => bail!(
                "no Rust toolchain here can compile for {TARGET}. Type\n    rustup target add {TARGET}\n\
                 or, on Debian 12,\n    sudo apt-get install {} lld-22\n\
                 or, on Fedora,\n    sudo dnf install rust-std-static-{TARGET}\n\
                 or install Rust with rustup, https://rustup.rs",
                DEBIAN_PACKAGES.join(" ")
            ),
        }
    }

    fn find() -> Option<Self> {
        let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]));
        if sysroot.is_some_and(|root| Path::new(&root).join("lib/rustlib").join(TARGET).join("lib").is_dir())
        {
            return Some(Self::Native);
        }
        let needed = ["/usr/bin/cargo", "/usr/bin/cargo-clippy", DEBIAN_LINKER, DEBIAN_STD];
        let complete = needed.iter().all(|file| Path::new(file).exists());
        let version = process::output(Command::new("/usr/bin/rustc").arg("--version"))?;
        (complete && is_supported(&version)).then_some(Self::Debian)
    }

    /// A command for `program` (cargo or trunk) with this toolchain, with the folders `tools` in front of `PATH` and a
    /// separate target folder.
    pub fn command(self, program: &str, tools: &[PathBuf]) -> Result<Command> {
        let mut front = tools.to_vec();
        let mut command = match self {
            Self::Native => Command::new(program),
            Self::Debian => {
                // In front of the other folders, since one of them may be rustup's, which has a cargo of its own.
                front.insert(0, "/usr/bin".into());
                let mut command = Command::new(if program == "cargo" { "/usr/bin/cargo" } else { program });
                command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
                // Variables set by the native cargo, which would mislead this one.
                for name in ["LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO"] {
                    command.env_remove(name);
                }
                command
            }
        };
        // Cargo describes the crate that it runs, xtask, in these variables; they would make build scripts run again.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
        command.current_dir(paths::root()).env("PATH", process::path_with(&front)?);
        command.env("CARGO_TARGET_DIR", paths::wasm_target());
        Ok(command)
    }
}

fn install_debian() -> Result<()> {
    tools::apt_install(&DEBIAN_PACKAGES)?;
    // The link's target is named after the LLVM release that rustc was built with, for example lld-22.
    if !Path::new(DEBIAN_LINKER).exists()
        && let Ok(linker) = std::fs::read_link(DEBIAN_LINKER)
        && let Some(package) = linker.file_name().and_then(|name| name.to_str())
    {
        tools::apt_install(&[package])?;
    }
    match process::output(Command::new("/usr/bin/rustc").arg("--version")) {
        Some(version) if !is_supported(&version) => {
            bail!("the {version} that apt installed is too old; {OLDEST} or newer is needed")
        }
        _ => Ok(()),
    }
}

/// Whether a compiler that calls itself `rustc 1.96.0 (...)` is at least the oldest supported one.
fn is_supported(rustc: &str) -> bool {
    let minor = |version: &str| version.split('.').nth(1)?.parse::<u32>().ok();
    rustc.split_whitespace().nth(1).and_then(minor).is_some_and(|number| Some(number) >= minor(OLDEST))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, is_supported};

    #[test]
    fn only_compilers_that_are_too_old_are_refused() {
        assert!(is_supported("rustc 1.196.0 (ac68faa20 2026-05-25)"));
        assert!(is_supported(&format!("rustc {OLDEST}.0 (ac68faa20 2026-05-25)")));
        assert!(!is_supported("rustc 1.9.0 (ac68faa20 2026-05-25)") && !is_supported("rustc"));
    }
}
