//! Finds the programs that the page is built with, or installs them. Nothing that is already there is replaced.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The last version of trunk that compiles with the Rust releases this project supports, and only with its own lock
/// file.
const TRUNK: &str = "0.21.14";
/// The version of geckodriver, with which the tests open the page in Firefox.
const GECKODRIVER: &str = "0.37.1";
/// The npm package of wasm-opt; Debian's wasm-opt is too old for today's wasm.
const BINARYEN: &str = "132.0.0";
const OLDEST_WASM_OPT: u32 = 116;
/// The version of axe-core, with which the tests check the page's accessibility.
const AXE: &str = "4.14.1";
/// The version of ONNX Runtime Web, with which the page's speed is compared.
const ONNX_RUNTIME_WEB: &str = "1.30.0";

/// The folder of `wasm-bindgen` and its test runner. Their version must be exactly that of the crate in Cargo.lock.
pub fn wasm_bindgen() -> Result<PathBuf> {
    let version = locked_version("wasm-bindgen")?;
    let runner = format!("wasm-bindgen-test-runner{}", std::env::consts::EXE_SUFFIX);
    if let Some(found) = process::which("wasm-bindgen")
        && has_version(&found, &version)
        && found.with_file_name(runner).is_file()
    {
        return parent(&found);
    }
    cargo_install(&Package {
        krate: "wasm-bindgen-cli",
        version: &version,
        program: "wasm-bindgen",
        features: &[],
        only_locked: false,
        why: "it joins the compiled page to JavaScript",
    })
}

/// trunk, if this machine has a version that can read our Trunk.toml.
pub fn find_trunk() -> Option<PathBuf> {
    let installed = cargo_folder("trunk", TRUNK).join("trunk");
    [process::which("trunk"), Some(installed)].into_iter().flatten().find(|program| {
        process::output(Command::new(program).arg("--version"))
            .and_then(|text| minor(text.split_whitespace().nth(1)?))
            .is_some_and(|minor| Some(minor) >= self::minor(TRUNK))
    })
}

/// trunk, installed if necessary; `None` if that fails, in which case the page is built without it.
pub fn trunk() -> Option<PathBuf> {
    if let Some(found) = find_trunk() {
        return Some(found);
    }
    let package = Package {
        krate: "trunk",
        version: TRUNK,
        program: "trunk",
        features: &["--no-default-features", "--features", "rustls"],
        only_locked: true,
        why: "it assembles the page",
    };
    match cargo_install(&package) {
        Ok(folder) => Some(folder.join("trunk")),
        Err(error) => {
            println!("setup: no trunk: {error:#}");
            println!("setup: going on without it; the page is assembled by xtask, the result is the same");
            None
        }
    }
}

/// geckodriver, if this machine has it.
pub fn find_geckodriver() -> Option<PathBuf> {
    let program = format!("geckodriver{}", std::env::consts::EXE_SUFFIX);
    let installed = cargo_folder("geckodriver", GECKODRIVER).join(program);
    process::which("geckodriver").or(Some(installed)).filter(|program| program.is_file())
}

/// geckodriver, installed if necessary.
pub fn geckodriver() -> Result<PathBuf> {
    if let Some(found) = find_geckodriver() {
        return Ok(found);
    }
    let package = Package {
        krate: "geckodriver",
        version: GECKODRIVER,
        program: "geckodriver",
        features: &[],
        only_locked: false,
        why: "the tests open the page in Firefox with it",
    };
    Ok(cargo_install(&package)?.join("geckodriver"))
}

/// 21 for "0.21.14".
fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

/// wasm-opt, installed if necessary; `None` if that fails, in which case the download is larger.
pub fn wasm_opt() -> Option<PathBuf> {
    if let Some(found) = process::which("wasm-opt")
        && process::output(Command::new(&found).arg("--version"))
            .and_then(|text| text.split_whitespace().nth(2)?.parse::<u32>().ok())
            .is_some_and(|version| version >= OLDEST_WASM_OPT)
    {
        return Some(found);
    }
    let program = if cfg!(windows) { ".bin/wasm-opt.cmd" } else { ".bin/wasm-opt" };
    npm_install("binaryen", BINARYEN, program, "wasm-opt; without it the page is larger")
}

/// The script of axe-core; `None` if it can't be installed, in which case accessibility is not tested.
pub fn axe() -> Option<PathBuf> {
    npm_install(
        "axe-core",
        AXE,
        "axe-core/axe.min.js",
        "axe; without it the page's accessibility is not tested",
    )
}

/// The folder of ONNX Runtime Web's scripts; `None` if it can't be installed.
pub fn onnx_runtime_web() -> Option<PathBuf> {
    let script = npm_install(
        "onnxruntime-web",
        ONNX_RUNTIME_WEB,
        "onnxruntime-web/dist/ort.wasm.min.mjs",
        "ONNX Runtime Web; without it the page is timed alone",
    )?;
    script.parent().map(Path::to_path_buf)
}

