//! Builds the page: with trunk if it is there, else with the same steps done here.

use crate::html::{self, Link};
use crate::wasm::Toolchain;
use crate::{licences, paths, process, tools};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How far the page is optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For `serve` and the tests.
    Release,
    /// For publication: optimised at link time, then by wasm-opt.
    Dist,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }
}

/// Builds the page into `folder` with the program `trunk`, or without it if it is `None`.
pub fn build(profile: Profile, trunk: Option<&Path>, folder: &Path) -> Result<()> {
    let toolchain = Toolchain::ensure()?;
    let bindgen = tools::wasm_bindgen()?;
    process::must_exist(&paths::root().join("index.html"), "this is not the whole project")?;
    match trunk {
        Some(trunk) => with_trunk(profile, toolchain, trunk, bindgen, folder)?,
        None => without_trunk(profile, toolchain, &bindgen, folder)?,
    }
    if profile == Profile::Dist
        && let Some(program) = tools::wasm_opt()
    {
        optimise(&program, folder)?;
    }
    licences::write(folder)
}

fn with_trunk(
    profile: Profile,
    toolchain: Toolchain,
    trunk: &Path,
    bindgen: PathBuf,
    folder: &Path,
) -> Result<()> {
    let mut command = toolchain.command(&trunk.to_string_lossy(), &[bindgen])?;
    command.arg("build").arg("--dist").arg(folder);
    if profile == Profile::Dist {
        command.args(["--cargo-profile", profile.name()]);
    }
    // trunk's own backtrace is of no use if the compiler failed.
    command.env("RUST_BACKTRACE", "0");
    // trunk parses this variable as a boolean and rejects the usual "1".
    command.env_remove("NO_COLOR");
    process::run(&mut command)
}

/// Does what trunk does with index.html, for those kinds of links that this page has.
fn without_trunk(profile: Profile, toolchain: Toolchain, bindgen: &Path, folder: &Path) -> Result<()> {
    let index = paths::root().join("index.html");
    let page = fs::read_to_string(&index).with_context(|| format!("cannot read {}", index.display()))?;
    // Built beside the old page, so that this one stays complete if the build fails.
    let stage = folder.with_extension("new");
    clear(&stage)?;
    let mut replaced = Vec::new();
    for link in html::trunk_links(&page) {
        let text = match link.need("rel")? {
            "rust" => program(&link, profile, toolchain, bindgen, &stage)?,
            "copy-file" | "copy-dir" => bring(&link, &stage).map(|()| String::new())?,
            other => bail!("data-trunk links with rel=\"{other}\" need trunk: {}", index.display()),
        };
        replaced.push((link, text));
    }
    fs::write(stage.join("index.html"), html::replace(&page, &replaced))?;
    clear(folder)?;
    fs::remove_dir(folder)?;
    fs::rename(&stage, folder).with_context(|| format!("cannot write {}", folder.display()))
}

/// Compiles one of the page's programs; returns the HTML that starts it, which for a worker is none.
fn program(
    link: &Link,
    profile: Profile,
    toolchain: Toolchain,
    bindgen: &Path,
    stage: &Path,
) -> Result<String> {
    let name = link.need("data-bin")?;
    let worker = link.get("data-type") == Some("worker");
    let manifest = paths::root().join(link.need("href")?);
    // As in trunk, the link's own profile takes precedence over that of the page.
    let profile = link.get("data-cargo-profile").unwrap_or(profile.name());
    let mut cargo = toolchain.command("cargo", &[])?;
    cargo.args(["build", "--target", "wasm32-unknown-unknown", "--profile", profile, "--bin", name]);
    cargo.arg("--manifest-path").arg(manifest);
    if let Some(features) = link.get("data-cargo-features") {
        cargo.args(["--features", features]);
    }
    process::run(&mut cargo)?;

    let kind = link.get("data-bindgen-target").unwrap_or(if worker { "no-modules" } else { "web" });
    let folder = paths::wasm_target().join("wasm32-unknown-unknown").join(profile);
    let mut command = Command::new(bindgen.join("wasm-bindgen"));
    command.args(["--no-typescript", "--target", kind, "--out-name", name, "--out-dir"]).arg(stage);
    process::run(command.arg(folder.join(format!("{name}.wasm"))))?;
    // The page starts its workers itself; the page's own program is started by the HTML in Trunk.toml.
    if worker { Ok(String::new()) } else { Ok(pattern("pattern_preload")? + &pattern("pattern_script")?) }
}

/// The value of a setting in Trunk.toml, used by trunk and by us.
fn pattern(name: &str) -> Result<String> {
    let path = paths::root().join("Trunk.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("= '"));
    let found = lines.filter_map(|line| line.strip_suffix('\'')).next();
    found.map(String::from).with_context(|| format!("{name} is missing: {}", path.display()))
}

/// Copies the file or folder named by a link into the page.
fn bring(link: &Link, stage: &Path) -> Result<()> {
    let href = link.need("href")?;
    let from = paths::root().join(href);
    process::must_exist(&from, "index.html asks for it")?;
    let own = from.file_name().map(|name| name.to_string_lossy().into_owned());
    let own = own.with_context(|| format!("not the name of a file: {href}"))?;
    let name = match (link.get("data-target-path"), from.is_dir()) {
        (None, _) => own,
        (Some(path), true) => path.to_string(),
        (Some(path), false) => format!("{path}/{own}"),
    };
    copy(&from, &stage.join(name)).with_context(|| format!("cannot copy {}", from.display()))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).map(|_| ())
}

/// Makes `folder` an empty folder.
fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot write {}", folder.display()))
}

/// Optimises every wasm file with wasm-opt for speed: compressed, the result is no larger than with options for size.
fn optimise(program: &Path, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            let mut command = Command::new(program);
            command.arg("-O3").args(["--strip-debug", "--strip-producers"]);
            // The features that rustc emits; the stripped file no longer states them.
            for feature in [
                "simd",
                "bulk-memory",
                "sign-ext",
                "mutable-globals",
                "nontrapping-float-to-int",
                "reference-types",
                "multivalue",
            ] {
                command.arg(format!("--enable-{feature}"));
            }
            process::run(command.arg(&file).arg("--output").arg(&file))?;
        }
    }
    Ok(())
}
