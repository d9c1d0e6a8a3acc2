//! The browser for tests and benchmarks: Chromium or Chrome, and its driver.

use crate::{paths, process, tools};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const BROWSERS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
/// Where macOS puts browsers.
const APPLICATIONS: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
/// Where Debian, Ubuntu and GitHub's runners put a driver that is not on `PATH`.
const DRIVER_FOLDERS: [&str; 2] = ["/usr/lib/chromium", "/usr/lib/chromium-browser"];

/// Flags for every run: no window, and nothing fetched that the test did not ask for. There is no sandbox, because it
/// does not work for root; only our own pages are opened.
const QUIET: [&str; 7] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// WebGPU for machines without a GPU, computed slowly by the CPU. Without these flags there is no adapter at all.
const SOFTWARE_WEBGPU: [&str; 3] =
    ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/// A browser and the program that drives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    pub program: PathBuf,
    pub driver: PathBuf,
}

impl Browser {
    /// Finds the browser of this machine, installing one if there is none.
    pub fn ensure() -> Result<Self> {
        if let Some(found) = Self::look()? {
            return Ok(found);
        }
        println!("setup: Chromium and its driver are missing; the tests open the page in it");
        if has_debs()
            && let Err(error) = tools::apt_install(&DEBS)
        {
            println!("setup: {error:#}");
        }
        Self::find()
    }

    /// Finds the browser of this machine: the programs in `CHROME` and `CHROMEDRIVER`, else the usual ones.
    pub fn find() -> Result<Self> {
        Self::look()?.with_context(|| {
            format!(
                "a browser and its driver are needed. {}\nor set CHROME and CHROMEDRIVER to the two programs, which \
                 must be of one version",
                advice()
            )
        })
    }

    fn look() -> Result<Option<Self>> {
        let installed = || APPLICATIONS.map(PathBuf::from).into_iter().find(|file| file.is_file());
        let program = named("CHROME")?
            .or_else(|| BROWSERS.iter().find_map(|name| process::which(name)))
            .or_else(installed);
        let mut folders = DRIVER_FOLDERS.map(PathBuf::from).to_vec();
        folders.extend(std::env::var_os("CHROMEWEBDRIVER").map(PathBuf::from));
        let nearby = || folders.iter().map(|dir| dir.join("chromedriver")).find(|file| file.is_file());
        let driver = named("CHROMEDRIVER")?.or_else(|| process::which("chromedriver")).or_else(nearby);
        Ok(program.zip(driver).map(|(program, driver)| Self { program, driver }))
    }

    /// Fails if browser and driver are of different major versions: such a driver opens no window. One that doesn't
    /// tell its version is given the benefit of the doubt.
    pub fn check_versions(&self) -> Result<()> {
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

    /// The capabilities to request from the driver, as JSON. Any number of downloads are saved to `downloads` without
    /// asking; `more` are additional browser flags.
    pub fn capabilities(&self, webgpu: bool, downloads: Option<&Path>, more: &[&str]) -> String {
        let mut flags = QUIET.to_vec();
        if webgpu {
            flags.extend(SOFTWARE_WEBGPU);
        }
        flags.extend(more);
        let flags: Vec<String> = flags.into_iter().map(quoted).collect();
        let downloads = downloads.map_or_else(String::new, |folder| {
            let folder = quoted(&folder.to_string_lossy());
            format!(
                r#","prefs":{{"download.default_directory":{folder},"download.prompt_for_download":false,"profile.default_content_setting_values.automatic_downloads":1}}"#
            )
        });
        format!(
            r#"{{"goog:chromeOptions":{{"binary":{},"args":[{}]{downloads}}},"goog:loggingPrefs":{{"browser":"ALL"}}}}"#,
            quoted(&self.program.to_string_lossy()),
            flags.join(",")
        )
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

/// Debian's packages of browser and driver.
const DEBS: [&str; 2] = ["chromium", "chromium-driver"];

/// Whether apt has [`DEBS`]. Ubuntu's Chromium is a snap instead, which can't write to the tests' temporary folders.
fn has_debs() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    tools::has_apt() && !release.lines().any(|line| line == "ID=ubuntu")
}

/// How to get browser and driver on this system.
fn advice() -> String {
    if cfg!(target_os = "macos") {
        "Type\n    brew install --cask google-chrome chromedriver".into()
    } else if has_debs() {
        format!("Type\n    sudo apt-get install {}", DEBS.join(" "))
    } else {
        "Put Chrome and its chromedriver on PATH, for example from\n    \
         https://googlechromelabs.github.io/chrome-for-testing/"
            .into()
    }
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
    fn capabilities_name_the_browser_and_keep_webgpu_for_those_who_ask() {
        let browser = Browser { program: r"C:\a".into(), driver: "driver".into() };
        let with = browser.capabilities(true, Some(Path::new("/tmp/x")), &["--more"]);
        assert!(with.contains(r#""binary":"C:\\a""#) && with.contains("swiftshader"), "{with}");
        assert!(with.contains(r#","--more"]"#), "{with}");
        assert!(with.contains(r#""download.default_directory":"/tmp/x""#), "{with}");
        let without = browser.capabilities(false, None, &[]);
        assert!(!without.contains("swiftshader") && !without.contains("prefs"), "{without}");
    }
}