/// A file of an npm package, which is installed into a folder of its own outside the clone; `what` describes it in
/// messages.
fn npm_install(package: &str, version: &str, file: &str, what: &str) -> Option<PathBuf> {
    let folder = paths::tools().join(format!("{package}-{version}"));
    let found = folder.join("node_modules").join(file);
    if found.exists() {
        return Some(found);
    }
    let Some(npm) = process::which("npm") else {
        println!("setup: npm is missing, cannot install {what}; install Node.js to get it");
        return None;
    };
    println!("setup: installing {package} {version} from npm for {what}");
    let mut npm = Command::new(npm);
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&folder);
    npm.arg(format!("{package}@{version}"));
    let done = std::fs::create_dir_all(&folder).map_err(Into::into).and_then(|()| process::run(&mut npm));
    if let Err(error) = done {
        println!("setup: {error:#}: no {what}");
        return None;
    }
    if !found.exists() {
        println!("setup: npm installed {package} {version} without {file}: no {what}");
        return None;
    }
    Some(found)
}

/// The version of a crate in Cargo.lock.
pub fn locked_version(krate: &str) -> Result<String> {
    let path = paths::root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    version_in_lock(&lock, krate)
        .with_context(|| format!("the workspace does not use the crate {krate}: {}", path.display()))
}

fn version_in_lock(lock: &str, krate: &str) -> Option<String> {
    let wanted = format!("name = \"{krate}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_string())
}

/// Whether this machine has apt.
pub fn has_apt() -> bool {
    process::which("apt-get").is_some()
}

/// Installs packages with apt, as root or with passwordless sudo.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    println!("setup: apt-get install {list}");
    let root = process::output(Command::new("id").arg("-u")).as_deref() == Some("0");
    let sudo = !root && process::output(Command::new("sudo").args(["-n", "true"])).is_some();
    if !root && !sudo {
        bail!("root's rights are needed; type\n    sudo apt-get install --no-install-recommends {list}");
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(if sudo { "sudo" } else { "env" });
        if sudo {
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o=Dpkg::Use-Pty=0"]);
        // A new machine often updates itself in the background, which holds dpkg's lock for a while.
        command.arg("-o=DPkg::Lock::Timeout=120");
        process::run(command.args(arguments))
    };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // Package lists may be missing or out of date on a new machine. A single source that can't be reached fails the
    // update, but the packages may come from another one.
    if let Err(error) = apt(&["update"]) {
        println!("setup: {error:#}; trying to install nevertheless");
    }
    apt(&install)
        .with_context(|| format!("type\n    sudo apt-get install --no-install-recommends {list}\nto see why"))
}

/// A program from crates.io.
struct Package<'a> {
    krate: &'a str,
    version: &'a str,
    program: &'a str,
    features: &'a [&'a str],
    /// Whether it compiles only with the dependencies in its own lock file.
    only_locked: bool,
    /// What it is needed for.
    why: &'a str,
}

/// Compiles a program from crates.io into a folder of its own, unless it is there already; returns the folder of its
/// binaries.
fn cargo_install(package: &Package) -> Result<PathBuf> {
    let Package { krate, version, features, why, .. } = *package;
    let folder = cargo_folder(krate, version);
    let root = parent(&folder)?;
    if has_version(&folder.join(package.program), version) {
        return Ok(folder);
    }
    println!("setup: installing {krate} {version} ({why}); this takes some minutes");
    let install = |locked: bool| {
        let mut command = process::cargo();
        command.args(["install", "--quiet", krate, "--version", version, "--force"]).args(features);
        command.arg("--root").arg(&root).current_dir(std::env::temp_dir());
        // Not in our own target folder, where it would occupy a gigabyte for good.
        command.env("CARGO_TARGET_DIR", root.join("build"));
        if locked {
            command.arg("--locked");
        }
        process::run(&mut command)
    };
    let mut done = install(true);
    // A registry mirror may lag behind the program's lock file; the second attempt uses the versions that the mirror
    // has.
    if let Err(error) = &done
        && !package.only_locked
    {
        println!("setup: {error:#}; trying again with the newest dependencies");
        done = install(false);
    }
    // Only the binaries are needed from here on; what can't be removed does no harm.
    let _ = std::fs::remove_dir_all(root.join("build"));
    done.with_context(|| {
        let locked = if package.only_locked { " --locked" } else { "" };
        format!(
            "could not install {krate}; type\n    cargo install {krate} --version {version}{locked}\nto see why"
        )
    })?;
    Ok(folder)
}

/// The folder of the binaries that [`cargo_install`] compiles.
fn cargo_folder(krate: &str, version: &str) -> PathBuf {
    paths::tools().join(format!("{krate}-{version}")).join("bin")
}

fn has_version(program: &Path, version: &str) -> bool {
    process::output(Command::new(program).arg("--version"))
        .is_some_and(|text| text.split_whitespace().any(|word| word == version))
}

fn parent(file: &Path) -> Result<PathBuf> {
    file.parent().map(Path::to_path_buf).with_context(|| format!("{} has no folder", file.display()))
}

#[cfg(test)]
mod tests {
    use super::version_in_lock;

    #[test]
    fn the_locked_version_is_that_of_the_crate_itself() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in_lock(lock, "trunk"), None);
    }
}
