//! The browsers for tests and benchmarks, and their drivers. Chromium does everything; Firefox and WebKit do the tests
//! that need neither WebGPU nor Chromium's own commands.

mod chromium;
mod firefox;
mod webkit;

use crate::{paths, process, tools};
use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a browser is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Chromium,
    Firefox,
    WebKit,
}

impl Engine {
    /// The name, as in `RBC_BROWSER`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
        }
    }

    /// The engine named by the environment variable `RBC_BROWSER`; Chromium if it is not set.
    ///
    /// # Errors
    ///
    /// If the variable names none.
    pub fn wanted() -> Result<Self> {
        let Some(name) = std::env::var_os("RBC_BROWSER").filter(|name| !name.is_empty()) else {
            return Ok(Self::Chromium);
        };
        let all = [Self::Chromium, Self::Firefox, Self::WebKit];
        match all.into_iter().find(|engine| engine.name() == name) {
            Some(engine) => Ok(engine),
            None => bail!("RBC_BROWSER is {}; use chromium, firefox or webkit", name.display()),
        }
    }

    /// This machine's browser with this engine, if there is one.
    ///
    /// # Errors
    ///
    /// If a variable that should name a program does not.
    pub fn look(self) -> Result<Option<Browser>> {
        match self {
            Self::Chromium => chromium::look(),
            Self::Firefox => firefox::look(),
            Self::WebKit => webkit::look(),
        }
    }

    /// The same, installed if there is none. Fails if its driver does not fit: better now than after the build.
    pub fn ensure(self) -> Result<Browser> {
        let browser = match self.look()? {
            Some(found) => found,
            None => self.install()?,
        };
        browser.check_versions()?;
        Ok(browser)
    }

    fn install(self) -> Result<Browser> {
        println!("setup: {} and its driver are missing; the tests open the page in it", self.name());
        let installed = match self {
            Self::Chromium => chromium::install(),
            Self::Firefox => firefox::install(),
            Self::WebKit => webkit::install(),
        };
        if let Err(error) = installed {
            println!("setup: {error:#}");
        }
        self.find()
    }

    /// This machine's browser with this engine, which must be there.
    pub fn find(self) -> Result<Browser> {
        self.look()?.with_context(|| {
            let advice = match self {
                Self::Chromium => chromium::advice(),
                Self::Firefox => firefox::advice(),
                Self::WebKit => webkit::advice(),
            };
            format!("a browser and its driver are needed ({}). {advice}", self.name())
        })
    }
}

/// A browser and the program that drives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    pub engine: Engine,
    pub program: PathBuf,
    pub driver: PathBuf,
}

impl fmt::Display for Browser {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}, {}", self.program.display(), self.driver.display())
    }
}

impl Browser {
    /// Fails if browser and driver are of different major versions: such a driver opens no window. One that doesn't
    /// tell its version is given the benefit of the doubt. Firefox's driver counts its own versions.
    fn check_versions(&self) -> Result<()> {
        if self.engine != Engine::Chromium {
            return Ok(());
        }
        let version = |program: &Path| {
            process::output(Command::new(program).arg("--version")).and_then(|text| major(&text))
        };
        if let (Some(browser), Some(driver)) = (version(&self.program), version(&self.driver)) {
            ensure!(
                browser == driver,
                "the browser {} has version {browser}, but its driver {} has version {driver}: install both in one \
                 version, or set CHROME and CHROMEDRIVER to two programs that fit",
                self.program.display(),
                self.driver.display()
            );
        }
        Ok(())
    }

    /// The capabilities to request from the driver, as JSON: with WebGPU, emulated by the CPU, if `webgpu` (Chromium only).
    /// Any number of downloads are saved to `downloads` without asking; `more` are additional flags for Chromium.
    pub fn capabilities(&self, webgpu: bool, downloads: Option<&Path>, more: &[&str]) -> String {
        match self.engine {
            Engine::Chromium => chromium::capabilities(&self.program, webgpu, downloads, more),
            Engine::Firefox => firefox::capabilities(&self.program, downloads),
            Engine::WebKit => webkit::capabilities(&self.program),
        }
    }

    /// Writes the file that tells wasm-bindgen's test runner how to start the browser.
    pub fn write_runner_settings(&self) -> Result<PathBuf> {
        let file = paths::wasm_target().join("webdriver.json");
        std::fs::create_dir_all(paths::wasm_target())
            .and_then(|()| std::fs::write(&file, self.capabilities(true, None, &[])))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

/// The program that an environment variable names, if it is set.
fn named(variable: &str) -> Result<Option<PathBuf>> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    let Some(program) = value.map(PathBuf::from) else { return Ok(None) };
    ensure!(
        program.is_file(),
        "{variable} is set to {}, which is not a file: set it to a program's full path, or unset it",
        program.display()
    );
    Ok(Some(program))
}

/// The first of these programs that is on `PATH` and no snap.
fn on_path(names: &[&str]) -> Option<PathBuf> {
    names.iter().flat_map(|name| process::which_all(name)).find(|program| !is_snap(program))
}

/// Whether a program is a snap, which can't write to the tests' temporary folders. Ubuntu also has scripts in /usr/bin
/// that start snaps.
fn is_snap(program: &Path) -> bool {
    let real = program.canonicalize().unwrap_or_else(|_| program.into());
    let mut start = Vec::new();
    // What can't be read is no script.
    let _ = File::open(program).and_then(|file| file.take(4096).read_to_end(&mut start));
    program.starts_with("/snap")
        || real.starts_with("/snap")
        || real == Path::new("/usr/bin/snap")
        || start.starts_with(b"#!") && String::from_utf8_lossy(&start).contains("/snap/bin/")
}

/// Whether apt has packages of Chromium and Firefox. Ubuntu's are snaps instead.
fn debian() -> bool {
    tools::has_apt() && !ubuntu()
}

fn ubuntu() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=ubuntu")
}

/// 140 for "Chromium 140.0.7339.80 built on Debian".
fn major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| word.split_once('.')?.0.parse().ok())
}

/// Quotes text as a JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("Google Chrome 141.0.7390.54"), Some(141));
        assert_eq!(major("ChromeDriver 140.0.7339.80 (7a2d2f1-refs/branch-heads/7339@{#1234})"), Some(140));
        assert_eq!(major("Chromium"), None);
    }

    #[test]
    fn a_snap_is_known_by_its_path_or_by_the_script_that_starts_it() -> Result<()> {
        assert!(is_snap(Path::new("/snap/bin/chromium")));
        let folder = std::env::temp_dir().join(format!("rbc-snap-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let script = |name: &str, text: &str| -> Result<bool> {
            let file = folder.join(name);
            std::fs::write(&file, text)?;
            Ok(is_snap(&file))
        };
        let ubuntus = script("chromium-browser", "#!/bin/sh\nset -eu\nexec /snap/bin/chromium \"$@\"\n");
        let debians = script("chromium", "#!/bin/sh\nexec /usr/lib/chromium/chromium \"$@\"\n");
        let program = script("chrome", "\x7fELF /snap/bin/");
        std::fs::remove_dir_all(&folder)?;
        assert_eq!((ubuntus?, debians?, program?), (true, false, false));
        Ok(())
    }

    #[test]
    fn capabilities_name_the_browser_and_keep_webgpu_for_those_who_ask() {
        let browser = Browser { engine: Engine::Chromium, program: r"C:\a".into(), driver: "driver".into() };
        let with = browser.capabilities(true, Some(Path::new("/tmp/x")), &["--more"]);
        assert!(with.contains(r#""binary":"C:\\a""#) && with.contains("swiftshader"), "{with}");
        assert!(with.contains(r#","--more"]"#), "{with}");
        assert!(with.contains(r#""download.default_directory":"/tmp/x""#), "{with}");
        let without = browser.capabilities(false, None, &[]);
        assert!(!without.contains("swiftshader") && !without.contains("prefs"), "{without}");
    }
}
